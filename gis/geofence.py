"""Fences and distances on the ellipsoid, with the spatial index in front."""

import math
from typing import Any

import shapely
from django.contrib.gis.db.models import GeometryField
from django.contrib.gis.geos import GEOSGeometry, Point, Polygon
from django.db.models import BinaryField, BooleanField, F, FloatField, Func, QuerySet, Value

from gis.columns import placed
from gis.crs import transform_geometry
from gis.fields import STORAGE_SRID, WEB_SRID

_METRES_PER_DEGREE = 110_574
"""Along a meridian, where it is shortest."""


def inside(fences: QuerySet[Any], point: GEOSGeometry, *, geom: str = "geom") -> QuerySet[Any]:
    """The fences that hold the point (EPSG:4490); a point on the border is inside."""
    return fences.filter(**{f"{geom}__intersects": point})


def distance_m(geom: str, place: GEOSGeometry) -> Func:
    """An expression: metres on the ellipsoid between the geometry at an ORM path and a place (EPSG:4490)."""
    return Func(_globe(F(geom)), _globe(place), function="ST_Distance", output_field=FloatField())


def within_m(queryset: QuerySet[Any], place: GEOSGeometry, metres: float, *, geom: str = "geom") -> QuerySet[Any]:
    """The rows at most so many metres from a place (EPSG:4490), measured on the ellipsoid."""
    near = Func(
        _globe(F(geom)), _globe(place), Value(float(metres)), function="ST_DWithin", output_field=BooleanField()
    )
    window = _window(place, metres)
    return (queryset if window is None else queryset.filter(**{f"{geom}__bboverlaps": window})).filter(near)


def nearest(queryset: QuerySet[Any], point: Point, n: int, *, geom: str = "geom") -> QuerySet[Any]:
    """The n rows nearest to a point (EPSG:4490), nearest first, each with ``distance_m``.

    Ordered by the index on the Web Mercator twin: it is conformal, so around a point its order is the true one;
    degrees are not, they are shorter eastwards than northwards.
    """
    there = transform_geometry(shapely.Point(point.x, point.y), STORAGE_SRID, WEB_SRID)
    knn = Func(
        placed(queryset, geom, WEB_SRID),
        Value(Point(there.x, there.y, srid=WEB_SRID), output_field=GeometryField(srid=WEB_SRID)),
        template="(%(expressions)s)",
        arg_joiner=" <-> ",
        output_field=FloatField(),
    )
    return queryset.filter(**{f"{geom}__isnull": False}).annotate(distance_m=distance_m(geom, point)).order_by(knn)[:n]


def _globe(place: F | GEOSGeometry) -> Func:
    """As a geography: two of EPSG:4490 may be compared, one of 4490 with one of 4326 may not."""
    value = place if isinstance(place, F) else Value(place, output_field=GeometryField(srid=STORAGE_SRID))
    return Func(value, template="(%(expressions)s)::geography", output_field=BinaryField())


def _window(place: GEOSGeometry, metres: float) -> Polygon | None:
    """A box in degrees that holds everything within the distance; ``None`` near a pole or the antimeridian."""
    west, south, east, north = place.extent
    up = 1.01 * metres / _METRES_PER_DEGREE
    widest = max(abs(south - up), abs(north + up))
    if widest >= 89:
        return None
    across = up / math.cos(math.radians(widest))
    if west - across < -180 or east + across > 180:
        return None
    window = Polygon.from_bbox((west - across, south - up, east + across, north + up))
    window.srid = STORAGE_SRID
    return window
