"""Fences on the desk: the list, the form with the drawing, the events of one."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from command_center.desk import figures, regions
from command_center.desk.doors import signed_in, visitor
from command_center.desk.forms import Place, blanks
from gis.models import Region
from services.access import gate
from services.access.errors import Invalid, Refused
from services.access.principal import Principal
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.fences import fences
from services.fences.models import Event, Fence, Kind

EVENTS = 100
MOST_NAMED = 500
DRAWN = {Fence.Shape.POLYGON: "polygon", Fence.Shape.CIRCLE: "point", Fence.Shape.CORRIDOR: "line"}
"""Shape → what the picker draws for it."""
GEOMETRY = {"polygon": "MULTIPOLYGON", "point": "POINT", "line": "MULTILINESTRING"}
DAYS = [
    (1, gettext_lazy("周一")), (2, gettext_lazy("周二")), (3, gettext_lazy("周三")), (4, gettext_lazy("周四")),
    (5, gettext_lazy("周五")), (6, gettext_lazy("周六")), (7, gettext_lazy("周日")),
]  # fmt: skip
BASICS = ("name", "region", "layer", "metres", "kinds", "vehicles", "level", "active")
BOX = forms.CheckboxSelectMultiple
WIDGETS: dict[str, Any] = {
    "name": forms.TextInput({"class": "form-control"}),
    "metres": forms.NumberInput({"class": "form-control", "step": "any", "min": 0}),
    "fixes": forms.NumberInput({"class": "form-control"}),
    "seconds": forms.NumberInput({"class": "form-control"}),
    "dwell_minutes": forms.NumberInput({"class": "form-control"}),
    "from_time": forms.TimeInput({"class": "form-control", "type": "time"}, format="%H:%M"),
    "to_time": forms.TimeInput({"class": "form-control", "type": "time"}, format="%H:%M"),
    "level": forms.Select({"class": "form-select"}),
    "valid_from": forms.DateInput({"class": "form-control", "type": "date"}, format="%Y-%m-%d"),
    "valid_to": forms.DateInput({"class": "form-control", "type": "date"}, format="%Y-%m-%d"),
}


class FenceForm(forms.ModelForm):
    """What a person sets of a fence; vehicles are named by their codes."""

    region = forms.ModelChoiceField(Region.objects.none(), widget=forms.Select({"class": "form-select"}))
    layer = forms.ChoiceField(widget=forms.Select({"class": "form-select"}))
    kinds = forms.MultipleChoiceField(widget=BOX)
    weekdays = forms.TypedMultipleChoiceField(coerce=int, choices=DAYS, required=False, widget=BOX)
    vehicles = forms.CharField(required=False, widget=forms.Textarea({"class": "form-control", "rows": 2}))

    class Meta:
        model = Fence
        fields = ("name", "metres", "fixes", "seconds", "dwell_minutes", "from_time", "to_time", "valid_from",
                  "valid_to", "level", "active")  # fmt: skip
        widgets = WIDGETS

    def __init__(self, principal: Principal, shape: str, *args: Any, instance: Fence, **kwargs: Any) -> None:
        super().__init__(*args, instance=instance, **kwargs)
        self.principal, self.shape = principal, shape
        layers = fences.layers(principal, "change")
        label = Fence._meta.get_field
        self.fields["geom"] = Place(GEOMETRY[DRAWN[Fence.Shape(shape)]], label=str(label("geom").verbose_name))
        self.fields["region"].queryset = reachable(principal)
        self.fields["layer"].choices = [(layer.key, layer.title) for layer in layers]
        kinds = [kind for kind in Kind if kind != Kind.DEVIATION or shape == Fence.Shape.CORRIDOR]
        self.fields["kinds"].choices = [(kind.value, kind.label) for kind in kinds]
        blanks(self.fields, region=_("请选择"))
        for name in ("region", "layer", "kinds", "weekdays"):
            self.fields[name].label = str(label(name).verbose_name).capitalize()
            self.fields[name].help_text = str(label(name).help_text)
        self.fields["vehicles"].label = str(label("features").verbose_name)
        self.fields["vehicles"].help_text = _("车牌号，用逗号或换行分隔；不填则为图层内全部车辆。")
        if shape == Fence.Shape.POLYGON:
            del self.fields["metres"]
        if instance.pk:
            self.initial |= {
                "region": instance.region_id, "layer": instance.layer, "kinds": instance.kinds,
                "weekdays": instance.weekdays, "geom": instance.geom.geojson, "vehicles": self._codes(instance),
            }  # fmt: skip

    def clean_vehicles(self) -> list[Any]:
        """The keys of the vehicles named, of those that the principal may see."""
        text = self.cleaned_data["vehicles"]
        wanted = {code.strip() for code in text.replace("，", ",").replace("\n", ",").split(",") if code.strip()}
        layer = registry.get(self.data.get("layer", ""))
        if not wanted or layer is None:
            return []
        rows = gate.restrict(self.principal, layer).filter(code__in=wanted)
        found = dict(rows.values_list("code", "pk"))
        if missing := sorted(wanted - found.keys()):
            raise forms.ValidationError(_("没有车辆：%s。") % "、".join(missing[:10]))
        return list(found.values())

    def values(self) -> dict[str, Any]:
        """What ``fences.save`` takes."""
        given = {name: value for name, value in self.cleaned_data.items() if name != "vehicles"}
        return given | {"shape": self.shape, "features": self.cleaned_data["vehicles"]}

    def _codes(self, fence: Fence) -> str:
        layer = registry.get(fence.layer)
        if layer is None or not fence.features:
            return ""
        rows = gate.restrict(self.principal, layer).filter(pk__in=fence.features).order_by("code")
        return ", ".join(rows.values_list("code", flat=True)[:MOST_NAMED])


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The fences within reach, with how often each told something in the last day."""
    principal = visitor(request)
    since = timezone.now() - timedelta(days=1)
    rows = fences.visible(principal).annotate(day=Count("events", filter=Q(events__at__gte=since)))
    titles = {layer.key: layer.title for layer in fences.layers(principal)}
    found = [(fence, titles.get(fence.layer, fence.layer), kind_names(fence)) for fence in rows]
    latest = list(fences.events(principal)[:EVENTS])
    context = {
        "found": found, "events": named(latest), "shapes": Fence.Shape.choices,
        "may_create": bool(fences.layers(principal, "change")),
    }  # fmt: skip
    return render(request, "desk/fences.html", context)


@signed_in
def new(request: HttpRequest) -> HttpResponse:
    """The form of a new fence; ``shape`` says what is drawn."""
    principal = visitor(request)
    if not fences.layers(principal, "change"):
        raise Refused(_("需要对围栏所属图层和行政区的修改权限。"))
    shape = request.GET.get("shape", Fence.Shape.POLYGON)
    if shape not in Fence.Shape.values:
        raise Invalid(_("没有这种形状。"), {"shape": [", ".join(Fence.Shape.values)]})
    return _form(request, principal, Fence(shape=shape))


@signed_in
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """A fence: its form, which only those may send who may change it, and its events."""
    principal = visitor(request)
    action = "change" if request.method == "POST" else "view"
    return _form(request, principal, fences.fetch(principal, pk, action))


@require_POST
@signed_in
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a fence away."""
    fences.delete(visitor(request), pk)
    messages.success(request, _("已删除。"))
    return HttpResponseRedirect("/desk/fences")


def _form(request: HttpRequest, principal: Principal, fence: Fence) -> HttpResponse:
    posted = request.POST if request.method == "POST" else None
    form = FenceForm(principal, fence.shape, posted, instance=Fence.objects.get(pk=fence.pk) if fence.pk else fence)
    status = 200
    if posted is not None:
        if form.is_valid():
            try:
                saved = fences.save(principal, fence, form.values())
            except Invalid as error:
                for name, texts in error.fields.items():
                    for text in texts:
                        form.add_error(name if name in form.fields else None, text)
            else:
                messages.success(request, _("围栏已保存。"))
                return HttpResponseRedirect(f"/desk/fences/{saved.pk}")
        status = 422
    events = list(fences.events(principal, fence=fence.pk)[:EVENTS]) if fence.pk else []
    context = {
        "fence": fence, "form": form, "place": form["geom"], "geometry": DRAWN[Fence.Shape(fence.shape)],
        "bounds": fence.geom.extent if fence.pk and fence.shape != Fence.Shape.CIRCLE else figures.extent(principal),
        "may_change": not fence.pk or fences.visible(principal, "change").filter(pk=fence.pk).exists(),
        "events": named(events),
        "sections": [
            (_("基本信息"), [form[n] for n in BASICS if n in form.fields]),
            (_("判定"), [form[n] for n in ("fixes", "seconds", "dwell_minutes")]),
            (_("时间安排"), [form[n] for n in ("weekdays", "from_time", "to_time", "valid_from", "valid_to")]),
        ],
    }  # fmt: skip
    return render(request, "desk/fence.html", context, status=status)


def reachable(principal: Principal) -> Any:
    """The regions in which a principal may put a fence, down to counties."""
    rows = Region.objects.current().exclude(level=Region.Level.TOWN).plain().order_by("code")
    roots = regions.bounds(principal)
    bound = Q()
    for root in roots:
        bound |= Q(code__startswith=root)
    return rows.filter(bound) if roots else rows


def kind_names(fence: Fence) -> list[str]:
    """What a fence watches for, in words."""
    return [str(Kind(kind).label) for kind in fence.kinds]


def named(events: list[Event]) -> list[tuple[Event, FeatureIndex | None]]:
    """Events with the vehicles that they are of."""
    rows = FeatureIndex.objects.filter(pk__in={event.feature for event in events}).defer("geom")
    features = {row.pk: row for row in rows}
    return [(event, features.get(event.feature)) for event in events]
