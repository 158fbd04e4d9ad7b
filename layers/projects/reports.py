"""What projects say of themselves in numbers: how near the day is on which they are to be finished."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy, gettext_noop

from layers.projects.models import Project
from services.indicators.declared import Declared
from services.indicators.models import Indicator
from services.indicators.numbers import Number, days_left

GOING_ON = (Project.State.ACTIVE, Project.State.RECTIFYING, Project.State.SUSPENDED)


def finish_days(now: datetime) -> Mapping[UUID, float | None]:
    """Project that goes on → days until the end of the day on which it is to be finished; negative beyond it."""
    rows = Project.objects.filter(state__in=GOING_ON, finish_date__isnull=False).values_list("pk", "finish_date")
    return {pk: days_left(day, now) for pk, day in rows if day}


NUMBERS = (Number("finish_days", gettext_lazy("距计划竣工天数"), "projects", finish_days, otherwise=None),)
INDICATORS = (
    Declared(
        "finish-due", gettext_noop("计划竣工到期"), "projects", "finish_days", 30, 7,
        "核对剩余工程量，提醒参建单位准备竣工验收或申请延期。", "约谈参建单位，落实竣工验收或延期手续。",
        "Check what remains; remind the parties to prepare acceptance or to apply for more time.",
        "Summon the parties: acceptance or an extension must be settled.",
        "本平台初始值", gettext_noop("天"), Indicator.Kind.DUE.value, downward=True,
    ),
)  # fmt: skip
