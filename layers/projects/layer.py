"""How projects are drawn, read, filtered and opened, and who may."""

from django.utils.translation import gettext_lazy as _

from layers.projects.models import GreenReview, Merit, NightPermit, Participation, Permit, ProgressReport, Project
from services.catalog.layer import Layer, Scope, Tab, Topic, register
from styles import Categorized, Icon


@register
class Projects(Layer):
    """Construction projects; the icon and its colour show the status: planned, active, rectifying, suspended, done."""

    model = Project
    group = _("工地监管")
    scope = Scope(region="region", organisation="parties")
    style = Categorized(
        "state",
        {
            Project.State.PLANNED: Icon("site-planned", "#6b7a90"),
            Project.State.ACTIVE: Icon("site-active", "#2b8a3e"),
            Project.State.RECTIFYING: Icon("site-rectify", "#d9480f"),
            Project.State.SUSPENDED: Icon("site-suspended", "#c92a2a"),
            Project.State.COMPLETED: Icon("site-completed", "#1864ab"),
        },
        label="name",
    )
    panel = (
        "code", "state", "kind", "stage", "region", "address", "owner", "contractor", "floor_area",
        "contract_price", "progress", "start_date", "finish_date",
    )  # fmt: skip
    columns = ("code", "name", "state", "region", "contractor", "stage", "progress", "open_problems", "start_date")
    tabs = (
        Topic("introduction", _("工程简介"), ("summary", "address", "kind")),
        Topic("pictures", _("现场图片")),
        Topic("construction", _("施工进度"), ("stage", "start_date", "finish_date")),
        Topic("overview", _("工程概况"), ("floor_area", "contract_price", "supervision_number", "owner", "contractor")),
        Topic("progress", _("形象进度"), ("progress",)),
        Topic("video", _("现场视频")),
        Topic("night", _("夜间施工")),
        Topic("green", _("绿色施工")),
        Topic("enforcement", _("行政执法"), ("open_problems",)),
        Topic("dust", _("扬尘噪声")),
        Topic("power", _("临时用电")),
        Topic("rewards", _("奖惩情况")),
        Topic("integrity", _("诚信评价"), ("contractor__name", "contractor__credit_score")),
        Tab(Participation, ("enterprise", "capacity", "manager")),
        Tab(Permit, ("number", "issued_on", "issued_by", "scope")),
        Tab(ProgressReport, ("reported_on", "stage", "percent", "note")),
        Tab(NightPermit, ("number", "begins_at", "ends_at", "reason", "issued_by")),
        Tab(GreenReview, ("reviewed_on", "enclosed", "covered", "wet_work", "paved", "washed", "closed_transport")),
        Tab(Merit, ("decided_on", "kind", "title", "decided_by", "document")),
    )
    filters = ("state", "region", "kind", "stage", "open_problems", "start_date")
    search = ("code", "name", "address", "supervision_number")
    stats = ("state", "region", "kind", "stage")
    grants = {
        "commander": "view export",
        "supervisor": "view create change delete export import",
        "inspector": "view",
        "contractor": "view",
        "operator": "view",
    }
    time = "start_date"
    covers = (
        "DZ-007", "DZ-008", "DZ-009", "DZ-010", "DZ-011", "DZ-043", "DZ-044", "DZ-102", "DZ-127", "FJ-426",
        "FJ-429", "FJ-432", "FJ-433", "LN-029",
    )  # fmt: skip
