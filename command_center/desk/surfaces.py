"""The page of one surface run: its figures, inputs, leave-one-out errors, parameters and earlier versions."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from command_center.desk.doors import signed_in, visitor
from services.catalog.layer import registry
from services.surfaces import scope, timeline
from services.surfaces.models import Run, Surface

ROWS = 200
"""Inputs listed; a run of risk may have thousands."""
STATE_COLORS = {
    Run.State.DONE: "var(--z-ok)", Run.State.FEW: "var(--z-warn)", Run.State.FAILED: "var(--z-bad)",
}  # fmt: skip


@signed_in
def page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One run, as far as somebody may see its region; stations of others are only counted."""
    principal = visitor(request)
    run = scope.run_for(principal, pk, "region", "layout")
    rows = list(run.inputs.all())
    known = scope.titles(principal, [row.feature for row in rows if row.feature])
    mine = [row for row in rows if row.feature in known]
    risk = run.surface.kind == Surface.Kind.RISK
    labels = {s["id"]: _(s["label"]) for s in run.parameters.get("sources", ())}
    inputs = [
        {"row": row, "feature": known[row.feature], "source": labels.get(row.source), "off": _off(row)}
        for row in mine[:ROWS]
        if row.feature is not None
    ]  # fmt: skip
    digits = run.surface.factor.digits if run.surface.factor else 1
    pairs = [
        {"name": known[row.feature].title, "value": row.value, "estimate": row.estimate}
        for row in mine
        if row.used and row.feature is not None and row.estimate is not None
    ]
    context = {
        "run": run, "risk": risk, "inputs": inputs, "hidden": len(rows) - len(mine), "more": len(mine) - len(inputs),
        "scatter": {"pairs": pairs, "unit": run.surface.unit, "digits": digits} if pairs else None,
        "why": timeline.reason(run), "state_color": STATE_COLORS.get(Run.State(run.state), ""), "digits": digits,
        "parameters": _parameters(run), "sources": _sources(run), "keys": set(registry.by_key),
        "earlier": [told | {"computed_at": parse_datetime(told["computed_at"])} for told in reversed(run.earlier)],
        "on_map": f"/desk?surface={run.surface_id},{run.region_id},{run.at:%Y-%m-%dT%H}",
    }  # fmt: skip
    return render(request, "desk/surface_run.html", context)


def _off(row: Any) -> float | None:
    return None if row.estimate is None or row.value is None else row.estimate - row.value


def _parameters(run: Run) -> list[tuple[str, Any, str]]:
    given = run.parameters
    names = {
        "power": (_("距离权重指数"), ""), "radius_m": (_("最大影响半径（米）"), "m"), "most": (_("最多邻近站点数"), ""),
        "least": (_("最少有效站点数"), ""), "cell_m": (_("网格边长（米）"), "m"),
        "full": (_("满分对应的加权值"), ""), "spread": (_("相邻格分担比例"), ""),
    }  # fmt: skip
    found = [(label, given[name], unit) for name, (label, unit) in names.items() if name in given]
    if run.layout is not None:
        found.append((_("实际网格"), f"{run.layout.cell_m} m · {run.layout.cells}", f"EPSG:{run.layout.srid}"))
    return found


def _sources(run: Run) -> list[dict[str, Any]]:
    """What weighed on a run of risk, with how often it did."""
    rows = list(run.inputs.values_list("source", "value"))
    return [
        {
            "label": _(s["label"]), "weight": s["weight"], "window": s["window_h"], "half_life": s["half_life_h"],
            "count": sum(source == s["id"] for source, _v in rows),
            "total": sum(value or 0 for source, value in rows if source == s["id"]),
        }
        for s in run.parameters.get("sources", ())
    ]  # fmt: skip
