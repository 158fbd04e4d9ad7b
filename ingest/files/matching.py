"""Guessing which column is which field, and where the place is, from headings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from django.conf import settings
from django.utils.translation import override

from ingest.files.places import FILE, POINT, WKT
from ingest.files.source import Source
from services.catalog.describe import Described
from services.export.columns import heading

ALIASES = {
    "code": ("编号", "编码", "代码", "code", "no", "number", "adcode"),
    "name": ("名称", "名字", "标题", "name", "title", "label"),
    "region": ("行政区", "行政区划", "区划代码", "区县", "县区", "region", "district", "adcode"),
}
"""Other headings for the three fields every feature has, the surest first."""
EASTINGS = ("经度", "东经", "lon", "lng", "long", "longitude", "东坐标", "横坐标", "easting", "x", "x坐标", "point_x")
NORTHINGS = ("纬度", "北纬", "lat", "latitude", "北坐标", "纵坐标", "northing", "y", "y坐标", "point_y")
WKTS = ("wkt", "几何", "图形", "geometry", "geom", "the_geom")
ALIKE = 0.75

_CRS = re.compile(r"\(?\bEPSG:(\d{4,5})\)?", re.IGNORECASE)
_BRACKETED = re.compile(r"[（(\[][^（(\[]*[）)\]]\s*$")


@dataclass(frozen=True)
class Match:
    """A field with the column guessed for it; confidence from 0 to 1, 1 for an exact name."""

    field: Described
    column: str = ""
    confidence: float = 0.0


@dataclass(frozen=True)
class PlaceGuess:
    """Where the place of a row seems to be, and the CRS the headings name."""

    kind: str = ""
    columns: tuple[str, ...] = ()
    srid: int | None = None


def guess_fields(fields: Sequence[Described], columns: Sequence[str]) -> list[Match]:
    """A match for each field; a column serves one field, the one it fits best."""
    scores = sorted(
        ((_score(field, column), field.name, column) for field in fields for column in columns), reverse=True
    )
    taken: dict[str, tuple[str, float]] = {}
    used: set[str] = set()
    for score, name, column in scores:
        if score >= ALIKE and name not in taken and column not in used:
            taken[name] = (column, score)
            used.add(column)
    return [Match(field, *taken.get(field.name, ("", 0.0))) for field in fields]


def guess_place(source: Source) -> PlaceGuess:
    """The file's own geometry, else columns of WKT, else a pair of ordinates."""
    if source.geometry:
        return PlaceGuess(FILE)
    texts = [column for column in source.columns if _is_wkt(column)]
    if texts:
        return PlaceGuess(WKT, tuple(texts), _srid(texts[0]))
    east, north = (_first(source.columns, names) for names in (EASTINGS, NORTHINGS))
    if east and north:
        return PlaceGuess(POINT, (east, north), _srid(east))
    return PlaceGuess()


def _score(field: Described, column: str) -> float:
    plain, bare = _plain(column), _plain(_BRACKETED.sub("", column))
    names = [_plain(name) for name in _names(field)]
    if plain in names:
        return 1.0
    if bare in names:
        return 0.95
    aliases = ALIASES.get(field.name, ())
    if bare in aliases:
        return 0.9 - aliases.index(bare) / 100
    # Shapefiles cut names to ten characters.
    if len(plain.encode()) >= 8 and any(name.startswith(plain) for name in names):
        return 0.85
    # 类别 for 兴趣点类别, or the other way round.
    if len(bare) >= 2 and any(len(name) >= 2 and (name.endswith(bare) or bare.endswith(name)) for name in names):
        return 0.8
    # A misspelt heading may be guessed for text and numbers; religion is not a region.
    if field.related is not None or field.choices:
        return 0.0
    return max((SequenceMatcher(None, bare, name).ratio() * 0.9 for name in names if len(name) > 2), default=0.0)


def _names(field: Described) -> set[str]:
    """The field's name, and its label and heading in every language."""
    names = {field.name}
    for language, _name in settings.LANGUAGES:
        with override(language):
            names |= {field.label, heading(field)}
    return names


def _plain(text: str) -> str:
    return re.sub(r"[\s_\-*：:]", "", text).lower()


def _is_wkt(column: str) -> bool:
    bare = _CRS.sub("", column).strip().lower()
    return bare in WKTS or re.fullmatch(r"wkt \d+", bare) is not None


def _first(columns: Sequence[str], names: Sequence[str]) -> str:
    found = {_CRS.sub("", column).strip().lower(): column for column in reversed(columns)}
    found |= {_BRACKETED.sub("", key).strip(): column for key, column in found.items()}
    return next((found[name] for name in names if name in found), "")


def _srid(column: str) -> int | None:
    match = _CRS.search(column)
    return int(match[1]) if match else None
