"""The surfaces that every platform begins with, as the first rows of their table; an office changes them."""

from typing import Any

from django.utils.translation import gettext_noop as _

from services.surfaces.models import Source, Surface
from services.telemetry.models import Factor

SURFACES: tuple[dict[str, Any], ...] = (
    {"key": "pm10", "name": "PM10", "factor": "a34002", "ramp": "pm10"},
    {"key": "pm25", "name": "PM2.5", "factor": "a34004", "ramp": "pm25"},
    {"key": "tsp", "name": "TSP", "factor": "a34001", "ramp": "tsp"},
    {"key": "noise", "name": _("噪声"), "factor": "LA", "ramp": "noise", "power": 3.0, "radius_m": 5_000},
    {"key": "risk", "name": _("风险"), "kind": "risk", "ramp": "risk", "cell_m": 2_000, "full": 10.0},
)
"""Noise fades within a few kilometres and faster than dust; beyond them nothing is said."""


def write(using: str = "default") -> None:
    """Add the surfaces that are not there; rows that somebody edited stay as they are."""
    factors = dict(Factor.objects.using(using).values_list("code", "pk"))
    known = set(Surface.objects.using(using).values_list("key", flat=True))
    for order, row in enumerate(SURFACES):
        code = row.get("factor")
        if row["key"] in known or (code and code not in factors):
            continue
        values = {name: value for name, value in row.items() if name != "factor"}
        surface = Surface.objects.using(using).create(
            **values, order=order, factor_id=factors[code] if code else None
        )  # fmt: skip
        if surface.kind == Surface.Kind.RISK:
            Source.objects.using(using).bulk_create(
                Source(surface=surface, order=n, **s) for n, s in enumerate(SOURCES)
            )


SOURCES: tuple[dict[str, Any], ...] = (
    {
        "source": "exceedances", "label": _("PM10小时值超限"), "weight": 2.0, "window_h": 24, "half_life_h": 6.0,
        "options": {"factor": "a34002", "standard": "GB 3095", "minutes": 1440, "grade": "2"},
        "citation": _("以监测时施行的GB 3095二级24小时限值为参照，可调整"),
    },
    {
        "source": "exceedances", "label": _("噪声小时值超限"), "weight": 1.0, "window_h": 24, "half_life_h": 6.0,
        "options": {"factor": "LA", "standard": "GB 12523", "minutes": 20},
        "citation": _("GB 12523 监测时施行的昼间、夜间限值"),
    },
    {
        "source": "alarms", "label": _("告警"), "weight": 0.5, "window_h": 48, "half_life_h": 12.0,
        "citation": _("起点，可调整"),
    },
)  # fmt: skip
