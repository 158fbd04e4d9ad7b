"""How enterprises are drawn, read, filtered and opened, and who may."""

from django.utils.translation import gettext_lazy as _

from layers.enterprises.models import CreditAssessment, CreditEntry, Enterprise, Qualification
from services.catalog.layer import Layer, Scope, Tab, register
from styles import Categorized, Icon


@register
class Enterprises(Layer):
    """Enterprises at their seat; the colour shows whether they are in good standing, locked or cancelled."""

    model = Enterprise
    group = _("市场主体")
    scope = Scope(region="region", organisation="id")
    style = Categorized(
        "state",
        {
            Enterprise.State.NORMAL: Icon("enterprise", "#1864ab"),
            Enterprise.State.LOCKED: Icon("enterprise", "#c92a2a"),
            Enterprise.State.CANCELLED: Icon("enterprise", "#6b7a90"),
        },
        label="name",
    )
    panel = (
        "code", "state", "kind", "region", "address", "legal_representative", "phone", "registered_capital",
        "founded_on", "credit_score",
    )  # fmt: skip
    columns = ("code", "name", "kind", "state", "region", "legal_representative", "credit_score")
    tabs = (
        Tab(Qualification, ("number", "category", "grade", "issued_by", "issued_on", "valid_until")),
        Tab(
            CreditEntry,
            (
                "decided_on",
                "kind",
                "points",
                "state",
                "reason",
                "project",
                "decided_by",
                "effective_from",
                "valid_until",
            ),
        ),
        Tab(
            CreditAssessment,
            (
                "last",
                "period",
                "score",
                "grade",
                "rank",
                "ranked",
                "gained",
                "lost",
                "rule_version",
                "version",
                "made_at",
            ),
        ),
    )
    filters = ("kind", "state", "region", "credit_score", "founded_on")
    search = ("code", "name", "address", "legal_representative")
    stats = ("kind", "state", "region")
    grants = {
        "commander": "view export private",
        "supervisor": "view create change delete export import private",
        "inspector": "view",
        "contractor": "view private",
        "operator": "view private",
    }
    private = ("phone",)
    zoom = 9
    covers = ("DZ-033", "FJ-205", "HZ-006", "LN-111", "DZ-015", "DZ-027", "DZ-028", "DZ-029", "DZ-031", "DZ-036")
