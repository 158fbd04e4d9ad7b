"""The panel of a feature: summary, tabs of records, what belongs under its topics, what is near."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from gis.geofence import nearest
from services.access import gate
from services.access.errors import NotFound
from services.access.principal import Principal
from services.catalog.describe import Described, describe, published
from services.catalog.layer import ACTIONS, RECORD, Layer, Tab, Topic, registry
from services.catalog.models import Feature, FeatureIndex, Record
from services.panels.listing import cell, with_related

PAGE = 20
FIRST_COLUMNS = 5


@dataclass(frozen=True)
class Link:
    """The address of another feature."""

    layer: Layer
    id: UUID


@dataclass(frozen=True)
class Value:
    """A labelled value; ``link`` where it is another feature the principal may open."""

    label: str
    text: str
    link: Link | None = None
    name: str = ""
    """Of the field."""


@dataclass(frozen=True)
class TabHead:
    """A tab before it is opened; ``count`` is None for a topic without rows of its own."""

    key: str
    title: str
    count: int | None


@dataclass(frozen=True)
class Panel:
    """A feature, opened."""

    layer: Layer
    feature: Feature
    title: str
    code: str
    state: str
    state_label: str
    values: list[Value]
    tabs: list[TabHead]
    may: frozenset[str]
    place: tuple[float, float] | None
    extent: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class Section:
    """Rows of one model; ``layer`` where each is a feature to open, ``add`` the tab through which one may be added."""

    title: str
    columns: list[str]
    rows: list[tuple[UUID, list[str]]]
    total: int
    layer: Layer | None = None
    add: str = ""


@dataclass(frozen=True)
class TabContent:
    """A tab, opened."""

    key: str
    title: str
    values: list[Value] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    page: int = 1
    pages: int = 1

    @property
    def total(self) -> int:
        return sum(section.total for section in self.sections)


def panel(principal: Principal, layer: Layer, pk: str | UUID) -> Panel:
    """The panel of a feature the principal may see; NotFound otherwise."""
    feature = gate.fetch(principal, layer, pk)
    fields = _readable(principal, layer, layer.panel)
    row = with_related(layer.rows(), fields).get(pk=feature.pk)
    index = FeatureIndex.objects.filter(pk=feature.pk).first()
    geometry = index.geom if index else None
    state = str(getattr(row, "state", ""))
    return Panel(
        layer, row, row.name, row.code, state,
        layer.state_field.display(state) if layer.state_field else "",
        [_value(principal, row, f) for f in fields],
        _heads(principal, layer, row),
        frozenset(action for action in ACTIONS if _may_here(principal, layer, row, action)),
        _place(geometry), geometry.extent if geometry else None,
    )  # fmt: skip


def tab(principal: Principal, layer: Layer, pk: str | UUID, key: str, page: int = 1) -> TabContent:
    """One opened tab of a feature; NotFound for an unknown tab."""
    feature = gate.fetch(principal, layer, pk)
    declared = layer.tab(key)
    if declared is None:
        raise NotFound(
            _("没有标签“%(key)s”；有：%(keys)s") % {"key": key, "keys": ", ".join(t.key for t in layer.tabs)}
        )
    if isinstance(declared, Topic):
        return _topic(principal, layer, feature, declared)
    rows = gate.restrict_records(principal, layer, declared).filter(**{declared.of: feature.pk})
    total = rows.count()
    pages = max(1, -(-total // PAGE))
    page = max(1, min(page, pages))
    add = key if not declared.model.by_flow and _may_here(principal, layer, feature, RECORD) else ""
    section = _section(declared.title, rows, list(declared.fields), total, page=page, add=add)
    return TabContent(key, declared.title, sections=[section], page=page, pages=pages)


def nearby(principal: Principal, pk: str | UUID, limit: int = 10) -> list[tuple[FeatureIndex, Layer, float]]:
    """The features of any layer nearest to one, with their distances in metres."""
    here = FeatureIndex.objects.filter(pk=pk).first()
    if here is None or here.geom is None:
        return []
    layers = {layer.key: layer for layer in gate.layers(principal)}
    rows = gate.restrict_index(principal).exclude(pk=here.pk)
    found = nearest(rows, here.geom.point_on_surface, limit)
    return [(row, layers[row.layer], row.distance_m) for row in found]


def _readable(principal: Principal, layer: Layer, paths: Iterable[str]) -> list[Described]:
    readable = {f.name for f in gate.fields(principal, layer)}
    return [describe(layer.model, path) for path in paths if path.split("__")[0] in readable]


def _value(principal: Principal, row: models.Model, described: Described) -> Value:
    link = None
    if described.related is not None and "__" not in described.path:
        target = registry.of(described.related)
        key = getattr(row, described.field.attname)
        if target and key and gate.restrict(principal, target).filter(pk=key).exists():
            link = Link(target, key)
    return Value(described.label, cell(row, described), link, described.name)


def _heads(principal: Principal, layer: Layer, feature: Feature) -> list[TabHead]:
    """Tab heads with counts: every count in one query, as a row of subqueries."""
    # Records that stand under a topic of the same panel are shown there, not twice.
    topics = {t.key for t in layer.tabs if isinstance(t, Topic)}
    shown = [t for t in layer.tabs if isinstance(t, Topic) or t.model.topic not in topics]
    counting: dict[str, list[QuerySet[Any]]] = {}
    for declared in shown:
        if isinstance(declared, Tab):
            counting[declared.key] = [declared.model._default_manager.filter(**{declared.of: feature.pk})]
        else:
            counting[declared.key] = [rows for _m, _l, rows in _under(principal, layer, feature, declared.key)]
    names, parts = [], {}
    for key, querysets in counting.items():
        for number, rows in enumerate(querysets):
            name = f"n_{key}_{number}"
            names.append((key, name))
            parts[name] = models.Subquery(
                rows.order_by().values(_one=models.Value(1)).annotate(n=Count("*")).values("n"),
                output_field=models.IntegerField(),
            )
    found: Any = layer.rows().filter(pk=feature.pk).values(**parts).first() if parts else {}
    totals: dict[str, int] = {}
    for key, name in names:
        totals[key] = totals.get(key, 0) + int((found or {}).get(name) or 0)
    return [TabHead(t.key, t.title, totals.get(t.key)) for t in shown]


def _under(
    principal: Principal, layer: Layer, feature: Feature, topic: str
) -> list[tuple[type[Feature] | type[Record], Layer | None, QuerySet[Any]]]:
    """What other models keep under a topic of this feature, restricted by the rights on their own layers."""
    found: list[tuple[type[Feature] | type[Record], Layer | None, QuerySet[Any]]] = []
    for model in registry.under(layer, topic):
        if issubclass(model, Feature):
            target = registry.of(model)
            if target is None or not gate.may(principal, target):
                continue
            rows: QuerySet[Any] = gate.restrict(principal, target)
        else:
            target, rows = None, model._default_manager.all()
        found.append((model, target, rows.filter(**{model.of: feature.pk})))
    return found


def _topic(principal: Principal, layer: Layer, feature: Feature, topic: Topic) -> TabContent:
    fields = _readable(principal, layer, topic.columns)
    row = with_related(layer.rows(), fields).get(pk=feature.pk) if fields else feature
    sections = []
    may_add = _may_here(principal, layer, feature, RECORD)
    for model, target, rows in _under(principal, layer, feature, topic.key):
        if target is not None:
            columns = _readable(principal, target, target.listed)[:FIRST_COLUMNS]
        else:
            columns = [f for f in published(model) if f.editable and f.name != model.of]
        title = str(model._meta.verbose_name_plural)
        add = next((t.key for t in layer.tabs if may_add and isinstance(t, Tab) and t.model is model), "")
        add = "" if model.by_flow else add
        sections.append(_section(title, rows, columns, rows.count(), layer=target, add=add))
    return TabContent(topic.key, topic.title, [_value(principal, row, f) for f in fields], sections)


def _section(
    title: str, rows: QuerySet[Any], columns: list[Described], total: int, *,
    layer: Layer | None = None, page: int = 1, add: str = "",
) -> Section:  # fmt: skip
    rows = rows if rows.ordered else rows.order_by("-pk")
    found = with_related(rows, columns)[(page - 1) * PAGE : page * PAGE]
    shown = [(row.pk, [cell(row, f) for f in columns]) for row in found]
    return Section(title, [f.label for f in columns], shown, total, layer, add)


def _may_here(principal: Principal, layer: Layer, feature: Feature, action: str) -> bool:
    if not gate.may(principal, layer, action):
        return False
    bound = gate.condition(principal, layer, action)
    return bound is None or layer.rows().filter(bound, pk=feature.pk).exists()


def _place(geometry: Any) -> tuple[float, float] | None:
    if geometry is None or geometry.empty:
        return None
    point = geometry if geometry.geom_type == "Point" else geometry.point_on_surface
    return point.x, point.y
