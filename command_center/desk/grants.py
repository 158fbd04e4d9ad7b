"""Grants on the desk: who holds which role where, and who is limited to devices and sites named one by one."""

from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from services.access import grants
from services.accounts.roles import Role
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.search.text import holding

SIZE = 50
CANDIDATES = 12


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """All memberships, for administrators."""
    rows = grants.grants(visitor(request))
    text, role = request.GET.get("q", "").strip()[:100], request.GET.get("role", "")
    if text:
        rows = rows.filter(
            Q(user__username__icontains=text) | Q(user__title__icontains=text) | Q(organisation__title__icontains=text)
        )
    if role in Role.values:
        rows = rows.filter(role=role)
    rows = rows.order_by("user__username", "pk")
    total = rows.count()
    pages = max(1, -(-total // SIZE))
    asked = request.GET.get("page", "1")
    number = min(max(1, int(asked)), pages) if asked.isdecimal() and len(asked) < 7 else 1
    context = {
        "lines": list(rows[(number - 1) * SIZE : number * SIZE]), "total": total, "page": number, "pages": pages,
        "around": {"previous": number - 1, "next": number + 1}, "text": text, "role": role, "roles": Role.choices,
    }  # fmt: skip
    return render(request, "desk/grants.html", context)


@signed_in
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """One membership with what it names."""
    grant = grants.fetch(visitor(request), pk)
    keys = list(grant.named.values_list("feature", flat=True))
    rows = {row.pk: row for row in FeatureIndex.objects.filter(pk__in=keys).defer("geom")}
    named = [(rows[key], registry.get(rows[key].layer)) for key in keys if key in rows]
    named.sort(key=lambda pair: (pair[0].layer, pair[0].title))
    context = {"grant": grant, "named": named, "gone": [key for key in keys if key not in rows]}
    return render(request, "desk/grant.html", context)


@signed_in
def candidates(request: HttpRequest) -> HttpResponse:
    """Features of any layer whose text holds what was typed."""
    grants.grants(visitor(request))
    text = request.GET.get("q", "").strip()[:100]
    rows = FeatureIndex.objects.filter(holding(text)) if text.split() else FeatureIndex.objects.none()
    found = []
    for row in rows.only("id", "layer", "title", "code").order_by("title", "pk")[:CANDIDATES]:
        layer = registry.get(row.layer)
        found.append((row.pk, row.title, f"{layer.singular if layer else row.layer} {row.code}"))
    return render(request, "desk/choices.html", {"found": found, "text": text})


@require_POST
@signed_in
def limit(request: HttpRequest, pk: int) -> HttpResponse:
    """Limit a membership to what it names, or lift that."""
    only = request.POST.get("only") == "1"
    grants.limit(visitor(request), pk, only)
    messages.success(request, _("已限定为指定对象。") if only else _("已取消限定。"))
    return HttpResponseRedirect(f"/desk/grants/{pk}")


@require_POST
@signed_in
def name(request: HttpRequest, pk: int) -> HttpResponse:
    """Name a feature, or with ``remove`` take it away."""
    principal = visitor(request)
    try:
        feature = UUID(request.POST.get("feature", ""))
    except ValueError:
        grants.fetch(principal, pk)
        messages.error(request, _("请从列表中选择对象。"))
        return HttpResponseRedirect(f"/desk/grants/{pk}")
    if "remove" in request.POST:
        grants.take(principal, pk, feature)
        messages.success(request, _("已取消授权。"))
    else:
        grants.give(principal, pk, feature)
        messages.success(request, _("已授权。"))
    return HttpResponseRedirect(f"/desk/grants/{pk}")
