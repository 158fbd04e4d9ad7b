"""What can be wrong with JT/T 808 bytes: one exception class per stage, each with a short kind to count by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.protocols.jt808.messages import Header


class DecodeError(ValueError):
    """Bytes of a device that are refused; ``kind`` is a short fixed code, the text is for people."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class FrameError(DecodeError):
    """No whole frame: garbage, too-long (of a stream); delimiter, escape, too-short, checksum (of a frame)."""


class HeaderError(DecodeError):
    """A frame with a right check byte and a wrong header: too-short, length, phone, part, encrypted.

    ``header`` is what could be read, so that a refusal can be answered, or None.
    """

    def __init__(self, kind: str, text: str, header: Header | None = None) -> None:
        super().__init__(kind, text)
        self.header = header


class EncryptedError(HeaderError):
    """A body in cipher: kind encrypted. The platform gives out no RSA key, so no honest terminal sends one."""


class PartError(DecodeError):
    """A sub-packet that is not taken: too-many-parts, total-changed, too-many-sets, set-too-big."""


class BodyError(DecodeError):
    """A body that does not fit its message: body-short, count, time, part (not yet joined), unknown-message."""
