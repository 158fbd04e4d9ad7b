"""Counts over all layers in one query: the navigation, the layer switcher and the figures of the overview."""

from dataclasses import dataclass, field

from django.contrib.gis.db.models import Extent
from django.contrib.gis.geos import Polygon
from django.core.cache import cache
from django.db.models import Count, QuerySet
from django.utils.translation import get_language

from gis.fields import STORAGE_SRID
from gis.models import Region, code_prefix
from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.catalog.models import FeatureIndex

Box = tuple[float, float, float, float]
KEPT = 20
"""Seconds that a count may be old."""
NO_COLOR = "#7d8899"


@dataclass(frozen=True)
class State:
    """How many features of a layer are in one state."""

    value: str
    label: str
    color: str
    count: int
    share: float


@dataclass(frozen=True)
class Figure:
    """A layer's number of features, and by state where it has states."""

    layer: Layer
    total: int
    states: list[State] = field(default_factory=list)


def state_colors(layer: Layer) -> dict[str, str]:
    """The colour of each state on the map, where the style goes by state."""
    return {
        c.value: c.symbol.color for c in layer.style.classes() if c.value is not None and layer.style.key == "state"
    }


def figures(principal: Principal, region: str = "", bbox: Box | None = None) -> list[Figure]:
    """A figure for every layer the principal may see, in the order of the navigation."""
    layers = gate.layers(principal)
    key = f"figures:{principal.scope_key}:{region}:{bbox}:{get_language()}"
    found = cache.get(key) if bbox is None else None
    if found is None:
        rows = _rows(principal, layers, region, bbox)
        found = list(rows.order_by().values_list("layer", "state").annotate(n=Count("pk")))
        if bbox is None:
            cache.set(key, found, KEPT)
    by_layer: dict[str, dict[str, int]] = {}
    for name, state, number in found:
        by_layer.setdefault(name, {})[state] = number
    return [_figure(layer, by_layer.get(layer.key, {})) for layer in layers]


def extent(principal: Principal, layer: Layer | None = None, region: str = "") -> Box | None:
    """Where to look first: the region chosen, or whatever the principal may see of a layer or of all."""
    if region:
        found = Region.objects.filter(code=region).values_list("geom", flat=True).first()
        if found is not None:
            return tuple(found.extent)  # type: ignore[return-value]
    layers = [layer] if layer else gate.layers(principal)
    key = f"extent:{principal.scope_key}:{layer.key if layer else ''}:{region}"
    return cache.get_or_set(
        key, lambda: _rows(principal, layers, region, None).aggregate(box=Extent("geom"))["box"], 15 * KEPT
    )


def _rows(principal: Principal, layers: list[Layer], region: str, bbox: Box | None) -> QuerySet[FeatureIndex]:
    rows = gate.restrict_index(principal, layers)
    if region:
        rows = rows.filter(region_code__startswith=code_prefix(region))
    if bbox:
        box = Polygon.from_bbox(bbox)
        box.srid = STORAGE_SRID
        rows = rows.filter(geom__bboverlaps=box)
    return rows


def _figure(layer: Layer, counts: dict[str, int]) -> Figure:
    total = sum(counts.values())
    if layer.state_field is None or not total:
        return Figure(layer, total)
    colors = state_colors(layer)
    label = layer.state_field.display
    order = [str(value) for value in layer.state_field.choices]
    states = [
        State(value, label(value), colors.get(value, NO_COLOR), counts[value], counts[value] / total)
        for value in sorted(counts, key=lambda v: order.index(v) if v in order else len(order))
        if counts[value]
    ]  # fmt: skip
    return Figure(layer, total, states)
