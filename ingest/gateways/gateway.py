"""What every gateway is to ``serve``, and what those that devices connect to over TCP have in common."""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from time import monotonic
from typing import ClassVar, Protocol

from ingest.gateways.committer import Committer
from ingest.gateways.directory import Directory

SWEEP = 1.0
"""Seconds between two looks at every connection."""


class Gateway(ABC):
    """One protocol: started, at the end stopped from reading, then closed once what it read is stored."""

    protocol: ClassVar[str]
    """As ``Device.protocol``."""
    port: ClassVar[int]
    """Where it listens unless told otherwise."""

    def __init__(self, dsn: str) -> None:
        self.directory = Directory(dsn, self.protocol)
        self.committer = Committer(dsn)
        self.counts: Counter[str] = Counter()

    @abstractmethod
    async def start(self, host: str, port: int) -> None:
        """Begin to take what devices send."""

    @abstractmethod
    async def stop(self) -> None:
        """Read nothing more; what was read may still be acknowledged."""

    @abstractmethod
    async def close(self) -> None:
        """Hang up: everything that could be acknowledged is."""

    def more_counts(self) -> Counter[str]:
        """What parts of its own count."""
        return Counter()

    @abstractmethod
    def __len__(self) -> int:
        """Connections that are open."""


class Dialogue(Protocol):
    """One connection of a device, as a ``Listener`` needs it."""

    def tick(self, now: float) -> None:
        """Once every ``SWEEP`` seconds, at a monotonic time."""

    def pause(self) -> None:
        """Read on later."""

    def close(self) -> None:
        """Send what is written, then end."""


class Listener[D: Dialogue](Gateway):
    """A gateway that devices connect to over TCP; each connection is an ``asyncio.Protocol`` that is a dialogue."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.open: set[D] = set()
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.Task[None] | None = None

    @abstractmethod
    def connection(self) -> asyncio.Protocol:
        """A dialogue, for ``loop.create_server``; it puts itself into ``open`` and takes itself out."""

    async def start(self, host: str, port: int) -> None:
        """Listen."""
        self._sweeping = asyncio.create_task(self._sweep())
        self._server = await asyncio.get_running_loop().create_server(self.connection, host, port, backlog=4096)

    async def stop(self) -> None:
        """Let nobody in and read from nobody."""
        if self._server is not None:
            self._server.close()
        for dialogue in list(self.open):
            dialogue.pause()

    async def close(self) -> None:
        """End every connection."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for dialogue in list(self.open):
            dialogue.close()

    def __len__(self) -> int:
        return len(self.open)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            now = monotonic()
            for dialogue in list(self.open):
                dialogue.tick(now)
