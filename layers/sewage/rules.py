"""Discharge limits of sewage plants (GB 18918-2002 table 1), in mg/L as daily means."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time

from django.utils.translation import gettext_noop as _

from services.alarms.declared import Alarm
from services.limits.rows import ZONE, Limit, limit_at

STANDARD = "GB 18918"
COLD = 12.0
"""Water temperature in ℃ at and below which the higher limit of ammonia holds."""
DAY = 1440
FACTORS = {
    "cod": "w01018", "bod": "w01017", "solids": "w01012", "ammonia": "w21003", "nitrogen": "w21001",
    "phosphorus": "w21011", "ph": "w01001",
}  # fmt: skip
"""Name → code of the factor."""
TEMPERATURE = "w01010"
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
)  # fmt: skip
"""The first rules of alarms; an office edits, adds and switches off."""
