"""The track of a feature that moves: on the map by speed, played back, with trips, stops and events of fences."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from command_center.desk.doors import signed_in, visitor
from command_center.desk.outputs import attachment
from services.access import gate
from services.access.errors import Invalid
from services.fences import fences
from services.positions import exports, history, legs
from services.positions.models import Leg, Rule

RANGES = {
    "1h": (gettext_lazy("1小时"), timedelta(hours=1)),
    "24h": (gettext_lazy("24小时"), timedelta(hours=24)),
    "7d": (gettext_lazy("7天"), timedelta(days=7)),
}
DAY = "day"
SPEEDS = ((0, "#8a94a6"), (5, "#2f6fd6"), (20, "#2a9d6f"), (40, "#e0a100"), (60, "#c92a2a"))
"""km/h from which on the line has a colour."""
EVENTS = 50


@signed_in
def page(request: HttpRequest, key: str, pk: UUID) -> HttpResponse:
    """The fragment with the track; ``range`` is one of RANGES, ``day`` a date, ``from`` and ``to`` times, in China."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key)
    gate.fetch(principal, layer, pk)
    begin, end, chosen = asked(request)
    terminals = history.devices(principal, pk)
    fixes = history.track(principal, pk, begin, end)
    found = list(history.legs(principal, pk, begin, end))
    places = history.places(found)
    trips = [leg for leg in found if leg.kind == Leg.Kind.TRIP]
    track = {
        "points": [
            [round(fix.at.timestamp()), round(fix.lon, 6), round(fix.lat, 6), round(fix.speed, 1), fix.heading]
            for fix in fixes
        ],
        "stops": [
            [*places[leg.began_at], round(leg.began_at.timestamp()), round(leg.ended_at.timestamp())]
            for leg in found if leg.began_at in places
        ],
        "speeds": SPEEDS, "pause": Rule.objects.order_by("-valid_from").values_list("gap_seconds", flat=True).first(),
    }  # fmt: skip
    context = {
        "layer": layer, "pk": pk, "has_device": bool(terminals), "begin": begin, "end": end, "range": chosen,
        "day": begin if chosen == DAY else None, "today": timezone.now(),
        "day_before": (begin if chosen == DAY else end) - timedelta(days=1),
        "day_after": begin + timedelta(days=1) if chosen == DAY and end < timezone.now() else None,
        "ranges": [(name, label, name == chosen) for name, (label, _length) in RANGES.items()],
        "track": json.dumps(track), "fixes": len(fixes), "legs": [_line(leg, places) for leg in found],
        "kilometres": legs.mileage([device.pk for device in terminals], begin, end) / 1000 if terminals else 0.0,
        "trips": len(trips), "stops": len(places), "top": max((fix.speed for fix in fixes), default=None),
        "driving": sum((_within(leg, begin, end) for leg in trips), timedelta(0)),
        "speeds": _legend(), "events": fences.events(principal, feature=pk, begin=begin, end=end)[:EVENTS],
        "may_export": gate.may(principal, layer, "export"),
        "formats": (("xlsx", "Excel"), ("csv", "CSV"), ("gpkg", "GeoPackage")),
    }  # fmt: skip
    return render(request, "desk/track.html", context)


@signed_in
def export(request: HttpRequest, key: str, pk: UUID) -> StreamingHttpResponse:
    """The track as a file."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key)
    begin, end, _chosen = asked(request)
    made = exports.export(principal, layer, pk, begin, end, request.GET.get("format", "xlsx"))
    response = StreamingHttpResponse(made.chunks, content_type=made.content_type)
    response.headers["Content-Disposition"] = attachment(made.filename)
    return response


def asked(request: HttpRequest) -> tuple[datetime, datetime, str]:
    """Begin and end, and the name of the range where it is one, DAY for a day."""
    if request.GET.get("day"):
        begin = _moment(request.GET["day"] + "T00:00")
        return begin, begin + timedelta(days=1), DAY
    given = [request.GET.get(name, "") for name in ("from", "to")]
    if any(given):
        times = [_moment(text) for text in given]
        return times[0], times[1], ""
    chosen = request.GET.get("range", "24h")
    if chosen not in RANGES:
        raise Invalid(_("没有这个时间范围。"), {"range": [", ".join(RANGES)]})
    end = timezone.now()
    return end - RANGES[chosen][1], end, chosen


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise Invalid(_("时间写法应为 2026-11-20T08:00。"))
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


def _within(leg: Leg, begin: datetime, end: datetime) -> timedelta:
    return max(timedelta(0), min(leg.ended_at, end) - max(leg.began_at, begin))


def _line(leg: Leg, places: dict[datetime, tuple[float, float]]) -> dict[str, Any]:
    """A trip or stop as the table shows it."""
    length = leg.ended_at - leg.began_at
    seconds = length.total_seconds()
    return {
        "leg": leg, "is_trip": leg.kind == Leg.Kind.TRIP, "length": length, "place": places.get(leg.began_at),
        "kilometres": leg.distance_m / 1000, "mean": leg.distance_m / seconds * 3.6 if seconds else None,
        "begin": round(leg.began_at.timestamp()), "end": round(leg.ended_at.timestamp()),
    }  # fmt: skip


def _legend() -> list[tuple[str, str]]:
    """Colour → the speeds that it stands for."""
    ends = [low for low, _colour in SPEEDS[1:]]
    names = [f"{low}–{high}" for (low, _colour), high in zip(SPEEDS, ends, strict=False)] + [f"≥ {SPEEDS[-1][0]}"]
    return [(colour, name) for (_low, colour), name in zip(SPEEDS, names, strict=True)]
