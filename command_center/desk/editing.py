"""Creating and changing features and records on screen; every save is an action."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from command_center.desk import blacklist, figures, forms, regions
from command_center.desk.doors import signed_in, visitor
from gis.incoming import parse_geometry
from gis.models import Region
from services.access import actions, gate
from services.access.errors import AccessError, Conflict, Invalid, NotFound, Objected
from services.catalog.layer import RECORD, Layer, Tab
from services.panels import panel as panels
from services.search.filters import Filters, narrow

SUGGESTED = 12


@signed_in
def new(request: HttpRequest, key: str) -> HttpResponse:
    """The form of a new feature."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key, "create")
    if request.method != "POST":
        start = {forms.PLACE: forms.point_text(request.GET.get("lon", ""), request.GET.get("lat", ""))}
        return _page(request, layer, forms.feature_form(principal, layer, initial=start))
    form = forms.feature_form(principal, layer, data=request.POST)
    if request.POST.get("settle"):
        found = _settled(request, layer, form)
        if found is not None:
            return found
    if form.is_valid():
        try:
            feature = actions.create(principal, layer, form.values() | forms.place_name(form, layer))
        except Objected as error:
            return _page(request, layer, form, status=422, held=blacklist.held(error.notes))
        except Invalid as error:
            form.refuse(error)
        else:
            messages.success(request, _("已新建“%s”。") % feature.name)
            return HttpResponseRedirect(f"/desk/{key}/{feature.pk}")
    return _page(request, layer, form, status=422)


@signed_in
def edit(request: HttpRequest, key: str, pk: UUID) -> HttpResponse:
    """The form of a feature that is there; a change by somebody else in the meantime is shown, not overwritten."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key, "change")
    feature = gate.fetch(principal, layer, pk, "change")
    if request.method != "POST":
        return _page(request, layer, forms.feature_form(principal, layer, feature), feature)
    form = forms.feature_form(principal, layer, feature, request.POST)
    conflict: list[Any] | None = None
    if request.POST.get("settle"):
        found = _settled(request, layer, form, feature)
        if found is not None:
            return found
    if form.is_valid():
        values = form.values(changed_only=True) | forms.place_name(form, layer)
        try:
            actions.change(principal, layer, pk, values, read_at=forms.read_at(form))
        except Objected as error:
            return _page(request, layer, form, feature, status=422, held=blacklist.held(error.notes))
        except Invalid as error:
            form.refuse(error)
        except Conflict:
            conflict = forms.differences(layer, form, gate.fetch(principal, layer, pk))
        else:
            messages.success(request, _("已保存。"))
            return HttpResponseRedirect(f"/desk/{key}/{pk}")
    return _page(request, layer, form, feature, status=422 if conflict is None else 409, conflict=conflict)


@signed_in
def add_record(request: HttpRequest, key: str, pk: UUID, tab: str) -> HttpResponse:
    """The form of a new record inside a tab; once saved, the tab again."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key, RECORD)
    gate.fetch(principal, layer, pk, RECORD)
    declared = layer.tab(tab)
    if not isinstance(declared, Tab):
        raise NotFound(_("没有这个标签。"))
    actions.refuse_by_flow(declared)
    form = forms.record_form(declared, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            actions.add_record(principal, layer, pk, declared, form.values())
        except Invalid as error:
            form.refuse(error)
        else:
            opened = panels.tab(principal, layer, pk, tab)
            response = render(
                request, "desk/tab.html", {"layer": layer, "pk": pk, "tab": opened, "fresh": opened.total}
            )
            response.headers["HX-Trigger"] = "record-added"
            return response
    return render(request, "desk/record.html", {"layer": layer, "pk": pk, "tab": declared, "form": form})


@signed_in
def choices(request: HttpRequest, key: str) -> HttpResponse:
    """Rows a reference may point at whose name holds the text: regions, or features the principal may see."""
    principal = visitor(request)
    text = request.GET.get("q", "").strip()[:100]
    if key == "regions":
        found = [
            (r.code, r.name, f"{r.parent.name if r.parent else ''} {r.code}") for r in regions.named(text, SUGGESTED)
        ]
    else:
        layer = gate.layer_for(principal, key)
        rows = narrow(principal, layer, Filters(text=text)).order_by("name", "pk")[:SUGGESTED]
        found = [(row.pk, row.name, row.code) for row in rows]
    return render(request, "desk/choices.html", {"found": found, "text": text})


@signed_in
def region_at(request: HttpRequest) -> HttpResponse:
    """The region that holds a point, to fill the form's region once a place is drawn."""
    point = parse_geometry(forms.point_text(request.GET.get("lon", ""), request.GET.get("lat", "")), kind="POINT")
    found = Region.at(point)
    return JsonResponse({"code": found.code, "name": found.name} if found else {})


def _settled(request: HttpRequest, layer: Layer, form: forms.RowForm, feature: Any = None) -> HttpResponse | None:
    """Decide on what was held against a row: None where it may be written now, else what is shown instead."""
    form.is_valid()
    try:
        refused = blacklist.settle(request)
    except AccessError as error:
        told = [text for texts in getattr(error, "fields", {}).values() for text in texts] or [error.message]
        return _page(request, layer, form, feature, 422, held=blacklist.still(request), unsettled=" ".join(told))
    if refused:
        messages.success(request, _("已记录为不予进场，人员信息没有保存。"))
        return HttpResponseRedirect(f"/desk/{layer.key}" + (f"/{feature.pk}" if feature else ""))
    return None


def _page(
    request: HttpRequest,
    layer: Layer,
    form: forms.RowForm,
    feature: Any = None,
    status: int = 200,
    conflict: Any = None,
    held: Any = None,
    unsettled: str = "",
) -> HttpResponse:
    principal = visitor(request)
    return render(
        request, "desk/form.html",
        {
            "layer": layer,
            "form": form,
            "feature": feature,
            "conflict": conflict,
            "held": held,
            "unsettled": unsettled,
            "place": form[forms.PLACE] if forms.PLACE in form.fields else None,
            "geometry": layer.geometry_type,
            "bounds": figures.extent(principal, layer) or figures.extent(principal),
        },
        status=status if form.is_bound else 200,
    )  # fmt: skip
