"""The columns of a custom report: the time, a field of the features, or a statistic of a factor."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db import connection, models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from services.access import gate
from services.access.principal import Principal
from services.catalog.describe import Described
from services.catalog.layer import Layer, registry
from services.telemetry.devices import visible
from services.telemetry.features import SCALES
from services.telemetry.features import columns as measured
from services.telemetry.models import Factor
from services.telemetry.reports import Heading

TIME = "@time"
"""The column that says which part of the time a line is about."""
STATISTICS = {
    "mean": gettext_lazy("平均"), "high": gettext_lazy("最大"), "low": gettext_lazy("最小"),
    "total": gettext_lazy("累计"), "valid": gettext_lazy("有效小时"), "share": gettext_lazy("有效率"),
}  # fmt: skip
VOLUME, CONCENTRATION = "L/s", "mg/L"
"""Stored units of what has a volume, and of what has a load once it is weighted by one."""


class Column(NamedTuple):
    """One column: its token as it is saved, and what it shows; values are multiplied by ``scale``."""

    token: str
    heading: Heading
    field: Described | None = None
    factor: Factor | None = None
    statistic: str = ""
    scale: float = 1.0


def columns(principal: Principal, layer: Layer, tokens: list[str]) -> list[Column]:
    """The columns with these tokens that a principal may read; what they may not, or what is no more, is left out."""
    codes = {token.partition(":")[0] for token in tokens if ":" in token}
    known = {factor.code: factor for factor in Factor.objects.filter(code__in=codes).select_related("weight")}
    readable = {field.name: field for field in gate.fields(principal, layer)}
    found = (_column(layer, token, readable, known) for token in tokens)
    return [column for column in found if column is not None]


def relations(principal: Principal, layer: Layer) -> dict[str, tuple[str, Layer]]:
    """Name → (label, other layer) of the fields that point at features of another layer within reach."""
    found = {}
    for field in gate.fields(principal, layer):
        other = registry.of(field.related) if field.related is not None and "__" not in field.path else None
        if other is not None and gate.may(principal, other):
            found[field.name] = (field.label, other)
    return found


def fields(principal: Principal, layer: Layer) -> dict[str, str]:
    """Name → label of the fields that may stand in a column: not those that show the latest value of a factor."""
    shown = {field.name for field in measured(layer).values()}
    return {field.name: field.label for field in gate.fields(principal, layer) if field.name not in shown}


def factors(principal: Principal, layer: Layer) -> dict[str, tuple[str, Factor]]:
    """Code → (label, factor) of what a principal may read of the layer: its measured fields, then what devices sent."""
    readable = {field.name: field.label for field in gate.fields(principal, layer)}
    shown = measured(layer)
    labels = {code: readable[field.name] for code, field in shown.items() if field.name in readable}
    devices = visible(principal).filter(feature__in=gate.restrict_index(principal, [layer]).values("pk"))
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct factor from telemetry_latest where device = any(%s)",
            [list(devices.values_list("pk", flat=True))],
        )
        sent = [pk for (pk,) in cursor.fetchall()]
    # The state of a machine is a number only in name: a mean of it says nothing.
    rows = (
        Factor.objects.filter(models.Q(code__in=labels) | models.Q(pk__in=sent))
        .exclude(averaging=Factor.Averaging.STATE)
        .select_related("weight")
    )
    by_code = {row.code: row for row in rows}
    found = {code: (label, by_code[code]) for code, label in labels.items() if code in by_code}
    return found | {code: (str(row), row) for code, row in by_code.items() if code not in shown}


def statistics(factor: Factor) -> list[str]:
    """What can be said of a factor: a counter has no mean, a direction no extremes, and few have a total."""
    kinds = Factor.Averaging
    found = {kinds.TOTAL.value: [], kinds.DIRECTION.value: ["mean"]}.get(factor.averaging, ["mean", "high", "low"])
    return [*found, *(["total"] if has_total(factor) else []), "valid", "share"]


def has_total(factor: Factor) -> bool:
    """Whether what is measured adds up: what a counter rose by, the volume of a flow, the load of a concentration."""
    return factor.averaging == Factor.Averaging.TOTAL or factor.unit == VOLUME or has_load(factor)


def has_load(factor: Factor) -> bool:
    """Whether it is a concentration in what flows."""
    return factor.unit == CONCENTRATION and factor.weight is not None and factor.weight.unit == VOLUME


def label(column: Column) -> str:
    """A column as a person chooses it."""
    if not column.heading.unit:
        return column.heading.label
    return _("%(name)s（%(unit)s）") % {"name": column.heading.label, "unit": column.heading.unit}


def _column(layer: Layer, token: str, readable: Mapping[str, Described], known: Mapping[str, Factor]) -> Column | None:
    if token == TIME:
        return Column(token, Heading(_("时间")))
    code, _colon, statistic = token.partition(":")
    if not statistic:
        field = readable.get(token)
        return None if field is None else Column(token, _field_heading(field), field=field)
    shown, factor = measured(layer).get(code), known.get(code)
    if factor is None or statistic not in statistics(factor) or (shown is not None and shown.name not in readable):
        return None
    unit, scale = _scaled(factor, getattr(shown, "unit", ""))
    name = readable[shown.name].label if shown is not None else str(factor)
    said = f"{name} {STATISTICS[statistic]}"
    if statistic == "total":
        return Column(token, _total_heading(said, factor), factor=factor, statistic=statistic)
    headings = {"valid": Heading(said, "h", 0), "share": Heading(said, "%", 1)}
    if statistic in headings:
        return Column(token, headings[statistic], factor=factor, statistic=statistic)
    return Column(token, Heading(said, unit, factor.digits), factor=factor, statistic=statistic, scale=scale)


def _scaled(factor: Factor, unit: str) -> tuple[str, float]:
    """The unit in which the layer shows a factor, and what to multiply the stored value by."""
    scale = SCALES.get((factor.unit, unit))
    return (factor.unit, 1.0) if scale is None else (unit, scale)


def _total_heading(said: str, factor: Factor) -> Heading:
    if factor.averaging == Factor.Averaging.TOTAL:
        return Heading(said, factor.unit, factor.digits)
    return Heading(said, "m³", 0) if factor.unit == VOLUME else Heading(said, "kg", 1)


def _field_heading(field: Described) -> Heading:
    if not field.is_number or field.choices or field.related is not None:
        return Heading(field.label)
    kind: Any = field.value_field
    whole = isinstance(kind, models.IntegerField)
    return Heading(field.label, field.unit, 0 if whole else getattr(kind, "decimal_places", None) or 2)
