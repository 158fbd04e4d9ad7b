"""Runs as pictures: coloured tiles, hexagons as vector tiles and GeoJSON, the value at a place."""

import hashlib
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import shapely
from django.contrib.gis.geos import Point
from django.core.cache import cache
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from gis import mvt, raster
from gis.fields import STORAGE_SRID
from gis.geojson import features_page
from services.surfaces import layouts
from services.surfaces.models import Cell, Run, Surface

KEPT_SECONDS = 24 * 3600
ALPHA = 255


class Field(NamedTuple):
    """The values of a run over its lattice."""

    lattice: raster.Lattice
    values: raster.Values
    inside: NDArray[np.bool_]
    outline: BaseGeometry
    """The region's boundary in EPSG:3857."""


def tag(run: Run, z: int, x: int, y: int) -> str:
    """A short text that is another for another picture."""
    return hashlib.sha256(f"surface|{run.pk}|{run.revision}|{run.surface.ramp}|{z}/{x}/{y}".encode()).hexdigest()[:32]


def field(run: Run) -> Field | None:
    """The values of a run; None where nothing was drawn. Kept by process: a map asks for many tiles of one run."""
    if run.values is None or run.layout_id is None:
        return None
    return _field(str(run.pk), run.revision, run.layout_id)


def picture(run: Run, z: int, x: int, y: int) -> bytes:
    """A PNG tile, transparent outside the region; raises TileOutOfRange."""
    name = f"tile:{tag(run, z, x, y)}"
    mvt.tile_bounds(z, x, y)
    kept: bytes | None = cache.get(name)
    if kept is None:
        found = field(run)
        if found is None:
            values = np.full((raster.TILE, raster.TILE), np.nan)
        else:
            values = raster.tile(
                found.values, found.lattice, z, x, y, inside=found.inside, outline=found.outline
            )  # fmt: skip
        kept = raster.png(run.surface.scale.paint(values, ALPHA)) if np.isfinite(values).any() else _EMPTY
        cache.set(name, kept, KEPT_SECONDS)
    return kept


def hexagons(run: Run, z: int, x: int, y: int) -> bytes:
    """The hexagons of a risk run as a vector tile, source layer ``cells``."""
    name = f"tile:{tag(run, z, x, y)}"
    kept: bytes | None = cache.get(name)
    if kept is None:
        rows = Cell.objects.filter(run=run.pk)
        kept = mvt.tile(rows, z, x, y, name="cells", geom="geom", properties={"score": "score", "i": "i", "j": "j"})
        cache.set(name, kept, KEPT_SECONDS)
    return kept


def geojson(run: Run) -> bytes:
    """The hexagons of a risk run as a GeoJSON FeatureCollection."""
    rows = Cell.objects.filter(run=run.pk).order_by("i", "j")
    properties = {name: name for name in ("i", "j", "score", "parts")}
    return b'{"type":"FeatureCollection","features":[' + features_page(rows, properties=properties).text + b"]}"


def at(run: Run, lon: float, lat: float) -> dict[str, Any] | None:
    """The value at a place, for risk with what it consists of by source row; None where there is none."""
    if run.surface.kind == Surface.Kind.RISK:
        cell = Cell.objects.filter(run=run.pk, geom__intersects=Point(lon, lat, srid=STORAGE_SRID)).first()
        return {"value": cell.score, "parts": cell.parts} if cell else None
    found = field(run)
    value = raster.sample(found.values, found.lattice, lon, lat) if found else None
    return None if value is None else {"value": value, "parts": {}}


@lru_cache(maxsize=64)
def _field(pk: str, revision: int, layout: int) -> Field:
    run = Run.objects.select_related("layout", "region").get(pk=pk)
    assert run.layout is not None and run.values is not None
    outline = shapely.from_wkb(bytes(run.region.geom_3857.wkb))  # type: ignore[attr-defined]
    values = layouts.spread_out(run.layout, bytes(run.values))
    return Field(layouts.lattice(run.layout), values, layouts.inside(run.layout), outline)


_EMPTY = raster.png(np.zeros((raster.TILE, raster.TILE, 4), dtype=np.uint8))
