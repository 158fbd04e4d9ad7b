"""One hour of a factor at every feature of a region: what surfaces and comparisons start from."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.contrib.gis.geos import GEOSGeometry
from django.db import connection

from services.telemetry.spans import Span


class Station(NamedTuple):
    """A feature with a device, where it is, and the factor's value there."""

    feature: UUID
    device: int
    lon: float
    lat: float
    value: float | None
    n_valid: int
    n_expected: int
    valid: bool
    region: str
    """Code of the region that the feature says it lies in."""


def stations(
    factor: int, at: datetime, prefix: str, *, within: GEOSGeometry | None = None, span: Span = Span.HOUR
) -> list[Station]:
    """The features of a region code prefix that measured the factor in a span, in the order of their ids.

    Of several devices at one feature the one with the most valid values counts. ``within`` (EPSG:4490) leaves out what
    lies outside it.
    """
    area = bytes(within.ewkb) if within is not None else None
    with connection.cursor() as cursor:
        cursor.execute(
            _STATIONS,
            {"factor": factor, "span": int(span), "at": at, "prefix": f"{prefix}%", "area": area},
        )
        return [Station(*row) for row in cursor.fetchall()]


def heard(factors: Sequence[int]) -> list[tuple[str, int]]:
    """Region codes of features with an active device that has sent one of the factors, and how many they are."""
    with connection.cursor() as cursor:
        cursor.execute(_HEARD, {"factors": list(factors)})
        return [(code, number) for code, number in cursor.fetchall()]


_STATIONS = """
select distinct on (d.feature) d.feature, d.id, ST_X(p.place), ST_Y(p.place), r.mean, r.n_valid, r.n_expected, r.valid,
    i.region_code
from telemetry_rollup r
join telemetry_device d on d.id = r.device and d.state = 'active'
join catalog_featureindex i on i.id = d.feature and i.region_code like %(prefix)s and i.geom is not null
cross join lateral (select ST_PointOnSurface(i.geom) as place) p
where r.factor = %(factor)s and r.span = %(span)s and r.at = %(at)s
    and (%(area)s::bytea is null or ST_Intersects(ST_GeomFromEWKB(%(area)s::bytea), p.place))
order by d.feature, r.valid desc, r.n_valid desc, d.id"""
_HEARD = """
select i.region_code, count(distinct d.feature)
from telemetry_device d
join telemetry_latest l on l.device = d.id and l.factor = any(%(factors)s)
join catalog_featureindex i on i.id = d.feature
where d.state = 'active' and i.geom is not null group by 1 order by 1"""
