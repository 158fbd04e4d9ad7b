"""How sewage plants, inlets, outfalls and sewers are drawn, read, filtered and opened, and who may."""

from django.utils.translation import gettext_lazy as _

from layers.sewage.models import (
    DailyReport,
    Dredging,
    Equipment,
    Inlet,
    Outfall,
    OutfallInspection,
    PipeInspection,
    Sample,
    SewagePlant,
    SewerPipe,
    Upkeep,
)
from services.catalog.layer import Layer, Scope, Tab, Topic, register
from styles import Categorized, Icon, Line

GRANTS = {
    "commander": "view export",
    "supervisor": "view create change delete export import",
    "inspector": "view",
    "operator": "view change export",
}


@register
class SewagePlants(Layer):
    """Sewage plants; the colour shows whether a plant runs well, exceeds its limits, is being repaired or stopped."""

    model = SewagePlant
    group = _("污水治理")
    scope = Scope(region="region", organisation="enterprise")
    style = Categorized(
        "state",
        {
            SewagePlant.State.RUNNING: Icon("sewage-plant", "#2b8a3e"),
            SewagePlant.State.EXCEEDING: Icon("sewage-plant", "#c92a2a"),
            SewagePlant.State.REPAIR: Icon("sewage-plant", "#e67700"),
            SewagePlant.State.STOPPED: Icon("sewage-plant", "#6b7a90"),
        },
        label="name",
    )
    panel = (
        "code", "state", "kind", "enterprise", "region", "address", "standard", "process", "capacity", "measured_at",
        "flow", "level", "power", "cod", "ammonia", "nitrogen", "phosphorus", "ph", "temperature", "faulty",
        "opened_on",
    )  # fmt: skip
    columns = (
        "code", "name", "state", "kind", "region", "standard", "capacity", "flow", "cod", "ammonia", "level", "power",
        "faulty", "measured_at",
    )  # fmt: skip
    tabs = (
        Tab(DailyReport, ("day", "volume", "cod", "ammonia", "nitrogen", "phosphorus", "temperature", "energy")),
        Tab(
            Equipment,
            ("number", "title", "stage", "state", "state_at", "maker", "power", "made_on", "signal"),
            covers=("DZ-348",),
        ),
        Topic("inflow", _("进水监测")),
    )
    filters = ("state", "region", "kind", "standard", "capacity")
    search = ("code", "name", "address", "enterprise__name")
    stats = ("state", "region", "kind", "standard")
    grants = GRANTS
    time = "measured_at"
    covers = (
        "DZ-337", "DZ-338", "DZ-339", "DZ-340", "DZ-341", "DZ-342", "DZ-343", "DZ-344", "DZ-345", "DZ-346", "DZ-347",
        "HZ-206", "HZ-207", "HZ-208", "HZ-209", "HZ-210", "HZ-211",
    )  # fmt: skip


@register
class Inlets(Layer):
    """Where sewage enters the plants and is measured; the colour shows whether an inlet's instruments are heard."""

    model = Inlet
    group = _("污水治理")
    scope = Scope(region="region", organisation="plant__enterprise")
    style = Categorized(
        "state",
        {
            Inlet.State.ONLINE: Icon("inlet", "#2b8a3e"),
            Inlet.State.OFFLINE: Icon("inlet", "#6b7a90"),
            Inlet.State.REPAIR: Icon("inlet", "#e67700"),
        },
    )
    panel = (
        "code", "state", "plant", "region", "measured_at", "flow", "cod", "ammonia", "nitrogen", "phosphorus", "ph",
        "temperature",
    )  # fmt: skip
    columns = ("code", "name", "state", "plant", "region", "flow", "cod", "ammonia", "measured_at")
    tabs = (Tab(Upkeep, ("done_on", "kind", "done_by", "note")),)
    filters = ("state", "region", "cod")
    search = ("code", "name", "plant__name")
    stats = ("state", "region")
    grants = GRANTS
    time = "measured_at"
    zoom = 10


@register
class Outfalls(Layer):
    """Outfalls into rivers; the colour shows whether an outfall is normal, abnormal, being put right or closed."""

    model = Outfall
    group = _("污水治理")
    scope = Scope(region="region", organisation="plant__enterprise")
    style = Categorized(
        "state",
        {
            Outfall.State.NORMAL: Icon("outfall", "#2b8a3e"),
            Outfall.State.ABNORMAL: Icon("outfall", "#c92a2a"),
            Outfall.State.RECTIFYING: Icon("outfall", "#e67700"),
            Outfall.State.CLOSED: Icon("outfall", "#6b7a90"),
        },
    )
    panel = ("code", "state", "kind", "plant", "water", "diameter", "region")
    columns = ("code", "name", "state", "kind", "plant", "water", "region")
    tabs = (
        Tab(OutfallInspection, ("done_on", "inspector", "flowing", "findings")),
        Tab(Sample, ("taken_at", "cod", "ammonia", "phosphorus", "laboratory")),
    )
    filters = ("state", "region", "kind", "diameter")
    search = ("code", "name", "water")
    stats = ("state", "region", "kind")
    grants = GRANTS
    zoom = 9


@register
class SewerPipes(Layer):
    """Sewers; colour and dashes show whether a pipe is sound, blocked, damaged or being laid."""

    model = SewerPipe
    group = _("污水治理")
    scope = Scope(region="region", organisation="plant__enterprise")
    style = Categorized(
        "state",
        {
            SewerPipe.State.NORMAL: Line("#0b7285", width=2),
            SewerPipe.State.BLOCKED: Line("#e67700", width=2.5, dash=(3.0, 1.5)),
            SewerPipe.State.DAMAGED: Line("#c92a2a", width=2.5, dash=(1.0, 1.2)),
            SewerPipe.State.BUILDING: Line("#1864ab", width=2, dash=(5.0, 1.2, 1.0, 1.2)),
        },
    )
    panel = ("code", "state", "kind", "plant", "material", "diameter", "depth", "length", "laid_on", "region")
    columns = ("code", "name", "state", "kind", "material", "diameter", "length", "region")
    tabs = (
        Tab(PipeInspection, ("done_on", "method", "defect", "note")),
        Tab(Dredging, ("done_on", "volume", "done_by")),
    )
    filters = ("state", "region", "kind", "material", "diameter", "length")
    stats = ("state", "region", "kind", "material")
    grants = GRANTS
    zoom = 11
