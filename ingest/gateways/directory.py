"""The devices that may speak here, read from the database again every few seconds, and who was heard when."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg

from ingest.protocols.readings import Reading
from services.alarms.irregular import report
from services.telemetry import devices, presence
from services.telemetry.devices import Admitted
from services.telemetry.store import Row

log = logging.getLogger(__name__)

AGAIN = 3.0
"""Seconds until a device that was approved, changed or blocked is seen as such."""
STRANGERS = 1_000
"""Unknown numbers remembered for the list of devices to approve; more are only counted (F25)."""
STRANGERS_BEHIND = 20_000
"""Of those for whom a known device speaks."""
NUMBER_OF_AN_ADDRESS = 20
"""Unknown numbers from one address."""


class Directory:
    """The devices of one protocol, by number."""

    def __init__(self, dsn: str, protocol: str) -> None:
        self.counts: Counter[str] = Counter()
        self._dsn = dsn
        self._protocol = protocol
        self._known: dict[str, Admitted] = {}
        self._heard: dict[int, tuple[datetime, str]] = {}
        self._irregular: set[tuple[int, str]] = set()
        self._strangers: dict[str, str] = {}
        self._told: set[str] = set()
        self._of_address: Counter[str] = Counter()
        self._behind: dict[int, dict[str, str]] = {}
        """Device → unknown numbers for which it speaks, with their names."""
        self._told_behind: set[str] = set()
        self._listens_anew = True
        self._thread = ThreadPoolExecutor(1, "directory")

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[Admitted]:
        """The active devices."""
        return iter(self._known.values())

    def get(self, number: str) -> Admitted | None:
        """The active device with this number."""
        return self._known.get(number)

    def heard(self, known: Admitted, address: str = "") -> None:
        """A good frame came from it."""
        self._heard[known.id] = (datetime.now(UTC), address)

    def irregular(self, known: Admitted, subject: str) -> None:
        """A device behaves oddly: one alarm comes of it, however often it is said."""
        self._irregular.add((known.id, subject))

    def unknown(self, number: str, address: str) -> None:
        """A number that nobody registered; it is put on the list of devices to approve, within limits."""
        self.counts["unknown"] += 1
        if number in self._told or number in self._strangers or number in self._known:
            return
        if len(self._told) + len(self._strangers) >= STRANGERS or self._of_address[address] >= NUMBER_OF_AN_ADDRESS:
            self.counts["unlisted"] += 1
            return
        self._of_address[address] += 1
        self._strangers[number] = address

    def behind(self, known: Admitted, number: str, name: str) -> None:
        """A device speaks for one that nobody registered; it is put on the list of those to approve, within limits."""
        self.counts["unknown behind"] += 1
        if number not in self._told_behind and len(self._told_behind) < STRANGERS_BEHIND:
            self._behind.setdefault(known.id, {})[number] = name

    def gone(self, known: Iterable[Admitted]) -> None:
        """Nothing that they said until now is written down any more: they left."""
        for device in known:
            self._heard.pop(device.id, None)

    @staticmethod
    def rows(known: Admitted, found: Iterable[Reading], received: datetime, late: bool) -> Sequence[Row]:
        """Readings as the store takes them."""
        return [Row(known.id, *reading, received, late) for reading in found]

    async def run(self) -> None:
        """Read again and write down who was heard, until cancelled."""
        while True:
            try:
                await self.refresh()
            except psycopg.Error as error:
                log.warning("devices were not read again: %s", error)
            await asyncio.sleep(AGAIN)

    async def refresh(self) -> None:
        """Write down who was heard and who is new, then read all devices that changed."""
        heard, self._heard = self._heard, {}
        strangers, self._strangers = self._strangers, {}
        irregular, self._irregular = self._irregular, set()
        behind, self._behind = self._behind, {}
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._exchange, heard, strangers, irregular, behind
            )
        except psycopg.Error:
            self._irregular |= irregular
            self._heard = heard | self._heard
            self._strangers = strangers | self._strangers
            self._behind = behind | self._behind
            raise
        self._listens_anew = False
        self._told |= strangers.keys()
        self._told_behind.update(*behind.values())
        # The same object for an unchanged device: what was made of it is kept.
        self._known = {
            device.number: kept if (kept := self._known.get(device.number)) == device else device for device in found
        }

    async def ask[T](self, work: Callable[[psycopg.Connection], T]) -> T:
        """What some work on the database gives, committed; the devices are read again after it."""
        found = await asyncio.get_running_loop().run_in_executor(self._thread, self._worked, work)
        await self.refresh()
        return found

    def _worked[T](self, work: Callable[[psycopg.Connection], T]) -> T:
        with psycopg.connect(self._dsn, connect_timeout=5) as link:
            return work(link)

    def _exchange(
        self, heard: dict[int, tuple[datetime, str]], strangers: dict[str, str], irregular: set[tuple[int, str]],
        behind: dict[int, dict[str, str]],
    ) -> list[Admitted]:  # fmt: skip
        with psycopg.connect(self._dsn, connect_timeout=5) as link:
            presence.listens(link, self._protocol, anew=self._listens_anew)
            devices.heard(link, heard)
            for device, subject in irregular:
                report(link, device, subject)
            for number, address in strangers.items():
                devices.admit(link, self._protocol, number, address)
            for front, names in behind.items():
                presence.meet_behind(link, self._protocol, front, names, datetime.now(UTC))
            return devices.admitted(link, self._protocol)
