"""The problems of an import as a file: row, field, message, in CSV or Excel."""

import csv
import io
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from ingest.models import Import
from services.access.errors import Invalid
from services.catalog.layer import registry
from services.export.tables import FORMATS, Export
from services.export.writers import cell_text, safe_cell


def report_file(item: Import, format: str = "csv") -> Export:
    """The report of an import to be downloaded."""
    layer = registry.get(item.layer)
    labels = {} if layer is None else {name: field.label for name, field in layer.field.items()}
    if layer is not None:
        labels[layer.geom] = _("位置")
    heading = (_("行"), _("字段"), _("问题"))
    rows = [(number, labels.get(name, name), message) for number, name, message in item.report]
    write = {"csv": _csv, "xlsx": _xlsx}.get(format)
    if write is None:
        raise Invalid(_("没有这种格式。"), {"format": ["csv, xlsx"]})
    name = f"{item.name.rpartition('.')[0] or item.name}_{_('问题')}.{format}"
    return Export(name, FORMATS[format].content_type, iter([write([heading, *rows])]))


def _csv(rows: Iterable[tuple[Any, ...]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([cell_text(value) for value in row] for row in rows)
    return b"\xef\xbb\xbf" + buffer.getvalue().encode()


def _xlsx(rows: Iterable[tuple[Any, ...]]) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in rows:
        sheet.append([safe_cell(sheet, value) for value in row])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
