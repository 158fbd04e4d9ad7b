"""The desk's pages: overview, one layer as map and list, the panel of a feature, search."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from command_center.desk import figures, regions
from command_center.desk.doors import asked, fragment, region_filter, signed_in, visitor
from layers.concrete.models import MixingPlant
from layers.enterprises.models import Enterprise
from layers.sewage.models import SewagePlant
from services.access import actions, gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.audit.models import Entry
from services.catalog.layer import Layer, registry
from services.indicators import reading
from services.panels import panel as panels
from services.panels.listing import SIZES, Listing, listing
from services.positions.features import moving_layers
from services.search import everywhere
from services.search.filters import widgets
from services.stats.kinds import reach
from services.telemetry import roses
from services.telemetry.devices import present_layers
from services.telemetry.features import columns

HISTORY = 50


@signed_in
def overview(request: HttpRequest) -> HttpResponse:
    """The whole map with every layer the user may see, and the figures that link to the lists."""
    principal = visitor(request)
    region = request.GET.get("region", "")
    # Layers with states first: what stands still, like the ground, is counted last.
    shown = sorted(figures.figures(principal, region), key=lambda figure: not figure.states)
    return render(
        request, "desk/overview.html",
        {
            "figures": shown,
            "drill": regions.drill(principal, region),
            "region": region,
            "region_name": "region",
            "region_filters": {f.layer.key: region_filter(f.layer) for f in shown},
            "bounds": figures.extent(principal, region=region),
            "query": f"region={region}" if region else "",
        },
    )  # fmt: skip


@signed_in
def counts(request: HttpRequest) -> HttpResponse:
    """The number of features of every layer, in a region and in the view where these are given."""
    shown = figures.figures(visitor(request), request.GET.get("region", ""), _view(request.GET))
    return JsonResponse({figure.layer.key: figure.total for figure in shown})


@signed_in
def layer(request: HttpRequest, key: str, pk: UUID | None = None) -> HttpResponse:
    """One layer: map and list under one filter, and the panel of a feature where one is open."""
    principal = visitor(request)
    chosen = gate.layer_for(principal, key)
    if pk is not None and fragment(request, "panel"):
        return render(request, "desk/panel.html", _panel(principal, chosen, pk))
    query = asked(request)
    query["columns"] = request.COOKIES.get(f"columns.{key}", "")
    page = listing(principal, chosen, query)
    context = {"layer": chosen, "measured_columns": bool(columns(chosen))}
    context |= {**_table(chosen, page), **_columns(principal, chosen, page)}
    if fragment(request, "results"):
        return render(request, "desk/results.html", context)
    region_name = region_filter(chosen)
    region = request.GET.get(region_name, "") if region_name else ""
    context |= {
        "figures": [figures.Figure(other, 0) for other in gate.layers(principal)],
        "widgets": [w for w in widgets(principal, chosen, page.filters) if w.kind in SHOWN],
        "drill": regions.drill(principal, region),
        "region": region,
        "region_name": region_name,
        "colors": json.dumps(figures.state_colors(chosen)),
        "bounds": figures.extent(principal, chosen, region),
        "query": page.filters.canonical,
        "may": {action for action in ("create", "export", "import") if gate.may(principal, chosen, action)},
    }
    if pk is not None:
        context |= _panel(principal, chosen, pk)
    if fragment(request, "filters"):
        return render(request, "desk/filters.html", context)
    return render(request, "desk/layer.html", context)


SHOWN = ("choice", "number", "date", "flag")
"""Filters of the bar; the region has its own place in the top bar."""


@signed_in
def tab(request: HttpRequest, key: str, pk: UUID, tab: str) -> HttpResponse:
    """One tab of a panel."""
    principal = visitor(request)
    chosen = gate.layer_for(principal, key)
    number = request.GET.get("page", "1")
    opened = panels.tab(principal, chosen, pk, tab, int(number) if number.isdigit() else 1)
    pages = {"batch": "desk-batch"}
    return render(request, "desk/tab.html", {"layer": chosen, "pk": pk, "tab": opened, "page_of": pages.get(tab, "")})


@signed_in
def nearby(request: HttpRequest, key: str, pk: UUID) -> HttpResponse:
    """What lies next to a feature, of any layer."""
    principal = visitor(request)
    gate.fetch(principal, gate.layer_for(principal, key), pk)
    return render(request, "desk/nearby.html", {"found": panels.nearby(principal, pk, 20)})


@signed_in
def history(request: HttpRequest, key: str, pk: UUID) -> HttpResponse:
    """Who changed what in a feature; fields the principal may not read are left out."""
    principal = visitor(request)
    chosen = gate.layer_for(principal, key)
    gate.fetch(principal, chosen, pk)
    readable = {f.name: f for f in gate.fields(principal, chosen)}
    entries = []
    for entry in Entry.objects.filter(layer=chosen.key, object_id=str(pk))[:HISTORY]:
        changes = [
            (readable[name].label, readable[name].display(pair[0]), readable[name].display(pair[1]))
            for name, pair in entry.changes.items()
            if name in readable and isinstance(pair, list) and len(pair) == 2
        ]
        entries.append((entry, _deed(entry.action), changes))
    return render(request, "desk/history.html", {"entries": entries})


@require_POST
@signed_in
def delete(request: HttpRequest, key: str, pk: UUID) -> HttpResponse:
    """Delete a feature and go back to the list."""
    principal = visitor(request)
    chosen = gate.layer_for(principal, key)
    actions.delete(principal, chosen, pk)
    messages.success(request, _("已删除。"))
    return HttpResponseRedirect(f"/desk/{key}")


@signed_in
def search(request: HttpRequest) -> HttpResponse:
    """One search box over everything: suggestions while typing, a page on Enter."""
    principal = visitor(request)
    text = request.GET.get("q", "").strip()
    short = fragment(request)
    hits = everywhere.search(principal, text, 12 if short else 100) if text else []
    found = regions.named(text, 4) if text and not any(hit.layer is None for hit in hits) else []
    name = "desk/suggestions.html" if short else "desk/search.html"
    return render(request, name, {"text": text, "hits": hits, "regions": found})


def _panel(principal: Principal, layer: Layer, pk: UUID) -> dict[str, Any]:
    opened = panels.panel(principal, layer, pk)
    # The heading shows code and state already.
    above = {layer.field[name].label for name in ("code", "state") if name in layer.field}
    return {
        "layer": layer,
        "panel": opened,
        "values": [value for value in opened.values if value.label not in above],
        "measured": bool(columns(layer)),
        "alarmed": bool(columns(layer)) or layer in present_layers() or layer.model is MixingPlant,
        "lights": not principal.is_public and reading.watched(layer.key),
        "windy": roses.DIRECTION in columns(layer),
        "moves": layer in moving_layers(),
        "manage": _managing(layer, opened),
        "works": layer.model is SewagePlant,
        "credited": layer.model is Enterprise,
        # Where other features hang: what happens there is worth a button, elsewhere a line in the menu.
        "hub": any(other is not layer and reach(other.model, layer.model) for other in registry),
        "charging": layer.model is MixingPlant,
        "supplied": layer.key == "projects",
        "state_color": figures.state_colors(layer).get(opened.state, ""),
        "colors": json.dumps(figures.state_colors(layer)),
    }


def _managing(layer: Layer, opened: panels.Panel) -> tuple[str, str, str] | None:
    """Address, icon and words of the page on which a feature is managed, where it has one."""
    pk = opened.feature.pk
    pages = {
        "control_areas": (f"/desk/areas/{pk}", "polygon", _("区域管理")),
        "remediation_orders": (f"/desk/remediation/{pk}", "clipboard-check", _("办理")),
    }
    if layer.key == "monitors" and "change" in opened.may:
        return f"/desk/remediation/new?monitor={pk}", "clipboard-check", _("签发整改单")
    return pages.get(layer.key)


def _table(layer: Layer, page: Listing) -> dict[str, Any]:
    """The list as the template draws it: headings with the sort they lead to, cells with their columns."""
    colors = figures.state_colors(layer)
    headings = []
    for column in page.columns:
        direction = {column.name: "up", f"-{column.name}": "down"}.get(page.sort, "")
        following = {"": column.name, "up": f"-{column.name}", "down": None}[direction]
        headings.append((column, direction, following))
    rows = [(row, colors.get(row.state, ""), list(zip(page.columns, row.cells, strict=True))) for row in page.rows]
    around = {"previous": page.page - 1, "next": page.page + 1}
    return {"page": page, "headings": headings, "rows": rows, "sizes": SIZES, "around": around}


def _columns(principal: Principal, layer: Layer, page: Listing) -> dict[str, Any]:
    chosen = {column.name for column in page.columns}
    return {"choosable": [(f.name, f.label, f.name in chosen) for f in gate.fields(principal, layer)]}


def _view(query: QueryDict) -> tuple[float, float, float, float] | None:
    if not query.get("bbox"):
        return None
    try:
        west, south, east, north = (float(part) for part in query["bbox"].split(","))
    except ValueError:
        raise Invalid(_("地图范围无效。"), {"bbox": [_("应为 西,南,东,北 四个经纬度。")]}) from None
    return west, south, east, north


def _deed(action: str) -> str:
    """An audited action as a person reads it."""
    known = {"create": _("新建"), "change": _("修改"), "delete": _("删除"), "import": _("导入")}
    if action.startswith("add "):
        return _("添加记录")
    return known.get(action, action)
