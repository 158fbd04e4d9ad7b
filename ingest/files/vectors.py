"""Vector files as sources and rows, through gis.vector; its refusals become ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from gis.crs import WGS84_SRID
from gis.errors import GeometryTooLarge, SpatialError, VectorTooLarge
from gis.vector import VectorSource, open_vector, read_batches
from ingest.files.source import MAX_COLUMNS, MAX_ROWS, Source, SourceRow
from services.access.errors import Invalid, TooLarge

MAX_LAYERS = 100
UNSTATED = ("geojson", "json", "kml", "kmz")
"""Formats in which longitude and latitude are WGS-84 by definition and often something else in fact."""


def sources(path: Path) -> list[Source]:
    """The layers of a file."""
    with refusals():
        with open_vector(path) as first:
            found, others = [_source(path, first)], first.layers[1:]
        if len(others) >= MAX_LAYERS:
            raise TooLarge(_("文件里的图层超过 %(most)d 个。请只保留要导入的图层。") % {"most": MAX_LAYERS})
        for name in others:
            with open_vector(path, layer=name) as opened:
                found.append(_source(path, opened))
    return found


def rows(path: Path, name: str) -> Iterator[SourceRow]:
    """The rows of a layer, numbered from 1."""
    with refusals(), open_vector(path, layer=name or None) as source:
        for batch in read_batches(source):
            bad = {error.row: error.message for error in batch.errors}
            frame = batch.frame
            attributes = frame.drop(columns=frame.geometry.name)
            table = attributes.astype(object).where(attributes.notna(), None)
            names = [str(column) for column in table.columns]
            good = (
                SourceRow(int(number) + 1, dict(zip(names, values, strict=True)), shape)
                for number, shape, values in zip(
                    frame.index, frame.geometry.array, table.itertuples(index=False, name=None), strict=True
                )
            )
            yield from sorted(
                [*good, *(SourceRow(n + 1, problem=text) for n, text in bad.items())], key=lambda row: row.number
            )


@contextmanager
def refusals() -> Iterator[None]:
    """Refusals of the spatial primitives as refusals of a request."""
    try:
        yield
    except (VectorTooLarge, GeometryTooLarge) as error:
        raise TooLarge(error.message) from error
    except SpatialError as error:
        raise Invalid(error.message) from error


def _source(path: Path, opened: VectorSource) -> Source:
    if opened.count > MAX_ROWS:
        raise TooLarge(_("文件超过 %(most)d 行。请拆分后分次导入。") % {"most": MAX_ROWS})
    if len(opened.fields) > MAX_COLUMNS:
        raise TooLarge(_("文件的字段超过 %(most)d 个。") % {"most": MAX_COLUMNS})
    if any("\x00" in name for name in opened.fields):
        raise Invalid(_("字段名含有空字符（NUL）。请从原软件重新导出。"))
    # A GeoJSON file has no layer names: it would be called by the name under which it is kept.
    unnamed = path.suffix in (".geojson", ".json")
    return Source(
        "" if unnamed else opened.layer,
        tuple(opened.fields),
        opened.count,
        opened.geometry_type or "",
        _stated(path, opened.crs),
    )


def _stated(path: Path, crs: Any) -> str:
    if crs is None:
        return ""
    code = crs.to_epsg()
    if path.suffix[1:] in UNSTATED and code == WGS84_SRID:
        return ""
    return f"EPSG:{code}" if code else crs.to_wkt()
