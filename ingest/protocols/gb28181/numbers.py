"""The 20-digit number of a device (GB/T 28181-2022 annex D): centre 8, industry 2, type 3, network 1, serial 6."""

from typing import NamedTuple

from ingest.protocols.gb28181.errors import BodyError

INDUSTRIES = frozenset(range(10)) | {44}
"""Digits 9 and 10: security 00-03, traffic 04-07, city management 08, health and environment 09, construction 44."""
CAMERAS = frozenset({131, 132})
RECORDERS = frozenset({111, 112, 113, 118})
"""Digits 11 to 13 of what has cameras behind it: recorders and encoders."""
PLATFORMS = frozenset({200, 500})
TYPES = CAMERAS | RECORDERS | PLATFORMS | {114, 117, 120, 121, 124, 134, 135, 137, 215, 216, 300, 400}
"""Every type that the standard and those who build to it give out."""


class Number(NamedTuple):
    """The parts of a device's number; the centre begins with the code of an administrative region (GB/T 2260)."""

    centre: str
    industry: int
    type: int
    network: int
    serial: str

    @property
    def is_camera(self) -> bool:
        """Whether it is a camera or a network camera."""
        return self.type in CAMERAS

    @property
    def has_cameras(self) -> bool:
        """Whether cameras may be behind it."""
        return self.type in RECORDERS | PLATFORMS

    @property
    def warning(self) -> str:
        """What is unusual about it and no reason to refuse it: an industry that the standard does not name."""
        return "" if self.industry in INDUSTRIES else f"industry {self.industry:02} is not one of GB/T 28181"


def parse(text: str) -> Number:
    """The parts of a number. Raises BodyError (number) where it has not 20 digits or no known type."""
    if len(text) != 20 or not (text.isascii() and text.isdigit()):
        raise BodyError("number", f"{text[:40]!r} has not 20 digits")
    found = Number(text[:8], int(text[8:10]), int(text[10:13]), int(text[13]), text[14:])
    if found.type not in TYPES:
        raise BodyError("number", f"digits 11 to 13 of {text}, {found.type}, are no type of GB/T 28181")
    return found
