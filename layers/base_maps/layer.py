"""How base map features are drawn, read and opened, and who may."""

from django.utils.translation import gettext_lazy as _

from layers.base_maps.models import (
    Boundary,
    Building,
    Closure,
    Edition,
    Level,
    PointOfInterest,
    Remark,
    Road,
    Use,
    WaterBody,
)
from services.catalog.layer import Layer, Tab, register
from styles import Categorized, Fill, Icon, Line

GROUP = _("基础地理")
EVERYBODY = {
    "commander": "view export",
    "supervisor": "view create change delete export import",
    "inspector": "view",
    "contractor": "view",
    "operator": "view",
}


@register
class Boundaries(Layer):
    """Boundaries of administrative areas and zones; the colour shows what is bounded."""

    model = Boundary
    group = GROUP
    style = Categorized(
        "kind",
        {
            Boundary.Kind.ADMINISTRATIVE: Fill("#5f3dc4", opacity=0.06, mark=Icon("region", "#5f3dc4")),
            Boundary.Kind.ZONE: Fill("#0b7285", opacity=0.12),
            Boundary.Kind.LAND_USE: Fill("#5c940d", opacity=0.12, mark=Icon("dot", "#5c940d")),
            Boundary.Kind.OTHER: Fill("#495057", opacity=0.08, mark=Icon("pin", "#495057")),
        },
        label="name",
    )
    panel = ("code", "name", "kind", "parent_name", "region", "source")
    tabs = (Tab(Edition, ("published_on", "publisher", "approval_number", "note")),)
    filters = ("kind", "region")
    search = ("code", "name", "parent_name")
    stats = ("kind", "region")
    grants = EVERYBODY


@register
class Roads(Layer):
    """Roads and paths by their centre lines."""

    model = Road
    group = GROUP
    style = Line("#e8590c", width=2, label="name")
    panel = ("code", "name", "kind", "surface", "width", "region", "source")
    tabs = (Tab(Closure, ("starts_on", "ends_on", "reason")),)
    filters = ("region", "width")
    search = ("code", "name", "kind")
    grants = EVERYBODY


@register
class WaterBodies(Layer):
    """Rivers, lakes, reservoirs and ponds by their water surface."""

    model = WaterBody
    group = GROUP
    style = Fill("#1c7ed6", opacity=0.4, label="name")
    panel = ("code", "name", "kind", "region", "source")
    tabs = (Tab(Level, ("read_at", "height", "note")),)
    search = ("code", "name", "kind")
    grants = EVERYBODY


@register
class Buildings(Layer):
    """Building outlines, raised to their height where it is known."""

    model = Building
    group = GROUP
    style = Fill("#868e96", opacity=0.5, extrude="height")
    panel = ("code", "name", "kind", "height", "floors", "region", "source")
    tabs = (Tab(Use, ("since", "use", "note")),)
    filters = ("region", "height")
    search = ("code", "name", "kind")
    grants = EVERYBODY
    zoom = 13


@register
class PointsOfInterest(Layer):
    """Hospitals, schools, stations and other places that people look for."""

    model = PointOfInterest
    group = GROUP
    style = Icon("pin", "#ae3ec9", label="name")
    panel = ("code", "name", "kind", "address", "telephone", "region", "source")
    tabs = (Tab(Remark, ("noted_on", "text", "noted_by")),)
    search = ("code", "name", "kind", "address")
    grants = EVERYBODY
