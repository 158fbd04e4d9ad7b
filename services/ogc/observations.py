"""What was measured, for clients of OGC API – EDR: which places and values are asked for, and the values in order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

import shapely
from django.contrib.gis.geos import GEOSGeometry, Point
from django.db import connection
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from shapely.errors import ShapelyError

from gis.fields import STORAGE_SRID
from gis.geofence import nearest, within_m
from services.access import gate
from services.access.errors import NotFound, TooLarge
from services.access.principal import Principal
from services.catalog.describe import Described
from services.catalog.layer import Layer
from services.catalog.models import FeatureIndex
from services.ogc import query
from services.telemetry.features import columns
from services.telemetry.models import Device, Factor
from services.telemetry.spans import Span

QUERIES = ("position", "radius", "area", "locations")
NEAR = 1_000.0
"""Metres within which the feature nearest to a position speaks for it."""
MOST_RADIUS = 100_000.0
MOST_PLACES, MOST_VALUES, MOST_CORNERS = 200, 200_000, 10_000
"""Of one answer: features, values, and corners of the area asked for."""
USUAL = timedelta(days=1)
"""The time before now that is answered where none is asked for."""
UNITS = {"m": 1.0, "km": 1000.0}
SPANS = {"real": None, "hour": Span.HOUR, "day": Span.DAY, "month": Span.MONTH}
"""What ``span`` may be; ``real`` is whatever the devices send."""
LONGEST = ((timedelta(days=2), "real"), (timedelta(days=62), "hour"), (timedelta(days=5 * 366), "day"))
"""Without ``span``, the span of a time at most so long; months beyond."""
PARAMETERS = ("coords", "crs", "datetime", "f", "lang", "parameter-name", "span", "within", "within-units")


class Parameter(NamedTuple):
    """Something measured: the column that shows it, and its factor."""

    field: Described
    factor: Factor

    @property
    def name(self) -> str:
        return self.field.name


class Place(NamedTuple):
    """A feature where something is measured."""

    id: UUID
    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Asked:
    """A checked request."""

    places: list[Place]
    parameters: list[Parameter]
    begin: datetime
    end: datetime
    span: str


class Row(NamedTuple):
    """The values of one device at one moment, in the order of the parameters; None where nothing valid is known."""

    at: datetime
    values: list[float | None]


class Series(NamedTuple):
    """The rows of one device of a place."""

    place: Place
    device: str
    rows: Iterator[Row]


def measures(principal: Principal, layer: Layer) -> bool:
    """Whether a layer has something measured that the principal may read."""
    readable = {f.name for f in gate.fields(principal, layer)}
    return any(field.name in readable for field in columns(layer).values())


def parameters(principal: Principal, layer: Layer) -> list[Parameter]:
    """What is measured at a layer's features and may be read, in the order of its columns."""
    readable = {f.name: f for f in gate.fields(principal, layer)}
    shown = {code: readable[field.name] for code, field in columns(layer).items() if field.name in readable}
    factors = {factor.code: factor for factor in Factor.objects.filter(code__in=shown)}
    return [Parameter(field, factors[code]) for code, field in shown.items() if code in factors]


def locations(principal: Principal, layer: Layer) -> QuerySet[FeatureIndex]:
    """The features with devices that the principal sees."""
    return _stations(principal, layer).order_by("title", "pk")


def parse(principal: Principal, layer: Layer, kind: str, params: QueryDict, pk: str = "") -> Asked:
    """Check a data query; raises Invalid naming the parameter and what is allowed, TooLarge, NotFound."""
    given = dict(query.once(params))
    # OWSLib spells it so, 0.36 for one.
    if "parameter_names" in given:
        given["parameter-name"] = given.pop("parameter_names")
    if unknown := [name for name in given if name not in PARAMETERS]:
        raise query.wrong(unknown[0], _("可用的参数：%s。") % ", ".join(PARAMETERS))
    if query.crs_of(given, "crs") is not query.CRS84:
        raise query.wrong("crs", _("观测数据只提供 CRS84 坐标。"))
    begin, end = _interval(given)
    span = given.get("span") or next((name for most, name in LONGEST if end - begin <= most), "month")
    if span not in SPANS:
        raise query.not_among("span", SPANS)
    found = _places(principal, layer, kind, given, pk)
    if len(found) > MOST_PLACES:
        raise TooLarge(_("范围内的站点超过 %d 个，请缩小范围。") % MOST_PLACES)
    return Asked(found, _chosen(parameters(principal, layer), given), begin, end, span)


def series(asked: Asked) -> Iterator[Series]:
    """The devices with their rows, one after the other; each must be read before the next. One query for all.

    Raises TooLarge before the first where there would be more than ``MOST_VALUES`` values.
    """
    places = {place.id: place for place in asked.places}
    devices = {device.pk: device for device in Device.objects.filter(feature__in=places)}
    order = {parameter.factor.pk: number for number, parameter in enumerate(asked.parameters)}
    span = SPANS[asked.span]
    keys: dict[str, Any] = {
        "devices": list(devices), "factors": list(order), "begin": asked.begin, "end": asked.end,
        "span": None if span is None else int(span), "most": MOST_VALUES + 1,
    }  # fmt: skip
    source = _READINGS if span is None else _ROLLUPS
    with connection.cursor() as cursor:
        cursor.execute(f"select count(*) from (select {source} limit %(most)s) counted", keys)  # noqa: S608
        if cursor.fetchone()[0] > MOST_VALUES:
            raise TooLarge(_("结果超过 %d 个值，请缩短时间范围或选择更长的时段。") % MOST_VALUES)
    return _grouped(source, keys, places, devices, order)


def _grouped(
    source: str, keys: Mapping[str, Any], places: dict[UUID, Place], devices: dict[int, Device], order: dict[int, int]
) -> Iterator[Series]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(f"select {source} order by 1, 2", keys)
        for pk, values in groupby(cursor, key=lambda value: value[0]):
            device = devices[pk]
            assert device.feature is not None
            yield Series(places[device.feature], device.number, _rows(values, order))


def _rows(values: Iterator[Any], order: dict[int, int]) -> Iterator[Row]:
    for at, some in groupby(values, key=lambda value: value[1]):
        found: list[float | None] = [None] * len(order)
        for _device, _at, factor, value in some:
            found[order[factor]] = value
        yield Row(at, found)


def _stations(principal: Principal, layer: Layer) -> QuerySet[FeatureIndex]:
    bound = Device.objects.filter(feature__isnull=False).values("feature")
    return gate.restrict_index(principal, [layer]).filter(pk__in=bound, geom__isnull=False)


def _places(principal: Principal, layer: Layer, kind: str, given: Mapping[str, str], pk: str) -> list[Place]:
    rows = _stations(principal, layer)
    if kind == "locations":
        found = rows.filter(pk=gate.fetch(principal, layer, pk).pk)
        if not found:
            raise NotFound(_("该要素没有监测设备。"))
        return read(found)
    shape = _shape(given, ("Polygon", "MultiPolygon") if kind == "area" else ("Point",))
    if kind == "area":
        return read(rows.filter(geom__intersects=shape)[: MOST_PLACES + 1])
    assert isinstance(shape, Point)
    if kind == "position":
        return read(row for row in nearest(rows, shape, 1) if row.distance_m <= NEAR)
    return read(within_m(rows, shape, _radius(given))[: MOST_PLACES + 1])


def read(rows: Any) -> list[Place]:
    """Rows of the feature index as places; of an area a point within it."""
    found = []
    for row in rows:
        point = row.geom if row.geom.geom_type == "Point" else row.geom.point_on_surface
        found.append(Place(row.pk, row.title, round(point.x, 7), round(point.y, 7)))
    return found


def _shape(given: Mapping[str, str], kinds: tuple[str, ...]) -> GEOSGeometry:
    allowed = _("应为 %s 的 WKT，经度在前，例如 POINT(107.5 31.2)。") % "、".join(kinds)
    if not given.get("coords"):
        raise query.wrong("coords", allowed)
    try:
        shape = shapely.from_wkt(given["coords"])
    except ShapelyError:
        raise query.wrong("coords", allowed) from None
    if shape is None or shape.geom_type not in kinds or shape.is_empty:
        raise query.wrong("coords", allowed)
    if shapely.get_num_coordinates(shape) > MOST_CORNERS:
        raise TooLarge(_("范围的顶点超过 %d 个，请简化。") % MOST_CORNERS)
    west, south, east, north = shape.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90) or not shape.is_valid:
        raise query.wrong("coords", _("几何无效，或坐标超出经纬度范围。"))
    return GEOSGeometry(shapely.to_wkb(shapely.force_2d(shape), hex=True), srid=STORAGE_SRID)


def _radius(given: Mapping[str, str]) -> float:
    unit = given.get("within-units", "m")
    if unit not in UNITS:
        raise query.not_among("within-units", UNITS)
    try:
        metres = float(given["within"]) * UNITS[unit]
    except (KeyError, ValueError):
        metres = -1.0
    if not 0 < metres <= MOST_RADIUS:
        raise query.wrong("within", _("应为正数，不超过 %d 千米。") % (MOST_RADIUS / 1000))
    return metres


def _interval(given: Mapping[str, str]) -> tuple[datetime, datetime]:
    now = timezone.now()
    if "datetime" not in given:
        return now - USUAL, now
    start, slash, last = given["datetime"].partition("/")
    if start in ("", ".."):
        raise query.wrong("datetime", _("需要起始时间，形如 2026-01-31 或 2026-01-31T08:00:00Z/..。"))
    begin = query.moment_of(start, last=False)
    end = now if slash and last in ("", "..") else query.moment_of(last if slash else start, last=True)
    if end < begin:
        raise query.wrong("datetime", _("起止时间有误，应形如 2026-01-31、2026-01-31T08:00:00Z/..。"))
    return begin, end


def _chosen(known: list[Parameter], given: Mapping[str, str]) -> list[Parameter]:
    """The parameters named, by column or by factor code; all where none is."""
    names = [name.strip() for name in given.get("parameter-name", "").split(",") if name.strip()]
    by_name = {each.factor.code: each for each in known} | {each.name: each for each in known}
    if unknown := [name for name in names if name not in by_name]:
        raise query.wrong(
            "parameter-name", _("没有“%(name)s”；可选值：%(names)s。")
            % {"name": unknown[0][:40], "names": ", ".join(each.name for each in known)},
        )  # fmt: skip
    return list(dict.fromkeys(by_name[name] for name in names)) or known


_KEY = "r.device = any(%(devices)s) and r.factor = any(%(factors)s) and r.at >= %(begin)s and r.at <= %(end)s"
_READINGS = f"""r.device, r.at, r.factor, case when r.quality = 0 then r.value end
from telemetry_reading r join telemetry_device d on d.id = r.device and r.span = d.base where {_KEY}"""
# Of what is counted up, such as a flow, the total of the span is its value.
_ROLLUPS = f"""r.device, r.at, r.factor, case when r.valid then coalesce(r.mean, r.total) end
from telemetry_rollup r where r.span = %(span)s and {_KEY}"""
