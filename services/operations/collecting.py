"""The collector of the platform's own programs: a handler of ``logging`` that holds nobody up and breaks nothing.

An entry goes into a queue; a thread writes what is there in batches. While the database is away the queue fills, and
what finds no room is only counted; so is what a program writes beyond a sensible rate. The counts stay true.
"""

import logging
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

import psycopg

from services.operations import logs, working

ROOM = 5_000
"""Entries that may wait."""
BATCH = 500
GATHER = 0.5
"""Seconds for which entries gather before they are written."""
RATE = 600
"""Entries a minute that a process keeps in full."""
PATIENCE = 30.0
"""Seconds between two attempts while the database is away, at most."""
IDLE = 60.0
"""Seconds for which a connection that has nothing to write is kept."""
LAST = 2.0
"""Seconds that the end of a program waits for its last entries."""
QUIET = ("celery.worker.strategy", "celery.app.trace")
"""Loggers that write a line for every task: of these only what is a warning."""


class Collector(logging.Handler):
    """Collects what a program logs."""

    def __init__(self, program: str) -> None:
        super().__init__(logging.INFO)
        self.program = program
        self.formatter = logging.Formatter()
        self._fresh()
        # A forked process has neither the thread nor the right to what its parent has not written yet.
        os.register_at_fork(after_in_child=self._fresh)

    def _fresh(self) -> None:
        self._queue: queue.Queue[logs.Entry] = queue.Queue(ROOM)
        self._dropped: Counter[logs.Bucket] = Counter()
        # Not the handler's own lock: at the end of a program that is held while the last entries are waited for.
        self._counting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._minute, self._kept, self._writing = 0, 0, False

    def emit(self, record: logging.LogRecord) -> None:
        """Take an entry; whatever goes wrong here is not the program's business."""
        if threading.current_thread() is self._thread or not _wanted(record):
            return
        try:
            entry = self._entry(record)
            if not self._within_rate(record.created) or not self._put(entry):
                self._give_back(_counted([entry]))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log collector", daemon=True)
                self._thread.start()
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Wait a little for what is not written yet."""
        until = time.monotonic() + LAST
        while self._thread is not None and self._open() and time.monotonic() < until:
            time.sleep(0.02)

    def _open(self) -> bool:
        return bool(self._queue.unfinished_tasks or self._dropped or self._writing)

    def close(self) -> None:
        """At the end of the program."""
        self.flush()
        super().close()

    def _entry(self, record: logging.LogRecord) -> logs.Entry:
        work = working.now()
        assert self.formatter is not None
        return logs.Entry(
            datetime.fromtimestamp(record.created, UTC), max(10, min(50, record.levelno // 10 * 10)), logs.OWN,
            self.program, record.name, record.getMessage(),
            self.formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else "",
            work.account, work.address, work.request, record.process,
        )  # fmt: skip

    def _within_rate(self, created: float) -> bool:
        minute = int(created // 60)
        if minute != self._minute:
            self._minute, self._kept = minute, 0
        self._kept += 1
        return self._kept <= RATE

    def _put(self, entry: logs.Entry) -> bool:
        try:
            self._queue.put_nowait(entry)
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        link: psycopg.Connection | None = None
        wait = 1.0
        batch: list[logs.Entry] = []
        while True:
            batch = batch or self._gather()
            dropped = self._take_dropped()
            if not batch and not dropped:
                if link is not None:
                    link.close()
                    link = None
                continue
            self._writing = True
            try:
                link = link or logs.connect(f"zhutu {self.program} log")
                logs.store(link, batch, dropped)
                wait = 1.0
            except psycopg.OperationalError:
                # The database is away, starts anew, or somebody holds the tables: the batch is tried again.
                self._give_back(dropped)
                link = None
                time.sleep(wait)
                wait = min(2 * wait, PATIENCE)
                continue
            except Exception:
                # What cannot be stored is counted, and the next batch has its turn.
                self._give_back(dropped)
                self._give_back(_counted(batch))
                link = None
                time.sleep(wait)
                wait = min(2 * wait, PATIENCE)
            for _entry in batch:
                self._queue.task_done()
            batch, self._writing = [], False

    def _gather(self) -> list[logs.Entry]:
        """What is there after a moment; nothing after a minute of silence."""
        try:
            batch = [self._queue.get(timeout=GATHER if self._dropped else IDLE)]
        except queue.Empty:
            return []
        until = time.monotonic() + GATHER
        while len(batch) < BATCH and (left := until - time.monotonic()) > 0:
            try:
                batch.append(self._queue.get(timeout=left))
            except queue.Empty:
                break
        return batch

    def _take_dropped(self) -> Counter[logs.Bucket]:
        with self._counting:
            dropped, self._dropped = self._dropped, Counter()
        return dropped

    def _give_back(self, dropped: Counter[logs.Bucket]) -> None:
        with self._counting:
            self._dropped += dropped


def _counted(entries: Iterable[logs.Entry]) -> Counter[logs.Bucket]:
    return Counter((logs.step_of(each.at), each.system, each.program, each.level) for each in entries)


def _wanted(record: logging.LogRecord) -> bool:
    # Django notes each answer of 400 and more once again: the cause of one is logged where it is known.
    if record.name == "django.request" and not record.exc_info:
        return False
    return record.name not in QUIET or record.levelno >= logging.WARNING
