"""What the decoder refuses, with a short code to count by."""

import re

_PASSWORD = (re.compile(r"(PW\s*=)[^;&]*", re.IGNORECASE), re.compile(rb"(PW\s*=)[^;&]*", re.IGNORECASE))


class Refused(ValueError):
    """Bytes that are not what the standard says; ``kind`` is a short code to count by, the text says what and where."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class BadFrame(Refused):
    """The bytes of a frame are damaged, so another frame may begin inside them.

    Kinds: ``noise`` (bytes outside any frame) · ``header`` (LLLL is no number) · ``length`` (LLLL is not what stands
    before CRC and CRLF) · ``long`` (no CRLF in sight) · ``crc`` · ``key`` (encrypted, and no key is known) ·
    ``decrypt``.
    """


class BadPacket(Refused):
    """A whole frame whose content is refused.

    Kinds: ``control`` · ``cp`` · ``field`` · ``repeat`` · ``qn`` · ``st`` · ``cn`` · ``pw`` · ``mn`` · ``flag`` ·
    ``version`` · ``parts`` (PNUM, PNO) · ``incomplete`` (a set that timed out) · ``plain`` (a key is known, yet not
    encrypted) · ``datatime`` · ``text`` (cannot be encoded) · ``reply``.
    """


def shown(data: bytes | str) -> str:
    """The first 40 characters, escaped, so that a message cannot forge a log line; of a password none."""
    if isinstance(data, str):
        return repr(_PASSWORD[0].sub(r"\1***", data)[:40])
    return repr(_PASSWORD[1].sub(rb"\1***", data)[:40])
