"""Custom reports on the desk: putting one together with a preview, running it, its files, deleting it."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from command_center.desk.doors import fragment, signed_in, visitor
from command_center.desk.reports import day, file, shown
from command_center.desk.times import day_of
from gis.models import Region, code_prefix
from services.access import gate
from services.access.errors import Invalid, Refused, TooLarge
from services.access.principal import Principal
from services.accounts.models import User
from services.accounts.roles import Role
from services.audit import trail
from services.audit.models import Entry
from services.catalog.layer import Layer, registry
from services.reports import columns, custom, editions, figures, people
from services.reports.models import Custom
from services.telemetry.reports import FREE, KINDS
from services.telemetry.spans import ZONE

PREVIEWED = 30
"""Lines of a preview."""
CHANGES = 10
DRAWN = ("mean", "high", "low", "total")
AT_FIRST = ("mean", "high", "low", "valid")
RHYTHMS = {
    "day": gettext_lazy("每日"), "week": gettext_lazy("每周（周一）"), "month": gettext_lazy("每月（1日）"),
    "quarter": gettext_lazy("每季（首日）"), "year": gettext_lazy("每年（1月1日）"),
}  # fmt: skip
"""How often a report makes itself, by the kind of the period that is over then."""


@signed_in
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A saved report over the period in which ``date`` lies, within the rights of who opens it."""
    principal = visitor(request)
    saved = custom.fetch(principal, pk)
    time, today = saved.time(day(request), _kind(request)), timezone.now().astimezone(ZONE).date()
    found = figures.run(principal, saved, time)
    may_change = custom.may_change(principal, saved)
    context = shown(found.sheet) | {
        "custom": saved,
        "title": saved.name,
        "of": registry.by_key[saved.layer],
        "time": time,
        "free": saved.period == FREE,
        "kind": time.kind, "kind_label": KINDS.get(time.kind, ""),
        "rhythm": RHYTHMS.get(saved.repeat, ""),
        "told": people.names({saved.owner_id, *saved.recipients}) if may_change else [],
        "kept": editions.of_custom(principal, saved), "n_kept": saved.editions.count(),
        "later": time.after if time.after.first <= today else None,
        "running": time.first <= today < time.end,
        "features": found.features,
        "may_export": gate.may(principal, registry.by_key[saved.layer], "export"),
        "may_change": may_change,
        "scope": _scope(principal, saved),
        "charts": _charts(found) if saved.by == Custom.By.TIME else [],
        "history": _history(saved) if may_change else [],
    }  # fmt: skip
    return render(request, "desk/custom.html", context)


@signed_in
def export(request: HttpRequest, pk: UUID) -> StreamingHttpResponse:
    """The same as Excel or CSV, of the features that one may take along."""
    principal = visitor(request)
    saved = custom.fetch(principal, pk)
    time = saved.time(day(request), _kind(request))
    found = figures.run(principal, saved, time, "export")
    response = file(request, saved.name, saved.name, found.sheet, time)
    trail.note(
        principal.id, principal.name, "export", layer=saved.layer, object_id=saved.pk, address=principal.address,
        changes={
            "format": request.GET.get("format", "xlsx"), "report": saved.name, "date": str(time.first),
            "features": found.features,
        },
    )  # fmt: skip
    return response


@signed_in
def edit(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """The form of a report; ``act`` of what was sent changes the form, shows a preview, or saves."""
    principal = visitor(request)
    stored = custom.fetch(principal, pk) if pk is not None else None
    if stored is not None and not custom.may_change(principal, stored):
        raise Refused(_("只有创建人可以修改或删除报表。"))
    known = custom.layers(principal)
    if not known:
        raise Refused(_("没有可以统计的监测图层。"))
    if request.method != "POST":
        return _page(request, principal, stored, _begun(principal, request, stored, known))
    values, act = _sent(principal, request.POST, known), request.POST.get("act", "")
    if act != "save":
        return _page(request, principal, stored, values)
    try:
        saved = custom.save(principal, values, pk)
    except Invalid as error:
        return _page(request, principal, stored, values, error.fields, status=422)
    messages.success(request, _("报表“%s”已保存。") % saved.name)
    return HttpResponseRedirect(f"/desk/reports/custom/{saved.pk}")


@require_POST
@signed_in
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete a report, with its editions where ``editions`` says so."""
    custom.delete(visitor(request), pk, with_editions=request.POST.get("editions") == "1")
    messages.success(request, _("报表已删除。"))
    return HttpResponseRedirect("/desk/reports")


def _begun(principal: Principal, request: HttpRequest, stored: Custom | None, known: list[Layer]) -> dict[str, Any]:
    """What the form holds at first: the stored report, a copy of another one (``from``), or a beginning."""
    if stored is None and request.GET.get("from"):
        try:
            other = custom.fetch(principal, UUID(request.GET["from"]))
        except ValueError:
            raise Invalid(_("没有这个报表。"), {"from": [_("请从列表中选择。")]}) from None
        copied = {name: getattr(other, name) for name in custom.EDITED}
        return copied | {"name": _("%s 副本") % other.name, "roles": [], "repeat": "", "recipients": []}
    if stored is not None:
        return {name: getattr(stored, name) for name in custom.EDITED}
    layer = next((layer for layer in known if layer.key == request.GET.get("layer")), known[0])
    fresh = Custom(layer=layer.key, columns=_usual(principal, layer))
    return {name: getattr(fresh, name) for name in custom.EDITED}


def _usual(principal: Principal, layer: Layer) -> list[str]:
    """The columns with which a report of a layer begins: its name, and the statistics of its first factor."""
    names = [name for name in ("name", "region") if name in columns.fields(principal, layer)]
    for code, (_label, factor) in columns.factors(principal, layer).items():
        some = [each for each in columns.statistics(factor) if each in AT_FIRST]
        return [*names, *(f"{code}:{each}" for each in some)]
    return names


def _sent(principal: Principal, post: QueryDict, known: list[Layer]) -> dict[str, Any]:
    """The values that a form sent, with what its buttons did to them."""
    act, _colon, argument = post.get("act", "").partition("|")
    chosen = [key for text in post.getlist("feature") if (key := _key(text)) is not None]
    values: dict[str, Any] = {
        name: post.get(name, "").replace("\0", "").strip()
        for name in ("name", "about", "layer", "choice", "region", "along", "period", "by", "part", "sort")
    } | {
        "repeat": post.get("repeat", ""), "hour": int(hour) if (hour := post.get("hour", "8")).isdecimal() else 8,
        "recipients": [pk for text in dict.fromkeys(post.getlist("recipients")) if (pk := _key(text)) is not None],
        "roles": post.getlist("roles"), "first": _date(post, "first"), "last": _date(post, "last"),
        "under": _key(post.get("under", "")),
        "features": [pk for pk in dict.fromkeys(chosen) if not (act == "without" and str(pk) == argument)],
    }  # fmt: skip
    layer = next((layer for layer in known if layer.key == values["layer"]), None)
    if layer is not None and post.get("was", values["layer"]) != values["layer"]:
        return values | {
            "features": [],
            "along": "",
            "under": None,
            "columns": _suited(_usual(principal, layer), values["by"]),
            "sort": "",
        }
    picked = set(post.getlist("pick"))
    tokens = [token for token in dict.fromkeys(post.getlist("column")) if token in picked]
    tokens += [token for token in dict.fromkeys(post.getlist("pick")) if token not in tokens]
    tokens = _suited(tokens, values["by"])
    if act in ("up", "down", "drop") and argument in tokens:
        place = tokens.index(argument)
        tokens.remove(argument)
        if act != "drop":
            tokens.insert(max(0, place - 1) if act == "up" else place + 1, argument)
    if values["sort"].removeprefix("-") not in tokens:
        values["sort"] = ""
    return values | {"columns": tokens}


def _suited(tokens: list[str], by: str) -> list[str]:
    """The columns that fit what a line is: a line about all features has no field, one about no part no time."""
    if by == Custom.By.FEATURE:
        return [token for token in tokens if token != columns.TIME]
    if by == Custom.By.TIME:
        tokens = [token for token in tokens if ":" in token or token == columns.TIME]
    return tokens if columns.TIME in tokens else [columns.TIME, *tokens]


def _kind(request: HttpRequest) -> str:
    """The kind of period that was asked for, where it is another one than the report's own."""
    asked = request.GET.get("period", "")
    return asked if asked in KINDS else ""


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _date(post: QueryDict, name: str) -> Any:
    try:
        return day_of(post.get(name, ""), name)
    except Invalid:
        return None


def _page(
    request: HttpRequest, principal: Principal, stored: Custom | None, values: dict[str, Any],
    errors: dict[str, list[str]] | None = None, status: int = 200,
) -> HttpResponse:  # fmt: skip
    layer = next((layer for layer in custom.layers(principal) if layer.key == values["layer"]), None)
    context: dict[str, Any] = {
        "stored": stored, "values": values, "errors": errors or {}, "layers": custom.layers(principal), "of": layer,
        "choices": Custom.Choice.choices,
        "periods": [*KINDS.items(), (FREE, _("自定时间"))], "free": FREE,
        "rhythms": RHYTHMS.items(), "hours": range(24),
        "bys": Custom.By.choices, "parts": Custom.Part.choices,
        "roles": [(role, label, role in values["roles"]) for role, label in Role.choices if role != Role.PUBLIC],
    }  # fmt: skip
    if layer is not None:
        tokens = values["columns"]
        shown_columns = columns.columns(principal, layer, tokens)
        context |= {
            "regions": _regions(principal, layer),
            "people": _people(principal, layer, values) if values["repeat"] else [],
            "features": list(gate.restrict_index(principal, [layer]).filter(pk__in=values["features"])
                             .only("pk", "title").order_by("title")),
            **_relations(principal, layer, values),
            "statistics": columns.STATISTICS.items(),
            "factors": [
                (label, [(f"{code}:{each}", said, each in columns.statistics(factor), f"{code}:{each}" in tokens)
                         for each, said in columns.STATISTICS.items()])
                for code, (label, factor) in columns.factors(principal, layer).items()
            ],
            "fields": [(name, label, name in tokens) for name, label in columns.fields(principal, layer).items()]
            if values["by"] != Custom.By.TIME else [],
            "timed": values["by"] != Custom.By.FEATURE, "time_token": columns.TIME,
            "columns": [(column.token, columns.label(column)) for column in shown_columns],
            "sorts": _sorts(shown_columns, values["sort"]),
        }  # fmt: skip
        if "preview" in request.POST or request.POST.get("act") == "preview":
            context |= {"preview": True} | _preview(principal, values)
    name = "desk/compose.html" if fragment(request, "composer") else "desk/composer.html"
    return render(request, name, context, status=status)


def _people(principal: Principal, layer: Layer, values: dict[str, Any]) -> list[tuple[User, bool]]:
    """Those who can be chosen, and those who were and no longer can, each with whether they are."""
    found = {user.pk: user for user in people.recipients(principal, layer)}
    if gone := set(values["recipients"]) - set(found):
        before = Custom.objects.filter(recipients__overlap=list(gone)).values_list("recipients", flat=True)
        known = gone & {pk for keys in before for pk in keys}
        found |= {user.pk: user for user in User.objects.filter(pk__in=known)}
    return [(user, user.pk in values["recipients"]) for user in found.values()]


def _preview(principal: Principal, values: dict[str, Any]) -> dict[str, Any]:
    """The first lines of the report as it stands in the form, or what keeps it from being made."""
    today = timezone.now().astimezone(ZONE).date()
    try:
        draft = custom.drafted(principal, values | {"name": values["name"] or "…"})
        found = figures.run(principal, draft, draft.time(today))
    except Invalid as error:
        return {"errors": error.fields, "trouble": error.message}
    except TooLarge as error:
        return {"trouble": error.message}
    drawn = shown(found.sheet)
    return drawn | {"time": draft.time(today), "total": len(drawn["lines"]), "lines": drawn["lines"][:PREVIEWED]}


def _sorts(shown_columns: list[columns.Column], chosen: str) -> list[tuple[str, str, bool]]:
    found = [("", _("按名称和时间"), not chosen)]
    for column in shown_columns:
        found.append((column.token, f"{column.heading.label} ↑", chosen == column.token))
        found.append((f"-{column.token}", f"{column.heading.label} ↓", chosen == f"-{column.token}"))
    return found


def _relations(principal: Principal, layer: Layer, values: dict[str, Any]) -> dict[str, Any]:
    """What features of the layer may belong to, the layer of what is chosen of it, and that itself."""
    known = columns.relations(principal, layer)
    if values["along"] not in known and known:
        values["along"], values["under"] = next(iter(known)), None
    other = known.get(values["along"], ("", None))[1]
    under = other and values["under"] and gate.restrict(principal, other).filter(pk=values["under"]).first()
    return {
        "relations": [(name, label, name == values["along"]) for name, (label, _other) in known.items()],
        "other": other, "under": under,
    }  # fmt: skip


def _regions(principal: Principal, layer: Layer) -> list[tuple[str, str]]:
    """The regions in which the principal sees something of the layer, with the names as people say them."""
    if not layer.scope.region:
        return []
    codes = set(gate.restrict_index(principal, [layer]).order_by().values_list("region_code", flat=True).distinct())
    level = Region.Level
    rows = Region.objects.current().filter(level__in=(level.PROVINCE, level.CITY, level.COUNTY)).order_by("code")
    return [
        (code, name) for code, name in rows.values_list("code", "name")
        if any(each.startswith(code_prefix(code)) for each in codes)
    ]  # fmt: skip


def _charts(found: figures.Result) -> list[str]:
    """What the lines say as curves, one chart a unit; totals as bars."""
    at = next((n for n, column in enumerate(found.columns) if column.token == columns.TIME), None)
    by_unit: dict[tuple[str, bool], list[int]] = {}
    for place, column in enumerate(found.columns):
        if column.statistic in DRAWN:
            by_unit.setdefault((column.heading.unit, column.statistic == "total"), []).append(place)
    if at is None or len(found.sheet.lines) < 2:
        return []
    charts = []
    for (unit, total), places in by_unit.items():
        series = [
            {
                "name": found.columns[place].heading.label, "digits": found.columns[place].heading.digits or 0,
                "points": [[_milliseconds(line.cells[at]), line.cells[place]] for line in found.sheet.lines],
            }
            for place in places
        ]  # fmt: skip
        drawn = {"unit": unit, "kind": "bar" if total else "line", "series": series}
        charts.append(json.dumps(drawn, ensure_ascii=False))
    return charts


def _milliseconds(text: str) -> int:
    """China's clock as the charts read it: as if it were UTC."""
    day, _space, hour = text.partition(" ")
    whole = f"{day}-01" if len(day) == len("2026-01") else day
    return int(datetime.fromisoformat(f"{whole}T{hour or '00:00'}+00:00").timestamp() * 1000)


def _history(saved: Custom) -> list[Entry]:
    rows = Entry.objects.filter(layer=saved.layer, object_id=str(saved.pk))
    return list(rows.filter(action__in=("create report", "change report"))[:CHANGES])


def _scope(principal: Principal, saved: Custom) -> str:
    """Of what a report is, as its heading says it."""
    if saved.choice == Custom.Choice.UNDER:
        found = gate.restrict_index(principal).filter(pk=saved.under).values_list("title", flat=True).first()
        return found or str(saved.get_choice_display())
    if saved.choice == Custom.Choice.REGION:
        return Region.objects.filter(code=saved.region).values_list("name", flat=True).first() or saved.region
    return str(saved.get_choice_display())
