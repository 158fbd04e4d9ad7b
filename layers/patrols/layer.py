"""How officers on patrol are drawn, read, filtered and opened, and who may."""

from django.utils.translation import gettext_lazy as _

from layers.patrols.models import Officer, Visit
from services.catalog.layer import Layer, Scope, Tab, register
from styles import Categorized, Icon


@register
class Officers(Layer):
    """People who supervise sites, where they are on patrol; the colour shows who moves, stays or is not on patrol.

    Where somebody is concerns few: colleagues, enterprises and the public do not see this layer.
    """

    model = Officer
    group = _("工地监管")
    scope = Scope(region="region")
    style = Categorized(
        "state",
        {
            Officer.State.MOVING: Icon("officer", "#2b8a3e"),
            Officer.State.STILL: Icon("officer", "#1864ab"),
            Officer.State.OFF: Icon("officer", "#6b7a90"),
        },
        label="name",
    )
    panel = ("code", "state", "unit", "duty", "region", "account", "speed", "heading", "located_at")
    columns = ("code", "name", "state", "unit", "duty", "region", "speed", "located_at")
    tabs = (Tab(Visit, ("arrived_at", "project", "purpose", "distance", "note")),)
    filters = ("state", "region", "located_at")
    search = ("code", "name", "unit")
    stats = ("state", "region")
    grants = {
        "commander": "view export",
        "supervisor": "view create change delete export import",
    }
    time = "located_at"
    zoom = 12
    covers = ("FJ-446", "FJ-450")
