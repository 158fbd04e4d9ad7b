"""Statistics of everything over a period: totals, changes and trends of each kind, for a feature, a region or all.

Three queries whatever the number of kinds and rows: the period by parts and by the values of fields, the totals of the
times it is compared with, and, where those came out as nothing, whether there was anything before at all. Each is one
statement with a branch for every kind. What engines measure adds its own few.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import batched
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import Count, DateField, DecimalField, Func, Q, QuerySet, Sum, TextField, Value
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from services.access.errors import Invalid
from services.stats.figures import Division, Figure, Flag, Number, Tally, Total
from services.stats.frames import Frame, Window
from services.stats.kinds import Kind
from services.stats.measures import MEASURES
from services.stats.scopes import Asked, within
from services.telemetry.spans import ZONE

BRANCHES = 120
"""Kinds of one statement."""


@dataclass(frozen=True)
class Statistics:
    """The figures, in the order of their groups."""

    asked: Asked
    figures: list[Figure]

    @property
    def groups(self) -> dict[str, list[Figure]]:
        found: dict[str, list[Figure]] = {}
        for figure in self.figures:
            found.setdefault(figure.group, []).append(figure)
        return found


def statistics(asked: Asked, keys: Iterable[str] | None = None) -> Statistics:
    """Everything in the scope over the period, or the kinds with some keys; Invalid for a key that is none."""
    wanted = None if keys is None else set(keys)
    chosen = [kind for kind in asked.kinds if wanted is None or kind.key in wanted]
    measured = [figure for measure in MEASURES for figure in measure.figures(asked)]
    if wanted is not None:
        measured = [figure for figure in measured if figure.key in wanted]
        if unknown := wanted - {kind.key for kind in chosen} - {figure.key for figure in measured}:
            raise Invalid(_("没有统计项“%s”。") % sorted(unknown)[0][:60], {"kinds": [_("或不在您的权限范围内。")]})
    found = [*_counted(asked, chosen), *measured]
    # What engines tell stands together and first: it is what a supervisor looks for.
    order = list(dict.fromkeys([*(f.group for f in found if not f.layer), *(f.group for f in found)]))
    return Statistics(asked, sorted(found, key=lambda figure: order.index(figure.group)))


class _Numbers(Func):
    """Several figures as one array of numbers, so that kinds with unlike fields fit into one statement."""

    template = "array[%(expressions)s::numeric]"
    arg_joiner = "::numeric, "
    output_field = ArrayField(DecimalField())


class _Bucket(Func):
    """The first day of the part of the calendar in China in which a day or a moment lies."""

    output_field = DateField()

    def __init__(self, path: str, *, step: str, by_day: bool) -> None:
        at = "%(expressions)s::timestamp" if by_day else f"%(expressions)s at time zone '{ZONE.key}'"
        super().__init__(path, template=f"date_trunc('{step}', {at})::date")


def _counted(asked: Asked, chosen: list[Kind]) -> list[Figure]:
    frame = asked.frame
    windows = [window for window in (frame.before, frame.last_year) if window is not None]
    now: dict[str, list[tuple[date, list[str | None], list[Decimal | None]]]] = defaultdict(list)
    then: dict[str, list[Decimal | None]] = {}
    width = max((len(kind.parts) for kind in chosen), default=0)
    for some in batched(chosen, BRANCHES):
        for key, at, *values, numbers in _together([_now(asked, kind, width) for kind in some]):
            now[key].append((at, values, numbers))
        then |= dict(_together([_then(asked, kind, windows) for kind in some]))
    known = _known(asked, chosen, windows, then)
    return [_figure(kind, frame, now[kind.key], _windows(kind, then.get(kind.key), known[kind.key])) for kind in chosen]


def _together(branches: Sequence[QuerySet[Any]]) -> Iterable[Any]:
    """The rows of all of them, by one statement."""
    if not branches:
        return []
    return branches[0].union(*branches[1:], all=True) if len(branches) > 1 else branches[0]


def _now(asked: Asked, kind: Kind, width: int) -> QuerySet[Any]:
    """(Kind, part, ``width`` values of its fields, figures) of the period."""
    # Columns of their own: to put them into an array row by row would cost a third more.
    values: dict[str, Any] = {f"stat_value_{n}": Cast(field.path, TextField()) for n, field in enumerate(kind.parts)}
    values |= {f"stat_value_{n}": Value(None, TextField()) for n in range(len(kind.parts), width)}
    flags = [Count(kind.time.path, filter=Q(**{flag.path: True})) for flag in kind.flags]
    numbers = [Count("*"), *_amounts(kind), *flags]
    rows = asked.rows(kind).filter(within(kind, asked.frame.window))
    return (
        rows.annotate(
            stat_kind=Value(kind.key, TextField()),
            stat_at=_Bucket(kind.time.path, step=asked.frame.step, by_day=kind.by_day),
            **values,
        )
        .values_list("stat_kind", "stat_at", *values)
        .annotate(stat_numbers=_Numbers(*numbers))
    )


def _then(asked: Asked, kind: Kind, windows: list[Window]) -> QuerySet[Any]:
    """(Kind, figures of each of the times that the period is compared with, one after the other)."""
    numbers: list[Any] = []
    reached = Q()
    for window in windows:
        inside = within(kind, window)
        reached |= inside
        numbers += [Count(kind.time.path, filter=inside), *_amounts(kind, inside)]
    rows = asked.rows(kind).filter(reached).annotate(stat_kind=Value(kind.key, TextField()))
    return rows.values_list("stat_kind").annotate(stat_numbers=_Numbers(*numbers))


def _amounts(kind: Kind, inside: Q | None = None) -> list[Any]:
    """Sum and number of each quantity."""
    return [
        function(amount.expression, filter=inside) for amount in kind.amounts for function in (Sum, Count)
    ]  # fmt: skip


def _known(
    asked: Asked, chosen: list[Kind], windows: list[Window], then: dict[str, list[Decimal | None]]
) -> dict[str, list[bool]]:
    """Of each kind, for each time it is compared with: whether anything is there up to its end, so that zero counts."""
    found = {kind.key: [bool(count) for count in _counts(kind, then.get(kind.key), len(windows))] for kind in chosen}
    open_ends = [(kind, n) for kind in chosen for n in range(len(windows)) if not found[kind.key][n]]
    for some in batched(open_ends, BRANCHES):
        branches = []
        for kind, n in some:
            end = windows[n].end if kind.by_day else windows[n].ends_at
            rows = asked.rows(kind).filter(**{f"{kind.time.path}__lt": end})
            named = rows.annotate(stat_kind=Value(kind.key, TextField()), stat_n=Value(str(n), TextField()))
            branches.append(named.values_list("stat_kind", "stat_n")[:1])
        for key, n_text in _together(branches):
            found[key][int(n_text)] = True
    return found


def _counts(kind: Kind, numbers: list[Decimal | None] | None, windows: int) -> list[int]:
    width = 1 + 2 * len(kind.amounts)
    return [int(numbers[n * width] or 0) if numbers else 0 for n in range(windows)]


def _windows(kind: Kind, numbers: list[Decimal | None] | None, known: list[bool]) -> list[list[Number | None]]:
    """Number of rows and quantities of each time it is compared with; None where nothing is known of it."""
    width = 1 + 2 * len(kind.amounts)
    found: list[list[Number | None]] = []
    for n, is_known in enumerate(known):
        some = numbers[n * width : (n + 1) * width] if numbers else [Decimal(0)] + [None] * (width - 1)
        count: Number | None = int(some[0] or 0) if is_known else None
        found.append([count, *(_quantity(kind, some, place) for place in range(len(kind.amounts)))])
    while len(found) < 2:
        found.append([None] * (1 + len(kind.amounts)))
    return found


def _quantity(kind: Kind, numbers: Sequence[Decimal | None], place: int) -> Number | None:
    """The sum or the mean of one quantity out of figures; None where no row has it."""
    total, number = numbers[1 + 2 * place], numbers[2 + 2 * place]
    if total is None or not number:
        return None
    return total / number if kind.amounts[place].mean else total


def _figure(
    kind: Kind, frame: Frame, rows: list[tuple[date, list[str | None], list[Decimal | None]]],
    compared: list[list[Number | None]],
) -> Figure:  # fmt: skip
    whole = _added(numbers for _at, _values, numbers in rows)
    by_part: dict[date, list[list[Decimal | None]]] = defaultdict(list)
    for at, _values, numbers in rows:
        by_part[at].append(numbers)
    parts = {at: _added(some) for at, some in by_part.items()}
    width = 1 + 2 * len(kind.amounts)
    empty: list[Decimal | None] = [Decimal(0)] + [None] * (width - 1)

    def trend(count: dict[date, int]) -> list[int | None]:
        return [
            count.get(bucket, 0) if bucket in count or not frame.to_come(bucket) else None for bucket in frame.buckets
        ]

    totals = [
        Total(
            amount.name, str(amount.label), str(amount.unit), amount.digits, "mean" if amount.mean else "sum",
            _quantity(kind, whole or empty, n), compared[0][1 + n], compared[1][1 + n],
            [_quantity(kind, parts.get(bucket, empty), n) for bucket in frame.buckets],
        )
        for n, amount in enumerate(kind.amounts)
    ]  # fmt: skip
    divisions = []
    for place, field in enumerate(kind.parts):
        by_value: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
        for at, values, numbers in rows:
            by_value[values[place] or ""][at] += int(numbers[0] or 0)
        order = [str(value) for value in field.choices]
        names = sorted(by_value, key=lambda value: order.index(value) if value in order else len(order))
        labels = {str(value): label for value, label in field.choices.items()}
        divisions.append(Division(field.name, field.label, [
            Tally(value, labels.get(value, value) or _("未填"), sum(by_value[value].values()), trend(by_value[value]))
            for value in names
        ]))  # fmt: skip
    flags = [
        Flag(flag.name, flag.label, int((whole[width + n] if whole else 0) or 0)) for n, flag in enumerate(kind.flags)
    ]
    counted: list[Number | None] = [*trend({at: int(numbers[0] or 0) for at, numbers in parts.items()})]
    return Figure(
        kind.key, kind.title, kind.about, kind.group, int((whole[0] if whole else 0) or 0), compared[0][0],
        compared[1][0], counted, layer=kind.layer.key if kind.layer else "", divisions=divisions, flags=flags,
        totals=totals,
    )  # fmt: skip


def _added(some: Iterable[list[Decimal | None]]) -> list[Decimal | None]:
    """The sums of columns; None where there is nothing in any row."""
    found: list[Decimal | None] = []
    for numbers in some:
        found = [
            b if a is None else a if b is None else a + b
            for a, b in zip(found or [None] * len(numbers), numbers, strict=True)
        ]
    return found
