"""The content of a frame, HJ 212-2017/2025 clause 6.3.2, and frames out of content."""

from functools import lru_cache
from typing import Final, NamedTuple

from ingest.protocols.hj212 import sm4
from ingest.protocols.hj212.errors import BadFrame, BadPacket, shown
from ingest.protocols.hj212.frames import Frame, crc16, enveloped
from ingest.protocols.hj212.profile import VERSIONS, Profile

MOST_PARTS = 200
"""Highest PNUM; the standard's field would hold 9999."""
ACK_WANTED, PARTED = 1, 2
"""Bits of Flag."""

_BRACE: Final = ord("{")
_CONTROL: Final = bytes(set(range(32)) - {9} | {127})


class Packet(NamedTuple):
    """One packet; texts are as sent, absent ones empty."""

    mn: str
    cn: str
    st: str = ""
    qn: str = ""
    pw: str = ""
    flag: int = 0
    version: int = 2005
    """Edition of HJ 212 that it speaks: 2005, 2017 or 2025."""
    pnum: int | None = None
    pno: int | None = None
    rf: bool = False
    """The device says that it fills a gap (HJ 212-2025)."""
    cp: str = ""
    """Between ``CP=&&`` and ``&&``, in plain text."""

    @property
    def ack_wanted(self) -> bool:
        """Whether the sender waits for a data or notice acknowledgement."""
        return bool(self.flag & ACK_WANTED)

    @property
    def groups(self) -> list[list[tuple[str, str]]]:
        """CP taken apart: groups between ``;``, and in each the names and values between ``,``, repeated ones too."""
        return [
            [(name.strip(), value.strip()) for name, _, value in (item.partition("=") for item in group.split(","))]
            for group in self.cp.split(";")
            if group.strip()
        ]

    def parameter(self, name: str) -> str | None:
        """The first value of that name in CP, such as ``SystemTime``; None where there is none."""
        return next((value for group in self.groups for key, value in group if key.lower() == name.lower()), None)


def decode(frame: Frame, profile: Profile) -> Packet:
    """The packet in a frame of a device.

    Raises BadFrame where check, length or cipher fail, and BadPacket where the content is not what clause 6.3 says.
    An encrypted payload is opened first: check and length belong to its plain text (length also to the wire).
    """
    segment = frame.segment
    sealed = _BRACE in segment and sm4.MARK in segment  # to look for one byte takes a tenth of the time
    if sealed:
        segment = sm4.decrypted(segment, profile.key)
    if frame.declared != len(segment) and not (sealed and frame.declared == len(frame.segment)):
        raise BadFrame("length", f"LLLL is {frame.declared}, the segment has {len(segment)} bytes")
    crc = b"%04X" % crc16(segment, profile.crc_mode)
    if crc != frame.crc.upper():
        kind = "decrypt" if sealed else "crc"
        raise BadFrame(kind, f"the check is {crc.decode()}, the frame says {shown(frame.crc)}")
    if len(segment.translate(None, _CONTROL)) != len(segment):
        if sealed:  # a wrong key passes the check once in 256 times
            raise BadFrame("decrypt", "the payload does not decrypt to text")
        raise BadPacket("control", f"control characters in {shown(segment)}")
    packet = parse(segment, profile.version)
    if profile.key and not sealed and packet.version == 2025 and must_encrypt(packet):
        raise BadPacket("plain", f"{packet.mn} has a key, but sent CN={packet.cn} in plain text")
    return packet


def encode(packet: Packet, profile: Profile, *, encrypt: bool = False) -> bytes:
    """The frame of a packet, its payload encrypted with the key of the profile where wanted.

    Raises BadPacket ``text`` where the packet would not read back as itself, so that no value can bring in a field of
    its own, and BadFrame ``length`` above 1024 bytes. Chinese is written in GBK.
    """
    head = {"QN": packet.qn, "ST": packet.st, "CN": packet.cn, "PW": packet.pw, "MN": packet.mn}
    text = "".join(f"{name}={value};" for name, value in head.items() if value) + f"Flag={packet.flag};"
    if packet.pnum is not None:
        text += f"PNUM={packet.pnum};PNO={packet.pno};"
    if packet.rf:
        text += "RF=1;"
    try:
        before, cp = text.encode("ascii"), packet.cp.encode("gbk")
        segment = b"%bCP=&&%b&&" % (before, cp)
        if segment.translate(None, _CONTROL) != segment or parse(segment, packet.version) != packet:
            raise BadPacket("text", f"would not read back as itself: {shown(text)}")
    except UnicodeEncodeError as error:
        raise BadPacket("text", f"cannot be written: {error}") from error
    wire = segment
    if encrypt:
        if profile.key is None:
            raise BadFrame("key", f"{packet.mn} has no key to encrypt with")
        wire = b"%bCP=&&%b&&" % (before, sm4.encrypted(cp, profile.key))
    return enveloped(segment, wire, profile.crc_mode)


def must_encrypt(packet: Packet) -> bool:
    """Whether HJ 212-2025 wants this packet of a device encrypted: data, keys and site information."""
    return (packet.cn[0] == "2" or packet.cn in ("1014", "3020")) and len(packet.cp) >= sm4.GROUP


def parse(segment: bytes, version: int | None = None) -> Packet:
    """The packet in a segment in plain text; ``version`` overrides what Flag says. Raises BadPacket."""
    start = segment.find(b"CP=&&")
    end = segment.find(b"&&", start + 5)
    if start < 0 or end < 0 or end + 2 != len(segment):
        raise BadPacket("cp", f"no CP=&&…&& that ends {shown(segment)}")
    qn, head = b"", segment[:start]
    if head.startswith(b"QN="):
        qn, _, head = head[3:].partition(b";")
    mn, cn, st, elsewhere, pw, flag, edition, pnum, pno, rf = _head(head, version)
    if qn and elsewhere:
        raise BadPacket("repeat", "QN stands twice")
    number = _word("QN", qn.decode("latin-1").strip()) if qn else elsewhere
    return Packet(mn, cn, st, number, pw, flag, edition, pnum, pno, rf, _text(segment[start + 5 : end]))


def whole(parts: list[Packet]) -> Packet:
    """One packet out of all parts of a set, in their order; a part ends where a parameter ends."""
    first = parts[0]
    return first._replace(
        cp=";".join(part.cp for part in parts), flag=first.flag & ~PARTED, pnum=None, pno=None,
        rf=any(part.rf for part in parts),
    )  # fmt: skip


def _text(cp: bytes) -> str:
    """ASCII, or names in UTF-8 or GBK; what is neither is replaced, so that it can be stored."""
    try:
        return cp.decode("utf-8")
    except UnicodeDecodeError:
        return cp.decode("gb18030", "replace")


Head = tuple[str, str, str, str, str, int, int, int | None, int | None, bool]


@lru_cache(maxsize=16384)
def _head(head: bytes, version: int | None) -> Head:
    """The fields of a packet before CP, in their order there; what precedes the head is QN, which always changes.

    The rest of a head is the same in every packet of a device and a command, so it is read once.
    """
    if not head.isascii():  # GBK, with letters for second bytes, is for CP alone
        raise BadPacket("field", f"not ASCII before CP: {shown(head)}")
    fields = _fields(head.decode("ascii"))
    flag = _number(fields, "FLAG", 255)
    if version is None:
        edition = (flag or 0) >> 2
        if edition >= len(VERSIONS):
            raise BadPacket("version", f"Flag={flag} is of no known edition of HJ 212")
        version = VERSIONS[edition]
    pnum, pno = _parts(fields, flag, version)
    st, cn, qn, pw, mn = (_word(name, fields.get(name, "")) for name in ("ST", "CN", "QN", "PW", "MN"))
    if not (len(cn) == 4 and cn.isdigit()):
        raise BadPacket("cn", f"CN is {shown(cn)}, not four digits")
    if not mn:
        raise BadPacket("mn", "MN is missing")
    return mn, cn, st, qn, pw, flag or 0, version, pnum, pno, fields.get("RF") == "1"


def _fields(text: str) -> dict[str, str]:
    """Fields by their name in upper case, for some devices write it so."""
    fields: dict[str, str] = {}
    for item in text.split(";"):
        name, equals, value = item.partition("=")
        name = name.strip(" ,").upper()
        if not equals:
            if name:
                raise BadPacket("field", f"a field without =: {shown(item)}")
            continue
        if name in fields:
            raise BadPacket("repeat", f"{shown(name)} stands twice")
        fields[name] = value.strip()
    return fields


def _word(name: str, value: str) -> str:
    if len(value) > 32 or "&" in value or not (value.isascii() and value.isprintable()):
        said = "***" if name == "PW" else shown(value)
        raise BadPacket(name.lower(), f"{name} is {said}; up to 32 ASCII characters but & are allowed")
    return value


def _number(fields: dict[str, str], name: str, most: int) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 4 and int(value) <= most):
        raise BadPacket("flag" if name == "FLAG" else "parts", f"{name} is {shown(value)}, not a number up to {most}")
    return int(value)


def _parts(fields: dict[str, str], flag: int | None, version: int) -> tuple[int | None, int | None]:
    """PNUM and PNO. HJ/T 212-2005 sets their bit of Flag without sending them; later editions bind the two."""
    pnum, pno = _number(fields, "PNUM", MOST_PARTS), _number(fields, "PNO", MOST_PARTS)
    if (pnum is None) != (pno is None) or (pnum is not None and pno is not None and not 1 <= pno <= pnum):
        raise BadPacket("parts", f"part {pno} of {pnum}")
    if flag is not None and version != 2005 and bool(flag & PARTED) != (pnum is not None):
        raise BadPacket("parts", f"Flag={flag}, but PNUM={pnum}")
    return pnum, pno
