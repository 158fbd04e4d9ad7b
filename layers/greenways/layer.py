"""How greenways are drawn, read, filtered and opened, and who may."""

from django.utils.translation import gettext_lazy as _

from layers.greenways.models import AnnualPlan, FundUse, Greenway, ProgressReport
from services.catalog.layer import Layer, Tab, register
from styles import Categorized, Line


@register
class Greenways(Layer):
    """Greenways; colour and dashes show whether a section is planned, being built, open or closed for repair."""

    model = Greenway
    group = _("村镇建设")
    style = Categorized(
        "state",
        {
            Greenway.State.PLANNED: Line("#1864ab", width=3, dash=(1.0, 1.2)),
            Greenway.State.BUILDING: Line("#e67700", width=3, dash=(3.0, 1.5)),
            Greenway.State.OPEN: Line("#2b8a3e", width=3.5),
            Greenway.State.CLOSED: Line("#c92a2a", width=3, dash=(5.0, 1.2, 1.0, 1.2)),
        },
        label="name",
    )
    panel = ("code", "state", "kind", "region", "length", "width", "surface", "manager", "started_on", "opened_on")
    columns = ("code", "name", "state", "kind", "region", "length", "opened_on")
    tabs = (
        Tab(AnnualPlan, ("year", "planned_length", "investment", "reported_on", "note")),
        Tab(ProgressReport, ("reported_on", "built_length", "percent", "note")),
        Tab(FundUse, ("reported_on", "source", "planned", "used")),
    )
    filters = ("state", "region", "kind", "length", "surface")
    search = ("code", "name", "manager")
    stats = ("state", "region", "kind", "surface")
    covers = ("HZ-212", "HZ-215")
