"""A track as a file: CSV and Excel with a row for each position, GeoPackage with positions and trips."""

import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from services.access import gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.audit import trail
from services.catalog.layer import Layer
from services.export.sheets import sheet
from services.export.tables import FORMATS, Export
from services.export.writers import bytes_of
from services.positions import history
from services.positions.history import Exported
from services.positions.models import Leg, Quality

WRITERS = ("xlsx", "csv", "gpkg")


def export(principal: Principal, layer: Layer, pk: UUID, begin: datetime, end: datetime, format: str) -> Export:
    """The positions of a feature from ``begin`` to before ``end`` as a file; notes it in the audit."""
    feature = gate.fetch(principal, layer, pk, "export")
    if format not in WRITERS:
        raise Invalid(_("没有这种导出格式。"), {"format": [_("可选：%s。") % "、".join(WRITERS)]})
    rows = history.stream(principal, pk, begin, end)
    if format == "gpkg":
        chunks = _geopackage(rows, list(history.legs(principal, pk, begin, end)))
    else:
        chunks, _type = sheet(format, _("轨迹"), headings(), map(_cells, rows))
    trail.note(
        principal.id, principal.name, "export", layer=layer.key, object_id=pk, address=principal.address,
        changes={"format": format, "track": [begin.isoformat(), end.isoformat()]},
    )  # fmt: skip
    name = "".join("_" if c in '\\/:*?"<>|' or not c.isprintable() else c for c in f"{feature.name}_{feature.code}")
    title = f"{name}_{timezone.localtime(begin):%Y%m%d%H%M}-{timezone.localtime(end):%Y%m%d%H%M}.{format}"
    return Export(title, FORMATS[format].content_type, chunks)


def headings() -> list[str]:
    """The columns of a table of positions."""
    return [
        _("定位时间"), _("经度"), _("纬度"), _("速度") + " (km/h)", _("航向") + " (°)", _("高程") + " (m)",
        _("里程表读数") + " (km)", _("质量"), _("补传"), _("接收时间"),
    ]  # fmt: skip


def _cells(row: Exported) -> list[object]:
    """A position as people read it."""
    quality, late = str(Quality(row.quality).label), _("是") if row.late else _("否")
    return [
        row.at, row.lon, row.lat, round(row.speed, 1), row.heading, row.altitude, row.mileage, quality, late,
        row.received_at,
    ]  # fmt: skip


def _geopackage(rows: Iterator[Exported], legs: list[Leg]) -> Iterator[bytes]:
    # pyogrio and pyarrow cost 150 MB, which only who exports one pays.
    import pyarrow as pa
    import pyogrio
    import shapely

    found = list(rows)
    trips = [leg for leg in legs if leg.kind == Leg.Kind.TRIP]
    stamp = pa.timestamp("ms", tz="UTC")
    points = pa.table({
        "at": pa.array([row.at for row in found], stamp),
        "speed_kmh": pa.array([row.speed for row in found], pa.float64()),
        "heading": pa.array([row.heading for row in found], pa.int32()),
        "altitude": pa.array([row.altitude for row in found], pa.int32()),
        "mileage_km": pa.array([row.mileage for row in found], pa.float64()),
        "quality": pa.array([row.quality for row in found], pa.int32()),
        "late": pa.array([row.late for row in found], pa.bool_()),
        "received_at": pa.array([row.received_at for row in found], stamp),
        "geom": pa.array(
            [None if row.lon is None else shapely.to_wkb(shapely.Point(row.lon, row.lat)) for row in found], pa.binary()
        ),
    })  # fmt: skip
    lines = [
        shapely.LineString([
            (row.lon, row.lat) for row in found
            if row.lon is not None and row.quality == 0 and trip.began_at <= row.at <= trip.ended_at
        ] or None)
        for trip in trips
    ] if found else []  # fmt: skip
    driven = pa.table({
        "began_at": pa.array([trip.began_at for trip in trips], stamp),
        "ended_at": pa.array([trip.ended_at for trip in trips], stamp),
        "distance_m": pa.array([trip.distance_m for trip in trips], pa.float64()),
        "top_speed_kmh": pa.array([trip.top_speed for trip in trips], pa.float64()),
        "geom": pa.array([shapely.to_wkb(line) for line in lines] or [None] * len(trips), pa.binary()),
    })  # fmt: skip

    def write(path: str) -> None:
        given = {"driver": "GPKG", "geometry_name": "geom", "crs": "EPSG:4490"}
        pyogrio.write_arrow(points, path, layer="positions", geometry_type="Point", **given)
        pyogrio.write_arrow(driven, path, layer="trips", geometry_type="LineString", append=True, **given)

    return _written(write, "track.gpkg")


def _written(write: Callable[[str], None], name: str) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        write(path)
        handle = open(path, "rb")  # noqa: SIM115 - read on after its name is gone
    return bytes_of(handle)
