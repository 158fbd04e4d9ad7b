"""Discharge limits of sewage plants (GB 18918-2002 table 1), in mg/L as daily means; what treatment takes out."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import NamedTuple

from django.utils.translation import gettext_noop as _

from services.alarms.declared import Alarm
from services.limits.rows import ZONE, Limit, limit_at
from services.telemetry.states import FAULTS

STANDARD = "GB 18918"
FULL = 5.0
"""Metres of level at which a well is full: our own figure, to be set to the plant's overflow."""
COLD = 12.0
"""Water temperature in ℃ at and below which the higher limit of ammonia holds."""
DAY = 1440
FACTORS = {
    "cod": "w01018", "bod": "w01017", "solids": "w01012", "ammonia": "w21003", "nitrogen": "w21001",
    "phosphorus": "w21011", "ph": "w01001",
}  # fmt: skip
"""Name → code of the factor."""
TEMPERATURE = "w01010"
FLOW = "w00000"
SINCE = date(2003, 7, 1)

_READ = {
    "1A": {"cod": 50, "solids": 10, "ammonia": 5, "nitrogen": 15, "phosphorus": 0.5},
    "1B": {"cod": 60, "solids": 20, "ammonia": 8, "nitrogen": 20, "phosphorus": 1},
}
_FROM_MEMORY = {
    "1A": {"bod": 10},
    "1B": {"bod": 20},
    "2": {"cod": 100, "bod": 30, "solids": 30, "ammonia": 25, "phosphorus": 3},
}
_COLD = {"1A": 8, "1B": 15, "2": 30}
"""Phosphorus as for plants built from 2006 on; what was not read in a source is to be checked."""


def _declared() -> Iterable[Limit]:
    for verified, table in ((True, _READ), (False, _FROM_MEMORY)):
        for grade, values in table.items():
            for name, value in values.items():
                yield Limit(
                    STANDARD, "2002", FACTORS[name], DAY, value, SINCE, "GB 18918-2002 表1", grade=grade,
                    verified=verified,
                )  # fmt: skip
    for grade, value in _COLD.items():
        yield Limit(
            STANDARD, "2002", FACTORS["ammonia"], DAY, value, SINCE, "GB 18918-2002 表1：水温≤12 ℃时", grade=grade,
            given=TEMPERATURE, given_most=COLD, verified=grade != "2",
        )  # fmt: skip
    for grade in _COLD:
        yield Limit(
            STANDARD, "2002", FACTORS["ph"], DAY, 9, SINCE, "GB 18918-2002 表1：pH 6–9", low=6, grade=grade,
            verified=False,
        )  # fmt: skip


LIMITS = tuple(_declared())


def limits(
    standard: str, day: date, temperature: float | None = None, rows: Iterable[Limit] = LIMITS
) -> dict[str, float]:
    """Name → upper limit in force on a day; without a water temperature the stricter limit."""
    noon = datetime.combine(day, time(12), ZONE)
    given = {} if temperature is None else {TEMPERATURE: temperature}
    table = list(rows)
    found = {
        name: limit_at(table, code, noon, minutes=DAY, grade=standard, given=given) for name, code in FACTORS.items()
    }
    return {name: row.value for name, row in found.items() if row is not None and row.value is not None}


def exceeded(
    values: Mapping[str, float | None], standard: str, day: date, temperature: float | None = None
) -> list[str]:
    """The factors whose daily mean is over its limit; a limit that is just reached is kept."""
    return [
        factor
        for factor, limit in limits(standard, day, temperature).items()
        if (value := values.get(factor)) is not None and value > limit
    ]


def removal(entering: float | None, leaving: float | None) -> float | None:
    """Share of a concentration that treatment takes out: η = (C_in − C_out) / C_in; None where nothing came in."""
    if entering is None or leaving is None or entering <= 0:
        return None
    return (entering - leaving) / entering


class Part(NamedTuple):
    """One factor over a part of the time; the mean is weighted by flow where there is flow, the load in kg."""

    mean: float | None
    low: float | None
    high: float | None
    volume: float | None
    load: float | None
    total: float | None
    hours: int = 0
    """Valid ones."""


class Both(NamedTuple):
    """One factor at both ends of a plant over a time: mg/L, share, kg; days judged by the limit of their day."""

    entering: float | None
    leaving: float | None
    load_in: float | None
    load_out: float | None
    judged: int = 0
    kept: int = 0
    limit: Limit | None = None
    """That of the last day judged."""

    @property
    def removal(self) -> float | None:
        return removal(self.entering, self.leaving)

    @property
    def removal_percent(self) -> float | None:
        share = self.removal
        return None if share is None else 100 * share

    @property
    def removed(self) -> float | None:
        return None if self.load_in is None or self.load_out is None else self.load_in - self.load_out


def within(day: date, at: datetime, part: str) -> bool:
    """Whether a day is (in) the day or month that begins at a moment; none is in an hour, all in the whole time."""
    first = at.astimezone(ZONE).date()
    match part:
        case "hour":
            return False
        case "day":
            return day == first
        case "month":
            return (day.year, day.month) == (first.year, first.month)
    return True


def mixed(inlets: Iterable[Mapping[str, Part]], code: str, leaving: float | None) -> tuple[float | None, float | None]:
    """Concentration and load of what enters by several inlets; ``leaving`` is the volume where none is measured."""
    rows = [row for row in inlets if code in row and row[code].mean is not None]
    loads = [row[code].load for row in rows]
    volumes = [row[FLOW].volume for row in rows if FLOW in row]
    if rows and None not in loads and len(volumes) == len(rows) and sum(volumes):
        load = sum(loads)
        return 1000 * load / sum(volumes) if len(rows) > 1 else rows[0][code].mean, load
    means = [row[code].mean for row in rows]
    mean = sum(means) / len(means) if means else None
    return mean, None if mean is None or leaving is None else mean * leaving / 1000


ALARMS = (
    *(
        Alarm(
            f"sewage-{name}-day", label, "sewage_plants", FACTORS[name], span=3, standard=STANDARD, minutes=DAY,
            level="orange", red_when="value > limit * 2.0", citation="GB 18918-2002 表1，按日均值",
        )
        for name, label in (
            ("cod", _("出水化学需氧量日均值超标")),
            ("ammonia", _("出水氨氮日均值超标")),
            ("nitrogen", _("出水总氮日均值超标")),
            ("phosphorus", _("出水总磷日均值超标")),
        )
    ),
    *(
        Alarm(
            f"sewage-{name}-now", label, "sewage_plants", FACTORS[name], standard=STANDARD, minutes=DAY, n_least=2,
            clear="value <= limit * 0.95", level="yellow", orange_when="value > limit * 1.5",
            citation="实时值超过GB 18918日均限值，提前预警",
        )
        for name, label in (
            ("cod", _("出水化学需氧量偏高")),
            ("ammonia", _("出水氨氮偏高")),
            ("nitrogen", _("出水总氮偏高")),
            ("phosphorus", _("出水总磷偏高")),
        )
    ),
    Alarm("sewage-silent", _("污水厂监测离线"), "sewage_plants", kind="silence", for_minutes=60),
    Alarm("inlet-silent", _("进水监测离线"), "inlets", kind="silence", for_minutes=60),
    Alarm(
        "sewage-ph-now", _("出水pH值异常"), "sewage_plants", FACTORS["ph"], standard=STANDARD, minutes=DAY, n_least=2,
        condition="value > limit || value < low", level="orange", citation="GB 18918-2002 表1：pH 6–9",
    ),
    Alarm(
        "sewage-faults", _("污水厂设备故障"), "sewage_plants", FAULTS, threshold=0.0, n_least=2,
        level="yellow", orange_when="value >= 3.0", citation="数采仪上报的设备报警状态（HJ 212 RS=4）",
    ),
    Alarm(
        "sewage-level", _("提升泵房液位过高"), "sewage_plants", "level", threshold=FULL, n_least=3,
        clear="value <= limit - 0.3", level="orange", citation="本平台初始值，按各厂溢流水位调整",
    ),
    Alarm(
        "inlet-cod", _("进水化学需氧量冲击"), "inlets", FACTORS["cod"], threshold=500.0, n_least=3,
        clear="value <= limit * 0.9", level="yellow", orange_when="value > limit * 1.5",
        citation="本平台初始值，参照GB/T 31962-2015 A级，按设计进水水质调整",
    ),
)  # fmt: skip
"""The first rules of alarms; an office edits, adds and switches off."""
