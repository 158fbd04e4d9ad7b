"""What statistics count of alarms: when they began, what was done about them, and how they were closed."""

from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from services.alarms.models import Act, Episode
from services.catalog.happenings import Amount, Happening, Hours, register

GROUP = _("告警处置")
DEEDS = (
    Act.Kind.ACKNOWLEDGED, Act.Kind.ASSIGNED, Act.Kind.RECTIFIED, Act.Kind.HANDLED, Act.Kind.CLOSED, Act.Kind.FALSE,
    Act.Kind.REOPENED, Act.Kind.OVERDUE,
)  # fmt: skip
"""What people did, and that a deadline passed."""
COLUMNS = ("level", "state", "rule", "subject", "factor", "peak", "limit", "ended_at", "closed_at")

register(
    Happening(
        "alarms", Episode, "began_at", "feature", _("告警"), GROUP, ("level", "state"),
        (Amount("count", _("超标次数"), "", F("count"), digits=0),), COLUMNS, Q(withdrawn=False),
    ),
    Happening(
        "alarms-closed", Episode, "closed_at", "feature", _("告警办结"), GROUP, ("state", "level"),
        (Amount("hours", _("办结用时"), "h", Hours("raised_at", "closed_at"), mean=True),), COLUMNS, Q(withdrawn=False),
    ),
    Happening(
        "alarm-acts", Act, "at", "episode__feature", _("告警处置记录"), GROUP, ("kind",), (),
        ("kind", "episode__rule", "user", "level", "text"), Q(episode__withdrawn=False, kind__in=DEEDS),
    ),
)  # fmt: skip
