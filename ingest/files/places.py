"""Places of rows: from the file's geometry, from two columns or from WKT; brought to EPSG:4490, checked or repaired."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from django.contrib.gis.geos import GEOSGeometry
from django.utils.translation import gettext as _
from shapely.geometry.base import BaseGeometry

from gis.crs import AnyCRS, to_storage
from gis.datums import Datum
from gis.errors import SpatialError
from gis.validity import MAX_BYTES, repair, stored
from ingest.files.source import SourceRow
from ingest.files.values import BadValue

FILE, POINT, WKT = "file", "point", "wkt"
"""Where a place comes from: the file's own geometry, two columns with ordinates, or columns of WKT."""

_SRID = re.compile(r"\s*SRID=\d+\s*;", re.IGNORECASE)
_PLAIN_WKT = re.compile(r"[A-Za-z ]*[-+0-9.,eE()A-Za-z\s]*")
MOST_BRACKETS = 4
"""A MULTIPOLYGON nests three deep; what nests deeper is refused before it is parsed."""


@dataclass(frozen=True)
class Place:
    """A row's place ready to be stored, or why there is none."""

    geom: GEOSGeometry | None = None
    problem: str = ""


@dataclass
class Tally:
    """What happened to the places besides."""

    missing: int = 0
    flattened: int = 0
    repaired: list[tuple[int, float, float]] = field(default_factory=list)
    """Row number, area before and after in square metres."""


@dataclass
class Placer:
    """Reads the places of rows in one way."""

    kind: str
    columns: Sequence[str]
    crs: AnyCRS | Datum
    geom_type: str
    mend: bool = False
    tally: Tally = field(default_factory=Tally)

    def places(self, rows: Sequence[SourceRow]) -> list[Place]:
        """The place of each row."""
        shapes: list[BaseGeometry | None] = []
        problems: dict[int, str] = {}
        for n, row in enumerate(rows):
            try:
                shapes.append(self._shape(row))
            except (BadValue, shapely.errors.ShapelyError, NotImplementedError) as error:
                shapes.append(None)
                problems[n] = str(error) if isinstance(error, BadValue) else _("WKT 无法读取，请检查括号和坐标。")
        array = np.array(shapes, dtype=object)
        self.tally.flattened += int(np.count_nonzero(shapely.has_z(array) | shapely.has_m(array)))
        try:
            moved = to_storage(array, self.crs)  # type: ignore[arg-type]  # shapely takes arrays too
        except SpatialError:
            moved = [None] * len(shapes)
            for n, shape in enumerate(shapes):
                try:
                    moved[n] = None if shape is None else to_storage(shape, self.crs)
                except SpatialError as error:
                    problems[n] = error.message
        return [
            Place(problem=problems[n]) if n in problems else self._checked(row.number, shape)
            for n, (row, shape) in enumerate(zip(rows, moved, strict=True))
        ]

    def _checked(self, number: int, shape: BaseGeometry | None) -> Place:
        if shape is None:
            self.tally.missing += 1
            return Place()
        try:
            if self.mend and not shape.is_valid:
                mended = repair(shape, self.geom_type)
                self.tally.repaired.append((number, mended.area_before, mended.area_after))
                return Place(mended.geometry)
            return Place(stored(shape, self.geom_type))
        except SpatialError as error:
            return Place(problem=error.message)

    def _shape(self, row: SourceRow) -> BaseGeometry | None:
        match self.kind:
            case "point":
                cells = [row.values.get(column) for column in self.columns]
                if all(cell is None or str(cell).strip() == "" for cell in cells):
                    return None
                return shapely.Point([_ordinate(cell) for cell in cells])
            case "wkt":
                return _from_wkt("".join(str(row.values.get(column) or "") for column in self.columns))
        return row.geom


def _ordinate(cell: Any) -> float:
    try:
        if isinstance(cell, bool):
            raise ValueError
        return float(cell)
    except (TypeError, ValueError):
        raise BadValue(_("坐标“%s”不是数。") % str(cell)[:40]) from None


def _from_wkt(text: str) -> BaseGeometry | None:
    text = _SRID.sub("", text, count=1).strip()
    if not text:
        return None
    if len(text) > MAX_BYTES:
        raise BadValue(_("图形超过 %(limit)d MB。请简化或拆分。") % {"limit": MAX_BYTES >> 20})
    # The parser recurses: depth is bounded before it sees the text.
    depth = deepest = 0
    for mark in re.findall(r"[()]", text):
        depth += 1 if mark == "(" else -1
        deepest = max(deepest, depth)
    if deepest > MOST_BRACKETS or not _PLAIN_WKT.fullmatch(text):
        raise BadValue(_("WKT 无法读取，请检查括号和坐标。"))
    return shapely.from_wkt(text)
