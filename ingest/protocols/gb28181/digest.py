"""Who registers proves that they know the password: digest access authentication with MD5 (RFC 2617)."""

import hmac
import re
from dataclasses import dataclass
from hashlib import md5

from ingest.protocols.gb28181.errors import DigestError

_PART = re.compile(r'([A-Za-z][\w-]{0,30})\s*=\s*(?:"((?:[^"\\]|\\.){0,500})"|([^\s,"]{1,500}))')


@dataclass(frozen=True, slots=True)
class Proof:
    """What an Authorization header says; ``count`` is the use of the nonce that it claims to be, 0 without qop."""

    user: str
    realm: str
    nonce: str
    uri: str
    response: str
    qop: str = ""
    cnonce: str = ""
    nc: str = ""

    @property
    def count(self) -> int:
        """The number of this use of the nonce."""
        return int(self.nc, 16) if self.qop else 0

    def fits(self, method: str, password: str) -> bool:
        """Whether it was made with the password, compared in a time that tells nothing of it."""
        right = response(self.user, self.realm, password, method, self.uri, self.nonce, self.qop, self.nc, self.cnonce)
        return hmac.compare_digest(right.encode(), self.response.lower().encode())


def parse(header: str) -> Proof:
    """An Authorization header. Raises DigestError: digest (no digest, or a part is missing), algorithm (not MD5)."""
    scheme, _space, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        raise DigestError("digest", f"the scheme {scheme[:20]!r} is not Digest")
    parts = {found[1].lower(): found[2] if found[2] is not None else found[3] for found in _PART.finditer(rest)}
    missing = [name for name in ("username", "realm", "nonce", "uri", "response") if not parts.get(name)]
    if missing:
        raise DigestError("digest", f"no {', '.join(missing)}")
    if parts.get("algorithm", "MD5").upper() != "MD5":
        raise DigestError("algorithm", f"the algorithm {parts['algorithm'][:20]!r} is not MD5")
    qop = parts.get("qop", "").lower()
    if qop not in ("", "auth"):
        raise DigestError("digest", f"the qop {qop[:20]!r} is not auth")
    if qop and (not parts.get("cnonce") or not re.fullmatch("[0-9A-Fa-f]{8}", parts.get("nc", ""))):
        raise DigestError("digest", "qop without cnonce or nc")
    return Proof(
        parts["username"], parts["realm"], parts["nonce"], parts["uri"], parts["response"], qop,
        parts.get("cnonce", ""), parts.get("nc", ""),
    )  # fmt: skip


def challenge(realm: str, nonce: str, *, stale: bool = False) -> str:
    """A WWW-Authenticate header; ``stale`` says that the password was right and only the nonce is too old."""
    return f'Digest realm="{realm}",nonce="{nonce}",algorithm=MD5' + (",stale=true" if stale else "")


def authorization(proof: Proof) -> str:
    """An Authorization header, as a device sends it."""
    text = (
        f'Digest username="{proof.user}",realm="{proof.realm}",nonce="{proof.nonce}",uri="{proof.uri}",'
        f'response="{proof.response}",algorithm=MD5'
    )
    return text + (f',qop={proof.qop},nc={proof.nc},cnonce="{proof.cnonce}"' if proof.qop else "")


def asked(header: str) -> tuple[str, str]:
    """Realm and nonce of a WWW-Authenticate header. Raises DigestError."""
    parts = {found[1].lower(): found[2] if found[2] is not None else found[3] for found in _PART.finditer(header)}
    if not header.strip().lower().startswith("digest") or not parts.get("realm") or not parts.get("nonce"):
        raise DigestError("digest", "no digest challenge")
    return parts["realm"], parts["nonce"]


def response(
    user: str, realm: str, password: str, method: str, uri: str, nonce: str, qop: str = "", nc: str = "",
    cnonce: str = "",
) -> str:  # fmt: skip
    """The digest of RFC 2617 clause 3.2.2, in the older form of RFC 2069 without ``qop``."""
    secret, asked_for = _md5(f"{user}:{realm}:{password}"), _md5(f"{method}:{uri}")
    between = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    return _md5(f"{secret}:{between}:{asked_for}")


def _md5(text: str) -> str:
    # The standard's own algorithm: it proves knowledge of a password here, and protects nothing that is stored.
    return md5(text.encode(), usedforsecurity=False).hexdigest()
