"""Storing readings: one transaction a batch, the same packet twice changes nothing, nothing is overwritten silently."""

import struct
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from re import fullmatch
from typing import NamedTuple

import psycopg

from services.telemetry import partitions
from services.telemetry.spans import QUALITIES, SPANS, Quality, Span

AHEAD = 5 * 60 * 1_000_000
"""Microseconds that a device's clock may run ahead of ours; beyond, and before its ``back_days``, it is wrong."""
CODE = r"[A-Za-z][A-Za-z0-9]{0,11}(-[A-Za-z0-9]{1,7})?"
"""What a factor code may look like: annex B of HJ 212, with the parts -Zs, -Day and the like, or a short word."""
MOST_BROUGHT = 40
"""Unknown codes that one device may bring in; what comes beyond is quarantined."""
MOST_FACTORS = 8_000
MOST_QUARANTINED = 1_000
"""Of one batch; the rest is only counted."""
KEPT_SECONDS = 30.0
"""How long devices and factors are remembered before they are read again."""

_NORMAL = ("N", "")
_HOUR = 3600 * 1_000_000
_DAY = 24 * _HOUR
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


class _Known(NamedTuple):
    """What storing needs of a device, times in microseconds."""

    back: int
    base: int
    overdue: tuple[int, ...]
    """By span: three times its length, from which on a reading counts as late."""


class Store:
    """Writes batches over one psycopg connection; one for each thread, and a new one after the connection broke.

    Blocking: an asyncio gateway calls ``write`` in a thread (``asyncio.to_thread``).
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.factors: dict[str, int] = {}
        self.devices: dict[int, _Known] = {}
        self.months: set[date] = set()
        self._brought: Counter[int] = Counter()
        self._read_at = float("-inf")
        self._staged = self._careful = False

    def write(self, rows: Iterable[Row]) -> Stored:
        """Store a batch in one transaction and return when it is committed; on any error nothing of it is there.

        Raises what psycopg raises, KeyError for a span or quality that is none. Rows of unknown devices, of unknown
        factors beyond the limits, or with an impossible time are left out and counted; the last two are quarantined.
        """
        if time.monotonic() - self._read_at > KEPT_SECONDS:
            self.refresh()
        batch = _Batch(self, rows)
        for month in batch.months - self.months:
            partitions.make(self.connection, month)
            self.months.add(month)
        # Within somebody's transaction nothing here is committed, and a rollback takes the staging table along.
        nested = self.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE
        if nested or not self._staged:
            self.connection.execute(_STAGE)
            if not nested and not self.connection.autocommit:
                self.connection.commit()
            self._staged = not nested
        try:
            with self.connection.transaction(), self.connection.cursor() as cursor:
                self._write(cursor, batch)
                if nested:
                    cursor.execute("delete from arriving")
        except psycopg.errors.CheckViolation:
            self.months.clear()  # a partition was dropped meanwhile
            raise
        return batch.stored

    def _write(self, cursor: psycopg.Cursor, batch: "_Batch") -> None:
        stored, arrived = batch.stored, len(batch.packed)
        if batch.quarantined:
            cursor.executemany(_QUARANTINE, batch.quarantined)
        if not arrived:
            return
        with cursor.copy(_COPY) as copy:
            copy.write(b"".join((_HEADER, *batch.packed, _TRAILER)))
        stored.new = self._insert(cursor)
        if stored.new < arrived:
            cursor.execute(_BY_KEY)
            stored.replaced, differing = cursor.execute(_CONFLICTS).fetchone() or (0, 0)
            stored.revisions += differing
            stored.same += arrived - stored.new - stored.replaced - differing
        if batch.losers:
            cursor.executemany(_NOTE, batch.losers)
            stored.revisions += len(batch.losers)
        if stored.new or stored.replaced:
            cursor.execute(_LATEST)
            with cursor.copy(_COPY_MARKS) as copy:
                marks = (_MARK.pack(3, 4, device, 2, Span.HOUR, 8, at) for device, at in batch.marks)
                copy.write(b"".join((_HEADER, *marks, _TRAILER)))

    def _insert(self, cursor: psycopg.Cursor) -> int:
        """Insert what is staged and return how many rows were new.

        Looking for a conflict before each row costs a fifth of all the time, and hardly a batch has one: only after
        such a batch the next ones look, until one finds none.
        """
        if not self._careful:
            try:
                with self.connection.transaction():
                    return cursor.execute(_INSERT).rowcount
            except psycopg.errors.UniqueViolation:
                self._careful = True
        new = cursor.execute(f"{_INSERT} on conflict do nothing").rowcount
        self._careful = new < cursor.execute("select count(*) from arriving").fetchone()[0]  # type: ignore[index]
        return new

    def factor(self, code: str, device: int) -> int | None:
        """The number of a code that was not known, as a new factor; None where it looks wrong or there are too many."""
        if fullmatch(CODE, code) is None or self._brought[device] >= MOST_BROUGHT or len(self.factors) >= MOST_FACTORS:
            return None
        with self.connection.transaction():
            self.connection.execute(
                "insert into telemetry_factor (code, name, unit, averaging, digits, first_sent_by_id)"
                " values (%s, %s, '', 'mean', 2, %s) on conflict (code) do nothing",
                [code, code, device],
            )
        self.refresh()
        return self.factors.get(code)

    def device(self, number: int) -> _Known | None:
        """A device that was not known when devices were last read; asked again at most once a second."""
        if time.monotonic() - self._read_at > 1.0:
            self.refresh()
        return self.devices.get(number)

    def refresh(self) -> None:
        """Read devices and factors again."""
        with self.connection.transaction():
            ask = self.connection.execute
            factors = ask("select code, id, first_sent_by_id from telemetry_factor").fetchall()
            devices = ask("select id, back_days, base, interval, minute_span from telemetry_device").fetchall()
            self.months = set(partitions.existing(self.connection))
        self.factors = {code: number for code, number, _device in factors}
        self._brought = Counter(device for _code, _number, device in factors if device is not None)
        self.devices = {
            number: _Known(
                days * _DAY, base, tuple(3 * 1_000_000 * length for length in (interval, 60 * minutes, 3600, 86400))
            )
            for number, days, base, interval, minutes in devices
        }
        self._read_at = time.monotonic()


class _Batch:
    """A batch made ready: checked, one row for each key, packed in the order of the key.

    The order keeps two writers of the same rows from waiting for each other in a circle.
    """

    def __init__(self, store: Store, rows: Iterable[Row]) -> None:
        self.stored = Stored()
        self.quarantined: list[tuple[object, ...]] = []
        self.losers: list[tuple[object, ...]] = []
        """What a batch says of a key besides what it keeps of it."""
        self.marks: set[tuple[int, int]] = set()
        kept: dict[_Key, _Kept] = {}
        days: set[int] = set()
        number_before = at_before = received_before = None
        at_number = received_number = age = 0
        good, flagged, no_number = int(Quality.GOOD), int(Quality.FLAG), int(Quality.NUMBER)
        for row in rows:
            number, code, at, said_span, value, low, high, total, flag, said_quality, received_at, late = row
            # The factors of a packet share their device and their times.
            if number != number_before or at is not at_before or received_at is not received_before:
                device = store.devices.get(number) or store.device(number)
                number_before, at_before, received_before = number, at, received_at
                at_number, received_number = _number(at), _number(received_at)
                age = received_number - at_number
                in_time = device is not None and -AHEAD <= age <= device.back
                if in_time:
                    days.add(at_number // _DAY)
            if device is None:
                self.stored.refused["device"] += 1
                continue
            if not in_time:
                self._refuse("clock", row)
                self.stored.clocks.add(number)
                continue
            factor = store.factors.get(code) or store.factor(code, number)
            if factor is None:
                self._refuse("factor", row)
                continue
            span, quality = SPANS[said_span], QUALITIES[said_quality]
            if value is not None and value - value != 0:
                value, quality = None, quality or no_number
            if quality == good and flag not in _NORMAL:
                quality = flagged
            late = late or age > device.overdue[span]
            key = (number, factor, span, at_number)
            said = (value, low, high, total, flag or " ", quality, received_number, late)
            before = kept.setdefault(key, said)
            if before is not said:
                self._judge(kept, key, before, said)
            elif span == device.base:
                self.marks.add((number, at_number - at_number % _HOUR))
        keys = sorted(kept)
        newest = _newest(keys)
        self.packed = [_packed(key, kept[key], key in newest) for key in keys]
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
            value = row.value if row.value is not None and row.value - row.value == 0 else None
            self.quarantined.append(
                (row.device, row.factor[:40], SPANS[row.span], row.at, value, row.flag, reason, row.received_at)
            )


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


_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_MARK = struct.Struct("!hiiihiq")
_PLAIN = struct.Struct("!hiqiqidiiihihihiBiBiiiiB")
"""One row of binary COPY: each field with its length before it, -1 for NULL. Packing a row at once takes a quarter of
the time that adapting its values one by one does."""
_HEAD = struct.Struct("!hiqiq")
_KEY = struct.Struct("!iiihihihiBiB")
_FLOAT = struct.Struct("!id")
_NULL = b"\xff\xff\xff\xff"


def _packed(key: _Key, said: _Kept, newest: bool) -> bytes:
    device, factor, span, at = key
    value, low, high, total, flag, quality, received, late = said
    if value is not None and low is None and high is None and total is None:
        return _PLAIN.pack(
            13, 8, at, 8, received, 8, value, 4, device, 2, factor, 2, span, 2, quality, 1, ord(flag), 1, late,
            -1, -1, -1, 1, newest,
        )  # fmt: skip
    rest = _KEY.pack(4, device, 2, factor, 2, span, 2, quality, 1, ord(flag), 1, late)
    numbers = [_float(low), _float(high), _float(total)]
    return b"".join((_HEAD.pack(13, 8, at, 8, received), _float(value), rest, *numbers, b"\0\0\0\1", bytes((newest,))))


def _float(number: float | None) -> bytes:
    return _NULL if number is None or number - number != 0 else _FLOAT.pack(8, number)


_COLUMNS = "at, received_at, value, device, factor, span, quality, flag, late, low, high, total"
_STAGE = """
create temp table if not exists arriving (
    at timestamptz, received_at timestamptz, value float8, device int4, factor int2, span int2, quality int2,
    flag "char", late bool, low float8, high float8, total float8, newest bool
) on commit delete rows"""
_COPY = f"copy arriving ({_COLUMNS}, newest) from stdin with (format binary)"
_COPY_MARKS = "copy telemetry_mark (device, span, at) from stdin with (format binary)"
_INSERT = f"insert into telemetry_reading ({_COLUMNS}) select {_COLUMNS} from arriving"  # noqa: S608
# The staged rows have no statistics, and a plan that reads whole months to find a few keys would be ruinous.
_BY_KEY = "set local enable_hashjoin = off; set local enable_mergejoin = off; set local enable_seqscan = off"
_SAID = "value, low, high, total, flag, quality"
_CONFLICTS = f"""
with pair as materialized (
    select a.*, r.value as old_value, r.low as old_low, r.high as old_high, r.total as old_total, r.flag as old_flag,
        r.quality as old_quality, r.received_at as old_received_at,
        (a.quality = 0, a.value is not null) > (r.quality = 0, r.value is not null) as better
    from arriving a join telemetry_reading r using (device, factor, span, at)
    where (a.value, a.low, a.high, a.total, a.flag, a.quality)
        is distinct from (r.value, r.low, r.high, r.total, r.flag, r.quality)
    for update of r
), replaced as (
    update telemetry_reading r set value = p.value, low = p.low, high = p.high, total = p.total, flag = p.flag,
        quality = p.quality, received_at = p.received_at, late = p.late
    from pair p
    where p.better and (r.device, r.factor, r.span, r.at) = (p.device, p.factor, p.span, p.at)
), noted as (
    insert into telemetry_revision (device, factor, span, at, received_at, {_SAID})
    select device, factor, span, at,
        case when better then old_received_at else received_at end, case when better then old_value else value end,
        case when better then old_low else low end, case when better then old_high else high end,
        case when better then old_total else total end, case when better then old_flag else flag end,
        case when better then old_quality else quality end
    from pair on conflict do nothing
)
select count(*) filter (where better), count(*) filter (where not better) from pair"""  # noqa: S608
_NOTE = f"""
insert into telemetry_revision (device, factor, span, at, received_at, {_SAID})
select * from (
    values (%s::int4, %s::int2, %s::int2, %s::timestamptz, %s::timestamptz, %s::float8, %s::float8, %s::float8,
        %s::float8, %s::"char", %s::int2)
) as said (device, factor, span, at, received_at, {_SAID})
where not exists (
    select from telemetry_reading r where (r.device, r.factor, r.span, r.at) = (said.device, said.factor, said.span,
        said.at) and r.value is not distinct from said.value and r.quality = said.quality
) on conflict do nothing"""  # noqa: S608
# Of two readings of the same moment the one of the shorter span is the newer, then the one that counts.
_LATEST = f"""
insert into telemetry_latest as l (device, factor, span, at, received_at, {_SAID})
select device, factor, span, at, received_at, {_SAID} from arriving where newest
on conflict (device, factor) do update set span = excluded.span, at = excluded.at, received_at = excluded.received_at,
    value = excluded.value, low = excluded.low, high = excluded.high, total = excluded.total, flag = excluded.flag,
    quality = excluded.quality
where excluded.at > l.at
    or (excluded.at = l.at and (excluded.span, excluded.quality <> 0) < (l.span, l.quality <> 0))"""  # noqa: S608
_QUARANTINE = """
insert into telemetry_quarantined (device, code, span, said_at, value, flag, reason, received_at)
values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing"""
