"""Fields of message bodies (clause 4.2): numbers, GBK text, BCD, read in order and never past the end."""

from datetime import UTC, datetime

from ingest.protocols.jt808.errors import BodyError

_CONTROLS = dict.fromkeys((*range(0x20), 0x7F))


class Reader:
    """A body read from the front. Every method raises BodyError (body-short) where the body ends too soon."""

    __slots__ = ("_at", "_body")

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def take(self, size: int) -> bytes:
        """The next bytes."""
        value = self._body[self._at : self._at + size]
        if len(value) < size:
            raise BodyError("body-short", f"{size} bytes wanted at {self._at}, {len(value)} left")
        self._at += size
        return value

    def number(self, size: int) -> int:
        """The next bytes as an unsigned number, big-endian."""
        return int.from_bytes(self.take(size))

    def text(self, size: int) -> str:
        """The next bytes as text."""
        return text_of(self.take(size))

    def sized(self, width: int = 1) -> bytes:
        """The next bytes, as many as a number before them says; the number has ``width`` bytes."""
        return self.take(self.number(width))

    def rest(self) -> bytes:
        """All bytes that are left, perhaps none."""
        value, self._at = self._body[self._at :], len(self._body)
        return value

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._body) - self._at


def text_of(raw: bytes) -> str:
    """STRING is GBK, filled with NUL. Bad bytes become U+FFFD, control characters (NUL above all) go (fault F31)."""
    return raw.decode("gbk", "replace").translate(_CONTROLS).strip()


def text_field(value: str, size: int | None = None) -> bytes:
    """Text in GBK, filled with NUL up to a size. Raises ValueError where it does not fit or is not GBK."""
    raw = value.encode("gbk")
    if size is None:
        return raw
    if len(raw) > size:
        raise ValueError(f"{value!r} has {len(raw)} bytes, the field {size}")
    return raw.ljust(size, b"\0")


def sized_field(raw: bytes) -> bytes:
    """Bytes with their number (u8) before them. Raises OverflowError over 255."""
    return len(raw).to_bytes() + raw


def bcd_time(moment: datetime) -> bytes:
    """BCD[6] YYMMDDhhmmss of an aware time in UTC."""
    return bytes.fromhex(moment.astimezone(UTC).strftime("%y%m%d%H%M%S"))
