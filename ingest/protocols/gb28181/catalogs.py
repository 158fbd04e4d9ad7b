"""Catalogues that come in parts: merged by the number of their question until all channels are there, or time is up."""

from dataclasses import dataclass, field

from ingest.protocols.gb28181.bodies import MOST_ITEMS, Catalog, Channel

WITHIN = 30.0
"""Seconds from the first part to the last."""
MOST_OPEN = 4
"""Questions of one device whose answers are not whole."""


@dataclass(slots=True)
class _Open:
    total: int
    until: float
    channels: dict[str, Channel] = field(default_factory=dict)


class Merger:
    """The answers of one device that are under way; times are monotonic seconds."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def add(self, part: Catalog, now: float) -> dict[str, Channel] | None:
        """All channels by number once the last part is there, else None. A total that is 0 or too large never is."""
        self.expire(now)
        if part.root != "Response" or not 0 < part.total <= MOST_ITEMS:
            return None
        found = self._open.setdefault(part.sn, _Open(part.total, now + WITHIN))
        if found.total != part.total:
            del self._open[part.sn]
            return None
        found.channels |= {channel.number: channel for channel in part.channels}
        while len(self._open) > MOST_OPEN:
            del self._open[next(iter(self._open))]
        if len(found.channels) < found.total:
            return None
        self._open.pop(part.sn, None)
        return found.channels

    def expire(self, now: float) -> int:
        """Forget what did not become whole in time; how many that were."""
        late = [sn for sn, one in self._open.items() if one.until <= now]
        for sn in late:
            del self._open[sn]
        return len(late)
