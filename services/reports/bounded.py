"""A limit of time for what may not run on without end: in Python by an alarm, in the database by its own limit."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _


class TooSlow(Exception):
    """It took longer than it may."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise TooSlow in the block after so many seconds; a connection that it interrupts is closed.

    Signals reach the main thread only, which is where workers and commands work; elsewhere just the database stops.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: Any) -> None:
        raise TooSlow(_("超过 %d 秒没有完成") % seconds)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except TooSlow:
        # It may wait for an answer that nobody will read.
        connection.close()
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def limit_statements(seconds: float) -> None:
    """Have PostgreSQL end whatever this transaction asks for that takes longer, whether or not we still wait for it."""
    with connection.cursor() as cursor:
        cursor.execute("select set_config('statement_timeout', %s, true)", [f"{round(seconds * 1000)}ms"])
