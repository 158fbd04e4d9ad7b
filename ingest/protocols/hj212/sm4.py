"""The encrypted payload of HJ 212-2025: SM4-ECB without padding over the text between ``CP=&&`` and ``&&``.

Whole groups of 16 bytes are written ``{0xE4,0x3E,…}``, what remains stands behind in plain text. Neither this mode nor
the CRC guards against alteration by somebody who can write on the wire; the line must.
"""

import re
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB

from ingest.protocols.hj212.errors import BadFrame

GROUP = 16
MARK = b"CP=&&{0x"
"""Where this stands, the payload is encrypted."""

_GROUPS = re.compile(rb"\{(0x[0-9A-Fa-f]{2}(?:,0x[0-9A-Fa-f]{2})*)\}")


def encrypted(cp: bytes, key: bytes) -> bytes:
    """The payload as it goes on the wire; shorter than 16 bytes it stays as it is."""
    whole = len(cp) - len(cp) % GROUP
    if not whole:
        return cp
    data = _cipher(key).encryptor().update(cp[:whole])
    return b"{%b}%b" % (",".join(f"0x{byte:02X}" for byte in data).encode(), cp[whole:])


def decrypted(segment: bytes, key: bytes | None) -> bytes:
    """A segment that holds MARK, in plain text. BadFrame: ``key`` without a key, ``decrypt`` where it is malformed."""
    if key is None:
        raise BadFrame("key", "the payload is encrypted and the device has no key here")
    start = segment.index(MARK) + 5
    groups = _GROUPS.match(segment, start)
    data = bytes.fromhex(groups[1].replace(b"0x", b"").replace(b",", b"").decode()) if groups else b""
    if groups is None or len(data) % GROUP:
        raise BadFrame("decrypt", "the encrypted payload is not whole groups of 16 bytes in hex")
    return segment[:start] + _cipher(key).decryptor().update(data) + segment[groups.end() :]


@lru_cache(maxsize=4096)
def _cipher(key: bytes) -> Cipher[ECB]:
    return Cipher(SM4(key), ECB())  # noqa: S305 - the standard prescribes this mode
