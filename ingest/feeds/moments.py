"""Times as other systems write them, in their time zone; and as they want them in a request."""

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

_DIGITS = re.compile(r"\d{8}|\d{10}|\d{12,14}")
_SLASHES = re.compile(r"(\d{4})[/.年-](\d{1,2})[/.月-](\d{1,2})日?(.*)", re.DOTALL)


class BadMoment(ValueError):
    """A text that says no moment."""


def moment(value: Any, zone: ZoneInfo) -> datetime:
    """An aware time in UTC; BadMoment where the value is none.

    ISO 8601, ``2026/1/31 8:30``, ``20260131083000``, seconds (10 digits) or milliseconds (13) since 1970. What states
    no zone is in ``zone``.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadMoment(value)
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    try:
        found = _digits(text, zone) if _DIGITS.fullmatch(text) else _written(text)
    except (ValueError, OverflowError, OSError):
        raise BadMoment(value) from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)


def _digits(text: str, zone: ZoneInfo) -> datetime:
    match len(text):
        case 10:
            return datetime.fromtimestamp(int(text), UTC)
        case 13:
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        case 8:
            return datetime.strptime(text, "%Y%m%d").replace(tzinfo=zone)
        case 12:
            return datetime.strptime(text, "%Y%m%d%H%M").replace(tzinfo=zone)
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=zone)


def _written(text: str) -> datetime:
    if len(text) > 40:
        raise ValueError(text)
    parts = _SLASHES.fullmatch(text)
    if parts is None:
        return datetime.fromisoformat(text)
    clock = parts[4].strip().removeprefix("T").strip()
    if re.match(r"\d:", clock):
        clock = f"0{clock}"
    day = f"{parts[1]}-{int(parts[2]):02}-{int(parts[3]):02}"
    return datetime.fromisoformat(f"{day}T{clock.replace(' ', '')}" if clock else day)


def written(at: datetime, way: str, zone: ZoneInfo) -> str:
    """A time as a request states it: one of ``Source.Moment``."""
    local = at.astimezone(zone)
    match way:
        case "iso":
            return local.isoformat(timespec="seconds")
        case "compact":
            return f"{local:%Y%m%d%H%M%S}"
        case "s":
            return str(int(at.timestamp()))
        case "ms":
            return str(int(at.timestamp() * 1000))
    return f"{local:%Y-%m-%d %H:%M:%S}"
