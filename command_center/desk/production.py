"""Concrete production: the batches within reach with their filters, the page of one, and how charges are judged."""

import json
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from command_center.desk import curves, measured_files
from command_center.desk.doors import signed_in, visitor
from layers.concrete import flows, reports
from layers.concrete.models import Batch, Charge, Formula, Grade, MixingPlant, Trip, Weighing
from layers.concrete.rules import CODES, PLANTS, VARIABLES
from services.access import gate
from services.access.errors import Invalid, NotFound, Refused
from services.access.principal import Principal
from services.alarms import actions as alarms
from services.alarms.models import Rule
from services.audit import trail
from services.catalog.layer import registry
from services.limits.models import Limit
from services.telemetry.models import Factor
from services.telemetry.spans import ZONE

SIZE = 50
TODAY = 60
"""Charges of today that a panel shows."""
OF_PROJECT = 20
TEXTS = ("q", "supervision", "mix")
FILTERS = (*TEXTS, "grade", "quality", "state", "plant", "project", "from", "to")
OUT = Q(charges__verdict=Charge.Verdict.OUT)


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The batches within reach, the newest first, by number, serial, supervision number, mix, grade, state and day."""
    principal, now = _reader(request), timezone.now()
    query = _query(request)
    reach = flows.batches(principal)
    rows = _narrow(reach, query)
    total = rows.count()
    pages = max(1, -(-total // SIZE))
    asked = request.GET.get("page", "1")
    number = min(max(1, int(asked)), pages) if asked.isdecimal() and len(asked) < 7 else 1
    context = {
        "lines": list(_counted(rows)[(number - 1) * SIZE : number * SIZE]),
        "total": total, "page": number, "pages": pages, "around": {"previous": number - 1, "next": number + 1},
        "query": query, "narrowed": any(query.values()), "grades": Grade.values, "qualities": Batch.Quality.choices,
        "states": Batch.State.choices, "chosen": _chosen(principal, query), "cards": _cards(reach, now),
        "export": urlencode({name: value for name, value in query.items() if value}),
        "may_export": _may_export(principal), "now": now,
    }  # fmt: skip
    return render(request, "desk/production.html", context)


@signed_in
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The same batches as Excel or CSV, of what one may take along."""
    principal, now = _reader(request), timezone.now()
    if not _may_export(principal):
        raise Refused(_("需要导出权限。"))
    query = _query(request)
    headings = [
        _("批次号"), _("质量状态"), _("生产状态"), _("搅拌站"), _("供应工程"), _("工程质量监督号"), _("浇筑部位"),
        _("设计强度等级"), _("设计配合比编号"), _("生产配合比编号"), _("工控机任务单号"), _("计划方量"), _("已产方量"),
        _("盘数"), _("不合格盘"), _("登记时间"), _("生产时间"),
    ]  # fmt: skip

    def rows() -> Iterator[list[Any]]:
        for batch in _counted(_narrow(flows.batches(principal, "export"), query)).iterator(500):
            yield [
                batch.number, batch.get_quality_display(), batch.get_state_display(), batch.plant.name,
                batch.project.name if batch.project else "", batch.supervision_number, batch.part, batch.grade,
                batch.mix_number, batch.production_number, batch.order, batch.volume, batch.made, batch.n_charges,
                batch.n_out, batch.registered_at, batch.made_at,
            ]  # fmt: skip

    return _file(request, principal, _("混凝土生产批次"), headings, rows(), now)


@signed_in
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One batch: registration, mixes, charges, cumulative deviations, alarms, trucks; or only what changes of it."""
    principal = visitor(request)
    batch = flows.fetch(principal, pk)
    shown = reports.charges(batch)
    runs = reports.runs(shown)
    bins = [run.bin for run in runs]
    plant = gate.restrict(principal, registry.by_key[PLANTS]).filter(pk=batch.plant_id).exists()
    project = bool(batch.project_id) and (
        gate.restrict(principal, registry.by_key["projects"]).filter(pk=batch.project_id).exists()
    )
    warned = alarms.episodes(principal).filter(pk__in=flows.warned(batch).values("pk"))
    episodes = list(warned.select_related("rule")[:50])
    out = sum(each.charge.verdict == Charge.Verdict.OUT for each in shown)
    context = {
        "batch": batch, "sees_plant": plant, "sees_project": project, "bins": bins, "now": timezone.now(),
        "lines": [(each.charge, [each.weights.get(name) for name in bins], _faults(each.charge)) for each in shown],
        "mixes": reports.comparison(batch, shown), "on_file": batch.mix("production") is not None,
        "runs": runs, "chart": _chart(runs), "alarms": episodes, "trucks": _trucks(principal, batch, shown),
        "share": round(100 * (batch.made or 0) / batch.volume), "n_charges": len(shown), "n_out": out,
        "may_export": flows.batches(principal, "export").filter(pk=batch.pk).exists(),
    }  # fmt: skip
    whole = "HX-Request" not in request.headers
    return render(request, "desk/batch.html" if whole else "desk/batch_now.html", context)


@signed_in
def export_one(request: HttpRequest, pk: UUID) -> StreamingHttpResponse:
    """Every weighing of a batch as Excel or CSV."""
    principal = visitor(request)
    batch = flows.fetch(principal, pk)
    if not flows.batches(principal, "export").filter(pk=pk).exists():
        raise Refused(_("需要导出权限。"))
    headings = [
        _("批次号"), _("生产流水号"), _("盘次"), _("盘号"), _("投料时间"), _("方量"), _("搅拌时间"), _("车牌号"),
        _("出厂单号"), _("料仓"), _("材料"), _("目标重量"), _("实际重量"), _("偏差"), _("允许偏差"), _("判定"),
    ]  # fmt: skip
    words = {True: _("合格"), False: _("不合格")}

    def rows() -> Iterator[list[Any]]:
        weighings = Weighing.objects.filter(charge__batch=batch).select_related("charge")
        for row in weighings.order_by("charge__sequence", "place").iterator(500):
            charge = row.charge
            yield [
                batch.number, charge.serial, charge.sequence, charge.number, charge.charged_at, charge.volume,
                charge.seconds, charge.plate, charge.ticket, row.bin, row.get_material_display(), row.target,
                row.actual, row.deviation, row.limit, words[row.within],
            ]  # fmt: skip

    return _file(request, principal, batch.number, headings, rows(), batch.registered_at)


@signed_in
def charges_tab(request: HttpRequest, key: str, pk: UUID) -> HttpResponse:
    """The panel tab of a plant: what it charged today, the newest first."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key)
    gate.fetch(principal, layer, pk)
    if layer.model is not MixingPlant:
        raise NotFound(_("这个图层没有投料数据。"))
    midnight = datetime.combine(timezone.localdate(), time(), ZONE)
    today = Charge.objects.filter(plant=pk, charged_at__gte=midnight)
    sums = today.aggregate(n=Count("pk"), out=Count("pk", filter=Q(verdict=Charge.Verdict.OUT)), volume=Sum("volume"))
    rows = list(today.select_related("batch", "batch__project")[:TODAY])
    context = {
        "layer": layer, "pk": pk, "sums": sums, "lines": [(row, _faults(row)) for row in rows], "now": timezone.now(),
    }  # fmt: skip
    return render(request, "desk/charges_tab.html", context)


@signed_in
def batches_tab(request: HttpRequest, key: str, pk: UUID) -> HttpResponse:
    """The panel tab of a project: the batches that were made for it."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key)
    gate.fetch(principal, layer, pk)
    if layer.key != "projects":
        raise NotFound(_("这个图层没有生产批次。"))
    rows = flows.batches(principal).filter(project=pk)
    context = {"layer": layer, "pk": pk, "total": rows.count(), "lines": list(_counted(rows)[:OF_PROJECT])}
    return render(request, "desk/batches_tab.html", context)


@signed_in
def rules(request: HttpRequest) -> HttpResponse:
    """How charges are judged and warned of: formulas, dated limits and kinds of warnings, and where to change each."""
    principal = _reader(request)
    return _rules(request, principal)


@require_POST
@signed_in
def set_formula(request: HttpRequest) -> HttpResponse:
    """Judge by another formula from now on."""
    principal = _reader(request)
    given = {name: request.POST.get(name, "")[:300] for name in ("subject", "expression", "citation")}
    try:
        flows.set_formula(principal, **given)
    except Invalid as error:
        return _rules(request, principal, given, error)
    messages.success(request, _("判定公式已保存，自下一盘起执行。"))
    return HttpResponseRedirect("/desk/production/rules")


def _rules(
    request: HttpRequest, principal: Principal, given: dict[str, str] | None = None, error: Invalid | None = None
) -> HttpResponse:
    now, current = timezone.now(), {}
    for row in Formula.objects.order_by("valid_from"):
        if row.valid_from <= now:
            current[row.subject] = row
    today, names = timezone.localdate(), {row.code: str(row) for row in Factor.objects.filter(code__in=CODES)}
    limits = Limit.objects.filter(factor__in=CODES).order_by("factor", "stage", "region", "-valid_from")
    context = {
        "formulas": [(subject, label, current.get(subject)) for subject, label in Formula.Subject.choices],
        "history": Formula.objects.order_by("-valid_from")[:20], "variables": VARIABLES.items(), "given": given or {},
        "errors": [text for texts in error.fields.values() for text in texts] if error else [],
        "limits": [
            (row, names.get(row.factor, row.factor)) for row in limits if row.valid_to is None or row.valid_to > today
        ],
        "kinds": Rule.objects.filter(key__startswith="concrete-").order_by("key"), "may_edit": principal.is_admin,
    }  # fmt: skip
    return render(request, "desk/production_rules.html", context, status=422 if error else 200)


def _reader(request: HttpRequest) -> Principal:
    """Who may see plants or projects at all."""
    principal = visitor(request)
    if not any(gate.may(principal, registry.by_key[key]) for key in (PLANTS, "projects")):
        raise NotFound(_("没有这个页面。"))
    return principal


def _may_export(principal: Principal) -> bool:
    return any(gate.may(principal, registry.by_key[key], "export") for key in (PLANTS, "projects"))


def _query(request: HttpRequest) -> dict[str, str]:
    """The filters as they were asked for; Invalid for a choice that is none."""
    query = {name: request.GET.get(name, "").strip()[:60] for name in FILTERS}
    for name, choices in (("grade", Grade.values), ("quality", Batch.Quality.values), ("state", Batch.State.values)):
        if query[name] and query[name] not in choices:
            raise Invalid(_("没有这个筛选条件。"), {name: [", ".join(choices)]})
    for name in ("plant", "project"):
        try:
            query[name] = str(UUID(query[name])) if query[name] else ""
        except ValueError:
            raise NotFound(_("没有这个要素。")) from None
    for name in ("from", "to"):
        try:
            query[name] = str(parse_date(query[name]) or "")
        except ValueError:
            query[name] = ""
    return query


def _narrow(rows: QuerySet[Batch], query: dict[str, str]) -> QuerySet[Batch]:
    if text := query["q"]:
        serials = Charge.objects.filter(batch=OuterRef("pk")).filter(Q(serial__iexact=text) | Q(number=text))
        rows = rows.filter(Q(number__icontains=text) | Q(order__iexact=text) | Exists(serials))
    if query["supervision"]:
        rows = rows.filter(supervision_number__icontains=query["supervision"])
    if text := query["mix"]:
        rows = rows.filter(Q(mix_number__icontains=text) | Q(production_number__icontains=text))
    for name in ("grade", "quality", "state", "plant", "project"):
        if query[name]:
            rows = rows.filter(**{name: query[name]})
    if first := parse_date(query["from"]):
        rows = rows.filter(registered_at__gte=datetime.combine(first, time(), ZONE))
    if last := parse_date(query["to"]):
        rows = rows.filter(registered_at__lt=datetime.combine(last + timedelta(days=1), time(), ZONE))
    return rows


def _counted(rows: QuerySet[Batch]) -> QuerySet[Any]:
    return rows.annotate(n_charges=Count("charges"), n_out=Count("charges", filter=OUT)).order_by(
        "-registered_at", "-number"
    )


def _chosen(principal: Principal, query: dict[str, str]) -> list[tuple[str, str, str]]:
    """What the list is narrowed to by its address: filter, kind and name."""
    found = []
    for name, key in (("plant", PLANTS), ("project", "projects")):
        if query[name]:
            layer = registry.by_key[key]
            found.append((name, layer.singular, str(gate.fetch(principal, layer, query[name]))))
    return found


def _cards(reach: QuerySet[Batch], now: datetime) -> list[tuple[str, str, str, str]]:
    """Label, figure, unit and query of what today is like."""
    day = timezone.localdate(now)
    midnight = datetime.combine(day, time(), ZONE)
    charges = Charge.objects.filter(charged_at__gte=midnight, batch__in=reach.order_by().values("pk")).aggregate(
        n=Count("pk"), out=Count("pk", filter=Q(verdict=Charge.Verdict.OUT)), volume=Sum("volume")
    )
    week = reach.filter(registered_at__gte=now - timedelta(days=7)).order_by().aggregate(
        wrong=Count("pk", filter=Q(quality__in=(Batch.Quality.CHARGE, Batch.Quality.TOTAL))), n=Count("pk")
    )  # fmt: skip
    n, out = charges["n"], charges["out"]
    since = (now - timedelta(days=7)).astimezone(ZONE).date()
    return [
        (_("今日登记批次"), str(reach.filter(registered_at__gte=midnight).count()), "", f"from={day}"),
        (_("正在生产"), str(reach.filter(state=Batch.State.PRODUCING).count()), "", "state=producing"),
        (_("今日产量"), f"{charges['volume'] or 0:.0f}", "m³", ""),
        (_("今日投料"), str(n), _("盘"), ""),
        (_("今日盘次合格率"), f"{100 * (n - out) / n:.1f}" if n else "—", "%" if n else "", ""),
        (_("近7天累计超限批次"), str(reach.filter(registered_at__date__gte=since, quality="total").count()), "",
         f"quality=total&from={since}"),
        (_("近7天有问题批次"), f"{week['wrong']} / {week['n']}", "", f"from={since}"),
    ]  # fmt: skip


def _faults(charge: Charge) -> list[str]:
    """What is wrong with a charge, in words."""
    words = {"time": _("搅拌时间不足"), "grade": _("强度等级与登记不符")}
    return [words.get(row["what"], "") or _("%s超差") % row.get("bin", "") for row in charge.faults]


def _chart(runs: list[reports.Run]) -> str:
    series = [
        {"name": run.bin, "digits": 2, "points": [
            (curves.milliseconds(charge.charged_at), round(value, 3)) for charge, value in run.points]}
        for run in runs
    ]  # fmt: skip
    return json.dumps({"unit": "%", "series": series}, ensure_ascii=False) if series else ""


def _trucks(principal: Principal, batch: Batch, shown: list[reports.Shown]) -> list[dict[str, Any]]:
    """The trucks that carried a batch: what was charged for each, and its trips, with a link for who sees it."""
    found: dict[str, dict[str, Any]] = {}
    for charge, _weights in shown:
        if charge.plate or charge.truck_id:
            code = charge.truck.code if charge.truck else charge.plate
            row = found.setdefault(code, {"plate": code, "volume": 0.0, "charges": 0, "tickets": set(), "trips": []})
            row["volume"], row["charges"] = row["volume"] + charge.volume, row["charges"] + 1
            row["tickets"] |= {charge.ticket} - {""}
            row["id"] = charge.truck_id
    for trip in Trip.objects.filter(batch=batch).select_related("truck").order_by("departed_at"):
        code = trip.truck.code
        row = found.setdefault(code, {"plate": code, "volume": 0.0, "charges": 0, "tickets": set(), "trips": []})
        row["trips"].append(trip)
        row["id"] = trip.truck_id
    keys = [row["id"] for row in found.values() if row.get("id")]
    visible = gate.restrict(principal, registry.by_key["mixer_trucks"])
    seen = set(visible.filter(pk__in=keys).values_list("pk", flat=True))
    return [row | {"seen": row.get("id") in seen, "tickets": sorted(row["tickets"])} for row in found.values()]


def _file(
    request: HttpRequest, principal: Principal, title: str, headings: list[str], rows: Iterator[list[Any]], at: datetime
) -> StreamingHttpResponse:
    form, day = request.GET.get("format", "xlsx"), timezone.localdate(at)
    response = measured_files.of_days(form, title, headings, rows, title, day, day)
    trail.note(
        principal.id, principal.name, "export", layer=PLANTS, address=principal.address,
        changes={"format": form, "page": "production"},
    )  # fmt: skip
    return response
