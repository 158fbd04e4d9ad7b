"""One search box over every feature of every layer, within the principal's rights."""

import re
from dataclasses import dataclass
from uuid import UUID

from django.contrib.gis.db.models.functions import Centroid
from django.contrib.gis.geos import Point
from django.db.models import Case, IntegerField, Value, When

from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.catalog.models import FeatureIndex
from services.search.text import holding

COORDINATES = re.compile(r"^\s*(-?\d{1,3}(?:\.\d+)?)\s*[,，\s]\s*(-?\d{1,2}(?:\.\d+)?)\s*$")


@dataclass(frozen=True)
class Hit:
    """Something found: a feature, or a bare place when the text was coordinates."""

    layer: Layer | None
    id: UUID | None
    title: str
    code: str
    state_label: str
    place: tuple[float, float] | None


def search(principal: Principal, text: str, limit: int = 20) -> list[Hit]:
    """Features whose name, code or other searched fields hold every word; best first. Coordinates give a place."""
    place = coordinates(text)
    if place is not None:
        return [Hit(None, None, f"{place[0]:.6f}, {place[1]:.6f}", "", "", place)]
    words = text.split()
    layers = {layer.key: layer for layer in gate.layers(principal)}
    if not words or not layers:
        return []
    rows = gate.restrict_index(principal).filter(holding(text))
    exact = Case(
        When(code__iexact=text.strip(), then=Value(0)),
        When(title__istartswith=words[0], then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    found = rows.annotate(rank=exact, place=Centroid("geom")).order_by("rank", "title", "pk")[:limit]
    return [_hit(layers[row.layer], row) for row in found]


def coordinates(text: str) -> tuple[float, float] | None:
    """Longitude and latitude in degrees, where the text is nothing else."""
    match = COORDINATES.match(text)
    if not match:
        return None
    lon, lat = float(match[1]), float(match[2])
    return (lon, lat) if abs(lon) <= 180 and abs(lat) <= 90 else None


def _hit(layer: Layer, row: FeatureIndex) -> Hit:
    state = layer.state_field.display(row.state) if layer.state_field and row.state else ""
    place: Point | None = getattr(row, "place", None)
    return Hit(layer, row.pk, row.title, row.code, state, (place.x, place.y) if place else None)
