"""What the database refuses again and again is put aside, so that its device goes on with the rest (F27)."""

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import psycopg

from ingest.gateways.directory import Directory
from services.telemetry import quarantine
from services.telemetry.batches import Row

log = logging.getLogger(__name__)

TRIES = 5
REMEMBERED = 1_000
"""Packets whose tries are counted; of more the oldest is forgotten."""

Key = tuple[int, str]
"""A device and its own number of a packet."""


class Spoiled:
    """Counts how often packets were refused."""

    def __init__(self, directory: Directory) -> None:
        self.counts: Counter[str] = Counter()
        self._directory = directory
        self._tries: OrderedDict[Key, int] = OrderedDict()
        self._working: set[asyncio.Task[None]] = set()

    def refused(self, key: Key, rows: Sequence[Row], ack: Callable[[], None]) -> None:
        """Count a refusal; with the last one the rows go to the quarantine and the packet is acknowledged."""
        self._tries[key] = self._tries.pop(key, 0) + 1
        if len(self._tries) > REMEMBERED:
            self._tries.popitem(last=False)
        if self._tries[key] >= TRIES:
            del self._tries[key]
            task = asyncio.get_running_loop().create_task(self._put_aside(rows, ack))
            self._working.add(task)
            task.add_done_callback(self._working.discard)

    async def _put_aside(self, rows: Sequence[Row], ack: Callable[[], None]) -> None:
        try:
            await self._directory.ask(partial(quarantine.put, rows=rows, reason="refused"))
        except psycopg.Error as error:
            log.error("what the database refuses cannot be put aside: %s", error)
            return
        self.counts["put aside"] += 1
        ack()
