"""The events in the order of commits: told, read after a cursor, and swept.

A cursor is a moment of the database with the snapshot that was seen in it: ``1764261000.120~7001:7005:7002``. What a
later snapshot sees and this one did not is new, whatever the order of commits; no event is passed over, and nobody
who writes waits for another (ADR 8). A cursor that is a time alone means everything noted since.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.db import connection

from services.live.errors import TooOld
from services.live.models import Event, Topic
from services.live.triggers import CHANNEL, MOST

KEPT = timedelta(hours=1)
"""How old a cursor may be."""
SWEPT = 2 * KEPT
"""Events are deleted later than that: one whose transaction took long is as old as its first statement."""
MOST_EVENTS = 5_000
"""Read at once; who missed more reads everything again."""

_CURSOR = re.compile(r"(\d{1,11}\.\d{1,6})(?:~(\d{1,19}:\d{1,19}:(?:\d{1,19}(?:,\d{1,19})*)?))?")


PLATFORM = ""
"""In place of a layer: what is told is about the product itself, for its administrators alone."""


class Told(NamedTuple):
    """What an engine tells of one feature, or of the platform; then ``feature`` is the key of what it is about."""

    layer: str
    feature: UUID
    payload: Mapping[str, Any]


@dataclass
class Batch:
    """What happened between two cursors, gathered: columns by feature, layers to read again, what was told."""

    cursor: str
    at: float
    """The database's time, in seconds since 1970."""
    changes: dict[str, dict[UUID, set[str]]] = field(default_factory=dict)
    layers: set[str] = field(default_factory=set)
    told: dict[str, list[Told]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.changes or self.layers or self.told)

    def take(self, topic: str, layer: str, features: list[UUID], columns: list[str], payload: dict[str, Any]) -> None:
        """Add an event."""
        if topic == Topic.LAYERS:
            self.layers.add(layer)
        elif topic == Topic.FEATURES:
            changed = self.changes.setdefault(layer, {})
            for feature in features:
                changed.setdefault(feature, set()).update(columns)
            if len(changed) > MOST:
                self.layers.add(layer)
                del self.changes[layer]
        else:
            self.told.setdefault(topic, []).extend(Told(layer, feature, payload) for feature in features)


def tell(link: psycopg.Connection | None, topic: str, rows: Iterable[Told]) -> None:
    """Tell of features under a topic, to whoever may see them, when the transaction commits.

    ``link`` is the connection that writes, Django's own where it is None. The payload goes out as it is: it must hold
    nothing that not everybody may know who sees the feature.
    """
    if topic in Topic.values:
        raise ValueError(f"{topic!r} is told by trigger; choose a topic of your own")
    values = [(topic, row.layer, [row.feature], json.dumps(dict(row.payload), default=str)) for row in rows]
    if not values:
        return
    if link is None:
        connection.ensure_connection()
        link = connection.connection
    with link.transaction(), link.cursor() as cursor:
        cursor.executemany(_TELL, values)
        cursor.execute("select pg_notify(%s, '')", [CHANNEL])


def now(link: psycopg.Connection) -> Batch:
    """An empty batch whose cursor is this moment."""
    row = link.execute(f"select {_HERE}, {_AT}::float8").fetchone()
    assert row is not None
    return Batch(*row)


def read(link: psycopg.Connection, cursor: str) -> Batch:
    """Everything that happened after a cursor and is committed; TooOld where that is not known any more.

    Raises ValueError for a text that is no cursor.
    """
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise ValueError(f"{cursor!r} is no cursor")
    begin, snapshot = match.groups()
    asked = {"since": float(begin), "snapshot": snapshot, "most": MOST_EVENTS + 1}
    try:
        rows = link.execute(_READ if snapshot else _READ_SINCE, asked).fetchall()
    except psycopg.errors.InvalidTextRepresentation:
        raise ValueError(f"{cursor!r} is no cursor") from None
    found = Batch(rows[0][0], rows[0][1])
    # A snapshot ahead of the database's own is that of another database, or of one that was restored.
    if not found.at - KEPT.total_seconds() <= float(begin) <= found.at + 60 or rows[0][2] or len(rows) > MOST_EVENTS:
        raise TooOld
    for _cursor, _at, _ahead, topic, layer, features, columns, payload in rows:
        if topic is not None:
            found.take(topic, layer, features, columns, json.loads(payload))
    return found


def sweep(link: psycopg.Connection) -> int:
    """Delete the events that nobody can ask for; returns how many."""
    return link.execute(f"delete from {Event._meta.db_table} where at < now() - %s", [SWEPT]).rowcount  # noqa: S608


_AT = "extract(epoch from clock_timestamp())::numeric(16, 3)"
_HERE = f"{_AT}::text || '~' || pg_current_snapshot()::text"
_TELL = f"""
insert into {Event._meta.db_table} (topic, layer, features, columns, payload)
values (%s, %s, %s::uuid[], '{{}}', %s::jsonb)"""  # noqa: S608
_EVENTS = f"""
with seen as materialized (select {_HERE} as cursor, {_AT}::float8 as at, {{ahead}} as ahead)
select seen.cursor, seen.at, seen.ahead, e.topic, e.layer, e.features, e.columns, e.payload::text
from seen left join {Event._meta.db_table} e on {{after}}
order by e.transaction, e.id limit %(most)s"""  # noqa: S608
_READ = _EVENTS.format(
    ahead="pg_snapshot_xmax(%(snapshot)s::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot())",
    after="e.transaction >= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)::text::bigint"
    " and not pg_visible_in_snapshot(e.transaction::text::xid8, %(snapshot)s::pg_snapshot)",
)
_READ_SINCE = _EVENTS.format(ahead="false", after="e.at >= to_timestamp(%(since)s)")
