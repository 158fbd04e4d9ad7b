"""Tokens of devices that speak HTTP or MQTT: shown once, kept as their digest in ``Device.secret``."""

import hashlib
import hmac
import secrets


def new() -> tuple[str, str]:
    """A token of 256 random bits and its digest. So many need no slow hash against guessing."""
    token = secrets.token_urlsafe(32)
    return token, digest(token)


def digest(token: str) -> str:
    """SHA-256 of a token in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def fits(token: str, kept: str) -> bool:
    """Whether a token is the one whose digest was kept; in the same time whether it is nearly so or not at all."""
    return bool(kept) and hmac.compare_digest(digest(token), kept)
