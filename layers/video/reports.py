"""What cameras say about the projects that they watch, and the indicator of it."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db.models import Count
from django.utils.translation import gettext_lazy, gettext_noop

from layers.video.models import Camera
from services.indicators.declared import Declared
from services.indicators.models import Indicator
from services.indicators.numbers import Number


def _count(**where: str) -> dict[UUID, float | None]:
    rows = Camera.objects.filter(project__isnull=False, **where).values_list("project")
    return {project: float(n) for project, n in rows.annotate(n=Count("pk")).order_by() if project}


def cameras(now: datetime) -> Mapping[UUID, float | None]:
    """Project → how many cameras."""
    return _count()


def offline(now: datetime) -> Mapping[UUID, float | None]:
    """Project → how many of them are offline."""
    return _count(state=Camera.State.OFFLINE)


NUMBERS = (
    Number("cameras", gettext_lazy("摄像机数"), "projects", cameras),
    Number("cameras_offline", gettext_lazy("离线摄像机数"), "projects", offline),
)
INDICATORS = (
    Declared(
        "cameras-offline", gettext_noop("摄像机离线率"), "projects",
        "cameras > 0.0 ? cameras_offline / cameras * 100.0 : 0.0", 20, 50,
        "联系参建单位检查摄像机供电和网络。", "责令参建单位当日恢复摄像机，必要时现场巡查。",
        "Have the site check power and network of its cameras.",
        "Have the cameras restored today; inspect the site where needed.",
        "本平台初始值", "%", Indicator.Kind.SAFETY.value,
    ),
)  # fmt: skip
