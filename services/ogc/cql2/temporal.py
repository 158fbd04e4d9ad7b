"""Temporal functions of CQL2 (OGC 21-065r2 §7.9): relations of instants and intervals."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import DateTimeField, Q, Value
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from services.ogc.cql2.operands import Operand, as_timestamp, day, instant
from services.ogc.cql2.read import bad

type Reader = Callable[[Any], Operand]
type Compare = Callable[[str, Operand, Operand], Q]

# Start (s) and end (e) of the first operand, compared with start (S) and end (E) of the second.
RELATIONS: dict[str, tuple[str, ...]] = {
    "t_after": ("s>E",),
    "t_before": ("e<S",),
    "t_contains": ("s<S", "e>E"),
    "t_during": ("s>S", "e<E"),
    "t_equals": ("s=S", "e=E"),
    "t_finishedby": ("s<S", "e=E"),
    "t_finishes": ("s>S", "e=E"),
    "t_intersects": ("s<=E", "e>=S"),
    "t_meets": ("e=S",),
    "t_metby": ("s=E",),
    "t_overlappedby": ("s>S", "s<E", "e>E"),
    "t_overlaps": ("s<S", "e>S", "e<E"),
    "t_startedby": ("s=S", "e>E"),
    "t_starts": ("s=S", "e<E"),
}
FUNCTIONS = (*sorted([*RELATIONS, "t_disjoint"]),)


@dataclass(frozen=True)
class Span:
    """Start and end; the same operand twice for an instant."""

    start: Operand
    end: Operand


def relate(name: str, args: list[Any], scalar: Reader, compare: Compare) -> Q:
    """The condition of a temporal function."""
    one, other = (_span(arg, scalar) for arg in args)
    if {one.start.kind, one.end.kind, other.start.kind, other.end.kind} != {"date"}:
        one, other = (Span(as_timestamp(s.start), as_timestamp(s.end, end=s.end is not s.start)) for s in (one, other))
    ends = {"s": one.start, "e": one.end, "S": other.start, "E": other.end}
    condition = Q()
    # Disjoint is not the negation of intersects where a value is missing: both are unknown there.
    for rule in RELATIONS["t_intersects" if name == "t_disjoint" else name]:
        condition &= compare(rule[1:-1], ends[rule[0]], ends[rule[-1]])
    return ~condition if name == "t_disjoint" else condition


def _span(node: Any, scalar: Reader) -> Span:
    if isinstance(node, dict) and set(node) == {"interval"}:
        ends = node["interval"]
        if not (isinstance(ends, list) and len(ends) == 2):
            raise bad(_("interval 需要起、止两个时间。"))
        return Span(_end(ends[0], "-infinity", scalar), _end(ends[1], "infinity", scalar))
    at = _temporal(scalar(node))
    return Span(at, at)


def _end(node: Any, unbounded: str, scalar: Reader) -> Operand:
    if node == "..":
        return Operand("timestamp", Cast(Value(unbounded), DateTimeField()))
    if isinstance(node, str):
        return instant(node) if "T" in node.upper() else day(node)
    return _temporal(scalar(node))


def _temporal(operand: Operand) -> Operand:
    if operand.kind == "text" and operand.value:
        return instant(operand.value) if "T" in operand.value.upper() else day(operand.value)
    if operand.kind not in ("date", "timestamp"):
        raise bad(_("时间函数只能用于日期或时间，收到 %s。") % operand.kind)
    return operand
