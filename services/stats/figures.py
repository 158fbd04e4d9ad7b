"""What statistics say of one kind of thing in a scope and a period; None is missing, zero was counted."""

from dataclasses import dataclass, field
from decimal import Decimal

type Number = int | float | Decimal


@dataclass(frozen=True)
class Tally:
    """How many rows have one value of a field, and by parts of the period."""

    value: str
    label: str
    count: int
    trend: list[int | None]


@dataclass(frozen=True)
class Division:
    """The rows by the values of a field: they add up to the whole."""

    name: str
    label: str
    tallies: list[Tally]


@dataclass(frozen=True)
class Flag:
    """How many rows say yes to something."""

    name: str
    label: str
    count: int


@dataclass(frozen=True)
class Total:
    """A quantity of the rows; ``statistic`` is ``sum``, ``mean``, ``low``, ``high`` or ``count``."""

    name: str
    label: str
    unit: str
    digits: int
    statistic: str
    value: Number | None
    before: Number | None
    last_year: Number | None
    trend: list[Number | None]

    @property
    def change(self) -> float | None:
        return change(self.value, self.before)

    @property
    def change_of_year(self) -> float | None:
        return change(self.value, self.last_year)


@dataclass(frozen=True)
class Figure:
    """One kind: how many rows, or the mean of what was measured, beside the times it is compared with.

    ``before`` and ``last_year`` are None where there is nothing at all up to the end of that time.
    """

    key: str
    title: str
    about: str
    """Of what, and by which of its times."""
    group: str
    value: Number | None
    before: Number | None
    last_year: Number | None
    trend: list[Number | None]
    unit: str = ""
    digits: int = 0
    listed: bool = True
    """Whether it is a number of rows that a list shows."""
    layer: str = ""
    """The key of the layer whose features or records these are."""
    divisions: list[Division] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    totals: list[Total] = field(default_factory=list)

    @property
    def change(self) -> float | None:
        """Against the period before, as a share of it."""
        return change(self.value, self.before)

    @property
    def change_of_year(self) -> float | None:
        """Against the same period of the year before."""
        return change(self.value, self.last_year)

    @property
    def blank(self) -> bool:
        """Whether there is nothing now, nor in the times it is compared with."""
        return not (self.value or self.before or self.last_year)


def change(value: Number | None, before: Number | None) -> float | None:
    """By which share of what was before something is more; None where one of them is missing or there was nothing."""
    if value is None or before is None or not before:
        return None
    return (float(value) - float(before)) / abs(float(before))
