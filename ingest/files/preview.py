"""What a person sees before an import: columns, matches, the CRS found or needed, sample rows as they would be."""

from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _

from gis.errors import CrsError
from ingest.files import uploads
from ingest.files.imports import layer_of
from ingest.files.matching import Match, guess_fields
from ingest.files.plan import Plan, crs_of, importable, source_of
from ingest.files.source import Source
from ingest.models import Import
from services.access.errors import Invalid
from services.access.principal import Principal
from services.catalog.describe import Described
from services.catalog.layer import Layer

SAMPLES = 3
CHINA = (73.0, 3.0, 136.0, 54.0)


@dataclass(frozen=True)
class Column:
    """A column of the file with its first values."""

    name: str
    samples: tuple[str, ...]


@dataclass(frozen=True)
class FieldMatch:
    """A field, the column chosen for it, the one guessed, and how sure the guess is (0 to 1)."""

    field: Described
    column: str
    guess: str
    confidence: float
    constant: str


@dataclass(frozen=True)
class Crs:
    """The CRS: what the file states, what was chosen, and a sentence where something is still needed or wrong."""

    stated: str
    srid: int | None
    datum: str
    problem: str


@dataclass(frozen=True)
class PreviewRow:
    """A sample row: displayed values by field, the place as WKT and as (lon, lat) of a point on it, its problems."""

    number: int
    values: dict[str, str]
    place: str
    point: tuple[float, float] | None
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Preview:
    """Everything the import screen shows before the import."""

    item: Import
    layer: Layer
    sources: tuple[Source, ...]
    source: Source
    columns: tuple[Column, ...]
    matches: tuple[FieldMatch, ...]
    unused: tuple[str, ...]
    crs: Crs
    rows: tuple[PreviewRow, ...]
    hints: tuple[str, ...]


def preview(principal: Principal, item: Import, n: int = 20) -> Preview:
    """The first ``n`` rows as they would be written, and what is still to be settled."""
    layer = layer_of(principal, item)
    source = source_of(item)
    fields = importable(principal, layer)
    guesses = {match.field.name: match for match in guess_fields(fields, source.columns)}
    problem = _crs_problem(layer, item)
    raw = list(islice(uploads.rows(item.path, item.source), n))
    # Without a CRS the attributes can still be shown.
    shown = item if not problem else Import(
        id=item.pk, sources=item.sources, source=item.source, mapping=item.mapping, constants=item.constants
    )  # fmt: skip
    rows = tuple(
        PreviewRow(
            ready.number,
            {name: layer.field[name].display(value) for name, value in ready.values.items() if name in layer.field},
            *_shown_place(ready.values.get(layer.geom)),
            tuple(f"{_label(layer, p.field)}：{p.message}" if p.field else p.message for p in ready.problems),
        )
        for ready in Plan(principal, layer, shown).rows(raw)
    )  # fmt: skip
    used = {*item.mapping.values(), *item.place.get("columns", [])}
    return Preview(
        item,
        layer,
        tuple(Source(**found | {"columns": tuple(found["columns"])}) for found in item.sources),
        source,
        tuple(
            Column(name, tuple(_sample(row.values.get(name)) for row in raw[:SAMPLES])) for name in source.columns
        ),
        tuple(_match(item, field, guesses[field.name]) for field in fields),
        tuple(name for name in source.columns if name not in used),
        Crs(source.crs, item.srid, item.datum, problem),
        rows,
        tuple(_hints(layer, item, rows)),
    )  # fmt: skip


def _match(item: Import, field: Described, guess: Match) -> FieldMatch:
    constant = str(item.constants.get(field.name, ""))
    return FieldMatch(field, item.mapping.get(field.name, ""), guess.column, guess.confidence, constant)


def _crs_problem(layer: Layer, item: Import) -> str:
    if not layer.owns_geometry or not item.place.get("kind"):
        return ""
    try:
        crs_of(item)
    except (Invalid, CrsError) as error:
        return error.message
    return ""


def _shown_place(geom: Any) -> tuple[str, tuple[float, float] | None]:
    if geom is None:
        return "", None
    point = geom if geom.geom_type == "Point" else geom.point_on_surface
    return geom.wkt[:200], (point.x, point.y)


def _hints(layer: Layer, item: Import, rows: tuple[PreviewRow, ...]) -> list[str]:
    hints = list(item.notes)
    if not layer.owns_geometry:
        hints.append(_("该图层的位置取自关联对象，文件中的图形不会导入。"))
    elif not item.place.get("kind"):
        hints.append(_("没有找到位置。请选择经纬度列或 WKT 列，否则要素不会显示在地图上。"))
    points = [row.point for row in rows if row.point]
    west, south, east, north = CHINA
    if points and not any(west <= x <= east and south <= y <= north for x, y in points):
        hints.append(_("样例的位置都不在中国范围内，请检查坐标系和坐标顺序。"))
    return hints


def _label(layer: Layer, name: str) -> str:
    return layer.field[name].label if name in layer.field else _("位置")


def _sample(value: Any) -> str:
    return "" if value is None else str(value)[:60]
