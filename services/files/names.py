"""Names of files as people see them. On the disk no file has the name that somebody gave it."""

import re
import unicodedata

LONGEST_NAME = 200
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def shown_name(name: str) -> str:
    """A file's name for people: no folders, no control or direction characters, not longer than a line."""
    name = unicodedata.normalize("NFC", str(name)).replace("\\", "/").rpartition("/")[2]
    name = _BIDI.sub("", "".join(c if c.isprintable() else " " for c in name)).strip()
    if len(name) > LONGEST_NAME:
        name = name[: LONGEST_NAME - 21] + "…" + name[-20:]
    return name or "?"
