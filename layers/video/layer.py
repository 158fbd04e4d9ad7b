"""How cameras and recorders are drawn, read, filtered and opened, and who may."""

from django.utils.translation import gettext_lazy as _

from layers.video.models import Camera, Fault, Maintenance, Recorder, RecorderOutage
from services.catalog.layer import Layer, Scope, Tab, register
from styles import Categorized, Icon


@register
class Cameras(Layer):
    """Cameras where they are mounted; icon and colour show whether they are online, offline, faulty or retired."""

    model = Camera
    group = _("工地监管")
    scope = Scope(region="region", organisation="project__parties")
    style = Categorized(
        "state",
        {
            Camera.State.ONLINE: Icon("camera", "#2b8a3e"),
            Camera.State.OFFLINE: Icon("camera-offline", "#6b7a90"),
            Camera.State.FAULT: Icon("camera", "#c92a2a", badge="triangle"),
            Camera.State.RETIRED: Icon("camera-offline", "#495057", badge="square"),
        },
        label="name",
    )
    panel = (
        "code", "state", "kind", "spot", "project", "region", "maker", "model", "can_turn", "bearing",
        "field_of_view", "sight", "installed_on", "seen_at",
    )  # fmt: skip
    columns = ("code", "name", "state", "kind", "spot", "project", "region", "can_turn", "seen_at")
    tabs = (
        Tab(Fault, ("began_at", "ended_at", "kind", "note")),
        Tab(Maintenance, ("done_on", "work", "worker", "repaired")),
    )
    filters = ("state", "region", "kind", "spot", "can_turn", "installed_on")
    search = ("code", "name", "model", "project__name")
    stats = ("state", "region", "kind", "spot")
    grants = {
        "commander": "view export",
        "supervisor": "view create change delete export import",
        "inspector": "view",
        "contractor": "view",
    }
    time = "seen_at"
    zoom = 9
    covers = ("DZ-110", "LN-357")


@register
class Recorders(Layer):
    """Recorders and video platforms on sites; icon and colour show whether they are online, offline or retired."""

    model = Recorder
    group = _("工地监管")
    scope = Scope(region="region", organisation="project__parties")
    style = Categorized(
        "state",
        {
            Recorder.State.ONLINE: Icon("recorder", "#2b8a3e"),
            Recorder.State.OFFLINE: Icon("recorder", "#6b7a90", badge="triangle"),
            Recorder.State.RETIRED: Icon("recorder", "#495057", badge="square"),
        },
        label="name",
    )
    panel = ("code", "state", "project", "region", "maker", "model", "installed_on", "seen_at")
    columns = ("code", "name", "state", "project", "region", "maker", "seen_at")
    tabs = (Tab(RecorderOutage, ("began_at", "ended_at", "note")),)
    filters = ("state", "region", "installed_on")
    search = ("code", "name", "project__name")
    stats = ("state", "region")
    grants = {
        "commander": "view export",
        "supervisor": "view create change delete export import",
        "inspector": "view",
        "contractor": "view",
    }
    time = "seen_at"
    zoom = 10
