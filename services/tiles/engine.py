"""Tiles of a layer and of the regions: rights, then rows, then bytes, kept under scope and version."""

import hashlib
from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from django.db.models import QuerySet
from isal import igzip

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
PLANS_KEPT = 1_000
GZIP = b"\x1f\x8b"
"""How gzipped bytes begin; a tile begins with the tag of its first layer, 0x1a."""

_plans: dict[tuple[Any, ...], mvt.Plan] = {}


def fields(layer: Layer) -> tuple[str, ...]:
    """What a feature carries in a tile besides its id: what the style reads, its name and its state."""
    return tuple(dict.fromkeys(("name", *(["state"] if layer.state_field else []), *sorted(layer.style.fields))))


def tag(principal: Principal, layer: Layer, z: int, x: int, y: int, key: str = "") -> str:
    """Cache key of a tile: equal for all who would get the same bytes, another after every change of the layer."""
    mvt.tile_bounds(z, x, y)
    return _hash(f"{layer.key}|{version(layer)}|{z}/{x}/{y}|{gate.scope_key(principal, layer)}|{key}")


def tile(
    principal: Principal,
    layer: Layer,
    z: int,
    x: int,
    y: int,
    rows: Callable[[], QuerySet[Any] | None] = lambda: None,
    key: str = "",
    name: str = "",
    zipped: bool = False,
) -> bytes:
    """A vector tile of the rows a principal sees; empty where there are none.

    Parameters
    ----------
    rows
        Narrows them further; ``key`` names that narrowing, equal for equal rows.
    name
        Its ``tag``, where the caller has it already.
    zipped
        Whether to return it gzipped.
    """
    if not gate.may(principal, layer):
        raise NotFound(f"There is no layer {layer.key}.")
    name = name or tag(principal, layer, z, x, y, key)
    return _kept(name, lambda: _plan(principal, layer, z, rows()).draw(z, x, y), zipped)


def regions(z: int, x: int, y: int, zipped: bool = False) -> bytes:
    """The base map tile: areas in the source layers province, city and county, names as points beside."""

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
    return _kept(region_tag(z, x, y), draw, zipped)


def region_tag(z: int, x: int, y: int) -> str:
    """Cache key of a base map tile; boundaries change so rarely that its age may be that of the cache."""
    return _hash(f"regions|{z}/{x}/{y}")


def _plan(principal: Principal, layer: Layer, z: int, rows: QuerySet[Any] | None) -> mvt.Plan:
    """How to draw the layer's tiles of this zoom; kept by process for every scope, as long as nothing narrows them."""
    clusters = layer.geometry_type == "point" and z < CLUSTERED_BELOW
    simplified = z < mvt.SIMPLIFIED_BELOW
    carried = fields(layer)
    asked = (layer.key, carried, gate.scope_key(principal, layer), clusters, simplified)
    found = _plans.get(asked) if rows is None else None
    if found is None:
        found = mvt.plan(
            gate.restrict(principal, layer) if rows is None else rows,
            name=layer.key,
            geom=layer.geom,
            properties={name: name for name in carried},
            clusters=clusters,
            simplified=simplified,
        )
        if rows is None:
            if len(_plans) > PLANS_KEPT:
                _plans.clear()
            _plans[asked] = found
    return found


def _kept(name: str, draw: Callable[[], bytes], zipped: bool) -> bytes:
    """The tile from the cache, which keeps it as it was first asked for, and gzipped from the first time that was."""
    kept: bytes | None = cache.get(f"tile:{name}")
    body = draw() if kept is None else kept
    if zipped and body and not body.startswith(GZIP):
        # Level 1 of ISA-L: the network inside a bureau is fast, the processor is shared.
        body = igzip.compress(body, 1, mtime=0)
    if body is not kept:
        cache.set(f"tile:{name}", body, KEPT_SECONDS)
    return body if zipped or not body.startswith(GZIP) else igzip.decompress(body)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
