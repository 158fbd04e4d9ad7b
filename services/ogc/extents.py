"""Where and when the features of a layer are, as far as a principal sees them."""

from datetime import UTC, date, datetime
from typing import Any

from django.contrib.gis.db.models import Extent
from django.core.cache import cache
from django.db.models import Max, Min

from gis.crs import CRS84_URI
from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.catalog.versions import version

Box = tuple[float, float, float, float]


def box(principal: Principal, layer: Layer) -> Box | None:
    """West, south, east, north of what the principal sees; None where that is nothing."""
    return _known(principal, layer)[0]


def extent(principal: Principal, layer: Layer) -> dict[str, Any] | None:
    """The extent as a collection states it; None without a place."""
    bbox, start, end = _known(principal, layer)
    if bbox is None:
        return None
    found: dict[str, Any] = {"spatial": {"bbox": [list(bbox)], "crs": CRS84_URI}}
    if start is not None:
        found["temporal"] = {"interval": [[_text(start), _text(end)]]}
    return found


def _known(principal: Principal, layer: Layer) -> tuple[Box | None, Any, Any]:
    name = f"extent:{layer.key}:{version(layer)}:{gate.scope_key(principal, layer)}"
    known: tuple[Box | None, Any, Any] | None = cache.get(name)
    if known is None:
        rows = gate.restrict(principal, layer).order_by()
        found = rows.aggregate(place=Extent(layer.geom), start=Min(layer.time), end=Max(layer.time))
        place = found["place"]
        known = (tuple(round(v, 7) for v in place) if place else None, found["start"], found["end"])  # type: ignore[assignment]
        cache.set(name, known, 3600)
    return known  # type: ignore[return-value]


def _text(value: date | datetime) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat()
