"""What every page's template may use."""

import time
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from layers.people import flows as blacklist
from services.access import gate
from services.access.principal import PUBLIC, Principal
from services.accounts.roles import Role
from services.catalog.layer import registry
from services.positions.features import moving_layers
from services.telemetry.devices import device_layers

DRAWING = 5.0
"""Seconds that a page may take from its first look at the database to its last."""


PATROLLING = {Role.INSPECTOR, Role.SUPERVISOR}
"""Roles whose holders may be officers; who is not is told so on the page."""


def live_address(request: HttpRequest) -> str:
    """Where the page's browser reaches the live events; empty where there are none and it has to ask."""
    if settings.LIVE_URL:
        return str(settings.LIVE_URL)
    if not settings.LIVE_PORT:
        return ""
    host, _port = split_domain_port(request.get_host())
    return f"{request.scheme}://{host}:{settings.LIVE_PORT}/live"


def everywhere(request: HttpRequest) -> dict[str, Any]:
    """Product name, principal, language and the navigation built from the layers and the principal's rights."""
    principal = getattr(request, "principal", PUBLIC)
    groups: dict[str, list[Any]] = {}
    for layer in gate.layers(principal):
        groups.setdefault(str(layer.group), []).append(layer)
    return {
        "product": settings.PRODUCT,
        "principal": principal,
        "navigation": groups,
        "watching": watching(principal),
        "governing": governing(principal),
        "patrols": bool(principal.roles & PATROLLING),
        "system_pages": running(principal),
        "languages": settings.LANGUAGES,
        "nonce": getattr(request, "csp_nonce", ""),
        "live": live_address(request),
        # A little before the page was read: what happens while it is drawn comes twice rather than never.
        "drawn": f"{time.time() - DRAWING:.3f}",
    }


def governing(principal: Principal) -> list[tuple[str, str, str]]:
    """The pages by which areas, monitoring and remediation are managed, for those who see something there."""
    if principal.is_public:
        return []
    pages = (
        ("desk-areas", "polygon", _("区域管理"), "control_areas"),
        ("desk-monitoring", "device-cctv", _("监控管理"), "monitors"),
        ("desk-remediation", "clipboard-check", _("治理管理"), "remediation_orders"),
        ("desk-credit", "trophy", _("诚信评价"), "enterprises"),
    )
    found = [(name, icon, title) for name, icon, title, key in pages if gate.may(principal, registry.by_key[key])]
    if blacklist.may_read(principal):
        found.append(("desk-blacklist", "lock", _("黑名单")))
    return [*found, ("desk-grants", "user-shield", _("对象授权"))] if principal.is_admin else found


def running(principal: Principal) -> list[tuple[str, str, str]]:
    """The pages about the platform itself, for administrators."""
    if not principal.is_admin:
        return []
    return [
        ("desk-sessions", "activity", _("会话与阻塞")),
        ("desk-database", "database", _("数据库审计")),
        ("desk-logs", "file-alert", _("日志分析")),
    ]


def watching(principal: Principal) -> list[tuple[str, str, str]]:
    """The pages about what was measured, as (URL name, icon, title), for those who see some layer with devices."""
    if principal.is_public or not any(gate.may(principal, layer) for layer in device_layers()):
        return []
    fences = [("desk-fences", "fence", _("电子围栏"))] if any(gate.may(principal, x) for x in moving_layers()) else []
    air = [
        ("desk-pollution", "map-pins", _("污染源分布")),
        ("desk-weather", "temperature", _("气象监控")),
        ("desk-dust", "chart-bar", _("扬尘统计")),
    ]
    concrete = [("desk-production", "stack-2", _("混凝土生产"))]
    between = [
        ("desk-feeds", "api", pgettext("plural", "数据接口")),
        ("desk-subscriptions", "webhook", pgettext("plural", "告警推送")),
    ]
    return [
        ("desk-alarms", "alert-triangle", _("告警中心")),
        ("desk-lights", "traffic-lights", _("红绿灯预警")),
        *(air if gate.may(principal, registry.by_key["monitors"]) else []),
        *(concrete if gate.may(principal, registry.by_key["mixing_plants"]) else []),
        ("desk-readings", "table", _("历史数据")),
        ("desk-compare", "chart-line", _("多点对比")),
        ("desk-rose", "wind", _("风玫瑰图")),
        ("desk-air", "chart-histogram", _("区域空气质量")),
        ("desk-reports", "report-analytics", _("统计报表")),
        ("desk-validity", "list-check", _("数据有效率")),
        ("desk-rules", "adjustments-horizontal", _("告警规则")),
        ("desk-limits", "file-text", _("标准限值")),
        ("desk-devices", "router", _("设备管理")),
        *(between if principal.is_admin else []),
        *fences,
    ]
