"""Batches of readings into the database: an acknowledgement goes out only after the commit of what it acknowledges."""

import asyncio
import logging
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import psycopg

from services.telemetry.store import Store as ReadingStore

log = logging.getLogger(__name__)

GATHER = 0.02
"""Seconds for which a batch gathers, once something waits."""
MOST = 5_000
"""Messages in a batch. Of a device that has sent several, as after an outage, only the newest becomes its latest value:
in a backlog of 2,000 devices they cost as much as the readings with 2,000 messages a batch, a third with this."""
WAITING = 20_000
"""Messages that may wait: beyond, connections are not read, and the devices' own buffers fill (F01)."""
SWITCH = 0.0005
"""Seconds after which a busy thread hands the interpreter on. After each answer of the database the thread that writes
waits for the one that makes ready; with the usual 5 ms that is a seventh of its time."""
PAUSE = (0.2, 5.0)
"""Seconds between attempts to reach the database again: the first and the longest."""


class Message(NamedTuple):
    """What one frame gave: its rows, and what to do when they are safe, or when the database refuses them."""

    rows: Sequence[Any]
    stored: Callable[[], None]
    refused: Callable[[Exception], None]


class Stored(Protocol):
    """What became of a batch."""

    new: int
    same: int
    replaced: int
    revisions: int
    refused: Counter[str]


class Store(Protocol):
    """Where rows go, over one connection in autocommit."""

    connection: psycopg.Connection

    def prepare(self, rows: Iterable[Any], /) -> Any:
        """The rows made ready in another thread, or None where that needs the database."""

    def write(self, rows: Any, /) -> Stored:
        """Commit rows, made ready or not."""

    def refresh(self) -> None:
        """Read the devices again."""


class Committer:
    """One connection to the database, in a thread of its own, for all connections of devices.

    While a batch is written, another thread makes the next one ready.
    """

    def __init__(self, dsn: str, store: Callable[[psycopg.Connection], Store] = ReadingStore) -> None:
        self.counts: Counter[str] = Counter()
        self._dsn = dsn
        self._made = store
        self._store: Store | None = None
        self._waiting: list[Message] = []
        self._taken: list[Message] = []
        """Being made ready or written."""
        self._some = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "committer")
        self._ready = ThreadPoolExecutor(1, "ready")

    @property
    def is_full(self) -> bool:
        """Whether connections should wait before they read on."""
        return len(self._waiting) + len(self._taken) >= WAITING

    def put(self, message: Message) -> None:
        """Take a message in. It is held until it is stored or refused, whatever becomes of the database."""
        self._waiting.append(message)
        self._some.set()

    async def run(self) -> None:
        """Commit what waits, until cancelled."""
        sys.setswitchinterval(SWITCH)
        writing: asyncio.Task[None] | None = None
        try:
            await self._reach()
            while True:
                await self._some.wait()
                if len(self._waiting) < MOST:
                    await asyncio.sleep(GATHER)
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                self._taken += batch
                if not self._waiting:
                    self._some.clear()
                rows = _rows(batch)
                prepared = await asyncio.get_running_loop().run_in_executor(self._ready, self._prepare, rows)
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._commit(batch, prepared or rows))
        finally:
            if writing is not None:
                writing.cancel()

    async def close(self) -> None:
        """Commit what still waits, once; what cannot be committed stays unacknowledged, and its devices send again."""
        # What was under way when the work was stopped may be stored already: once more changes nothing.
        batch, self._waiting, self._taken = self._taken + self._waiting, [], []
        if batch:
            try:
                await self._attempt(batch, _rows(batch))
            except psycopg.Error as error:
                log.warning("%d messages were not stored before the end: %s", len(batch), error)
        self._thread.shutdown()
        self._ready.shutdown()
        if self._store is not None:
            self._store.connection.close()

    async def _reach(self) -> None:
        """Have the connection and the devices before the first batch: else it is made ready where it is written."""
        pause = PAUSE[0]
        while self._store is None:
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._open)
            except psycopg.OperationalError as error:
                log.warning("the database does not answer, trying again: %s", error)
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
                pause = min(2 * pause, PAUSE[1])

    async def _commit(self, batch: list[Message], rows: Any) -> None:
        pause = PAUSE[0]
        while True:
            try:
                await self._attempt(batch, rows)
                return
            except psycopg.OperationalError as error:
                # The server is away, full or restarting: nothing is acknowledged, and what came is kept.
                self.counts["retry"] += 1
                log.warning("the database does not take readings, trying again: %s", error)
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
                pause = min(2 * pause, PAUSE[1])
                rows = _rows(batch)
            except Exception as error:  # whatever it is: one message must not end the work for all
                if len(batch) == 1:
                    self.counts["refused"] += 1
                    batch[0].refused(error)
                    self._done(batch)
                    return
                # One message spoils the batch: halve until it stands alone (F27).
                half = len(batch) // 2
                for part in (batch[:half], batch[half:]):
                    await self._commit(part, _rows(part))
                return

    async def _attempt(self, batch: list[Message], rows: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write, batch, rows)
        self.counts["stored"] += len(batch)
        for message in batch:
            message.stored()
        self._done(batch)

    def _done(self, batch: list[Message]) -> None:
        # Batches end in the order in which they were taken.
        self._taken = self._taken[len(batch) :]

    def _prepare(self, rows: list[Any]) -> Any:
        return None if self._store is None else self._store.prepare(rows)

    def _open(self) -> Store:
        store = self._made(psycopg.connect(self._dsn, connect_timeout=5, autocommit=True))
        store.refresh()
        self._store = store
        return store

    def _write(self, batch: list[Message], rows: Any) -> None:
        store = self._store
        if store is None or store.connection.closed:
            store = self._open()
        stored = store.write(rows)
        if stored.refused["device"]:
            # Registered a moment ago: the store has not read it yet, and what it left out must not be acknowledged.
            store.refresh()
            stored = store.write(_rows(batch))
        self.counts.update(new=stored.new, same=stored.same, replaced=stored.replaced, revisions=stored.revisions)
        self.counts.update({f"row {reason}": number for reason, number in stored.refused.items()})


def _rows(batch: list[Message]) -> list[Any]:
    return [row for message in batch for row in message.rows]
