"""By what rows can be grouped, and what can be made of their numbers: read from what models say of their fields."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import F, Func, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Left
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from gis.models import Region
from services.catalog.describe import Described
from services.catalog.models import Feature

LEVELS = {
    "province": (2, gettext_lazy("省级")), "city": (4, gettext_lazy("地级")),
    "county": (6, gettext_lazy("县级")), "town": (9, gettext_lazy("乡级")),
}  # fmt: skip
"""Level of a region → digits of the codes that everything in it shares, and its name."""
GRAINS = {
    "day": ("YYYY-MM-DD", gettext_lazy("日")), "week": ('IYYY"-W"IW', gettext_lazy("周")),
    "month": ("YYYY-MM", gettext_lazy("月")), "quarter": ('YYYY"-Q"Q', gettext_lazy("季度")),
    "year": ("YYYY", gettext_lazy("年")),
}  # fmt: skip
"""Parts of the time as PostgreSQL writes them, which sorts them."""
CYCLES = {
    "hours": ("HH24", gettext_lazy("一天中的小时")), "weekdays": ("ID", gettext_lazy("星期")),
    "days": ("DD", gettext_lazy("一月中的日期")), "months": ("MM", gettext_lazy("一年中的月份")),
}  # fmt: skip
"""Parts that come again."""
WEEKDAYS = tuple(
    pgettext_lazy("weekday", name) for name in ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
)  # fmt: skip
FEATURE = "@feature"
"""The dimension of features one by one, which have places on the map."""
PLACE = "@place"
"""The same of a table with columns of longitude and latitude."""
AGGREGATES = {
    "sum": gettext_lazy("合计"), "mean": gettext_lazy("平均"), "max": gettext_lazy("最大"), "min": gettext_lazy("最小"),
}  # fmt: skip
COUNT = "count"


class Written(Func):
    """A time as China's clock says it, in a pattern of PostgreSQL."""

    function = "to_char"
    output_field = models.TextField()


class AtHome(Func):
    """A moment as China's clock shows it."""

    template = "(%(expressions)s at time zone 'Asia/Shanghai')"
    output_field = models.DateTimeField()


class AsWritten(Func):
    """A time that is kept as text in China's time."""

    template = "(%(expressions)s)::timestamp"
    output_field = models.DateTimeField()


@dataclass(frozen=True)
class Dimension:
    """By what rows are grouped: its token as it is saved, and the expression of the group's key as text."""

    token: str
    label: str
    kind: str
    """``category``, ``region``, ``time``, ``cycle``, ``feature`` or ``place``."""
    expression: Combinable
    described: Described | None = None
    grain: str = ""

    @property
    def field(self) -> str:
        return self.token.partition(":")[0]


@dataclass(frozen=True)
class Measure:
    """What is made of the rows of a group: a count, or an aggregate of a number."""

    token: str
    label: str
    unit: str = ""
    digits: int | None = None
    expression: Combinable | None = None

    @property
    def aggregate(self) -> str:
        return self.token.partition(":")[0]

    @property
    def adds_up(self) -> bool:
        """Whether what is left over may be put together under one name."""
        return self.aggregate in (COUNT, "sum")


@dataclass(frozen=True)
class Clock:
    """A field, or an annotation, that says when: a moment or a day."""

    name: str
    label: str
    expression: Combinable
    """As China's clock says it, without zone."""
    is_day: bool = False


def of_fields(fields: Iterable[Described]) -> tuple[dict[str, Dimension], dict[str, Measure], dict[str, Clock]]:
    """Dimensions, measures and times that some fields of a model give."""
    dimensions: dict[str, Dimension] = {}
    measures: dict[str, Measure] = {}
    clocks: dict[str, Clock] = {}
    for field in fields:
        if field.related is Region:
            dimensions |= {each.token: each for each in regions(field.path, field.label, F(f"{field.path}__code"))}
        elif field.is_time:
            day = field.schema["format"] == "date"
            said = F(field.path) if day else AtHome(F(field.path))
            clocks[field.path] = Clock(field.path, field.label, said, day)
            dimensions |= {each.token: each for each in times(field.path, field.label, said, day)}
        elif _is_category(field):
            text = Cast(F(field.path), models.TextField())
            dimensions[field.path] = Dimension(field.path, field.label, "category", text, field)
        if field.is_number and not field.choices and field.related is None:
            measures |= {each.token: each for each in _measures(field)}
    return dimensions, measures, clocks


def regions(name: str, label: str, code: Combinable) -> list[Dimension]:
    """A region by each of the four levels."""
    return [
        Dimension(
            f"{name}:{level}", _("%(field)s（%(grain)s）") % {"field": label, "grain": said}, "region",
            Left(code, digits), grain=level,
        )
        for level, (digits, said) in LEVELS.items()
    ]  # fmt: skip


def times(name: str, label: str, said: Combinable, day: bool) -> list[Dimension]:
    """A time by every part of it, and by what comes again; a day has no hours."""
    found = []
    for kind, parts in (("time", GRAINS), ("cycle", CYCLES)):
        for grain, (pattern, text) in parts.items():
            if not (day and grain == "hours"):
                written = Written(said, Value(pattern))
                title = _("%(field)s（%(grain)s）") % {"field": label, "grain": text}
                found.append(Dimension(f"{name}:{grain}", title, kind, written, grain=grain))
    return found


def count() -> Measure:
    """The number of rows."""
    return Measure(COUNT, _("数量"), digits=0)


def aggregates(
    name: str, label: str, unit: str, digits: int | None, expression: Combinable, which: Iterable[str]
) -> Iterator[Measure]:
    """The measures of one number."""
    for each in which:
        yield Measure(f"{each}:{name}", f"{label} {AGGREGATES[each]}", unit, digits, expression)


def _measures(field: Described) -> Iterator[Measure]:
    # The latest value of a device is a state, and states of several do not add up.
    kind: Any = field.value_field
    latest = bool(getattr(kind, "factor", None))
    which = [each for each in AGGREGATES if not (each == "sum" and latest)]
    exact = getattr(kind, "decimal_places", None)
    return aggregates(field.path, field.label, field.unit, exact, F(field.path), which)


def _is_category(field: Described) -> bool:
    kind: Any = field.value_field
    if field.related is not None:
        return issubclass(field.related, Feature)
    if field.choices or isinstance(kind, models.BooleanField):
        return True
    if isinstance(kind, models.IntegerField):
        return not field.unit
    return isinstance(kind, models.CharField) and not isinstance(kind, models.URLField) and field.path != "code"
