"""What holds now: the newest value of chosen factors at every feature of a layer, each with its own time and age."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import atan2, cos, degrees, hypot, radians, sin
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils import timezone

from gis.models import code_prefix
from services.access import gate
from services.access.principal import Principal
from services.catalog.describe import Described
from services.catalog.layer import Layer
from services.telemetry.devices import SHORTEST_SILENCE, SILENT
from services.telemetry.features import columns

ENTERED = timedelta(hours=1)
"""How long a value holds that no device sent."""


class Now(NamedTuple):
    """A newest value in the unit of its column, when it was measured, and whether it is new enough to stand for now."""

    value: float | None
    at: datetime | None
    fresh: bool


@dataclass(frozen=True)
class Place:
    """A feature with its values by factor code; ``None`` in a value is missing, zero is measured."""

    row: Any
    values: dict[str, Now]

    @property
    def newest(self) -> datetime | None:
        """When it was last measured at all."""
        return max((each.at for each in self.values.values() if each.at is not None), default=None)


def readable(principal: Principal, layer: Layer, codes: Collection[str]) -> dict[str, Described]:
    """Factor code → its column, of those columns that the principal may read, in the order of the codes."""
    fields = {field.name: field for field in gate.fields(principal, layer)}
    shown = columns(layer)
    return {code: fields[shown[code].name] for code in codes if code in shown and shown[code].name in fields}


def places(
    principal: Principal, layer: Layer, codes: Collection[str], region: str = "", now: datetime | None = None
) -> list[Place]:
    """The features of a layer that a principal sees, of a region and what lies below it, by name; in two queries.

    A value is stale when its device has been silent for three of its intervals: it is shown with its time, and whoever
    reckons with what holds now leaves it out.
    """
    now = now or timezone.now()
    fields = readable(principal, layer, codes)
    rows: Any = gate.restrict(principal, layer)
    if region:
        rows = rows.filter(region__code__startswith=code_prefix(region))
    rows = list(rows.select_related("region").defer("region__geom").order_by("name", "pk"))
    sent = _sent([row.pk for row in rows], list(fields))
    found = []
    for row in rows:
        entered = getattr(row, layer.time, None) if layer.time != "updated_at" else None
        values = {}
        for code, field in fields.items():
            at, holds = sent.get((row.pk, code), (entered, ENTERED))
            value = getattr(row, field.name)
            values[code] = Now(value, at, value is not None and at is not None and now - at <= holds)
        found.append(Place(row, values))
    return found


class Spread(NamedTuple):
    """Mean and extremes of what holds now at some places, and how many of them say something."""

    mean: float
    least: float
    greatest: float
    number: int


def spread(some: Iterable[Place], code: str) -> Spread | None:
    """The spread of a factor over the places whose value is fresh; None where none is."""
    values = [now.value for place in some if (now := place.values.get(code)) and now.fresh and now.value is not None]
    return Spread(sum(values) / len(values), min(values), max(values), len(values)) if values else None


def resultant(winds: Iterable[tuple[float, float]]) -> tuple[float, float | None] | None:
    """The vector mean of winds given as (speed, direction it comes from in degrees): speed and direction.

    The direction is None where the winds cancel out, as calm air has none; None where there is no wind at all.
    """
    pairs = list(winds)
    if not pairs:
        return None
    east = sum(speed * sin(radians(direction)) for speed, direction in pairs) / len(pairs)
    north = sum(speed * cos(radians(direction)) for speed, direction in pairs) / len(pairs)
    speed = hypot(east, north)
    return speed, degrees(atan2(east, north)) % 360 if speed > 1e-9 else None


def _sent(features: list[UUID], codes: list[str]) -> dict[tuple[UUID, str], tuple[datetime, timedelta]]:
    """(Feature, factor) → when the newest reading was measured, and how long it holds."""
    keys: dict[str, Any] = {"features": features, "codes": codes, "times": SILENT, "least": SHORTEST_SILENCE}
    with connection.cursor() as cursor:
        cursor.execute(_SENT, keys)
        return {(feature, code): (at, timedelta(seconds=holds)) for feature, code, at, holds in cursor.fetchall()}


# Of several devices at one feature the newest reading of a factor is shown, as in its column.
_SENT = """
select distinct on (d.feature, f.code) d.feature, f.code, l.at, greatest(%(least)s,
    %(times)s * case d.base when 0 then d.interval when 1 then 60 * d.minute_span else 3600 end)
from telemetry_device d join telemetry_latest l on l.device = d.id
join telemetry_factor f on f.id = l.factor and f.code = any(%(codes)s)
where d.state = 'active' and d.feature = any(%(features)s)
order by d.feature, f.code, l.at desc"""
