"""Area management: the areas under control with what stands in each, its units and its limits; one of them."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from gis.models import code_prefix
from layers.environment import flows, reports
from layers.environment.models import ControlArea, RemediationOrder
from services.access import gate
from services.access.errors import AccessError, Invalid
from services.access.principal import Principal
from services.alarms import governing
from services.alarms.models import Level, Rule
from services.catalog.layer import Layer, registry
from services.catalog.models import FeatureIndex
from services.telemetry.models import Device, Factor

WATCHED = (("a34002", 10), ("a34004", 10), ("a34001", 10), ("LA", 1))
"""Factors that an area may have limits of its own for, and by how much (percent, dB) a value must fall to end it."""
INPUT, SELECT = {"class": "form-control"}, {"class": "form-select"}


def areas() -> Layer:
    """The layer of areas."""
    return registry.by_key["control_areas"]


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The areas within reach, those with alarms first."""
    principal = visitor(request)
    gate.require(principal, areas(), "view")
    query = {name: request.GET.get(name, "").strip()[:100] for name in ("q", "kind")}
    if query["kind"] and query["kind"] not in ControlArea.Kind.values:
        raise Invalid(_("没有这个筛选条件。"), {"kind": [", ".join(ControlArea.Kind.values)]})
    everything: Any = gate.restrict(principal, areas())
    rows = everything.select_related("region", "responsible").order_by("region__code", "name", "pk")
    if query["kind"]:
        rows = rows.filter(kind=query["kind"])
    if query["q"]:
        rows = rows.filter(Q(name__icontains=query["q"]) | Q(responsible__name__icontains=query["q"]))
    found = list(rows)
    standing = reports.standing(principal, [area.pk for area in found])
    lines = [(area, standing[area.pk]) for area in found]
    lines.sort(key=lambda line: (-line[1]["alarms"], -line[1]["overdue"]))
    context = {
        "lines": lines,
        "query": query,
        "kinds": ControlArea.Kind.choices,
        "narrowed": any(query.values()),
        "now": timezone.now(),
        "may_add": gate.may(principal, areas(), "create"),
        "may_export": gate.may(principal, areas(), "export"),
        "cards": [
            (_("管控区域"), len(lines), ""),
            (_("在线监测设备"), sum(s["online"] for _a, s in lines), "ok"),
            (_("离线监测设备"), sum(s["monitors"] - s["online"] for _a, s in lines), "warn"),
            (_("未办结告警"), sum(s["alarms"] for _a, s in lines), "bad"),
            (_("未办结整改单"), sum(s["orders"] for _a, s in lines), ""),
            (_("超期整改单"), sum(s["overdue"] for _a, s in lines), "bad"),
        ],
    }
    return render(request, "desk/areas.html", context)


@signed_in
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One area: who answers for it, what stands in it, the limits that hold there; POST adds a limit."""
    principal = visitor(request)
    area: Any = gate.fetch(principal, areas(), pk)
    may_change = gate.restrict(principal, areas(), "change").filter(pk=pk).exists()
    may_govern = governing.may_write(principal, "monitors", area.region_id or "")
    form = LimitForm(request.POST or None)
    status = 200
    if request.method == "POST":
        gate.fetch(principal, areas(), pk, "change")
        status = 422
        if form.is_valid():
            try:
                governing.save(principal, form.rule(area))
            except AccessError as error:
                form.add_error(None, error.message)
            else:
                messages.success(request, _("区域限值已保存，对之后的数据生效。"))
                return HttpResponseRedirect(f"/desk/areas/{pk}#limits")
    context = {
        "area": area,
        "private": gate.reads_private(principal, areas()),
        "standing": reports.standing(principal, [area.pk])[area.pk],
        "monitors": _monitors(principal, area),
        "sites": _inside(principal, area, "projects"),
        "cameras": _inside(principal, area, "cameras"),
        "orders": list(
            flows.orders(principal)
            .filter(monitor__in=_keys(principal, area, "monitors"), state__in=RemediationOrder.OPEN)
            .order_by("due_at")[:20]
        ),
        "own": [rule for rule in governing.rules(principal) if rule.within == area.pk],
        "general": _general(principal, area),
        "form": form,
        "may_govern": may_govern and may_change,
        "may_change": may_change,
        "box": _box(area),
        "now": timezone.now(),
    }
    return render(request, "desk/area.html", context, status=status)


class LimitForm(forms.Form):
    """A limit that holds in one area, over what holds everywhere."""

    factor = forms.ModelChoiceField(
        label=gettext_lazy("监测因子"), queryset=Factor.objects.filter(code__in=[code for code, _part in WATCHED]),
        widget=forms.Select(SELECT), empty_label=None,
    )  # fmt: skip
    threshold = forms.FloatField(
        label=gettext_lazy("限值"), min_value=0.001, max_value=20_000, widget=forms.NumberInput(INPUT)
    )
    window = forms.IntegerField(
        label=gettext_lazy("平均时间（分钟）"), min_value=0, max_value=1440, initial=15,
        widget=forms.NumberInput(INPUT), help_text=gettext_lazy("0 为每个实时值。"),
    )  # fmt: skip
    level = forms.ChoiceField(
        label=gettext_lazy("告警级别"), choices=Level.choices, initial=Level.YELLOW, widget=forms.Select(SELECT)
    )
    valid_from = forms.DateField(
        label=gettext_lazy("启用日期"), initial=timezone.localdate,
        widget=forms.DateInput({**INPUT, "type": "date"}, "%Y-%m-%d"),
    )  # fmt: skip
    citation = forms.CharField(
        label=gettext_lazy("依据"), max_length=200,
        widget=forms.TextInput({**INPUT, "placeholder": gettext_lazy("文件名称和文号")}),
    )  # fmt: skip

    def rule(self, area: ControlArea) -> Rule:
        """The rule that makes an alarm of it, not saved."""
        given = self.cleaned_data
        factor: Factor = given["factor"]
        less = dict(WATCHED)[factor.code]
        clear = f"value <= limit - {less}.0" if factor.code == "LA" else f"value <= limit * {1 - less / 100:g}"
        return Rule(
            name=f"{area.name} {factor}", layer="monitors", region=area.region_id or "", within=area.pk, factor=factor,
            window=given["window"], threshold=given["threshold"], level=given["level"], clear=clear, clear_minutes=5,
            valid_from=given["valid_from"], citation=given["citation"],
            roles=["supervisor", "contractor", "operator"],
        )  # fmt: skip


def _inside(principal: Principal, area: ControlArea, key: str) -> list[FeatureIndex]:
    """The features of a layer within an area that the principal may see, by name."""
    if area.geom is None:
        return []
    rows = gate.restrict_index(principal, [registry.by_key[key]]).filter(geom__coveredby=area.geom)
    return list(rows.defer("geom").order_by("title", "pk")[:200])


def _keys(principal: Principal, area: ControlArea, key: str) -> list[UUID]:
    return [row.pk for row in _inside(principal, area, key)]


def _monitors(principal: Principal, area: ControlArea) -> list[tuple[Any, Device | None]]:
    """The monitors within an area, each with the device that speaks for it."""
    layer = registry.by_key["monitors"]
    rows: Any = gate.restrict(principal, layer).filter(pk__in=_keys(principal, area, "monitors"))
    found = list(rows.select_related("project").order_by("name", "pk"))
    speaking = Device.objects.filter(feature__in=[row.pk for row in found], state=Device.State.ACTIVE)
    by_feature: dict[UUID | None, Device] = {}
    for device in speaking.select_related("presence").order_by("-pk"):
        by_feature[device.feature] = device
    return [(row, by_feature.get(row.pk)) for row in found]


def _general(principal: Principal, area: ControlArea) -> list[Rule]:
    """The rules that hold in an area because they hold in its region."""
    region = area.region_id or ""
    return [
        rule
        for rule in governing.rules(principal)
        if rule.layer == "monitors"
        and rule.enabled
        and rule.within is None
        and not rule.features
        and rule.kind == Rule.Kind.MEASURE
        and region.startswith(code_prefix(rule.region))
    ]


def _box(area: ControlArea) -> str:
    return ",".join(f"{side:.6f}" for side in area.geom.extent) if area.geom is not None else ""


@require_POST
@signed_in
def switch(request: HttpRequest, pk: UUID, rule: int) -> HttpResponse:
    """Switch a limit of an area on or off."""
    principal = visitor(request)
    gate.fetch(principal, areas(), pk, "change")
    found = governing.fetch(principal, rule)
    if found.within != pk:
        raise Invalid(_("这条规则不属于该区域。"))
    on = request.POST.get("on") == "1"
    governing.switch(principal, rule, on)
    messages.success(request, _("规则已启用。") if on else _("规则已停用。"))
    return HttpResponseRedirect(f"/desk/areas/{pk}#limits")
