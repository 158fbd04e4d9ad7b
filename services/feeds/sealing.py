"""Secrets of sources: sealed with a key made from the product's own, opened only to call the other side."""

from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.translation import gettext_noop as _

from services.feeds.faults import Fault


def seal(secret: str) -> str:
    """A secret as it is stored: authenticated encryption, another text each time."""
    return _box(settings.SECRET_KEY).encrypt(secret.encode()).decode()


def opened(sealed: str) -> str:
    """The secret, empty for an empty text; Fault where it was sealed with another key."""
    if not sealed:
        return ""
    try:
        return _box(settings.SECRET_KEY).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Fault(_("密钥无法读取：平台的主密钥已更换。请重新填写密钥。")) from None


@lru_cache(maxsize=4)
def _box(key: str) -> Fernet:
    # A key of its own: what opens these secrets signs no session.
    derived = HKDF(SHA256(), 32, salt=None, info=b"services.feeds").derive(key.encode())
    return Fernet(urlsafe_b64encode(derived))
