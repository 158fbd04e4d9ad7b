"""Answers and bodies as rows: JSON, CSV and XML, within limits, without entities; values are found by dotted paths."""

import csv
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from django.utils.translation import gettext_noop as _

from ingest.files.delimited import DELIMITERS, ENCODINGS
from services.feeds.faults import Fault
from services.feeds.models import Source

LARGEST = 5 * 1024 * 1024
"""Bytes of one answer or body, unpacked."""
MOST_ROWS = 20_000
DEEPEST = 32
MOST_COLUMNS = 500

MISSING = object()
"""Nothing stands at a path; None is something that the other side said."""


@dataclass(frozen=True)
class Page:
    """One answer taken apart."""

    document: Any
    """The whole, for what stands beside the rows; None for CSV."""
    rows: list[dict[str, Any]]


def unpacked(data: bytes, encoding: str) -> bytes:
    """The bytes behind a Content-Encoding, never more than ``LARGEST``; raises Fault."""
    match encoding.strip().lower():
        case "" | "identity":
            found = data
        case "gzip" | "x-gzip":
            found = _inflated(data, 31)
        case "deflate":
            found = _inflated(data, 15)
        case other:
            raise Fault(_("不支持压缩方式 %(encoding)s。"), encoding=other)
    if len(found) > LARGEST:
        raise Fault(_("内容超过 %(most)d MB。请缩小每页行数或时间范围。"), most=LARGEST >> 20)
    return found


def _inflated(data: bytes, window: int) -> bytes:
    """Unpacked up to one byte more than is allowed: a bomb never unfolds."""
    unpacker = zlib.decompressobj(window)
    try:
        found = unpacker.decompress(data, LARGEST + 1)
    except zlib.error:
        raise Fault(_("压缩的内容已损坏。")) from None
    if len(found) <= LARGEST and not unpacker.eof:
        raise Fault(_("压缩的内容不完整。"))
    return found


def read(data: bytes, source: Source) -> Page:
    """Take content apart as a source says it is written; raises Fault where it is not."""
    if source.format == Source.Format.CSV:
        return Page(None, list(_csv(data)))
    whole = document(data, source.format)
    _accepted(whole, source)
    found = at(whole, source.list_path) if source.list_path else whole
    if found is MISSING:
        raise Fault(_("应答中没有“%(path)s”。数据行的路径可能已改变。"), path=source.list_path)
    if found is None or found == "":
        found = []
    rows = found if isinstance(found, list) else [found]
    if len(rows) > MOST_ROWS:
        raise Fault(_("一次超过 %(most)d 行。请缩小每页行数或时间范围。"), most=MOST_ROWS)
    if not all(isinstance(row, dict) for row in rows):
        raise Fault(_("“%(path)s”处不是由对象组成的列表。"), path=source.list_path or "/")
    return Page(whole, rows)


def document(data: bytes, format: str) -> Any:
    """The whole of a JSON or XML content; raises Fault where it is none."""
    return _json(data) if format == Source.Format.JSON else _xml(data)


def at(data: Any, path: str) -> Any:
    """What stands at a path such as ``data.items.0.name``; MISSING where nothing does."""
    if isinstance(data, dict) and path in data:
        return data[path]
    for step in path.split("."):
        if isinstance(data, dict) and step in data:
            data = data[step]
        elif isinstance(data, list) and step.isdecimal() and int(step) < len(data):
            data = data[int(step)]
        else:
            return MISSING
    return data


def paths(rows: list[dict[str, Any]], most: int = 60) -> dict[str, Any]:
    """The paths at which values stand in some rows, each with the first value that is one."""
    found: dict[str, Any] = {}
    for row in rows:
        for path, value in _leaves(row, "", 0):
            if len(found) < most or path in found:
                before = found.get(path, "")
                found[path] = value if before in (None, "") else before
    return found


def lists(whole: Any, most: int = 12) -> list[str]:
    """The paths at which lists of objects stand: proposals for where the rows are."""
    found: list[str] = []
    waiting = [("", whole)]
    while waiting and len(found) < most:
        path, value = waiting.pop(0)
        if isinstance(value, list) and value and all(isinstance(each, dict) for each in value[:20]):
            found.append(path)
        elif isinstance(value, dict) and path.count(".") < 5:
            waiting += [(f"{path}.{name}" if path else name, each) for name, each in list(value.items())[:50]]
    return found


def _accepted(whole: Any, source: Source) -> None:
    """Many systems answer 200 and say inside that they failed."""
    if not source.ok_path:
        return
    value = at(whole, source.ok_path)
    if value is MISSING or _plain(value) != source.ok_value.strip().lower():
        said = "—" if value is MISSING else value
        raise Fault(
            _("对方报告失败：%(path)s 为 %(value)s，应为 %(wanted)s。"),
            path=source.ok_path, value=said, wanted=source.ok_value,
        )  # fmt: skip


def _plain(value: Any) -> str:
    return str(value).strip().lower()


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value and depth < 4:
        for name, each in value.items():
            yield from _leaves(each, f"{path}.{name}" if path else str(name), depth + 1)
    elif path:
        yield path, value


def _json(data: bytes) -> Any:
    try:
        return json.loads(data.decode(_encoding(data)))
    except (ValueError, RecursionError):
        raise Fault(_("内容不是有效的 JSON，开头为：%(start)s"), start=_start(data)) from None


def _csv(data: bytes) -> Iterator[dict[str, Any]]:
    text = data.decode(_encoding(data))
    if "\x00" in text:
        raise Fault(_("内容不是 CSV 文本。"))
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        if len(names) > MOST_COLUMNS:
            raise Fault(_("表头超过 %(most)d 列。"), most=MOST_COLUMNS)
        for number, cells in enumerate(row for row in reader if any(row)):
            if number >= MOST_ROWS:
                raise Fault(_("一次超过 %(most)d 行。请缩小每页行数或时间范围。"), most=MOST_ROWS)
            yield dict(zip(names, cells, strict=False))
    except csv.Error:
        raise Fault(_("CSV 第 %(line)d 行无法读取。"), line=reader.line_num) from None


def _xml(data: bytes) -> Any:
    """The root's content as nested mappings; names without their namespaces, attributes as ``@name``."""
    try:
        # A document type is refused as such: entities, external ones and their bombs need one.
        # As text: expat reads no GB 18030, and of a text it does not heed the encoding that the declaration names.
        root = fromstring(data.decode(_encoding(data)), forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException:
        raise Fault(_("XML 含有文档类型声明或实体，不予读取。")) from None
    except (ParseError, ValueError, LookupError):
        raise Fault(_("内容不是有效的 XML，开头为：%(start)s"), start=_start(data)) from None
    return _content(root, 0)


def _content(element: Element, depth: int) -> Any:
    if depth > DEEPEST:
        raise Fault(_("XML 嵌套超过 %(most)d 层。"), most=DEEPEST)
    found: dict[str, Any] = {f"@{_bare(name)}": value for name, value in element.attrib.items()}
    for child in element:
        if not isinstance(child.tag, str):
            continue
        name, value = _bare(child.tag), _content(child, depth + 1)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    text = (element.text or "").strip()
    if not found:
        return text
    return found | ({"#text": text} if text else {})


def _bare(name: str) -> str:
    return name.rpartition("}")[2]


def _encoding(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for encoding in ENCODINGS:
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    raise Fault(_("无法识别内容的编码，应为 UTF-8 或 GB 18030。"))


def _start(data: bytes) -> str:
    return " ".join(data[:80].decode("utf-8", "replace").split()) or "—"


def first_row(rows: list[dict[str, Any]], path: str) -> bool:
    """Whether some row has anything at a path: where none has, the other side has renamed it."""
    return any(at(row, path) is not MISSING for row in rows)


def known_paths(rows: list[Mapping[str, Any]]) -> set[str]:
    """The names at the top of the rows, for a message that says what is there."""
    return {str(name) for row in rows[:50] for name in row}
