"""Readings that are not taken are kept aside with the reason."""

from collections.abc import Sequence

import psycopg

from services.telemetry.batches import Row, aside

INSERT = """
insert into telemetry_quarantined (device, code, span, said_at, value, flag, reason, received_at)
values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing"""


def put(link: psycopg.Connection, rows: Sequence[Row], reason: str) -> None:
    """Keep rows aside, once each, in the caller's transaction."""
    with link.cursor() as cursor:
        cursor.executemany(INSERT, [aside(row, reason) for row in rows])
