"""What one address may take up of a TCP gateway, so that whoever floods it takes the room of nobody else.

Limits are settings (``GATEWAY_…``). Addresses that are trusted have none: simulators on this machine, and the one
address behind which a carrier hides thousands of devices.
"""

import logging
from collections import Counter
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings

from services.access.allowances import Allowances

log = logging.getLogger(__name__)

FEW = 8
"""Connections of an address that may still be without proof while nothing is left of its allowance: a device behind
the same address gets in through them, for each is closed with the first frame that does not count."""
SAID = 60.0
"""Seconds before an address is named in the log again."""


class Addresses:
    """The connections of every address, and how many frames it may send that do not count."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._trusted = [ip_network(each.strip(), strict=False) for each in settings.GATEWAY_TRUSTED]
        self._open: Counter[str] = Counter()
        self._unproved: Counter[str] = Counter()
        self._refusals = Allowances(settings.GATEWAY_REFUSALS / 60, settings.GATEWAY_REFUSALS)
        self._log = Allowances(1 / SAID, 1)

    def came(self, address: str) -> bool:
        """Whether one more connection of an address is let in; it counts from now on, and as one without proof."""
        place = of(address)
        if not self._is_trusted(place):
            few = FEW if not self._refusals.left(place) else settings.GATEWAY_UNPROVED
            if self._open[place] >= settings.GATEWAY_CONNECTIONS or self._unproved[place] >= few:
                self._counts["too many of one address"] += 1
                self._say(place, "has too many connections; more are refused")
                return False
        self._open[place] += 1
        self._unproved[place] += 1
        return True

    def proved(self, address: str) -> None:
        """A connection has shown for whom it speaks."""
        _less(self._unproved, of(address))

    def left(self, address: str, *, unproved: bool) -> None:
        """A connection that was let in has ended."""
        _less(self._open, of(address))
        if unproved:
            _less(self._unproved, of(address))

    def forgives(self, address: str) -> bool:
        """Whether an address may send one more frame that does not count; it is taken off its allowance."""
        place = of(address)
        if self._is_trusted(place) or self._refusals.spend(place):
            return True
        self._counts["address without allowance"] += 1
        self._say(place, "sends too much that does not count; what has shown no proof is cut off")
        return False

    def _is_trusted(self, place: str) -> bool:
        try:
            one = ip_network(place)
        except ValueError:
            return False
        return any(one.version == each.version and one.subnet_of(each) for each in self._trusted)  # type: ignore[arg-type]

    def _say(self, place: str, what: str) -> None:
        if self._log.spend(place):
            log.warning("%s %s", place, what)


@lru_cache(maxsize=16_384)
def of(address: str) -> str:
    """What is counted as one address: a whole /64 of IPv6, for whoever has one address there has them all."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return address
    return str(ip.ipv4_mapped or (ip if ip.is_loopback else ip_network((ip, 64), strict=False)))


def _less(counter: Counter[str], place: str) -> None:
    counter[place] -= 1
    if not counter[place]:
        del counter[place]
