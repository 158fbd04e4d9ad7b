"""Excel workbooks: checked as a zip before they are opened, read sheet by sheet, formulas as their values."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from openpyxl import load_workbook
from openpyxl.workbook import Workbook

from ingest.files.source import MAX_COLUMNS, MAX_ROWS, Source, SourceRow, unique_names
from services.access.errors import AccessError, Invalid, TooLarge

MAX_MEMBERS = 1000
MAX_UNPACKED = 500 * 1024 * 1024
MAX_STRINGS = 100 * 1024 * 1024
MAX_RATIO = 100
SMALL = 1024 * 1024
"""Below so many bytes a high ratio harms nobody."""
HEADING_WITHIN = 20
CHUNK = 1 << 20
DTD = tuple(text.encode(code) for text in ("<!DOCTYPE", "<!ENTITY") for code in ("ascii", "utf-16-le", "utf-16-be"))


def sources(path: Path) -> list[Source]:
    """The sheets that hold a table."""
    with _opened(path) as book:
        found = []
        for sheet in book.worksheets:
            heading = next(_table(sheet), None)
            if heading is not None:
                found.append(Source(sheet.title, tuple(unique_names(_cut(heading[1])))))
    if not found:
        raise Invalid(_("工作簿里没有表格。请在第一行写表头，下面写数据。"))
    return found


def rows(path: Path, name: str) -> Iterator[SourceRow]:
    """The rows of a sheet below its heading, numbered as Excel numbers them."""
    with _opened(path) as book:
        table = _table(book[name])
        heading = next(table, None)
        if heading is None:
            return
        cells = _cut(heading[1])
        names = unique_names(cells)
        for count, (number, values) in enumerate(table, 1):
            if count > MAX_ROWS:
                raise TooLarge(_("文件超过 %(most)d 行。请拆分后分次导入。") % {"most": MAX_ROWS})
            yield SourceRow(number, dict(zip(names, values, strict=False)))


def _table(sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Rows that are not empty with their numbers, from the heading on: the first row with two filled cells."""
    sheet.reset_dimensions()  # A file may lie about its size.
    started = False
    for number, values in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), 1):
        filled = sum(value not in (None, "") for value in values)
        if not started and filled < 2 and number <= HEADING_WITHIN:
            continue
        if filled:
            started = True
            yield number, values


def _cut(values: tuple[Any, ...]) -> list[Any]:
    """Without the empty cells at the end."""
    last = max((n for n, value in enumerate(values, 1) if value not in (None, "")), default=0)
    return list(values[:last])


@contextmanager
def _opened(path: Path) -> Iterator[Workbook]:
    """The workbook, read as it is needed; whatever is wrong inside is one refusal."""
    _check_package(path)
    book = None
    try:
        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        yield book
    except (AccessError, GeneratorExit):
        raise
    except Exception as error:  # openpyxl raises whatever its parsers raise
        raise Invalid(_("无法读取这个 Excel 文件。请用 Excel 打开并另存为 .xlsx 后再上传。")) from error
    finally:
        if book is not None:
            book.close()


def _check_package(path: Path) -> None:
    """Refuse zip bombs by declared and by counted bytes, encryption, and any document type declaration."""
    try:
        with zipfile.ZipFile(path) as package:
            members = package.infolist()
            packed = max(1, path.stat().st_size)
            declared = sum(member.file_size for member in members)
            if len(members) > MAX_MEMBERS or declared > MAX_UNPACKED or declared > max(packed * MAX_RATIO, SMALL):
                raise TooLarge(_("这个 Excel 文件解压后过大。请拆分，或改用 CSV。"))
            if any(member.flag_bits & 1 for member in members):
                raise Invalid(_("文件有密码保护。请取消密码后再上传。"))
            if not {"xl/workbook.xml", "[Content_Types].xml"} <= {member.filename for member in members}:
                raise Invalid(_("这不是 .xlsx 工作簿。请用 Excel 另存为 .xlsx 后再上传。"))
            for member in members:
                if member.filename.endswith((".xml", ".rels")):
                    _check_member(package, member)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise Invalid(_("这不是完好的 .xlsx 工作簿。请用 Excel 另存为 .xlsx 后再上传。")) from error


def _check_member(package: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    most = MAX_STRINGS if member.filename.endswith("sharedStrings.xml") else MAX_UNPACKED
    counted, tail = 0, b""
    with package.open(member) as stream:
        while chunk := stream.read(CHUNK):
            counted += len(chunk)
            if counted > most:
                raise TooLarge(_("这个 Excel 文件解压后过大。请拆分，或改用 CSV。"))
            if any(mark in tail + chunk for mark in DTD):
                raise Invalid(_("文件含有文档类型声明，不予读取。请用 Excel 另存为 .xlsx 后再上传。"))
            tail = chunk[-32:]
