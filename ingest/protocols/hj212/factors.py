"""Measured values out of data packets: names, times, units and judgement (HJ 212-2017/2025 clause 6.6, annex B)."""

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from itertools import combinations
from math import isfinite, nan
from typing import NamedTuple

from ingest.protocols.hj212.errors import BadPacket, shown
from ingest.protocols.hj212.names import FACTOR_SLOTS, Slot, place
from ingest.protocols.hj212.packets import Packet
from ingest.protocols.hj212.profile import Profile
from ingest.protocols.readings import Reading
from services.telemetry.units import PARTICLES, Rules

SPANS = {"2011": "real", "2051": "minute", "2061": "hour", "2031": "day"}
"""Commands whose packets hold measurements → span."""
FLAGS = "NFMSDCTB"
"""Normal, stopped, maintenance, by hand, fault, calibration, over range, communication fault; only N counts."""
DEVICE_TIME = timezone(timedelta(hours=8))
TOLERANCE = 1.2
"""Particles of a class may exceed a larger class by a fifth before they contradict each other."""

_MISSING = frozenset({"", "-", "--", "---", "null", "none"})

Texts = list[str | None]
"""What a packet says of one factor, by Slot: value, low, high, total, flag."""
_COMPARABLE = ("", "unit", "order")
_reading = tuple.__new__
"""Reading(…) without the call in between, which costs as much again."""


def readings(packet: Packet, profile: Profile) -> list[Reading]:
    """What a data packet measured, one reading a factor, in stored units; nothing for a packet of another command.

    A value that cannot be used is given with its reason in ``quality`` and does not hinder the others. ``low``,
    ``high`` and ``total`` that are no numbers are None. Converted values (``-ZsAvg``) come as ``a21026-Zs``, the parts
    of a noise day as ``L5-Day`` and ``L5-Night``. ``-SampleTime``, ``-EFlag``, ``-SN`` and ``-Info`` measure nothing
    and are left in the packet. BadPacket ``datatime`` where DataTime is missing, impossible or not the only one.
    """
    span = SPANS.get(packet.cn)
    if span is None:
        return []
    cp = packet.cp
    if cp.endswith(";"):
        cp = cp[:-1]
    texts: Texts = cp.replace(",", ";").replace("=", ";").split(";")  # type: ignore[assignment]
    # Names and values take turns in a regular packet, and a device sends the same names each time. The two other
    # conditions are for float(), which would take 1_0 and digits of full width.
    regular = 2 * cp.count("=") == len(texts) and cp.isascii() and "_" not in cp
    layout = _layout(tuple(texts[::2]), profile.rules) if regular else None
    if layout is None:
        return _irregular(packet, profile, span)
    at = _at(texts[layout.time] or "", span, profile)
    texts += (profile.missing_flag, None)
    found = []
    for factor, text_at, flag_at, sent, scale, lowest, highest, slots in layout.columns:
        if texts[flag_at] == "N":
            try:
                value = float(texts[text_at])  # type: ignore[arg-type]
            except ValueError:
                value = nan
            if scale != 1.0:
                value = round(value * scale, 6)
            if lowest <= value <= highest:
                found.append(_reading(Reading, (factor, at, span, value, None, None, None, sent, "")))
                continue
        said = [texts[slot] for slot in slots]
        found.append(_judged(factor, at, span, said, "", profile.rules, profile.missing_flag))
    return _compared(found, layout.nested) if layout.nested else found


def time_of(packet: Packet, span: str, profile: Profile) -> datetime:
    """DataTime of a packet in UTC, the start of the period of any span but ``real``; BadPacket ``datatime``."""
    time = packet.parameter("DataTime")
    if time is None:
        raise BadPacket("datatime", f"DataTime is missing in CN={packet.cn} of {packet.mn}")
    return _at(time, span, profile)


_ASSUMED, _NOTHING = -2, -1
"""Behind the texts of a packet stand the flag that a missing one is taken for, and None."""

Column = tuple[str, int, int, str, float, float, float, tuple[int, ...]]
"""Factor; where its text and its flag stand in the packet taken apart (the flag nowhere, unless only a value comes with
it); N, or nothing where no flag is sent; scale, lowest and highest of its rule; where value, low, high, total and flag
stand. A plain tuple, for those are unpacked fastest."""


class _Layout(NamedTuple):
    time: int
    columns: tuple[Column, ...]
    nested: tuple[tuple[int, int], ...]
    """Columns of which the first is part of the second."""


@lru_cache(maxsize=4096)
def _layout(names: tuple[str, ...], rules: Rules) -> _Layout | None:
    """How to read packets with these names; None where a name is strange, repeated or missing."""
    time = None
    places: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        factor, slot = place(name)
        if slot is Slot.TIME and time is None:
            time = 2 * at + 1
        elif slot in FACTOR_SLOTS:
            slots = places.setdefault(factor, [_NOTHING] * len(FACTOR_SLOTS))
            if slots[slot] >= 0:
                return None
            slots[slot] = 2 * at + 1
        elif slot is not Slot.KNOWN or not name.strip()[:1].isalpha():
            return None  # a number for a name is half of one, cut by a comma
    if time is None:
        return None
    _share_flags(places, _NOTHING)
    columns = []
    for factor, slots in places.items():
        rule = rules.of(factor)
        text_at, flag_at = slots[Slot.VALUE], slots[Slot.FLAG]
        sent = "" if flag_at == _NOTHING else "N"
        if not rule.confirmed or text_at == _NOTHING or slots[Slot.LOW : Slot.FLAG] != [_NOTHING] * 3:
            flag_at = _NOTHING
        elif not sent:
            flag_at = _ASSUMED
        columns.append((factor, text_at, flag_at, sent, rule.scale, rule.lowest, rule.highest, tuple(slots)))
    return _Layout(time, tuple(columns), _nested(list(places)))


def _irregular(packet: Packet, profile: Profile, span: str) -> list[Reading]:
    """Readings where names are unknown, repeated or without a value.

    ``;`` and ``,`` part alike here, for each name says its factor: some devices confuse the two.
    """
    time: str | None = None
    texts: dict[str, Texts] = {}
    marks: dict[str, str] = {}
    strange: set[str] = set()
    before = ""
    for item in packet.cp.replace(",", ";").split(";"):
        name, equals, text = item.partition("=")
        factor, slot = place(name)
        if slot in FACTOR_SLOTS:
            known = texts.setdefault(factor, [None] * len(FACTOR_SLOTS))
            if known[slot] is None:
                known[slot] = text
            elif known[slot] != text:
                marks[factor] = "repeat"
            before = factor if slot is Slot.VALUE else ""
        elif slot is Slot.TIME:
            if time is not None and time != text.strip():
                raise BadPacket("datatime", f"DataTime is both {shown(time)} and {shown(text.strip())}")
            time = text.strip()
        elif slot is Slot.STRANGE:
            texts.setdefault(factor, [None] * len(FACTOR_SLOTS))
            strange.add(factor)
        elif before and not equals and name.strip():
            marks[before] = "number"  # "1,2": the comma cut a number in two, and either half is wrong
    if time is None:
        raise BadPacket("datatime", f"DataTime is missing in CN={packet.cn} of {packet.mn}")
    at = _at(time, span, profile)
    _share_flags(texts, None)
    for factor in strange:
        if texts[factor][:4] == [None] * 4:
            marks.setdefault(factor, "key")
    found = [
        _judged(factor, at, span, known, marks.get(factor, ""), profile.rules, profile.missing_flag)
        for factor, known in texts.items()
    ]
    return _compared(found, _nested(list(texts)))


def _share_flags[T](said: dict[str, list[T]], nothing: T) -> None:
    """Let ``a21026-Zs`` have the flag of ``a21026``: a device sends one for both."""
    for factor, slots in said.items():
        code, part, _ = factor.partition("-")
        if part and slots[Slot.FLAG] == nothing and code in said:
            slots[Slot.FLAG] = said[code][Slot.FLAG]


def _judged(
    factor: str, at: datetime, span: str, texts: Texts, mark: str, rules: Rules, missing_flag: str
) -> Reading:  # fmt: skip
    """One reading; ``mark`` is a fault that was found already."""
    text, low, high, total, flag = texts
    rule = rules.of(factor)
    value = None if text is None or mark == "number" else _number(text, rule.scale)
    lowered = None if low is None else _number(low, rule.scale)
    raised = None if high is None else _number(high, rule.scale)
    summed = None if total is None else _number(total, rules.of_total(factor).scale)
    letter = missing_flag if flag is None else flag.strip().upper()
    if mark:
        pass
    elif value is None and (text is not None or summed is None):
        mark = "missing" if text is None or text.strip().lower() in _MISSING else "number"
    elif letter != "N":
        mark = "flag" if letter and letter in FLAGS else "letter"
    elif (value is not None and not rule.lowest <= value <= rule.highest) or (summed is not None and summed < 0):
        mark = "range"
    elif factor != "a01008" and _outside(value, lowered, raised):  # a mean direction may lie outside
        mark = "order"
    elif not rule.confirmed:
        mark = "unit"
    sent = "" if flag is None else letter if letter in FLAGS else "?"
    return Reading(factor, at, span, value, lowered, raised, summed, sent, mark)


def _at(time: str, span: str, profile: Profile) -> datetime:
    """The moment of a real-time value, or the start of the period."""
    if span == "real" or profile.datatime_is == "start":
        return _moment(time, 0)
    return _moment(time, {"minute": profile.minutes, "hour": 60, "day": 1440}[span])


@lru_cache(maxsize=8192)
def _moment(text: str, minutes: int) -> datetime:
    """A DataTime in UTC, less ``minutes``; 14 digits, or 17 with milliseconds."""
    text = text.strip()
    if not (len(text) in (14, 17) and text.isascii() and text.isdigit() and text >= "1970"):
        raise BadPacket("datatime", f"DataTime is {shown(text)}, not YYYYMMDDhhmmss")
    year, month, day, hour, minute, second = int(text[:4]), *(int(text[at : at + 2]) for at in range(4, 14, 2))
    try:
        local = datetime(year, month, day, hour, minute, second, int(text[14:] or 0) * 1000, DEVICE_TIME)
    except ValueError as error:
        raise BadPacket("datatime", f"DataTime is {shown(text)}: {error}") from error
    return local.astimezone(UTC) - timedelta(minutes=minutes)


def _number(text: str, scale: float) -> float | None:
    """A finite decimal number in stored units, else None."""
    if not text.isascii() or "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    if scale != 1.0:
        number = round(number * scale, 6)
    return number if isfinite(number) else None


def _outside(value: float | None, low: float | None, high: float | None) -> bool:
    """Whether a mean contradicts its minimum or maximum by more than rounding."""
    if value is None:
        return False
    slack = 0.01 * max(1.0, abs(value))
    return (low is not None and value < low - slack) or (high is not None and value > high + slack)


def _nested(factors: list[str]) -> tuple[tuple[int, int], ...]:
    """Places of factors of which the first is part of the second."""
    present = [factors.index(factor) for factor in PARTICLES if factor in factors]
    return tuple(combinations(present, 2))


def _compared(found: list[Reading], nested: tuple[tuple[int, int], ...]) -> list[Reading]:
    """The same with particles marked that contradict each other: PM1.0 ≤ PM2.5 ≤ PM10 ≤ TSP."""
    for finer, coarser in nested:
        part, entire = found[finer], found[coarser]
        if part.value is None or entire.value is None or part.value <= entire.value * TOLERANCE:
            continue
        if part.quality in _COMPARABLE and entire.quality in _COMPARABLE:
            found[finer] = part._replace(quality="order")
            found[coarser] = entire._replace(quality="order")
    return found
