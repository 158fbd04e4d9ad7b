"""Asking devices for what is missing: one question at a time to each, less and less often while nothing comes.

HJ 212 knows the dialogue: a query for a span of time, 9011, the data under the same command, 9012.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple, Protocol

import psycopg
from django.utils import timezone

from services.telemetry import gaps
from services.telemetry.gaps import Gap

log = logging.getLogger(__name__)

LOOK = 5.0
"""Seconds between two looks for devices that may be asked."""
FIRST = 10.0
"""Seconds after it connected until a device is asked: what it kept itself comes first."""
AT_ONCE = 500
"""Devices looked at together."""
LEAST, MOST = 60.0, 3600.0
"""Seconds until a device is looked at again: the first and the longest while nothing comes."""
WITHIN = 300.0
"""Seconds for the whole answer."""


class Speaker(Protocol):
    """A connection over which a device can be asked."""

    def ask(self, gap: Gap) -> str:
        """Send the question and return its number."""


class _Asked(NamedTuple):
    number: str
    gap: Gap
    until: float


class Questions:
    """Who was asked what, and who is left alone until when."""

    def __init__(self, dsn: str, speaking: Callable[[], Mapping[int, Speaker]]) -> None:
        self.counts: Counter[str] = Counter()
        self._dsn = dsn
        self._speaking = speaking
        self._asked: dict[int, _Asked] = {}
        self._rest: dict[int, float] = {}
        self._pause: dict[int, float] = {}
        self._tried: Counter[tuple[int, datetime]] = Counter()
        self._thread = ThreadPoolExecutor(1, "gaps")

    async def run(self) -> None:
        """Look and ask, until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self._look(monotonic())
            except psycopg.Error as error:
                log.warning("gaps were not looked for: %s", error)

    def came(self, device: int) -> None:
        """A device connected, perhaps after an outage: it is looked at soon, unless it gave nothing before."""
        if self._pause.get(device, LEAST) <= LEAST:
            self._rest[device] = monotonic() + FIRST

    def ended(self, device: int, number: str, well: bool) -> None:
        """A device answered (9012, or 9011 where it refused)."""
        asked = self._asked.get(device)
        if asked is None or (number and number != asked.number):
            self.counts["answer to nothing"] += 1
            return
        self._end(device, well)

    def _end(self, device: int, well: bool) -> None:
        del self._asked[device]
        self.counts["gap answered" if well else "gap not answered"] += 1
        pause = LEAST if well else min(2 * self._pause.get(device, LEAST / 2), MOST)
        self._pause[device] = pause
        self._rest[device] = monotonic() + pause * random.uniform(0.9, 1.1)  # noqa: S311

    async def _look(self, now: float) -> None:
        for device in [device for device, asked in self._asked.items() if now > asked.until]:
            self._end(device, well=False)
        speaking = self._speaking()
        due = [device for device in speaking if device not in self._asked and self._rest.get(device, 0.0) <= now]
        due = due[:AT_ONCE]
        if not due:
            return
        found: dict[int, list[Gap]] = {}
        for gap in await asyncio.get_running_loop().run_in_executor(self._thread, self._find, due):
            found.setdefault(gap.device, []).append(gap)
        self._forget()
        for device in due:
            speaker = self._speaking().get(device)
            if speaker is None or device not in found:
                self._rest[device] = now + LEAST
                continue
            # The one that was asked for least: a device that has lost one hour may well have the others.
            gap = min(found[device], key=lambda gap: (self._tried[gap.device, gap.begin], gap.begin))
            self._tried[device, gap.begin] += 1
            self.counts["gap asked for"] += 1
            self._asked[device] = _Asked(speaker.ask(gap), gap, now + WITHIN)

    def _find(self, devices: list[int]) -> list[Gap]:
        with psycopg.connect(self._dsn, connect_timeout=5) as link:
            return gaps.find(link, devices)

    def _forget(self) -> None:
        oldest = timezone.now() - gaps.REACH - timedelta(hours=1)
        for tried in [tried for tried in self._tried if tried[1] < oldest]:
            del self._tried[tried]
