"""The nonces of digest registration: 128 random bits for one address, good for a minute and for one use (F36)."""

import secrets
from dataclasses import dataclass

from ingest.gateways import addresses

LIFE = 60.0
"""Seconds."""
MOST = 20_000
"""Nonces kept; of more the oldest is forgotten, so that a flood pushes out its own."""


@dataclass(slots=True)
class _Issued:
    address: str
    until: float
    count: int = 0
    """The highest use that was seen, 0 for none."""


class Nonces:
    """What was handed out and may still be used."""

    def __init__(self) -> None:
        self._kept: dict[str, _Issued] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def issue(self, address: str, now: float) -> str:
        """A new nonce for an address, at a monotonic time."""
        while self._kept:
            oldest = next(iter(self._kept))
            if len(self._kept) < MOST and self._kept[oldest].until > now:
                break
            del self._kept[oldest]
        nonce = secrets.token_hex(16)
        self._kept[nonce] = _Issued(addresses.of(address), now + LIFE)
        return nonce

    def knows(self, nonce: str, address: str, count: int, now: float) -> bool:
        """Whether a nonce may be used now from an address: for the first time, or with a count that was not seen."""
        found = self._kept.get(nonce)
        if found is None or found.until <= now or found.address != addresses.of(address):
            return False
        return found.count < count if count else found.count == 0

    def use(self, nonce: str, count: int) -> None:
        """A nonce is used up, or up to a count: without one there is no second use."""
        if not count:
            self._kept.pop(nonce, None)
        elif (found := self._kept.get(nonce)) is not None:
            found.count = max(found.count, count)
