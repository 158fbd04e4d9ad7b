"""Secrets of channels: a setting holds a name; the value is sealed with the channel or stands in the environment."""

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from services.catalog.sealed import CannotOpen, opened
from services.notify.errors import Unreachable

if TYPE_CHECKING:
    from services.notify.models import Channel

PREFIX = "ZHUTU_NOTIFY_"
"""Of its own: with ``ZHUTU_`` a channel could be told to send the product's signing key away."""

NAME = re.compile(r"[A-Z][A-Z0-9_]{0,60}")
PLACE = re.compile(r"\{secret:([A-Z][A-Z0-9_]{0,60})\}")
"""Where the text of a setting has a secret in it."""
TELLING = re.compile(r"authoriz|passw|pwd|secret|token|cookie|(api|app|access)[-_]?key|^(auth|key)$", re.IGNORECASE)
"""Names of headers and fields whose values are secrets: such a value is written as a place, never as itself."""


def is_name(name: str) -> bool:
    """Whether a text can be the name of a secret."""
    return NAME.fullmatch(name) is not None


def is_set(channel: "Channel", name: str) -> bool:
    """Whether a secret has a value."""
    return is_sealed(channel, name) or (is_name(name) and bool(os.environ.get(PREFIX + name)))


def is_sealed(channel: "Channel", name: str) -> bool:
    """Whether its value is kept with the channel, and can be opened."""
    with suppress(Unreachable):
        return name in _kept(channel)
    return False


def secret(channel: "Channel", name: str) -> str:
    """The value of a secret; raises Unreachable, as an administrator can mend it, where there is none."""
    value = (_kept(channel).get(name) or os.environ.get(PREFIX + name, "")) if is_name(name) else ""
    if not value:
        raise Unreachable(f"the secret {name} is not set: neither with the channel nor as {PREFIX}{name}")
    return value


def keep(channel: "Channel", values: Mapping[str, str], used: tuple[str, ...]) -> None:
    """Put new values into the channel, to be sealed when it is saved; an empty one is forgotten, as is an unused name.

    What cannot be opened is not touched until something new is typed.
    """
    try:
        kept = _kept(channel)
    except Unreachable:
        if not values:
            return
        kept = {}
    kept |= values
    kept = {name: kept[name] for name in used if kept.get(name)}
    channel.secrets = json.dumps(kept, ensure_ascii=False) if kept else ""


def filled(channel: "Channel", text: str) -> str:
    """A text with its secrets in their places."""
    return PLACE.sub(lambda found: secret(channel, found[1]), text)


def _kept(channel: "Channel") -> dict[str, str]:
    try:
        text = opened(channel.secrets)
    except CannotOpen as error:
        raise Unreachable("the secrets of the channel cannot be opened: type them again") from error
    found: Any = json.loads(text) if text else {}
    return dict(found)
