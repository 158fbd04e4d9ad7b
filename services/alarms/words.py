"""What an act says: a text of gettext with its values, of which some may be texts of gettext, too."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext


def word(text: str) -> dict[str, str]:
    """A value that came with the product in Chinese and is read in the reader's language; others stay as they are."""
    return {"word": text}


def filled(text: str, given: Mapping[str, Any]) -> str:
    """The text with its values, in the current language; KeyError, TypeError or ValueError where they do not fit."""
    return gettext(text) % {
        name: gettext(value["word"]) if isinstance(value, dict) and value.get("word") else value
        for name, value in given.items()
    }
