"""What a name in CP stands for: a factor and its value, minimum, flag … (HJ 212-2017/2025 clause 6.6.4)."""

from enum import IntEnum
from functools import lru_cache

from services.telemetry.units import FACTORS


class Slot(IntEnum):
    """What of a factor a name stands for; TIME is DataTime, KNOWN measures nothing."""

    VALUE = 0
    LOW = 1
    HIGH = 2
    TOTAL = 3
    FLAG = 4
    TIME = 5
    KNOWN = 6
    STRANGE = 7


FACTOR_SLOTS = frozenset(list(Slot)[:5])

_SUFFIXES = {
    "rtd": Slot.VALUE, "avg": Slot.VALUE, "data": Slot.VALUE, "min": Slot.LOW, "max": Slot.HIGH, "cou": Slot.TOTAL,
    "flag": Slot.FLAG,
    **dict.fromkeys(("sampletime", "eflag", "sn", "info", "rs", "rt"), Slot.KNOWN),
}  # fmt: skip
_PARTS = {
    **{f"zs{suffix}": ("-Zs", _SUFFIXES[suffix]) for suffix in ("rtd", "avg", "min", "max")},
    "daydata": ("-Day", Slot.VALUE),
    "nightdata": ("-Night", Slot.VALUE),
}
_CODES = {code.lower(): code for code in FACTORS}
_LONGEST = 24


@lru_cache(maxsize=4096)
def place(name: str) -> tuple[str, Slot]:
    """The factor that a name belongs to, as it is stored, and the slot; in any case of letters."""
    code, hyphen, suffix = name.strip().partition("-")
    suffix = suffix.lower()
    if not hyphen and code.lower() == "datatime":
        return "", Slot.TIME
    code = _CODES.get(code.lower(), code)
    if not (code and code.isascii() and code.replace("_", "").isalnum() and len(code) <= _LONGEST):
        return "", Slot.KNOWN
    if suffix in _PARTS:
        part, slot = _PARTS[suffix]
        return (code if code in ("Ld", "Ln") else code + part), slot
    if suffix in _SUFFIXES:
        return code, _SUFFIXES[suffix]
    return (code, Slot.STRANGE) if hyphen or code in FACTORS else ("", Slot.KNOWN)
