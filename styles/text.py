"""The type of words on the map: a string or a lazily translated one."""

from typing import Protocol


class Text(Protocol):
    """Anything whose ``str()`` is the text in the language of the moment."""

    def __str__(self) -> str: ...
