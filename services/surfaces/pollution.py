"""A surface of measured values: the hour's valid means, weighted by distance, cell by cell in PostGIS."""

import math
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
from django.db import connection

from gis import surfaces
from gis.models import Region
from services.surfaces import layouts
from services.surfaces.models import Layout, Surface
from services.telemetry import snapshot
from services.telemetry.snapshot import Station


@dataclass
class Made:
    """What came of an interpolation; without ``values`` there were too few stations."""

    stations: list[Station]
    used: list[int]
    """Numbers of those that were valid."""
    estimates: list[float | None]
    """What the others say at each used station."""
    layout: Layout | None = None
    values: bytes | None = None
    """float32, high byte first, of the inner cells in the order of the lattice."""
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    errors: tuple[float, float, float] | None = None
    path: str = ""


def stations_of(surface: Surface, region: Region, at: datetime) -> list[Station]:
    """The stations of a region in an hour, valid or not."""
    assert surface.factor_id is not None
    return snapshot.stations(surface.factor_id, at, region.prefix, within=layouts.boundary(region))


def make(region: Region, stations: list[Station], parameters: dict[str, Any]) -> Made:
    """Interpolate what is valid; nothing is drawn from fewer than ``least`` stations."""
    used = [n for n, s in enumerate(stations) if s.valid and s.value is not None]
    made = Made(stations, used, [None] * len(used))
    if len(used) < parameters["least"]:
        return made
    made.layout = layouts.layout(region, parameters["cell_m"])
    parameters["cell_m"] = made.layout.cell_m
    _interpolate(made, parameters)
    _leave_out(made, parameters)
    return made


def _interpolate(made: Made, parameters: dict[str, Any]) -> None:
    assert made.layout is not None
    valid = {n: value for n in made.used if (value := made.stations[n].value) is not None}
    # An array without nulls is read by arithmetic, one with them from its beginning.
    given, values = made.stations, [valid.get(n, math.nan) for n in range(len(made.stations))]
    network = layouts.network(made.layout, given, parameters)
    with connection.cursor() as cursor:
        row = _read(cursor, network, values, parameters["most"], len(made.used))
        if row[-1]:
            # So many are invalid that a cell's kept neighbours do not suffice: only the valid ones, then.
            given = [made.stations[n] for n in made.used]
            network = layouts.network(made.layout, given, parameters)
            row = _read(cursor, network, list(valid.values()), parameters["most"], len(made.used))
    made.values, made.low, made.high, made.mean = bytes(row[0]), row[1], row[2], row[3]
    made.path = f"weights · PostGIS {_postgis()}"


def _read(cursor: Any, network: Any, values: list[float], most: int, used: int) -> tuple[Any, ...]:
    cursor.execute(
        _INTERPOLATE,
        {"network": network.pk, "values": values, "most": most, "short": network.held < network.stations,
         "enough": min(most, used), "held": network.held},
    )  # fmt: skip
    found: tuple[Any, ...] = cursor.fetchone()
    return found


def _leave_out(made: Made, parameters: dict[str, Any]) -> None:
    assert made.layout is not None
    there = [made.stations[n] for n in made.used]
    values = np.array([s.value for s in there], dtype=np.float64)
    estimates = surfaces.leave_one_out(
        layouts.positions(made.layout, there), values,
        most=parameters["most"], power=parameters["power"], radius=parameters["radius_m"],
    )  # fmt: skip
    made.estimates = [float(e) if np.isfinite(e) else None for e in estimates]
    made.errors = surfaces.errors(estimates, values)


@lru_cache(maxsize=1)
def _postgis() -> str:
    with connection.cursor() as cursor:
        cursor.execute("select PostGIS_Lib_Version()")
        return str(cursor.fetchone()[0])


# ST_InterpolateRaster ignores its options on PostGIS 3.3 with GDAL 3.6; kept weights mean the same everywhere.
_INTERPOLATE = """
select string_agg(float4send(coalesce(q.value, 'NaN')::float4), ''::bytea order by q.n),
    min(q.value), max(q.value), avg(q.value),
    %(short)s and coalesce(bool_or(q.heard < %(enough)s and q.held = %(held)s), false)
from (
    select h.n, c.value, c.heard, cardinality(h.stations) as held
    from surfaces_hearing h cross join lateral (
        select sum(f.weight * f.value) / sum(f.weight) as value, count(*) as heard from (
            select t.weight, (%(values)s::float8[])[t.station] as value
            from unnest(h.stations, h.weights) as t (station, weight)
            where (%(values)s::float8[])[t.station] <> 'NaN' limit %(most)s
        ) f
    ) c
    where h.network_id = %(network)s
) q"""
