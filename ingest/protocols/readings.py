"""What every device protocol gives: measured values in stored units, each with a judgement."""

from datetime import datetime
from typing import NamedTuple

QUALITIES = {
    "": "good",
    "missing": "no value was sent",
    "number": "the text is not a finite decimal number",
    "key": "the name of the value was not understood",
    "repeat": "sent twice in one packet, and not the same",
    "flag": "the device marks it as not normal",
    "letter": "the device's mark is not one of the standard's",
    "range": "outside the plausible range",
    "order": "at odds with its neighbours: PM2.5 above PM10, the mean outside minimum and maximum",
    "unit": "the unit that the device sends was never confirmed",
}
"""The codes of ``Reading.quality``, the gravest first after good; only good readings count in means and limits."""


class Reading(NamedTuple):
    """One factor of one device over one span of time.

    A tuple and not a frozen dataclass: eight of those take longer to make than a whole frame may take to decode.
    """

    factor: str
    at: datetime
    """Aware, UTC: the moment of a real-time value, the start of the period of any other."""
    span: str
    """``real``, ``minute``, ``hour`` or ``day``."""
    value: float | None
    """In the stored unit of the factor; None where nothing usable was sent. Zero is a value."""
    low: float | None
    high: float | None
    total: float | None
    """What flowed or was discharged in the span, in m³ or kg."""
    flag: str
    """The device's own mark; empty where it sent none."""
    quality: str
    """A code of QUALITIES."""
