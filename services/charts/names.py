"""What groups are called: labels of choices, names of regions and features, parts of the time in words."""

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.dates import MONTHS_3
from django.utils.translation import gettext as _

from gis.models import Region
from services.access import gate
from services.access.principal import Principal
from services.charts.dimensions import WEEKDAYS, Dimension
from services.charts.sources import Source

OTHERS = "@others"
"""The key of what is put together."""


@dataclass(frozen=True)
class Group:
    """A group of rows: its key as the database gave it, its name, and its place in the natural order."""

    key: str
    label: str
    rank: int = 0


def groups(principal: Principal, source: Source, by: Dimension, keys: list[str]) -> list[Group]:
    """The groups with these keys, named, in two queries at most; an empty key is what nobody filled in."""
    labels = _labels(principal, source, by, [key for key in keys if key])
    missing = _("未定位") if by.kind in ("region", "place", "feature") else _("未填")
    order = {str(value): n for n, value in enumerate(by.described.choices)} if by.described is not None else {}
    return [Group(key, labels.get(key, key) or missing, order.get(key, len(order))) for key in keys]


def natural(by: Dimension, named: list[Group]) -> list[Group]:
    """In the order of the time, of codes, of choices as they are declared, else of the names; what is missing last."""
    by_key = by.kind in ("time", "cycle", "region")
    return sorted(named, key=lambda g: (g.key == "", g.rank, g.key if by_key else g.label, g.key))


def _labels(principal: Principal, source: Source, by: Dimension, keys: list[str]) -> dict[str, str]:
    if by.kind == "region":
        whole = {key: key.ljust(6, "0") for key in keys}
        found = dict(Region.objects.filter(code__in=whole.values()).values_list("code", "name"))
        return {key: found.get(code, code) for key, code in whole.items()}
    if by.kind == "feature":
        assert source.layer is not None
        rows = gate.restrict_index(principal, [source.layer]).filter(pk__in=keys)
        return {str(pk): title for pk, title in rows.values_list("pk", "title")}
    if by.kind == "cycle":
        return {key: _cycle(by.grain, key) for key in keys}
    field = by.described
    if field is None or by.kind != "category":
        return {}
    if field.related is not None:
        named: Any = field.related._default_manager.filter(pk__in=keys).only("pk", "name")
        return {str(row.pk): str(row) for row in named}
    if isinstance(field.value_field, models.BooleanField):
        return {"true": _("是"), "false": _("否")}
    return {str(value): label for value, label in field.choices.items()}


def _cycle(grain: str, key: str) -> str:
    number = int(key)
    if grain == "weekdays":
        return str(WEEKDAYS[number - 1])
    if grain == "hours":
        return f"{number}:00"
    return str(MONTHS_3[number]) if grain == "months" else str(number)
