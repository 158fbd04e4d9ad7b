"""Entries of logs on their way into the database: one transaction a batch, with the counts that are shown of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg
from django.db import connections
from psycopg.conninfo import make_conninfo

from services.audit.masking import masked

OWN = "zhutu"
"""The platform's own code among the systems."""
TABLES = ("operations_logentry",)
STEP = timedelta(minutes=10)
"""For which entries are counted together."""
LONGEST_MESSAGE, LONGEST_CAUSE = 4_000, 20_000
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_LINK = {"keepalives_idle": "10", "tcp_user_timeout": "10000", "connect_timeout": "5"}

Bucket = tuple[datetime, str, str, int]
"""Begin of the ten minutes, system, program, level."""


class Entry(NamedTuple):
    """One entry; ``at`` is aware. The texts are masked and cut when it is stored."""

    at: datetime
    level: int
    system: str
    program: str
    logger: str
    message: str
    cause: str = ""
    account: str = ""
    address: str = ""
    request: str = ""
    process: int | None = None


_COLUMNS = Entry._fields
_INSERT = f"copy operations_logentry ({', '.join(_COLUMNS)}) from stdin"
_COUNT = """
insert into operations_logcount as c (at, system, program, level, n, lost) values (%s, %s, %s, %s, %s, %s)
on conflict (at, system, program, level) do update set n = c.n + excluded.n, lost = c.lost + excluded.lost
"""


def step_of(at: datetime) -> datetime:
    """The begin of the ten minutes to which a moment belongs."""
    return at - (at - _EPOCH) % STEP


def store(link: psycopg.Connection, entries: Iterable[Entry], dropped: Mapping[Bucket, int] | None = None) -> None:
    """Write entries and count them; ``dropped`` are counted, and said to be missing."""
    rows = [_kept(entry) for entry in entries]
    written = Counter((step_of(row.at), row.system, row.program, row.level) for row in rows)
    lost = Counter(dropped or {})
    with link.transaction(), link.cursor() as cursor:
        if rows:
            with cursor.copy(_INSERT) as copy:
                for row in rows:
                    copy.write_row(row)
        # In one order, or two programs would wait for each other.
        for bucket in sorted({*written, *lost}):
            cursor.execute(_COUNT, [*bucket, written[bucket] + lost[bucket], lost[bucket]])


def connect(name: str) -> psycopg.Connection:
    """A connection of its own beside Django's, known to the database by this name."""
    given = connections["default"].get_connection_params()
    wanted = {key: given[key] for key in ("host", "port", "user", "password", "dbname") if given.get(key)}
    options = "-c lock_timeout=5s -c statement_timeout=15s"
    dsn = make_conninfo(**wanted, **_LINK, application_name=name[:63], options=options)
    return psycopg.connect(dsn, autocommit=True)


def _kept(entry: Entry) -> Entry:
    """As it is stored: without secrets, and no longer than its columns."""
    return entry._replace(
        system=entry.system[:40], program=entry.program[:40], logger=_plain(entry.logger)[:120],
        message=masked(_plain(entry.message))[:LONGEST_MESSAGE],
        # The end of a traceback says what happened.
        cause=masked(_plain(entry.cause))[-LONGEST_CAUSE:],
        account=_plain(entry.account)[:150], address=entry.address[:45], request=masked(_plain(entry.request))[:300],
    )  # fmt: skip


def _plain(text: str) -> str:
    """What the database takes for text: without NUL and halves of characters."""
    return text.replace("\x00", "").encode(errors="replace").decode()
