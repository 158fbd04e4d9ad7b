"""Sub-packets put together again: bounded, in any order, repeated or incomplete (faults F19, F20).

Clause 7.12 of JT/T 808-2013: the serials of one message are consecutive, and a part that is sent again is exactly the
same. Real terminals send other messages in between, so a small drift is allowed; a large one means another message.
"""

from collections import Counter
from dataclasses import dataclass, field

from ingest.protocols.jt808.errors import PartError
from ingest.protocols.jt808.messages import LENGTH_BITS, SERIALS, SPLIT_BIT, Header, Message

DRIFT = 64
"""How far serial minus part number may move within one message; real sets of two moved by 16."""
MOST_ASKED = 255
"""Parts that one resend request of 2013 can name."""

Key = tuple[str, int]


@dataclass(slots=True)
class _Set:
    first: Header
    started: float
    heard: float
    size: int = 0
    parts: dict[int, Message] = field(default_factory=dict)

    def serials(self) -> tuple[int, ...]:
        return tuple(self.parts[number].header.serial for number in range(1, self.first.total + 1))


@dataclass(slots=True)
class _Done:
    at: float
    serials: tuple[int, ...]
    prints: frozenset[int]
    is_stored: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """What an incomplete message still lacks: the content of a resend request (0x8003)."""

    header: Header
    """Of the part that came first: whom to ask."""
    serial: int
    """Of part 1, computed where part 1 is itself missing."""
    missing: tuple[int, ...]


class Assembler:
    """Puts the sub-packets of one connection together. ``counts`` holds what happened, by kind.

    All times are seconds of one monotonic clock, given by the caller. One message per terminal and message id is open
    at a time. Memory is bounded by ``max_sets`` times ``max_bytes``.
    """

    def __init__(
        self,
        *,
        timeout: float = 60.0,
        quiet: float = 5.0,
        max_parts: int = MOST_ASKED,
        max_bytes: int = 262_144,
        max_sets: int = 4,
    ) -> None:
        self.timeout, self.quiet = timeout, quiet
        self.max_parts, self.max_bytes, self.max_sets = max_parts, max_bytes, max_sets
        self.counts: Counter[str] = Counter()
        self._open: dict[Key, _Set] = {}
        self._done: dict[Key, _Done] = {}

    def add(self, message: Message, now: float) -> Message | None:
        """The whole message if this was its last part (or it is not split at all), else None.

        A repeated part changes nothing; :meth:`is_stored` tells whether it wants its acknowledgement again. Raises
        PartError: too-many-parts, total-changed, too-many-sets, set-too-big (the set is dropped).
        """
        header = message.header
        if not header.is_split:
            return message
        self.expire(now)
        if self.is_stored(message):
            self.counts["repeated"] += 1
            return None
        kept = self._set_for(message, now)
        if header.number in kept.parts:
            self.counts["repeated"] += 1
            return None
        key = (header.phone, header.message_id)
        kept.size += len(message.body)
        if kept.size > self.max_bytes:
            del self._open[key]
            raise self._refused("set-too-big", f"more than {self.max_bytes} bytes")
        kept.parts[header.number] = message
        kept.heard = now
        if len(kept.parts) < header.total:
            return None
        del self._open[key]
        self._remember(key, kept, now)
        self.counts["assembled"] += 1
        return _joined(kept)

    def mark_stored(self, whole: Message) -> None:
        """To be called after the commit of an assembled message.

        Without it a part that comes again is the begin of the message once more: after a failed commit the terminal
        repeats all of them, and none may be acknowledged for what was never stored.
        """
        done = self._done.get((whole.header.phone, whole.header.message_id))
        if done is not None and done.serials == whole.serials:
            done.is_stored = True

    def is_stored(self, part: Message) -> bool:
        """Whether this part belongs to a message that was stored within the time-out: acknowledge it again."""
        done = self._done.get((part.header.phone, part.header.message_id))
        return done is not None and done.is_stored and _print(part) in done.prints

    def gaps(self, now: float) -> list[Gap]:
        """Messages that heard nothing for ``quiet`` seconds, to be asked for; each again after as long a pause."""
        self.expire(now)
        found = []
        for kept in self._open.values():
            if now - kept.heard >= self.quiet:
                kept.heard = now
                missing = tuple(n for n in range(1, kept.first.total + 1) if n not in kept.parts)
                first = (kept.first.serial - kept.first.number + 1) % SERIALS
                found.append(Gap(kept.first, kept.parts[1].header.serial if 1 in kept.parts else first, missing))
        return found

    def expire(self, now: float) -> int:
        """Forget what is older than the time-out; how many incomplete messages that were (F19)."""
        late = [key for key, kept in self._open.items() if now - kept.started >= self.timeout]
        for key in late:
            del self._open[key]
        self.counts["timed-out"] += len(late)
        for key in [key for key, done in self._done.items() if now - done.at >= self.timeout]:
            del self._done[key]
        return len(late)

    def _set_for(self, message: Message, now: float) -> _Set:
        header = message.header
        key = (header.phone, header.message_id)
        kept = self._open.get(key)
        if kept is not None and _is_another(kept, message):
            self.counts["superseded"] += 1
            del self._open[key]
            kept = None
        if kept is not None:
            if kept.first.total != header.total:
                raise self._refused("total-changed", f"{header.total} parts, before {kept.first.total}")
            return kept
        if header.total > self.max_parts:
            raise self._refused("too-many-parts", f"{header.total} parts, at most {self.max_parts}")
        if len(self._open) >= self.max_sets:
            raise self._refused("too-many-sets", f"{len(self._open)} messages are incomplete already")
        self._open[key] = kept = _Set(header, now, now)
        return kept

    def _remember(self, key: Key, kept: _Set, now: float) -> None:
        self._done.pop(key, None)
        while len(self._done) >= self.max_sets:
            del self._done[next(iter(self._done))]
        self._done[key] = _Done(now, kept.serials(), frozenset(map(_print, kept.parts.values())))

    def _refused(self, kind: str, text: str) -> PartError:
        self.counts[kind] += 1
        return PartError(kind, text)


def _is_another(kept: _Set, message: Message) -> bool:
    """Whether a part belongs to a newer message of the same id: serials far off, or other bytes under its number."""
    header = message.header
    base = kept.first.serial - kept.first.number
    moved = (header.serial - header.number - base + SERIALS // 2) % SERIALS - SERIALS // 2
    if abs(moved) > DRIFT:
        return True
    same = kept.parts.get(header.number)
    return same is not None and same.body != message.body


def _joined(kept: _Set) -> Message:
    parts = [kept.parts[number] for number in range(1, kept.first.total + 1)]
    first = parts[0].header
    # No part and no length of a part: an assembled body may be longer than ten bits can say.
    header = first._replace(attributes=first.attributes & ~(SPLIT_BIT | LENGTH_BITS), total=0, number=0)
    return Message(header, b"".join(part.body for part in parts), kept.serials())


def _print(message: Message) -> int:
    """A finger print of a part, good within this process."""
    return hash((message.header.serial, message.header.number, message.body))
