"""What the connections of all TCP protocols do alike: time-outs, limits, and who may speak for a device."""

import asyncio
import logging
from time import monotonic
from typing import Any, ClassVar, cast

from ingest.gateways.addresses import Addresses
from ingest.gateways.gateway import SWEEP, Listener
from services.telemetry.devices import Admitted

log = logging.getLogger(__name__)

FIRST_FRAME, IDLE = 30.0, 600.0
"""Seconds to the first good frame, and without one after that (F24)."""
A_SECOND, BURST = 20.0, 200.0
"""Frames of one connection: on the whole, and at once (F21). Beyond, it is not read for a while."""
STRIKES = 3
"""Refusals that a protocol counts so, after which the connection is closed (F20)."""
OF_DEVICE = 4
"""Connections that may speak for one device: more would be as many allowances of it. The one that has been silent
longest ends."""
SILENT = 2.0
"""Rhythms of a device after which a connection from another address takes the place of a silent one (F26)."""


class Host[C: "Connection"](Listener[C]):
    """A gateway whose devices have one connection each."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.speaking: dict[int, C] = {}
        """Device → the connection that speaks for it."""
        self.addresses = Addresses(self.counts)
        self._lines: dict[int, list[C]] = {}
        """Device → all connections that may."""

    def admit(self, connection: C, known: Admitted, now: float) -> bool:
        """Whether a connection may speak for a device from now on.

        From the address of the one that speaks already it may: that one is half open. From another address it is
        refused (F26), unless that one has been silent: then the device has moved.
        """
        other = self.speaking.get(known.id)
        if other is not None and other.address != connection.address:
            about = (known.number, connection.address, other.address)
            if self.is_taken(connection, known, now):
                self.counts["second session refused"] += 1
                self.directory.irregular(known, "address")
                log.warning("device %s from %s is refused: it is connected from %s", *about)
                return False
            self.counts["session taken over"] += 1
            log.warning("device %s from %s takes the place of its silent connection from %s", *about)
            other.close()
        self.speaking[known.id] = connection
        connection.proved()
        lines = self._lines.setdefault(known.id, [])
        lines.append(connection)
        if len(lines) > OF_DEVICE:
            self.counts["too many of one device"] += 1
            oldest = min(lines, key=lambda line: (line is connection, line.heard))
            lines.remove(oldest)
            oldest.close()
        return True

    def is_taken(self, connection: C, known: Admitted, now: float) -> bool:
        """Whether another address speaks for a device, and has not been silent for long."""
        other = self.speaking.get(known.id)
        return other is not None and other.address != connection.address and now - other.heard <= SILENT * known.rhythm

    def left(self, connection: C, known: Admitted) -> None:
        """A connection ended; the device stays present where another one speaks for it."""
        lines = self._lines.get(known.id, [])
        if connection in lines:
            lines.remove(connection)
        if not lines:
            self._lines.pop(known.id, None)
        if self.speaking.get(known.id) is connection:
            del self.speaking[known.id]


class Connection(asyncio.Protocol):
    """One connection of a device."""

    first_frame: ClassVar[float] = FIRST_FRAME
    idle: ClassVar[float] = IDLE

    def __init__(self, gateway: Host[Any]) -> None:
        self.listener = gateway
        self.transport: asyncio.Transport | None = None
        self.known: Admitted | None = None
        """The device, once it may speak."""
        self.begun = self.heard = monotonic()
        self.allowance = BURST
        self.strikes = 0
        self.held = False
        self._counted = self._unproved = False
        """By its address."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A device has connected."""
        self.transport = cast(asyncio.Transport, transport)
        self.listener.open.add(self)
        self.listener.counts["connections"] += 1
        self._counted = self._unproved = self.listener.addresses.came(self.address)
        if not self._counted:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; what it sent is stored all the same, and not acknowledged."""
        self.listener.open.discard(self)
        if self._counted:
            self.listener.addresses.left(self.address, unproved=self._unproved)
        if self.known is not None:
            self.listener.left(self, self.known)

    def proved(self) -> None:
        """It has shown for whom it speaks."""
        if self._unproved:
            self._unproved = False
            self.listener.addresses.proved(self.address)

    def refuse(self) -> None:
        """A frame did not count. Before it has shown for whom it speaks, that is taken off what its address may."""
        if self.known is None and not self.is_ending and not self.listener.addresses.forgives(self.address):
            assert self.transport is not None
            self.transport.abort()

    @property
    def is_ending(self) -> bool:
        """Whether nothing more is to be read."""
        return self.transport is None or self.transport.is_closing()

    def spend(self, frames: int) -> None:
        """So many frames came; too many, or a database that is behind, and it is read on later."""
        self.allowance -= frames
        if self.allowance < 0 and self.known is not None:
            self.listener.directory.irregular(self.known, "flood")
        if self.allowance < 0 or self.listener.committer.is_full:
            self.pause()

    def tick(self, now: float) -> None:
        """Once a second: time-outs, and new allowance."""
        assert self.transport is not None
        since = now - (self.heard if self.known else self.begun)
        if since > (self.idle if self.known else self.first_frame):
            self.listener.counts["silent"] += 1
            self.transport.abort()
            return
        self.allowance = min(BURST, self.allowance + A_SECOND * SWEEP)
        if self.held and self.allowance > 0 and not self.listener.committer.is_full:
            self.held = False
            self.transport.resume_reading()

    def pause(self) -> None:
        """Read on later: the device's own buffer fills, and nothing is lost."""
        if not self.held and self.transport is not None and not self.transport.is_closing():
            self.held = True
            self.listener.counts["held"] += 1
            self.transport.pause_reading()

    def close(self) -> None:
        """What is written goes out, then the connection closes."""
        if self.transport is not None:
            self.transport.close()

    def strike(self) -> None:
        """Something that an honest device does not send; the last one closes the connection."""
        self.strikes += 1
        if self.strikes >= STRIKES and self.transport is not None:
            self.transport.abort()

    def send(self, data: bytes) -> None:
        """Write to the device, where it is still there."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    @property
    def address(self) -> str:
        """Where the device connects from."""
        peer = self.transport.get_extra_info("peername") if self.transport is not None else None
        return str(peer[0]) if peer else ""
