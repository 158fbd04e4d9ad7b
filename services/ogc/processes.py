"""Processes (OGC API Processes, Part 1) on the product's jobs, each with what it checks, does and says of itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from django.contrib.gis.db.models import GeometryField
from django.contrib.gis.geos import GEOSGeometry
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from pygeoapi.process.base import BaseProcessor
from pygeoapi.process.manager.base import BaseManager
from pygeoapi.util import JobStatus, RequestedProcessExecutionMode

from gis.fields import STORAGE_SRID
from gis.geojson import parse_geometry
from services.access import gate
from services.access.errors import Conflict, Invalid, LogInNeeded, NotFound
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.ogc import statistics_process, surface_process
from services.ogc.engine import asked
from services.ogc.jobs import PERIODS, PROCESS, SURFACE
from services.operations import jobs
from services.operations.models import Job

FURTHEST = 50_000
"""Metres: beyond it a circle says nothing about a city."""
INPUTS = ("geometry", "point", "distance", "layers")


def buffer_count(principal: Principal, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """How many features of each layer the principal sees within ``distance`` metres of a place."""
    place, distance, layers = _checked(principal, inputs)
    area = _buffer(place, distance)
    counts = [
        {
            "layer": layer.key,
            "title": layer.title,
            "count": gate.restrict(principal, layer).filter(**{f"{layer.geom}__intersects": area}).count(),
        }
        for layer in layers
    ]
    return {"distance": distance, "total": sum(c["count"] for c in counts), "counts": counts}


def check_body(body: bytes) -> None:
    """Refuse a body that pygeoapi would stumble over."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _wrong("body", _("不是有效的 JSON：第 %d 行有误。") % error.lineno) from None
    if not isinstance(document, dict) or not isinstance(document.get("inputs", {}), dict):
        raise _wrong("inputs", _("应为对象。"))
    if "subscriber" in document:
        raise _wrong("subscriber", _("不支持回调。"))


def _checked(principal: Principal, inputs: Mapping[str, Any]) -> tuple[GEOSGeometry, float, list[Layer]]:
    unknown = sorted(set(inputs) - set(INPUTS))
    if unknown:
        raise _wrong(unknown[0], _("没有此输入；可用：%s。") % ", ".join(INPUTS))
    if ("geometry" in inputs) == ("point" in inputs):
        raise _wrong("geometry", _("geometry 与 point 必须且只能给出一个。"))
    source = inputs.get("geometry", {"type": "Point", "coordinates": inputs.get("point")})
    place = parse_geometry(source if isinstance(source, dict) else {})
    distance = inputs.get("distance", 0)
    if isinstance(distance, bool) or not isinstance(distance, int | float) or not 0 <= distance <= FURTHEST:
        raise _wrong("distance", _("应为 0 到 %d 之间的米数。") % FURTHEST)
    if distance == 0 and place.geom_type == "Point":
        raise _wrong("distance", _("点的距离必须大于 0。"))
    seen = {layer.key: layer for layer in gate.layers(principal)}
    keys = inputs.get("layers", list(seen))
    if not isinstance(keys, list) or any(not isinstance(key, str) or key not in seen for key in keys):
        raise _wrong("layers", _("应为图层标识的列表；可用：%s。") % ", ".join(seen))
    return place, float(distance), [seen[key] for key in dict.fromkeys(keys)]


def _buffer(place: GEOSGeometry, distance: float) -> GEOSGeometry:
    """The area within a distance of a place, measured on the ellipsoid."""
    if distance == 0:
        return place
    with connection.cursor() as cursor:
        adapted = GeometryField(srid=STORAGE_SRID).get_db_prep_value(place, connection)
        cursor.execute("select ST_AsBinary(ST_Buffer(%s::geometry::geography, %s)::geometry)", [adapted, distance])
        area = GEOSGeometry(memoryview(cursor.fetchone()[0]))
    area.srid = STORAGE_SRID
    return area


def _wrong(name: str, reason: str) -> Invalid:
    return Invalid(_("输入“%(name)s”有误：%(reason)s") % {"name": name[:60], "reason": reason}, {name[:60]: [reason]})


@dataclass(frozen=True)
class Offered:
    """A process: what refuses bad inputs, what does the work, and how it is described."""

    check: Callable[[Principal, Mapping[str, Any]], object]
    execute: Callable[[Principal, Mapping[str, Any]], dict[str, Any]]
    described: Callable[[], dict[str, Any]]


class Told(BaseProcessor):
    """How pygeoapi describes a process."""

    def __init__(self, definition: dict[str, Any]) -> None:
        self.process = definition["process"]
        super().__init__(definition, OFFERED[self.process].described())

    def __repr__(self) -> str:
        return f"<Process {self.process}>"


class Manager(BaseManager):
    """Executes at once, or as a job of the product; shows a principal their own jobs."""

    def __init__(self, definition: dict[str, Any]) -> None:
        super().__init__(definition)
        self.is_async = True

    def execute_process(
        self, process_id: str, data_dict: Any, execution_mode: Any = None, **options: Any
    ) -> tuple[str, str, Any, JobStatus, dict[str, str]]:
        """Run the process, or submit it where the client prefers that."""
        principal, offered = asked().principal, OFFERED[process_id]
        if execution_mode == RequestedProcessExecutionMode.respond_async:
            if principal.is_public:
                raise LogInNeeded(_("异步执行需要登录。"))
            offered.check(principal, data_dict)
            job = jobs.submit(process_id, str(offered.described()["title"]), principal, data_dict)
            return str(job.pk), "application/json", None, JobStatus.accepted, {"Preference-Applied": "respond-async"}
        return "", "application/json", offered.execute(principal, data_dict), JobStatus.successful, {}

    def get_jobs(self, status: Any = None, limit: int | None = None, offset: int | None = None) -> dict[str, Any]:
        """A page of the principal's own jobs of processes, newest first."""
        principal = asked().principal
        rows = Job.objects.none() if principal.is_public else Job.objects.filter(kind__in=OFFERED, user=principal.id)
        start = offset or 0
        return {
            "jobs": [_told(job) for job in rows[start : start + (limit or 100)]],
            "numberMatched": rows.count(),
        }

    def get_job(self, job_id: str) -> dict[str, Any]:
        """One job; NotFound for another's."""
        return _told(self._job(job_id))

    def get_job_result(self, job_id: str) -> tuple[str, Any]:
        """What came of a job."""
        job = self._job(job_id)
        if job.state != Job.State.SUCCESSFUL:
            raise NotFound(_("任务没有结果。"))
        return "application/json", job.result

    def delete_job(self, job_id: str) -> bool:
        """Dismiss a job; one that has finished is forgotten."""
        job = self._job(job_id)
        try:
            jobs.dismiss(asked().principal, job.pk)
        except Conflict:
            job.delete()
        return True

    def _job(self, job_id: str) -> Job:
        job = jobs.mine(asked().principal, job_id)
        if job.kind not in OFFERED:
            raise NotFound(_("没有这个任务。"))
        return job


def _told(job: Job) -> dict[str, Any]:
    """A job as pygeoapi reads it; times are text, since it sorts by them."""
    return {
        "identifier": str(job.pk),
        "process_id": job.kind,
        "status": str(job.state),
        "message": job.message or str(job.get_state_display()),
        "progress": job.progress,
        "parameters": job.inputs,
        "created": _time(job.created_at),
        "started": _time(job.started_at),
        "finished": _time(job.finished_at),
        "updated": _time(job.finished_at or job.started_at or job.created_at),
        "mimetype": "application/json",
    }


def _time(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


def _described() -> dict[str, Any]:
    place = {"description": "GeoJSON", "type": "object", "required": ["type", "coordinates"]}
    point = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    metres = {"type": "number", "minimum": 0, "maximum": FURTHEST, "x-ogc-unit": "m"}
    keys = {"type": "array", "items": {"type": "string"}}
    count = {
        "type": "object",
        "properties": {"layer": {"type": "string"}, "title": {"type": "string"}, "count": {"type": "integer"}},
    }
    return {
        "version": "1.0.0",
        "id": PROCESS,
        "title": _("周边统计"),
        "description": _("统计某处一定距离内各图层的要素数量。"),
        "keywords": [],
        "jobControlOptions": ["sync-execute", "async-execute"],
        "outputTransmission": ["value"],
        "links": [],
        "inputs": {
            "geometry": {"title": _("图形"), "schema": place, "minOccurs": 0, "maxOccurs": 1},
            "point": {"title": _("经度、纬度"), "schema": point, "minOccurs": 0, "maxOccurs": 1},
            "distance": {"title": _("距离（米）"), "schema": metres, "minOccurs": 0, "maxOccurs": 1},
            "layers": {"title": pgettext("plural", "图层"), "schema": keys, "minOccurs": 0, "maxOccurs": 1},
        },
        "outputs": {
            "counts": {"title": _("各图层数量"), "schema": {"type": "array", "items": count}},
            "total": {"title": _("合计"), "schema": {"type": "integer"}},
            "distance": {"title": _("距离（米）"), "schema": {"type": "number"}},
        },
        "example": {"inputs": {"point": [107.5, 31.21], "distance": 1000}},
    }


OFFERED: dict[str, Offered] = {
    PROCESS: Offered(_checked, buffer_count, _described),
    SURFACE: Offered(surface_process.check, surface_process.execute, lambda: surface_process.described(SURFACE)),
    PERIODS: Offered(
        statistics_process.check, statistics_process.execute, lambda: statistics_process.described(PERIODS)
    ),
}
