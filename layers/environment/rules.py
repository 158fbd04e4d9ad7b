"""What monitors measure: the class limits of the map, the plausible range, and the weekly score of a site's dust."""

from dataclasses import dataclass
from datetime import date

PM10_BREAKS = (50, 120, 250, 350, 420)
"""PM10 in µg/m³ at IAQI 50, 100, 150, 200 and 300 (HJ 633-2026 table 1): the six classes from good to severe."""

MOST_PARTICLES = 20_000
"""µg/m³ above which a value is a fault of the device and not of the air."""

GOOD_PM10 = ((date(2013, 1, 1), 150, "HJ 633-2012"), (date(2026, 3, 1), 120, "HJ 633-2026"))
"""PM10 in µg/m³ up to which the air is good (IAQI 100), by the day that was measured."""


def good_pm10(day: date) -> int:
    """The upper end of good PM10 in force on a day, in µg/m³; before the first row that of the first."""
    return next((value for since, value, _source in reversed(GOOD_PM10) if since <= day), GOOD_PM10[0][1])


@dataclass(frozen=True)
class DustScore:
    """How a week of a site is scored (own rule; the requirement gives none): three parts that add up to 100."""

    concentration: int = 50
    best: int = 50
    worst: int = 250
    exceedance: int = 30
    validity: int = 20
    enough: float = 0.75
    """Share of valid hours below which a place in the ranking says little."""


DUST_SCORE = DustScore()


def dust_score(mean: float | None, over: float | None, share: float, rule: DustScore = DUST_SCORE) -> tuple[float, ...]:
    """Points for the mean of PM10 in µg/m³, for the share of hours over the good, and for the share of valid hours.

    Without a valid hour (None) the first two are 0.
    """
    near = 0.0 if mean is None else min(1.0, max(0.0, (rule.worst - mean) / (rule.worst - rule.best)))
    kept = 0.0 if over is None else 1 - over
    return rule.concentration * near, rule.exceedance * kept, rule.validity * min(1.0, share)
