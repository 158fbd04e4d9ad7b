"""What statistics count of positions: trips and stops with their distances and fixes."""

from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from services.catalog.happenings import Amount, Happening, Hours, register
from services.positions.models import Leg

register(
    Happening(
        "legs", Leg, "began_at", "device__feature", _("行驶与停留"), _("车辆与定位"), ("kind",),
        (
            Amount("distance", _("行驶里程"), "km", F("distance_m") / 1000),
            Amount("fixes", _("定位点数"), "", F("fixes"), digits=0),
            Amount("hours", _("时长"), "h", Hours("began_at", "ended_at")),
        ),
        ("kind", "ended_at", "distance_m", "fixes", "top_speed"),
        # A lone fix between two stops is no trip, here as in the track.
        ~Q(kind=Leg.Kind.TRIP, fixes__lt=2),
    )
)  # fmt: skip
