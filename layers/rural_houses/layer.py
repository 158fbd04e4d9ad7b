"""How rural houses and craftsmen are drawn, read, filtered and opened, and who may."""

from django.utils.translation import gettext_lazy as _

from layers.rural_houses.models import (
    Approval,
    Craftsman,
    CraftsmanCredit,
    CraftsmanTraining,
    HazardAppraisal,
    RuralHouse,
    Supervision,
    Treatment,
)
from services.catalog.layer import Layer, Tab, register
from styles import Categorized, Icon


@register
class RuralHouses(Layer):
    """Rural houses; icon and colour show the status: existing, being built, dangerous, in treatment, demolished."""

    model = RuralHouse
    group = _("村镇建设")
    style = Categorized(
        "state",
        {
            RuralHouse.State.EXISTING: Icon("rural-house", "#2b8a3e"),
            RuralHouse.State.BUILDING: Icon("rural-house", "#1864ab", badge="square"),
            RuralHouse.State.DANGEROUS: Icon("house-danger", "#c92a2a"),
            RuralHouse.State.TREATING: Icon("rural-house", "#e67700", badge="diamond"),
            RuralHouse.State.DEMOLISHED: Icon("dot", "#6b7a90"),
        },
    )
    panel = (
        "code", "state", "grade", "structure", "storeys", "floor_area", "built_year", "region", "address",
        "householder", "low_income", "rented", "method",
    )  # fmt: skip
    columns = ("code", "name", "state", "grade", "structure", "storeys", "region", "low_income", "method")
    tabs = (
        Tab(Approval, ("stage", "result", "decided_on", "decided_by", "opinion")),
        Tab(Supervision, ("stage", "done_on", "inspector", "passed", "note")),
        Tab(HazardAppraisal, ("number", "appraised_on", "agency", "grade", "conclusion")),
        Tab(Treatment, ("method", "started_on", "finished_on", "cost", "subsidy", "note")),
    )
    filters = ("state", "region", "grade", "structure", "storeys", "low_income", "rented", "method", "built_year")
    search = ("code", "name", "address")
    stats = ("state", "region", "grade", "structure", "method", "low_income")
    private = ("householder",)
    zoom = 10
    covers = (
        "HZ-144", "HZ-145", "HZ-148", "HZ-149", "HZ-152", "HZ-153", "HZ-157", "HZ-158", "HZ-167", "HZ-177", "HZ-182",
        "HZ-183", "HZ-191", "HZ-192", "HZ-197", "HZ-200",
    )  # fmt: skip


@register
class Craftsmen(Layer):
    """Craftsmen who build rural houses, at home; the colour shows whether they are registered, suspended or removed."""

    model = Craftsman
    group = _("村镇建设")
    style = Categorized(
        "state",
        {
            Craftsman.State.ACTIVE: Icon("person", "#2b8a3e"),
            Craftsman.State.SUSPENDED: Icon("person", "#e67700"),
            Craftsman.State.REMOVED: Icon("person", "#6b7a90"),
        },
    )
    panel = ("code", "state", "trade", "region", "phone", "credit_score", "registered_on")
    columns = ("code", "name", "trade", "state", "region", "credit_score", "registered_on")
    tabs = (
        Tab(CraftsmanCredit, ("happened_on", "kind", "points", "reason")),
        Tab(CraftsmanTraining, ("held_on", "subject", "passed")),
    )
    filters = ("state", "region", "trade", "credit_score")
    stats = ("state", "region", "trade")
    private = ("phone",)
    zoom = 10
    covers = ("HZ-146", "HZ-159", "HZ-161")
