"""GeoJSON out of a queryset as text built in the database; geometries from outside come in by ``gis.incoming``."""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from django.contrib.gis.db.models.functions import Transform
from django.db import connections
from django.db.models import BooleanField, F, Func, Model, QuerySet, TextField
from psycopg.adapt import Loader

from gis.columns import Column, placed, position, rows
from gis.crs import GEOGRAPHIC_SRIDS
from gis.incoming import parse_geometry, repair_geometry  # noqa: F401 - both directions of one format

DEGREE_DIGITS, METRE_DIGITS = 7, 3
"""Decimals written by default: one centimetre in degrees, one millimetre in metres."""

_TEXTS = {
    "integer": "{}::text",
    "boolean": "{}::text",
    # Not a number, and infinity: JSON knows neither.
    "float": "CASE WHEN {0} * 0 = 0 THEN {0}::text END",
    "decimal": "CASE WHEN {0} * 0 = 0 THEN {0}::text END",
    "uuid": "{}::text",
    "date": "{}::text",
    "datetime": "replace(({} AT TIME ZONE 'UTC')::text,' ','T')||'Z'",
    "json": "{}::text",
    "text": "{}",
}
"""How a column becomes JSON, without its quotes and where nothing is to be escaped."""
_QUOTED = ("uuid", "date", "datetime", "text")
_NEVER_NULL = ("integer", "boolean", "uuid", "date", "datetime", "text", "json")
"""Kinds whose text is null only where the column is."""
_ESCAPED = "to_json({})::text"
_QUOTES_OF_A_PLACE = 6
"""In the GeoJSON of every geometry but a collection."""
_ARGUMENTS = 90
"""PostgreSQL takes a hundred arguments to a function."""


type Piece = str | tuple[str, str, str]
"""A literal, or SQL with the literals before and after it."""


class Page(NamedTuple):
    """Rows as GeoJSON Features in UTF-8."""

    text: bytes
    """``{"type":"Feature",…},{…}``, or nothing where there are no rows. Ids are text."""
    number: int
    last: Any
    """The primary key of the last row; None where there are no rows."""


NOTHING = Page(b"", 0, None)
type _Statement = tuple[str, tuple[Any, ...]]
_odd: set[type[Model]] = set()
"""Models in whose texts something to escape was found, by process: they are asked for escaped from then on."""


def features_text(queryset: QuerySet[Any], **asked: Any) -> str:
    """The text of ``features_page``."""
    return features_page(queryset, **asked).text.decode()


def features_page(queryset: QuerySet[Any], **asked: Any) -> Page:
    """The queryset's rows in its order and slice. ``asked`` is what ``_compiled`` takes."""
    found = _read(queryset, lambda escaped: _compiled(queryset, escaped, **asked))
    return Page(*found[:3]) if found else NOTHING


def counted_page(queryset: QuerySet[Any], offset: int, limit: int, most: int, **asked: Any) -> tuple[Page, int]:
    """A page by primary key, and the number of rows in all, which are read once for both.

    Where there are more than ``most`` rows, the number is ``most`` + 1 and the page may be another one.
    """
    keys = rows(queryset.order_by()[: most + 1], [position(), "pk"])
    if keys is None:
        return NOTHING, 0
    properties = tuple(asked.pop("properties").items())

    def statement(escaped: bool) -> _Statement:
        model: Any = queryset.model
        sql, params = _chosen(model, queryset.db, escaped, properties, **asked)
        return (
            f"WITH hit(place, key) AS MATERIALIZED ({keys.sql}), "
            "chosen AS (SELECT place FROM hit ORDER BY key OFFSET %s LIMIT %s) "
            f"SELECT page.*, (SELECT count(*) FROM hit) FROM ({sql}) AS page",
            (*keys.params, offset, limit, *params),
        )

    found = _read(queryset, statement)
    return Page(*found[:3]), found[-1]


def _read(queryset: QuerySet[Any], statement: Callable[[bool], _Statement | None]) -> Any:
    """What a statement gives, which begins with text, number, last key and quotes; None where it is none.

    Escaping costs a third, and hardly a text needs it. So the texts are taken as they are, and all are asked for again
    where the page holds a backslash, a control character or more quotes than its own.
    """
    model: Any = queryset.model
    found = _ask(queryset.db, statement(model in _odd))
    if found and not _plain(found[0], found[3]):
        _odd.add(model)
        found = _ask(queryset.db, statement(True))
    return found


def _plain(text: bytes, quotes: int | None) -> bool:
    """Whether nothing in a text of so many quotes is to be escaped; None is one that is escaped."""
    if not text or quotes is None:
        return True
    characters = np.frombuffer(text, np.uint8)
    found = int(np.count_nonzero(characters == ord('"')))
    return found == quotes and b"\\" not in text and bool(characters.min() >= ord(" "))


@lru_cache(maxsize=1024)
def _chosen(
    model: type[Model], using: str, escaped: bool, properties: tuple[tuple[str, Column], ...], **asked: Any
) -> _Statement:
    """The query of the features' text of a page whose rows' places are known; the same for every such page."""
    # A row is read where it is stored in half of the time that finding its key takes.
    template = "%(expressions)s = ANY(ARRAY(SELECT place FROM chosen))"
    chosen = Func(position(), template=template, output_field=BooleanField())
    page = model._default_manager.using(using).filter(chosen).order_by("pk")
    found = _compiled(page, escaped, properties=dict(properties), **asked)
    assert found is not None
    return found


def _compiled(
    queryset: QuerySet[Any],
    escaped: bool,
    *,
    geom: str | None = "geom",
    properties: Mapping[str, Column],
    srid: int = 4326,
    digits: int | None = None,
    flip: bool = False,
) -> _Statement | None:
    """The query of the features' text; None where the queryset is known to be empty.

    It gives text, number and last key, and how many quotes the text has if no value holds any; that is null where the
    values are escaped, or where nothing can be told from it.

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
    named = list(zip(properties, columns[1:], found.kinds[1:], found.required[1:], strict=False))
    kinds = {kind for _name, _column, kind, _required in named}
    escaped = escaped or not kinds.issubset(_TEXTS) or "json" in kinds
    key = "c0" if found.kinds[0] in ("integer", "uuid") else "trim('\"' FROM to_json(c0::text)::text)"
    pieces: list[Piece] = ['{"type":"Feature","id":"', ("", key, ""), '","properties":{']
    for number, (name, column, kind, required) in enumerate(named):
        pieces.append("," * bool(number) + json.dumps(name, ensure_ascii=False) + ":")
        pieces.append(_value(column, kind, required, escaped))
    pieces += ['},"geometry":', ("", f"coalesce({place},'null')", ""), "}"]
    quotes = "null"
    if "text" in kinds and not escaped:
        own = sum(part.count('"') for piece in pieces for part in ((piece,) if isinstance(piece, str) else piece[::2]))
        counts = [f"count(*)*{own}"]
        counts += [f"count({c})*2" for _n, c, kind, required in named if kind in _QUOTED and not required]
        counts += [f"count({columns[-1]})*{_QUOTES_OF_A_PLACE}"] * (geom is not None)
        quotes = "+".join(counts)
    # The last key of an order: there is no max() of uuids, and an aggregate with an order of its own sorts again.
    given = f"coalesce(string_agg({_joined(pieces)},','),''), count(*), (array_agg(c0))[count(*)], {quotes}"
    return f"SELECT {given} FROM ({found.sql}) AS found({','.join(columns)})", found.params


def _value(column: str, kind: str, required: bool, escaped: bool) -> Piece:
    """The JSON of a column as SQL, with the quotes before and after it."""
    if kind not in _TEXTS or (escaped and kind == "text"):
        text, quote = _ESCAPED.format(column), ""
    else:
        text, quote = _TEXTS[kind].format(column), '"' * (kind in _QUOTED)
    if required and kind in _NEVER_NULL:
        return quote, text, quote
    return "", f"coalesce('{quote}'||{text}||'{quote}','null')" if quote else f"coalesce({text},'null')", ""


def _joined(pieces: Iterable[Piece]) -> str:
    """The SQL of a text of these pieces."""
    literal, arguments = "", []
    for piece in pieces:
        before, sql, after = (piece, "", "") if isinstance(piece, str) else piece
        literal += before
        if sql:
            arguments += ["'" + literal.replace("'", "''").replace("%", "%%") + "'", sql]
            literal = after
    arguments.append(f"'{literal}'")
    some = (arguments[first : first + _ARGUMENTS] for first in range(0, len(arguments), _ARGUMENTS))
    return "||".join(f"concat({','.join(each)})" for each in some)


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


def _ask(using: str, statement: _Statement | None) -> Any:
    if statement is None:
        return None
    with connections[using].cursor() as cursor:
        cursor.adapters.register_loader("text", _Bytes)
        cursor.execute(*statement)
        return cursor.fetchone()


class _Bytes(Loader):
    """Text as the database sends it: a large page is not decoded only to be encoded again."""

    def load(self, data: Any) -> bytes:
        return bytes(data)
