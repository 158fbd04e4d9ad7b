"""GeoJSON geometries from strangers: read to the depth their type has, checked, never passed on as text."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import shapely
from django.contrib.gis.geos import GEOSGeometry
from django.utils.translation import gettext as _
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from gis.crs import transform_geometry
from gis.errors import GeometryError, GeometryTooLarge
from gis.fields import STORAGE_SRID
from gis.validity import MAX_BYTES, MAX_VERTICES, Repair, repair, stored, too_many_vertices

GEOMETRY_TYPES = (
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection",
)  # fmt: skip

type Positions = NDArray[np.float64]


def parse_geometry(
    source: Mapping[str, Any] | str | bytes, *, kind: str = "GEOMETRY", srid: int = STORAGE_SRID, flip: bool = False
) -> GEOSGeometry:
    """A GeoJSON geometry from outside, checked, in EPSG:4490.

    Parameters
    ----------
    source
        A GeoJSON geometry object, decoded or as text. Nothing else is ever tried: no WKT, no hex, no raster.
    kind
        The ``geom_type`` of the field that it is for; a single part is promoted to a multi field.
    srid, flip
        CRS of the coordinates, and whether latitude or northing comes first.

    Raises
    ------
    GeometryTooLarge
        Over 5 MB of text or 50,000 vertices.
    GeometryError
        Anything else that is wrong, with a reason and, where it has one, a place.
    """
    return stored(_shape(source, srid, flip), kind)


def repair_geometry(
    source: Mapping[str, Any] | str | bytes, *, kind: str = "GEOMETRY", srid: int = STORAGE_SRID, flip: bool = False
) -> Repair:
    """Like ``parse_geometry``, for a user who chose to have an invalid geometry made valid; rings are closed."""
    return repair(_shape(source, srid, flip, close=True), kind)


def read_geometry(source: Any) -> BaseGeometry:
    """The shapely geometry of a decoded GeoJSON geometry as it stands, in its own CRS; heights are dropped.

    Only its structure is checked; ``gis.validity.stored`` does the rest.
    """
    return _Reader(heights=True).geometry(source)


def _shape(source: Any, srid: int, flip: bool, close: bool = False) -> BaseGeometry:
    if isinstance(source, str | bytes):
        if len(source) > MAX_BYTES:
            raise GeometryTooLarge(
                _("图形超过 %(limit)d MB。请简化或拆分后提交。") % {"limit": MAX_BYTES >> 20}, "too-large"
            )
        try:
            source = orjson.loads(source)
        except orjson.JSONDecodeError as error:
            raise GeometryError(
                _("不是有效的 JSON：第 %(line)d 行第 %(column)d 列有误。")
                % {"line": error.lineno, "column": error.colno},
                "json",
            ) from error
    shape = _Reader(close=close).geometry(source)
    if flip:
        shape = shapely.transform(shape, lambda places: places[:, ::-1])
    return transform_geometry(shape, srid)


class _Reader:
    """Builds shapely geometries from decoded GeoJSON, to the depth its type has and no deeper."""

    def __init__(self, *, close: bool = False, heights: bool = False) -> None:
        self.close = close
        self.most = 3 if heights else 2
        self.vertices = 0

    def geometry(self, source: Any, nested: bool = False) -> BaseGeometry:
        kind = source.get("type") if isinstance(source, Mapping) else None
        if kind == "GeometryCollection":
            if nested:
                raise GeometryError(_("几何集合不能嵌套。请拆分后提交。"), "nested")
            members = self.items(source.get("geometries"))
            return shapely.GeometryCollection([self.geometry(member, nested=True) for member in members])
        if not isinstance(kind, str) or kind not in GEOMETRY_TYPES:
            raise GeometryError(_("“type”必须是下列之一：%(kinds)s。") % {"kinds": ", ".join(GEOMETRY_TYPES)}, "type")
        values = source.get("coordinates")
        match kind:
            case "Point":
                return shapely.Point(self.line([values], 1)[0])
            case "MultiPoint":
                return shapely.MultiPoint(self.line(values, 1))
            case "LineString":
                return shapely.LineString(self.line(values, 2))
            case "MultiLineString":
                return shapely.MultiLineString([self.line(line, 2) for line in self.items(values)])
            case "Polygon":
                return self.polygon(values)
        return shapely.MultiPolygon([self.polygon(part) for part in self.items(values)])

    def polygon(self, values: Any) -> shapely.Polygon:
        shell, *holes = (self.ring(ring) for ring in self.items(values))
        return shapely.Polygon(shell, holes)

    def ring(self, values: Any) -> Positions:
        ring = self.line(values, 3 if self.close else 4)
        if (ring[0] != ring[-1]).any():
            if not self.close:
                x, y = (float(v) for v in ring[-1])
                raise GeometryError(_("面的环没有闭合：最后一个点必须与第一个点相同。"), "unclosed-ring", (x, y))
            ring = np.vstack((ring, ring[:1]))
        return ring

    def line(self, values: Any, least: int) -> Positions:
        """Positions, shape (n, 2), of at least so many."""
        self.vertices += len(self.items(values))
        if self.vertices > MAX_VERTICES:
            raise too_many_vertices()
        if len(values) < least:
            raise GeometryError(_("点太少：至少需要 %(least)d 个。") % {"least": least}, "too-few-points")
        return np.array([self.position(value) for value in values])

    def position(self, value: Any) -> tuple[float, float]:
        if not isinstance(value, list | tuple) or any(
            isinstance(v, bool) or not isinstance(v, int | float) for v in value
        ):
            raise GeometryError(_("位置必须写成 [经度, 纬度]，两个都是数。"), "position")
        if not 2 <= len(value) <= self.most:
            raise GeometryError(
                _("位置必须恰好有两个数（经度、纬度），收到 %(count)d 个。请去掉高程和测量值。")
                % {"count": len(value)},
                "dimension",
            )
        try:
            x, y = float(value[0]), float(value[1])
        except OverflowError:
            x = y = np.inf
        if not (np.isfinite(x) and np.isfinite(y)):
            raise GeometryError(_("坐标必须是有限的数，不能是 NaN 或无穷大。"), "not-finite")
        return x, y

    def items(self, values: Any) -> list[Any] | tuple[Any, ...]:
        if not isinstance(values, list | tuple):
            raise GeometryError(_("“coordinates”的层次与“type”不符。"), "structure")
        if not values:
            raise GeometryError(_("图形为空。请至少给出一个位置。"), "empty")
        return values
