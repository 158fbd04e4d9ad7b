"""Traffic lights on the desk: counts, list, the lights of one feature; the table of indicators and thresholds."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Case, IntegerField, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from command_center.desk.forms import blanks
from services.access import gate
from services.access.errors import Invalid, Refused
from services.access.principal import Principal
from services.catalog.layer import registry
from services.indicators import reading
from services.indicators.models import Color, Indicator, Light, Threshold
from services.limits.rows import day_of

SIZE = 50
LIT = "lit"
"""The filter for red and yellow ones."""
INPUT, SELECT, CODE = {"class": "form-control"}, {"class": "form-select"}, {"class": "form-control code"}
BOX = {"class": "form-check-input"}
WORST = Case(*(When(color=color, then=n) for n, color in enumerate(Color.values)), output_field=IntegerField())
"""Red first."""


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The lights within reach: how many of each colour and indicator, and those that are red or yellow as a list."""
    principal = visitor(request)
    indicators = {one.pk: one for one in reading.indicators(principal)}
    counts = reading.counts(principal)
    query = {name: request.GET.get(name, "").strip()[:20] for name in ("color", "kind", "indicator", "page")}
    color = query["color"] or LIT
    if color not in (LIT, "all", *Color.values):
        raise Invalid(_("没有这个筛选条件。"), {"color": [", ".join(Color.values)]})
    rows = reading.lights(principal).select_related("indicator", "feature")
    if query["indicator"].isdecimal():
        rows = rows.filter(indicator=int(query["indicator"]))
    if query["kind"] in Indicator.Kind.values:
        rows = rows.filter(indicator__kind=query["kind"])
    if color != "all":
        rows = rows.filter(color__in=(Color.RED, Color.YELLOW) if color == LIT else (color,))
    total = rows.count()
    pages = max(1, -(-total // SIZE))
    number = min(max(1, int(query["page"])), pages) if query["page"].isdecimal() else 1
    found = list(rows.order_by(WORST, "since", "pk")[(number - 1) * SIZE : number * SIZE])
    chosen = query["indicator"] if query["indicator"].isdecimal() else ""
    sums = {value: sum(each.get(value, 0) for each in counts.values()) for value in Color.values}
    context = {
        "lines": [_line(row) for row in found],
        "cards": [(value, label, sums[value], urlencode({"color": value})) for value, label in Color.choices],
        "table": [
            (one, [(counts.get(pk, {}).get(value, 0), urlencode({"color": value, "indicator": pk}))
                   for value in Color.values])
            for pk, one in indicators.items() if one.enabled
        ],
        "colors": Color.choices, "kinds": Indicator.Kind.choices, "kind": query["kind"],
        "color": color, "chosen": chosen, "indicators": list(indicators.values()), "total": total, "page": number,
        "pages": pages, "around": {"previous": number - 1, "next": number + 1}, "may": principal.is_admin,
        "now": timezone.now(), "lit": LIT,
    }  # fmt: skip
    return render(request, "desk/lights.html", context)


@signed_in
def of_feature(request: HttpRequest, key: str, pk: UUID) -> HttpResponse:
    """The lights of one feature, for its panel."""
    principal = visitor(request)
    gate.fetch(principal, gate.layer_for(principal, key), pk)
    lines = [_line(row) for row in reading.of_feature(principal, pk)]
    return render(request, "desk/feature_lights.html", {"lines": lines})


@signed_in
def table(request: HttpRequest) -> HttpResponse:
    """The indicators with formula, numbers, thresholds in force and advice."""
    principal, today = visitor(request), day_of(timezone.now())
    titles = {layer.key: layer.title for layer in registry}
    lines = [
        (one, titles.get(one.layer, one.layer), one.threshold(today), reading.used(one), one.advice(Color.YELLOW),
         one.advice(Color.RED), "<" if one.downward else ">")
        for one in reading.indicators(principal)
    ]  # fmt: skip
    return render(request, "desk/indicators.html", {"lines": lines, "may": principal.is_admin})


class IndicatorForm(forms.ModelForm):
    """An indicator."""

    layer = forms.ChoiceField(label=gettext_lazy("图层"), widget=forms.Select(SELECT))

    class Meta:
        model = Indicator
        fields = (
            "name", "layer", "kind", "formula", "unit", "downward", "enabled", "advice_yellow", "advice_yellow_en",
            "advice_red", "advice_red_en",
        )  # fmt: skip
        widgets = {
            **dict.fromkeys(
                ("name", "unit", "advice_yellow", "advice_yellow_en", "advice_red", "advice_red_en"),
                forms.TextInput(INPUT),
            ),
            "formula": forms.TextInput(CODE), "kind": forms.Select(SELECT),
            **dict.fromkeys(("downward", "enabled"), forms.CheckboxInput(BOX)),
        }  # fmt: skip

    def __init__(self, *args: Any, principal: Principal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        layers = [(layer.key, layer.title) for layer in gate.layers(principal)]
        self.fields["layer"].choices = layers  # type: ignore[attr-defined]
        blanks(self.fields)


class ThresholdForm(forms.ModelForm):
    """From when on, over which values."""

    class Meta:
        model = Threshold
        fields = ("valid_from", "yellow", "red", "citation")
        widgets = {
            "valid_from": forms.DateInput({**INPUT, "type": "date"}, "%Y-%m-%d"),
            **dict.fromkeys(("yellow", "red"), forms.NumberInput({**INPUT, "step": "any"})),
            "citation": forms.TextInput(INPUT),
        }  # fmt: skip


class ThresholdRows(forms.BaseModelFormSet):
    """Thresholds of an indicator, each with a box by which it goes."""

    deletion_widget = forms.CheckboxInput(BOX)


Thresholds = forms.modelformset_factory(
    Threshold, ThresholdForm, formset=ThresholdRows, extra=1, can_delete=True, max_num=50
)


@signed_in
def edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The form of an indicator with its thresholds, for administrators; what is saved is worked out at once."""
    principal = visitor(request)
    if not principal.is_admin:
        raise Refused(_("指标与阈值由系统管理员维护。"))
    stored = reading.fetch(principal, pk) if pk is not None else None
    form = IndicatorForm(request.POST or None, instance=stored, principal=principal, initial={"layer": "projects"})
    kept = Threshold.objects.filter(indicator=stored) if stored else Threshold.objects.none()
    rows = Thresholds(request.POST or None, queryset=kept, prefix="thresholds")
    if request.method == "POST" and form.is_valid() and rows.is_valid():
        changed = rows.save(commit=False)
        try:
            saved = reading.save(principal, form.save(commit=False), changed, rows.deleted_objects)
        except Invalid as error:
            for name, said in error.fields.items():
                form.add_error(name if name in form.fields else None, [str(each) for each in said])
            if not error.fields:
                form.add_error(None, error.message)
        else:
            messages.success(request, _("指标已保存，并按新的阈值重新计算。"))
            return HttpResponseRedirect(f"/desk/indicators/{saved.pk}")
    layer = form["layer"].value() or "projects"
    context = {"form": form, "rows": rows, "indicator": stored, "known": reading.known(layer).items()}
    status = 400 if form.errors or rows.total_error_count() else 200
    return render(request, "desk/indicator.html", context, status=status)


@require_POST
@signed_in
def evaluate(request: HttpRequest) -> HttpResponse:
    """Work all indicators out now."""
    changed = reading.again(visitor(request))
    messages.success(request, _("已重新计算，%d 个灯发生变化。") % changed)
    return HttpResponseRedirect("/desk/lights")


def _line(row: Light) -> dict[str, Any]:
    """A light as templates draw it."""
    return {
        "light": row, "indicator": row.indicator, "feature": row.feature, "advice": row.indicator.advice(row.color),
        "value": "—" if row.value is None else f"{row.value:.4g}",
        "limit": "—" if row.limit is None else f"{row.limit:.4g}",
    }  # fmt: skip
