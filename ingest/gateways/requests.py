"""Requests over SIP on their way to an answer: repeated ones get the same, and what must be kept is kept before it."""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

import psycopg

from ingest.gateways.connection import Connection
from ingest.gateways.directory import Directory
from ingest.protocols.gb28181 import messages
from ingest.protocols.gb28181.messages import Message

log = logging.getLogger(__name__)

AGAIN, MOST = 32.0, 10_000
"""Seconds for which an answer over UDP is kept to be repeated (RFC 3261 timer J), and how many are."""
GATHER = 0.05
"""Seconds for which work on the database gathers: a thousand cameras that come at once are written together."""

type Source = tuple[str, int]
type Work = Callable[[psycopg.Connection], None]
type Done = Callable[[psycopg.Error | None], None]


class Answers:
    """What was answered over UDP a moment ago."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, tuple[float, bytes]] = OrderedDict()

    def find(self, key: object) -> bytes | None:
        """The answer to a request that came already; empty while it is worked on."""
        found = self._kept.get(key)
        return found[1] if found is not None and monotonic() - found[0] < AGAIN else None

    def keep(self, key: object, data: bytes) -> None:
        """Keep an answer, or with an empty one that it is worked on."""
        self._kept[key] = (monotonic(), data)
        self._kept.move_to_end(key)
        while self._kept and (len(self._kept) > MOST or monotonic() - next(iter(self._kept.values()))[0] > AGAIN):
            self._kept.popitem(last=False)

    def forget(self, key: object) -> None:
        """What is refused is judged anew when it comes again."""
        self._kept.pop(key, None)


@dataclass(frozen=True, slots=True)
class Request:
    """A request, where it came from, and the way back."""

    message: Message
    source: Source
    send: Callable[[bytes], None]
    line: Connection | None
    """Its connection; None over UDP."""
    answers: Answers

    @property
    def host(self) -> str:
        """The address that it came from."""
        return self.source[0]

    @property
    def key(self) -> object:
        """The same when it is repeated."""
        return self.source, self.message.key

    def is_repeated(self) -> bool:
        """Whether UDP brought it again; then the same answer goes out, and nothing happens twice."""
        kept = self.answers.find(self.key) if self.line is None else None
        if kept:
            self.send(kept)
        return kept is not None

    def hold(self) -> None:
        """It is answered later."""
        if self.line is None:
            self.answers.keep(self.key, b"")

    def answer(self, status: int, reason: str, more: Iterable[tuple[str, str]] = ()) -> None:
        """Answer it."""
        said = messages.answer(self.message, status, reason, self.source, more, tag=secrets.token_hex(6))
        data = messages.encode(said)
        self.send(data)
        if self.line is None:
            if status < 300:
                self.answers.keep(self.key, data)
            else:
                self.answers.forget(self.key)

    def unavailable(self, error: Exception) -> None:
        """The database does not take it: it has to come again."""
        log.warning("%s of %s is not kept: %s", self.message.method, self.message.user, error)
        self.answer(503, "Service Unavailable", (("retry-after", "5"),))


class Writer:
    """Work on the database that an answer waits for, done together in one transaction."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._waiting: list[tuple[Work, Done]] = []
        self._some = asyncio.Event()

    def put(self, work: Work, done: Done) -> None:
        """Do it soon; ``done`` hears of the commit, or of what went wrong."""
        self._waiting.append((work, done))
        self._some.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._some.wait()
            await asyncio.sleep(GATHER)
            await self.write()

    async def write(self) -> None:
        """Write what waits."""
        self._some.clear()
        batch, self._waiting = self._waiting, []
        if not batch:
            return

        def together(link: psycopg.Connection) -> None:
            with link.transaction():
                for work, _done in batch:
                    work(link)

        problem: psycopg.Error | None = None
        try:
            await self._directory.ask(together)
        except psycopg.Error as error:
            problem = error
        for _work, done in batch:
            try:
                done(problem)
            except Exception:  # whatever it is: one device must not end the work for all
                log.exception("an answer failed")
