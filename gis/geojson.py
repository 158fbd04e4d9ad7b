"""GeoJSON out of a queryset as text built in the database; geometries from outside come in by ``gis.incoming``."""

import json
from collections.abc import Mapping
from typing import Any

from django.contrib.gis.db.models.functions import Transform
from django.db import connections
from django.db.models import F, Func, QuerySet, TextField
from psycopg.adapt import Loader

from gis.columns import Column, placed, rows
from gis.crs import GEOGRAPHIC_SRIDS
from gis.incoming import parse_geometry, repair_geometry  # noqa: F401 - both directions of one format

DEGREE_DIGITS, METRE_DIGITS = 7, 3
"""Decimals written by default: one centimetre in degrees, one millimetre in metres."""

# How a column becomes JSON text. What cannot hold a quote or a backslash needs no escaping, which is the cheaper half.
_JSON = {
    "integer": "{}::text",
    "boolean": "{}::text",
    "uuid": "'\"'||{}||'\"'",
    "date": "'\"'||{}||'\"'",
    "datetime": "left(to_json({} AT TIME ZONE 'UTC')::text,-1)||'Z\"'",
    "json": "{}::text",
}
_ESCAPED = "to_json({})::text"


def features_text(queryset: QuerySet[Any], **asked: Any) -> str:
    """What ``features_bytes`` returns, as text."""
    return features_bytes(queryset, **asked).decode()


def features_bytes(
    queryset: QuerySet[Any],
    *,
    geom: str = "geom",
    properties: Mapping[str, Column],
    srid: int = 4326,
    digits: int | None = None,
    flip: bool = False,
) -> bytes:
    """The queryset's rows as GeoJSON Features in UTF-8, comma separated, in its order and slice; one query.

    Parameters
    ----------
    geom
        ORM path of the geometry, in EPSG:4490; may lead through relations.
    properties
        Property name → ORM path or expression. SQL nulls become JSON nulls, moments UTC with ``Z``.
    srid
        CRS of the coordinates. 4326 and 4490 are treated as equal; 3857 is read from the stored twin.
    digits
        Decimals of the coordinates; by default 7 for degrees and 3 for metres. 15 writes them in full.
    flip
        Whether latitude or northing comes first, as EPSG:4326, 4490 and 45xx demand when named by their EPSG URI.

    Returns
    -------
    bytes
        ``{"type":"Feature",…},{…}``, or nothing where there are no rows. Ids are text.
    """
    if digits is None:
        digits = DEGREE_DIGITS if srid in GEOGRAPHIC_SRIDS else METRE_DIGITS
    shape: Any = placed(queryset, geom, srid)
    place = "c1"
    if isinstance(shape, Transform):
        shape, place = F(geom), f"ST_Transform({place}, {srid:d})"
    if flip:
        place = f"ST_FlipCoordinates({place})"
    # Outside of the page, since PostgreSQL computes the columns of the rows that an offset skips as well.
    # Options 0: without them PostGIS adds a "crs" member to everything but 4326.
    place = f"ST_AsGeoJSON({place}, {digits:d}, 0)"
    # Django reads a geometry as bytea unless a function surrounds it.
    bare = Func(shape, template="%(expressions)s", output_field=TextField())
    found = rows(queryset, [F("pk"), bare, *properties.values()])
    if found is None:
        return b""
    columns = [f"c{n}" for n in range(len(found.kinds))]
    pieces: list[str] = []
    literals: list[str] = []
    for name, column, kind in zip(properties, columns[2:], found.kinds[2:], strict=True):
        pieces.append("%s::text||coalesce(" + _JSON.get(kind, _ESCAPED).format(column) + ",'null')")
        literals.append(f"{',' if literals else ''}{json.dumps(name, ensure_ascii=False)}:")
    key = "'\"'||c0||'\"'" if found.kinds[0] in ("integer", "uuid") else "to_json(c0::text)::text"
    body = "||".join([f"""'{{"type":"Feature","id":'||{key}||',"properties":{{'""", *pieces, """'},"geometry":'"""])
    body += f"||coalesce({place},'null')||'}}'"
    page = f"({found.sql}) AS page({','.join(columns)})"
    with connections[queryset.db].cursor() as cursor:
        cursor.adapters.register_loader("text", _Bytes)
        cursor.execute(f"SELECT string_agg({body},',') FROM {page}", (*literals, *found.params))
        return cursor.fetchone()[0] or b""


class _Bytes(Loader):
    """Text as the database sends it: a large page is not decoded only to be encoded again."""

    def load(self, data: Any) -> bytes:
        return bytes(data)
