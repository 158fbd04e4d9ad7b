"""MANSCDP, the XML documents inside messages (GB/T 28181 annex A): what devices say of themselves and of channels.

A document is decoded here before it is parsed, because expat reads no GB 18030. There is no DTD, no entity of one's
own and no inclusion: a document with a DOCTYPE is refused unread (F52). Names in it are case sensitive; what is not
known is left aside. Texts are cut to what the product keeps.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ingest.protocols.gb28181.errors import BodyError
from ingest.protocols.gb28181.messages import MAX_BODY

ROOTS = frozenset({"Notify", "Response", "Query", "Control"})
MOST_ITEMS = 10_000
"""Channels of one document."""
DEEPEST = 20
LOCAL = timezone(timedelta(hours=8))
"""Devices write the time of China without a zone."""
DEVICE_ALARM, VIDEO_LOST = 2, 1
"""AlarmMethod of what a device itself reports, and its AlarmType that says that no picture comes (A.2.5)."""
DEVICE_FAULT = 6
SUBJECTS: Final = {
    (DEVICE_ALARM, 2): "tamper", (DEVICE_ALARM, 3): "disk-full", (DEVICE_ALARM, 4): "too-hot",
    (DEVICE_ALARM, 5): "too-cold", (DEVICE_FAULT, 1): "disk-fault", (DEVICE_FAULT, 2): "fan-fault",
}  # fmt: skip
"""(AlarmMethod, AlarmType) of what is wrong with a device that is still there → a short code."""
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,20})["']""")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,200}\?>")
_FORBIDDEN = re.compile(r"<!\s*(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_CODECS = {
    "gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "gb_2312-80": "gb18030", "utf-8": "utf-8",
    "utf8": "utf-8", "us-ascii": "utf-8", "ascii": "utf-8",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Body:
    """A document of which only this is of interest: kind, command, number of the question, device."""

    root: str
    command: str
    sn: str
    device: str


@dataclass(frozen=True, slots=True)
class Keepalive(Body):
    """A device is there; ``faulty`` are the channels that it says do not work."""

    is_well: bool
    faulty: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Channel:
    """One entry of a catalogue; ``is_on`` is None where it says nothing of its state."""

    number: str
    name: str
    is_on: bool | None


@dataclass(frozen=True, slots=True)
class Catalog(Body):
    """Channels of a device: a part of the answer to a question (``total`` in all), or news of some of them."""

    total: int
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Status(Body):
    """The answer to DeviceStatus; None where it does not say."""

    is_on: bool | None
    is_well: bool | None


@dataclass(frozen=True, slots=True)
class Alarm(Body):
    """Something that a device reports; numbers are 0 and the time is None where they are not said."""

    priority: int
    method: int
    type: int
    at: datetime | None
    text: str

    @property
    def is_video_lost(self) -> bool:
        """Whether no picture comes from the channel."""
        return (self.method, self.type) == (DEVICE_ALARM, VIDEO_LOST)

    @property
    def subject(self) -> str:
        """What is wrong with the device, as a short code; empty where the alarm is not of the device's own state."""
        known = SUBJECTS.get((self.method, self.type), "")
        return known or ("device-fault" if self.method == DEVICE_FAULT else "")


def parse(data: bytes) -> Body:
    """A document. Raises BodyError: too-long, encoding, dtd, xml, too-deep, root, command."""
    root = _tree(data)
    if root.tag not in ROOTS:
        raise BodyError("root", f"a document of MANSCDP does not begin with {root.tag[:40]!r}")
    command = _text(root, "CmdType", 40)
    if not command:
        raise BodyError("command", "a document without CmdType")
    head = (root.tag, command, _text(root, "SN", 20), _text(root, "DeviceID", 40))
    if root.tag == "Notify" and command == "Keepalive":
        return Keepalive(*head, _text(root, "Status").upper() != "ERROR", tuple(_faulty(root)))
    if root.tag in ("Notify", "Response") and command == "Catalog":
        return Catalog(*head, _number(_text(root, "SumNum")), tuple(_channels(root)))
    if root.tag == "Response" and command == "DeviceStatus":
        online, status = _text(root, "Online").upper(), _text(root, "Status").upper()
        return Status(*head, _either(online, "ONLINE", "OFFLINE"), _either(status, "OK", "ERROR"))
    if root.tag == "Notify" and command == "Alarm":
        kind = _text(root, "AlarmType") or _text(root, "Info/AlarmType")
        return Alarm(
            *head, _number(_text(root, "AlarmPriority")), _number(_text(root, "AlarmMethod")), _number(kind),
            _time(_text(root, "AlarmTime")), _text(root, "AlarmDescription", 200),
        )  # fmt: skip
    return Body(*head)


def query(command: str, sn: int, device: str) -> bytes:
    """A question to a device: Catalog, DeviceStatus …"""
    return _document("Query", command, sn, device)


def alarm_taken(sn: str, device: str) -> bytes:
    """That an alarm has been taken (A.2.6)."""
    return _document("Response", "Alarm", sn, device, "<Result>OK</Result>\r\n")


def keepalive(sn: int, device: str, faulty: tuple[str, ...] = ()) -> bytes:
    """A device is there, as it says so itself."""
    info = "".join(f"<DeviceID>{number}</DeviceID>\r\n" for number in faulty)
    status = "ERROR" if faulty else "OK"
    return _document(
        "Notify", "Keepalive", sn, device, f"<Status>{status}</Status>\r\n<Info>\r\n{info}</Info>\r\n"
    )  # fmt: skip


def catalog(sn: str, device: str, total: int, channels: tuple[Channel, ...]) -> bytes:
    """A part of the answer to Catalog."""
    items = "".join(
        f"<Item>\r\n<DeviceID>{each.number}</DeviceID>\r\n<Name>{_escaped(each.name)}</Name>\r\n"
        f"<Parental>0</Parental>\r\n<ParentID>{device}</ParentID>\r\n<RegisterWay>1</RegisterWay>\r\n"
        f"<Status>{'ON' if each.is_on else 'OFF'}</Status>\r\n</Item>\r\n"
        for each in channels
    )
    inside = f'<SumNum>{total}</SumNum>\r\n<DeviceList Num="{len(channels)}">\r\n{items}</DeviceList>\r\n'
    return _document("Response", "Catalog", sn, device, inside)


def alarm(sn: int, device: str, method: int, kind: int, at: datetime) -> bytes:
    """Something that a device reports."""
    inside = (
        f"<AlarmPriority>1</AlarmPriority>\r\n<AlarmMethod>{method}</AlarmMethod>\r\n"
        f"<AlarmTime>{at.astimezone(LOCAL):%Y-%m-%dT%H:%M:%S}</AlarmTime>\r\n"
        f"<Info>\r\n<AlarmType>{kind}</AlarmType>\r\n</Info>\r\n"
    )
    return _document("Notify", "Alarm", sn, device, inside)


def _document(root: str, command: str, sn: int | str, device: str, inside: str = "") -> bytes:
    text = (
        f'<?xml version="1.0" encoding="GB2312"?>\r\n<{root}>\r\n<CmdType>{command}</CmdType>\r\n'
        f"<SN>{_escaped(str(sn))}</SN>\r\n<DeviceID>{_escaped(device)}</DeviceID>\r\n{inside}</{root}>\r\n"
    )
    return text.encode("gb18030")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _tree(data: bytes) -> Element:
    if len(data) > MAX_BODY:
        raise BodyError("too-long", f"a document of {len(data)} bytes; {MAX_BODY} are allowed")
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _decoded(data))
    if _FORBIDDEN.search(text):
        raise BodyError("dtd", "a document with a DTD is not read")
    try:
        root = fromstring(_DECLARATION.sub("", text).lstrip(), forbid_dtd=True)
    except (ParseError, DefusedXmlException) as error:
        raise BodyError("xml", f"no well-formed XML: {error}") from error
    _measure(root)
    return root


def _decoded(data: bytes) -> str:
    """The text: in the encoding that it names, else in UTF-8 where it is that, else in GB 18030."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    found = _ENCODING.search(data[:200])
    if found is not None:
        name = found[1].decode().lower()
        if name not in _CODECS:
            raise BodyError("encoding", f"the encoding {name!r} is not one of GB/T 28181")
        # Devices say UTF-8 and write GBK: what is no UTF-8 is read as the other.
        if _CODECS[name] == "gb18030":
            return data.decode("gb18030", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("gb18030", "replace")


def _measure(root: Element) -> None:
    # Not by recursion: a document may be deeper than the stack.
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise BodyError("too-deep", f"elements lie deeper than {DEEPEST}")
        level = [child for element in level for child in element]


def _text(element: Element, path: str, most: int = 60) -> str:
    found = element.find(path)
    return (found.text or "").strip()[:most] if found is not None else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _either(text: str, yes: str, no: str) -> bool | None:
    return True if text == yes else False if text == no else None


def _faulty(root: Element) -> Iterator[str]:
    for element in root.iterfind("Info/DeviceID"):
        if text := (element.text or "").strip():
            yield text[:40]


def _channels(root: Element) -> Iterator[Channel]:
    for n, item in enumerate(root.iterfind("DeviceList/Item")):
        if n >= MOST_ITEMS:
            raise BodyError("too-long", f"more than {MOST_ITEMS} channels in one document")
        # News of a catalogue says what happened to a channel, an answer how it is.
        event, status = _text(item, "Event").upper(), _text(item, "Status").upper()
        is_on = _EVENTS.get(event, _STATES.get(status))
        yield Channel(_text(item, "DeviceID", 40), _text(item, "Name", 100), is_on)


_STATES = {"ON": True, "ONLINE": True, "OK": True, "OFF": False, "OFFLINE": False, "ERROR": False}
_EVENTS = {"ON": True, "OFF": False, "VLOST": False, "DEFECT": False, "DEL": False}


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=LOCAL) if found.tzinfo is None else found
