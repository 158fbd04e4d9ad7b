"""Reading CQL2 text or JSON into its JSON tree, within limits of size and depth."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cql2
import orjson
from django.utils.translation import gettext as _

from services.access.errors import Invalid, TooLarge

LANGUAGES = ("cql2-text", "cql2-json")
MAX_BYTES = 65_536
MAX_DEPTH = 64
MAX_TERMS = 1_000

_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")
_TERM = re.compile(
    r"\b(?:and|or|not|like|in|between|is|div)\b|[<>=]+|[+*/%^]|-(?!\s*[\d.])|(?<=[\w.)])-", re.IGNORECASE
)
"""What joins terms; the sign of a number is none."""


def read(text: str, language: str = "cql2-text") -> Any:
    """The JSON tree of a filter; raises Invalid with the place of the fault, TooLarge over 64 KB."""
    if len(text.encode()) > MAX_BYTES:
        raise TooLarge(_("filter 超过 64 KB。请简化筛选条件。"))
    if "\0" in text:
        raise bad(_("不能包含 NUL 字符。"))
    tree = _from_text(text) if language == "cql2-text" else _from_json(text)
    _limit(tree)
    return tree


def bad(reason: str) -> Invalid:
    """The refusal of a filter."""
    return Invalid(_("筛选条件有误：%s") % reason, {"filter": [reason]})


def _from_json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise bad(
            _("不是有效的 JSON：第 %(line)d 行第 %(column)d 列。") % {"line": error.lineno, "column": error.colno}
        ) from None


def _from_text(text: str) -> Any:
    plain = _QUOTED.sub("''", text)
    depth = deepest = 0
    for bracket in re.findall(r"[()]", plain):
        depth += 1 if bracket == "(" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise too_deep()
    if len(_TERM.findall(plain)) > 2 * MAX_TERMS:
        raise too_many()
    return _parser().submit(_parse, text).result()


def _parse(text: str) -> Any:
    try:
        return cql2.parse_text(text).to_json()
    except (cql2.ParseError, cql2.ValidationError) as error:
        place = re.search(r"(\d+):(\d+)", str(error))
        where = _("第 %(line)s 行第 %(column)s 个字符附近。") % {"line": place[1], "column": place[2]} if place else ""
        raise bad(_("不是有效的 CQL2 文本。") + where) from None
    except RecursionError:
        raise too_deep() from None
    except Exception as error:
        raise bad(_("不是有效的 CQL2 文本。") + str(error)[:200]) from None


_lock = threading.Lock()
_pool: list[ThreadPoolExecutor] = []


def _parser() -> ThreadPoolExecutor:
    """The thread that parses. The parser recurses on the machine's stack and would end the process on a small one."""
    with _lock:
        if not _pool:
            before = threading.stack_size(256 * 1024 * 1024)
            pool = ThreadPoolExecutor(1, thread_name_prefix="cql2")
            pool.submit(int).result()
            threading.stack_size(before)
            _pool.append(pool)
    return _pool[0]


def _limit(tree: Any) -> None:
    terms = 0
    for values, (node, depth) in enumerate(_walk(tree)):
        terms += isinstance(node, dict) and "op" in node
        if depth > MAX_DEPTH:
            raise too_deep()
        if terms > MAX_TERMS or values > 5 * MAX_TERMS:
            raise too_many()


def _walk(tree: Any) -> Iterator[tuple[Any, int]]:
    """Every node of operators and lists of operands; coordinates are counted by the reader of geometries."""
    stack = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        if isinstance(node, dict):
            stack += [(value, depth + 1) for key, value in node.items() if key != "coordinates"]
        elif isinstance(node, list):
            # A list is a syntax of its operator, not a level of its own.
            stack += [(value, depth) for value in node]


def too_deep() -> Invalid:
    """The refusal of a filter nested too deeply."""
    return bad(_("嵌套超过 %d 层。") % MAX_DEPTH)


def too_many() -> Invalid:
    """The refusal of a filter with too many terms."""
    return bad(_("条件超过 %d 项。") % MAX_TERMS)
