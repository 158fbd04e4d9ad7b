"""Secrets in the database: sealed with a key of the installation, shown to nobody, opened only by who uses them.

AES-256-GCM (NIST SP 800-38D) under a key that HKDF (RFC 5869) derives from ``SECRET_KEY`` for each purpose; the purpose
is bound into the seal, so that what is sealed for one field opens in no other.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

MARK = "sealed:"
HIDDEN = "***"
NONCE = 12
"""Bytes."""


class CannotOpen(Exception):
    """A seal that is broken, made for another purpose, or made with a secret that this installation no longer has."""


def seal(plain: str, purpose: str) -> str:
    """A text sealed with the present secret; an empty one stays empty."""
    if not plain:
        return ""
    secret = settings.SECRET_KEY
    nonce = os.urandom(NONCE)
    data = nonce + AESGCM(_key(secret, purpose)).encrypt(nonce, plain.encode(), purpose.encode())
    return f"{MARK}{_name(secret)}:{urlsafe_b64encode(data).decode()}"


def unseal(sealed: str, purpose: str) -> str:
    """The text in a seal; CannotOpen where it is none, was tampered with or belongs to another purpose."""
    if not sealed:
        return ""
    name, _sep, text = sealed.removeprefix(MARK).partition(":")
    secret = next((each for each in _secrets() if _name(each) == name), None)
    if not sealed.startswith(MARK) or secret is None:
        raise CannotOpen("no secret of this installation fits the seal: put the former one into ZHUTU_OLD_SECRET_KEYS")
    try:
        data = urlsafe_b64decode(text)
        return AESGCM(_key(secret, purpose)).decrypt(data[:NONCE], data[NONCE:], purpose.encode()).decode()
    except (InvalidTag, NotBase64, ValueError) as error:
        raise CannotOpen("the seal is broken or was made for something else") from error


def is_present(sealed: str) -> bool:
    """Whether a seal was made with the present secret."""
    return not sealed or sealed.startswith(f"{MARK}{_name(settings.SECRET_KEY)}:")


class Sealed:
    """A secret as the database keeps it: true where there is one, asterisks as a text, equal to its plain text."""

    __slots__ = ("purpose", "text")

    def __init__(self, text: str, purpose: str) -> None:
        self.text, self.purpose = text, purpose

    def open(self) -> str:
        """The secret in plain text."""
        return unseal(self.text, self.purpose)

    def __bool__(self) -> bool:
        return bool(self.text)

    def __str__(self) -> str:
        return HIDDEN if self.text else ""

    def __repr__(self) -> str:
        return f"<Sealed {self}>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sealed):
            return self.open() == other.open()
        return self.open() == other if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)


def opened(value: "Sealed | str") -> str:
    """What a sealed field holds in plain text, be it read or just typed; raises CannotOpen."""
    return value.open() if isinstance(value, Sealed) else value


class SealedField(models.TextField):
    """A text that is sealed when it is saved and read back as ``Sealed``; validators see what was typed, once."""

    description = _("密封的密钥")

    @property
    def purpose(self) -> str:
        """What seals of this field are good for."""
        return f"{self.model._meta.db_table}.{self.column}"

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Sealed | None:
        return None if value is None else Sealed(value, self.purpose)

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, Sealed) else super().to_python(value)

    def run_validators(self, value: Any) -> None:
        if not isinstance(value, Sealed):
            super().run_validators(value)

    def get_prep_value(self, value: Any) -> str | None:
        if isinstance(value, Sealed):
            return value.text
        return None if value is None else seal(str(value), self.purpose)

    def get_lookup(self, lookup_name: str) -> Any:
        """Nobody finds a row by a secret: each seal is another text."""
        if lookup_name != "isnull":
            raise ValidationError(f"{self.name} is sealed: it can only be told whether there is one")
        return super().get_lookup(lookup_name)

    def value_to_string(self, obj: models.Model) -> str:
        """What a dump holds: the seal."""
        return self.get_prep_value(self.value_from_object(obj)) or ""

    def formfield(self, **kwargs: Any) -> Any:
        """None: a form states itself how a new secret is typed, and never shows the old one."""
        return None


def _secrets() -> list[str]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


@lru_cache(maxsize=64)
def _key(secret: str, purpose: str) -> bytes:
    return _derived(secret, f"zhutu sealed {purpose}", 32)


@lru_cache(maxsize=16)
def _name(secret: str) -> str:
    """How a secret is told from another without saying it."""
    return _derived(secret, "zhutu name of the secret", 4).hex()


def _derived(secret: str, info: str, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=info.encode()).derive(secret.encode())
