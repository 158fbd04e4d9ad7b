"""What leaves a layer: statistics on screen, tables to download, a map to hand on."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from command_center.desk import figures, regions
from command_center.desk.doors import asked, region_filter, signed_in, visitor
from command_center.desk.views import SHOWN
from services.access import gate
from services.access.principal import Principal
from services.catalog.describe import describe
from services.catalog.layer import Layer
from services.export import tables
from services.search.filters import Filters, narrow, parse, widgets
from services.stats import counts

PALETTE = ("#2f6fd6", "#2fa88a", "#e0a100", "#8a6fd1", "#d9622b", "#3aa6c9")
SLICES = len(PALETTE)
"""More values than these stand as bars of one colour."""


@dataclass(frozen=True)
class Bar:
    """A value with its number of features, its share, and the list it leads to."""

    label: str
    count: int
    share: float
    link: str
    color: str


@dataclass(frozen=True)
class Chart:
    """A field by which the features are counted."""

    name: str
    label: str
    bars: list[Bar]

    @property
    def key(self) -> str:
        return f"chart-{self.name}"

    @property
    def data(self) -> list[dict[str, Any]]:
        """What the script draws."""
        return [{"label": b.label, "count": b.count, "link": b.link, "color": b.color} for b in self.bars]


@signed_in
def stats(request: HttpRequest, key: str) -> HttpResponse:
    """The layer counted by each of its statistics, under the same filter as its list."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key)
    filters = parse(principal, layer, asked(request))
    readable = {f.name for f in gate.fields(principal, layer)}
    region_name = region_filter(layer)
    region = request.GET.get(region_name, "") if region_name else ""
    return render(
        request, "desk/stats.html",
        {
            "layer": layer,
            "total": counts.total(principal, layer, filters),
            "charts": [
                _chart(layer, by, filters, counts.counts(principal, layer, by, filters))
                for by in layer.stats
                if by.split("__")[0] in readable
            ],
            "summaries": counts.summaries(principal, layer, filters),
            "page": {"filters": filters},
            "widgets": [w for w in widgets(principal, layer, filters) if w.kind in SHOWN],
            "drill": regions.drill(principal, region),
            "region": region,
            "region_name": region_name,
            "query": filters.canonical,
            "may_export": gate.may(principal, layer, "export"),
        },
    )  # fmt: skip


@signed_in
def export(request: HttpRequest, key: str) -> HttpResponse | StreamingHttpResponse:
    """The rows that pass the filters, as a file."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key, "export")
    query = asked(request)
    form = query.get("format", "xlsx")
    filters = parse(principal, layer, query)
    made = tables.export(principal, layer, narrow(principal, layer, filters), form)
    response = StreamingHttpResponse(made.chunks, content_type=made.content_type)
    response.headers["Content-Disposition"] = attachment(made.filename)
    return response


@signed_in
def html_map(request: HttpRequest, key: str) -> HttpResponse:
    """The filtered layer as one HTML file that needs nothing from outside."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key, "export")
    filters = parse(principal, layer, asked(request))
    rows = narrow(principal, layer, filters)
    # folium brings pandas: 60 MB that only this door needs.
    from services.export import htmlmap

    response = HttpResponse(htmlmap.html_map(principal, layer, rows, _caption(principal, layer, filters)))
    response.headers["Content-Disposition"] = attachment(tables.file_name(layer, "html"))
    return response


def _caption(principal: Principal, layer: Layer, filters: Filters) -> str:
    """What the rows were narrowed to, in words."""
    parts = [f"“{filters.text}”"] if filters.text else []
    for widget in widgets(principal, layer, filters):
        if not widget.active:
            continue
        chosen = "、".join(option.label for option in widget.options if option.selected)
        parts.append(f"{widget.label}：{chosen or f'{widget.minimum or "…"} – {widget.maximum or "…"}'}")
    return "；".join(parts)


def attachment(name: str) -> str:
    """A Content-Disposition for any file name (RFC 6266)."""
    ascii_name = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name)
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name)}"


def _chart(layer: Layer, by: str, filters: Filters, tallies: list[counts.Tally]) -> Chart:
    most = sum(tally.count for tally in tallies) or 1
    colors = figures.state_colors(layer) if by == "state" else {}
    bars = [
        Bar(
            t.label or _("未填"),
            t.count,
            t.count / most,
            _list(layer, by, t.value, filters),
            colors.get(t.value) or (PALETTE[number] if len(tallies) <= SLICES else PALETTE[0]),
        )
        for number, t in enumerate(tallies)
    ]
    return Chart(by, describe(layer.model, by).label, bars)


def _list(layer: Layer, by: str, value: str, filters: Filters) -> str:
    """The address of the list that a number counts; empty where the list cannot be filtered so."""
    if by not in layer.filters or not value:
        return ""
    others = [(name, text) for name, text in filters.raw if name != by]
    return f"/desk/{layer.key}?{urlencode([*others, (by, value)])}"
