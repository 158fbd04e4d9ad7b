"""How an import is to be read: fields, place and CRS, from what the file says and what the person chose."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import batched
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from gis.crs import GEOGRAPHIC_SRIDS, SERVED_SRIDS, WGS84_SRID, AnyCRS, read_crs, transformer
from gis.datums import Datum
from gis.errors import CrsError
from gis.fields import STORAGE_SRID, WEB_SRID
from ingest.files.matching import guess_fields, guess_place
from ingest.files.places import FILE, POINT, WKT, Placer
from ingest.files.source import Source, SourceRow
from ingest.files.values import BadValue, Convert, converter
from ingest.models import Import
from services.access import gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.catalog.describe import Described
from services.catalog.layer import Layer

BATCH = 1000

CRS_CHOICES = (STORAGE_SRID, WGS84_SRID, WEB_SRID, *(srid for srid in SERVED_SRIDS if srid >= 4513))
"""What a screen offers; any EPSG code with known parameters to CGCS2000 is taken."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with a row, in one field or, with an empty field, in the row as such."""

    row: int
    field: str
    message: str


@dataclass(frozen=True)
class Ready:
    """A row ready to be written, or its problems."""

    number: int
    values: dict[str, Any]
    problems: list[Problem]


class Plan:
    """An import's settings, resolved: turns rows of the file into named values."""

    def __init__(self, principal: Principal, layer: Layer, item: Import) -> None:
        self.layer, self.item = layer, item
        self.source = source_of(item)
        self.fields = {field.name: field for field in importable(principal, layer)}
        self.convert: dict[str, Convert] = {
            name: converter(principal, self.fields[name]) for name in {*item.mapping, *item.constants}
        }
        self.constants = {name: self._constant(name, value) for name, value in item.constants.items()}
        self.placer: Placer | None = None
        if layer.owns_geometry and item.place.get("kind"):
            self.placer = Placer(
                item.place["kind"], item.place.get("columns", []), crs_of(item), layer.geometry_field.geom_type,
                mend=item.repair,
            )  # fmt: skip

    def rows(self, rows: Iterable[SourceRow]) -> Iterator[Ready]:
        """The rows with values by field name."""
        for batch in batched(rows, BATCH):
            places = self.placer.places(batch) if self.placer else [None] * len(batch)
            for row, place in zip(batch, places, strict=True):
                ready = self._values(row)
                if place is not None and place.problem:
                    ready.problems.append(Problem(row.number, self.layer.geom, place.problem))
                elif place is not None:
                    ready.values[self.layer.geom] = place.geom
                yield ready

    def _values(self, row: SourceRow) -> Ready:
        ready = Ready(row.number, dict(self.constants), [])
        if row.problem:
            ready.problems.append(Problem(row.number, "", row.problem))
        for name, column in self.item.mapping.items():
            try:
                value = self.convert[name](row.values.get(column))
            except BadValue as error:
                ready.problems.append(Problem(row.number, name, str(error)))
            else:
                if value is not None:
                    ready.values[name] = value
        return ready

    def _constant(self, name: str, value: Any) -> Any:
        try:
            return self.convert[name](value)
        except BadValue as error:
            raise Invalid(_("固定值有误。"), {name: [str(error)]}) from error


def importable(principal: Principal, layer: Layer) -> list[Described]:
    """The fields an import may fill."""
    return [field for field in gate.fields(principal, layer) if field.editable]


def source_of(item: Import) -> Source:
    """The chosen table or layer of the file."""
    for source in item.sources:
        if source["name"] == item.source:
            return Source(**source | {"columns": tuple(source["columns"])})
    names = "、".join(source["name"] for source in item.sources)
    raise Invalid(_("文件里没有这个图层。"), {"source": [_("可选：%s。") % names]})


def suggest(principal: Principal, layer: Layer, item: Import) -> None:
    """Fill mapping, place and CRS of an import with what the headings and the file say."""
    source = source_of(item)
    place = guess_place(source)
    columns = [column for column in source.columns if column not in place.columns]
    matches = guess_fields(importable(principal, layer), columns)
    item.mapping = {match.field.name: match.column for match in matches if match.column}
    item.place = {"kind": place.kind, "columns": list(place.columns)} if layer.owns_geometry else {}
    item.srid, item.datum = place.srid, ""


def crs_of(item: Import) -> AnyCRS | Datum:
    """The CRS in which the places are read; raises Invalid where nobody has stated one or it cannot be used."""
    source = source_of(item)
    stated: AnyCRS | None = item.srid or _crs(source.crs)
    if item.datum:
        if stated is not None and not read_crs(stated).is_geographic:
            raise Invalid(_("文件是投影坐标，不能再指定经纬度的基准。"), {"datum": [_("请留空。")]})
        return Datum(item.datum)
    if stated is None:
        raise Invalid(
            _("文件没有说明坐标系。请选择坐标系，或经纬度的基准（CGCS2000、WGS-84、GCJ-02、BD-09）。"),
            {"srid": [_("例如 4490；或填写 datum。")]},
        )
    if stated not in GEOGRAPHIC_SRIDS:
        try:
            transformer(stated)
        except CrsError as error:
            raise Invalid(error.message, {"srid": [error.message]}) from error
    return stated


def check(principal: Principal, layer: Layer, item: Import) -> None:
    """Raise Invalid, naming the setting, unless the import can be run as it is configured."""
    source, fields = source_of(item), {field.name: field for field in importable(principal, layer)}
    for setting in (item.mapping, item.constants):
        for name in setting:
            if name not in fields:
                raise Invalid(_("没有可导入的字段“%s”。") % name, {name: [_("可选：%s。") % "、".join(fields)]})
    _check_columns(source, item.mapping)
    _check_place(layer, source, item.place)
    _check_kind(layer, source, item.place)
    missing = [f for f in fields.values() if f.required and f.name not in {**item.mapping, **item.constants}]
    if missing:
        raise Invalid(
            _("必填字段没有对应的列：%s。请指定列，或填写固定值。") % "、".join(f.label for f in missing),
            {f.name: [_("必填。")] for f in missing},
        )
    Plan(principal, layer, item)


def _check_columns(source: Source, mapping: dict[str, str]) -> None:
    for name, column in mapping.items():
        if column not in source.columns:
            allowed = "、".join(source.columns)
            raise Invalid(_("文件里没有列“%s”。") % column, {name: [_("可选：%s。") % allowed]})


def _check_place(layer: Layer, source: Source, place: dict[str, Any]) -> None:
    kind, columns = place.get("kind", ""), place.get("columns", [])
    if not kind or not layer.owns_geometry:
        return
    fits = {FILE: bool(source.geometry) and not columns, POINT: len(columns) == 2, WKT: bool(columns)}
    if not fits.get(kind, False) or not set(columns) <= set(source.columns):
        raise Invalid(_("位置的来源有误。"), {"place": [_("用文件自带的图形、两列坐标，或一列 WKT。")]})


def _check_kind(layer: Layer, source: Source, place: dict[str, Any]) -> None:
    """One refusal instead of one a row, where the file itself says that it holds something else."""
    found = source.geometry.partition(" ")[0].removeprefix("Multi")
    kinds = {
        "Point": ("point", pgettext("plural", "点")),
        "LineString": ("line", pgettext("plural", "线")),
        "Polygon": ("polygon", pgettext("plural", "面")),
    }
    wanted = next((name for kind, name in kinds.values() if kind == layer.geometry_type), None)
    if place.get("kind") == FILE and layer.owns_geometry and wanted and found in kinds:
        kind, name = kinds[found]
        if kind != layer.geometry_type:
            raise Invalid(
                _("图层“%(layer)s”存放%(wanted)s，文件里是%(found)s。请换一个图层或文件。")
                % {"layer": layer.title, "wanted": wanted, "found": name}
            )


def _crs(text: str) -> AnyCRS | None:
    if not text:
        return None
    return int(text[5:]) if text.startswith("EPSG:") else text
