"""Tables that are not features: headings and rows as CSV or Excel, written row by row."""

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import batched
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from services.access.errors import Invalid, TooLarge
from services.export.columns import BATCH
from services.export.tables import FORMATS, XLSX_ROWS
from services.export.writers import bytes_of, cell_text, safe_cell

Line = Sequence[Any]
SHEET_FORMATS = ("xlsx", "csv")


def sheet(form: str, title: str, headings: Line, rows: Iterable[Line]) -> tuple[Iterator[bytes], str]:
    """The bytes of a table and their media type; times are China's, without zone.

    Raises Invalid for a format that is none, TooLarge beyond the rows of an Excel sheet.
    """
    if form not in SHEET_FORMATS:
        raise Invalid(_("没有这种导出格式。"), {"format": [_("可选：%s。") % "、".join(SHEET_FORMATS)]})
    write = _xlsx if form == "xlsx" else _csv
    return write(title, headings, rows), FORMATS[form].content_type


def _csv(title: str, headings: Line, rows: Iterable[Line]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([cell_text(each) for each in headings])
    yield b"\xef\xbb\xbf"
    for batch in batched(rows, BATCH):
        writer.writerows([cell_text(_local(value)) for value in row] for row in batch)
        yield _taken(buffer)
    yield _taken(buffer)


def _xlsx(title: str, headings: Line, rows: Iterable[Line]) -> Iterator[bytes]:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    page = book.create_sheet("".join("_" if c in "\\/*?:[]" else c for c in title)[:31] or "1")
    page.freeze_panes = "A2"
    page.append([safe_cell(page, each) for each in headings])
    for number, row in enumerate(rows):
        if number == XLSX_ROWS:
            raise TooLarge(_("超过 Excel 一张表的 %d 行。请缩短时间范围，或改用 CSV。") % XLSX_ROWS)
        page.append([safe_cell(page, _local(value)) for value in row])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "table.xlsx")
        book.save(path)
        handle = open(path, "rb")  # noqa: SIM115 - read on after its name is gone
    return bytes_of(handle)


def _local(value: Any) -> Any:
    return timezone.localtime(value).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
