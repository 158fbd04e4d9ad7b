"""The devices that are registered over SIP just now: where they are, and what they said of the cameras behind them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from ingest.gateways.connection import Connection
from ingest.protocols.gb28181.catalogs import Merger
from services.telemetry.devices import Admitted

ASK_AGAIN, PER_CHANNEL = 60.0, 0.5
"""Seconds until a device is asked again for its channels: at least, and for each that it has."""


@dataclass(slots=True)
class Session:
    """One registration."""

    known: Admitted
    host: str
    port: int
    until: float
    """Monotonic, like the other times."""
    send: Callable[[bytes], None] | None
    """None until it is heard: after a restart a connection has to come first."""
    line: Connection | None = None
    """Its connection over TCP."""
    heard: float = field(default_factory=monotonic)
    asked: float = float("-inf")
    channels: dict[str, bool] = field(default_factory=dict)
    """Number of a camera behind it → whether it is on, as the device said last."""
    parts: Merger = field(default_factory=Merger)

    @property
    def transport(self) -> str:
        """As Via names it."""
        return "TCP" if self.line is not None else "UDP"

    def wants_question(self, now: float) -> bool:
        """Whether it is to be asked for its channels."""
        return self.send is not None and now - self.asked >= max(ASK_AGAIN, PER_CHANNEL * len(self.channels))
