"""Writers of tables: rows in, bytes out. Spreadsheet text can never start a formula."""

import csv
import io
import math
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import batched
from typing import Any

import orjson
import shapely
from django.db.models import Func, IntegerField, Max, QuerySet
from shapely.geometry.base import BaseGeometry

from services.catalog.describe import Described
from services.catalog.layer import Layer
from services.export.columns import BATCH, Row, headings, place_headings

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula."""
CELL = 32_000
"""Characters put into one Excel cell, which holds 32,767: longer WKT goes on in the next column."""
POSITION = 44
"""Characters a position takes in WKT at most, with its share of brackets."""
CHUNK = 256 * 1024
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""Characters that XML 1.0, and so a workbook, cannot hold."""


@dataclass(frozen=True)
class Table:
    """What a writer needs: the layer, its columns, the CRS, and the rows."""

    layer: Layer
    fields: tuple[Described, ...]
    srid: int
    features: QuerySet[Any]
    rows: Iterator[Row]


def csv_text(table: Table) -> Iterator[bytes]:
    """RFC 4180 with a byte order mark, which Excel needs to read UTF-8; ``'`` before what looks like a formula."""
    return _csv_lines(table, [*headings(table.fields), *place_headings(table.layer, table.srid)])


def _csv_lines(table: Table, first: list[str]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(first)
    yield b"\xef\xbb\xbf"
    for batch in batched(table.rows, BATCH):
        writer.writerows([*map(cell_text, row.values), *_place(table.layer, row.geom)] for row in batch)
        yield _taken(buffer)
    yield _taken(buffer)


def xlsx(table: Table) -> Iterator[bytes]:
    """An Excel workbook of one sheet with typed cells."""
    # openpyxl costs a tenth of a second and 10 MB: only who writes a workbook pays.
    from openpyxl import Workbook

    texts = 1
    if table.layer.geometry_type != "point":
        vertices = Func(table.layer.geom, function="ST_NPoints", output_field=IntegerField())
        most = table.features.aggregate(most=Max(vertices))["most"] or 0
        texts = max(1, math.ceil(most * POSITION / CELL))
    book = Workbook(write_only=True)
    sheet = book.create_sheet(_sheet_title(table.layer.title))
    sheet.freeze_panes = "A2"
    sheet.append([*headings(table.fields), *place_headings(table.layer, table.srid, texts)])
    for row in table.rows:
        place = _place(table.layer, row.geom)
        if texts > 1 and place[0]:
            place = [place[0][start : start + CELL] for start in range(0, len(place[0]), CELL)]
        sheet.append([safe_cell(sheet, value) for value in (*row.values, *place)])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "table.xlsx")
        book.save(path)
        handle = open(path, "rb")  # noqa: SIM115 - read on after its name is gone
    return bytes_of(handle)


def geojson(table: Table) -> Iterator[bytes]:
    """A GeoJSON FeatureCollection (RFC 7946)."""
    names = [field.name for field in table.fields]
    title = orjson.dumps(table.layer.title).decode()
    return _geojson_parts(table, names, title)


def _geojson_parts(table: Table, names: list[str], title: str) -> Iterator[bytes]:
    yield f'{{"type":"FeatureCollection","name":{title},"features":['.encode()
    comma = ""
    for batch in batched(table.rows, BATCH):
        text = []
        for row in batch:
            values = (float(v) if isinstance(v, Decimal) else v for v in row.values)
            properties = orjson.dumps(dict(zip(names, values, strict=True))).decode()
            place = "null" if row.geom is None else shapely.to_geojson(row.geom)
            text.append(f'{comma}{{"type":"Feature","properties":{properties},"geometry":{place}}}')
            comma = ",\n"
        yield "".join(text).encode()
    yield b"]}"


def _place(layer: Layer, geom: BaseGeometry | None) -> list[Any]:
    """The cells of a place: two ordinates for points, else WKT in full precision."""
    if layer.geometry_type == "point":
        return ["", ""] if geom is None or geom.is_empty else [geom.x, geom.y]
    return ["" if geom is None else shapely.to_wkt(geom, rounding_precision=-1)]


def cell_text(value: Any) -> Any:
    """A value as a CSV cell."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return "'" + value
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return "" if value is None else value


def safe_cell(sheet: Any, value: Any) -> Any:
    """A value as an Excel cell; text stays text, whatever it starts with."""
    if not isinstance(value, str):
        return value
    text = _CONTROL.sub("", value)
    if not text.startswith(FORMULA):
        return text
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    return cell


def _sheet_title(title: str) -> str:
    return "".join("_" if c in "\\/*?:[]" else c for c in title)[:31] or "1"


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def bytes_of(handle: Any) -> Iterator[bytes]:
    with handle:
        while chunk := handle.read(CHUNK):
            yield chunk
