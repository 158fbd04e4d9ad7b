"""Storing readings: one transaction a batch, the same packet twice changes nothing, nothing is overwritten silently."""

import time
from collections import Counter
from collections.abc import Iterable
from datetime import date
from re import fullmatch

import psycopg

from services.telemetry import partitions, quarantine
from services.telemetry.batches import DAY, HEADER, TRAILER, Batch, Known, Row, Stored
from services.telemetry.states import SUFFIX

__all__ = ["Batch", "Row", "Store", "Stored"]

CODE = r"[A-Za-z][A-Za-z0-9]{0,11}(-[A-Za-z0-9]{1,7})?"
"""What a factor code may look like: annex B of HJ 212, with the parts -Zs, -Day and the like, or a short word."""
MOST_BROUGHT = 40
"""Unknown codes that one device may bring in; what comes beyond is quarantined."""
MOST_FACTORS = 8_000
STORED = "telemetry_stored"
"""Where PostgreSQL says that there are new readings: what shows them waits for that."""
KEPT_SECONDS = 30.0
"""How long devices and factors are remembered before they are read again."""


class Store:
    """Writes batches over one psycopg connection; one for each thread, and a new one after the connection broke.

    Blocking: an asyncio gateway calls ``write`` in a thread (``asyncio.to_thread``).
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.factors: dict[str, int] = {}
        self.devices: dict[int, Known] = {}
        self.months: set[date] = set()
        self._brought: Counter[int] = Counter()
        self._read_at = float("-inf")
        self._staged = self._careful = False

    def prepare(self, rows: Iterable[Row]) -> Batch | None:
        """A batch that ``write`` takes, made without the connection: in another thread while one before it is written.

        None where a device or a factor has to be asked for; ``write`` then takes the rows themselves.
        """
        try:
            return Batch(rows, self.devices.__getitem__, lambda code, _device: self.factors[code])
        except LookupError:
            return None

    def write(self, rows: Iterable[Row] | Batch) -> Stored:
        """Store a batch in one transaction and return when it is committed; on any error nothing of it is there.

        Raises what psycopg raises, KeyError for a span or quality that is none. Rows of unknown devices, of unknown
        factors beyond the limits, or with an impossible time are left out and counted; the last two are quarantined.
        """
        if time.monotonic() - self._read_at > KEPT_SECONDS:
            self.refresh()
        batch = rows if isinstance(rows, Batch) else Batch(rows, self.device, self.factor)
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

    def _write(self, cursor: psycopg.Cursor, batch: Batch) -> None:
        stored, arrived = batch.stored, len(batch.packed)
        if batch.quarantined:
            cursor.executemany(quarantine.INSERT, batch.quarantined)
        if not arrived:
            return
        stored.new = self._insert(cursor, batch)
        if stored.new < arrived:
            cursor.execute(_BY_KEY)
            stored.replaced, differing = cursor.execute(_CONFLICTS).fetchone() or (0, 0)
            stored.revisions += differing
            stored.same += arrived - stored.new - stored.replaced - differing
        if batch.losers:
            cursor.executemany(_NOTE, batch.losers)
            stored.revisions += len(batch.losers)
        if stored.new or stored.replaced:
            self._latest(cursor, batch)
            cursor.execute(f"notify {STORED}")
            _copy(cursor, _COPY_MARKS, batch.hours)
            _copy(cursor, _COPY_ARRIVALS, batch.arrivals)

    def _insert(self, cursor: psycopg.Cursor, batch: Batch) -> int:
        """Store what is new of a batch and return how many rows that were; all are staged where some were there.

        Straight into the table is three times as fast as through the staging table, and hardly a batch has a row that
        is there already: only after such a batch the next ones are staged, until one has none.
        """
        if not self._careful:
            try:
                with self.connection.transaction():
                    _copy(cursor, _COPY, batch.packed)
                    return len(batch.packed)
            except psycopg.errors.UniqueViolation:
                self._careful = True
        _copy(cursor, _COPY_STAGED, batch.packed)
        new = cursor.execute(_INSERT).rowcount
        if new == len(batch.packed):
            self._careful = False
        return new

    def _latest(self, cursor: psycopg.Cursor, batch: Batch) -> None:
        """Move the latest values forward: rows that exist are updated, which costs half of trying to insert them."""
        cursor.execute("delete from arriving")
        _copy(cursor, _COPY_STAGED, batch.newest)
        # Never prepared: a plan made while the table was empty would read all of it for each row.
        if cursor.execute(_NEWER, prepare=False).rowcount < len(batch.newest):
            cursor.execute(_LATEST)

    def factor(self, code: str, device: int) -> int | None:
        """The number of a code, as a new factor where there was none; None where it looks wrong or is one too many."""
        if (known := self.factors.get(code)) is not None:
            return known
        # A large plant has more machines than that; as they are numbered, all plants share their codes.
        many = self._brought[device] >= MOST_BROUGHT and not code.endswith(SUFFIX)
        if fullmatch(CODE, code) is None or many or len(self.factors) >= MOST_FACTORS:
            return None
        with self.connection.transaction():
            self.connection.execute(
                "insert into telemetry_factor (code, name, unit, averaging, digits, first_sent_by_id)"
                " values (%s, %s, '', %s, 2, %s) on conflict (code) do nothing",
                [code, code, "state" if code.endswith(SUFFIX) else "mean", device],
            )
        self.refresh()
        return self.factors.get(code)

    def device(self, number: int) -> Known | None:
        """A device; one that was not there when devices were last read is asked for at most once a second."""
        if number not in self.devices and time.monotonic() - self._read_at > 1.0:
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
            number: Known(
                days * DAY, base, tuple(3 * 1_000_000 * length for length in (interval, 60 * minutes, 3600, 86400))
            )
            for number, days, base, interval, minutes in devices
        }
        self._read_at = time.monotonic()


def _copy(cursor: psycopg.Cursor, statement: str, packed: list[bytes]) -> None:
    with cursor.copy(statement) as copy:
        copy.write(b"".join((HEADER, *packed, TRAILER)))


_COLUMNS = "at, received_at, value, device, factor, span, quality, flag, late, low, high, total"
_STAGE = """
create temp table if not exists arriving (
    at timestamptz, received_at timestamptz, value float8, device int4, factor int2, span int2, quality int2,
    flag "char", late bool, low float8, high float8, total float8
) on commit delete rows"""
_COPY = f"copy telemetry_reading ({_COLUMNS}) from stdin with (format binary)"
_COPY_STAGED = f"copy arriving ({_COLUMNS}) from stdin with (format binary)"
_COPY_ARRIVALS = "copy telemetry_arrival (device, span, low, high, late) from stdin with (format binary)"
_COPY_MARKS = "copy telemetry_mark (device, span, at) from stdin with (format binary)"
_INSERT = f"""
insert into telemetry_reading ({_COLUMNS}) select {_COLUMNS} from arriving on conflict do nothing"""  # noqa: S608
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
_NEWER = """
update telemetry_latest l set span = a.span, at = a.at, received_at = a.received_at, value = a.value, low = a.low,
    high = a.high, total = a.total, flag = a.flag, quality = a.quality
from arriving a
where (l.device, l.factor) = (a.device, a.factor)
    and (a.at > l.at or (a.at = l.at and (a.span, a.quality <> 0) < (l.span, l.quality <> 0)))"""
_LATEST = f"""
insert into telemetry_latest as l (device, factor, span, at, received_at, {_SAID})
select device, factor, span, at, received_at, {_SAID} from arriving
on conflict (device, factor) do update set span = excluded.span, at = excluded.at, received_at = excluded.received_at,
    value = excluded.value, low = excluded.low, high = excluded.high, total = excluded.total, flag = excluded.flag,
    quality = excluded.quality
where excluded.at > l.at
    or (excluded.at = l.at and (excluded.span, excluded.quality <> 0) < (l.span, l.quality <> 0))"""  # noqa: S608
