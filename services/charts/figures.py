"""What a chart shows: rows within somebody's rights, grouped and measured in the database in one query."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import OperationalError, connection, models, transaction
from django.db.models import Case, QuerySet, Value, When
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg.errors import QueryCanceled

from services.access.errors import TooLarge
from services.access.principal import Principal
from services.charts import names, sources
from services.charts.classes import breaks
from services.charts.dimensions import COUNT, Dimension, Measure
from services.charts.models import Product
from services.charts.names import Group
from services.charts.sources import Source, within
from services.charts.spec import MOST_SERIES, Spec, check, day
from services.reports.bounded import limit_statements
from services.telemetry.spans import ZONE

MOST_GROUPS = 2_000
MOST_PLACES = 20_000
"""Points of a map."""
SECONDS = 20
Number = float | Decimal | None
Kind = Product.Kind


@dataclass(frozen=True)
class Figure:
    """The figures of a chart: a line of values for each series, in the order of the groups; None where nothing is."""

    spec: Spec
    measure: str
    unit: str
    digits: int | None
    by: str
    groups: list[Group]
    series: list[Group]
    values: list[list[Number]]
    total: int
    """Rows that were counted."""
    hidden: int = 0
    """Groups that are not shown on their own."""
    breaks: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    at: datetime = field(default_factory=timezone.now)

    @property
    def is_empty(self) -> bool:
        return not any(value is not None for line in self.values for value in line)


def run(principal: Principal, spec: Spec, owner: UUID | None, action: str = "view") -> Figure:
    """The figures of a chart within somebody's rights; ``action`` is ``export`` for what is taken along.

    Raises NotFound where the source is not within their rights, Invalid for settings that cannot be drawn, TooLarge
    beyond MOST_GROUPS. The number of queries does not depend on what is counted.
    """
    source = sources.source(principal, spec.source, owner)
    check(spec, source)
    measure, by = source.measures[spec.measure], source.dimensions[spec.by]
    series = source.dimensions.get(spec.series)
    rows = source.rows(principal, action, measure, spec.filters, spec.cql)
    today = timezone.now().astimezone(ZONE).date()
    if spec.clock:
        rows = source.between(rows, spec.clock, *spec.span(today))
    periods = spec.kind == Kind.COMPARATIVE and spec.compared == "periods"
    other = _period(spec, source) if periods else series.expression if series else Value("", models.TextField())
    found = _aggregated(rows, by, other, measure, spec)
    lines, hidden = _arranged(principal, source, spec, found, by, series, measure)
    told = replace(lines, hidden=hidden, notes=_notes(spec, lines, hidden, measure))
    if spec.kind in (Kind.THEMATIC, Kind.CALENDAR) or spec.form == "matrix":
        known = [float(value) for line in told.values for value in line if value is not None]
        return replace(told, breaks=breaks(known, spec.classes, spec.method, spec.breaks))
    return told


def _aggregated(
    rows: QuerySet[Any], by: Dimension, other: Any, measure: Measure, spec: Spec
) -> list[tuple[str | None, str | None, int, Number]]:
    """(Group, series, rows, value) of every group, at most one more than may be."""
    number = measure.expression or Value(1, models.IntegerField())
    asked = rows.annotate(z_by=by.expression, z_other=Cast(other, models.TextField()), z_value=number)
    try:
        text, parameters = asked.values_list("z_by", "z_other", "z_value").query.sql_with_params()
    except EmptyResultSet:
        return []
    most = MOST_PLACES if by.kind in ("feature", "place") and spec.kind in (Kind.THEMATIC, Kind.HEAT) else MOST_GROUPS
    most *= 1 if not spec.series or most == MOST_PLACES else MOST_SERIES
    # Both parts come from our own declarations; what people chose is in the parameters.
    query = (
        f"select z_by, z_other, count(*), {AGGREGATES[measure.aggregate]} from ({text})"  # noqa: S608
        f" as counted (z_by, z_other, z_value) group by 1, 2 limit {most + 1}"
    )
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            limit_statements(SECONDS)
            cursor.execute(query, parameters)
            found = cursor.fetchall()
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise TooLarge(_("统计超过 %d 秒没有完成。请加筛选条件或缩短时间。") % SECONDS) from error
    if len(found) > most:
        raise TooLarge(_("分组超过 %d 个，看不清楚。请加筛选条件、缩短时间，或换一个分组字段。") % most)
    return [(group, one, n, _number(value)) for group, one, n, value in found]


AGGREGATES = {
    COUNT: "count(*)", "days": "count(*)", "sum": "sum(z_value)", "mean": "avg(z_value)", "max": "max(z_value)",
    "min": "min(z_value)",
    # Levels add up as energies.
    "level": "10 * log(avg(power(10::float8, least(z_value, 1000) / 10)))",
}  # fmt: skip


def _period(spec: Spec, source: Source) -> Any:
    """Which of the periods a row lies in; a row in none of them has no series."""
    clock = source.clocks[spec.clock]
    cases = [
        When(within(clock, day(first), day(last)), then=Value(str(n))) for n, (first, last) in enumerate(spec.periods)
    ]
    return Case(*cases, default=Value(None), output_field=models.TextField())


def _arranged(
    principal: Principal, source: Source, spec: Spec, found: list[tuple[Any, Any, int, Number]],
    by: Dimension, series: Dimension | None, measure: Measure,
) -> tuple[Figure, int]:  # fmt: skip
    """The groups in their order, named, the smallest put together or left out; and how many these were."""
    periods = spec.kind == Kind.COMPARATIVE and spec.compared == "periods"
    if periods:
        found = [row for row in found if row[1] is not None]
    lines = _series(principal, source, spec, found, series, measure)
    kept = {group.key for group in lines}
    beside = len({row[1] or "" for row in found} - kept) if series is not None and not spec.chosen else 0
    if series is not None:
        found = [row for row in found if (row[1] or "") in kept]
    cells: dict[tuple[str, str], tuple[int, Number]] = {(row[0] or "", row[1] or ""): row[2:] for row in found}
    keys = list(dict.fromkeys(row[0] or "" for row in found))
    labels = names.groups(principal, source, by, keys)
    ordered = _ordered(spec, by, labels, cells, lines)
    on_map = spec.kind in (Kind.THEMATIC, Kind.CALENDAR) or spec.form in ("ground", "matrix")
    shown = ordered if on_map or not spec.top or by.kind in ("time", "cycle") else ordered[: spec.top]
    rest = ordered[len(shown) :]
    values = [[cells.get((group.key, line.key), (0, None))[1] for group in shown] for line in lines]
    if measure.adds_up or measure.aggregate == "days":
        values = [[_zero(value, measure) for value in line] for line in values]
    if rest and measure.adds_up:
        shown = [*shown, Group(names.OTHERS, _("其他 %d 项") % len(rest))]
        for line, numbers in zip(lines, values, strict=True):
            numbers.append(sum((cells.get((g.key, line.key), (0, None))[1] or 0) for g in rest))
    made = Figure(
        spec, measure.label, spec.unit or measure.unit, measure.digits, by.label, shown, lines, values,
        sum(row[2] for row in found), notes=[_("另有 %d 个系列没有显示。") % beside] if beside else [],
    )  # fmt: skip
    return made, len(rest)


def _series(
    principal: Principal, source: Source, spec: Spec, found: list[tuple[Any, Any, int, Number]],
    series: Dimension | None, measure: Measure,
) -> list[Group]:  # fmt: skip
    """The lines: the chosen ones, else those with most rows; one without a name where nothing divides the groups."""
    if spec.kind == Kind.COMPARATIVE and spec.compared == "periods":
        return [Group(str(n), f"{first} – {last}") for n, (first, last) in enumerate(spec.periods)]
    if series is None:
        return [Group("", measure.label)]
    sizes: dict[str, int] = {}
    for _group, key, n, _value in found:
        sizes[key or ""] = sizes.get(key or "", 0) + n
    keys = [key for key in spec.chosen if key in sizes] or sorted(sizes, key=lambda key: (-sizes[key], key))
    most = 366 if spec.form == "matrix" else 2 if spec.form == "mirror" else MOST_SERIES
    named = names.groups(principal, source, series, keys[:most])
    return named if spec.chosen and spec.kind == Kind.COMPARATIVE else names.natural(series, named)


def _ordered(
    spec: Spec,
    by: Dimension,
    labels: list[Group],
    cells: dict[tuple[str, str], tuple[int, Number]],
    lines: Sequence[Group],
) -> list[Group]:
    if by.kind in ("time", "cycle"):
        return names.natural(by, labels)
    natural = names.natural(by, labels)
    if spec.sort == "natural" and len(natural) <= (spec.top or len(natural)):
        return natural
    # Where not all are shown the greatest are, whatever the order.
    sizes = {g.key: sum(float(cells.get((g.key, line.key), (0, None))[1] or 0) for line in lines) for g in natural}
    return sorted(natural, key=lambda group: sizes[group.key], reverse=spec.sort != "up")


def _zero(value: Number, measure: Measure) -> Number:
    """No rows are none: a count is zero, while a sum of nothing stays unknown."""
    return 0.0 if value is None and measure.aggregate != "sum" else value


def _notes(spec: Spec, made: Figure, hidden: int, measure: Measure) -> list[str]:
    found = list(made.notes)
    if hidden and not measure.adds_up:
        found.append(_("另有 %d 组没有显示。") % hidden)
    if measure.aggregate == "level":
        found.append(_("声级按能量平均。"))
    if spec.kind == Kind.COMPARATIVE and len(made.series) == 2:
        found.append(_("差值 = 后者 − 前者；变化率以前者为基数。"))
    return found


def _number(value: Any) -> Number:
    if value is None or isinstance(value, Decimal):
        return value
    number = float(value)
    return number if math.isfinite(number) else None
