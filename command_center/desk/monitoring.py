"""Monitoring management: what watches which site, whether it works and is on duty, and how it is set."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from command_center.desk.outputs import attachment
from layers.environment.models import Monitor
from layers.projects.models import Project
from layers.video.models import Camera
from services.access import actions, gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.alarms.resting import resting
from services.audit import trail
from services.catalog.layer import Layer, registry
from services.export.sheets import sheet
from services.telemetry.models import Device
from services.telemetry.spans import ZONE

SIZE = 20
"""Sites of a page."""
BUILDING = (Project.State.ACTIVE, Project.State.RECTIFYING, Project.State.SUSPENDED)
"""States in which a site has to be watched."""
GAPS = ("unwatched", "no-camera", "offline", "off-duty")
MOST_REASON = 200


@dataclass
class Watch:
    """A monitor or a camera as the page shows it."""

    layer: Layer
    row: Any
    device: Device | None
    off_duty: bool
    may_change: bool

    @property
    def until(self) -> datetime | None:
        """When it will be on duty again by itself; None where somebody has to put it back."""
        return self.row.off_duty_until if self.is_monitor and self.off_duty else None

    @property
    def is_monitor(self) -> bool:
        return self.layer.key == "monitors"

    @property
    def online(self) -> bool:
        return bool(self.row.state == "online")

    @property
    def seen_at(self) -> Any:
        """When it was last heard: of a monitor by its device, of a camera by its beat."""
        presence = getattr(self.device, "presence", None)
        return (presence.seen_at if presence else None) or (
            self.row.measured_at if self.is_monitor else self.row.seen_at
        )


@dataclass
class Site:
    """A site with what watches it; ``project`` is None for what stands on no site that the principal sees."""

    project: Any
    watches: list[Watch] = field(default_factory=list)

    @property
    def monitors(self) -> list[Watch]:
        return [watch for watch in self.watches if watch.is_monitor]

    @property
    def cameras(self) -> list[Watch]:
        return [watch for watch in self.watches if not watch.is_monitor]

    @property
    def monitors_online(self) -> int:
        return sum(watch.online for watch in self.monitors)

    @property
    def cameras_online(self) -> int:
        return sum(watch.online for watch in self.cameras)


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The sites within reach with what watches each; devices whose site is foreign stand apart."""
    principal = visitor(request)
    gate.require(principal, _layer("monitors"), "view")
    query = _query(request)
    rows = _sites(principal, query)
    total = rows.count()
    pages = max(1, -(-total // SIZE))
    number = min(max(1, int(query["page"])), pages) if query["page"].isdecimal() and len(query["page"]) < 7 else 1
    shown = list(rows[(number - 1) * SIZE : number * SIZE])
    sites = _watched(principal, shown)
    if number == pages and not query["gap"]:
        sites += _apart(principal, query["q"])
    context = {
        "sites": sites,
        "query": query,
        "narrowed": bool(query["q"] or query["gap"]),
        "gaps": [(gap, _gap(gap)) for gap in GAPS],
        "cards": _cards(principal),
        "total": total,
        "page": number,
        "pages": pages,
        "around": {"previous": number - 1, "next": number + 1},
        "now": timezone.now(),
        "may_export": gate.may(principal, _layer("monitors"), "export"),
    }
    return render(request, "desk/monitoring.html", context)


@require_POST
@signed_in
def duty(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Put a monitor off duty, with the reason, or on again; it is an edit like any other, checked and audited."""
    principal = visitor(request)
    off = request.POST.get("off") == "1"
    reason = request.POST.get("reason", "").strip()
    if off and not 0 < len(reason) <= MOST_REASON:
        raise Invalid(_("请填写停止值守的原因（不超过200字）。"), {"reason": [_("必填")]})
    values = {
        "off_duty": off, "off_duty_reason": reason if off else "",
        "off_duty_until": _until(request.POST.get("until", "").strip()) if off else None,
    }  # fmt: skip
    actions.change(principal, _layer("monitors"), pk, values)
    messages.success(request, _("已停止值守，期间不产生告警。") if off else _("已恢复值守。"))
    back = request.POST.get("back", "")
    return HttpResponseRedirect("/desk/monitoring" + (f"?{back}" if back and "\n" not in back else ""))


def _until(text: str) -> datetime | None:
    """The end that was typed, by China's clock; None where it was left empty."""
    if not text:
        return None
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise Invalid(_("填写的内容有误。"), {"until": [_("请填写日期和时间。")]})
    return found if timezone.is_aware(found) else found.replace(tzinfo=ZONE)


@signed_in
def export(request: HttpRequest) -> StreamingHttpResponse:
    """What watches the sites of the filter, a line a device, as Excel or CSV."""
    principal = visitor(request)
    gate.require(principal, _layer("monitors"), "export")
    form = request.GET.get("format", "xlsx")
    headings = [
        _("工地"), _("类型"), _("编号"), _("名称"), _("安装部位"), _("状态"), _("值守"), _("停止值守至"), _("最近上报"),
        _("上报间隔（秒）"), _("小时值来源"), _("厂家"),
    ]  # fmt: skip
    chunks, kind = sheet(form, _("监控管理"), headings, _lines(principal, _query(request)))
    trail.note(
        principal.id, principal.name, "export", layer="monitors", address=principal.address,
        changes={"format": form, "page": "monitoring"},
    )  # fmt: skip
    response = StreamingHttpResponse(chunks, content_type=kind)
    name = f"{_('监控管理')}_{timezone.localtime():%Y%m%d_%H%M}.{form}"
    response.headers["Content-Disposition"] = attachment(name)
    return response


def _lines(principal: Principal, query: dict[str, str]) -> Iterator[list[Any]]:
    allowed = {key: gate.restrict(principal, _layer(key), "export") for key in ("monitors", "cameras")}
    keys = {key: set(rows.values_list("pk", flat=True)) for key, rows in allowed.items()}
    sites = list(_sites(principal, query))
    for site in (*_watched(principal, sites), *_apart(principal, query["q"])):
        for watch in site.watches:
            if watch.row.pk not in keys[watch.layer.key]:
                continue
            seen, device = watch.seen_at, watch.device
            yield [
                site.project.name if site.project else "", watch.layer.singular, watch.row.code, watch.row.name,
                watch.row.get_spot_display(), watch.row.get_state_display(),
                _("停止值守") if watch.off_duty else _("值守"),
                _plain(watch.until), _plain(seen),
                device.interval if device else None, device.get_base_display() if device else "", watch.row.maker,
            ]  # fmt: skip


def _plain(moment: datetime | None) -> datetime | None:
    """A time as a sheet holds it: by China's clock, without a zone."""
    return moment.astimezone(ZONE).replace(tzinfo=None, microsecond=0) if moment else None


def _sites(principal: Principal, query: dict[str, str]) -> QuerySet[Any]:
    """Building sites within reach that pass the filter, those with the most gaps first."""
    rows: Any = gate.restrict(principal, _layer("projects")).filter(state__in=BUILDING).select_related("region")
    rows = rows.annotate(
        n_monitors=_number(principal, "monitors", Q()),
        n_monitors_off=_number(principal, "monitors", ~Q(state="online")),
        n_resting=_number(principal, "monitors", resting(Monitor)),
        n_watching=_number(principal, "cameras", ~Q(state=Camera.State.RETIRED)),
        n_cameras_off=_number(principal, "cameras", Q(state__in=["offline", "fault"])),
    )
    if query["q"]:
        named = Q(name__icontains=query["q"]) | Q(code__icontains=query["q"])
        for key in ("monitors", "cameras"):
            found = gate.restrict(principal, _layer(key)).filter(
                Q(name__icontains=query["q"]) | Q(code__icontains=query["q"])
            )
            named |= Q(Exists(found.filter(project=OuterRef("pk"))))
        rows = rows.filter(named)
    gaps = {
        "unwatched": Q(n_monitors=0), "no-camera": Q(n_watching=0), "off-duty": Q(n_resting__gt=0),
        "offline": Q(n_monitors_off__gt=0) | Q(n_cameras_off__gt=0),
    }  # fmt: skip
    if query["gap"]:
        rows = rows.filter(gaps[query["gap"]])
    return rows.order_by((F("n_monitors_off") + F("n_cameras_off")).desc(), "name", "pk")


def _number(principal: Principal, key: str, condition: Q) -> Any:
    found = gate.restrict(principal, _layer(key)).filter(condition, project=OuterRef("pk")).order_by()
    counted = found.values("project").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def _watched(principal: Principal, projects: list[Any]) -> list[Site]:
    """The sites with what watches them, in five queries whatever their number."""
    sites = {project.pk: Site(project) for project in projects}
    rows = {key: gate.restrict(principal, _layer(key)).filter(project__in=sites) for key in ("monitors", "cameras")}
    for watch in _watches(principal, rows):
        sites[watch.row.project_id].watches.append(watch)
    return list(sites.values())


def _apart(principal: Principal, text: str) -> list[Site]:
    """What the principal may see that stands on no site they see: one given single devices sees those alone."""
    mine = gate.restrict(principal, _layer("projects")).values("pk")
    rows = {}
    for key in ("monitors", "cameras"):
        found = gate.restrict(principal, _layer(key)).filter(Q(project=None) | ~Q(project__in=mine))
        if text:
            found = found.filter(Q(name__icontains=text) | Q(code__icontains=text))
        rows[key] = found
    watches = _watches(principal, rows)
    return [Site(None, watches)] if watches else []


def _watches(principal: Principal, rows: dict[str, QuerySet[Any]]) -> list[Watch]:
    found = [(key, row) for key, some in rows.items() for row in some.order_by("name", "pk")[:2000]]
    devices: dict[UUID | None, Device] = {}
    for device in (
        Device.objects.filter(feature__in=[row.pk for key, row in found if key == "monitors"])
        .exclude(state=Device.State.PENDING)
        .select_related("presence")
        # The one whose hours count, not a box beside it: the first that was registered.
        .order_by("-pk")
    ):
        devices[device.feature] = device
    changeable: dict[str, set[UUID]] = defaultdict(set)
    for key, some in rows.items():
        if gate.may(principal, _layer(key), "change"):
            mine = gate.restrict(principal, _layer(key), "change").filter(pk__in=some.values("pk"))
            changeable[key] = set(mine.values_list("pk", flat=True))
    return [
        Watch(
            _layer(key), row, devices.get(row.pk),
            row.resting if key == "monitors" else row.state == Camera.State.RETIRED, row.pk in changeable[key],
        )
        for key, row in found
    ]  # fmt: skip


def _cards(principal: Principal) -> list[tuple[str, Any, str, str]]:
    """Label, figure, filter and tone of the figures above the list."""
    monitors, cameras = (gate.restrict(principal, _layer(key)) for key in ("monitors", "cameras"))
    m = monitors.aggregate(
        n=Count("pk"), online=Count("pk", filter=Q(state="online")), resting=Count("pk", filter=resting(Monitor))
    )
    c = cameras.exclude(state=Camera.State.RETIRED).aggregate(
        n=Count("pk"), online=Count("pk", filter=Q(state="online"))
    )
    sites = _sites(principal, {"q": "", "gap": ""})
    bare, blind = sites.filter(n_monitors=0).count(), sites.filter(n_watching=0).count()
    return [
        (_("监测设备在线"), f"{m['online']} / {m['n']}", "", "ok"),
        (_("摄像机在线"), f"{c['online']} / {c['n']}", "", "ok"),
        (_("停止值守"), m["resting"], "off-duty", "warn" if m["resting"] else ""),
        (_("无监测设备的工地"), bare, "unwatched", "bad" if bare else ""),
        (_("无摄像机的工地"), blind, "no-camera", "bad" if blind else ""),
    ]


def _gap(key: str) -> str:
    return {
        "unwatched": _("无监测设备"), "no-camera": _("无摄像机"), "offline": _("有设备离线"), "off-duty": _("停止值守"),
    }[key]  # fmt: skip


def _query(request: HttpRequest) -> dict[str, str]:
    query = {name: request.GET.get(name, "").strip()[:100] for name in ("q", "gap", "page")}
    if query["gap"] and query["gap"] not in GAPS:
        raise Invalid(_("没有这个筛选条件。"), {"gap": [", ".join(GAPS)]})
    query["page"] = query["page"] or "1"
    return query


def _layer(key: str) -> Layer:
    return registry.by_key[key]
