"""Whether a period is over for a report: its end has passed, and the roll-ups of its hours are there."""

from datetime import datetime, timedelta

from django.db import connection

from services.telemetry.reports import Period
from services.telemetry.spans import Span

SETTLED = timedelta(minutes=15)
"""After its end a period waits so long for its last readings and roll-ups."""
PATIENCE = timedelta(hours=6)
"""How long it waits at most while roll-ups of it are still to be computed."""


def over(time: Period, moment: datetime, after: timedelta = timedelta(0)) -> bool:
    """Whether a report of the period can be made: so long after its end, and neither too early nor without its data."""
    due = time.ends_at + max(SETTLED, after)
    return due <= moment and (time.ends_at + PATIENCE <= moment or not _rolling(time))


def _rolling(time: Period) -> bool:
    """Whether hours of a period are still to be computed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select exists (select from telemetry_mark where span = %s and at >= %s and at < %s)",
            [int(Span.HOUR), time.begins_at, time.ends_at],
        )
        (found,) = cursor.fetchone()  # type: ignore[misc]
    return bool(found)
