"""What a geometry must be before it is stored, and the explicit repair of one that is not."""

import re
from dataclasses import dataclass

import numpy as np
import pyproj
import shapely
from django.contrib.gis.geos import GEOSGeometry
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from shapely.geometry.base import BaseGeometry

from gis.errors import GeometryError, GeometryTooLarge, Place
from gis.fields import STORAGE_SRID

MAX_VERTICES = 50_000
MAX_BYTES = 5 * 1024 * 1024

_REASON = re.compile(r"(?P<reason>[^\[]*)(?:\[(?P<x>\S+) (?P<y>\S+)\])?")
_REASONS = {
    "Self-intersection": gettext_lazy("边界自相交"),
    "Ring Self-intersection": gettext_lazy("同一个环自相交"),
    "Hole lies outside shell": gettext_lazy("洞在外环之外"),
    "Holes are nested": gettext_lazy("洞中有洞"),
    "Nested shells": gettext_lazy("多边形互相包含"),
    "Duplicate Rings": gettext_lazy("环重复"),
    "Interior is disconnected": gettext_lazy("内部不连通"),
    "Too few points in geometry component": gettext_lazy("不同的点太少"),
}
_KINDS = {
    "POINT": gettext_lazy("点"),
    "LINESTRING": gettext_lazy("线"),
    "POLYGON": gettext_lazy("面"),
    "MULTIPOINT": gettext_lazy("多点"),
    "MULTILINESTRING": gettext_lazy("多线"),
    "MULTIPOLYGON": gettext_lazy("多面"),
    "GEOMETRYCOLLECTION": gettext_lazy("几何集合"),
}
_ELLIPSOID = pyproj.Geod(ellps="GRS80")


@dataclass(frozen=True, slots=True)
class Repair:
    """A repaired geometry and what the repair did to its area, in square metres on the ellipsoid."""

    geometry: GEOSGeometry
    area_before: float
    area_after: float


def stored(shape: BaseGeometry, kind: str = "GEOMETRY") -> GEOSGeometry:
    """The shapely geometry (EPSG:4490 degrees) checked and ready for a geometry field; heights are dropped.

    Parameters
    ----------
    kind
        The field's ``geom_type``; a single part is promoted to a multi field.

    Raises
    ------
    GeometryError, GeometryTooLarge
        See ``without_flaws``; or the geometry is of another kind than the field.
    """
    shape = of_kind(shapely.force_2d(without_flaws(shape)), kind)
    # A memoryview is read as WKB and as nothing else: a string could be taken for a file or a raster.
    geometry = GEOSGeometry(memoryview(shapely.to_wkb(shape)))
    geometry.srid = STORAGE_SRID
    return geometry


def repair(shape: BaseGeometry, kind: str = "GEOMETRY") -> Repair:
    """The geometry made valid, with its area before and after; parts of lower dimension that arise are dropped."""
    _check_ordinates(shape)
    mended = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    return Repair(stored(mended, kind), _area(shape), _area(mended))


def without_flaws(shape: BaseGeometry) -> BaseGeometry:
    """The geometry itself, if it is finite, in range, not empty, not too large, not nested and valid.

    Raises
    ------
    GeometryTooLarge
        More than ``MAX_VERTICES`` vertices.
    GeometryError
        Any other flaw, with its place where it has one.
    """
    _check_ordinates(shape)
    parts = shapely.get_parts(shape)
    if shape.geom_type == "GeometryCollection" and any(hasattr(part, "geoms") for part in parts):
        raise GeometryError(_("几何集合不能再包含集合或多部件图形。请拆分后提交。"), "nested")
    if any(part.is_empty for part in parts):
        raise GeometryError(_("图形中有空的部分。请删除空部分后提交。"), "empty")
    if not shape.is_valid:
        reason, place = _invalid(shape)
        raise GeometryError(
            _("图形无效：%(reason)s，位置 %(place)s。请修正，或选择自动修复。")
            % {"reason": reason, "place": place or "—"},
            "invalid-geometry",
            place,
        )
    return shape


def of_kind(shape: BaseGeometry, kind: str) -> BaseGeometry:
    """The geometry as a field of this ``geom_type`` takes it: parts promoted to multi, else an error."""
    found = shape.geom_type.upper()
    if kind in (found, "GEOMETRY"):
        return shape
    if kind == f"MULTI{found}":
        return getattr(shapely, f"multi{found.lower()}s")([shape])
    if found == f"MULTI{kind}" and len(shape.geoms) == 1:
        return shape.geoms[0]
    raise GeometryError(
        _("这里需要%(wanted)s，收到的是%(found)s。") % {"wanted": _KINDS[kind], "found": _KINDS.get(found, found)},
        "wrong-kind",
    )


def _check_ordinates(shape: BaseGeometry) -> None:
    if shape.is_empty:
        raise GeometryError(_("图形为空。请至少给出一个位置。"), "empty")
    places = shapely.get_coordinates(shape)
    if len(places) > MAX_VERTICES:
        raise too_many_vertices()
    if not np.isfinite(places).all():
        raise GeometryError(_("坐标必须是有限的数，不能是 NaN 或无穷大。"), "not-finite")
    outside = (np.abs(places) > (180, 90)).any(axis=1)
    if outside.any():
        x, y = (float(v) for v in places[outside][0])
        raise out_of_range(x, y)


def too_many_vertices() -> GeometryTooLarge:
    """The refusal of a geometry with too many vertices."""
    return GeometryTooLarge(
        _("图形的顶点超过 %(limit)d 个。请简化或拆分后提交。") % {"limit": MAX_VERTICES}, "too-many-vertices"
    )


def out_of_range(x: float, y: float) -> GeometryError:
    """The refusal of a position that is not longitude and latitude."""
    hint = _("经度和纬度可能写反了。") if abs(x) <= 90 < abs(y) <= 180 else _("请检查坐标系。")
    return GeometryError(
        _("位置 (%(x)s, %(y)s) 超出经度 ±180°、纬度 ±90° 的范围。") % {"x": x, "y": y} + hint, "out-of-range", (x, y)
    )


def _invalid(shape: BaseGeometry) -> tuple[str, Place | None]:
    """The reason and the place, as GEOS (and so ST_IsValidReason) states them."""
    text = shapely.is_valid_reason(shape)
    match = _REASON.fullmatch(text)
    if match is None:
        return text, None
    reason = match["reason"].strip()
    place = None if match["x"] is None else (float(match["x"]), float(match["y"]))
    return str(_REASONS.get(reason, reason)), place


def _area(shape: BaseGeometry) -> float:
    return abs(_ELLIPSOID.geometry_area_perimeter(shape)[0])
