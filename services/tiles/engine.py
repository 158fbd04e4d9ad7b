"""Tiles of a layer and of the regions: rights, then rows, then bytes, kept compressed under scope and version."""

import gzip
import hashlib
from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from django.db.models import QuerySet

from gis import mvt
from gis.models import Region
from services.access import gate
from services.access.errors import NotFound
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.catalog.versions import version

KEPT_SECONDS = 24 * 3600
CLUSTERED_BELOW = 11
REGION_LAYERS = (
    ("province", Region.Level.PROVINCE, 0),
    ("city", Region.Level.CITY, 4),
    ("county", Region.Level.COUNTY, 7),
)
"""Source layer of the base map, level, and the zoom from which it is drawn."""
LABEL_SUFFIX = "_label"
"""The names of each level are points in a source layer of their own."""


def fields(layer: Layer) -> tuple[str, ...]:
    """What a feature carries in a tile besides its id: what the style reads, its name and its state."""
    return tuple(dict.fromkeys(("name", *(["state"] if layer.state_field else []), *sorted(layer.style.fields))))


def tag(principal: Principal, layer: Layer, z: int, x: int, y: int, key: str = "") -> str:
    """Cache key of a tile: equal for all who would get the same bytes, another after every change of the layer."""
    mvt.tile_bounds(z, x, y)
    return _hash(f"{layer.key}|{version(layer)}|{z}/{x}/{y}|{gate.scope_key(principal, layer)}|{key}")


def tile(
    principal: Principal, layer: Layer, z: int, x: int, y: int, rows: QuerySet[Any] | None = None, key: str = ""
) -> bytes:
    """An uncompressed vector tile of the rows a principal sees; empty where there are none.

    ``rows`` narrows them further; ``key`` names that narrowing, equal for equal rows.
    """
    return unpacked(packed(principal, layer, z, x, y, lambda: rows, key))


def packed(
    principal: Principal,
    layer: Layer,
    z: int,
    x: int,
    y: int,
    rows: Callable[[], QuerySet[Any] | None] = lambda: None,
    key: str = "",
    name: str = "",
) -> bytes:
    """The same tile gzipped, as the cache keeps it; ``name`` is its ``tag``, where the caller has it already."""

    def draw() -> bytes:
        narrowed = rows()
        return mvt.tile(
            gate.restrict(principal, layer) if narrowed is None else narrowed,
            z, x, y,
            name=layer.key,
            geom=layer.geom,
            properties={name: name for name in fields(layer)},
            clusters=layer.geometry_type == "point" and z < CLUSTERED_BELOW,
        )  # fmt: skip

    if not gate.may(principal, layer):
        raise NotFound(f"There is no layer {layer.key}.")
    return _kept(name or tag(principal, layer, z, x, y, key), draw)


def regions(z: int, x: int, y: int) -> bytes:
    """The uncompressed base map tile: areas in the source layers province, city and county, names as points beside."""
    return unpacked(packed_regions(z, x, y))


def packed_regions(z: int, x: int, y: int) -> bytes:
    """The base map tile gzipped."""

    def draw() -> bytes:
        rows = Region.objects.current()
        return b"".join(
            mvt.tile(rows.filter(level=level), z, x, y, name=f"{name}{suffix}", geom=geom, properties=properties)
            for name, level, zoom in REGION_LAYERS
            for suffix, geom, properties in (
                ("", "geom", {}),
                (LABEL_SUFFIX, "place", {"name": "name", "code": "code"}),
            )
            if z >= zoom
        )

    mvt.tile_bounds(z, x, y)
    return _kept(region_tag(z, x, y), draw)


def region_tag(z: int, x: int, y: int) -> str:
    """Cache key of a base map tile; boundaries change so rarely that its age may be that of the cache."""
    return _hash(f"regions|{z}/{x}/{y}")


def unpacked(body: bytes) -> bytes:
    """The tile behind its compressed form."""
    return gzip.decompress(body) if body else b""


def _kept(name: str, draw: Callable[[], bytes]) -> bytes:
    body: bytes | None = cache.get(f"tile:{name}")
    if body is None:
        plain = draw()
        # Level 1: the network inside a bureau is fast, the processor is shared.
        body = gzip.compress(plain, 1, mtime=0) if plain else b""
        cache.set(f"tile:{name}", body, KEPT_SECONDS)
    return body


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
