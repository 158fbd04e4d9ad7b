"""The declaration of a domain: one Layer for each feature class, from which every output derives."""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.gis.db.models import GeometryField
from django.db import models
from django.db.models import QuerySet
from django.utils.translation import gettext

from services.catalog.describe import Described, describe, published
from services.catalog.models import Feature, Record

ACTIONS = ("view", "create", "change", "delete", "export", "import", "private")
RECORD = "record"
"""The action of adding to the records of a feature; whoever may change the feature may do that as well."""
"""What a role may be granted on a layer; ``private`` opens the fields the layer names private."""

OPTIONS = (
    "model", "geom", "group", "scope", "style", "panel", "columns", "tabs",
    "filters", "search", "stats", "grants", "private", "time", "zoom", "covers",
)  # fmt: skip
"""Every option a declaration may set. A test holds the number at sixteen."""


@dataclass(frozen=True)
class Scope:
    """ORM paths from a feature to the region and to the organisations that decide who sees it."""

    region: str | None = "region"
    organisation: str | None = None


@dataclass(frozen=True)
class Tab:
    """A panel tab that lists the records of one model."""

    model: type[Record]
    columns: tuple[str, ...]
    covers: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.model._meta.model_name or ""

    @property
    def title(self) -> str:
        return str(self.model._meta.verbose_name_plural)

    @property
    def of(self) -> str:
        """The foreign key from a record to its feature."""
        return self.model.of

    @cached_property
    def fields(self) -> tuple[Described, ...]:
        """The columns shown."""
        return tuple(describe(self.model, path) for path in self.columns)


@dataclass(frozen=True)
class Topic:
    """A panel tab on one topic: own fields, and whatever rows of other models say they belong under it."""

    key: str
    label: Any
    columns: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return str(self.label)


class Layer:
    """One layer: how a feature class is drawn, read, filtered, opened, and who may. Subclass and ``@register``.

    The class name gives the collection id (``DustMonitors`` → ``dust_monitors``), the model's verbose names the
    titles, and the docstring's first paragraph the published description (translated like any other text).
    """

    model: ClassVar[type[Feature]]
    geom: ClassVar[str] = "geom"
    group: ClassVar[Any] = ""
    scope: ClassVar[Scope] = Scope()
    style: ClassVar[Any] = None
    panel: ClassVar[tuple[str, ...]] = ("code", "name", "region")
    columns: ClassVar[tuple[str, ...]] = ()
    tabs: ClassVar[tuple[Tab | Topic, ...]] = ()
    filters: ClassVar[tuple[str, ...]] = ("region",)
    search: ClassVar[tuple[str, ...]] = ("code", "name")
    stats: ClassVar[tuple[str, ...]] = ("region",)
    grants: ClassVar[Mapping[str, str]] = {
        "commander": "view export private",
        "supervisor": "view create change delete export import private",
        "inspector": "view",
    }
    private: ClassVar[tuple[str, ...]] = ()
    time: ClassVar[str] = "updated_at"
    zoom: ClassVar[int] = 0
    covers: ClassVar[tuple[str, ...]] = ()

    @cached_property
    def key(self) -> str:
        """The collection id: the class name in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def title(self) -> str:
        """The plural name in the current language."""
        return str(self.model._meta.verbose_name_plural)

    @property
    def singular(self) -> str:
        """The name of one feature in the current language."""
        return str(self.model._meta.verbose_name)

    @property
    def description(self) -> str:
        """The first paragraph of the docstring in the current language."""
        return gettext(" ".join(inspect.cleandoc(type(self).__doc__ or "").split("\n\n")[0].split()))

    @property
    def domain(self) -> str:
        """The app label of the domain."""
        return self.model._meta.app_label

    @cached_property
    def fields(self) -> tuple[Described, ...]:
        """Every published field, private ones included: access.fields() tells which of them a user may read."""
        return published(self.model)

    @cached_property
    def field(self) -> Mapping[str, Described]:
        """Published fields by name."""
        return {f.name: f for f in self.fields}

    @cached_property
    def listed(self) -> tuple[str, ...]:
        """Columns of the list: ``columns``, or what the panel shows."""
        return self.columns or self.panel

    @cached_property
    def geometry_field(self) -> GeometryField:
        """The model field at the end of ``geom``, on this model or on the one it borrows from."""
        field = describe(self.model, self.geom).field
        assert isinstance(field, GeometryField)
        return field

    @cached_property
    def geometry_type(self) -> str:
        """``point``, ``line``, ``polygon`` or ``any``."""
        name = self.geometry_field.geom_type.lower().removeprefix("multi")
        return {"point": "point", "linestring": "line", "polygon": "polygon"}.get(name, "any")

    @cached_property
    def owns_geometry(self) -> bool:
        """Whether the place is the feature's own, not borrowed along a path."""
        return "__" not in self.geom

    @cached_property
    def state_field(self) -> Described | None:
        """The field named ``state``, where the feature has one."""
        return self.field.get("state")

    def tab(self, key: str) -> Tab | Topic | None:
        """The tab with this key, or None."""
        return next((tab for tab in self.tabs if tab.key == key), None)

    def rows(self) -> QuerySet[Feature]:
        """Every feature, unrestricted: only services.access reads it."""
        return self.model._default_manager.all()

    def objections(self, rows: Sequence[Feature]) -> Mapping[int, dict[str, list[str]]]:
        """What its domain holds against rows about to be written, new or changed: place → field → sentences.

        A layer whose domain asks such questions overrides it, with one query for all rows; nothing is written here.
        """
        return {}

    def objected(self, who: UUID | None, name: str, row: Feature) -> list[Any]:
        """Keep that a row was held back, and whose it was; returns what somebody has to decide on."""
        return []

    def __repr__(self) -> str:
        return f"<Layer {self.key}>"


@dataclass
class Registry:
    """The layers that registered, by key, in the order of their titles' groups."""

    by_key: dict[str, Layer] = field(default_factory=dict)

    def register(self, declaration: type[Layer]) -> type[Layer]:
        """Class decorator of a declaration."""
        layer = declaration()
        other = self.by_key.get(layer.key)
        if other is not None and type(other).__module__ != declaration.__module__:
            raise ValueError(f"two layers are called {layer.key!r}: {type(other).__module__}, {declaration.__module__}")
        self.by_key[layer.key] = layer
        return declaration

    def __iter__(self) -> Any:
        return iter(self.by_key.values())

    def __len__(self) -> int:
        return len(self.by_key)

    def get(self, key: str) -> Layer | None:
        """The layer with this key, or None."""
        return self.by_key.get(key)

    def of(self, model: type[models.Model]) -> Layer | None:
        """The layer that shows this model, or None."""
        return next((layer for layer in self if layer.model is model), None)

    def under(self, layer: Layer, topic: str) -> list[type[Feature] | type[Record]]:
        """Models of any domain whose rows belong under ``topic`` of a feature of ``layer``."""
        from django.apps import apps

        return [
            model
            for model in apps.get_models()
            if issubclass(model, Feature | Record)
            and model.topic == topic
            and model.of
            and model._meta.get_field(model.of).related_model is layer.model
        ]


registry = Registry()
register = registry.register
