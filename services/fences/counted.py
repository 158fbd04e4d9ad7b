"""What statistics count of fences: what happened at those that one may see."""

from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from services.catalog.happenings import Happening, register
from services.fences.fences import visible
from services.fences.models import Event


def _of_visible(principal: Any) -> Q:
    return Q(fence__in=visible(principal).order_by().values("pk"))


register(
    Happening(
        "fence-events", Event, "at", "feature", _("围栏事件"), _("车辆与定位"), ("kind",), (),
        ("kind", "fence", "late"), besides=_of_visible,
    )
)  # fmt: skip
