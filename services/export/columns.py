"""The columns of an exported table: headings, and values as people read them or as machines do.

The import reads files by the same conventions, so that an exported file comes back unchanged.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import batched
from typing import Any

import shapely
from django.contrib.gis.db.models.functions import AsWKB, Transform
from django.db.models import F, Func, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from shapely.geometry.base import BaseGeometry

from gis.crs import GEOGRAPHIC_SRIDS
from gis.fields import STORAGE_SRID
from services.catalog.describe import Described
from services.catalog.layer import Layer

BATCH = 2000
PUBLIC_DEGREES = 0.0001
"""The grid to which coordinates handed to the public are rounded (ten metres)."""

Reader = Callable[[tuple[Any, ...]], Any]


@dataclass(frozen=True)
class Row:
    """One feature on its way out: values in the order of the columns, and its place."""

    values: list[Any]
    geom: BaseGeometry | None


def heading(field: Described) -> str:
    """The heading of a field's column: its label, with the unit in brackets."""
    return in_unit(field.label, field.unit)


def in_unit(label: str, unit: str) -> str:
    """A label with its unit in the brackets of the language; without one where there is none."""
    return _("%(label)s（%(unit)s）") % {"label": label, "unit": unit} if unit else label


def headings(fields: Iterable[Described]) -> list[str]:
    """Headings of a table; a label that two fields share is followed by the field's name."""
    plain = [heading(field) for field in fields]
    return [
        f"{text} ({field.name})" if plain.count(text) > 1 else text for text, field in zip(plain, fields, strict=True)
    ]


def place_headings(layer: Layer, srid: int, texts: int = 1) -> list[str]:
    """Headings of the columns that hold the place: two ordinates for points, else WKT; each names its CRS."""
    crs = f"EPSG:{srid}"
    if layer.geometry_type == "point":
        pair = (_("经度"), _("纬度")) if srid in GEOGRAPHIC_SRIDS else (_("东坐标"), _("北坐标"))
        return [f"{name} ({crs})" for name in pair]
    return [f"WKT ({crs})", *(f"WKT {n} ({crs})" for n in range(2, texts + 1))]


def read(
    layer: Layer, fields: tuple[Described, ...], features: QuerySet[Any], srid: int, *, labels: bool, rounded: bool
) -> Iterator[Row]:
    """The features one by one from a server-side cursor; choices as labels in the caller's language, or as stored."""
    shape: Any = F(layer.geom)
    if srid != STORAGE_SRID:
        shape = Transform(shape, srid)
    if rounded:
        grid = PUBLIC_DEGREES if srid in GEOGRAPHIC_SRIDS else 10
        shape = Func(shape, grid, function="ST_ReducePrecision", output_field=layer.geometry_field)
    paths: list[str] = []
    readers = [_reader(field, paths, labels=labels) for field in fields]
    return _stream(features.annotate(exported_place=AsWKB(shape)).values_list(*paths, "exported_place"), readers)


def _stream(rows: QuerySet[Any], readers: list[Reader]) -> Iterator[Row]:
    for batch in batched(rows.iterator(chunk_size=BATCH), BATCH):
        places = shapely.from_wkb([None if row[-1] is None else bytes(row[-1]) for row in batch])
        for row, place in zip(batch, places, strict=True):
            yield Row([reader(row) for reader in readers], place)


def _reader(field: Described, paths: list[str], *, labels: bool) -> Reader:
    """How a field's value is taken out of a database row; adds what it needs to ``paths``."""
    start = len(paths)
    related = field.related
    if related is not None:
        named = {f.name for f in related._meta.concrete_fields} >= {"code", "name"}
        paths += [f"{field.path}__code", f"{field.path}__name", f"{field.path}__pk"] if named else [f"{field.path}__pk"]
        return lambda row: _reference(*row[start : start + 3], labels=labels) if named else _key(row[start])
    paths.append(field.path)
    if not labels:
        return lambda row: _machine(row[start])
    choices = field.choices
    if choices:
        return lambda row: choices.get(row[start], row[start])
    words = {True: _("是"), False: _("否")}
    return lambda row: _readable(row[start], words)


def _reference(code: str | None, name: str | None, pk: Any, *, labels: bool) -> str | None:
    """What a foreign key points at: ``name [code]`` for people, the code for machines; the key where it has none."""
    if pk is None:
        return None
    if not labels:
        return code or str(pk)
    return f"{name} [{code}]" if code else name or str(pk)


def _key(pk: Any) -> str | None:
    return None if pk is None else str(pk)


def _readable(value: Any, words: Mapping[bool, str]) -> Any:
    match value:
        case bool():
            return words[value]
        case datetime():
            return timezone.localtime(value).replace(tzinfo=None)
    return _machine(value)


def _machine(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | Decimal() | str() | date():
            return value
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
    return str(value)
