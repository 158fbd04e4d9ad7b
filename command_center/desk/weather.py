"""Weather at all points on one page: wind, temperature, humidity and pressure of now, what they come to, and a map."""

import json
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from command_center.desk import figures, points, regions
from command_center.desk.doors import fragment, signed_in, visitor
from command_center.desk.readings import COMPASS
from services.access.errors import Invalid
from services.telemetry import current
from services.telemetry.current import Now, Place
from services.telemetry.roses import CALM

DIRECTION, SPEED = "a01008", "a01007"
WEATHER = (DIRECTION, SPEED, "a01001", "a01002", "a01006")
"""Wind, temperature, humidity and pressure by their codes of HJ 212."""
TEXT = ("name", "region")
DIGITS = {DIRECTION: 0, "a01006": 2}


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The points of a ``region``, sorted by ``sort`` (a column, ``-`` before it for the greatest first)."""
    principal = visitor(request)
    layer, now = points.measuring(principal, SPEED), timezone.now()
    region = request.GET.get("region", "")
    found = current.places(principal, layer, WEATHER, region, now)
    fields = current.readable(principal, layer, WEATHER)
    sort = _sort(request, [*TEXT, "at", *fields])
    found = _sorted(found, sort)
    drill = regions.drill(principal, region)
    context = {
        "of": layer,
        "now": now,
        "rows": [_row(place, now) for place in found],
        "cards": [
            (code, fields[code], current.spread(found, code), DIGITS.get(code, 1))
            for code in WEATHER
            if code in fields and code != DIRECTION
        ],
        "wind": _wind(found),
        "headings": [(code, fields[code], _turned(sort, code)) for code in WEATHER if code in fields],
        "turned": {name: _turned(sort, name) for name in (*TEXT, "at")},
        "sort": sort,
        # Not as a script: htmx takes scripts out of what it swaps.
        "spots": json.dumps([spot for place in found if (spot := _spot(place))]),
        "drill": drill,
        "region": region,
        "region_name": "region",
        "bounds": figures.extent(principal, layer, region),
        "fresh": sum(any(each.fresh for each in place.values.values()) for place in found),
    }
    return render(request, "desk/weather_body.html" if fragment(request, "weather") else "desk/weather.html", context)


def _sorted(found: list[Place], sort: str) -> list[Place]:
    """The places in an order; who says nothing of it stands last, whichever way the others stand."""
    name = sort.removeprefix("-")
    keys = [(_key(place, name), place) for place in found]
    said = sorted(((key, place) for key, place in keys if key is not None), key=lambda pair: pair[0])
    if sort.startswith("-"):
        said.reverse()
    return [place for _found, place in said] + [place for key, place in keys if key is None]


def _key(place: Place, name: str) -> Any:
    match name:
        case "name":
            return place.row.name
        case "region":
            return place.row.region_id or ""
        case "at":
            return place.newest
    return place.values[name].value


def _sort(request: HttpRequest, names: list[str]) -> str:
    sort = request.GET.get("sort", "name")
    if sort.removeprefix("-") not in names:
        raise Invalid(_("不能按此列排序。"), {"sort": [", ".join(names)]})
    return sort


def _turned(sort: str, name: str) -> tuple[str, str]:
    """The sort that a heading leads to, and how it stands now."""
    standing = {name: "ascending", f"-{name}": "descending"}.get(sort, "")
    greatest_first = name not in TEXT
    return (name if sort == f"-{name}" or (not greatest_first and sort != name) else f"-{name}"), standing


def _row(place: Place, now: datetime) -> dict[str, Any]:
    return {
        "place": place,
        "row": place.row,
        "at": place.newest,
        "age": age(place.newest, now),
        "fresh": any(each.fresh for each in place.values.values()),
        "cells": [(code, each, _written(code, each), age(each.at, now)) for code, each in place.values.items()],
        "from": _direction(place),
    }


def age(at: datetime | None, now: datetime) -> str:
    """How long ago, in the greatest unit that says it."""
    if at is None:
        return ""
    seconds = max(0, int((now - at).total_seconds()))
    if seconds < 60:
        return _("%d秒前") % seconds
    if seconds < 3600:
        return _("%d分钟前") % (seconds // 60)
    if seconds < 2 * 86400:
        return _("%d小时前") % (seconds // 3600)
    return _("%d天前") % (seconds // 86400)


def _written(code: str, each: Now) -> str:
    return "—" if each.value is None else f"{each.value:.{DIGITS.get(code, 1)}f}"


def _direction(place: Place) -> str:
    """The name of the direction that the wind comes from, calm where it hardly blows."""
    speed, direction = place.values.get(SPEED), place.values.get(DIRECTION)
    if direction is None or direction.value is None:
        return ""
    if speed is not None and speed.value is not None and speed.value < CALM:
        return _("静风")
    return compass(direction.value)


def compass(direction: float) -> str:
    """The one of sixteen directions that an angle from north lies in."""
    return str(COMPASS[int((direction + 11.25) // 22.5) % 16])


def _wind(found: list[Place]) -> dict[str, Any] | None:
    """The vector mean over the points whose speed and direction both hold now."""
    pairs = [
        (speed.value, direction.value)
        for place in found
        if (speed := place.values.get(SPEED)) and (direction := place.values.get(DIRECTION))
        and speed.fresh and direction.fresh and speed.value is not None and direction.value is not None
    ]  # fmt: skip
    mean = current.resultant(pairs)
    if mean is None:
        return None
    speed, direction = mean
    calm = direction is None or speed < CALM
    name = _("静风") if calm or direction is None else compass(direction)
    return {"speed": speed, "direction": None if calm else direction, "name": name, "number": len(pairs)}


def _spot(place: Place) -> dict[str, Any] | None:
    """What the map shows of a point; None where it has no place."""
    if place.row.geom is None:
        return None
    speed, direction, warm = (place.values.get(code) for code in (SPEED, DIRECTION, "a01001"))
    blows = speed is not None and speed.value is not None and speed.value >= CALM
    fresh = any(each.fresh for each in place.values.values())
    words = [
        f"{each.value:.1f} {unit}"
        # Of the letters of maps we have those up to U+01FF; the sign ℃ is not among them.
        for each, unit in ((warm, "°C"), (speed, "m/s"))
        if each is not None and each.value is not None
    ]
    return {
        "id": str(place.row.pk), "place": list(place.row.geom.coords), "label": "\n".join(words), "fresh": fresh,
        # Whither it blows: an arrow with its head downwind.
        "angle": (direction.value + 180) % 360 if blows and direction and direction.value is not None else None,
    }  # fmt: skip
