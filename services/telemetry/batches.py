"""Readings on their way in: a batch checked, one row for each key, packed as PostgreSQL's binary COPY takes it."""

import struct
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from services.telemetry import partitions
from services.telemetry.spans import QUALITIES, SPANS, Quality, Span

AHEAD = 5 * 60 * 1_000_000
"""Microseconds that a device's clock may run ahead of ours; beyond, and before its ``back_days``, it is wrong."""
MOST_QUARANTINED = 1_000
"""Of one batch; the rest is only counted."""

_NORMAL = ("N", "")
_HOUR = 3600 * 1_000_000
DAY = 24 * _HOUR
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Row(NamedTuple):
    """A reading on its way in; times are aware, values in the factor's stored unit, None is not measured."""

    device: int
    factor: str
    """Code, as ``Factor.code``."""
    at: datetime
    """The moment of a real-time value, the start of the period of any other."""
    span: str
    """``real``, ``minute``, ``hour`` or ``day``."""
    value: float | None
    low: float | None
    high: float | None
    total: float | None
    flag: str
    """The device's own mark, one letter or empty."""
    quality: str
    """Empty where good, else the name of a ``Quality`` in small letters."""
    received_at: datetime
    late: bool = False
    """Whether the packet says that it is back-filled; readings that are much too late are so without it."""


@dataclass
class Stored:
    """What became of a batch, once it is committed."""

    new: int = 0
    same: int = 0
    """Already there."""
    replaced: int = 0
    """Put in place of a reading that did not count."""
    revisions: int = 0
    """Differing from the reading that stays."""
    refused: Counter[str] = field(default_factory=Counter)
    """By reason: ``clock``; ``factor``: no code or one too many; ``device``: unknown."""
    clocks: set[int] = field(default_factory=set)
    """Devices whose clock must be set (CN 1012, 0x8109)."""


class Known(NamedTuple):
    """What storing needs to know of a device, times in microseconds."""

    back: int
    base: int
    overdue: tuple[int, ...]
    """By span: three times its length, from which on a reading counts as late."""


class Batch:
    """A batch made ready: checked, one row for each key, packed in the order of the key.

    The order keeps two writers of the same rows from waiting for each other in a circle.
    """

    def __init__(
        self, rows: Iterable[Row], device_of: Callable[[int], Known | None], factor_of: Callable[[str, int], int | None]
    ) -> None:
        self.stored = Stored()
        self.quarantined: list[tuple[object, ...]] = []
        self.losers: list[tuple[object, ...]] = []
        """What a batch says of a key besides what it keeps of it."""
        marks: set[tuple[int, int]] = set()
        kept: dict[_Key, _Kept] = {}
        days: set[int] = set()
        arrivals: dict[tuple[int, int, bool], tuple[int, int]] = {}
        factors: dict[str, int] = {}
        number_before = at_before = received_before = None
        at_number = received_number = age = base = 0
        overdue: tuple[int, ...] = ()
        good, flagged, no_number = int(Quality.GOOD), int(Quality.FLAG), int(Quality.NUMBER)
        for row in rows:
            number, code, at, said_span, value, low, high, total, flag, said_quality, received_at, late = row
            # The factors of a packet share their device and their times.
            if number != number_before or at is not at_before or received_at is not received_before:
                device = device_of(number)
                number_before, at_before, received_before = number, at, received_at
                at_number, received_number = _number(at), _number(received_at)
                age = received_number - at_number
                arrived = None
                in_time = device is not None and -AHEAD <= age <= device.back
                if device is not None and in_time:
                    base, overdue = device.base, device.overdue
                    days.add(at_number // DAY)
            if device is None:
                self.stored.refused["device"] += 1
                continue
            if not in_time:
                self._refuse("clock", row)
                self.stored.clocks.add(number)
                continue
            factor = factors.get(code)
            if factor is None:
                if (factor := factor_of(code, number)) is None:
                    self._refuse("factor", row)
                    continue
                factors[code] = factor
            span, quality = SPANS[said_span], QUALITIES[said_quality]
            if value is not None and value - value != 0:
                value, quality = None, quality or no_number
            if quality == good and flag not in _NORMAL:
                quality = flagged
            late = late or age > overdue[span]
            if (kind := (number, span, late)) != arrived:
                arrived = kind
                first, last = arrivals.get(kind, (at_number, at_number))
                arrivals[kind] = min(first, at_number), max(last, at_number)
            key = (number, factor, span, at_number)
            said = (value, low, high, total, flag or " ", quality, received_number, late)
            before = kept.setdefault(key, said)
            if before is not said:
                self._judge(kept, key, before, said)
            elif span == base:
                marks.add((number, at_number - at_number % _HOUR))
        keys = sorted(kept)
        newest = _newest(keys)
        self.packed = [_packed(key, kept[key]) for key in keys]
        """In the order of the key."""
        self.newest = [packed for key, packed in zip(keys, self.packed, strict=True) if key in newest]
        """Of each device and factor the newest."""
        self.hours = [_MARK.pack(3, 4, device, 2, Span.HOUR, 8, at) for device, at in marks]
        """The hours that have to be computed again."""
        self.arrivals = [
            _ARRIVAL.pack(5, 4, device, 2, span, 8, first, 8, last, 1, late)
            for (device, span, late), (first, last) in arrivals.items()
        ]
        """What there is to judge."""
        ends = [_EPOCH + timedelta(days=day + more) for day in days for more in (0, 1)]
        # A day of UTC may lie in two months of China.
        self.months = {partitions.month_of(end) for end in ends}

    def _judge(self, kept: dict["_Key", "_Kept"], key: "_Key", before: "_Kept", said: "_Kept") -> None:
        if before[:6] == said[:6]:
            self.stored.same += 1
            return
        better, worse = (said, before) if _rank(said) > _rank(before) else (before, said)
        kept[key] = better
        device, factor, span, at = key
        value, low, high, total, flag, quality, received, _late = worse
        moments = (_EPOCH + timedelta(microseconds=number) for number in (at, received))
        self.losers.append((device, factor, span, *moments, value, low, high, total, flag, quality))

    def _refuse(self, reason: str, row: Row) -> None:
        self.stored.refused[reason] += 1
        if len(self.quarantined) < MOST_QUARANTINED:
            self.quarantined.append(aside(row, reason))


def aside(row: Row, reason: str) -> tuple[object, ...]:
    """A row as the quarantine keeps it."""
    value = row.value if row.value is not None and row.value - row.value == 0 else None
    return row.device, row.factor[:40], SPANS[row.span], row.at, value, row.flag, reason, row.received_at


_Key = tuple[int, int, int, int]
"""Device, factor, span, time in microseconds since 2000: in this order keys are sorted."""
_Kept = tuple[float | None, float | None, float | None, float | None, str, int, int, bool]
"""Value, low, high, total, flag, quality, time of receipt, late."""


def _rank(said: _Kept) -> tuple[bool, bool]:
    """What makes a reading better than another of the same key: that it counts, then that it has a value at all."""
    return said[5] == Quality.GOOD, said[0] is not None


def _newest(keys: list[_Key]) -> set[_Key]:
    """Of each device and factor the key of the latest time, of the shortest span where there are several."""
    found: dict[tuple[int, int], _Key] = {}
    for key in keys:
        of = key[:2]
        best = found.get(of)
        if best is None or key[3] > best[3]:
            found[of] = key
    return set(found.values())


def _number(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_MARK = struct.Struct("!hiiihiq")
_ARRIVAL = struct.Struct("!hiiihiqiqiB")
_PLAIN = struct.Struct("!hiqiqidiiihihihiBiBiii")
"""One row of binary COPY: each field with its length before it, -1 for NULL. Packing a row at once takes a quarter of
the time that adapting its values one by one does."""
_HEAD = struct.Struct("!hiqiq")
_KEY = struct.Struct("!iiihihihiBiB")
_FLOAT = struct.Struct("!id")
_NULL = b"\xff\xff\xff\xff"


def _packed(key: _Key, said: _Kept) -> bytes:
    device, factor, span, at = key
    value, low, high, total, flag, quality, received, late = said
    if value is not None and low is None and high is None and total is None:
        return _PLAIN.pack(
            12, 8, at, 8, received, 8, value, 4, device, 2, factor, 2, span, 2, quality, 1, ord(flag), 1, late,
            -1, -1, -1,
        )  # fmt: skip
    rest = _KEY.pack(4, device, 2, factor, 2, span, 2, quality, 1, ord(flag), 1, late)
    return b"".join((_HEAD.pack(12, 8, at, 8, received), _float(value), rest, _float(low), _float(high), _float(total)))


def _float(number: float | None) -> bytes:
    return _NULL if number is None or number - number != 0 else _FLOAT.pack(8, number)
