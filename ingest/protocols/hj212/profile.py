"""What is known of one device beyond the standard: how it deviates, and its key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ingest.protocols.hj212.frames import CrcMode
from services.telemetry.units import Rules, rules

VERSIONS = (2005, 2017, 2025)
"""Editions of HJ 212, by the number that bits 7–2 of Flag hold."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Settings of one device; ValueError where one cannot be.

    The defaults are the standard's, and that no unit was confirmed yet.
    """

    units: Mapping[str, str] = field(default_factory=dict)
    """Factor code → the unit that the device sends (names of ``units.UNITS``); ``w01018-Cou`` for a total."""
    crc_mode: CrcMode = "standard"
    datatime_is: Literal["start", "end"] = "start"
    """Which end of the period DataTime names in minute, hour and day data."""
    key: bytes | None = field(default=None, repr=False)
    """SM4, 16 bytes. With a key, data of HJ 212-2025 in plain text are refused."""
    missing_flag: str = "N"
    """How to judge a value without a flag: as if the device had sent this letter."""
    minutes: int = 10
    """Length of the period of minute data."""
    version: int | None = None
    """2005, 2017 or 2025 where the device says another in Flag than it speaks."""
    rules: Rules = field(init=False, repr=False, compare=False)
    """What follows from ``units``."""

    def __post_init__(self) -> None:
        if self.crc_mode not in ("standard", "modbus") or self.datatime_is not in ("start", "end"):
            raise ValueError(f"crc_mode {self.crc_mode!r} or datatime_is {self.datatime_is!r} is unknown")
        if self.key is not None and len(self.key) != 16:
            raise ValueError(f"an SM4 key has 16 bytes, not {len(self.key)}")
        if not 1 <= self.minutes <= 60:
            raise ValueError(f"minute data cover 1 to 60 minutes, not {self.minutes}")
        if self.version is not None and self.version not in VERSIONS:
            raise ValueError(f"version {self.version} is not one of {VERSIONS}")
        object.__setattr__(self, "rules", rules(frozenset(self.units.items())))
