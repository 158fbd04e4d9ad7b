"""Charts on the desk: the gallery, one chart with its table, its figures and files, and what is done to it."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from command_center.desk.measured_files import of_days
from gis.models import Region
from services.access import gate
from services.access.errors import AccessError, Invalid, NotFound, Refused, TooLarge
from services.access.principal import Principal
from services.accounts.roles import Role
from services.audit import trail
from services.catalog.layer import registry
from services.charts import drawn, products, sources
from services.charts.dimensions import FEATURE, LEVELS
from services.charts.models import Product
from services.charts.spec import Spec
from services.telemetry.spans import ZONE

SIZE = 24
"""Charts of a page of the gallery."""
MOST_LINES = 500


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The charts within reach: of a kind, one's own or shared ones, by name."""
    principal = visitor(request)
    rows = products.visible(principal)
    kind, whose, text = (request.GET.get(name, "") for name in ("kind", "whose", "q"))
    if kind in Product.Kind.values:
        rows = rows.filter(kind=kind)
    if whose == "mine":
        rows = rows.filter(owner=principal.id)
    elif whose == "shared":
        rows = rows.exclude(owner=principal.id)
    if text:
        rows = rows.filter(name__icontains=text[:100].replace("\0", ""))
    total = rows.count()
    pages = max(1, -(-total // SIZE))
    asked = request.GET.get("page", "1")
    number = min(max(1, int(asked)) if asked.isdecimal() and len(asked) < 7 else 1, pages)
    context = {
        "cards": [(row, products.may_change(principal, row)) for row in rows[(number - 1) * SIZE : number * SIZE]],
        "total": total, "page_number": number, "pages": pages, "kind": kind, "whose": whose, "text": text,
        "kinds": Product.Kind.choices,
        "whoses": [("", _("全部")), ("mine", _("我创建的")), ("shared", _("共享给我的"))],
    }  # fmt: skip
    return render(request, "desk/charts.html", context)


@signed_in
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A chart and, below it, the same values as a table."""
    principal = visitor(request)
    product = products.fetch(principal, pk)
    made = _drawing(principal, product)
    context = _table(principal, products.spec_of(product), made) | {
        "chart": product, "made": made,
        "at": parse_datetime(made["at"]) if "at" in made else None,
        "may_change": products.may_change(principal, product),
        "is_owner": product.owner_id == principal.id,
        "may_export": may_export(principal, product),
        "roles": [dict(Role.choices)[role] for role in product.roles],
        "area": _area(product.area),
        "source": _title(principal, product),
        "kind_label": product.get_kind_display(),
    }  # fmt: skip
    return render(request, "desk/chart.html", context)


@signed_in
def data(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What a chart is drawn from, for its thumbnail."""
    principal = visitor(request)
    return JsonResponse(_drawing(principal, products.fetch(principal, pk)))


@signed_in
def export(request: HttpRequest, pk: UUID) -> StreamingHttpResponse:
    """The table as Excel or CSV, of the rows that one may take along."""
    principal = visitor(request)
    product = products.fetch(principal, pk)
    headings, lines = products.lines(principal, product)
    today, form = timezone.now().astimezone(ZONE).date(), request.GET.get("format", "xlsx")
    response = of_days(form, product.name, headings, lines, product.name, today, today)
    trail.note(
        principal.id, principal.name, "export", object_id=product.pk, address=principal.address,
        changes={"format": form, "chart": product.name, "source": product.source, "rows": len(lines)},
    )  # fmt: skip
    return response


@require_POST
@signed_in
def act(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """Copy, rename, freeze, thaw or delete a chart."""
    principal = visitor(request)
    there = reverse("desk-chart", args=[pk])
    if name == "copy":
        made = products.copy(principal, pk)
        messages.success(request, _("已复制为“%s”。") % made.name)
        return HttpResponseRedirect(reverse("desk-chart-edit", args=[made.pk]))
    if name == "rename":
        products.rename(principal, pk, request.POST.get("name", ""))
        messages.success(request, _("已改名。"))
        return HttpResponseRedirect(_next(request, there))
    if name == "freeze":
        products.freeze(principal, pk)
        messages.success(request, _("已生成快照，共享的人看到的是现在的数据。"))
        return HttpResponseRedirect(there)
    if name == "thaw":
        products.thaw(principal, pk)
        messages.success(request, _("已取消快照，每个人看到自己权限内的实时数据。"))
        return HttpResponseRedirect(there)
    if name == "delete":
        products.delete(principal, pk)
        messages.success(request, _("图表已删除。"))
        return HttpResponseRedirect(reverse("desk-charts"))
    raise NotFound(_("没有这个操作。"))


def may_export(principal: Principal, product: Product) -> bool:
    """Whether somebody may take the figures along as a table."""
    try:
        layer = sources.layer_of(principal, product.source)
    except NotFound:
        return False
    return layer is None or gate.may(principal, layer, "export")


def trouble(error: AccessError) -> str:
    """What a person is told where a chart cannot be drawn."""
    if isinstance(error, NotFound):
        return _("该图表的数据不在您的权限范围内。")
    return error.message


def _drawing(principal: Principal, product: Product) -> dict[str, Any]:
    """What is drawn, or why nothing is."""
    try:
        return products.drawing(principal, product)
    except (NotFound, Invalid, TooLarge, Refused) as error:
        return {"kind": product.kind, "trouble": trouble(error)}


def _table(principal: Principal, spec: Spec, made: dict[str, Any]) -> dict[str, Any]:
    if "trouble" in made:
        return {"headings": [], "lines": []}
    headings, lines = drawn.table(made)
    # A matrix of a year by hours, or the points of a map, are for the file: the page shows the first of them.
    links = _links(principal, spec, [group["key"] for group in made["groups"][:MOST_LINES]])
    texts = [[shown(cell, made) for cell in line] for line in lines[:MOST_LINES]]
    return {"headings": headings, "lines": list(zip(links, texts, strict=True)), "n_lines": len(lines)}


def _links(principal: Principal, spec: Spec, keys: list[str]) -> list[str]:
    """Where the list of each group is, or its feature; empty texts where no list is narrowed so."""
    kind, _colon, rest = spec.source.partition(":")
    layer = registry.get(rest.partition(":")[0]) if kind != sources.TABLE else None
    if layer is not None and not gate.may(principal, layer):
        layer = None
    if layer is not None and spec.by == FEATURE:
        return [key and f"/desk/{layer.key}/{key}" for key in keys]
    field, _colon, grain = spec.by.partition(":")
    filters = [(one, text) for one, texts in spec.filters.items() for text in texts if one != field]
    apart = spec.cql or (spec.time and (layer is None or spec.clock not in layer.filters))
    timed = grain and grain not in LEVELS
    if layer is None or kind != sources.LAYER or field not in layer.filters or apart or timed:
        return [""] * len(keys)
    if spec.time:
        ends = zip(("min", "max"), spec.span(timezone.now().astimezone(ZONE).date()), strict=True)
        filters += [(f"{spec.clock}__{end}", day.isoformat()) for end, day in ends if day]
    return [
        f"/desk/{layer.key}?{urlencode([*filters, (field, code_of(key) if grain else key)])}"
        if key and not key.startswith("@") else ""
        for key in keys
    ]  # fmt: skip


def shown(value: Any, made: dict[str, Any]) -> str:
    """A value as the chart writes it."""
    if value is None:
        return "—"
    if isinstance(value, str):
        return value
    digits = made["digits"] if made["digits"] is not None else 0 if float(value).is_integer() else 2
    return f"{value:,.{min(digits, 2)}f}"


def code_of(prefix: str) -> str:
    """The code of the region that a prefix stands for."""
    return prefix and prefix.ljust(6, "0")


def _area(prefix: str) -> str:
    return prefix and (Region.objects.filter(code=code_of(prefix)).values_list("name", flat=True).first() or prefix)


def _title(principal: Principal, product: Product) -> str:
    try:
        return sources.source(principal, product.source, product.owner_id).title
    except NotFound:
        return "—"


def _next(request: HttpRequest, otherwise: str) -> str:
    """Back to the gallery where the form stood there; never to another site."""
    return reverse("desk-charts") if request.POST.get("back") == "gallery" else otherwise
