"""The JSON in which site boxes send what they measured, over HTTP and over MQTT alike (docs/devices.md).

One object, or several under ``records``: ``{"time": "2026-11-27T10:15:00+08:00", "values": {"a34002": 88.1, "LA":
{"value": 63.5, "flag": "N"}}}``.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from math import isfinite
from re import fullmatch
from typing import Any, NamedTuple

from ingest.protocols.readings import Reading
from services.telemetry.units import Rule, rule

MOST_RECORDS = 1_000
MOST_VALUES = 100
"""Of one record."""
LARGEST = 1 << 20
"""Bytes of one message."""
SPANS = ("real", "minute", "hour", "day")
FLAGS = frozenset("NFMSDTCB")

_FACTOR = r"[A-Za-z][A-Za-z0-9]{0,11}(-[A-Za-z0-9]{1,7})?"
_DEVICE = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,31}"
_ABSENT = frozenset({"", "-", "--", "null", "none", "n/a"})


class BadBody(Exception):
    """A message of which nothing is taken: ``field`` is the place of the fault, ``allowed`` what may stand there."""

    def __init__(self, field: str, found: object, allowed: str) -> None:
        super().__init__(f"{field}: {str(found)[:60]!a} — {allowed}")
        self.field = field
        self.allowed = allowed


class Body(NamedTuple):
    """A message taken apart."""

    device: str
    """Empty where it names none."""
    records: tuple[tuple[str, dict[str, Any]], ...]
    """Each with its place in the message."""
    late: bool
    """The device says that it fills a gap."""


def parse(data: bytes) -> Body:
    """A message taken apart; BadBody where it is not one."""
    if len(data) > LARGEST:
        raise BadBody("", f"{len(data)} bytes", f"at most {LARGEST} bytes")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadBody("", error, "a JSON object in UTF-8") from error
    if not isinstance(found, dict):
        raise BadBody("", type(found).__name__, "a JSON object")
    device, late = found.get("device", ""), found.get("late", False)
    if not isinstance(device, str) or (device and not fullmatch(_DEVICE, device)):
        raise BadBody("device", device, "1 to 32 letters, digits or . _ : -")
    if not isinstance(late, bool):
        raise BadBody("late", late, "true or false")
    if "records" not in found:
        return Body(device, (("", found),), late)
    records = found["records"]
    if not (isinstance(records, list) and 1 <= len(records) <= MOST_RECORDS):
        raise BadBody("records", type(records).__name__, f"a list of 1 to {MOST_RECORDS} objects")
    for place, record in enumerate(records):
        if not isinstance(record, dict):
            raise BadBody(f"records[{place}]", record, "an object")
    return Body(device, tuple((f"records[{place}].", record) for place, record in enumerate(records)), late)


def readings(body: Body, units: Mapping[str, str]) -> list[list[Reading]]:
    """Of each record its readings in stored units; ``units`` is what the device's profile says of them.

    A value that is none is kept with the reason, beside the good ones; BadBody where a time, a name or a unit cannot
    be, for then nobody knows what was measured.
    """
    return [list(_record(place, record, units)) for place, record in body.records]


def _record(place: str, record: dict[str, Any], units: Mapping[str, str]) -> Iterator[Reading]:
    at = _time(f"{place}time", record.get("time"))
    span = record.get("span", "real")
    if span not in SPANS:
        raise BadBody(f"{place}span", span, f"one of {', '.join(SPANS)}")
    values = record.get("values")
    if not (isinstance(values, dict) and 1 <= len(values) <= MOST_VALUES):
        raise BadBody(f"{place}values", type(values).__name__, f"an object of 1 to {MOST_VALUES} factors")
    for factor, said in values.items():
        where = f"{place}values.{factor[:40]}"
        if not fullmatch(_FACTOR, factor):
            raise BadBody(where, factor, "a factor code such as a34002 or LA")
        yield _reading(where, factor, at, span, said if isinstance(said, dict) else {"value": said}, units)


def _reading(
    where: str, factor: str, at: datetime, span: str, said: dict[str, Any], units: Mapping[str, str]
) -> Reading:
    unknown = sorted(set(said) - {"value", "low", "high", "total", "unit", "flag"})
    if unknown:
        raise BadBody(f"{where}.{unknown[0][:40]}", unknown[0], "value, low, high, total, unit, flag")
    unit = said.get("unit", units.get(factor.partition("-")[0]))
    how = _rule(where, factor, unit)
    flag = said.get("flag", "")
    if not isinstance(flag, str):
        raise BadBody(f"{where}.flag", flag, f"one of {' '.join(sorted(FLAGS))}")
    letter = flag.strip().upper()
    value, quality = _number(said.get("value"), how.scale)
    low, high = (_number(said.get(name), how.scale)[0] for name in ("low", "high"))
    of_total = _rule(where, f"{factor}-Cou", units.get(f"{factor}-Cou")) if "total" in said else how
    total, _ = _number(said.get("total"), of_total.scale)
    if quality == "missing" and total is not None:
        quality = ""
    if not quality:
        quality = _judged(value, low, high, total, letter, how)
    return Reading(factor, at, span, value, low, high, total, letter if letter in FLAGS else flag and "?", quality)


def _judged(
    value: float | None, low: float | None, high: float | None, total: float | None, letter: str, how: Rule
) -> str:
    if letter not in ("", "N"):
        return "flag" if letter in FLAGS else "letter"
    if (value is not None and not how.lowest <= value <= how.highest) or (total is not None and total < 0):
        return "range"
    if value is not None:
        slack = 0.01 * max(1.0, abs(value))
        if (low is not None and value < low - slack) or (high is not None and value > high + slack):
            return "order"
    return "" if how.confirmed else "unit"


def _rule(where: str, factor: str, unit: object) -> Rule:
    try:
        return rule(factor, unit if unit is None or isinstance(unit, str) else str(unit))
    except ValueError as error:
        raise BadBody(f"{where}.unit", unit, str(error)) from error


def _time(where: str, text: object) -> datetime:
    allowed = "a time with its zone, such as 2026-11-27T10:15:00+08:00"
    if not isinstance(text, str) or len(text) > 40:
        raise BadBody(where, text, allowed)
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise BadBody(where, text, allowed)
        return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadBody(where, text, allowed) from error


def _number(said: object, scale: float) -> tuple[float | None, str]:
    """A value in stored units, or None and why."""
    if said is None or (isinstance(said, str) and said.strip().lower() in _ABSENT):
        return None, "missing"
    number: float | None = None
    written = isinstance(said, str) and said.isascii() and "_" not in said
    if written or (isinstance(said, int | float) and not isinstance(said, bool)):
        number = _finite(said)
    if number is None:
        return None, "number"
    return (number if scale == 1.0 else round(number * scale, 6)), ""


def _finite(said: Any) -> float | None:
    try:
        number = float(said)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None
