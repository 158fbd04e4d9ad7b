"""Logs for administrators: counts by system, level and time, what is usual, rises of errors, entries, other systems."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from command_center.desk.doors import fragment, signed_in, visitor
from command_center.desk.times import period
from services.limits.rows import day_of
from services.operations import analysis, receiving
from services.operations.analysis import Choice
from services.operations.blocking import admitted
from services.operations.logs import OWN, STEP
from services.operations.models import LogLevel, LogSystem, Policy, Rise
from services.telemetry.spans import ZONE

SIZE = 50
DEEPEST = 200
"""Pages of entries; whoever looks for older ones names the time."""
STEPS = ((timedelta(hours=26), STEP), (timedelta(days=8), timedelta(hours=1)), (timedelta(days=40), timedelta(hours=6)))
"""Lengths of time, and the step of the chart up to each; beyond, a day."""


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """``system``, ``program``, ``level`` (at least), ``q``, a time, ``page``."""
    admitted(visitor(request))
    time = period(request.GET, "24h")
    step = next((step for longest, step in STEPS if time.end - time.begin <= longest), timedelta(days=1))
    level = request.GET.get("level", "")
    names = dict(LogSystem.objects.values_list("key", "name")) | {OWN: _("本平台")}
    choice = Choice(
        _aligned(time.begin, step), time.end, request.GET.get("system", "")[:40], request.GET.get("program", "")[:40],
        int(level) if level in {str(value) for value in LogLevel.values} else 0,
        request.GET.get("q", "").strip()[:100],
    )  # fmt: skip
    asked = request.GET.get("page", "1")
    number = min(max(1, int(asked)), DEEPEST) if asked.isdecimal() and len(asked) < 5 else 1
    found = list(choice.entries()[(number - 1) * SIZE : number * SIZE + 1])
    lines, rises = analysis.lines(choice), list(analysis.rises(choice))
    usual = _usual(choice, step)
    context: dict[str, Any] = {
        "now": timezone.now(), "time": time, "ranges": time.ranges("1h", "24h", "7d", "30d"), "choice": choice,
        "levels": LogLevel.choices, "names": names, "choices": _choices(choice, names),
        "programs": sorted({part for name, part in analysis.programs(choice.begin) if choice.system in ("", name)}),
        "lines": [
            (names.get(line.system, line.system), line, [line.counts.get(value, 0) for value in LogLevel.values])
            for line in lines
        ],
        "totals": [
            (label, sum(line.counts.get(value, 0) for line in lines), value) for value, label in LogLevel.choices
        ],
        "lost": sum(line.lost for line in lines),
        "rises": [(rise, names.get(rise.system, rise.system)) for rise in rises],
        "entries": [(each, names.get(each.system, each.system)) for each in found[:SIZE]],
        "at": {"page": number, "pages": number + (len(found) > SIZE and number < DEEPEST)},
        "around": {"previous": number - 1, "next": number + 1},
        "chart": json.dumps(_chart(choice, step, usual, rises), ensure_ascii=False),
        "policy": Policy.at(day_of(time.end)),
        "step": _step(step), "usual": usual,
    }  # fmt: skip
    return render(request, "desk/logs_body.html" if fragment(request, "logs") else "desk/logs.html", context)


@signed_in
def systems(request: HttpRequest) -> HttpResponse:
    """The systems that send their logs; with POST another is registered, and its token shown once."""
    principal = visitor(request)
    rows = receiving.systems(principal)
    context: dict[str, Any] = {"lines": rows, "origin": request.build_absolute_uri("/")[:-1], "now": timezone.now()}
    if request.method == "POST":
        made, token = receiving.register(principal, request.POST.get("key", ""), request.POST.get("name", ""))
        context |= {"made": made, "token": token}
    return render(request, "desk/log_systems.html", context)


@require_POST
@signed_in
def system_token(request: HttpRequest, pk: int) -> HttpResponse:
    """Another token for a system, shown once."""
    principal = visitor(request)
    made, token = receiving.new_token(principal, pk)
    context = {
        "lines": receiving.systems(principal), "origin": request.build_absolute_uri("/")[:-1], "now": timezone.now(),
        "made": made, "token": token,
    }  # fmt: skip
    return render(request, "desk/log_systems.html", context)


@require_POST
@signed_in
def system_switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a system's entries, or refuse them."""
    row = receiving.switch(visitor(request), pk, request.POST.get("on") == "1")
    messages.success(request, _("已启用“%s”。") % row if row.enabled else _("已停用“%s”。") % row)
    return HttpResponseRedirect("/desk/system/logs/systems")


def _aligned(begin: datetime, step: timedelta) -> datetime:
    """The begin of the chart: a whole step of China's day, so that columns are hours or days."""
    midnight = begin.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (begin - midnight) // step * step


def _usual(choice: Choice, step: timedelta) -> float:
    """Errors in a step as they usually are, of all programs that are chosen together."""
    days = Policy.at(day_of(choice.end)).rise_days
    by_program = analysis.usual(min(choice.end, timezone.now()), days, choice.system, choice.program)
    return sum(by_program.values()) * (step / STEP)


def _choices(choice: Choice, names: dict[str, str]) -> list[tuple[str, str]]:
    there = {name for name, _part in analysis.programs(choice.begin)} | set(names)
    return sorted(((key, names.get(key, key)) for key in there), key=lambda pair: (pair[0] != OWN, pair[1]))


def _chart(choice: Choice, step: timedelta, usual: float, rises: list[Rise]) -> dict[str, Any]:
    """Columns by level over time; the usual number of errors, and the columns in which errors rose."""
    by_level = analysis.series(choice, step)
    count = -(-(choice.end - choice.begin) // step)
    times = [choice.begin + n * step for n in range(count)]
    marks = sorted({max(0, (rise.began_at - choice.begin) // step) for rise in rises})
    return {
        "times": [format(at.astimezone(ZONE), "%m-%d" if step.days else "%m-%d %H:%M") for at in times],
        "levels": [
            {"level": value, "name": str(label), "counts": [by_level[value].get(at, 0) for at in times]}
            for value, label in reversed(LogLevel.choices)
            if value in by_level
        ],
        "usual": round(usual, 1), "usualName": _("平时错误"), "marks": marks, "markName": _("突增"),
    }  # fmt: skip


def _step(step: timedelta) -> str:
    hours = int(step.total_seconds() // 3600)
    if step.days:
        return _("每天")
    return _("每 %d 小时") % hours if hours > 1 else _("每小时") if hours else _("每十分钟")
