"""The standard of integrity on the desk: items and rules, to read for all it concerns, to edit for administrators."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from command_center.desk.doors import signed_in, visitor
from command_center.desk.forms import blanks
from layers.enterprises import flows, reports
from layers.enterprises.models import CreditItem, CreditRule, Enterprise
from services.access import gate
from services.access.errors import Invalid, NotFound, Refused
from services.access.principal import Principal
from services.audit import trail

INPUT, SELECT = {"class": "form-control"}, {"class": "form-select"}
DAY = forms.DateInput({**INPUT, "type": "date"}, "%Y-%m-%d")
MODELS: dict[str, type[CreditItem | CreditRule]] = {"items": CreditItem, "rules": CreditRule}
FIELDS = {
    "items": ("code", "kind", "topic", "enterprise_kind", "title", "points", "months", "valid_from", "valid_to",
              "citation"),
    "rules": (
        "version", "enterprise_kind", "base", "least", "most", "a_from", "b_from", "c_from", "valid_from", "valid_to",
        "citation",
    ),
}  # fmt: skip


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The items and rules for a type of enterprise or for all; what no longer holds only with ``past=1``."""
    principal = visitor(request)
    gate.require(principal, reports.layer(), "view")
    kind, past, today = request.GET.get("kind", ""), request.GET.get("past") == "1", timezone.localdate()
    if kind and kind not in Enterprise.Kind.values:
        raise Invalid(_("没有这个筛选条件。"), {"kind": [", ".join(Enterprise.Kind.values)]})
    rows, rules = CreditItem.objects.all(), CreditRule.objects.all()
    if kind:
        rows, rules = (found.filter(enterprise_kind__in=["", kind]) for found in (rows, rules))  # type: ignore[attr-defined]
    context = {
        "items": [(row, _standing(row, today)) for row in rows if past or _standing(row, today) != "past"],
        "rules": [(row, _standing(row, today)) for row in rules if past or _standing(row, today) != "past"],
        "kinds": Enterprise.Kind.choices, "kind": kind, "past": past, "may_edit": principal.is_admin,
    }  # fmt: skip
    return render(request, "desk/standard.html", context)


@signed_in
def edit(request: HttpRequest, what: str, pk: int | None = None) -> HttpResponse:
    """The form of an item or a rule, for administrators.

    What an item gave stays with the entries made by it: a change here concerns those made from then on.
    """
    principal = visitor(request)
    if what not in MODELS:
        raise NotFound(_("没有这个页面。"))
    if not principal.is_admin:
        raise Refused(_("只有系统管理员可以修改诚信评价标准。"))
    row = MODELS[what]._default_manager.filter(pk=pk).first() if pk is not None else None
    if pk is not None and row is None:
        raise NotFound(_("没有这个条目。"))
    form = _form(what)(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        _save(principal, what, form, pk)
        messages.success(request, _("已保存。"))
        return HttpResponseRedirect("/desk/credit/standard")
    status = 422 if form.errors else 200
    return render(request, "desk/standard_row.html", {"form": form, "row": row, "what": what}, status=status)


@transaction.atomic
def _save(principal: Principal, what: str, form: forms.ModelForm, pk: int | None) -> None:
    before = {name: str(form.initial.get(name) or "") for name in form.changed_data}
    row = form.save()
    changes = {name: [before[name], str(form.cleaned_data[name] or "")] for name in form.changed_data}
    trail.note(
        principal.id, principal.name, f"{'create' if pk is None else 'change'} credit standard", layer=what,
        object_id=row.pk, changes=changes, address=principal.address,
    )  # fmt: skip
    reports.refresh(most=flows.AT_ONCE)


def _form(what: str) -> type[forms.ModelForm]:
    model = MODELS[what]
    fields = [model._meta.get_field(name) for name in FIELDS[what]]
    widgets: dict[str, Any] = {}
    for field in fields:
        if getattr(field, "choices", None):
            widgets[field.name] = forms.Select(SELECT)
        elif field.name in ("valid_from", "valid_to"):
            widgets[field.name] = DAY
        else:
            number = field.get_internal_type() in ("DecimalField", "PositiveSmallIntegerField")
            widgets[field.name] = forms.NumberInput(INPUT) if number else forms.TextInput(INPUT)
    made = forms.modelform_factory(model, fields=FIELDS[what], widgets=widgets)
    blanks(made.base_fields, enterprise_kind=_("各类企业"))
    return made  # type: ignore[return-value]


def _standing(row: CreditItem | CreditRule, today: Any) -> str:
    if row.valid_from > today:
        return "future"
    return "past" if row.valid_to is not None and row.valid_to <= today else "now"
