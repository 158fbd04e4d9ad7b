"""Discharge limits of sewage plants (GB 18918-2002 table 1), in mg/L as daily means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

COLD = 12.0
"""Water temperature in ℃ at and below which the higher limit of ammonia holds."""


@dataclass(frozen=True)
class Limit:
    """The limit of a factor for a class of plant; ``cold`` replaces it in cold water."""

    standard: str
    factor: str
    value: float
    cold: float | None = None
    citation: str = "GB 18918-2002 表1"
    valid_from: date = date(2003, 7, 1)
    valid_to: date | None = None


LIMITS = (
    Limit("1A", "cod", 50),
    Limit("1A", "ammonia", 5, cold=8),
    Limit("1A", "nitrogen", 15),
    Limit("1A", "phosphorus", 0.5),
    Limit("1B", "cod", 60),
    Limit("1B", "ammonia", 8, cold=15),
    Limit("1B", "nitrogen", 20),
    Limit("1B", "phosphorus", 1),
    Limit("2", "cod", 100),
    Limit("2", "ammonia", 25, cold=30),
    Limit("2", "phosphorus", 3),
)
"""Phosphorus as for plants built from 2006 on."""


def limits(standard: str, day: date, temperature: float | None = None) -> dict[str, float]:
    """Factor → limit in force on a day; without a water temperature the stricter limit."""
    return {
        limit.factor: limit.cold
        if limit.cold is not None and temperature is not None and temperature <= COLD
        else limit.value
        for limit in LIMITS
        if limit.standard == standard and limit.valid_from <= day and (limit.valid_to is None or day < limit.valid_to)
    }


def exceeded(
    values: Mapping[str, float | None], standard: str, day: date, temperature: float | None = None
) -> list[str]:
    """The factors whose daily mean is over its limit; a limit that is just reached is kept."""
    return [
        factor
        for factor, limit in limits(standard, day, temperature).items()
        if (value := values.get(factor)) is not None and value > limit
    ]
