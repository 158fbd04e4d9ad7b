"""Secrets of the channels: a setting holds a name, the environment holds the value, nobody is shown it."""

import os
import re

from services.notify.errors import Unreachable

PREFIX = "ZHUTU_NOTIFY_"
"""Of its own: with ``ZHUTU_`` a channel could be told to send the product's signing key away."""

NAME = re.compile(r"[A-Z][A-Z0-9_]{0,60}")


def is_name(name: str) -> bool:
    """Whether a text can be the name of a secret."""
    return NAME.fullmatch(name) is not None


def is_set(name: str) -> bool:
    """Whether the environment gives this secret a value."""
    return is_name(name) and bool(os.environ.get(PREFIX + name))


def secret(name: str) -> str:
    """The value of a secret; raises Unreachable, as an administrator can mend it, where there is none."""
    value = os.environ.get(PREFIX + name, "") if is_name(name) else ""
    if not value:
        raise Unreachable(f"the environment variable {PREFIX}{name} is not set")
    return value
