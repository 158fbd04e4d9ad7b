"""How dust and noise monitors are drawn, read, filtered and opened, and who may."""

from django.utils.translation import gettext_lazy as _

from layers.environment.models import Calibration, Fault, Monitor
from layers.environment.rules import PM10_BREAKS
from services.catalog.layer import Layer, Scope, Tab, register
from styles import Graduated, Icon


@register
class Monitors(Layer):
    """Dust and noise monitors; the colour shows the latest PM10 in the classes of HJ 633-2026, grey without a value."""

    model = Monitor
    group = _("工地监管")
    scope = Scope(region="region", organisation="project__parties")
    style = Graduated("pm10", breaks=PM10_BREAKS, unit="µg/m³", symbol=Icon("dust-monitor"), label="name")
    panel = (
        "code", "state", "spot", "project", "region", "measured_at", "pm10", "pm25", "tsp", "noise", "temperature",
        "humidity", "pressure", "wind_speed", "wind_direction", "so2", "no2", "o3", "co", "maker", "installed_on",
    )  # fmt: skip
    columns = ("code", "name", "state", "project", "region", "pm10", "pm25", "noise", "measured_at")
    tabs = (
        Tab(Calibration, ("done_on", "factor", "shown", "reference", "passed", "done_by")),
        Tab(Fault, ("began_at", "ended_at", "kind", "note")),
    )
    filters = ("state", "region", "spot", "pm10", "noise", "measured_at")
    search = ("code", "name", "project__name")
    stats = ("state", "region", "spot")
    grants = {
        "commander": "view export",
        "supervisor": "view create change delete export import",
        "inspector": "view",
        "contractor": "view",
    }
    time = "measured_at"
    zoom = 9
    covers = (
        "DZ-072", "DZ-073", "DZ-074", "DZ-075", "DZ-077", "DZ-078", "DZ-079", "DZ-080", "DZ-082", "DZ-083", "DZ-084",
        "DZ-085", "DZ-086", "DZ-087", "DZ-088", "DZ-089", "DZ-090", "DZ-091", "DZ-092", "DZ-094", "DZ-095", "DZ-096",
        "DZ-097", "DZ-098", "DZ-099", "LN-215", "LN-387", "LN-390", "LN-394",
    )  # fmt: skip
