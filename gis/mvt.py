"""Mapbox vector tiles out of a queryset, each in one query, which is compiled once for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.gis.db.models import GeometryField, PointField
from django.db import connections
from django.db.models import BinaryField, Expression, F, FloatField, Func, QuerySet, Value
from django.utils.translation import gettext as _

from gis.columns import Column, Rows, geometry_field, placed, rows
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


@dataclass(frozen=True, slots=True)
class Plan:
    """The compiled query of a queryset's tiles: compiling takes several times as long as filling a tile in."""

    sql: str
    params: tuple[Any, ...]
    using: str

    def draw(self, z: int, x: int, y: int) -> bytes:
        """One tile: an MVT layer, or empty bytes where there is nothing."""
        west, south, east, _north = tile_bounds(z, x, y)
        if not self.sql:
            return b""
        size = east - west
        given = {"z": z, "x": x, "y": y, "west": west, "south": south}
        given |= {"cell": size / CELLS, "tolerance": TOLERANCE * size / EXTENT}
        with connections[self.using].cursor() as cursor:
            cursor.execute(self.sql, [given[p.name] if isinstance(p, _Given) else p for p in self.params])
            return bytes(cursor.fetchone()[0])


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
    """The queryset's rows in one tile: see ``plan``, which simplifies below zoom 12."""
    tile_bounds(z, x, y)
    simplified = z < SIMPLIFIED_BELOW
    planned = plan(
        queryset, name=name, properties=properties, geom=geom, clusters=clusters, simplified=simplified, limit=limit
    )
    return planned.draw(z, x, y)


def plan(
    queryset: QuerySet[Any],
    *,
    name: str,
    properties: Mapping[str, Column],
    geom: str = "geom",
    clusters: bool = False,
    simplified: bool = False,
    limit: int = 50_000,
) -> Plan:
    """How to draw any tile of the queryset.

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
    simplified
        Whether lines and areas lose what is smaller than half a pixel.
    limit
        Most rows drawn without clusters; which ones is left to the database.
    """
    place = placed(queryset, geom, WEB_SRID)
    found = queryset.order_by()
    path = geom + WEB_SUFFIX
    if not isinstance(place, F):
        path = "web_place"
        found, place = found.annotate(web_place=place), F(path)
    buffer = EXTENT // CELLS if clusters else BUFFER
    found = found.filter(**{f"{path}__bboverlaps": _envelope(f", margin => {buffer / EXTENT}")})
    shape: Any = place
    if clusters:
        shape = Func(place, template="(%(expressions)s)::geometry", output_field=BinaryField())
    else:
        found = found[:limit]
        if simplified and not isinstance(geometry_field(queryset, geom), PointField):
            # Polygons smaller than the tolerance collapse and drop out.
            shape = Func(place, _Given("tolerance"), function="ST_Simplify", output_field=BinaryField())
        shape = Func(
            shape,
            _envelope(),
            Value(EXTENT),
            Value(BUFFER),
            Value(True),
            function="ST_AsMVTGeom",
            output_field=BinaryField(),
        )
    carried = list(properties.values())
    page = rows(found, [F("pk"), shape, *([] if clusters else carried)])
    if page is None:
        return Plan("", (), queryset.db)
    if not clusters:
        values = _named(properties, page.kinds[2:], first=2)
        inside, params = f"SELECT c1 AS _shape, {values} FROM ({page.sql}) AS page({_columns(page)})", page.params
    else:
        one = rows(queryset.order_by(), [F("pk"), *carried])
        assert one is not None
        inside = _CLUSTERED.format(
            page=page.sql, one=one.sql, columns=_columns(one), values=_named(properties, one.kinds[1:], first=1)
        )
        # Cells start at the tile's corner, so neighbouring tiles agree on the cell in the margin between them.
        before, after = ("z", "x", "y"), ("west", "cell", "south", "cell")
        params = (*map(_Given, before), EXTENT, buffer, *page.params, *map(_Given, after), *one.params)
    return Plan(
        f"SELECT ST_AsMVT(tile, %s, %s, '_shape') FROM ({inside}) AS tile", (name, EXTENT, *params), queryset.db
    )


class _Given(Expression):
    """A number that is known when a tile is drawn: its place among the parameters."""

    def __init__(self, name: str) -> None:
        super().__init__(output_field=FloatField())
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", (self,)


def _envelope(more: str = "") -> Func:
    return Func(
        *map(_Given, ("z", "x", "y")),
        template=f"ST_TileEnvelope(%(expressions)s{more})",
        output_field=GeometryField(srid=WEB_SRID),
    )


# The properties are looked up for one row of each cell: to gather them of all takes longer than the rest of the tile.
_CLUSTERED = """
SELECT _shape, point_count, {values} FROM (
    SELECT ST_AsMVTGeom(
        ST_SetSRID(ST_MakePoint(avg(ST_X(c1)), avg(ST_Y(c1))), 3857), ST_TileEnvelope(%s, %s, %s), %s, %s, true
    ) AS _shape, nullif(count(*), 1) AS point_count, (array_agg(c0))[1] AS one
    FROM ({page}) AS page(c0, c1)
    GROUP BY floor((ST_X(c1) - %s) / %s), floor((ST_Y(c1) - %s) / %s)
) AS cell CROSS JOIN LATERAL (SELECT * FROM ({one}) AS page({columns}) WHERE c0 = cell.one LIMIT 1) AS page
"""


def _columns(page: Rows) -> str:
    return ", ".join(f"c{n}" for n in range(len(page.kinds)))


def _named(properties: Mapping[str, Column], kinds: Sequence[str], first: int) -> str:
    """The select list of the id and of the properties, whose columns are counted from ``first``."""
    values = {"id": "c0::text"} | {
        name: _VALUES.get(kind, "{}::text").format(f"c{first + n}")
        for n, (name, kind) in enumerate(zip(properties, kinds, strict=True))
        if name != "id"
    }
    return ", ".join(f"{value} AS {_quoted(name)}" for name, value in values.items())


def _quoted(name: str) -> str:
    """An SQL identifier, safe beside placeholders."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'
