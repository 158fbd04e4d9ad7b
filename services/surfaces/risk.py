"""The risk grid: what weighs on each hexagon of a region, faded by time, shared with its neighbours, from 0 to 100."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.gis.geos import GEOSGeometry, Point, Polygon
from django.db import connection

from gis.crs import transformer
from gis.fields import STORAGE_SRID
from gis.grids import grid_srid
from gis.models import Region
from services.surfaces.models import Surface
from services.surfaces.sources import Event, Window, places, registered

MOST_KEPT = 5_000
"""Events kept with a run."""
MOST_SCORE = 100.0


class Counted(NamedTuple):
    """An event with its source row, its place, and what it adds to its own hexagon."""

    feature: UUID
    source: int
    place: Point
    at: datetime | None
    magnitude: float
    contribution: float


class Hexagon(NamedTuple):
    """A hexagon with its score and what each source row adds to it before it is scaled."""

    i: int
    j: int
    score: float
    parts: dict[str, float]
    geom: Polygon


@dataclass
class Made:
    """What came of a run; the greatest contributions come first."""

    events: list[Counted] = field(default_factory=list)
    cells: list[Hexagon] = field(default_factory=list)


def factors(surface: Surface) -> set[int]:
    """The factors whose hours change a risk surface."""
    found: set[int] = set()
    for row in surface.sources.all():
        if row.active and (source := registered.get(row.source)) is not None:
            found |= source.factors(row.options)
    return found


def make(region: Region, at: datetime, parameters: dict[str, Any]) -> Made:
    """The hexagons of a region at the end of an hour."""
    made = Made()
    end = at + timedelta(hours=1)
    raw: list[tuple[dict[str, Any], Event]] = []
    for row in parameters["sources"]:
        source = registered.get(row["source"])
        if source is not None:
            window = Window(region, end - timedelta(hours=row["window_h"]), end, row["options"])
            raw += [(row, event) for event in source.events(window)]
    where = places(event.feature for _row, event in raw)
    for row, event in raw:
        if (place := where.get(event.feature)) is not None:
            weight = row["weight"] * event.magnitude * faded(event.at, end, row["half_life_h"])
            made.events.append(Counted(event.feature, row["id"], place, event.at, event.magnitude, weight))
    made.events.sort(key=lambda e: (-e.contribution, str(e.feature), e.source, str(e.at)))
    made.cells = _cells(region, made.events, parameters)
    return made


def faded(at: datetime | None, end: datetime, half_life_h: float | None) -> float:
    """The share of an event's weight that is left: half after each half-life; all of what lasts or does not fade."""
    if at is None or not half_life_h:
        return 1.0
    return float(0.5 ** (max(0.0, (end - at).total_seconds()) / 3600 / half_life_h))


def around(i: int, j: int) -> list[tuple[int, int]]:
    """The six hexagons beside one; odd columns stand half a hexagon higher."""
    up = abs(i) % 2
    return [(i, j - 1), (i, j + 1), (i - 1, j - 1 + up), (i - 1, j + up), (i + 1, j - 1 + up), (i + 1, j + up)]


def _cells(region: Region, events: list[Counted], parameters: dict[str, Any]) -> list[Hexagon]:
    assert region.geom is not None
    west, _south, east, _north = region.geom.extent
    srid, edge = grid_srid(west, east), float(parameters["cell_m"])
    loads: dict[tuple[int, int], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for event, own in zip(events, _own_cells(events, srid, edge), strict=True):
        loads[own][str(event.source)] += event.contribution
        for beside in around(*own):
            if parameters["spread"]:
                loads[beside][str(event.source)] += event.contribution * parameters["spread"]
    shapes = _shapes(sorted(loads), srid, edge, region)
    found = []
    for key, geom in shapes.items():
        score = min(MOST_SCORE, MOST_SCORE * sum(loads[key].values()) / parameters["full"])
        found.append(Hexagon(*key, score, {name: round(v, 6) for name, v in sorted(loads[key].items())}, geom))
    return found


def _own_cells(events: list[Counted], srid: int, edge: float) -> list[tuple[int, int]]:
    if not events:
        return []
    to_plane = transformer(STORAGE_SRID, srid)
    x, y = to_plane.transform([e.place.x for e in events], [e.place.y for e in events])
    with connection.cursor() as cursor:
        cursor.execute(
            "select hex_cell(ST_MakePoint(p.x, p.y), %s) from unnest(%s::float8[], %s::float8[])"
            " with ordinality as p (x, y, n) order by p.n",
            [edge, list(x), list(y)],
        )
        return [(cell[0], cell[1]) for (cell,) in cursor.fetchall()]


def _shapes(keys: list[tuple[int, int]], srid: int, edge: float, region: Region) -> dict[tuple[int, int], Polygon]:
    """The hexagons that touch the region, as they lie on the map."""
    assert region.geom is not None
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.i, c.j, ST_AsBinary(h.geom) from unnest(%s::int4[], %s::int4[]) as c (i, j),"
            " lateral (select ST_Transform(ST_SetSRID(ST_Hexagon(%s, c.i, c.j), %s), %s) as geom) h"
            " where ST_Intersects(h.geom, ST_GeomFromEWKB(%s)) order by c.i, c.j",
            [[i for i, _j in keys], [j for _i, j in keys], edge, srid, STORAGE_SRID, bytes(region.geom.ewkb)],
        )
        return {(i, j): _polygon(wkb) for i, j, wkb in cursor.fetchall()}


def _polygon(wkb: bytes) -> Polygon:
    found = GEOSGeometry(memoryview(wkb), srid=STORAGE_SRID)
    assert isinstance(found, Polygon)
    return found
