"""Tokens of devices that speak HTTP or MQTT: shown once, kept as their digest in ``Device.secret``."""

import hashlib
import hmac
import secrets
from base64 import b64encode

ITERATIONS = 101
"""As mosquitto_passwd: against guessing the length of a token is enough."""


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


def broker_digest(token: str) -> str:
    """What is kept of an MQTT token: a line of Mosquitto's password file without the name (type 7, PBKDF2)."""
    salt = secrets.token_bytes(12)
    found = hashlib.pbkdf2_hmac("sha512", token.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${b64encode(salt).decode()}${b64encode(found).decode()}"
