"""Export of a layer's features as a table: Excel, CSV, GeoPackage or GeoJSON, read row by row.

``export(principal, layer, rows, format)`` checks the right, notes the export and returns an Export whose ``chunks``
go into a streaming response under ``filename``. ``rows`` is what the principal's filter narrowed the layer to; the
gate is applied to it once more. Memory does not grow with the number of rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from gis.crs import GEOGRAPHIC_SRIDS, SERVED_SRIDS
from gis.fields import STORAGE_SRID
from services.access import gate
from services.access.errors import Invalid, TooLarge
from services.access.principal import Principal
from services.audit import trail
from services.catalog.layer import Layer
from services.export import writers
from services.export.columns import read

XLSX_ROWS = 1_048_575
"""Rows an Excel sheet holds below its heading."""


@dataclass(frozen=True)
class Format:
    """A file format: its ending, its media type, whether values are for people to read, and its writer."""

    suffix: str
    content_type: str
    labels: bool
    write: Callable[[writers.Table], Iterator[bytes]]


def _geopackage(table: writers.Table) -> Iterator[bytes]:
    from services.export.geopackages import geopackage

    return geopackage(table)


FORMATS = {
    "xlsx": Format(
        "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", True, writers.xlsx
    ),
    "csv": Format("csv", "text/csv; charset=utf-8", True, writers.csv_text),
    "gpkg": Format("gpkg", "application/geopackage+sqlite3", False, _geopackage),
    "geojson": Format("geojson", "application/geo+json", False, writers.geojson),
}  # fmt: skip


@dataclass(frozen=True)
class Export:
    """A file to be served: its name, its media type and its bytes."""

    filename: str
    content_type: str
    chunks: Iterator[bytes]


def export(
    principal: Principal, layer: Layer, rows: QuerySet[Any] | None, format: str, srid: int = STORAGE_SRID
) -> Export:
    """The features of a layer that the principal may export, of ``rows`` or all, as a file; notes it in the audit."""
    gate.require(principal, layer, "export")
    form = FORMATS.get(format)
    if form is None:
        raise Invalid(_("没有这种导出格式。"), {"format": [_("可选：%s。") % "、".join(FORMATS)]})
    if srid not in (GEOGRAPHIC_SRIDS if format == "geojson" else SERVED_SRIDS):
        raise Invalid(
            _("不能按此坐标系导出。"), {"srid": [_("可选：4490、4326；表格和 GeoPackage 还可选 3857、4513–4554。")]}
        )
    features = within(principal, layer, rows)
    count = features.count()
    if format == "xlsx" and count > XLSX_ROWS:
        raise TooLarge(_("共 %(count)d 行，超过 Excel 一张表的 %(most)d 行。请缩小范围，或改用 CSV、GeoPackage。")
                       % {"count": count, "most": XLSX_ROWS})  # fmt: skip
    fields = gate.fields(principal, layer)
    table = writers.Table(
        layer, fields, srid, features,
        rows=read(layer, fields, features, srid, labels=form.labels, rounded=principal.is_public),
    )  # fmt: skip
    trail.note(
        principal.id, principal.name, "export", layer=layer.key, address=principal.address,
        changes={"format": format, "rows": count, "srid": srid},
    )  # fmt: skip
    return Export(file_name(layer, form.suffix), form.content_type, form.write(table))


def file_name(layer: Layer, suffix: str) -> str:
    """The layer's title and the date, free of what a file system refuses."""
    title = "".join("_" if c in '\\/:*?"<>|' or not c.isprintable() else c for c in layer.title)
    return f"{title}_{timezone.localdate():%Y-%m-%d}.{suffix}"


def within(principal: Principal, layer: Layer, rows: QuerySet[Any] | None) -> QuerySet[Any]:
    """The rows, or all, that the principal may export, in the order of their keys."""
    allowed = gate.restrict(principal, layer, "export")
    if rows is None:
        return allowed.order_by("pk")
    # A subquery keeps joins of the filter out, which could repeat a feature.
    return allowed.filter(pk__in=rows.order_by().values("pk")).order_by("pk")
