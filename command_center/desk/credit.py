"""Integrity of enterprises: scores of now or of a past day and assessments in one list; the tab of one enterprise."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from command_center.desk import curves
from command_center.desk.doors import signed_in, visitor
from command_center.desk.outputs import attachment
from gis.models import Region
from layers.enterprises import flows, reports
from layers.enterprises.models import CreditAssessment, Enterprise
from layers.enterprises.reports import SORTS, Asked, Score, Share
from services.access import gate
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.audit import trail
from services.export.sheets import sheet
from services.telemetry.reports import Period, period

SIZE = 50
GRADES = CreditAssessment.Grade.values
COUNTY = 6
"""Digits of a county's code."""


@dataclass
class Type:
    """A type of enterprise with how many of it have each grade."""

    kind: str
    label: str
    number: int = 0
    mean: Decimal = Decimal(0)
    grades: dict[str, int] | None = None

    @property
    def parts(self) -> list[tuple[str, int]]:
        return [(grade, (self.grades or {}).get(grade, 0)) for grade in GRADES]


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The scores within reach: of now, of a past day, or of an assessment; by type, with filters and sorting."""
    principal = visitor(request)
    gate.require(principal, reports.layer(), "view")
    asked = _asked(request)
    number = _page(request)
    rows, total = reports.scores(principal, asked, (number - 1) * SIZE, SIZE)
    if not rows and number > 1:
        number = 1
        rows, total = reports.scores(principal, asked, 0, SIZE)
    pages = max(1, -(-total // SIZE))
    names = _regions({row.region for row in rows})
    periods = [(f"{kind}:{first}", label(kind, first)) for kind, first, _last in reports.periods(principal)]
    context = {
        "lines": [(row, names.get(row.region, "")) for row in rows],
        "total": total, "page": number, "pages": pages, "around": {"previous": number - 1, "next": number + 1},
        "asked": asked, "types": _types(reports.shares(principal, replace(asked, kind="", grade=""))),
        "grades": CreditAssessment.Grade.choices, "counties": _counties(principal),
        "periods": periods,
        "period": f"{asked.period[0]}:{asked.period[1]}" if asked.period else "",
        "period_label": label(*asked.period) if asked.period else "",
        "headings": _headings(asked.sort),
        "narrowed": bool(asked.text or asked.kind or asked.grade or asked.region),
        "may_export": gate.may(principal, reports.layer(), "export"), "now": timezone.now(),
        "waiting": flows.entries(principal).filter(state__in=["proposed", "objected"]).count(),
    }  # fmt: skip
    return render(request, "desk/credit.html", context)


@signed_in
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The scores of the list, all pages, as Excel or CSV."""
    principal = visitor(request)
    gate.require(principal, reports.layer(), "export")
    asked, form = _asked(request), request.GET.get("format", "xlsx")
    title = _("诚信评价")
    rows, total = reports.scores(principal, asked)
    headings = [
        _("统一社会信用代码"), _("企业"), _("企业类型"), _("行政区"), _("得分"), _("等级"), _("同类排名"),
        _("同类企业数"), _("基础分"), _("加分"), _("扣分"), _("有效记录数"), _("计分规则"), _("版本"), _("截止"),
    ]  # fmt: skip
    chunks, kind = sheet(form, title, headings, _cells(principal, asked, rows))
    trail.note(
        principal.id, principal.name, "export", layer=reports.layer().key, address=principal.address,
        changes={"format": form, "page": "credit", "rows": total},
    )  # fmt: skip
    response = StreamingHttpResponse(chunks, content_type=kind)
    response.headers["Content-Disposition"] = attachment(f"{title}_{timezone.localtime():%Y%m%d_%H%M}.{form}")
    return response


@signed_in
def tab(request: HttpRequest, key: str, pk: UUID) -> HttpResponse:
    """Integrity of one enterprise: the score now, what it is made of, its curve, its assessments."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key)
    found: Any = gate.fetch(principal, layer, pk)
    if not isinstance(found, Enterprise):
        raise NotFound(_("没有这个标签。"))
    decides, own = flows.rights(principal, found.pk)
    points = reports.curve(found)
    assessments = list(found.credit_assessments.select_related("rule"))
    context = {
        "layer": layer, "enterprise": found, "score": reports.score_of(found), "entries": reports.in_force(found.pk),
        "waiting": list(found.credit_entries.filter(state="proposed").select_related("item")),
        "curve": _curve(points) if points else "",
        "assessments": [(row, label(row.period, row.first)) for row in assessments if row.superseded_at is None],
        "former": [(row, label(row.period, row.first)) for row in assessments if row.superseded_at is not None],
        "decides": decides, "own": own, "now": timezone.now(), "today": timezone.localdate(),
    }  # fmt: skip
    return render(request, "desk/credit_tab.html", context)


def label(kind: str, first: date) -> str:
    """A period as a person says it."""
    if kind == CreditAssessment.Period.YEAR:
        return _("%d年度") % first.year
    return _("%(year)d年第%(quarter)d季度") % {"year": first.year, "quarter": (first.month + 2) // 3}


def asked_period(text: str) -> Period:
    """The period that ``quarter:2026-07-01`` names; Invalid for another text."""
    kind, _sep, first = text.partition(":")
    try:
        found = period(kind, date.fromisoformat(first)) if kind in CreditAssessment.Period.values else None
    except ValueError:
        found = None
    if found is None or str(found.first) != first:
        raise Invalid(_("没有这个考评期。"), {"period": [text]})
    return found


def _asked(request: HttpRequest) -> Asked:
    query = {name: request.GET.get(name, "").strip()[:100] for name in ("q", "kind", "grade", "region", "sort", "day")}
    choices: dict[str, Any] = {"kind": Enterprise.Kind.values, "grade": GRADES, "sort": SORTS}
    for name, allowed in choices.items():
        if query[name] and query[name] not in allowed:
            raise Invalid(_("没有这个筛选条件。"), {name: [", ".join(allowed)]})
    if query["region"] and not query["region"].isdecimal():
        raise Invalid(_("没有这个筛选条件。"), {"region": [query["region"]]})
    try:
        day = date.fromisoformat(query["day"]) if query["day"] else None
    except ValueError:
        raise Invalid(_("填写的内容有误。"), {"day": [_("请填写日期。")]}) from None
    held = request.GET.get("period", "").strip()[:30]
    time = asked_period(held) if held else None
    return Asked(
        query["q"], query["kind"], query["grade"], query["region"], query["sort"] or "rank",
        None if time or (day and day >= timezone.localdate()) else day, (time.kind, time.first) if time else None,
    )  # fmt: skip


def _page(request: HttpRequest) -> int:
    asked = request.GET.get("page", "1")
    return max(1, int(asked)) if asked.isdecimal() and len(asked) < 7 else 1


def _types(shares: list[Share]) -> list[Type]:
    found: dict[str, Type] = {}
    for share in shares:
        made = found.setdefault(share.kind, Type(share.kind, str(Enterprise.Kind(share.kind).label), grades={}))
        assert made.grades is not None
        made.mean = (made.mean * made.number + share.mean * share.number) / (made.number + share.number)
        made.number += share.number
        made.grades[share.grade] = share.number
    return list(found.values())


def _headings(sort: str) -> list[tuple[str, str, str, bool]]:
    """Title, direction, the sort a click leads to, and whether it is a number."""
    titles = [
        ("rank", _("同类排名"), True), ("name", _("企业"), False), ("kind", _("企业类型"), False),
        ("", _("行政区"), False), ("score", _("得分"), True), ("", _("等级"), False), ("gained", _("加分"), True),
        ("lost", _("扣分"), True), ("", _("有效记录"), True),
    ]  # fmt: skip
    found = []
    for name, title, numeric in titles:
        direction = {name: "up", f"-{name}": "down"}.get(sort, "") if name else ""
        if name in ("score", "gained", "lost"):  # the highest first
            following = {"": f"-{name}", "down": name, "up": "rank"}[direction]
        else:
            following = f"-{name}" if direction == "up" and f"-{name}" in SORTS else name
        found.append((title, direction, following if name else "", numeric))
    return found


def _counties(principal: Principal) -> list[tuple[str, str]]:
    """The counties in which the principal sees enterprises."""
    codes = gate.restrict(principal, reports.layer()).exclude(region=None).values_list("region_id", flat=True)
    counties = {code[:COUNTY] for code in codes.order_by().distinct()}
    return list(Region.objects.filter(pk__in=counties).order_by("code").values_list("code", "name"))


def _regions(codes: set[str]) -> dict[str, str]:
    """Code → the name of the county."""
    counties = dict(Region.objects.filter(pk__in={code[:COUNTY] for code in codes}).values_list("code", "name"))
    return {code: counties.get(code[:COUNTY], "") for code in codes}


def _cells(principal: Principal, asked: Asked, rows: list[Score]) -> Iterator[list[Any]]:
    allowed = set(gate.restrict(principal, reports.layer(), "export").values_list("pk", flat=True))
    names = _regions({row.region for row in rows})
    until: Any = asked.day or timezone.localtime().replace(tzinfo=None, microsecond=0)
    if asked.period:
        until = label(*asked.period)
    for row in rows:
        if row.enterprise in allowed:
            yield [
                row.code, row.name, row.kind_label, names.get(row.region, ""), row.score, row.grade, row.rank,
                row.ranked, row.base, row.gained, row.lost, row.entries, row.rule, row.version, until,
            ]  # fmt: skip


def _curve(points: list[tuple[date, Decimal]]) -> str:
    """The curve without the days on which nothing changed, as a line that steps."""
    kept: list[tuple[int, float]] = []
    for n, (day, score) in enumerate(points):
        at = curves.milliseconds(Period("day", day, day).begins_at)
        changed = n == 0 or points[n - 1][1] != score
        if changed and n:
            kept.append((at - 1, float(points[n - 1][1])))
        if changed or n == len(points) - 1:
            kept.append((at, float(score)))
    series = [{"name": _("诚信得分"), "digits": 1, "points": kept}]
    return json.dumps({"unit": _("分"), "series": series}, ensure_ascii=False)
