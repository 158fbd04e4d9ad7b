"""The overview of the alarm centre: open and closed alarms of a period, by level, module and county."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from command_center.desk.alarms import counties
from command_center.desk.doors import signed_in, visitor
from services.alarms import figures, listing
from services.alarms.models import Episode

PERIODS = (7, 30, 90, 365)
"""Days that are offered; the second one is shown first."""
KEPT = ("begin", "end", "layer", "module", "region")


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """How many alarms there are in a period and how far people are with them; each number opens its list."""
    principal, today = visitor(request), timezone.localdate()
    query = {
        name: value for name, value in request.GET.items() if name in ("begin", "end", "layer", "module", "region")
    }
    query.setdefault("begin", (today - timedelta(days=PERIODS[1] - 1)).isoformat())
    query.setdefault("end", today.isoformat())
    wanted = listing.filters(query)
    found = figures.figures(principal, wanted)
    few = [(listing.UNDONE, _("未办结")), *Episode.State.choices[-2:], (figures.ALL, _("合计"))]
    columns = [*Episode.State.choices[: -len(Episode.DONE)], *few]
    spans = [(n, (today - timedelta(days=n - 1)).isoformat()) for n in PERIODS]
    context = {
        "found": found,
        "wanted": wanted,
        "cards": _cards(found, query),
        "all_columns": columns,
        "few_columns": few,
        "levels": _counted([*found.levels, found.total], query, columns),
        "module_lines": _counted(found.modules, query, few),
        "region_lines": _counted(found.regions, query, few),
        "spans": [(n, begin, query["begin"] == begin and query["end"] == today.isoformat()) for n, begin in spans],
        "today": today.isoformat(),
        "regions": counties(),
        "modules": figures.modules(),
        "now": timezone.now(),
    }
    return render(request, "desk/alarm_figures.html", context)


def _counted(lines: Sequence[figures.Line], query: dict[str, str], columns: Sequence[tuple[str, Any]]) -> list[Any]:
    """Lines as the template draws them: each number with the list that it counts."""
    return [
        {
            "title": line.title, "level": line.query.get("level", ""), "sum": not line.query, "share": line.share,
            "cells": [(line.counts[state], _counted_list(query | line.query, state)) for state, _label in columns],
        }
        for line in lines
    ]  # fmt: skip


def _counted_list(query: dict[str, str], state: str) -> str:
    return "/desk/alarms?" + urlencode({name: value for name, value in query.items() if value} | {"state": state})


def _cards(found: figures.Figures, query: dict[str, str]) -> list[tuple[str, str, str, str]]:
    """Label, figure, list and tone."""
    counts, share = found.total.counts, found.total.share
    hours = found.took.total_seconds() / 3600 if found.took is not None else None
    return [
        (_("告警总数"), str(counts[figures.ALL]), _counted_list(query, figures.ALL), ""),
        (_("未办结"), str(counts[listing.UNDONE]), _counted_list(query, listing.UNDONE), "warn"),
        (_("整改中"), str(counts["rectifying"]), _counted_list(query, "rectifying"), ""),
        (_("已办结"), str(counts["closed"]), _counted_list(query, "closed"), "ok"),
        (_("办结率"), "—" if share is None else f"{100 * share:.0f}%", "", ""),
        (_("曾经超期"), str(found.overdue), _counted_list(query | {"overdue": "1"}, figures.ALL), "bad"),
        (_("平均办结用时"), "—" if hours is None else _("%.1f 小时") % hours, "", ""),
    ]
