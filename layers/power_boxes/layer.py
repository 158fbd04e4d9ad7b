"""How distribution boxes of temporary power are drawn, read, filtered and opened, and who may."""

from django.utils.translation import gettext_lazy as _

from layers.power_boxes.models import PowerBox, PowerCheck, PowerMending
from services.catalog.layer import Layer, Scope, Tab, register
from styles import Categorized, Icon


@register
class PowerBoxes(Layer):
    """Distribution boxes of temporary power; sign and colour show which are normal, to be mended or out of service."""

    model = PowerBox
    group = _("工地监管")
    scope = Scope(region="region", organisation="project__parties")
    style = Categorized(
        "state",
        {
            PowerBox.State.NORMAL: Icon("power-box", "#2b8a3e"),
            PowerBox.State.ATTENTION: Icon("power-box", "#d9480f", badge="triangle"),
            PowerBox.State.OUT: Icon("power-box", "#6b7a90", badge="octagon"),
        },
        label="name",
    )
    panel = (
        "code", "state", "kind", "spot", "project", "region", "electrician", "residual", "cable_temperature",
        "measured_at", "rated_current", "rated_residual", "rated_time", "installed_on",
    )  # fmt: skip
    columns = (
        "code", "name", "state", "kind", "project", "region", "electrician", "residual", "cable_temperature",
        "measured_at",
    )  # fmt: skip
    tabs = (
        Tab(
            PowerCheck,
            (
                "done_on", "passed", "verdict", "earthing_resistance", "insulation", "trip_current", "trip_time",
                "findings", "due_on", "mended_on", "kind", "inspector",
            ),
        ),
        Tab(PowerMending, ("done_on", "done_by", "work")),
    )  # fmt: skip
    filters = ("state", "region", "kind", "residual", "cable_temperature", "installed_on")
    search = ("code", "name", "spot", "project__name")
    stats = ("state", "region", "kind")
    # Sites and inspectors add to the records of a box; its ratings and its state are for the supervisor.
    grants = {
        "commander": "view export",
        "supervisor": "view create change delete export import",
        "inspector": "view record",
        "contractor": "view create record",
    }
    time = "measured_at"
    zoom = 12
    covers = ("LN-217",)
