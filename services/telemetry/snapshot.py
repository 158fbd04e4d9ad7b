"""One hour of a factor at every feature of a region: what surfaces and comparisons start from."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
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
    return hours(factor, [at], prefix, within=within, span=span)[at]


def hours(
    factor: int, times: Sequence[datetime], prefix: str, *, within: GEOSGeometry | None = None, span: Span = Span.HOUR
) -> dict[datetime, list[Station]]:
    """The same at several moments, in one query."""
    given: dict[str, Any] = {
        "factor": factor, "span": int(span), "times": list(times), "prefix": f"{prefix}%",
        "area": bytes(within.ewkb) if within is not None else None,
    }  # fmt: skip
    found: dict[datetime, list[Station]] = {at: [] for at in times}
    with connection.cursor() as cursor:
        cursor.execute(_STATIONS, given)
        for at, *row in cursor.fetchall():
            found[at].append(Station(*row))
    return found


def regions(factors: Sequence[int], times: Sequence[datetime], span: Span = Span.HOUR) -> list[str]:
    """Region codes of the features that measured one of the factors at one of the moments."""
    with connection.cursor() as cursor:
        cursor.execute(_REGIONS, {"factors": list(factors), "times": list(times), "span": int(span)})
        return [code for (code,) in cursor.fetchall()]


_STATIONS = """
with there as materialized (
    select d.id, d.feature, ST_X(p.place) as lon, ST_Y(p.place) as lat, i.region_code
    from telemetry_device d
    join catalog_featureindex i on i.id = d.feature and i.region_code like %(prefix)s and i.geom is not null
    cross join lateral (select ST_PointOnSurface(i.geom) as place) p
    where d.state = 'active'
        and (%(area)s::bytea is null or ST_Intersects(ST_GeomFromEWKB(%(area)s::bytea), p.place))
)
select distinct on (r.at, t.feature) r.at, t.feature, t.id, t.lon, t.lat, r.mean, r.n_valid, r.n_expected, r.valid,
    t.region_code
from there t join telemetry_rollup r on r.device = t.id
where r.factor = %(factor)s and r.span = %(span)s and r.at = any(%(times)s::timestamptz[])
order by r.at, t.feature, r.valid desc, r.n_valid desc, t.id"""
_REGIONS = """
select distinct i.region_code from telemetry_device d join catalog_featureindex i on i.id = d.feature
where d.state = 'active' and i.geom is not null and exists (
    select from telemetry_rollup r where r.device = d.id and r.factor = any(%(factors)s) and r.span = %(span)s
        and r.at = any(%(times)s::timestamptz[])
) order by 1"""
