"""The devices that may speak here, read from the database again every few seconds, and who was heard when."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

from ingest.protocols.readings import Reading
from services.telemetry.store import Row

log = logging.getLogger(__name__)

AGAIN = 3.0
"""Seconds until a device that was approved, changed or blocked is seen as such."""
STRANGERS = 1_000
"""Unknown numbers remembered for the list of devices to approve; more are only counted (F25)."""
NUMBER_OF_AN_ADDRESS = 20
"""Unknown numbers from one address."""

_SETTINGS = ("units", "crc_mode", "datatime_is", "missing_flag", "minute_span", "sm4_key", "version")


class Known(NamedTuple):
    """A device as its connection needs it."""

    id: int
    number: str
    is_active: bool
    secret: str
    settings: dict[str, Any]


class Directory:
    """The devices of one protocol, by number."""

    def __init__(self, dsn: str, protocol: str) -> None:
        self.counts: Counter[str] = Counter()
        self._dsn = dsn
        self._protocol = protocol
        self._known: dict[str, Known] = {}
        self._present: dict[int, str] = {}
        """Device → address of its connection."""
        self._heard: dict[int, tuple[datetime, str]] = {}
        self._strangers: dict[str, str] = {}
        self._told: set[str] = set()
        self._of_address: Counter[str] = Counter()
        self._thread = ThreadPoolExecutor(1, "directory")

    def __len__(self) -> int:
        return len(self._known)

    def get(self, number: str) -> Known | None:
        """The device with this number, approved or not."""
        return self._known.get(number)

    def came(self, known: Known, address: str) -> bool:
        """A device connected; False where it is connected from another address already: the newest is refused (F26)."""
        if self._present.setdefault(known.id, address) != address:
            self.counts["second session"] += 1
            return False
        return True

    def gone(self, known: Known) -> None:
        """Its connection ended."""
        self._present.pop(known.id, None)

    def heard(self, known: Known) -> None:
        """A good frame came from it."""
        self._heard[known.id] = (datetime.now(UTC), self._present.get(known.id, ""))

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

    @staticmethod
    def rows(known: Known, found: Iterable[Reading], received: datetime, late: bool) -> Sequence[Row]:
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
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, heard, strangers)
        except psycopg.Error:
            self._heard = heard | self._heard
            self._strangers = strangers | self._strangers
            raise
        self._told |= strangers.keys()
        # The same object for an unchanged device: what was made of it is kept.
        self._known = {
            number: kept if (kept := self._known.get(number)) == known else known for number, known in found.items()
        }

    def _exchange(
        self, heard: dict[int, tuple[datetime, str]], strangers: dict[str, str]
    ) -> dict[str, Known]:  # fmt: skip
        with psycopg.connect(self._dsn, connect_timeout=5, row_factory=dict_row) as link:
            if heard:
                devices, times, addresses = zip(*((d, at, a) for d, (at, a) in heard.items()), strict=True)
                link.execute(_HEARD, [list(devices), list(times), list(addresses)])
            for number in strangers:
                link.execute(_STRANGER, [self._protocol, number])
            rows = link.execute(_DEVICES, [self._protocol]).fetchall()
        return {row["number"]: _known(row) for row in rows}


def _known(row: dict[str, Any]) -> Known:
    settings = {name: row[name] for name in _SETTINGS}
    return Known(row["id"], row["number"], row["state"] == "active", row["secret"], settings)


_DEVICES = f"select id, number, state, secret, {', '.join(_SETTINGS)} from telemetry_device where protocol = %s"  # noqa: S608
_STRANGER = """
insert into telemetry_device
    (protocol, number, name, state, secret, units, crc_mode, datatime_is, missing_flag, minute_span, "interval", base,
     back_days, sm4_key, created_at)
values (%s, %s, '', 'pending', '', '{}', 'standard', 'start', 'N', 10, 60, 0, 30, '', now())
on conflict (protocol, number) do nothing
"""
_HEARD = """
insert into telemetry_presence (device_id, seen_at, address, online, refused)
select device, at, address, true, 0
from unnest(%s::int[], %s::timestamptz[], %s::text[]) as heard(device, at, address)
where exists (select from telemetry_device where id = device)
on conflict (device_id) do update set seen_at = excluded.seen_at, address = excluded.address, online = true
"""
