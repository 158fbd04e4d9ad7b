"""JT/T 808 on the wire: delimiters, escapes, the check byte, and frames out of a byte stream (clause 4.4).

A frame is ``7e`` content check ``7e``; in between ``7e`` is sent as ``7d 02`` and ``7d`` as ``7d 01``. The check byte
is the XOR of the content (header and body), made before escaping and verified after unescaping.
"""

from collections import Counter

from ingest.protocols.jt808.errors import FrameError

DELIMITER = b"\x7e"
ESCAPE = b"\x7d"

MAX_HEADER, MAX_BODY, CHECK = 21, 1023, 1
"""Bytes: the 2019 header with its part numbers, what ten length bits can say, and the check byte."""
MIN_CONTENT = 12
"""Bytes of the shortest header (2013, not split)."""
MAX_ESCAPED = 2 * (MAX_HEADER + MAX_BODY + CHECK)
"""Bytes between two delimiters if every one had to be escaped; more is not JT/T 808."""


def escape(content: bytes) -> bytes:
    """Content without any ``7e`` in it, ready to stand between delimiters."""
    return content.replace(ESCAPE, b"\x7d\x01").replace(DELIMITER, b"\x7d\x02")


def unescape(escaped: bytes) -> bytes:
    """What was escaped. Raises FrameError (escape) where a ``7d`` is not followed by ``01`` or ``02``."""
    if escaped.count(ESCAPE) != escaped.count(b"\x7d\x01") + escaped.count(b"\x7d\x02"):
        raise FrameError("escape", "a 7d is followed by neither 01 nor 02")
    # 02 first: a 7d made from "7d 01" must not pair with an 02 that happens to follow it.
    return escaped.replace(b"\x7d\x02", DELIMITER).replace(b"\x7d\x01", ESCAPE)


def checksum(content: bytes) -> int:
    """The XOR of all bytes, 0-255."""
    folded = int.from_bytes(content)
    for bits in _FOLDS[len(content).bit_length()]:
        folded ^= folded >> bits
    return folded & 0xFF


# Each step folds the upper half of a number onto the lower, down to a byte: ten steps for a kilobyte.
_FOLDS = tuple(tuple(8 << step for step in reversed(range(steps))) for steps in range(64))


def frame(content: bytes) -> bytes:
    """Header and body as a frame: check byte added, escaped, between delimiters."""
    return DELIMITER + escape(content + checksum(content).to_bytes()) + DELIMITER


def content_of(wire: bytes) -> bytes:
    """Header and body of a frame, ``7e`` to ``7e``; the opposite of :func:`frame`.

    Raises FrameError: delimiter, escape, too-short, checksum.
    """
    pieces = wire.split(DELIMITER)
    if len(pieces) != 3 or pieces[0] or pieces[2]:
        raise FrameError("delimiter", "a frame has one 7e at each end and none inside")
    checked = unescape(pieces[1]) if ESCAPE in pieces[1] else pieces[1]
    if len(checked) < MIN_CONTENT + CHECK:
        raise FrameError("too-short", f"{len(checked)} bytes are less than a header and its check byte")
    if checksum(checked) != 0:  # a number XOR itself
        raise FrameError("checksum", f"check byte {checked[-1]:02x}, computed {checksum(checked[:-1]):02x}")
    return checked[:-1]


class Stream:
    """Frames out of the bytes of one connection, however they were cut; keeps at most one unfinished frame.

    Every ``7e`` ends what came before and begins what follows, so two frames may share one and the stream finds its
    way again at the next ``7e`` after anything that is not a frame. ``counts`` holds frames and errors by kind.
    """

    __slots__ = ("_opened", "_rest", "_skipping", "counts")

    def __init__(self) -> None:
        self._rest = b""
        self._opened = False
        self._skipping = False
        self.counts: Counter[str] = Counter()

    @property
    def pending(self) -> int:
        """Bytes of the unfinished frame, never more than MAX_ESCAPED."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes | FrameError]:
        """Whole frames (``7e`` to ``7e``, still escaped, unchecked) and errors, in the order of the stream.

        Errors are returned, not raised, because good frames may follow: garbage (bytes before the first ``7e``) and
        too-long (no ``7e`` where the longest frame must have ended).
        """
        found: list[bytes | FrameError] = []
        *pieces, rest = (self._rest + data).split(DELIMITER)
        for piece in pieces:
            if not self._skipping and piece:
                found.append(self._judged(piece))
            self._skipping = False
            self._opened = True
        if len(rest) > MAX_ESCAPED and not self._skipping:
            found.append(self._judged(rest))
            self._skipping = True
        self._rest = b"" if self._skipping else rest
        return found

    def _judged(self, piece: bytes) -> bytes | FrameError:
        if not self._opened:
            self.counts["garbage"] += 1
            return FrameError("garbage", "bytes before the first 7e")
        if len(piece) > MAX_ESCAPED:
            self.counts["too-long"] += 1
            return FrameError("too-long", f"no 7e in more than {MAX_ESCAPED} bytes")
        self.counts["frame"] += 1
        return DELIMITER + piece + DELIMITER
