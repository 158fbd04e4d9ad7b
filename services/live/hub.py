"""The streams of one process: one connection that listens, one that reads, and a queue for everybody who is there."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
import psycopg
from django.db import DatabaseError, connection

from services.live import outbox, visitors
from services.live.errors import LiveError, TooOld
from services.live.frames import Drawing, Frame
from services.live.outbox import Batch
from services.live.triggers import CHANNEL
from services.live.visitors import Visitor

log = logging.getLogger(__name__)

GATHER = 0.1
"""Seconds for which events gather after the first."""
POLL = 2.0
"""Seconds after which the outbox is read though nothing was heard: what is heard is only a wake-up."""
BEAT = 15.0
"""Seconds between two signs of life."""
SWEEP = 300.0
MOST = 3_000
"""Streams of one process."""
MOST_OF_USER = 12
BACKLOG = 4 * 1024 * 1024
"""Bytes that may wait for a client that reads too slowly; then it is cut off, and comes back after its last id."""
PAUSE = (0.5, 5.0)
"""Seconds between attempts to reach the database again: the first and the longest."""

T = TypeVar("T")


class Full(LiveError):
    """The process, or this user, has as many streams as there may be."""

    def __init__(self, of_user: bool) -> None:
        super().__init__()
        self.of_user = of_user


class Nobody(LiveError):
    """Not logged in."""


@dataclass(eq=False)
class Client:
    """A stream: who listens to what, and what waits to be sent."""

    visitor: Visitor
    language: str
    layers: frozenset[str] = frozenset()
    """Of all layers where it is empty."""
    topics: frozenset[str] = frozenset()
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    cut: Callable[[], Any] = lambda: None
    """Ends the stream though its socket takes nothing."""
    closed: bool = False
    _waiting: list[tuple[int, bytes]] = field(default_factory=list)
    _size: int = 0

    def wants(self, frame: Frame) -> bool:
        """Whether the client asked for this layer and topic."""
        return (not self.layers or frame.layer in self.layers) and (not self.topics or frame.topic in self.topics)

    def put(self, step: int, text: bytes) -> bool:
        """Queue what a step gave; False where too much waits already."""
        self._waiting.append((step, text))
        self._size += len(text)
        self.ready.set()
        return self._size <= BACKLOG

    def forget(self, until: int) -> None:
        """Drop what waits from steps up to this one."""
        self._waiting = [(step, text) for step, text in self._waiting if step > until]
        self._size = sum(len(text) for _step, text in self._waiting)

    def close(self) -> None:
        """No more comes; what waits is still sent."""
        self.closed = True
        self.ready.set()

    async def take(self) -> bytes:
        """What waits, as soon as there is something; empty when no more comes."""
        while not self._waiting and not self.closed:
            self.ready.clear()
            await self.ready.wait()
        text = b"".join(text for _step, text in self._waiting)
        self._waiting, self._size = [], 0
        return text


class Hub:
    """Reads what happens once for all clients, and tells each what they may know."""

    def __init__(self, dsn: str) -> None:
        self.clients: set[Client] = set()
        self.counts: Counter[str] = Counter()
        self._dsn = dsn
        self._here = Batch("", 0.0)
        self._step = 0
        self._judged = 0.0
        self._some = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "live")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to listen and to read."""
        work = (self._listen(), self._run(), self._every(BEAT, self._beat), self._every(SWEEP, self._sweep))
        self._tasks = [asyncio.create_task(each) for each in work]

    async def stop(self) -> None:
        """End every stream; clients come back to whoever takes over."""
        for client in list(self.clients):
            client.close()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def enter(
        self, session: str, authorization: str, after: str, language: str, layers: Iterable[str], topics: Iterable[str]
    ) -> Client:
        """Let a client in, with what happened after its cursor queued; raises Nobody, Full or LogInNeeded."""
        if len(self.clients) >= MOST:
            raise Full(of_user=False)
        visitor = await self._in_thread(lambda: visitors.visitor(session, authorization))
        if visitor is None:
            raise Nobody
        client = Client(visitor, language, frozenset(layers), frozenset(topics))
        if sum(each.visitor.principal.id == visitor.principal.id for each in self.clients) >= MOST_OF_USER:
            raise Full(of_user=True)
        # First among the clients, then caught up: a step in between is heard twice at worst, never passed over.
        self.clients.add(client)
        try:
            step, text = await self._in_thread(lambda: self._catch_up(client, after))
        except BaseException:
            self.clients.discard(client)
            raise
        client.forget(step)
        client._waiting.insert(0, (step, text))
        return client

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self.clients.discard(client)
        client.close()

    def _catch_up(self, client: Client, after: str) -> tuple[int, bytes]:
        try:
            batch = outbox.read(_link(), after) if after else outbox.now(_link())
        except (TooOld, ValueError):
            batch = outbox.now(_link())
            return self._step, _event("reset", batch)
        frames = Drawing(batch).frames(client.visitor.principal, client.language) if batch else []
        self.counts["replayed"] += bool(frames)
        # The greeting comes last and has the id: who hears it has heard everything until then.
        return self._step, _texts(client, frames) + _event("hello", batch)

    async def _run(self) -> None:
        pause = PAUSE[0]
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._some.wait(), min(POLL, visitors.AGAIN))
                await asyncio.sleep(GATHER)
            self._some.clear()
            try:
                await self._tell(*await self._in_thread(self._look))
                pause = PAUSE[0]
            except (DatabaseError, psycopg.Error) as error:
                # Nothing is lost: the next look begins where the last one ended.
                self.counts["retry"] += 1
                log.warning("events cannot be read, trying again: %s", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, PAUSE[1])
            except Exception:
                log.exception("a step failed")
                await asyncio.sleep(pause)

    def _look(self) -> tuple[int, Batch, dict[tuple[str, str], list[Frame]] | None, list[Visitor]]:
        """What happened since the last look, for each distinct scope and language; None where it is too long ago."""
        clients, gone = list(self.clients), []
        if time.monotonic() - self._judged > visitors.AGAIN - 0.5:
            gone = visitors.judge(client.visitor for client in clients)
            self._judged = time.monotonic()
        try:
            batch = outbox.read(_link(), self._here.cursor) if self._here.cursor else outbox.now(_link())
            drawing = Drawing(batch)
            asking = {(c.visitor.principal.scope_key, c.language): c.visitor.principal for c in clients}
            frames = {
                (scope, language): drawing.frames(principal, language)
                for (scope, language), principal in asking.items()
                if batch
            }
        except TooOld:
            batch, frames = outbox.now(_link()), None
        # Only now: what failed on the way is read again.
        self._here = batch
        self._step += 1
        return self._step, batch, frames, gone

    async def _tell(
        self, step: int, batch: Batch, frames: dict[tuple[str, str], list[Frame]] | None, gone: list[Visitor]
    ) -> None:
        out = {id(visitor) for visitor in gone}
        for number, client in enumerate(list(self.clients)):
            if id(client.visitor) in out:
                self.counts["sent away"] += 1
                client.close()
                self.clients.discard(client)
                continue
            if frames is None:
                text = _event("reset", batch)
            else:
                mine = frames.get((client.visitor.principal.scope_key, client.language), [])
                text = _texts(client, mine)
                if not text:
                    continue
                # The last one has the id: who hears only a part of them hears all of them again.
                text = text[:-1] + b"id: " + batch.cursor.encode() + b"\n\n"
            self._put(client, step, text)
            if number % 100 == 99:
                await asyncio.sleep(0)

    def _put(self, client: Client, step: int, text: bytes) -> None:
        if not client.put(step, text):
            self.counts["too slow"] += 1
            self.leave(client)
            client.cut()

    async def _beat(self) -> None:
        # The time of the last look, not of now: while the database is away the clients see that they see the past.
        text = _event("beat", self._here)
        for client in list(self.clients):
            self._put(client, self._step, text)

    async def _sweep(self) -> None:
        with suppress(DatabaseError, psycopg.Error):
            await self._in_thread(lambda: outbox.sweep(_link()))
        told = ", ".join(f"{name} {number}" for name, number in sorted(self.counts.items()))
        log.info("%d streams; %s", len(self.clients), told)

    async def _every(self, seconds: float, work: Callable[[], Any]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await work()

    async def _listen(self) -> None:
        pause = PAUSE[0]
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as link:
                    await link.execute(f"listen {CHANNEL}")
                    pause = PAUSE[0]
                    self._some.set()
                    async for _notify in link.notifies():
                        self._some.set()
            except psycopg.Error as error:
                log.warning("not told of events, only asking: %s", error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE[1])

    async def _in_thread(self, work: Callable[[], T]) -> T:
        def attempt() -> T:
            try:
                return work()
            except (DatabaseError, psycopg.Error):
                connection.close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self._thread, attempt)


def _link() -> psycopg.Connection:
    connection.ensure_connection()
    link: psycopg.Connection = connection.connection
    return link


def _texts(client: Client, frames: list[Frame]) -> bytes:
    return b"".join(frame.text for frame in frames if client.wants(frame))


def _event(topic: str, batch: Batch) -> bytes:
    """An event of the stream itself: until when the database was read."""
    data = orjson.dumps({"at": batch.at})
    return b"id: " + batch.cursor.encode() + b"\nevent: " + topic.encode() + b"\ndata: " + data + b"\n\n"
