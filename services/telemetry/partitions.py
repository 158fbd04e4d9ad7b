"""Monthly partitions of readings, roll-ups and positions: made ahead, archived to GeoParquet, dropped.

A month is one of the calendar in China, so that a month's report reads one partition.
"""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from django.db import connections
from django.utils import timezone
from psycopg import sql

from services.telemetry.spans import ZONE

log = logging.getLogger(__name__)

TABLES = ("telemetry_reading", "telemetry_rollup")
LOCK = 7_301_000
"""Advisory lock of whoever makes or takes away partitions; two at once would fail on the same name."""
FEWEST_KEPT = 2
"""Months of readings that stay whatever the policy says: back-filled data still arrive for them."""
LONGEST_WAIT = "2s"
"""How long a change of partitions may queue for its lock, for everybody else queues behind it."""
CHUNK = 100_000


def month_of(at: datetime) -> date:
    """The first day of the month in China to which a moment belongs."""
    return at.astimezone(ZONE).date().replace(day=1)


def bounds(month: date) -> tuple[datetime, datetime]:
    """Begin and end of a month in China as moments in UTC, the end excluded."""
    following = (month.replace(day=1) + timedelta(days=32)).replace(day=1)
    return _moment(month.replace(day=1)), _moment(following)


def existing(connection: psycopg.Connection, table: str = TABLES[0]) -> list[date]:
    """The months that have a partition, the oldest first."""
    rows = connection.execute(
        "select right(c.relname, 6) from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = %s::regclass order by 1",
        [table],
    ).fetchall()
    return [date(int(name[:4]), int(name[4:]), 1) for (name,) in rows]


def make(connection: psycopg.Connection, month: date, tables: Sequence[str] = TABLES) -> None:
    """Make the partitions of a month that are missing, in a transaction of its own where none is open."""
    begin, end = bounds(month)
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        for table in tables:
            if month in existing(connection, table):
                continue
            # Attached afterwards: CREATE TABLE … PARTITION OF would stop every reader and writer of all months.
            names = {"part": sql.Identifier(_name(table, month)), "whole": sql.Identifier(table)}
            connection.execute(sql.SQL("create table {part} (like {whole} including all)").format(**names))
            connection.execute(
                sql.SQL("alter table {whole} attach partition {part} for values from ({begin}) to ({end})").format(
                    begin=sql.Literal(begin.isoformat()), end=sql.Literal(end.isoformat()), **names
                )
            )


def ahead(using: str = "default", months: int = 3, now: datetime | None = None, tables: Sequence[str] = TABLES) -> None:
    """Make the partitions of the last month, this one and so many to come."""
    month = month_of((now or timezone.now()) - timedelta(days=31))
    link = raw(using)
    for _n in range(months + 2):
        make(link, month, tables)
        month = month_of(bounds(month)[1])


def due(connection: psycopg.Connection, keep: int, now: datetime | None = None, table: str = TABLES[0]) -> list[date]:
    """The months of a table that are older than the last ``keep`` whole ones; none where ``keep`` is 0."""
    if not keep:
        return []
    limit = month_of(now or timezone.now())
    for _n in range(max(keep, FEWEST_KEPT)):
        limit = month_of(bounds(limit)[0] - timedelta(days=1))
    return [month for month in existing(connection, table) if month < limit]


def drop(connection: psycopg.Connection, month: date, table: str = TABLES[0]) -> None:
    """Take a month's readings away for good."""
    names = {"part": sql.Identifier(_name(table, month)), "whole": sql.Identifier(table)}
    with connection.transaction():
        connection.execute(sql.SQL("set local lock_timeout = {}").format(sql.Literal(LONGEST_WAIT)))
        connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute(sql.SQL("alter table {whole} detach partition {part}").format(**names))
        connection.execute(sql.SQL("drop table {part}").format(**names))


def archive(connection: psycopg.Connection, month: date, folder: Path) -> Path:
    """Write a month's readings to ``folder`` as GeoParquet, with each device's place (EPSG:4490), and return the file.

    Columns: protocol, number, feature, factor (code), unit, span, at, value, low, high, total, flag, quality,
    received_at, late, geometry. The file is whole or not there; raises ValueError where its rows are not as many as
    the table's.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"readings_{month:%Y%m}.parquet"
    unfinished = target.with_suffix(".part")
    schema = pa.schema(_columns(pa), metadata={b"geo": json.dumps(_geo()).encode()})
    with connection.transaction(), pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
        # One snapshot for rows and count, or a late reading in between would look like a loss.
        connection.execute("set transaction isolation level repeatable read")
        for rows in _chunks(connection, month):
            columns = zip(schema, zip(*rows, strict=True), strict=True)
            arrays = [pa.array(column, field.type) for field, column in columns]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
        part = sql.Identifier(_name(TABLES[0], month))
        counted = connection.execute(sql.SQL("select count(*) from {}").format(part)).fetchone()
    written = pq.ParquetFile(unfinished).metadata.num_rows
    if counted is None or written != counted[0]:
        raise ValueError(f"{unfinished} holds {written} rows of {counted and counted[0]}")
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(target)
    return target


def retire(connection: psycopg.Connection, keep: int, folder: Path | None, now: datetime | None = None) -> list[date]:
    """Archive (where a folder is given) and drop the months that policy no longer keeps; returns them."""
    months = due(connection, keep, now)
    for month in months:
        if folder is not None:
            log.info("archived %s", archive(connection, month, folder))
        drop(connection, month)
    return months


def raw(using: str = "default") -> psycopg.Connection:
    """The psycopg connection under Django's, opened where it was not."""
    connection = connections[using]
    connection.ensure_connection()
    link: psycopg.Connection = connection.connection
    if connection.in_atomic_block and link.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        # Django has only promised a transaction so far: psycopg would begin, and commit, one of its own.
        link.execute("select 1")
    return link


def _chunks(connection: psycopg.Connection, month: date) -> Iterator[list[tuple[Any, ...]]]:
    query = sql.SQL(
        "select d.protocol, d.number, d.feature::text, f.code, f.unit, r.span, r.at, r.value, r.low, r.high, r.total,"
        " r.flag::text, r.quality, r.received_at, r.late, ST_AsBinary(i.geom)"
        " from {} r left join telemetry_device d on d.id = r.device left join telemetry_factor f on f.id = r.factor"
        " left join catalog_featureindex i on i.id = d.feature order by r.device, r.factor, r.span, r.at"
    ).format(sql.Identifier(_name(TABLES[0], month)))
    with connection.cursor("archive") as cursor:
        cursor.itersize = CHUNK
        cursor.execute(query)
        while rows := cursor.fetchmany(CHUNK):
            yield rows


def _columns(pa: Any) -> list[tuple[str, Any]]:
    text, moment, number = pa.string(), pa.timestamp("us", tz="UTC"), pa.float64()
    return [
        ("protocol", text), ("number", text), ("feature", text), ("factor", text), ("unit", text),
        ("span", pa.int16()), ("at", moment), ("value", number), ("low", number), ("high", number), ("total", number),
        ("flag", text), ("quality", pa.int16()), ("received_at", moment), ("late", pa.bool_()),
        ("geometry", pa.binary()),
    ]  # fmt: skip


def _geo() -> dict[str, Any]:
    """The file metadata of GeoParquet 1.0.0."""
    from pyproj import CRS

    column = {"encoding": "WKB", "geometry_types": [], "crs": CRS.from_epsg(4490).to_json_dict()}
    return {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": column}}


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)


def _name(table: str, month: date) -> str:
    return f"{table}_{month:%Y%m}"
