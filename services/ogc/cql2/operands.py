"""Operands of a filter: a typed Django expression each, and what it takes to compare two of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import F, Func, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Lower
from django.utils import timezone
from django.utils.translation import gettext as _

from services.catalog.describe import Described
from services.ogc.cql2.read import bad

KINDS: tuple[tuple[type[models.Field], str], ...] = (
    (models.BooleanField, "boolean"),
    (models.IntegerField, "number"),
    (models.FloatField, "number"),
    (models.DecimalField, "number"),
    (models.DateTimeField, "timestamp"),
    (models.DateField, "date"),
    (models.UUIDField, "uuid"),
    (models.CharField, "text"),
    (models.TextField, "text"),
)
FIELDS: dict[str, type[models.Field]] = {
    "boolean": models.BooleanField,
    "date": models.DateField,
    "timestamp": models.DateTimeField,
    "uuid": models.UUIDField,
    "text": models.TextField,
    "number": models.FloatField,
}


@dataclass(frozen=True)
class Operand:
    """An expression of a known kind; ``value`` is what a literal says, None for anything else."""

    kind: str
    expression: Combinable
    value: Any = None


class FoldAccents(Func):
    """Text without the marks that decompose from their letters (ș → s; ø stays, it is a letter of its own)."""

    template = "regexp_replace(normalize(%(expressions)s, NFD), '[\u0300-\u036f]', '', 'g')"
    output_field = models.TextField()


def field_operand(described: Described) -> Operand:
    """The stored value of a field: a foreign key's is the key."""
    kind = next((kind for of, kind in KINDS if isinstance(described.value_field, of)), "other")
    return Operand(kind, F(described.field.attname if described.related else described.path))


def literal(value: Any) -> Operand:
    """A JSON scalar."""
    if isinstance(value, bool):
        return Operand("boolean", Value(value, output_field=models.BooleanField()), value)
    if isinstance(value, int | float):
        if not math.isfinite(value):
            raise bad(_("数值超出范围。"))
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
        # A whole number stays an integer, so that an index on an integer column serves.
        number = int(value) if whole else value
        return Operand("number", Value(number), value)
    if isinstance(value, str):
        if "\0" in value:
            raise bad(_("不能包含 NUL 字符。"))
        return Operand("text", Value(value, output_field=models.TextField()), value)
    raise bad(_("这里应为值，而不是 %s。判断空值请用 IS NULL。") % str(value)[:50])


def day(text: Any) -> Operand:
    """A DATE literal."""
    return _moment("date", date.fromisoformat, text, "2026-01-31")


def instant(text: Any) -> Operand:
    """A TIMESTAMP literal; without an offset it is UTC."""

    def read(value: str) -> datetime:
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    return _moment("timestamp", read, text, "2026-01-31T08:00:00Z")


def _moment(kind: str, read: Callable[[str], Any], text: Any, example: str) -> Operand:
    try:
        value = read(text)
    except (TypeError, ValueError):
        raise bad(
            _("“%(text)s”不是有效的时间，应形如 %(example)s。") % {"text": str(text)[:40], "example": example}
        ) from None
    return Operand(kind, Value(value, output_field=FIELDS[kind]()), value)


def alike(one: Operand, other: Operand) -> tuple[Operand, Operand]:
    """Both operands brought to one kind; raises Invalid where they cannot be compared."""
    if one.kind == other.kind and one.kind in FIELDS:
        return one, other
    for left, right, back in ((one, other, False), (other, one, True)):
        converted = _converted(left, right.kind)
        if converted is not None:
            return (right, converted) if back else (converted, right)
    raise bad(_("不能比较 %(one)s 与 %(other)s。") % {"one": one.kind, "other": other.kind})


def _converted(operand: Operand, kind: str) -> Operand | None:
    """The operand as another kind: text literals are read, days become moments; None where there is no way."""
    if operand.kind == "date" and kind == "timestamp":
        return as_timestamp(operand)
    if operand.kind != "text" or operand.value is None:
        return None
    if kind in ("date", "timestamp"):
        return day(operand.value) if kind == "date" else instant(operand.value)
    if kind == "uuid":
        try:
            return Operand("uuid", Value(UUID(operand.value), output_field=models.UUIDField()), operand.value)
        except ValueError:
            raise bad(_("“%s”不是有效的标识符（UUID）。") % operand.value[:40]) from None
    return None


def as_timestamp(operand: Operand, end: bool = False) -> Operand:
    """A day as a moment: its start (or end) where the product lives."""
    if operand.kind != "date":
        return operand
    if operand.value is None:
        return Operand("timestamp", Cast(operand.expression, models.DateTimeField()))
    moment = datetime.combine(operand.value, time.max if end else time.min, timezone.get_current_timezone())
    return Operand("timestamp", Value(moment, output_field=models.DateTimeField()), moment)


def folded(operator: str, operand: Operand) -> Operand:
    """CASEI and ACCENTI of a text."""
    if operand.kind != "text":
        raise bad(_("%(operator)s 只能用于文本。") % {"operator": operator.upper()})
    return Operand("text", (Lower if operator == "casei" else FoldAccents)(operand.expression))


class Arithmetic(Func):
    """Two numbers joined by an operator, in double precision; a division by zero is null."""

    output_field = models.FloatField()
    JOINED = {
        "+": "(%s + %s)",
        "-": "(%s - %s)",
        "*": "(%s * %s)",
        "/": "(%s / nullif(%s, 0))",
        "div": "trunc(%s / nullif(%s, 0))",
        "^": "power(%s, %s)",
    }

    def __init__(self, operator: str, left: Combinable, right: Combinable) -> None:
        # The operator comes from the table above, never from the filter.
        super().__init__(Cast(left, models.FloatField()), Cast(right, models.FloatField()))
        self.joined = self.JOINED[operator]

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        (left, one), (right, other) = (compiler.compile(e) for e in self.source_expressions)
        return self.joined % (left, right), (*one, *other)


def arithmetic(operator: str, left: Operand, right: Operand) -> Operand:
    """``+ - * / div % ^`` of two numbers."""
    if {left.kind, right.kind} != {"number"}:
        raise bad(_("“%s”只能用于数。") % operator)
    one, other = left.expression, right.expression
    if operator == "%":
        whole = Arithmetic("*", other, Arithmetic("div", one, other))
        return Operand("number", Arithmetic("-", one, whole))
    return Operand("number", Arithmetic(operator, one, other))
