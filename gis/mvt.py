"""Mapbox vector tiles out of a queryset, in one query."""

from collections.abc import Mapping
from typing import Any

from django.contrib.gis.db.models import PointField
from django.contrib.gis.geos import Polygon
from django.db import connections
from django.db.models import BinaryField, F, Func, QuerySet, Value
from django.utils.translation import gettext as _

from gis.columns import Column, geometry_field, placed, rows
from gis.errors import TileOutOfRange
from gis.fields import WEB_SRID, WEB_SUFFIX

EXTENT = 4096
BUFFER = 64
"""Units of the extent drawn beyond each edge; where points are clustered, one whole cell is."""
MAX_ZOOM = 22
CELLS = 16
"""Cluster cells along an edge of a tile."""
SIMPLIFIED_BELOW = 12
TOLERANCE = 4
"""Units of the extent: half a pixel of a 512-pixel tile."""

_WORLD = 20037508.342789244
"""Half the side of the Web Mercator square, in metres."""

# A tile holds only text, numbers and truth; a JSON column would be taken apart into properties of its own.
_VALUES = {
    "integer": "{}",
    "boolean": "{}",
    "float": "{}",
    "text": "{}",
    "decimal": "{}::float8",
    "datetime": "trim('\"' FROM to_json({} AT TIME ZONE 'UTC')::text)||'Z'",
}


def tile_bounds(z: int, x: int, y: int) -> tuple[float, float, float, float]:
    """West, south, east, north of a WebMercatorQuad tile, in EPSG:3857 metres.

    Raises
    ------
    TileOutOfRange
        No such tile; the message states the range.
    """
    if not 0 <= z <= MAX_ZOOM:
        raise TileOutOfRange(_("缩放级别必须在 0 到 %(most)d 之间。") % {"most": MAX_ZOOM}, "zoom")
    side = 1 << z
    if not (0 <= x < side and 0 <= y < side):
        raise TileOutOfRange(_("第 %(z)d 级的行列号必须在 0 到 %(most)d 之间。") % {"z": z, "most": side - 1}, "tile")
    size = 2 * _WORLD / side
    west, north = x * size - _WORLD, _WORLD - y * size
    return west, north - size, west + size, north


def tile(
    queryset: QuerySet[Any],
    z: int,
    x: int,
    y: int,
    *,
    name: str,
    properties: Mapping[str, Column],
    geom: str = "geom",
    clusters: bool = False,
    limit: int = 50_000,
) -> bytes:
    """The queryset's rows in one tile, as an MVT layer; empty bytes where there is nothing.

    Parameters
    ----------
    name
        Name of the layer inside the tile.
    properties
        Property name → ORM path or expression. The primary key is always there as ``id``, text. Moments are UTC text,
        SQL nulls are left out.
    geom
        ORM path of the geometry; may lead through relations.
    clusters
        Points only: those in one of 16×16 cells become one, at their mean place, with ``point_count``, and with the
        properties of one of them; a point alone in its cell stays itself.
    limit
        Most rows drawn without clusters; which ones is left to the database.
    """
    west, south, east, north = tile_bounds(z, x, y)
    unit = (east - west) / EXTENT
    buffer = EXTENT // CELLS if clusters else BUFFER
    margin = buffer * unit
    window = Polygon.from_bbox((west - margin, south - margin, east + margin, north + margin))
    window.srid = WEB_SRID
    place = placed(queryset, geom, WEB_SRID)
    found = queryset.order_by()
    path = geom + WEB_SUFFIX
    if not isinstance(place, F):
        path = "web_place"
        found, place = found.annotate(web_place=place), F(path)
    found = found.filter(**{f"{path}__bboverlaps": window})
    shape: Any = place
    if clusters:
        shape = Func(place, template="(%(expressions)s)::geometry", output_field=BinaryField())
    else:
        found = found[:limit]
        if z < SIMPLIFIED_BELOW and not isinstance(geometry_field(queryset, geom), PointField):
            # Polygons smaller than the tolerance collapse and drop out.
            shape = Func(place, Value(TOLERANCE * unit), function="ST_Simplify", output_field=BinaryField())
        shape = Func(
            shape,
            Func(Value(z), Value(x), Value(y), function="ST_TileEnvelope", output_field=BinaryField()),
            Value(EXTENT),
            Value(BUFFER),
            Value(True),
            function="ST_AsMVTGeom",
            output_field=BinaryField(),
        )
    page = rows(found, [F("pk"), shape, *properties.values()])
    if page is None:
        return b""
    columns = [f"c{n}" for n in range(len(page.kinds))]
    values = [_VALUES.get(kind, "{}::text").format(c) for c, kind in zip(columns[2:], page.kinds[2:], strict=True)]
    named = {"id": "c0::text"} | {key: value for key, value in zip(properties, values, strict=True) if key != "id"}
    params: tuple[Any, ...] = (name, EXTENT)
    if clusters:
        # Cells start at the tile's corner, so neighbouring tiles agree on the cell in the margin between them.
        inside = _CLUSTERED.format(
            page=f"({page.sql}) AS page({', '.join(columns)})",
            values=", ".join(f"(array_agg({value}))[1] AS {_quoted(key)}" for key, value in named.items()),
        )
        cell = (east - west) / CELLS
        params += (z, x, y, EXTENT, buffer, *page.params, west, cell, south, cell)
    else:
        inside = "SELECT c1 AS _shape, {} FROM ({}) AS page({})".format(
            ", ".join(f"{value} AS {_quoted(key)}" for key, value in named.items()), page.sql, ", ".join(columns)
        )
        params += page.params
    with connections[queryset.db].cursor() as cursor:
        cursor.execute(f"SELECT ST_AsMVT(tile, %s, %s, '_shape') FROM ({inside}) AS tile", params)
        return bytes(cursor.fetchone()[0])


_CLUSTERED = """
SELECT ST_AsMVTGeom(
    ST_SetSRID(ST_MakePoint(avg(ST_X(c1)), avg(ST_Y(c1))), 3857), ST_TileEnvelope(%s, %s, %s), %s, %s, true
) AS _shape, nullif(count(*), 1) AS point_count, {values}
FROM {page}
GROUP BY floor((ST_X(c1) - %s) / %s), floor((ST_Y(c1) - %s) / %s)
"""


def _quoted(name: str) -> str:
    """An SQL identifier, safe beside placeholders."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'
