"""Spatial functions and geometry literals of CQL2, and boxes in any served CRS."""

import math
from collections.abc import Sequence
from typing import Any

import shapely
from django.contrib.gis.db.models import GeometryField
from django.contrib.gis.geos import GEOSGeometry
from django.db.models import BooleanField, F, Func, Value
from django.db.models.expressions import Combinable
from django.utils.translation import gettext as _

from gis.bounds import Box
from gis.crs import GEOGRAPHIC_SRIDS, ServedCRS, transform_geometry
from gis.errors import BoundsError, SpatialError
from gis.fields import STORAGE_SRID
from gis.geojson import parse_geometry
from services.ogc.cql2.read import bad

FUNCTIONS = {
    "s_intersects": "ST_Intersects",
    "s_disjoint": "ST_Disjoint",
    "s_equals": "ST_Equals",
    "s_touches": "ST_Touches",
    "s_crosses": "ST_Crosses",
    "s_within": "ST_Within",
    "s_contains": "ST_Contains",
    "s_overlaps": "ST_Overlaps",
}
COLLECTIONS_TOO = ("s_intersects", "s_disjoint")
"""PostGIS relates a GeometryCollection by these functions only."""


def relate(name: str, args: list[Any], geometry: str, names: tuple[str, ...], crs: ServedCRS) -> Combinable:
    """The condition of a spatial function; one of its operands is the layer's geometry."""
    operands = [_operand(arg, name, geometry, names, crs) for arg in args]
    return Func(*operands, function=FUNCTIONS[name], output_field=BooleanField())


def _operand(node: Any, name: str, geometry: str, names: tuple[str, ...], crs: ServedCRS) -> Combinable:
    if not isinstance(node, dict):
        raise bad(_("空间函数需要图形或几何属性。"))
    if "property" in node:
        if node["property"] not in names:
            raise bad(
                _("“%(name)s”不是几何属性；几何属性：%(allowed)s。")
                % {"name": str(node["property"])[:60], "allowed": names[0]}
            )
        return F(geometry)
    try:
        shape = box(node["bbox"], crs) if "bbox" in node else parse_geometry(node, srid=crs.srid, flip=crs.flip)
    except SpatialError as error:
        raise bad(str(error)) from error
    if shape.geom_type == "GeometryCollection" and name not in COLLECTIONS_TOO:
        raise bad(_("%s 不接受几何集合。") % name.upper())
    return Value(shape, output_field=GeometryField(srid=STORAGE_SRID))


def corners(numbers: Sequence[Any], crs: ServedCRS) -> Box:
    """West, south, east and north of a bounding box of 4 or 6 numbers, in the CRS.

    West is greater than east where it crosses the 180th meridian.

    Raises
    ------
    BoundsError
        Not numbers, out of range, or south above north.
    """
    if len(numbers) not in (4, 6) or any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
        raise BoundsError(_("范围框应为 4 个数（西,南,东,北）或 6 个数。"), "bbox")
    half = len(numbers) // 2
    (west, south), (east, north) = (float(n) for n in numbers[:2]), (float(n) for n in numbers[half : half + 2])
    if crs.flip:
        west, south, east, north = south, west, north, east
    geographic = crs.srid in GEOGRAPHIC_SRIDS
    if not all(map(math.isfinite, (west, south, east, north))) or south > north:
        raise BoundsError(_("范围框无效：必须是有限的数，且南不大于北。"), "bbox")
    if geographic and not (-180 <= west <= 180 and -180 <= east <= 180 and south >= -90 and north <= 90):
        hint = _("经度和纬度可能写反了。") if crs.flip is (abs(south) > 90 or abs(north) > 90) else ""
        raise BoundsError(_("范围框超出经度 ±180°、纬度 ±90°。") + hint, "bbox")
    if west > east and not geographic:
        raise BoundsError(_("范围框无效：西大于东。"), "bbox")
    return west, south, east, north


def box(numbers: Sequence[Any], crs: ServedCRS) -> GEOSGeometry:
    """The area of a bounding box; across the 180th meridian it has two parts. Raises what ``corners`` raises."""
    west, south, east, north = corners(numbers, crs)
    parts = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    shapes = [shapely.box(one, south, other, north) for one, other in parts]
    if crs.srid not in GEOGRAPHIC_SRIDS:
        # Edges that are straight in a projection are curves in degrees.
        longest = max(east - west, north - south) / 16 or 1.0
        shapes = [transform_geometry(shapely.segmentize(shape, longest), crs.srid) for shape in shapes]
    shape = shapes[0] if len(shapes) == 1 else shapely.MultiPolygon(shapes)
    found = GEOSGeometry(memoryview(shapely.to_wkb(shape)))
    found.srid = STORAGE_SRID
    return found
