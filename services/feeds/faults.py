"""Why something went wrong with a source, as a text and its values: everybody reads it in their language."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext, gettext_noop

MOST = 200
"""Characters of a value that is quoted."""


class Fault(Exception):
    """A run or a batch ends here; ``text`` is a gettext source with ``%(name)s`` places."""

    def __init__(self, text: str, *, wait: float | None = None, **values: Any) -> None:
        super().__init__(text)
        self.text, self.wait = text, wait
        self.values = {name: quoted(value) for name, value in values.items()}

    @property
    def kept(self) -> dict[str, Any]:
        """As it is stored."""
        return {"text": self.text, "values": self.values}

    def __str__(self) -> str:
        return said(self.kept)


def said(kept: Mapping[str, Any] | None) -> str:
    """A stored fault in the current language; empty where there is none."""
    if not kept:
        return ""
    text, values = gettext(kept["text"]), kept.get("values") or {}
    return text % values if values else text


def quoted(value: Any) -> Any:
    """A value as it may stand in a message: numbers as they are, texts short and printable."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return "".join(letter if letter.isprintable() else "·" for letter in str(value)[:MOST])


def other(message: object) -> dict[str, Any]:
    """What another engine said, as a stored fault."""
    return {"text": gettext_noop("%(message)s"), "values": {"message": quoted(message)}}
