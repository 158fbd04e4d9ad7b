"""The JSON tree of a filter as a Django condition over the fields a principal may read."""

import re
from collections.abc import Iterable
from typing import Any

from django.db.models import BooleanField, Func, Q, Value, lookups
from django.db.models.expressions import Combinable
from django.utils.translation import gettext as _

from gis.crs import CRS84_URI, ServedCRS, parse_crs
from services.catalog.describe import Described
from services.ogc.cql2 import spatial, temporal
from services.ogc.cql2.operands import Operand, alike, arithmetic, day, field_operand, folded, instant, literal
from services.ogc.cql2.read import bad

CRS84 = parse_crs(CRS84_URI)
COMPARISONS: dict[str, type[lookups.Lookup]] = {
    "=": lookups.Exact,
    "<": lookups.LessThan,
    "<=": lookups.LessThanOrEqual,
    ">": lookups.GreaterThan,
    ">=": lookups.GreaterThanOrEqual,
}
ARITHMETIC = ("+", "-", "*", "/", "div", "%", "^")
OPERATORS = (
    "and", "or", "not", *COMPARISONS, "<>", "like", "in", "between", "isnull", "casei", "accenti",
    *ARITHMETIC, *spatial.FUNCTIONS, *temporal.FUNCTIONS,
)  # fmt: skip


def condition(
    tree: Any,
    fields: Iterable[Described],
    geometry: str = "geom",
    *,
    names: tuple[str, ...] = ("geometry",),
    crs: ServedCRS = CRS84,
) -> Q:
    """The rows that pass a filter.

    ``fields`` are all that may be named; ``geometry`` is the ORM path of the place, known to the filter by ``names``;
    ``crs`` is that of its literals. Raises Invalid naming what is wrong and what is allowed.
    """
    return _Compiler({f.name: f for f in fields}, geometry, names, crs).boolean(tree)


class _Compiler:
    def __init__(self, fields: dict[str, Described], geometry: str, names: tuple[str, ...], crs: ServedCRS) -> None:
        self.fields, self.geometry, self.names, self.crs = fields, geometry, names, crs

    def boolean(self, node: Any) -> Q:
        """A condition."""
        if isinstance(node, bool):
            return Q(Value(node, output_field=BooleanField()))
        if isinstance(node, dict) and "property" in node:
            return self.compare("=", self.scalar(node), literal(True))
        operator, args = self.operation(node)
        if operator in ("and", "or"):
            if len(args) < 2:
                raise bad(_("%s 至少需要两个条件。") % operator.upper())
            conditions = [self.boolean(arg) for arg in args]
            return Q(*conditions, _connector=Q.AND if operator == "and" else Q.OR)
        if operator == "not":
            return ~self.boolean(self.exactly(args, 1, operator)[0])
        if operator in COMPARISONS or operator == "<>":
            return self.compare(operator, *(self.scalar(arg) for arg in self.exactly(args, 2, operator)))
        if operator == "between":
            value, low, high = (self.scalar(arg) for arg in self.exactly(args, 3, operator))
            return self.compare(">=", value, low) & self.compare("<=", value, high)
        if operator == "in":
            return self.member(*self.exactly(args, 2, operator))
        if operator == "like":
            return self.like(*(self.scalar(arg) for arg in self.exactly(args, 2, operator)))
        if operator == "isnull":
            return self.missing(self.exactly(args, 1, operator)[0])
        if operator in spatial.FUNCTIONS:
            return Q(spatial.relate(operator, self.exactly(args, 2, operator), self.geometry, self.names, self.crs))
        if operator in temporal.FUNCTIONS:
            return temporal.relate(operator, self.exactly(args, 2, operator), self.scalar, self.compare)
        raise bad(_("%s 不是条件。") % operator.upper())

    def scalar(self, node: Any) -> Operand:
        """A value."""
        if not isinstance(node, dict):
            return literal(node)
        if "property" in node:
            return field_operand(self.field(node["property"]))
        if "date" in node:
            return day(node["date"])
        if "timestamp" in node:
            return instant(node["timestamp"])
        operator, args = self.operation(node)
        if operator in ("casei", "accenti"):
            return folded(operator, self.scalar(self.exactly(args, 1, operator)[0]))
        if operator in ARITHMETIC:
            return arithmetic(operator, *(self.scalar(arg) for arg in self.exactly(args, 2, operator)))
        raise bad(_("%s 不是值。") % operator.upper())

    def field(self, name: Any) -> Described:
        if not isinstance(name, str) or name not in self.fields:
            allowed = ", ".join([*self.fields, *self.names])
            raise bad(_("没有属性“%(name)s”；可用属性：%(allowed)s。") % {"name": str(name)[:60], "allowed": allowed})
        return self.fields[name]

    def operation(self, node: Any) -> tuple[str, list[Any]]:
        operator = node.get("op") if isinstance(node, dict) else None
        if not isinstance(operator, str):
            raise bad(_("这里应为运算，收到：%s") % str(node)[:60])
        operator = operator.lower()
        if operator not in OPERATORS:
            raise bad(
                _("不支持“%(name)s”；支持：%(allowed)s。") % {"name": operator[:60], "allowed": " ".join(OPERATORS)}
            )
        args = node.get("args")
        if not isinstance(args, list):
            raise bad(_("%s 缺少 args。") % operator.upper())
        return operator, args

    def exactly(self, args: list[Any], count: int, operator: str) -> list[Any]:
        if len(args) != count:
            raise bad(_("%(operator)s 需要 %(count)d 个参数。") % {"operator": operator.upper(), "count": count})
        return args

    def compare(self, operator: str, left: Operand, right: Operand) -> Q:
        one, other = alike(left, right)
        if one.kind == "boolean" and operator not in ("=", "<>"):
            raise bad(_("是非值只能用 = 和 <> 比较。"))
        if operator == "<>":
            return ~Q(lookups.Exact(one.expression, other.expression))
        return Q(COMPARISONS[operator](one.expression, other.expression))

    def member(self, value: Any, choices: Any) -> Q:
        if not (isinstance(choices, list) and choices):
            raise bad(_("IN 需要非空的值列表。"))
        operand = self.scalar(value)
        return Q(*(self.compare("=", operand, self.scalar(choice)) for choice in choices), _connector=Q.OR)

    def like(self, text: Operand, pattern: Operand) -> Q:
        if {text.kind, pattern.kind} != {"text"}:
            raise bad(_("LIKE 只能用于文本。"))
        return Q(_Like(text.expression, _pattern(pattern)))

    def missing(self, node: Any) -> Q:
        if isinstance(node, dict) and node.get("property") in self.names:
            return Q(**{f"{self.geometry}__isnull": True})
        return Q(lookups.IsNull(self.scalar(node).expression, True))


class _Like(Func):
    """Text against a pattern of ``%`` and ``_``, escaped by a backslash."""

    template = "%(expressions)s"
    arg_joiner = " LIKE "
    output_field = BooleanField()


def _pattern(operand: Operand) -> Combinable:
    """A pattern that the database takes: no lone backslash at its end, no run of wildcards to try again and again."""
    if operand.value is None:
        return operand.expression
    if re.search(r"(?<!\\)(\\\\)*\\$", operand.value):
        raise bad(_("LIKE 的模式不能以单个反斜杠结尾。"))
    return literal(re.sub(r"(?<!\\)%{2,}", "%", operand.value)).expression
