"""What the platform and a device say to each other besides data: acknowledgements, replies, commands, parameters."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from ingest.protocols.hj212.errors import BadPacket, shown
from ingest.protocols.hj212.factors import DEVICE_TIME, SPANS
from ingest.protocols.hj212.packets import Packet, encode
from ingest.protocols.hj212.profile import VERSIONS, Profile

SYSTEM = "91"
"""ST of acknowledgements and replies, both ways."""
REQUEST = {
    1: "ready", 2: "refused", 3: "PW", 4: "MN", 5: "ST", 6: "Flag", 7: "QN", 8: "CN", 9: "CRC", 100: "unknown",
}  # fmt: skip
"""QnRtn in 9011: whether a request will be carried out, or which field of it is wrong."""
RESULT = {1: "ok", 2: "failed", 3: "condition", 4: "timeout", 5: "busy", 6: "system", 100: "no data"}
"""ExeRtn in 9012: how a request ended."""


class Parameter(NamedTuple):
    """A parameter of a device: the commands that read and set it, and what it may be."""

    read: str
    set: str
    lowest: int
    highest: int


PARAMETERS = {
    "RtdInterval": Parameter("1061", "1062", 1, 9999),
    "MinInterval": Parameter("1063", "1064", 1, 60),
}
"""Seconds between real-time data, minutes that minute data cover."""


@dataclass(frozen=True, slots=True)
class Device:
    """Whom a command goes to; ``version`` is the edition of HJ 212 that it speaks."""

    mn: str
    pw: str = field(repr=False)
    st: str
    version: int = 2017


class Reply(NamedTuple):
    """What a device answered to the request ``qn``."""

    qn: str
    code: int
    meaning: str


def data_ack(packet: Packet, profile: Profile) -> bytes:
    """9014, the frame that acknowledges data. Send it only after they are committed."""
    return encode(_answer(packet, "9014", f"CN={packet.cn}"), profile)


def notice_ack(packet: Packet, profile: Profile) -> bytes:
    """9013, the frame that acknowledges a notice, and a heartbeat of HJ 212-2025."""
    return encode(_answer(packet, "9013"), profile)


def request_reply(packet: Packet, code: int, profile: Profile) -> bytes:
    """9011: whether a request will be carried out; ``code`` from REQUEST."""
    return encode(_answer(packet, "9011", f"QnRtn={_of(code, REQUEST)}", always=True), profile)


def execution_result(packet: Packet, code: int, profile: Profile) -> bytes:
    """9012: how a request ended; ``code`` from RESULT."""
    return encode(_answer(packet, "9012", f"ExeRtn={_of(code, RESULT)}", always=True), profile)


def reply(packet: Packet) -> Reply:
    """What a 9011 or 9012 says. BadPacket ``reply`` for another command or an unknown code."""
    name, codes = {"9011": ("QnRtn", REQUEST), "9012": ("ExeRtn", RESULT)}.get(packet.cn, ("", {}))
    text = packet.parameter(name) or ""
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) in codes):
        raise BadPacket("reply", f"CN={packet.cn} with {name}={shown(text)}")
    return Reply(packet.qn or packet.parameter("QN") or "", int(text), codes[int(text)])


def clock_set(device: Device, at: datetime, now: datetime, profile: Profile, pol_id: str = "") -> bytes:
    """1012: set the clock of a device, or of its instrument for one factor, to ``at`` (aware)."""
    about = f"PolId={pol_id};" if pol_id else ""
    return _command(device, "1012", f"{about}SystemTime={_time(at)}", now, profile)


def gap_query(device: Device, span: str, begin: datetime, end: datetime, now: datetime, profile: Profile) -> bytes:
    """Ask for data from ``begin`` to ``end`` again, both aware and inclusive: 2051, 2061, 2031, or 2011 for ``real``.

    The device answers 9011, then data under the same command, then 9012.
    """
    command = {name: command for command, name in SPANS.items()}[span]
    return _command(device, command, f"BeginTime={_time(begin)};EndTime={_time(end)}", now, profile)


def parameter_read(device: Device, name: str, now: datetime, profile: Profile) -> bytes:
    """Ask for a parameter of PARAMETERS; the device answers 9011, then the value under the same command, then 9012."""
    return _command(device, PARAMETERS[name].read, "", now, profile)


def parameter_set(device: Device, name: str, value: int, now: datetime, profile: Profile) -> bytes:
    """Set a parameter of PARAMETERS; ValueError where the value is out of bounds."""
    known = PARAMETERS[name]
    if not known.lowest <= value <= known.highest:
        raise ValueError(f"{name} is {value}; {known.lowest} to {known.highest} are allowed")
    return _command(device, known.set, f"{name}={value}", now, profile)


def retry_set(device: Device, seconds: int, times: int, now: datetime, profile: Profile) -> bytes:
    """1000: how long a device waits for an answer, and how often it tries again."""
    return _command(device, "1000", f"OverTime={seconds};ReCount={times}", now, profile)


def password_set(device: Device, password: str, now: datetime, profile: Profile) -> bytes:
    """1072: a new PW, six characters; ValueError otherwise."""
    if not (len(password) == 6 and password.isascii() and password.isalnum()):
        raise ValueError("a password of HJ 212 has six letters or digits")
    return _command(device, "1072", f"NewPW={password}", now, profile)


def qn(now: datetime) -> str:
    """The number of a request: its time to the millisecond, in device time."""
    local = now.astimezone(DEVICE_TIME)
    return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03}"


def _command(device: Device, cn: str, cp: str, now: datetime, profile: Profile) -> bytes:
    flag = _flag(device.version) | 1
    return encode(Packet(device.mn, cn, device.st, qn(now), device.pw, flag, device.version, cp=cp), profile)


def _answer(packet: Packet, cn: str, cp: str = "", *, always: bool = False) -> Packet:
    """HJ/T 212-2005 repeats QN inside CP, later editions in the head; ``always``: CP holds a code in all of them."""
    if packet.version == 2005:
        cp = f"QN={packet.qn};{cp}".rstrip(";")
        return Packet(packet.mn, cn, SYSTEM, "", packet.pw, 0, 2005, cp=cp)
    flag = _flag(packet.version)
    return Packet(packet.mn, cn, SYSTEM, packet.qn, packet.pw, flag, packet.version, cp=cp if always else "")


def _flag(version: int) -> int:
    return VERSIONS.index(version) << 2


def _of(code: int, codes: dict[int, str]) -> int:
    if code not in codes:
        raise ValueError(f"{code} is not one of {sorted(codes)}")
    return code


def _time(at: datetime) -> str:
    return f"{at.astimezone(DEVICE_TIME):%Y%m%d%H%M%S}"
