"""States of machines out of packets of CN 2021: ``SB1-RS=1;SB2-RS=0`` (HJ 212-2017/2025 clause 6.6.4, annex C)."""

import re

from ingest.protocols.hj212.factors import time_of
from ingest.protocols.hj212.packets import Packet
from ingest.protocols.hj212.profile import Profile
from ingest.protocols.readings import Reading
from services.telemetry.states import FAILED, FAULTS, HIGHEST, SUFFIX

CN = "2021"
_MACHINE = re.compile(r"SB0*(\d{1,4})-RS", re.IGNORECASE)


def states(packet: Packet, profile: Profile) -> list[Reading]:
    """What a packet says of each machine, one reading ``SB1-RS`` a machine; then how many of them are in alarm.

    A state that is none of the standard's is kept as bad. BadPacket ``datatime`` as of ``readings``. The number is of
    the machines in the packet: the standard has all of a plant in one.
    """
    at = time_of(packet, "real", profile)
    said: dict[str, str] = {}
    for name, text in (pair for group in packet.groups for pair in group):
        if found := _MACHINE.fullmatch(name):
            said.setdefault(f"SB{found[1]}{SUFFIX}", text)
    readings = []
    for code, text in said.items():
        known = len(text) == 1 and "0" <= text <= str(HIGHEST)
        readings.append(
            Reading(code, at, "real", float(text) if known else None, None, None, None, "", _mark(text, known))
        )
    if readings and all(not each.quality for each in readings):
        failed = sum(each.value == FAILED for each in readings)
        readings.append(Reading(FAULTS, at, "real", float(failed), None, None, None, "", ""))
    return readings


def _mark(text: str, known: bool) -> str:
    if known:
        return ""
    return "range" if text.isascii() and text.isdigit() else "number"
