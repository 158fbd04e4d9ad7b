"""How dust and noise monitors, areas under control and orders are drawn, read, filtered and opened, and who may."""

from django.utils.translation import gettext_lazy as _

from layers.environment.models import (
    Calibration,
    ControlArea,
    Fault,
    Monitor,
    OrderStep,
    Patrol,
    RemediationOrder,
)
from layers.environment.rules import PM10_BREAKS
from services.catalog.layer import Layer, Scope, Tab, Topic, register
from styles import Categorized, Fill, Graduated, Icon

GROUP = _("工地监管")


@register
class Monitors(Layer):
    """Dust and noise monitors; the colour shows the latest PM10 in the classes of HJ 633-2026, grey without a value."""

    model = Monitor
    group = GROUP
    scope = Scope(region="region", organisation="project__parties")
    style = Graduated("pm10", breaks=PM10_BREAKS, unit="µg/m³", symbol=Icon("dust-monitor"), label="name")
    panel = (
        "code", "state", "spot", "project", "region", "measured_at", "pm10", "pm25", "tsp", "noise", "temperature",
        "humidity", "pressure", "wind_speed", "wind_direction", "so2", "no2", "o3", "co", "maker", "installed_on",
        "off_duty", "off_duty_reason", "off_duty_until",
    )  # fmt: skip
    columns = ("code", "name", "state", "project", "region", "pm10", "pm25", "noise", "measured_at")
    tabs = (
        Tab(Calibration, ("done_on", "factor", "shown", "reference", "passed", "done_by")),
        Tab(Fault, ("began_at", "ended_at", "kind", "note")),
        Topic("remediation", _("治理整改")),
    )
    filters = ("state", "region", "spot", "off_duty", "pm10", "noise", "measured_at")
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
        "DZ-072", "DZ-073", "DZ-074", "DZ-075", "DZ-076", "DZ-077", "DZ-078", "DZ-079", "DZ-080", "DZ-081",
        "DZ-082", "DZ-083", "DZ-084", "DZ-085", "DZ-086", "DZ-087", "DZ-088", "DZ-089", "DZ-090", "DZ-091", "DZ-092",
        "DZ-093", "DZ-094", "DZ-095", "DZ-096", "DZ-097", "DZ-098", "DZ-099", "DZ-103", "LN-027", "LN-214", "LN-215",
        "LN-216", "LN-218", "LN-061", "LN-387", "FJ-427",
    )  # fmt: skip


@register
class ControlAreas(Layer):
    """Areas under control of dust and noise; the colour shows why an area is under control."""

    model = ControlArea
    group = GROUP
    scope = Scope(region="region", organisation="responsible")
    style = Categorized(
        "kind",
        {
            ControlArea.Kind.KEY: Fill("#c92a2a", opacity=0.14, mark=Icon("region", "#c92a2a")),
            ControlArea.Kind.HOMES: Fill("#1864ab", opacity=0.14, mark=Icon("rural-house", "#1864ab")),
            ControlArea.Kind.SENSITIVE: Fill("#862e9c", opacity=0.14, mark=Icon("pin", "#862e9c")),
            ControlArea.Kind.DEVELOPMENT: Fill("#e67700", opacity=0.14, mark=Icon("project", "#e67700")),
            ControlArea.Kind.OTHER: Fill("#495057", opacity=0.12, mark=Icon("dot", "#495057")),
        },
        label="name",
    )
    panel = ("code", "kind", "grade", "region", "responsible", "authority", "person", "phone", "since", "basis")
    columns = ("code", "name", "kind", "grade", "region", "responsible", "person", "since")
    tabs = (Tab(Patrol, ("done_on", "done_by", "finding", "passed")),)
    filters = ("kind", "grade", "region", "since")
    search = ("code", "name", "person", "authority")
    stats = ("kind", "grade", "region")
    grants = {
        "commander": "view export private",
        "supervisor": "view create change delete export import private",
        "inspector": "view",
        "contractor": "view",
    }
    private = ("phone",)
    covers = ("DZ-101",)


@register
class RemediationOrders(Layer):
    """Orders to remedy exceedances, where the monitor stands; icon and colour show how far each is."""

    model = RemediationOrder
    geom = "monitor__geom"
    group = GROUP
    scope = Scope(region="region", organisation="unit")
    style = Categorized(
        "state",
        {
            RemediationOrder.State.ISSUED: Icon("alarm", "#c92a2a", badge="triangle"),
            RemediationOrder.State.REPLIED: Icon("alarm", "#1864ab", badge="circle"),
            RemediationOrder.State.RETURNED: Icon("alarm", "#d9480f", badge="diamond"),
            RemediationOrder.State.CLOSED: Icon("alarm", "#2b8a3e", badge="square"),
            RemediationOrder.State.WITHDRAWN: Icon("alarm", "#6b7a90", badge="octagon"),
        },
    )
    panel = (
        "code", "state", "level", "monitor", "unit", "region", "finding", "requirement", "issuer", "issued_at",
        "due_at", "replied_at", "closed_at", "returns",
    )  # fmt: skip
    columns = ("code", "name", "state", "level", "unit", "region", "issued_at", "due_at", "closed_at", "returns")
    tabs = (Tab(OrderStep, ("at", "kind", "person", "text")),)
    filters = ("state", "level", "region", "issued_at", "due_at", "returns")
    search = ("code", "name", "unit__name")
    stats = ("state", "level", "region")
    # Orders are written by their flow alone.
    grants = {"commander": "view export", "supervisor": "view export", "inspector": "view", "contractor": "view"}
    time = "issued_at"
    zoom = 9
    covers = ("DZ-104",)
