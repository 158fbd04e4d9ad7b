"""Which unit each factor is stored in, what is plausible, and how to get there from the unit that a device sends."""

from collections.abc import Iterable
from functools import lru_cache
from statistics import median
from typing import NamedTuple

UNITS: dict[str, tuple[str, float]] = {
    "ng/m³": ("mass in air", 1), "µg/m³": ("mass in air", 1e3), "mg/m³": ("mass in air", 1e6),
    "µg/L": ("mass in water", 1), "mg/L": ("mass in water", 1e3), "g/L": ("mass in water", 1e6),
    "g": ("mass", 1), "kg": ("mass", 1e3), "t": ("mass", 1e6),
    "L": ("volume", 1), "m³": ("volume", 1e3),
    "m³/h": ("flow", 1e3), "L/s": ("flow", 3.6e3), "m³/s": ("flow", 3.6e6),
    "Pa": ("pressure", 1), "hPa": ("pressure", 1e2), "kPa": ("pressure", 1e3),
    "km/h": ("speed", 1), "m/s": ("speed", 3.6),
    "µS/cm": ("conductivity", 1), "mS/cm": ("conductivity", 1e3),
    "mA": ("current", 1), "A": ("current", 1e3), "Ω": ("resistance", 1), "kΩ": ("resistance", 1e3),
    "MΩ": ("resistance", 1e6), "ms": ("time", 1), "s": ("time", 1e3), "mA·s": ("charge", 1),
    "℃": ("temperature", 1), "%": ("share", 1), "°": ("direction", 1), "dB(A)": ("sound level", 1),
    "pH": ("acidity", 1),
}  # fmt: skip
"""Unit → the quantity, and its size in the smallest unit of that quantity here; whole numbers keep ratios exact."""


class Factor(NamedTuple):
    """How one factor is stored."""

    unit: str
    lowest: float
    highest: float
    confusable: bool = False
    """Devices send it in units that cannot be told apart, so it counts only once somebody confirmed which."""


_PARTICLES = Factor("µg/m³", 0, 20_000, confusable=True)
_GAS = Factor("µg/m³", 0, 10_000, confusable=True)
_SOUND = Factor("dB(A)", 0, 150)
_IN_WATER = Factor("mg/L", 0, 100_000)

FACTORS: dict[str, Factor] = {
    **dict.fromkeys(("a34001", "a34002", "a34004", "a34005"), _PARTICLES),
    "a34013": Factor("mg/m³", 0, 10_000, confusable=True),
    **dict.fromkeys(("a21026", "a21004", "a05024"), _GAS),
    "a21005": Factor("mg/m³", 0, 500, confusable=True),
    "a01001": Factor("℃", -60, 60),
    "a01002": Factor("%", 0, 100),
    "a01006": Factor("kPa", 45, 110),
    "a01007": Factor("m/s", 0, 100),
    "a01008": Factor("°", 0, 360),
    **dict.fromkeys(("LA", "L5", "L10", "L50", "L90", "L95", "Leq", "Ldn", "Ld", "Ln", "LMx", "LMn"), _SOUND),
    "residual": Factor("mA", 0, 100_000),
    "cable": Factor("℃", -60, 300),
    "earthing": Factor("Ω", 0, 1e6),
    "insulation": Factor("MΩ", 0, 1e6),
    "tripcurrent": Factor("mA", 0, 100_000),
    "triptime": Factor("ms", 0, 100_000),
    "tripproduct": Factor("mA·s", 0, 1e6),
    "w00000": Factor("L/s", 0, 100_000, confusable=True),
    "w01001": Factor("pH", 0, 14),
    "w01009": Factor("mg/L", 0, 50),
    "w01010": Factor("℃", -10, 60),
    "w01014": Factor("µS/cm", 0, 500_000),
    **dict.fromkeys(("w01012", "w01017", "w01018", "w01019", "w21001", "w21003", "w21011"), _IN_WATER),
}
"""Code (HJ 212 annex B; HJ 524, HJ 525) → how it is stored. Bounds are of what a device can mean, not legal limits."""

_UNKNOWN = Factor("", -1e9, 1e9)

PARTICLES = ("a34005", "a34004", "a34002", "a34001")
"""PM1.0, PM2.5, PM10, TSP: each is part of the next."""

TOTALS = {"w00000": "m³"}
"""Stored unit of what flowed; of any other factor kg."""


class Rule(NamedTuple):
    """What to do with a number that a device sends for one factor."""

    scale: float
    lowest: float
    highest: float
    confirmed: bool


@lru_cache(maxsize=4096)
def rule(factor: str, unit: str | None) -> Rule:
    """How to store a factor (or a total, ``w01018-Cou``) sent in ``unit``; None where no unit was ever confirmed.

    What follows a hyphen (``-Zs``, ``-Day``) does not change the unit. ValueError for a unit that is unknown or of
    another quantity.
    """
    code, _, part = factor.partition("-")
    known = FACTORS.get(code, _UNKNOWN)
    if part == "Cou":
        known = Factor(TOTALS.get(code, "kg"), 0, 1e12)
    if unit is None:
        return Rule(1.0, float(known.lowest), float(known.highest), not known.confusable)
    if unit not in UNITS:
        raise ValueError(f"{factor}: the unit {unit!r} is not one of {', '.join(UNITS)}")
    if not known.unit:
        return Rule(1.0, known.lowest, known.highest, True)
    (quantity, size), (wanted, stored) = UNITS[unit], UNITS[known.unit]
    if quantity != wanted:
        raise ValueError(f"{factor}: {unit} is a unit of {quantity}, and {known.unit} of {wanted}")
    return Rule(size / stored, float(known.lowest), float(known.highest), True)


def fits(factor: str, unit: object) -> bool:
    """Whether a device may send a factor, or a total, in a unit."""
    try:
        return isinstance(unit, str) and bool(rule(factor, unit))
    except ValueError:
        return False


class Rules:
    """The rules of every factor under one choice of units; equal choices share one object (``rules``)."""

    def __init__(self, units: Iterable[tuple[str, str]]) -> None:
        self._units = dict(units)
        for factor, unit in self._units.items():
            rule(factor, unit)

    def of(self, factor: str) -> Rule:
        """Of a factor; parts such as ``L5-Day`` have the unit of the whole."""
        return rule(factor, self._units.get(factor.partition("-")[0]))

    def of_total(self, factor: str) -> Rule:
        """Of what flowed, which has a unit of its own: the unit of a concentration says nothing of it."""
        name = f"{factor}-Cou"
        return rule(name, self._units.get(name))


@lru_cache(maxsize=4096)
def rules(units: frozenset[tuple[str, str]]) -> Rules:
    """The shared rules of a choice of units (factor, unit); ValueError as of ``rule``."""
    return Rules(units)


def propose_unit(values: Iterable[float | None]) -> str | None:
    """The unit in which these particle values of a first day were probably sent; None where it cannot be told.

    A proposal for a person to confirm: dust of 5 µg/m³ after rain and of 0.5 mg/m³ in a quarry are both real.
    """
    middle = [value for value in values if value is not None and value > 0]
    typical = median(middle) if middle else 0
    if 30 <= typical <= 300:
        return "µg/m³"
    if 0.03 <= typical <= 0.3:
        return "mg/m³"
    return "ng/m³" if typical > 10_000 else None
