"""How mixing plants and mixer trucks are drawn, read, filtered and opened, and who may."""

from django.utils.translation import gettext_lazy as _

from layers.concrete.models import Batch, Mix, MixerTruck, MixingPlant, PlantInspection, Trip, TruckCheck
from services.catalog.layer import Layer, Scope, Tab, register
from styles import Categorized, Icon


@register
class MixingPlants(Layer):
    """Plants that make ready-mixed concrete; the colour shows whether they produce, wait, rectify or are stopped."""

    model = MixingPlant
    group = _("混凝土")
    scope = Scope(region="region", organisation="enterprise")
    style = Categorized(
        "state",
        {
            MixingPlant.State.RUNNING: Icon("mixing-plant", "#2b8a3e"),
            MixingPlant.State.IDLE: Icon("mixing-plant", "#1864ab"),
            MixingPlant.State.RECTIFYING: Icon("mixing-plant", "#d9480f"),
            MixingPlant.State.STOPPED: Icon("mixing-plant", "#c92a2a"),
        },
        label="name",
    )
    panel = ("code", "state", "enterprise", "region", "address", "lines", "capacity", "sealed", "opened_on")
    columns = ("code", "name", "state", "enterprise", "region", "lines", "capacity")
    tabs = (
        Tab(
            Batch,
            (
                "number", "quality", "state", "made_at", "project", "part", "grade", "volume", "made",
                "supervision_number", "mix_number", "registered_at",
            ),
            covers=("DZ-251", "DZ-252", "DZ-253", "DZ-270", "DZ-271"),
        ),
        Tab(
            Mix,
            (
                "number", "kind", "grade", "valid_from", "cement", "fly_ash", "slag", "mineral", "sand", "stone",
                "water", "admixture",
            ),
            covers=("DZ-254",),
        ),
        Tab(PlantInspection, ("done_on", "inspector", "subject", "findings", "result")),
    )  # fmt: skip
    filters = ("state", "region", "capacity", "sealed")
    search = ("code", "name", "address", "enterprise__name")
    stats = ("state", "region")
    grants = {
        "commander": "view export",
        "supervisor": "view create change delete export import",
        "inspector": "view",
        "operator": "view change export",
    }
    covers = ("DZ-255", "DZ-268", "DZ-269", "DZ-274", "FJ-339", "FJ-342", "FJ-430")


@register
class MixerTrucks(Layer):
    """Mixer trucks at their latest position; the colour shows whether it is free, loads, drives, pours or is off."""

    model = MixerTruck
    group = _("混凝土")
    scope = Scope(region="plant__region", organisation="plant__enterprise")
    style = Categorized(
        "state",
        {
            MixerTruck.State.IDLE: Icon("mixer-truck", "#1864ab"),
            MixerTruck.State.LOADING: Icon("mixer-truck", "#e67700"),
            MixerTruck.State.DRIVING: Icon("mixer-truck", "#2b8a3e"),
            MixerTruck.State.POURING: Icon("mixer-truck", "#862e9c"),
            MixerTruck.State.OFFLINE: Icon("mixer-truck", "#6b7a90"),
        },
        label="code",
    )
    panel = ("code", "state", "plant", "volume", "speed", "heading", "located_at", "driver", "driver_phone")
    columns = ("code", "name", "state", "plant", "volume", "speed", "located_at")
    tabs = (
        Tab(Trip, ("departed_at", "arrived_at", "unloaded_at", "batch", "project", "distance")),
        Tab(TruckCheck, ("done_on", "item", "passed", "note")),
    )
    filters = ("state", "plant__region", "speed", "located_at")
    search = ("code", "name", "plant__name")
    stats = ("state", "plant__region")
    grants = {
        "commander": "view export private",
        "supervisor": "view create change delete export import private",
        "inspector": "view",
        "operator": "view change export private",
    }
    private = ("driver", "driver_phone")
    time = "located_at"
    covers = ("DZ-264",)
