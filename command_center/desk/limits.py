"""Dated limits on the desk: to read for everybody who sees measurements, to edit for administrators."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from command_center.desk.doors import region_names, signed_in, visitor
from command_center.desk.forms import blanks
from services.access import gate
from services.access.errors import Invalid, NotFound, Refused
from services.access.principal import Principal
from services.limits import tables
from services.limits.models import Limit, Scale
from services.telemetry.devices import measured_layers
from services.telemetry.models import Factor

INPUT, SELECT = {"class": "form-control"}, {"class": "form-select"}


class LimitForm(forms.ModelForm):
    """A limit."""

    class Meta:
        model = Limit
        fields = tables.EDITED
        labels = {"unit": gettext_lazy("计量单位")}
        widgets = {
            **dict.fromkeys(
                ("standard", "version", "factor", "unit", "grade", "stage", "region", "given", "citation"),
                forms.TextInput(INPUT),
            ),
            **dict.fromkeys(("minutes", "value", "low", "given_most", "allowed"), forms.NumberInput(INPUT)),
            **dict.fromkeys(("valid_from", "valid_to"), forms.DateInput({**INPUT, "type": "date"}, "%Y-%m-%d")),
            "period": forms.Select(SELECT),
            "over_background": forms.CheckboxInput({"class": "form-check-input"}),
            "verified": forms.CheckboxInput({"class": "form-check-input"}),
        }  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        blanks(self.fields, period=_("不限"))

    def _post_clean(self) -> None:
        """Nothing: the action checks and writes the row, the form only reads what was sent."""


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The limits and scales of all standards, or of one; what no longer holds only with ``past=1``."""
    principal = _reader(request)
    today, standard = timezone.localdate(), request.GET.get("standard", "")
    past = request.GET.get("past") == "1"
    rows, scales = Limit.objects.all(), Scale.objects.all()
    standards = sorted({*rows.values_list("standard", flat=True), *scales.values_list("standard", flat=True)})
    if standard:
        rows, scales = rows.filter(standard=standard), scales.filter(standard=standard)
    names = {factor.code: str(factor) for factor in Factor.objects.all()}
    longest = max((row.indices for row in scales), key=len, default=[])
    context = {
        "lines": [
            (row, names.get(row.factor, row.factor), _span(row.minutes), _standing(row, today))
            for row in rows
            if past or row.valid_to is None or row.valid_to > today
        ],
        "scales": [
            (row, names.get(row.factor, row.factor), _span(row.minutes), _standing(row, today),
             [""] * (len(longest) - len(row.points)))
            for row in scales
            if past or row.valid_to is None or row.valid_to > today
        ],
        "indices": longest,
        "regions": region_names({row.region for row in rows}),
        "standards": standards, "standard": standard, "past": past, "may_edit": principal.is_admin,
        "unverified": Limit.objects.filter(verified=False).count(),
    }  # fmt: skip
    return render(request, "desk/limits.html", context)


@signed_in
def edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The form of a limit, for administrators."""
    principal = _reader(request)
    if not principal.is_admin:
        raise Refused(_("只有系统管理员可以修改标准限值。"))
    row = Limit.objects.filter(pk=pk).first() if pk is not None else None
    if pk is not None and row is None:
        raise NotFound(_("没有这条限值。"))
    form = LimitForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        try:
            tables.edit(principal, pk, form.cleaned_data)
        except Invalid as error:
            for name, said in error.fields.items():
                form.add_error(name if name in form.fields else None, [str(each) for each in said])
        else:
            messages.success(request, _("限值已保存。"))
            return HttpResponseRedirect("/desk/limits")
    status = 400 if form.errors else 200
    return render(request, "desk/limit.html", {"form": form, "limit": row}, status=status)


def _reader(request: HttpRequest) -> Principal:
    """Who sees some layer with devices."""
    principal = visitor(request)
    if not any(gate.may(principal, layer) for layer in measured_layers()):
        raise NotFound(_("没有这个页面。"))
    return principal


def _span(minutes: int) -> str:
    """An averaging time in words."""
    known = {0: _("单次值"), 60: _("1小时平均"), 480: _("8小时平均"), 1440: _("日平均"), 525_600: _("年平均")}
    return known.get(minutes) or _("%d分钟平均") % minutes


def _standing(row: Any, today: Any) -> str:
    if row.valid_from > today:
        return "future"
    return "past" if row.valid_to is not None and row.valid_to <= today else "now"
