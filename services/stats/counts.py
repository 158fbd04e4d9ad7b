"""Counts of a layer's features by one of its fields."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Avg, Count, Max, Min, QuerySet, Sum
from django.db.models.functions import Left
from django.utils.translation import gettext as _

from gis.models import Region
from services.access import gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.catalog.describe import Described, describe
from services.catalog.layer import Layer
from services.catalog.models import Feature
from services.search.filters import Filters, narrow

LEVEL_LENGTHS = {2: 4, 4: 6, 6: 9, 9: 9}
"""Significant digits of a region code, and of the codes one level below (GB/T 2260, GB/T 10114)."""


@dataclass(frozen=True)
class Tally:
    """How many features have one value."""

    value: str
    label: str
    count: int


@dataclass(frozen=True)
class Summary:
    """Number, sum and spread of one measured field; None where nothing was measured."""

    name: str
    label: str
    unit: str
    count: int
    total: float | None
    mean: float | None
    minimum: float | None
    maximum: float | None


def counts(principal: Principal, layer: Layer, by: str, filters: Filters = Filters()) -> list[Tally]:  # noqa: B008
    """Features by the values of ``by``, one of ``layer.stats``; regions are counted one level below the one chosen."""
    if by not in layer.stats or by.split("__")[0] not in {f.name for f in gate.fields(principal, layer)}:
        raise Invalid(_("不能按“%s”统计。") % by, {"by": [_("可选：%s") % ", ".join(layer.stats)]})
    described = describe(layer.model, by)
    rows = narrow(principal, layer, filters).order_by()
    if described.related is Region:
        return _by_region(rows, by, filters)
    found = rows.values_list(by).annotate(n=Count("pk")).order_by("-n", by)
    return [Tally("" if value is None else str(value), label, n) for value, label, n in _labelled(described, found)]


def total(principal: Principal, layer: Layer, filters: Filters = Filters()) -> int:  # noqa: B008
    """The number of features that pass."""
    return narrow(principal, layer, filters).order_by().count()


def summaries(principal: Principal, layer: Layer, filters: Filters = Filters()) -> list[Summary]:  # noqa: B008
    """Sum and spread of every measured field with a unit that the principal may read."""
    fields = [f for f in gate.fields(principal, layer) if f.unit and f.is_number]
    if not fields:
        return []
    wanted: dict[str, Any] = {}
    for f in fields:
        for name, function in (("count", Count), ("total", Sum), ("mean", Avg), ("minimum", Min), ("maximum", Max)):
            wanted[f"{f.name}__{name}"] = function(f.path)
    found = narrow(principal, layer, filters).order_by().aggregate(**wanted)
    keys = ("count", "total", "mean", "minimum", "maximum")
    return [Summary(f.name, f.label, f.unit, *(found[f"{f.name}__{key}"] for key in keys)) for f in fields]


def _by_region(rows: QuerySet[Feature], by: str, filters: Filters) -> list[Tally]:
    chosen = filters.chosen(by)
    prefix = chosen[0] if chosen else _common_prefix(rows, by)
    length = LEVEL_LENGTHS.get(len(prefix), 6)
    found = list(rows.values_list(Left(f"{by}__code", length)).annotate(n=Count("pk")).order_by("-n"))
    codes = [value.ljust(6, "0") for value, _n in found if value]
    names = dict(Region.objects.filter(code__in=codes).values_list("code", "name"))
    return [
        Tally(code, names.get(code, code or _("未定位")), n)
        for code, n in ((value.ljust(6, "0") if value else "", n) for value, n in found)
    ]


def _common_prefix(rows: QuerySet[Feature], by: str) -> str:
    """The region that holds everything: what lies one level below it is worth comparing."""
    ends = rows.aggregate(first=Min(f"{by}__code"), last=Max(f"{by}__code"))
    if not ends["first"]:
        return ""
    for length in (6, 4, 2):
        if ends["first"][:length] == ends["last"][:length]:
            return str(ends["first"][:length])
    return ""


def _labelled(described: Described, found: Iterable[tuple[Any, int]]) -> list[tuple[Any, str, int]]:
    found = list(found)
    if described.related is not None:
        keys = [value for value, _n in found if value is not None]
        names = {row.pk: str(row) for row in described.related._default_manager.filter(pk__in=keys)}
        return [(value, names.get(value, _("未填")), n) for value, n in found]
    return [(value, described.display(value) if value not in (None, "") else _("未填"), n) for value, n in found]
