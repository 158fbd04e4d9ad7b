"""A surface of measured values: the hour's valid means, weighted by distance, cell by cell in PostGIS."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from gis import surfaces
from gis.models import Region
from services.surfaces import layouts
from services.surfaces.models import Layout, Network, Surface
from services.telemetry import snapshot
from services.telemetry.snapshot import Station

type Field = NDArray[np.float32]
"""A value for each inner cell."""


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


def stations_of(surface: Surface, region: Region, times: Sequence[datetime]) -> dict[datetime, list[Station]]:
    """The stations of a region in some hours, valid or not."""
    assert surface.factor_id is not None
    return snapshot.hours(surface.factor_id, times, region.prefix, within=layouts.boundary(region))


def make(region: Region, hours: Sequence[list[Station]], parameters: dict[str, Any]) -> list[Made]:
    """Interpolate what is valid in some hours; nothing is drawn from fewer than ``least`` stations."""
    found = []
    for stations in hours:
        used = [n for n, s in enumerate(stations) if s.valid and s.value is not None]
        found.append(Made(stations, used, [None] * len(used)))
    if drawn := [made for made in found if len(made.used) >= parameters["least"]]:
        of = layouts.layout(region, parameters["cell_m"])
        _interpolate(of, drawn, parameters)
        for made in drawn:
            made.layout = of
            _leave_out(made, parameters)
    return found


def _interpolate(of: Layout, hours: Sequence[Made], parameters: dict[str, Any]) -> None:
    everybody = sorted({layouts.member(s) for made in hours for s in made.stations})
    fields = _weigh(of, layouts.network(of, everybody, parameters), hours, parameters["most"])
    path = f"weights · PostGIS {_postgis()}"
    for number, (made, field) in enumerate(zip(hours, fields, strict=True)):
        if field is None:
            # So many are invalid that a cell's kept neighbours do not suffice: only the valid ones, then.
            valid = sorted(layouts.member(made.stations[n]) for n in made.used)
            network = layouts.network(of, valid, parameters, exact=True)
            (field,) = _weigh(of, network, [hours[number]], parameters["most"])
            assert field is not None
        made.values, made.path = field.astype(">f4").tobytes(), path
        known = field[np.isfinite(field)].astype(np.float64)
        if known.size:
            made.low, made.high, made.mean = float(known.min()), float(known.max()), float(known.mean())


def _weigh(of: Layout, network: Network, hours: Sequence[Made], most: int) -> list[Field | None]:
    """The inner cells of each hour, NaN where no station is heard; None where a network holds too few of the valid."""
    place = {(name, lon, lat): n for n, (name, lon, lat) in enumerate(network.members)}
    values = np.full((len(hours), len(place)), np.nan)
    for made, row in zip(hours, values, strict=True):
        for n in made.used:
            row[place[layouts.member(made.stations[n])]] = made.stations[n].value
    fields = np.full((len(hours), of.cells), np.nan, dtype=np.float32)
    given: dict[str, Any] = {"network": network.pk, "most": most}
    if network.stations <= most:
        # Every cell uses all that it hears: what is not valid only falls out.
        _ask(fields, range(len(hours)), values, _NEAREST, given, _OF_VALID)
        return list(fields)
    hearing = _ask(fields, range(len(hours)), values, _NEAREST, given)
    found: list[Field | None] = list(fields)
    # Where one of a cell's nearest is not valid, the next one steps in: alike in all hours in which the same ones are.
    alike: dict[bytes, list[int]] = defaultdict(list)
    for hour, row in enumerate(values):
        alike[np.isnan(row).tobytes()].append(hour)
    for same in alike.values():
        silent = np.flatnonzero(np.isnan(values[same[0]]))
        cells = hearing[np.isnan(fields[same[0], hearing])] if silent.size else silent
        if not cells.size:
            continue
        given |= {
            "cells": cells.tolist(), "silent": (silent + 1).tolist(), "reach": most + silent.size,
            "held": network.held, "enough": min(most, len(hours[same[0]].used)),
        }  # fmt: skip
        _ask(fields, same, values, _NEXT, given)
        if network.held < network.stations and _asked(_SHORT, given):
            for hour in same:
                found[hour] = None
    return found


def _ask(
    fields: NDArray[np.float32], hours: Sequence[int], values: NDArray[np.float64], query: str, given: dict[str, Any],
    mean: str = "sum(weight * (%({0})s::float8[])[station]) / sum(weight)",
) -> NDArray[np.int64]:  # fmt: skip
    """Let PostGIS weigh the values of some hours in one pass over the weights, and put them in their cells.

    Returns the numbers of the cells that hear any station, valid or not.
    """
    names = [f"h{n}" for n in range(len(hours))]
    sums = ", ".join(f"({mean.format(name)})::float4 as {name}" for name in names)
    sent = " || ".join(f"float4send({name})" for name in names)
    rows: dict[str, list[float]] = {}
    for name, hour in zip(names, hours, strict=True):
        rows[name] = values[hour].tolist()
        rows[f"{name}_known"] = np.isfinite(values[hour]).astype(float).tolist()
        rows[f"{name}_or_zero"] = np.nan_to_num(values[hour]).tolist()
    raw = _asked(query.replace("SUMS", sums).replace("SENT", sent), given | rows)
    cells = np.frombuffer(bytes(raw or b""), dtype=[("n", ">i4"), ("values", ">f4", (len(hours),))])
    numbers = cells["n"].astype(np.int64)
    fields[np.ix_(list(hours), numbers)] = cells["values"].T
    return numbers


def _asked(query: str, given: dict[str, Any]) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, given)
        return cursor.fetchone()[0]


def _leave_out(made: Made, parameters: dict[str, Any]) -> None:
    assert made.layout is not None
    there = [made.stations[n] for n in made.used]
    values = np.array([s.value for s in there], dtype=np.float64)
    estimates = surfaces.leave_one_out(
        layouts.positions(made.layout, [layouts.member(s) for s in there]), values,
        most=parameters["most"], power=parameters["power"], radius=parameters["radius_m"],
    )  # fmt: skip
    made.estimates = [float(e) if np.isfinite(e) else None for e in estimates]
    made.errors = surfaces.errors(estimates, values)


@lru_cache(maxsize=1)
def _postgis() -> str:
    return str(_asked("select PostGIS_Lib_Version()", {}))


# ST_InterpolateRaster ignores its options on PostGIS 3.3 with GDAL 3.6; kept weights mean the same everywhere. Weights
# are unpacked once for all hours: that is most of the work. NaN of one station is NaN of the sum.
_NEAREST = """
select string_agg(int4send(n) || SENT, ''::bytea) from (
    select n, SUMS from (
        select n, unnest(stations[:%(most)s]) as station, unnest(weights[:%(most)s]) as weight
        from surfaces_hearing where network_id = %(network)s
    ) w group by n
) q"""
_OF_VALID = (
    "coalesce(sum(weight * (%({0}_or_zero)s::float8[])[station])"
    " / nullif(sum(weight * (%({0}_known)s::float8[])[station]), 0), 'NaN')"
)
_NEXT = """
select string_agg(int4send(n) || SENT, ''::bytea) from (
    select n, SUMS from (
        select n, station, weight, row_number() over (partition by n order by nth) as rank from (
            select n, unnest(stations[:%(reach)s]) as station, unnest(weights[:%(reach)s]) as weight,
                generate_subscripts(stations[:%(reach)s], 1) as nth
            from surfaces_hearing where network_id = %(network)s and n = any(%(cells)s)
        ) u where station <> all(%(silent)s)
    ) w where rank <= %(most)s group by n
) q"""
_SHORT = """
select exists (
    select from surfaces_hearing
    where network_id = %(network)s and n = any(%(cells)s) and cardinality(stations) = %(held)s
        and (select count(*) from unnest(stations) as s (station) where station <> all(%(silent)s)) < %(enough)s
)"""
