"""The hours of a surface: which have a run, which have none and why; and what one run says at a place."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from gis.models import Region
from services.access.principal import Principal
from services.surfaces import scope, tiles
from services.surfaces.models import Input, Run, Surface

HOURS = 48
MOST_HOURS = 24 * 31
NEAREST = 5
"""Stations named beside the value at a place."""


def hours(
    principal: Principal, surface: Surface, region: Region, *, count: int = HOURS, now: datetime | None = None
) -> list[dict[str, Any]]:
    """The last hours that are over, the oldest first, each with its run or the reason why there is none to show."""
    moment = now or timezone.now()
    last = moment.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    begin = last - timedelta(hours=min(count, MOST_HOURS) - 1)
    rows = (
        scope.runs(principal)
        .filter(surface=surface, region=region, standard=True, at__gte=begin, at__lte=last)
        .order_by("at", "computed_at")
        .defer("values", "earlier")
    )
    # Of an hour computed with parameters of then and of now the later run counts.
    found = {run.at: run for run in rows}
    times = [begin + timedelta(hours=n) for n in range(round((last - begin) / timedelta(hours=1)) + 1)]
    return [_told(at, found.get(at)) for at in times]


def latest(principal: Principal, surface: Surface, region: Region, at: datetime | None = None) -> Run | None:
    """The finished run of an hour, or the last finished one."""
    rows = scope.runs(principal).filter(surface=surface, region=region, standard=True, state=Run.State.DONE)
    if at is not None:
        rows = rows.filter(at=at)
    return rows.select_related("surface__factor", "layout").order_by("-at", "-computed_at").first()


def choices(principal: Principal) -> list[Region]:
    """The regions of the product's city for which the principal may see surfaces, from the top."""
    levels = (Region.Level.CITY, Region.Level.COUNTY)
    prefix = Region(code=settings.PRODUCT_REGION).prefix
    rows = Region.objects.current().filter(scope.regions(principal), level__in=levels, code__startswith=prefix)
    return list(rows.filter(geom__isnull=False).plain().order_by("code"))


def reason(run: Run | None) -> str:
    """Why an hour has no picture; empty where it has one."""
    if run is None:
        return _("该小时没有收到监测数据")
    if run.state == Run.State.FEW:
        told = {"used": run.n_used, "least": run.parameters.get("least", 0)}
        return _("有效站点%(used)d个，不足%(least)d个，未作图") % told
    if run.high is not None:
        return ""
    known = {Run.State.WAITING: _("等待计算"), Run.State.RUNNING: _("正在计算"), Run.State.FAILED: _("计算失败")}
    return known.get(Run.State(run.state), _("没有可显示的数值"))


def at_place(principal: Principal, run: Run, lon: float, lat: float) -> dict[str, Any] | None:
    """The value at a place with the stations around it that the principal may see; None where there is none."""
    found = tiles.at(run, lon, lat)
    if found is None:
        return None
    labels = {str(s["id"]): _(s["label"]) for s in run.parameters.get("sources", ())}
    parts = [{"label": labels.get(name, name), "value": value} for name, value in found["parts"].items() if value]
    return {
        "value": found["value"],
        "parts": sorted(parts, key=lambda part: -part["value"]),
        "stations": stations_near(principal, run, lon, lat) if run.surface.kind == Surface.Kind.POLLUTION else [],
    }


def stations_near(principal: Principal, run: Run, lon: float, lat: float) -> list[dict[str, Any]]:
    """The nearest stations that took part, with their distance in metres; those of others are left out."""
    rows = list(run.inputs.filter(used=True))
    known = scope.titles(principal, _features(rows))
    near: list[dict[str, Any]] = [
        {
            "id": str(row.feature), "layer": known[row.feature].layer, "title": known[row.feature].title,
            "value": row.value, "metres": _metres(lon, lat, row.place.x, row.place.y),
        }
        for row in rows
        if row.feature in known
    ]  # fmt: skip
    return sorted(near, key=lambda s: s["metres"])[:NEAREST]


def _told(at: datetime, run: Run | None) -> dict[str, Any]:
    told: dict[str, Any] = {"at": at.isoformat(), "run": None, "state": "none", "why": reason(run)}
    if run is None:
        return told
    computed = run.computed_at.isoformat() if run.computed_at else None
    return told | {
        "run": str(run.pk), "state": str(run.state), "revision": run.revision, "used": run.n_used,
        "stations": run.n_stations, "rmse": run.rmse, "low": run.low, "high": run.high, "mean": run.mean,
        "computed_at": computed,
    }  # fmt: skip


def _features(rows: Sequence[Input]) -> list[UUID]:
    return [row.feature for row in rows if row.feature is not None]


def _metres(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Good enough to order what is near: the earth as a ball."""
    across = math.radians(other_lon - lon) * math.cos(math.radians((lat + other_lat) / 2))
    return 6_371_000 * math.hypot(across, math.radians(other_lat - lat))
