"""CSV files: encoding and delimiter found, rows read one by one."""

import csv
from codecs import getincrementaldecoder
from collections.abc import Iterator
from pathlib import Path

from django.utils.translation import gettext as _

from gis.validity import MAX_BYTES
from ingest.files.source import MAX_COLUMNS, MAX_ROWS, Source, SourceRow, unique_names
from services.access.errors import Invalid, TooLarge

DELIMITERS = (",", "\t", ";", "|")
ENCODINGS = ("utf-8-sig", "gb18030")
CHUNK = 1 << 20

# A geometry as WKT is one field: as long as a geometry may be.
csv.field_size_limit(MAX_BYTES)


def sources(path: Path) -> list[Source]:
    """The one table of a CSV file."""
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as text:
        names = _heading(text, path)
    count = sum(1 for _row in rows(path))
    return [Source("", tuple(names), count)]


def rows(path: Path, name: str = "") -> Iterator[SourceRow]:
    """The rows below the heading; number 2 is the first."""
    with path.open(encoding=_encoding(path), newline="") as text:
        names = _heading(text, path)
        delimiter = _delimiter(path)
        text.seek(0)
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        next(reader)
        try:
            for number, cells in enumerate(reader, 2):
                if number > MAX_ROWS + 1:
                    raise TooLarge(_("文件超过 %(most)d 行。请拆分后分次导入。") % {"most": MAX_ROWS})
                if not any(cells):
                    continue
                row = SourceRow(number, dict(zip(names, cells, strict=False)))
                if any(cells[len(names) :]):
                    row.problem = _("单元格多于表头的列，可能有未加引号的分隔符。")
                yield row
        except csv.Error as error:
            raise Invalid(_("CSV 第 %(line)d 行无法读取，请检查引号是否成对。") % {"line": reader.line_num}) from error


def _heading(text: Iterator[str], path: Path) -> list[str]:
    try:
        cells = next(csv.reader(text, delimiter=_delimiter(path), strict=True), [])
    except csv.Error as error:
        raise Invalid(_("CSV 的表头无法读取，请检查引号是否成对。")) from error
    if not any(cell.strip() for cell in cells):
        raise Invalid(_("文件是空的，或第一行不是表头。"))
    if len(cells) > MAX_COLUMNS:
        raise TooLarge(_("表头超过 %(most)d 列。") % {"most": MAX_COLUMNS})
    return unique_names(list(cells))


def _delimiter(path: Path) -> str:
    with path.open(encoding=_encoding(path), newline="") as text:
        first = text.readline(CHUNK)
    return max(DELIMITERS, key=first.count)


def _encoding(path: Path) -> str:
    """The encoding of the whole file: by byte order mark, else the first that fits to the last byte."""
    with path.open("rb") as file:
        start = file.read(CHUNK)
    marked = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\x00" in start and not marked:
        raise Invalid(_("这不是文本文件。请用 CSV、Excel 或空间数据格式。"))
    for encoding in ("utf-16",) if marked else ENCODINGS:
        if _fits(path, encoding):
            return encoding
    raise Invalid(_("无法识别文件的编码。请另存为 UTF-8 编码后再上传。"))


def _fits(path: Path, encoding: str) -> bool:
    decoder = getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        try:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True
