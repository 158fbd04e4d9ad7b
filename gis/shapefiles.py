"""Shapefile parts checked before anybody reads them: presence, stated lengths, and the encoding of the attributes."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from django.utils.translation import gettext as _

from gis.errors import VectorError

_SHP_MAGIC = 9994
_HEADER = 100
_SAMPLE = 5_000
"""Rows whose text decides the encoding."""

_CODE_PAGES = {
    0x01: "cp437", 0x02: "cp850", 0x03: "cp1252", 0x13: "cp932", 0x4D: "gb18030", 0x4E: "cp949", 0x4F: "big5",
    0x78: "big5", 0x79: "cp949", 0x7A: "gb18030", 0x7B: "cp932", 0xC8: "cp1250", 0xC9: "cp1251",
}  # fmt: skip


def check_parts(path: Path) -> None:
    """Raises ``VectorError`` where a part is missing or its stated lengths are not those of the file.

    Parameters
    ----------
    path
        The ``.shp`` file; its parts lie beside it under the same stem.
    """
    for suffix, purpose in ((".shx", _("索引")), (".dbf", _("属性"))):
        if not path.with_suffix(suffix).is_file():
            raise VectorError(
                _("缺少%(purpose)s文件 %(suffix)s。请把 .shp、.shx、.dbf、.prj 一起打包上传。")
                % {"purpose": purpose, "suffix": suffix},
                "missing-part",
            )
    size = path.stat().st_size
    for part in (path, path.with_suffix(".shx")):
        with part.open("rb") as opened:
            header = opened.read(_HEADER)
        stated = 2 * int.from_bytes(header[24:28], "big")
        if len(header) < _HEADER or int.from_bytes(header[:4], "big") != _SHP_MAGIC or stated != part.stat().st_size:
            raise _damaged(part.suffix)
    index = np.frombuffer(path.with_suffix(".shx").read_bytes()[_HEADER:], ">i4")
    if len(index) % 2:
        raise _damaged(".shx")
    offsets, lengths = 2 * index[0::2].astype(np.int64), 2 * index[1::2].astype(np.int64)
    if ((offsets < _HEADER) | (lengths < 4) | (offsets + 8 + lengths > size)).any():
        raise _damaged(".shx")
    table = path.with_suffix(".dbf")
    rows, header_size, row_size = _table_sizes(table)
    # The closing 0x1A is optional, and deleted rows keep their place.
    if row_size < 1 or header_size < 33 or header_size + rows * row_size > table.stat().st_size or rows != len(offsets):
        raise _damaged(".dbf")


def encoding_of(path: Path) -> str:
    """The encoding of the attribute text: stated beside the file, stated inside it, or found by trying.

    Whatever is stated must also decode the text; else UTF-8 and GB 18030 are tried, and the message asks for a
    ``.cpg`` where neither does.
    """
    raw = list(_texts(path.with_suffix(".dbf")))
    with path.with_suffix(".dbf").open("rb") as opened:
        page = opened.read(30)[29:]
    candidates = [_stated(path.with_suffix(".cpg")), _CODE_PAGES.get(page[0]) if page else None, "utf-8", "gb18030"]
    for encoding in candidates:
        if encoding and all(_decodes(text, encoding) for text in raw):
            return encoding
    raise VectorError(_("无法判断属性文字的编码。请附上写明编码的 .cpg 文件后重新上传。"), "encoding")


def _stated(path: Path) -> str | None:
    if not path.is_file():
        return None
    name = path.read_bytes()[:40].decode("ascii", "ignore").strip()
    if match := re.fullmatch(r"LDID/(\d+)", name):
        return _CODE_PAGES.get(int(match[1]))
    if match := re.fullmatch(r"(?:ANSI |OEM )?(\d+)", name):
        name = f"cp{match[1]}"
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return "gb18030" if found in ("gbk", "gb2312") else found


def _table_sizes(table: Path) -> tuple[int, int, int]:
    """Rows, header size and row size as the table states them."""
    with table.open("rb") as opened:
        head = opened.read(12)
    return (
        int.from_bytes(head[4:8], "little"),
        int.from_bytes(head[8:10], "little"),
        int.from_bytes(head[10:12], "little"),
    )


def _texts(table: Path) -> Iterator[bytes]:
    """Field names, and the text columns of the first rows; a value filling its column loses a torn last character."""
    rows, header_size, row_size = _table_sizes(table)
    with table.open("rb") as opened:
        header = opened.read(header_size)
        body = opened.read(min(rows, _SAMPLE) * row_size)
    columns, start = [], 1
    for at in range(32, len(header) - 31, 32):
        if header[at] == 0x0D:
            break
        yield header[at : at + 11].split(b"\0")[0]
        width = header[at + 16]
        if header[at + 11 : at + 12] == b"C":
            columns.append((start, width))
        start += width
    for row in range(0, len(body), row_size):
        for at, width in columns:
            yield body[row + at : row + at + width].split(b"\0")[0].rstrip(b" ")


def _decodes(text: bytes, encoding: str) -> bool:
    try:
        # Not final: writers cut long values in the middle of a character.
        codecs.getincrementaldecoder(encoding)().decode(text, final=False)
    except UnicodeDecodeError:
        return False
    return True


def _damaged(part: str) -> VectorError:
    return VectorError(_("%(part)s 文件已损坏：长度与内容不符。请从原软件重新导出。") % {"part": part}, "damaged")
