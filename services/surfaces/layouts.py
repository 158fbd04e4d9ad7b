"""Lattices of regions and networks of stations on them, made once and kept in the database."""

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from django.contrib.gis.geos import GEOSGeometry
from django.db import connection, transaction
from django.utils import timezone
from numpy.typing import NDArray

from gis import raster, surfaces
from gis.crs import transformer
from gis.fields import STORAGE_SRID
from gis.models import Region
from services.surfaces.models import Layout, Network
from services.telemetry.snapshot import Station

MOST_CELLS = 100_000
"""Cells of the box around a region; a finer lattice is made coarser by doubling."""
HELD = 2
"""Times as many stations as a cell uses are kept with it, so that it has others when some are not valid."""
KEPT = timedelta(days=3)
MOST_NETWORKS = 4
"""Networks kept of one layout and parameters."""


def digest(*parts: Any) -> str:
    """A short text equal for equal parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


@lru_cache(maxsize=64)
def _boundary(wkb: bytes) -> str:
    return digest(wkb.hex())


def shape(region: Region) -> shapely.geometry.base.BaseGeometry:
    """A region's boundary as shapely reads it, EPSG:4490."""
    assert region.geom is not None
    return shapely.from_wkb(bytes(region.geom.wkb))


def layout(region: Region, cell_m: int) -> Layout:
    """The lattice of a region's boundary of now."""
    assert region.geom is not None
    boundary = _boundary(bytes(region.geom.wkb))
    west, south, east, north = (float(v) for v in region.geom.extent)
    width, height = (east - west) * 111_320 * np.cos(np.radians(south)), (north - south) * 110_900
    while width * height / cell_m**2 > MOST_CELLS:
        cell_m *= 2
    found = Layout.objects.filter(region=region, cell_m=cell_m, boundary=boundary).first()
    if found is not None:
        return found
    area = shape(region)
    made = raster.lattice(area, cell_m)
    inside = raster.mask(made, area)
    return Layout.objects.get_or_create(
        region=region, cell_m=cell_m, boundary=boundary,
        defaults={
            "srid": made.srid, "west": made.west, "north": made.north, "columns": made.columns, "rows": made.rows,
            "inside": np.packbits(inside).tobytes(), "cells": int(inside.sum()),
        },
    )[0]  # fmt: skip


def lattice(of: Layout) -> raster.Lattice:
    """The layout as arithmetic."""
    return raster.Lattice(of.srid, of.west, of.north, of.cell_m, of.columns, of.rows)


def inside(of: Layout) -> NDArray[np.bool_]:
    """Which cells lie inside the region, shape (rows, columns)."""
    bits = np.unpackbits(np.frombuffer(bytes(of.inside), dtype=np.uint8), count=of.rows * of.columns)
    return bits.astype(bool).reshape(of.rows, of.columns)


def spread_out(of: Layout, values: bytes) -> raster.Values:
    """The values of the inner cells, as a run keeps them, over the whole lattice; NaN outside."""
    found = np.full((of.rows, of.columns), np.nan, dtype=np.float32)
    found[inside(of)] = np.frombuffer(bytes(values), dtype=">f4")
    return found


Member = tuple[str, float, float]
"""A station as a network knows it: its feature and where that is."""


def member(of: Station) -> Member:
    """The station apart from what it measured."""
    return str(of.feature), round(of.lon, 7), round(of.lat, 7)


def positions(of: Layout, stations: Sequence[Member]) -> surfaces.Floats:
    """x and y of stations on the layout."""
    lon, lat = np.array([s[1] for s in stations]), np.array([s[2] for s in stations])
    return np.stack(transformer(STORAGE_SRID, of.srid).transform(lon, lat), axis=-1)


@transaction.atomic
def network(of: Layout, stations: Sequence[Member], parameters: dict[str, Any], *, exact: bool = False) -> Network:
    """What the cells of a layout hear of these stations and, unless it is to be ``exact``, of others beside them.

    It is made anew when a station comes or moves, or the parameters change; a station that is silent for an hour
    changes nothing.
    """
    power, radius, most = (parameters[name] for name in ("power", "radius_m", "most"))
    rule, key = digest(power, radius, most), digest(power, radius, most, list(stations))
    wanted, now = set(stations), timezone.now()
    for found in Network.objects.filter(layout=of, rule=rule).order_by("-used_at"):
        if found.key == key if exact else wanted <= {(name, lon, lat) for name, lon, lat in found.members}:
            if found.used_at < now - timedelta(hours=1):
                Network.objects.filter(pk=found.pk).update(used_at=now)
            return found
    held = min(HELD * most, len(stations))
    made, fresh = Network.objects.get_or_create(
        layout=of, key=key,
        defaults={
            "rule": rule, "members": list(stations), "stations": len(stations), "held": held, "used_at": now,
        },
    )  # fmt: skip
    if not fresh:
        return made
    centres = lattice(of).centres()[inside(of).ravel()]
    heard = surfaces.neighbours(centres, positions(of, stations), most=held, power=power, radius=radius)
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for n, (numbers, weights) in enumerate(heard):
            copy.write_row((made.pk, n, _array(numbers + 1), _array(weights)))
    _tidy(of, made)
    return made


def _tidy(of: Layout, newest: Network) -> None:
    """Let go of networks that nothing used for days, and of the oldest where there are too many."""
    others = Network.objects.filter(layout=of).exclude(pk=newest.pk).order_by("-used_at")
    old = [n.pk for place, n in enumerate(others) if place >= 4 * MOST_NETWORKS or n.used_at < timezone.now() - KEPT]
    if old:
        with connection.cursor() as cursor:
            cursor.execute("delete from surfaces_hearing where network_id = any(%s)", [old])
        Network.objects.filter(pk__in=old).delete()


def _array(of: NDArray[Any]) -> str:
    return "{" + ",".join(map(repr, of.tolist())) + "}"


def boundary(region: Region) -> GEOSGeometry:
    """The boundary that stations must lie in."""
    assert region.geom is not None
    return region.geom


_COPY = "copy surfaces_hearing (network_id, n, stations, weights) from stdin"
