"""Packets that a device sends in parts (PNUM, PNO) put together."""

from dataclasses import dataclass, field

from ingest.protocols.hj212.errors import BadPacket
from ingest.protocols.hj212.packets import Packet, whole

MOST_CHARACTERS = 256 * 1024
"""Of CP in a whole set."""
TIMEOUT = 60.0
"""Seconds from the first part to the last."""


@dataclass(slots=True)
class _Set:
    first: Packet
    begun: float
    parts: dict[int, Packet] = field(default_factory=dict)

    def holds(self, packet: Packet) -> bool:
        """Annex C of HJ 212-2017 gives every part a QN of its own: there DataTime tells what belongs together."""
        mine = self.first
        if (mine.mn, mine.cn, mine.pnum) != (packet.mn, packet.cn, packet.pnum):
            return False
        time = packet.parameter("DataTime")
        return time is not None and time == mine.parameter("DataTime") and packet.pno not in self.parts


class Assembler:
    """The parts of one connection, kept until their set is whole.

    A set is known by (MN, QN); parts may come in any order and more than once. ``open_sets`` bounds the memory: the
    oldest set gives way. ``now`` is a monotonic time in seconds.
    """

    def __init__(self, open_sets: int = 8) -> None:
        self._most = open_sets
        self._sets: dict[tuple[str, str], _Set] = {}

    @property
    def waiting(self) -> int:
        """Sets that are not whole yet."""
        return len(self._sets)

    def add(self, packet: Packet, now: float) -> Packet | None:
        """The whole packet once its last part is here, and at once where it has no parts; None while some are missing.

        BadPacket ``parts``, and the set is given up, where PNUM changes within it, one part comes with two contents or
        the whole becomes too large; ``incomplete`` where a set had to give way. Call ``expire`` first.
        """
        if packet.pnum is None or packet.pno is None:
            return packet
        key = self._key(packet)
        known = self._sets.get(key) or _Set(packet, now)
        if known.first.pnum != packet.pnum or known.first.cn != packet.cn:
            del self._sets[key]
            raise BadPacket("parts", f"PNUM was {known.first.pnum} and is {packet.pnum} in QN={packet.qn}")
        if known.parts.setdefault(packet.pno, packet).cp != packet.cp:
            del self._sets[key]
            raise BadPacket("parts", f"part {packet.pno} came twice, and not the same, in QN={packet.qn}")
        if sum(len(part.cp) for part in known.parts.values()) > MOST_CHARACTERS:
            self._sets.pop(key, None)
            raise BadPacket("parts", f"more than {MOST_CHARACTERS} characters in QN={packet.qn}")
        if len(known.parts) == packet.pnum:
            self._sets.pop(key, None)
            return whole([known.parts[number] for number in sorted(known.parts)])
        self._sets[key] = known
        if len(self._sets) > self._most:
            oldest = min(self._sets, key=lambda each: self._sets[each].begun)
            raise self._given_up(oldest)
        return None

    def expire(self, now: float) -> list[BadPacket]:
        """Forget the sets that took longer than TIMEOUT, and say so of each."""
        late = [key for key, known in self._sets.items() if now - known.begun > TIMEOUT]
        return [self._given_up(key) for key in late]

    def _key(self, packet: Packet) -> tuple[str, str]:
        key = packet.mn, packet.qn
        if key in self._sets:
            return key
        return next((other for other, known in self._sets.items() if known.holds(packet)), key)

    def _given_up(self, key: tuple[str, str]) -> BadPacket:
        known = self._sets.pop(key)
        return BadPacket("incomplete", f"{len(known.parts)} of {known.first.pnum} parts of MN={key[0]} QN={key[1]}")
