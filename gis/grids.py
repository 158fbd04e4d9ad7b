"""Hexagon grids in metres: cells of an area, the cell of a point, and rows counted by cell."""

from typing import Any

from django.contrib.gis.db.models.functions import Centroid, Transform
from django.contrib.gis.geos import GEOSGeometry, Polygon
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import Count, Func, IntegerField, QuerySet, Value
from django.utils.translation import gettext as _

from gis.bounds import Box
from gis.crs import gauss_kruger_3
from gis.errors import BoundsError
from gis.fields import STORAGE_SRID

MAX_CELLS = 200_000


def grid_srid(west: float, east: float) -> int:
    """The metric CRS of a grid between two longitudes: the 3° zone around their middle (Web Mercator is stretched)."""
    return gauss_kruger_3((west + east) / 2)


def hex_cells(extent: GEOSGeometry, edge_m: float) -> tuple[str, tuple[Any, ...]]:
    """SQL and parameters of the hexagons that touch an area (EPSG:4490), to be joined or inserted from.

    Columns: ``i``, ``j`` (cell numbers, as ``hex_cell`` gives them) and ``geom`` (EPSG:4490).

    Raises
    ------
    BoundsError
        The area would hold more than 200,000 cells.
    """
    west, south, east, north = extent.extent
    srid = _checked((west, south, east, north), edge_m)
    sql = (
        "SELECT grid.i, grid.j, ST_Transform(grid.geom, %s) AS geom"
        " FROM (SELECT ST_Transform(ST_GeomFromEWKB(%s), %s) AS geom) AS area,"
        " LATERAL ST_HexagonGrid(%s, area.geom) AS grid WHERE ST_Intersects(grid.geom, area.geom)"
    )
    return sql, (STORAGE_SRID, bytes(extent.ewkb), srid, float(edge_m))


def hex_cell(geom: str, edge_m: float, srid: int) -> Func:
    """An expression: the cell ``[i, j]`` of the geometry at an ORM path, other shapes by their centroid."""
    return Func(
        Centroid(Transform(geom, srid)),
        Value(float(edge_m)),
        function="hex_cell",
        output_field=ArrayField(IntegerField()),
    )


def hex_counts(queryset: QuerySet[Any], *, geom: str = "geom", edge_m: float, bounds: Box) -> str:
    """GeoJSON Features, comma separated: the cells within bounds that hold rows, each with its ``count``; one query.

    Parameters
    ----------
    edge_m
        Edge of a hexagon, metres.
    bounds
        West, south, east, north in degrees; cells at its border count only what lies inside.

    Raises
    ------
    BoundsError
        The bounds would hold more than 200,000 cells.
    """
    srid = _checked(bounds, edge_m)
    window = Polygon.from_bbox(bounds)
    window.srid = STORAGE_SRID
    cells = (
        queryset.order_by()
        .filter(**{f"{geom}__bboverlaps": window})
        .annotate(hexagon=hex_cell(geom, edge_m, srid))
        .values("hexagon")
        .annotate(rows=Count("pk", distinct=True))
        .values_list("hexagon", "rows")
    )
    try:
        sql, params = cells.query.get_compiler(queryset.db).as_sql()
    except EmptyResultSet:
        return ""
    outer = (
        """SELECT string_agg('{"type":"Feature","id":"'||cell[1]||':'||cell[2]||'","properties":{"count":'||n||"""
        """'},"geometry":'||ST_AsGeoJSON(ST_Transform(ST_SetSRID(ST_Hexagon(%s, cell[1], cell[2]), %s), %s), 7, 0)"""
        f"""||'}}', ',' ORDER BY cell) FROM ({sql}) AS counted(cell, n)"""
    )
    with connections[queryset.db].cursor() as cursor:
        cursor.execute(outer, (float(edge_m), srid, STORAGE_SRID, *params))
        return cursor.fetchone()[0] or ""


def _checked(bounds: Box, edge_m: float) -> int:
    """The grid's CRS, once edge and bounds are seen to make a bearable number of cells."""
    if not edge_m > 0:
        raise BoundsError(_("六边形边长必须大于 0 米。"), "edge")
    west, south, east, north = bounds
    srid = grid_srid(west, east)
    area = (east - west) * (north - south) * 111_320**2
    if area / (2.598 * edge_m**2) > MAX_CELLS:
        raise BoundsError(
            _("格网过密：超过 %(limit)d 格。请加大边长或缩小范围。") % {"limit": MAX_CELLS}, "too-many-cells"
        )
    return srid
