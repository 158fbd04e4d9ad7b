"""The kinds of rows that statistics count: layers by their time, records by theirs, and what engines declare.

Nothing is listed here: whatever a domain declares takes part. A feature counts on the day that its layer's ``time``
says, where that is something that happens once: a day, or a moment that is always there. A moment that may be missing
says how fresh the feature is; then it counts on its first day, such as that of its installation, or when entered.
A record counts by the field by which records are ordered, else by its first day, else when it was entered.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from django.apps import apps
from django.db.models import BooleanField, DateField, DateTimeField, F, ForeignKey, Model, Q
from django.utils.translation import gettext as _

from services.access import gate
from services.access.principal import Principal
from services.catalog.describe import Described, describe, published
from services.catalog.happenings import HAPPENINGS, Amount, Happening
from services.catalog.layer import Layer, Tab, registry
from services.catalog.models import Record, Row
from services.catalog.quantities import Money, Quantity

ENTERED = "created_at"
OWN = {field.name for field in Row._meta.fields}
MOST_PARTS = 2
"""Fields by which rows of one kind are told apart."""
COLUMNS = 6


@dataclass(frozen=True)
class Kind:
    """Rows of one model that are counted by one time.

    ``layer`` is whose rights decide, reached ``along`` a path; without one the rights to the feature do.
    """

    key: str
    model: type[Model]
    time: Described
    feature: str
    title: str
    group: str
    layer: Layer | None = None
    along: str = ""
    parts: tuple[Described, ...] = ()
    flags: tuple[Described, ...] = ()
    amounts: tuple[Amount, ...] = ()
    columns: tuple[Described, ...] = ()
    condition: Q = field(default_factory=Q)

    @property
    def about(self) -> str:
        """Of what, and by which of its times."""
        by = _("按%s") % self.time.label
        return f"{self.layer.title} · {by}" if self.layer is not None and self.along else by

    @property
    def by_day(self) -> bool:
        """Whether its time is a day, not a moment."""
        return not isinstance(self.time.value_field, DateTimeField)


def kinds(principal: Principal, action: str = "view") -> list[Kind]:
    """All kinds of which a principal may see something (or take it along, with ``export``), domain by domain.

    Layers in which nothing has a state, such as the ground, stand last; two kinds of the same name are told apart.
    """
    found = [*_happenings(principal, action), *_of_layers(principal, action)]
    names = Counter(kind.title for kind in found)
    return [
        replace(kind, title=_("%(what)s（%(of)s）") % {"what": kind.title, "of": kind.layer.title})
        if names[kind.title] > 1 and kind.layer is not None and kind.along
        else kind
        for kind in found
    ]


def dated(layer: Layer) -> str:
    """The field by which features of a layer count."""
    declared = layer.field.get(layer.time)
    if declared is not None and layer.time not in OWN and (_is_day(declared) or not declared.field.null):
        return layer.time
    return next((field.name for field in layer.fields if _is_day(field)), ENTERED)


def dated_record(model: type[Model]) -> str:
    """The field by which records of a model count."""
    fields = {field.name: field for field in published(model)}
    ordered = (str(name).removeprefix("-") for name in model._meta.ordering or ())
    times = [name for name in ordered if name in fields and fields[name].is_time]
    days = [field.name for field in fields.values() if _is_day(field)]
    return next(iter([*times, *days]), ENTERED)


def reach(model: type[Model], target: type[Model]) -> tuple[str, ...]:
    """The ORM paths by which rows of a model hang at the nearest feature of another: by ``of`` from one to the next.

    A row's own foreign key counts before that of what it belongs to: a lorry's load is the site's that it names.
    """
    along = ""
    for _step in range(gate.MOST_ABOVE):
        if model is target:
            return (f"{along}pk",)
        keys = [f for f in model._meta.concrete_fields if isinstance(f, ForeignKey) and f.related_model is target]
        if keys:
            belongs = [key for key in keys if key.name == getattr(model, "of", "")]
            return tuple(f"{along}{key.name}" for key in belongs or keys)
        of = getattr(model, "of", "")
        if not of:
            return ()
        along += f"{of}__"
        model = model._meta.get_field(of).related_model  # type: ignore[assignment]
    return ()


def _happenings(principal: Principal, action: str) -> Iterator[Kind]:
    if principal.is_public or not gate.layers(principal, action):
        return
    for each in HAPPENINGS.values():
        yield _happening(principal, each)


def _happening(principal: Principal, declared: Happening) -> Kind:
    def found(paths: tuple[str, ...]) -> tuple[Described, ...]:
        return tuple(describe(declared.model, path) for path in paths)

    return Kind(
        declared.key, declared.model, describe(declared.model, declared.time), declared.feature, str(declared.title),
        str(declared.group), parts=found(declared.parts), amounts=declared.amounts, columns=found(declared.columns),
        condition=declared.condition & declared.besides(principal) if declared.besides else declared.condition,
    )  # fmt: skip


def _of_layers(principal: Principal, action: str) -> Iterator[Kind]:
    layers = sorted(gate.layers(principal, action), key=lambda layer: not _lively(layer))
    records: dict[type[Model], list[type[Record]]] = {}
    for model in apps.get_models():
        if issubclass(model, Record) and model.of:
            records.setdefault(model._meta.get_field(model.of).related_model, []).append(model)  # type: ignore[arg-type]
    for layer in layers:
        readable = {field.name: field for field in gate.fields(principal, layer)}
        time = dated(layer)
        if time in readable:
            yield Kind(
                layer.key, layer.model, readable[time], "pk", layer.title, str(layer.group), layer,
                parts=_parts(layer.stats, readable), amounts=_sums(readable),
                columns=tuple(readable[name] for name in layer.listed if name in readable)[: COLUMNS + 2],
            )  # fmt: skip
        # Records are open to the public nowhere.
        if registry.of(layer.model) is layer and not principal.is_public:
            for model in records.get(layer.model, ()):
                yield _record(layer, model)


def _lively(layer: Layer) -> bool:
    """Whether anything in its group of layers has a state."""
    return any(other.state_field is not None for other in registry if str(other.group) == str(layer.group))


def _record(layer: Layer, model: type[Record]) -> Kind:
    fields = {field.name: field for field in published(model) if field.name != model.of}
    tab = next((tab for tab in layer.tabs if isinstance(tab, Tab) and tab.model is model), None)
    columns = tab.columns if tab else tuple(name for name, field in fields.items() if field.editable)[:COLUMNS]
    first = dict.fromkeys((*(name for name in columns if name in fields), *fields))
    return Kind(
        f"{layer.key}.{model._meta.model_name}", model, fields[dated_record(model)], model.of,
        str(model._meta.verbose_name_plural), str(layer.group), layer, f"{model.of}__", _parts(tuple(first), fields),
        tuple(f for f in fields.values() if isinstance(f.field, BooleanField)), _sums(fields, means=True),
        tuple(describe(model, name) for name in columns),
    )  # fmt: skip


def _parts(names: tuple[str, ...], fields: dict[str, Described]) -> tuple[Described, ...]:
    """The fields with choices, ``state`` before all others."""
    found = [fields[name] for name in names if name in fields and fields[name].choices]
    return tuple(sorted(found, key=lambda field: field.name != "state")[:MOST_PARTS])


def _sums(fields: dict[str, Described], *, means: bool = False) -> tuple[Amount, ...]:
    """The quantities that add up, and with ``means`` the others by their mean: of a feature they are those of now."""
    found = []
    for name, each in fields.items():
        value = each.value_field
        field = value if isinstance(value, Quantity | Money) else None
        # What a device measures is the value of now, not of the period.
        if field is None or field.summed is None or (isinstance(field, Quantity) and field.factor):
            continue
        if field.summed or means:
            digits = min(field.decimal_places or 0, 2) if isinstance(field, Money) else 1
            found.append(Amount(name, each.label, each.unit, F(name), not field.summed, digits))
    return tuple(found)


def _is_day(field: Described) -> bool:
    return isinstance(field.value_field, DateField) and not isinstance(field.value_field, DateTimeField)
