"""GeoJSON out of a queryset as text built in the database; geometries from outside come in by ``gis.incoming``."""

import json
from collections.abc import Mapping
from typing import Any

from django.contrib.gis.db.models.functions import Transform
from django.db import connections
from django.db.models import BooleanField, F, Func, QuerySet, TextField
from psycopg.adapt import Loader

from gis.columns import Column, placed, position, rows
from gis.crs import GEOGRAPHIC_SRIDS
from gis.incoming import parse_geometry, repair_geometry  # noqa: F401 - both directions of one format

DEGREE_DIGITS, METRE_DIGITS = 7, 3
"""Decimals written by default: one centimetre in degrees, one millimetre in metres."""

# How a column becomes JSON text. Escaping costs most, so it is left out where nothing can hold a quote or a backslash,
# and where a look at all of a row's texts at once finds none.
_NUMBER = "CASE WHEN {0} * 0 = 0 THEN {0}::text END"
_JSON = {
    "integer": "{}::text",
    "boolean": "{}::text",
    # Not a number, and infinity: JSON knows neither.
    "float": _NUMBER,
    "decimal": _NUMBER,
    "uuid": "'\"'||{}||'\"'",
    "date": "'\"'||{}||'\"'",
    "datetime": "'\"'||replace(({} AT TIME ZONE 'UTC')::text,' ','T')||'Z\"'",
    "json": "{}::text",
    "text": "CASE WHEN odd THEN to_json({0})::text ELSE '\"'||{0}||'\"' END",
}
_ESCAPED = "to_json({})::text"
_ODD = """({}) COLLATE "C" ~ '["\\\\[:cntrl:]]'"""
"""Whether a text holds what JSON writes differently."""
_ARGUMENTS = 90
"""PostgreSQL takes a hundred arguments to a function."""


def features_text(queryset: QuerySet[Any], **asked: Any) -> str:
    """What ``features_bytes`` returns, as text."""
    return features_bytes(queryset, **asked).decode()


def features_bytes(queryset: QuerySet[Any], **asked: Any) -> bytes:
    """The queryset's rows as GeoJSON Features in UTF-8, comma separated, in its order and slice; one query.

    Parameters
    ----------
    asked
        As ``_compiled`` takes them.

    Returns
    -------
    bytes
        ``{"type":"Feature",…},{…}``, or nothing where there are no rows. Ids are text.
    """
    found = _compiled(queryset, **asked)
    return _ask(queryset.db, *found)[0] or b"" if found else b""


def counted_page(queryset: QuerySet[Any], offset: int, limit: int, most: int, **asked: Any) -> tuple[bytes, int]:
    """A page by primary key as ``features_bytes`` writes it, and the number of rows, which are read once for both.

    Where there are more than ``most`` rows, the number is ``most`` + 1 and the page may be another one.
    """
    keys = rows(queryset.order_by()[: most + 1], [position(), "pk"])
    if keys is None:
        return b"", 0
    # A row is read where it is stored in half of the time that finding its key takes.
    template = "%(expressions)s = ANY(ARRAY(SELECT place FROM chosen))"
    chosen = Func(position(), template=template, output_field=BooleanField())
    found = _compiled(queryset.model._default_manager.filter(chosen).order_by("pk"), **asked)
    assert found is not None
    sql, params = found
    text, number = _ask(
        queryset.db,
        f"WITH hit(place, key) AS MATERIALIZED ({keys.sql}), "
        "chosen AS (SELECT place FROM hit ORDER BY key OFFSET %s LIMIT %s) "
        f"SELECT ({sql}), (SELECT count(*) FROM hit)",
        (*keys.params, offset, limit, *params),
    )
    return text or b"", number


def _compiled(
    queryset: QuerySet[Any],
    *,
    geom: str | None = "geom",
    properties: Mapping[str, Column],
    srid: int = 4326,
    digits: int | None = None,
    flip: bool = False,
) -> tuple[str, tuple[Any, ...]] | None:
    """The query of the features' text; None where the queryset is known to be empty.

    Parameters
    ----------
    geom
        ORM path of the geometry, in EPSG:4490; may lead through relations. None leaves the place out.
    properties
        Property name → ORM path or expression. SQL nulls become JSON nulls, moments UTC with ``Z``.
    srid
        CRS of the coordinates. 4326 and 4490 are treated as equal; 3857 is read from the stored twin.
    digits
        Decimals of the coordinates; by default 7 for degrees and 3 for metres. 15 writes them in full.
    flip
        Whether latitude or northing comes first, as EPSG:4326, 4490 and 45xx demand when named by their EPSG URI.
    """
    carried = list(properties.values())
    place = "null"
    if geom is not None:
        bare, place = _place(queryset, geom, srid, digits, flip)
        carried.append(bare)
    found = rows(queryset, [F("pk"), *carried])
    if found is None:
        return None
    columns = [f"c{n}" for n in range(len(found.kinds))]
    place = place.format(columns[-1])
    texts = [
        (f"{json.dumps(name, ensure_ascii=False)}:".replace("%", "%%"), _JSON.get(kind, _ESCAPED).format(column))
        for name, column, kind in zip(properties, columns[1:], found.kinds[1:], strict=False)
    ]
    key = "c0" if found.kinds[0] in ("integer", "uuid") else "trim('\"' FROM to_json(c0::text)::text)"
    pieces = [f'\'{{"type":"Feature","id":"\'||{key}||\'","properties":{{\'']
    templates = []
    for first in range(0, len(texts), _ARGUMENTS):
        some = texts[first : first + _ARGUMENTS]
        templates.append("," * bool(first) + ",".join(f"{name}%s" for name, _text in some))
        pieces.append("format(%s::text, " + ", ".join(f"coalesce({text},'null')" for _name, text in some) + ")")
    body = "||".join([*pieces, f"'}},\"geometry\":'||coalesce({place},'null')||'}}'"])
    said = [f"coalesce(c{n},'')" for n in range(1, len(properties) + 1) if found.kinds[n] == "text"]
    odd = _ODD.format("||".join(said) or "''")
    # Offset 0: or the look would be taken for every column again.
    page = f"(SELECT *, {odd} AS odd FROM ({found.sql}) AS found({','.join(columns)}) OFFSET 0) AS page"
    return f"SELECT string_agg({body},',') FROM {page}", (*templates, *found.params)


def _place(queryset: QuerySet[Any], geom: str, srid: int, digits: int | None, flip: bool) -> tuple[Any, str]:
    """The geometry's column, and the text of its coordinates, in which ``{}`` stands for the column."""
    if digits is None:
        digits = DEGREE_DIGITS if srid in GEOGRAPHIC_SRIDS else METRE_DIGITS
    shape: Any = placed(queryset, geom, srid)
    text = "{}"
    if isinstance(shape, Transform):
        shape, text = F(geom), f"ST_Transform({{}}, {srid:d})"
    if flip:
        text = f"ST_FlipCoordinates({text})"
    # Django reads a geometry as bytea unless a function surrounds it.
    bare = Func(shape, template="%(expressions)s", output_field=TextField())
    # Outside of the page, since PostgreSQL computes the columns of the rows that an offset skips as well.
    # Options 0: without them PostGIS adds a "crs" member to everything but 4326.
    return bare, f"ST_AsGeoJSON({text}, {digits:d}, 0)"


def _ask(using: str, sql: str, params: tuple[Any, ...]) -> Any:
    with connections[using].cursor() as cursor:
        cursor.adapters.register_loader("text", _Bytes)
        cursor.execute(sql, params)
        return cursor.fetchone()


class _Bytes(Loader):
    """Text as the database sends it: a large page is not decoded only to be encoded again."""

    def load(self, data: Any) -> bytes:
        return bytes(data)
