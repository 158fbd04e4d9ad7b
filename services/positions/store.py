"""Storing positions: one transaction a batch, the same report twice changes nothing, the latest never moves back."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from gis.datums import Datum, gcj_to_wgs
from services.positions.models import POSITIONING_SQL, QUALITIES, TABLES, Quality
from services.telemetry import partitions

AHEAD = timedelta(minutes=5)
"""That a terminal's clock may run ahead of ours; beyond, and before its ``back_days``, it is wrong (F14)."""
LATE = timedelta(minutes=3)
"""After which a position counts as late, where three of the device's intervals are not longer."""
MOST_ASIDE = 1_000
"""Of one batch; the rest is only counted."""
KEPT_SECONDS = 30.0
"""How long devices are remembered before they are read again."""

Watcher = Callable[[psycopg.Cursor[Any]], None]
"""Looks at the table ``arriving_positions`` before the latest positions move, in the transaction of the batch."""


class Row(NamedTuple):
    """A position on its way in; degrees in the datum that the terminal sends, speed in km/h."""

    device: int
    at: datetime | None
    """Aware; None where the terminal's digits are no time."""
    lon: float
    lat: float
    speed: float
    heading: int
    altitude: int
    status: int
    alarm: int
    received_at: datetime
    problem: str = ""
    """Empty where good, else a code of ``QUALITIES``."""
    mileage: float | None = None
    fuel: float | None = None
    extras: dict[str, Any] | None = None
    late: bool = False
    """Whether the packet says that it is back-filled; positions that are much too late are so without it."""


@dataclass
class Stored:
    """What became of a batch, once it is committed."""

    new: int = 0
    same: int = 0
    replaced: int = 0
    """Put in place of a position that did not count."""
    revisions: int = 0
    """Differing from the position that stays, and set aside."""
    refused: Counter[str] = field(default_factory=Counter)
    """By reason: ``clock``; ``device``: unknown."""


class _Known(NamedTuple):
    back: timedelta
    overdue: timedelta
    shifted: bool
    """Whether it sends GCJ-02."""


class Store:
    """Writes batches over one psycopg connection in autocommit; one for each thread, and a new one after it broke."""

    def __init__(self, connection: psycopg.Connection, watchers: Sequence[Watcher] = ()) -> None:
        self.connection = connection
        self.watchers = watchers
        self.devices: dict[int, _Known] = {}
        self.months: set[date] = set()
        self._read_at = float("-inf")

    def prepare(self, rows: Iterable[Row]) -> "Batch | None":
        """A batch made ready without the database, in any thread; None where it has a device that was not read yet."""
        rows = list(rows)
        return Batch(self, rows) if all(row.device in self.devices for row in rows) else None

    def write(self, rows: "Iterable[Row] | Batch") -> Stored:
        """Store a batch in one transaction and return when it is committed; on any error nothing of it is there.

        Rows of unknown devices and with an impossible time are left out and counted; the latter are set aside.
        """
        if time.monotonic() - self._read_at > KEPT_SECONDS:
            self.refresh()
        batch = rows if isinstance(rows, Batch) else Batch(self, rows)
        for month in {partitions.month_of(at) for _device, at in batch.kept} - self.months:
            partitions.make(self.connection, month, TABLES)
            self.months.add(month)
        try:
            with self.connection.transaction(), self.connection.cursor() as cursor:
                self._write(cursor, batch)
        except psycopg.errors.CheckViolation:
            self.months.clear()  # a partition was dropped meanwhile
            raise
        return batch.stored

    def refresh(self) -> None:
        """Read devices again."""
        rows = self.connection.execute(_DEVICES).fetchall()
        self.devices = {
            number: _Known(timedelta(days=days), max(LATE, timedelta(seconds=3 * interval)), datum == Datum.GCJ02)
            for number, days, interval, datum in rows
        }
        self.months = set(partitions.existing(self.connection, TABLES[0]))
        self._read_at = time.monotonic()

    def device(self, number: int) -> _Known | None:
        """A device; one that was not known is asked for at most once a second."""
        if number not in self.devices and time.monotonic() - self._read_at > 1.0:
            self.refresh()
        return self.devices.get(number)

    def _write(self, cursor: psycopg.Cursor[Any], batch: "Batch") -> None:
        stored = batch.stored
        if batch.kept:
            cursor.execute(_STAGE)
            with cursor.copy(_COPY) as copy:
                # In the order of the key two writers of the same rows do not wait for each other in a circle.
                for key in sorted(batch.kept):
                    copy.write_row(batch.kept[key])
            cursor.execute(_LOCK)
            stored.new = cursor.execute(_INSERT).rowcount
            if stored.new < len(batch.kept):
                cursor.execute("set local enable_hashjoin = off; set local enable_mergejoin = off")
                stored.replaced, differing = cursor.execute(_CONFLICTS).fetchone() or (0, 0)
                stored.revisions += differing
                stored.same += len(batch.kept) - stored.new - stored.replaced - differing
            if stored.new or stored.replaced:
                for watch in self.watchers:
                    watch(cursor)
                cursor.execute(_LATEST)
                cursor.execute(_MARK)
        if batch.aside:
            cursor.executemany(_ASIDE, batch.aside)


class Batch:
    """A batch made ready: checked, with one row for each key."""

    def __init__(self, store: Store, rows: Iterable[Row]) -> None:
        self.stored = Stored()
        self.aside: list[tuple[object, ...]] = []
        self.kept: dict[tuple[int, datetime], tuple[object, ...]] = {}
        for row in rows:
            device = store.device(row.device)
            if device is None:
                self.stored.refused["device"] += 1
            elif row.at is None or not -AHEAD <= row.received_at - row.at <= device.back:
                self.stored.refused["clock"] += 1
                self._put_aside(row, "clock")
            else:
                self._keep(row, row.at, device)

    def _keep(self, row: Row, at: datetime, device: _Known) -> None:
        quality = QUALITIES[row.problem]
        lon, lat = row.lon, row.lat
        if device.shifted and quality != Quality.OUT_OF_RANGE:
            there = gcj_to_wgs(lon, lat)
            lon, lat = float(there[0]), float(there[1])
        place = f"SRID=4490;POINT({lon!r} {lat!r})" if abs(lon) <= 180 and abs(lat) <= 90 else None
        said = (place, row.speed, row.heading, row.altitude, row.status, row.alarm, quality)
        late = row.late or row.received_at - at > device.overdue
        extras = Jsonb(row.extras) if row.extras else None
        whole = (row.device, at, *said, row.mileage, row.fuel, row.received_at, late, extras)
        before = self.kept.setdefault((row.device, at), whole)
        if before is whole:
            return
        if before[2:9] == said:
            self.stored.same += 1
        elif before[8] != Quality.GOOD == quality:
            self.kept[row.device, at] = whole
            self.stored.same += 1
        else:
            self.stored.revisions += 1
            self._put_aside(row, "other")

    def _put_aside(self, row: Row, reason: str) -> None:
        if len(self.aside) < MOST_ASIDE:
            said = row.at.isoformat() if row.at else str((row.extras or {}).get("clock", ""))
            self.aside.append((row.device, said[:32], row.lon, row.lat, row.speed, reason, row.received_at))


_DEVICES = f"""
select d.id, d.back_days, d.interval, t.datum
from telemetry_device d left join positions_terminal t on t.device_id = d.id where d.protocol in {POSITIONING_SQL}"""  # noqa: S608
_COLUMNS = (
    "device, at, geom, speed, heading, altitude, status, alarm, quality, mileage, fuel, received_at, late, extras"
)
_SHOWN = "device, at, geom, speed, heading, altitude, status, alarm, mileage, fuel, received_at"
_SAID = "geom, speed, heading, altitude, status, alarm, quality"
_STAGE = """
create temp table if not exists arriving_positions (like positions_position) on commit delete rows"""
_COPY = f"copy arriving_positions ({_COLUMNS}) from stdin"
# Two gateways that write the same device take turns: what watches positions sees them one batch after the other.
_LOCK = """
select pg_advisory_xact_lock(7302, device) from (select distinct device from arriving_positions order by device) d"""
_INSERT = f"""
insert into positions_position ({_COLUMNS}) select {_COLUMNS} from arriving_positions
on conflict do nothing"""  # noqa: S608
_CONFLICTS = f"""
with pair as materialized (
    select a.*, a.quality = 0 and p.quality <> 0 as better
    from arriving_positions a join positions_position p using (device, at)
    where ({", ".join(f"a.{name}" for name in _SAID.split(", "))})
        is distinct from ({", ".join(f"p.{name}" for name in _SAID.split(", "))})
    for update of p
), replaced as (
    update positions_position p set geom = b.geom, speed = b.speed, heading = b.heading, altitude = b.altitude,
        status = b.status, alarm = b.alarm, quality = b.quality, mileage = b.mileage, fuel = b.fuel,
        received_at = b.received_at, late = b.late, extras = b.extras
    from pair b where b.better and (p.device, p.at) = (b.device, b.at)
), noted as (
    insert into positions_aside (device, said_at, lon, lat, speed, reason, received_at)
    select device, left(to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), 32),
        coalesce(ST_X(geom), 0), coalesce(ST_Y(geom), 0), speed, 'other', received_at
    from pair where not better on conflict do nothing
)
select count(*) filter (where better), count(*) filter (where not better) from pair"""  # noqa: S608
_LATEST = f"""
insert into positions_latest as l ({_SHOWN})
select distinct on (device) {_SHOWN} from arriving_positions where quality = 0 order by device, at desc
on conflict (device) do update set at = excluded.at, geom = excluded.geom, speed = excluded.speed,
    heading = excluded.heading, altitude = excluded.altitude, status = excluded.status, alarm = excluded.alarm,
    mileage = excluded.mileage, fuel = excluded.fuel, received_at = excluded.received_at
where excluded.at > l.at"""  # noqa: S608
_MARK = """
insert into positions_mark (device, first, last)
select device, min(at), max(at) from arriving_positions where quality = 0 group by device"""
_ASIDE = """
insert into positions_aside (device, said_at, lon, lat, speed, reason, received_at)
values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing"""
