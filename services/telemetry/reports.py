"""Reports: tables over a day, week, month or year that domains declare in ``reports.py`` and screens show alike."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from services.access import gate
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.catalog.layer import Layer, registry
from services.catalog.models import Feature
from services.telemetry.spans import ZONE

KINDS = {
    "day": gettext_lazy("日报"), "week": gettext_lazy("周报"), "month": gettext_lazy("月报"),
    "quarter": gettext_lazy("季报"), "year": gettext_lazy("年报"),
}  # fmt: skip
FREE = "free"
"""The kind of a time that somebody chose by its days."""


class Period(NamedTuple):
    """A day, an ISO week, a month, a quarter or a year of China's calendar, or days chosen; ``end`` is excluded."""

    kind: str
    first: date
    end: date

    @property
    def begins_at(self) -> datetime:
        return datetime(self.first.year, self.first.month, self.first.day, tzinfo=ZONE)

    @property
    def ends_at(self) -> datetime:
        return datetime(self.end.year, self.end.month, self.end.day, tzinfo=ZONE)

    @property
    def before(self) -> "Period":
        if self.kind == FREE:
            return Period(FREE, self.first - (self.end - self.first), self.first)
        return period(self.kind, self.first - timedelta(days=1))

    @property
    def after(self) -> "Period":
        if self.kind == FREE:
            return Period(FREE, self.end, self.end + (self.end - self.first))
        return period(self.kind, self.end)

    @property
    def label(self) -> str:
        """As a person says it."""
        match self.kind:
            case "day":
                return f"{self.first}"
            case "week" | "free":
                return f"{self.first} – {self.end - timedelta(days=1)}"
            case "month":
                return f"{self.first:%Y-%m}"
            case "quarter":
                return f"{self.first:%Y} Q{(self.first.month + 2) // 3}"
        return f"{self.first:%Y}"


def period(kind: str, day: date) -> Period:
    """The period of a kind in which a day lies; Invalid for a kind that is none."""
    match kind:
        case "day":
            return Period(kind, day, day + timedelta(days=1))
        case "week":
            monday = day - timedelta(days=day.weekday())
            return Period(kind, monday, monday + timedelta(days=7))
        case "month":
            first = day.replace(day=1)
            return Period(kind, first, (first + timedelta(days=32)).replace(day=1))
        case "quarter":
            first = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
            return Period(kind, first, (first + timedelta(days=95)).replace(day=1))
        case "year":
            return Period(kind, date(day.year, 1, 1), date(day.year + 1, 1, 1))
    raise Invalid(_("没有这种报表周期。"), {"period": [", ".join(KINDS)]})


class Heading(NamedTuple):
    """A column: numbers have ``digits`` behind the point, texts None."""

    label: str
    unit: str = ""
    digits: int | None = None


class Line(NamedTuple):
    """A row; ``link`` is (layer key, feature) where it is about one, ``marked`` where its data do not suffice."""

    cells: list[Any]
    link: tuple[str, UUID] | None = None
    marked: bool = False


@dataclass(frozen=True)
class Sheet:
    """What a report says: rows, lines below them, and notes that name the rules."""

    headings: list[Heading]
    lines: list[Line]
    summary: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Report(ABC):
    """One report of a layer. Subclass in a domain's ``reports.py`` and ``@register``; ``about`` says what it shows."""

    key: ClassVar[str]
    layer: ClassVar[str]
    title: ClassVar[Any]
    about: ClassVar[Any] = ""
    kinds: ClassVar[tuple[str, ...]] = ("month",)
    free: ClassVar[bool] = False
    """Whether it may also be asked for over days that somebody chooses."""
    of_feature: ClassVar[bool] = False
    """Whether it is about one feature, which the reader chooses."""
    looks_back: ClassVar[bool] = False
    """Whether it also reads the period before: then late data of one change two."""

    @abstractmethod
    def sheet(self, principal: Principal, time: Period, feature: Feature | None) -> Sheet:
        """The report over a period, within the principal's rights."""

    @property
    def of(self) -> Layer:
        return registry.by_key[self.layer]


REPORTS: dict[str, Report] = {}


def register(declaration: type[Report]) -> type[Report]:
    """Class decorator of a declaration."""
    REPORTS[declaration.key] = declaration()
    return declaration


def readable(principal: Principal) -> list[Report]:
    """The reports of layers that a principal may see."""
    return [report for report in REPORTS.values() if gate.may(principal, report.of)]


def fetch(principal: Principal, key: str) -> Report:
    """One of them; NotFound where it is not there or not to be seen."""
    report = REPORTS.get(key)
    if report is None or not gate.may(principal, report.of):
        raise NotFound(_("没有这个报表。"))
    return report
