"""Cells to stored values: what people write for a number, a date, a choice or a reference, and clear refusals."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from math import isfinite
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import override

from services.access import gate
from services.access.principal import Principal
from services.catalog.describe import Described
from services.export.writers import FORMULA

MISSING = frozenset({"", "—", "–", "-", "--", "/", "null", "none", "n/a"})
"""What stands for "no value" in a cell that is not text."""
YES = frozenset({"是", "有", "对", "√", "true", "yes", "y", "1", "t"})
NO = frozenset({"否", "无", "错", "×", "false", "no", "n", "0", "f"})
LISTED = 12

_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_DAY = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?")
_COMPACT_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})")
_ERROR_CELL = re.compile(r"#(REF|VALUE|DIV/0|NAME|NULL|NUM|N/A)[!?]?")
_CODED = re.compile(r"(?P<name>.*?)\s*\[(?P<code>[^\[\]]+)\]")

Convert = Callable[[Any], Any]


class BadValue(ValueError):
    """A cell that cannot become a value of its field; the text says what is allowed."""


def converter(principal: Principal, field: Described) -> Convert:
    """A function from a cell to the stored value of a field; None where the cell is empty. Raises BadValue."""
    convert = _converter(principal, field)
    texts = isinstance(field.field, models.CharField | models.TextField)

    def checked(cell: Any) -> Any:
        if isinstance(cell, str):
            cell = cell.strip()
            if len(cell) > 1 and cell[0] == "'" and cell[1:2] in FORMULA:
                cell = cell[1:]
            if "\x00" in cell:
                raise BadValue(_("含有空字符（NUL），请删除。"))
            if _ERROR_CELL.fullmatch(cell):
                raise BadValue(_("公式出错：%s") % cell)
        if cell is None or cell == "" or (not texts and isinstance(cell, str) and cell.lower() in MISSING):
            return None
        return convert(cell)

    return checked


def _converter(principal: Principal, field: Described) -> Convert:
    if field.related is not None:
        return _reference(principal, field)
    if field.choices:
        return _choice(field)
    match field.schema:
        case {"type": "boolean"}:
            return _flag
        case {"type": "integer"}:
            return lambda cell: _integer(_number(cell, field.unit))
        case {"type": "number"}:
            exact = isinstance(field.field, models.DecimalField)
            return lambda cell: _number(cell, field.unit) if exact else float(_number(cell, field.unit))
        case {"format": "date-time"}:
            return _moment
        case {"format": "date"}:
            return lambda cell: timezone.localtime(_moment(cell)).date()
        case {"format": "uuid"}:
            return _uuid
        case {"type": "object"}:
            return _json
    return _text


def _text(cell: Any) -> str:
    # A spreadsheet keeps a telephone number as a float.
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ").removesuffix(" 00:00:00")
    return str(cell)


def _number(cell: Any, unit: str) -> Decimal:
    if isinstance(cell, bool) or not isinstance(cell, str | int | float | Decimal):
        raise BadValue(_("“%s”不是数。") % cell)
    text = str(cell)
    if isinstance(cell, str):
        text = text.removesuffix(unit).strip() if unit else text
        text = text.replace(",", "") if _GROUPED.fullmatch(text) else text
    try:
        # Python's own notation for large numbers is nobody else's.
        number = Decimal("nan" if "_" in text else text)
        if isfinite(number) and isfinite(float(number)):
            return number
    except (InvalidOperation, OverflowError, ValueError):
        pass
    raise BadValue(_("“%s”不是数。") % text[:40])


def _integer(number: Decimal) -> int:
    if number != number.to_integral_value():
        raise BadValue(_("“%s”不是整数。") % number)
    return int(number)


def _flag(cell: Any) -> bool:
    if isinstance(cell, bool):
        return cell
    text = str(cell).lower().removesuffix(".0")
    if text in YES:
        return True
    if text in NO:
        return False
    raise BadValue(_("“%s”应写“是”或“否”。") % str(cell)[:40])


def _moment(cell: Any) -> datetime:
    """A date is its midnight; a time without zone is local."""
    found: datetime | None = None
    try:
        if isinstance(cell, datetime):
            found = cell
        elif isinstance(cell, date):
            found = datetime(cell.year, cell.month, cell.day)
        else:
            text = str(cell)
            day = _DAY.match(text) or _COMPACT_DAY.fullmatch(text)
            if day:
                time = text[day.end() :].lstrip("Tt ") or "00:00"
                found = parse_datetime(f"{day[1]}-{int(day[2]):02}-{int(day[3]):02} {time}")
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise BadValue(_("“%s”不是日期或时间。请写成 2026-01-31 或 2026-01-31 08:30。") % str(cell)[:40])
    return found if timezone.is_aware(found) else timezone.make_aware(found)


def _uuid(cell: Any) -> UUID:
    try:
        return UUID(str(cell))
    except ValueError:
        raise BadValue(_("“%s”不是标识符（UUID）。") % str(cell)[:40]) from None


def _json(cell: Any) -> Any:
    if isinstance(cell, dict | list):
        return cell
    try:
        return json.loads(str(cell))
    except (ValueError, RecursionError):
        raise BadValue(_("不是有效的 JSON。")) from None


def _choice(field: Described) -> Convert:
    stored: dict[str, Any] = {}
    for language, _name in settings.LANGUAGES:
        with override(language):
            stored |= {label.strip().lower(): value for value, label in field.choices.items()}
    stored |= {str(value).lower(): value for value in field.choices}
    allowed = "、".join(list(field.choices.values())[:LISTED])

    def convert(cell: Any) -> Any:
        found = stored.get(_text(cell).lower())
        if found is None:
            raise BadValue(
                _("没有“%(value)s”这个选项；可选：%(allowed)s。") % {"value": str(cell)[:40], "allowed": allowed}
            )
        return found

    return convert


def _reference(principal: Principal, field: Described) -> Convert:
    """Rows a foreign key may point at, by key, by code, by name, or as ``name [code]``; only what may be seen."""
    related = field.related
    assert related is not None
    targets = gate.targets(principal, related)
    names = {f.name for f in related._meta.concrete_fields}

    @lru_cache(maxsize=10_000)
    def find(text: str) -> tuple[Any, str]:
        for wanted in _wanted(text, names, related):
            found = list(targets.filter(wanted).values_list("pk", flat=True)[:2])
            if len(found) == 1:
                return found[0], ""
            if found:
                return None, _("“%s”对应多个对象，请改写其编号。") % text[:60]
        return None, _("找不到“%(value)s”。请写%(label)s的编号或名称。") % {"value": text[:60], "label": field.label}

    def convert(cell: Any) -> Any:
        key, problem = find(_text(cell))
        if problem:
            raise BadValue(problem)
        return key

    return convert


def _wanted(text: str, names: set[str], related: type[models.Model]) -> list[Q]:
    """What to look for, the surest first."""
    tries = []
    with suppress(ValidationError):
        tries.append(Q(pk=related._meta.pk.to_python(text)))
    coded = _CODED.fullmatch(text)
    if coded and {"code", "name"} <= names:
        tries += [Q(code=coded["code"], name=coded["name"]), Q(code=coded["code"])]
    if "code" in names:
        tries.append(Q(code=text))
    if "name" in names:
        tries.append(Q(name=text))
    return tries
