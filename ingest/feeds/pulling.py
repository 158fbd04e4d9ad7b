"""Pulling: one worker at a time for each source, each page stored together with how far one has got.

A worker that dies leaves the last committed page and the position behind it; its lock dies with its connection, and the
source is due again after ``AGAIN``. What is read twice changes nothing.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from ingest.feeds import calls, formats
from ingest.feeds.intakes import intake_of
from ingest.feeds.outcome import Outcome
from ingest.feeds.walking import Walk
from services.access.errors import AccessError
from services.feeds import jobs
from services.feeds.faults import Fault, other
from services.feeds.models import Run, Source

log = logging.getLogger(__name__)

LOCK = 7_304
"""Advisory lock, with the number of the source."""
AGAIN = timedelta(seconds=30)
"""When a source is due again whose worker died."""
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 3600.0
"""Seconds after the first failure, and at most."""
AT_ONCE = 4
"""Sources that one worker pulls at a time: most of a pull is waiting for the other side."""
TURN = 60.0
"""Seconds for which a worker begins new pulls."""
MOST_PAGES, MOST_SECONDS = 40, 90.0
"""Of one run: after that others have their turn, and this source goes on where it is."""
KEPT_PROBLEMS = 200
TAKEN_BACK = _("%(n)d 行有误，按设置整批未写入。")


def pull_due(seconds: float = TURN) -> int:
    """Pull every source whose time has come, several at a time; how many times one was pulled.

    A slow source takes one place and holds up no other one. After so many seconds none is begun any more: others have
    their turn at the worker. Call it outside a transaction.
    """
    count, until = 0, time.monotonic() + seconds
    running: dict[Future[bool], int] = {}
    others: set[int] = set()
    """Those that another worker has."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pull") as places:
        while True:
            taken = others | set(running.values())
            if len(running) < AT_ONCE and time.monotonic() < until:
                due = [pk for pk in jobs.due().values_list("pk", flat=True) if pk not in taken]
                running |= {places.submit(_pull_apart, pk): pk for pk in due[: AT_ONCE - len(running)]}
            if not running:
                return count
            for future in wait(running, timeout=1, return_when=FIRST_COMPLETED).done:
                pk = running.pop(future)
                if future.result():
                    count += 1
                else:
                    others.add(pk)


def _pull_apart(pk: int) -> bool:
    """Pull a source on a connection of this thread's own, which has its lock; whether it was pulled."""
    try:
        return pull(pk) is not None
    except (DatabaseError, psycopg.Error):
        return False  # it is in the log; where the database is away, asking for the next one fails as well
    finally:
        connection.close()


def pull(pk: int) -> Run | None:
    """Pull one source that is due; None where it is not, or another worker is at it."""
    with _held(pk) as mine:
        source = jobs.due().filter(pk=pk).first() if mine else None
        if source is None:
            return None
        run = _begin(source)
        try:
            _Pull(source, run).go()
        except Fault as fault:
            _failed(source, run, fault.kept, fault.wait)
        except AccessError as error:
            _failed(source, run, other(error.message))
        except (DatabaseError, psycopg.Error):
            # The position is that of the last page that was committed; the next worker finds this run broken.
            log.exception("source %s: the database went away", pk)
            raise
        except Exception as error:
            # Its text could hold what was being sent or read.
            log.exception("source %s failed", pk)
            _failed(source, run, Fault(_("平台处理出错（%(kind)s），详见日志。"), kind=type(error).__name__).kept)
        return run


@contextmanager
def _held(pk: int) -> Iterator[bool]:
    """Whether this worker alone has the source, until the end of the block or of its connection."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s, %s)", [LOCK, pk])
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        if mine:
            try:
                with connection.cursor() as cursor:
                    cursor.execute("select pg_advisory_unlock(%s, %s)", [LOCK, pk])
            except (DatabaseError, psycopg.Error):
                connection.close()  # and the lock with it


@transaction.atomic
def _begin(source: Source) -> Run:
    """Note the start; a run that was never finished was cut off, as nobody else holds the lock."""
    now = timezone.now()
    Run.objects.filter(source=source, state=Run.State.RUNNING).update(
        state=Run.State.BROKEN, finished_at=now, error=Fault(_("提取程序中途被中断，已从断点继续。")).kept
    )
    Source.objects.filter(pk=source.pk).update(next_at=now + AGAIN)
    return Run.objects.create(source=source, started_at=now)


class _Pull:
    """One run."""

    def __init__(self, source: Source, run: Run) -> None:
        self.source, self.run = source, run
        self.walk = Walk(source, run.started_at)
        self.intake = intake_of(source)
        self.counts: Counter[str] = Counter()
        self.problems: list[Any] = []
        self.refused = 0

    def go(self) -> None:
        """Page after page, each with its position in one transaction."""
        begun, more = time.monotonic(), True
        if self.source.cursor == Source.Cursor.TIME:
            self.run.since = self.walk.begin
        while more:
            if self.run.pages >= MOST_PAGES or time.monotonic() - begun > MOST_SECONDS:
                break
            content = calls.fetch(self.source, self.walk.places, self.walk.following)
            page = formats.read(content, self.source)
            more = self._store(page, content)
        self._succeed(more)

    def _store(self, page: formats.Page, content: bytes) -> bool:
        with transaction.atomic():
            outcome = self.intake.write(page.rows, first=self.counts["rows"] + 1)
            self._note(outcome, len(content))
            if outcome.refused and self.source.policy == Source.Policy.ALL:
                transaction.set_rollback(True)
                more = False
            else:
                more = self.walk.step(page, content)
                self._move(self.walk.within if more else self.walk.behind)
                self.run.save()
        if outcome.refused and self.source.policy == Source.Policy.ALL:
            self.intake.taken_back()
            # What the page would have given was taken back: only that it was read is told.
            self.run.counts = {"rows": self.counts["rows"], "refused": self.refused}
            raise Fault(TAKEN_BACK, n=len(outcome.refused))
        return more

    def _note(self, outcome: Outcome, size: int) -> None:
        self.counts += outcome.counts
        self.refused += len(outcome.refused)
        self.problems += outcome.problems[: KEPT_PROBLEMS - len(self.problems)]
        self.run.pages += 1
        self.run.size += size
        self.run.counts = {**self.counts, "refused": self.refused}
        self.run.problems = self.problems

    def _move(self, position: dict[str, Any]) -> None:
        """Keep how far one is; Fault, and with it nothing of this page, where the settings changed meanwhile."""
        same = Source.objects.filter(pk=self.source.pk, version=self.source.version, enabled=True)
        if not same.update(position=position):
            raise Fault(_("接口设置在提取过程中被修改，本次提取已停止。"))

    def _succeed(self, more: bool) -> None:
        now = timezone.now()
        self.run.state = Run.State.PARTLY if self.problems else Run.State.DONE
        self.run.finished_at = now
        following = now if more else _next(self.run, self.source)
        with transaction.atomic():
            self.run.save()
            Source.objects.filter(pk=self.source.pk, version=self.source.version).update(
                next_at=following, failures=0, error=None, success_at=now
            )


def _next(run: Run, source: Source) -> Any:
    """The next time in the rhythm of the starts, so that the length of a run does not add up."""
    return max(run.started_at + timedelta(seconds=source.every), timezone.now())


def _failed(source: Source, run: Run, error: dict[str, Any], wait: float | None = None) -> None:
    """Note a failure and when it is tried again: soon at first, then less and less often."""
    now = timezone.now()
    run.state, run.finished_at, run.error = Run.State.FAILED, now, error
    pause = max(min(FIRST_PAUSE * 2 ** min(source.failures, 10), LONGEST_PAUSE), wait or 0.0)
    with transaction.atomic():
        run.save()
        # Unless somebody changed the settings: then it is tried at once, as they said.
        Source.objects.filter(pk=source.pk, version=source.version).update(
            failures=F("failures") + 1, error=error, next_at=now + timedelta(seconds=pause)
        )
