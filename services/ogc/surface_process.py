"""The process that computes a surface of a region and hour, with the surface's parameters or one's own."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from gis.models import Region
from services.access.errors import Conflict, Invalid
from services.access.principal import Principal
from services.surfaces import runs, scope, timeline
from services.surfaces.models import Run, Surface

INPUTS = ("surface", "region", "datetime", "parameters")
CHANGED = ("power", "radius_m", "most", "least", "cell_m")


class Wanted(NamedTuple):
    """What was asked, checked."""

    surface: Surface
    region: Region
    at: datetime
    parameters: dict[str, Any]


def check(principal: Principal, inputs: Mapping[str, Any]) -> Wanted:
    """The inputs as they are meant; raises LogInNeeded, NotFound for what is foreign, Invalid."""
    scope.signed_in(principal)
    if unknown := sorted(set(inputs) - set(INPUTS)):
        raise _wrong(unknown[0], _("没有此输入；可用：%s。") % ", ".join(INPUTS))
    for name in INPUTS[:3]:
        if not isinstance(inputs.get(name), str):
            raise _wrong(name, _("应为文本。"))
    surface = scope.surface_for(principal, inputs["surface"])
    if surface.kind != Surface.Kind.POLLUTION:
        raise _wrong("surface", _("应为浓度分布。"))
    region = scope.region_for(principal, inputs["region"])
    at = parse_datetime(inputs["datetime"])
    if at is None or at.tzinfo is None or (at.minute, at.second, at.microsecond) != (0, 0, 0):
        raise _wrong("datetime", _("应为带时区的整点，例如 2026-11-27T08:00:00Z。"))
    if at + timedelta(hours=1) > timezone.now():
        raise _wrong("datetime", _("该小时尚未结束。"))
    return Wanted(surface, region, at.astimezone(UTC), _parameters(surface, inputs.get("parameters", {})))


def execute(principal: Principal, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Compute the surface, or find it computed; says where the result is."""
    wanted = check(principal, inputs)
    run = runs.request(wanted.surface, wanted.region, wanted.at, wanted.parameters)
    if run.state in (Run.State.WAITING, Run.State.RUNNING):
        claimed = runs.claim(run.pk)
        if claimed is None:
            raise Conflict(_("该分布正在计算，请稍后再取结果。"))
        run = runs.compute(claimed)
    at = run.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    links = [{"rel": "alternate", "type": "text/html", "href": f"/desk/surfaces/{run.pk}", "title": _("计算详情")}]
    if run.values is not None:
        links.insert(
            0, {"rel": "coverage", "type": "image/tiff; application=geotiff", "href": f"/surfaces/{run.pk}/surface.tif"}
        )
    return {
        "run": str(run.pk), "surface": run.surface_id, "region": run.region_id, "datetime": at,
        "state": str(run.state), "reason": timeline.reason(run), "stations": run.n_stations, "used": run.n_used,
        "low": run.low, "high": run.high, "mean": run.mean, "rmse": run.rmse, "mae": run.mae, "bias": run.bias,
        "parameters": run.parameters, "links": links,
    }  # fmt: skip


def described(name: str) -> dict[str, Any]:
    """The process as pygeoapi describes it."""
    text, number, whole = {"type": "string"}, {"type": "number"}, {"type": "integer"}
    parameters = {"type": "object", "properties": {"power": number, **dict.fromkeys(CHANGED[1:], whole)}}
    return {
        "version": "1.0.0",
        "id": name,
        "title": _("计算空间分布"),
        "description": _("以某小时的有效监测值，按距离加权计算一个行政区的浓度分布；结果可作为 GeoTIFF 下载。"),
        "keywords": [],
        "jobControlOptions": ["sync-execute", "async-execute"],
        "outputTransmission": ["value"],
        "links": [],
        "inputs": {
            "surface": {"title": _("空间分布"), "schema": text, "minOccurs": 1, "maxOccurs": 1},
            "region": {"title": _("区划代码"), "schema": text, "minOccurs": 1, "maxOccurs": 1},
            "datetime": {"title": _("小时"), "schema": text | {"format": "date-time"}, "minOccurs": 1, "maxOccurs": 1},
            "parameters": {"title": _("参数"), "schema": parameters, "minOccurs": 0, "maxOccurs": 1},
        },
        "outputs": {
            "run": {"title": _("计算"), "schema": text},
            "links": {"title": _("结果地址"), "schema": {"type": "array", "items": {"type": "object"}}},
            "rmse": {"title": _("均方根误差"), "schema": number | {"nullable": True}},
        },
        "example": {"inputs": {"surface": "pm10", "region": "511702", "datetime": "2026-11-27T08:00:00Z"}},
    }


def _parameters(surface: Surface, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict) or set(given) - set(CHANGED):
        raise _wrong("parameters", _("应为对象；可用：%s。") % ", ".join(CHANGED))
    trial = Surface.objects.get(pk=surface.pk)
    for name, value in given.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not (whole or (name == "power" and isinstance(value, float)) or (name == "radius_m" and value is None)):
            raise _wrong("parameters", f"{name}: {_('应为数字。')}")
        setattr(trial, name, float(value) if name == "power" else value)
    try:
        trial.clean_fields(exclude=[f.name for f in Surface._meta.fields if f.name not in CHANGED])
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        raise _wrong("parameters", f"{name}: {messages[0]}") from None
    return {name: getattr(trial, name) for name in given}


def _wrong(name: str, reason: str) -> Invalid:
    return Invalid(_("输入“%(name)s”有误：%(reason)s") % {"name": name[:60], "reason": reason}, {name[:60]: [reason]})
