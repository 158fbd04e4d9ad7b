"""The editor of charts: a form that fits itself to source and kind, with the chart drawn as it stands."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from command_center.desk import charting
from command_center.desk.charting import trouble
from command_center.desk.doors import fragment, signed_in, visitor
from gis.models import Region, code_prefix
from services.access import gate
from services.access.errors import Invalid, NotFound, Refused, TooLarge
from services.access.principal import Principal
from services.accounts.roles import Role
from services.catalog.layer import Layer
from services.charts import products, sources
from services.charts import spec as specs
from services.charts.classes import MOST_CLASSES
from services.charts.colours import OWN, PALETTES, RAMPS, classed
from services.charts.dimensions import Dimension
from services.charts.models import Product
from services.charts.sources import Source
from services.charts.spec import Spec
from services.export.columns import in_unit
from services.search.filters import parse, widgets

FILTER = "f-"
"""What the names of filters begin with in the form."""
SENT = (
    "kind", "form", "source", "cql", "clock", "time", "first", "last", "measure", "by", "series", "compared", "sort",
    "top", "classes", "method", "ramp", "backward", "palette", "labels", "legend", *specs.WORDS,
)  # fmt: skip
COLOURS = 8
USUAL = "layer:projects"
"""The source with which an editor opens, for those who see it."""
Kind = Product.Kind


@signed_in
def edit(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """The form of a chart; what it sends changes form and drawing, or saves."""
    principal = visitor(request)
    stored = products.fetch(principal, pk) if pk is not None else None
    if stored is not None and not products.may_change(principal, stored):
        raise Refused(_("只有创建人可以修改或删除图表。"))
    owner = stored.owner_id if stored else principal.id
    if request.method != "POST":
        settings = products.spec_of(stored) if stored else _begun(principal, request)
        shared = (stored.name, stored.roles, charting.code_of(stored.area)) if stored else ("", [], "")
        return _page(request, principal, owner, stored, settings, *shared)
    post = request.POST
    settings = _sent(post)
    shared = (post.get("name", ""), post.getlist("roles"), post.get("area", ""))
    if post.get("act") != "save":
        return _page(request, principal, owner, stored, settings, *shared)
    try:
        settings = specs.fitted(settings, sources.source(principal, settings.source, owner))
        saved = products.save(principal, shared[0], settings, shared[1], shared[2], pk)
    except Invalid as error:
        return _page(request, principal, owner, stored, settings, *shared, errors=error.fields, status=422)
    messages.success(request, _("图表“%s”已保存。") % saved.name)
    return HttpResponseRedirect(reverse("desk-chart", args=[saved.pk]))


def _begun(principal: Principal, request: HttpRequest) -> Spec:
    """A new chart of the kind and source that the address names, else of the first layer with something in it."""
    kind, source = request.GET.get("kind", ""), request.GET.get("source", "")
    known = [token for group in sources.tokens(principal).values() for token, _title in group]
    if not known:
        raise Refused(_("没有可以制作图表的数据。"))
    if source not in known:
        source = USUAL if USUAL in known else known[0]
    return _warmed(Spec(kind=kind if kind in Kind.values else Kind.STATISTICAL.value, source=source))


def _warmed(settings: Spec) -> Spec:
    """What begins as a heat map begins in warm colours."""
    return replace(settings, ramp="amber") if settings.kind == Kind.HEAT and settings.ramp == "blue" else settings


def _sent(post: QueryDict) -> Spec:
    values: dict[str, Any] = {name: post[name] for name in SENT if name in post}
    filters: dict[str, list[str]] = {}
    for name in post:
        if name.startswith(FILTER):
            texts = [text for text in post.getlist(name) if text]
            if texts:
                filters[name.removeprefix(FILTER)] = texts
    values |= {
        "filters": filters if post.get("was") in (None, values.get("source")) else {},
        "chosen": post.getlist("chosen") if post.get("was-series") == values.get("series") else [],
        "periods": [
            list(pair)
            for pair in zip(post.getlist("period-first"), post.getlist("period-last"), strict=False)
            if any(pair)
        ],
        "breaks": post.get("breaks", "").replace("，", ",").replace("、", ",").split(","),
        "colors": post.getlist("color"),
    }  # fmt: skip
    settings = specs.read(values)
    if post.get("was") not in (None, settings.source):
        # Fields of one source that another has as well mean something else there.
        usual = Spec()
        settings = replace(
            settings, **{name: getattr(usual, name) for name in ("measure", "by", "series", "clock", "cql")}
        )
    return _warmed(settings) if post.get("was-kind") != settings.kind else settings


def _page(
    request: HttpRequest, principal: Principal, owner: UUID | None, stored: Product | None, settings: Spec,
    name: str, roles: list[str], area: str, *, errors: dict[str, list[str]] | None = None, status: int = 200,
) -> HttpResponse:  # fmt: skip
    context: dict[str, Any] = {
        "stored": stored, "name": name, "errors": errors or {}, "groups": _groups(principal, settings.source),
        "kinds": Kind.choices,
        "roles": [(role, label, role in roles) for role, label in Role.choices if role != Role.PUBLIC],
        "areas": _seen(principal, None), "area": area,
    }  # fmt: skip
    try:
        source = sources.source(principal, settings.source, owner)
    except NotFound:
        context |= {"settings": settings, "drawing": {"kind": settings.kind, "trouble": _("请选择数据来源。")}}
        return render(request, "desk/chart_edit.html", context, status=status)
    settings = specs.fitted(settings, source)
    if not any(chosen for _head, some in context["groups"] for _token, _said, chosen in some):
        # An administrator edits a chart of somebody's own table.
        context["groups"] = [("", [(settings.source, source.title, True)]), *context["groups"]]
    context |= _controls(principal, source, settings)
    context["drawing"], wrong = _drawing(principal, settings, owner)
    context["errors"] = wrong | context["errors"]
    if settings.series and _may_choose(settings):
        shown = [(line["key"], line["label"]) for line in _all_series(principal, settings, owner)]
        picked = settings.chosen or [line["key"] for line in context["drawing"].get("series", [])]
        context["series_values"] = [(key, label, key in picked) for key, label in shown]
    inner = fragment(request, "chart-controls")
    return render(request, "desk/chart_controls.html" if inner else "desk/chart_edit.html", context, status=status)


def _drawing(principal: Principal, settings: Spec, owner: UUID | None) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """What is drawn, or why nothing is and which fields have to be mended."""
    try:
        return products.draw(principal, settings, owner), {}
    except Invalid as error:
        return {"kind": settings.kind, "trouble": error.message}, dict(error.fields)
    except (NotFound, TooLarge, Refused) as error:
        return {"kind": settings.kind, "trouble": trouble(error)}, {}


def _may_choose(settings: Spec) -> bool:
    """Whether some of the groups that stand side by side can be picked."""
    return settings.kind == Kind.COMPARATIVE and settings.compared == "groups"


def _all_series(principal: Principal, settings: Spec, owner: UUID | None) -> list[dict[str, str]]:
    """What could stand side by side: a bar each, most rows first."""
    asked = Spec(
        source=settings.source, filters=settings.filters, cql=settings.cql, by=settings.series, top=40, sort="down",
        measure=settings.measure, clock=settings.clock, time=settings.time, first=settings.first, last=settings.last,
    )  # fmt: skip
    made, _wrong = _drawing(principal, asked, owner)
    return [group for group in made.get("groups", []) if not group["key"].startswith("@")]


def _groups(principal: Principal, chosen: str) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    found = sources.tokens(principal)
    return [(head, [(token, title, token == chosen) for token, title in some]) for head, some in found.items() if some]


def _controls(principal: Principal, source: Source, settings: Spec) -> dict[str, Any]:
    """The choices of every field as they fit source, kind and form."""
    kind, form = settings.kind, settings.form
    on_map, classed_kind = kind == Kind.THEMATIC or form == "ground", kind in (Kind.THEMATIC, Kind.CALENDAR)
    ramped = classed_kind or kind == Kind.HEAT
    rows = len(settings.periods) + 1
    colours = (settings.colors or list(PALETTES["safe"][1]))[:COLOURS]
    return {
        "settings": settings, "source": source,
        "forms": _options(specs.FORMS[kind], form),
        "measures": [(m.token, in_unit(m.label, m.unit), m.token == settings.measure)
                     for m in source.measures.values()],
        "bys": _dimensions(specs.groups(settings, source), settings.by),
        "seconds": _dimensions(specs.second(settings, source), settings.series),
        "second_needed": specs.needs_second(settings),
        "clocks": [(c.name, c.label, c.name == settings.clock) for c in source.clocks.values()],
        "times": _options(specs.TIMES, settings.time),
        "sorts": _options(specs.SORTS, settings.sort),
        "methods": _options(specs.METHODS, settings.method),
        "legends": _options(specs.LEGENDS, settings.legend),
        "compares": _options(specs.COMPARED, settings.compared) if source.clocks else [],
        "comparing": kind == Kind.COMPARATIVE,
        "ramps": [(key, label, classed(key, 6, settings.backward), key == settings.ramp)
                  for key, (label, _ramp) in RAMPS.items()],
        "palettes": [(key, label, tones[:6], key == settings.palette) for key, (label, tones) in PALETTES.items()]
        + [(OWN, _("自定颜色"), colours[:6], settings.palette == OWN)],
        "own_colours": colours if settings.palette == OWN else [],
        "periods": [*settings.periods, ["", ""], ["", ""]][: max(2, min(specs.MOST_PERIODS, rows))],
        "breaks": ", ".join(f"{each:g}" for each in settings.breaks),
        "class_numbers": range(2, MOST_CLASSES + 1),
        "on_map": on_map, "classed": classed_kind, "ramped": ramped,
        "ordered": not on_map and not ramped and source.dimensions[settings.by].kind not in ("time", "cycle")
        if settings.by in source.dimensions else False,
        "axes": not on_map and kind != Kind.CALENDAR and form not in ("pie", "ring"),
        "filters": _filters(principal, source.layer, settings) if source.layer else [],
        "regions": _seen(principal, source.layer) if source.layer and source.layer.scope.region else [],
        "filtered": bool(settings.filters or settings.cql),
    }  # fmt: skip


def _options(known: dict[str, Any], chosen: str) -> list[tuple[str, str, bool]]:
    return [(value, str(label), value == chosen) for value, label in known.items()]


def _dimensions(some: list[Dimension], chosen: str) -> list[tuple[str, str, bool]]:
    return [(each.token, each.label, each.token == chosen) for each in some]


def _filters(principal: Principal, layer: Layer, settings: Spec) -> list[Any]:
    """The layer's own filters as its list has them, with what is chosen; none where what was kept fits no more."""
    try:
        asked = parse(principal, layer, settings.filters)
    except Invalid:
        asked = parse(principal, layer, {})
    shown = [widget for widget in widgets(principal, layer, asked) if widget.kind != "reference"]
    return [replace(w, options=()) if w.kind == "region" else w for w in shown]


def _seen(principal: Principal, layer: Layer | None) -> list[tuple[str, str]]:
    """The regions down to the county in which somebody sees something, of one layer or of all."""
    rows = gate.restrict_index(principal, None if layer is None else [layer])
    codes = {code for code in rows.order_by().values_list("region_code", flat=True).distinct() if code}
    level = Region.Level
    known = Region.objects.current().filter(level__in=(level.PROVINCE, level.CITY, level.COUNTY)).order_by("code")
    begun = {code[:length] for code in codes for length in (2, 4, 6)}
    return [(code, name) for code, name in known.values_list("code", "name") if code_prefix(code) in begun]
