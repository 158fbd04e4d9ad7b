"""Frames of the standard and short ways to make and read others."""

from ingest.protocols.hj212.errors import Refused
from ingest.protocols.hj212.factors import readings
from ingest.protocols.hj212.frames import Stream, frame
from ingest.protocols.hj212.packets import Packet, decode
from ingest.protocols.hj212.profile import Profile
from ingest.protocols.readings import Reading

MN = "010000A8900016F000169DC0"
EXAMPLE_2017 = (
    b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;"
    b"CP=&&RtdInterval=30&&1C80\r\n"
)
CLOCK_READ = b"##0087QN=20240601085857223;ST=32;CN=1011;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&&&2200\r\n"
REAL_TIME = (
    b"##0341QN=20261121101500123;ST=39;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&"
    b"DataTime=20261121101500;a34004-Rtd=35.0,a34004-Flag=N;a34002-Rtd=88.0,a34002-Flag=N;"
    b"a34001-Rtd=156.0,a34001-Flag=N;LA-Rtd=63.5,LA-Flag=N;a01001-Rtd=18.6,a01001-Flag=N;"
    b"a01002-Rtd=71.2,a01002-Flag=N;a01007-Rtd=1.8,a01007-Flag=N;a01008-Rtd=135,a01008-Flag=N&&F6C1\r\n"
)
DATA_ACK = b"##0087QN=20261121101500123;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=8;CP=&&&&9901\r\n"
BACK_FILL = (
    b"##0177QN=20261121103000000;ST=39;CN=2051;PW=123456;MN=010000A8900016F000169DC0;Flag=9;RF=1;CP=&&"
    b"DataTime=20261121101000;a34002-Min=70.1,a34002-Avg=81.4,a34002-Max=99.0,a34002-Flag=N&&4680\r\n"
)
FRAMES = (EXAMPLE_2017, CLOCK_READ, REAL_TIME, DATA_ACK, BACK_FILL)

KEY = b"0" * 16
ENCRYPTED_CP = (
    b"{0x21,0xDE,0x89,0xB4,0xB9,0x96,0xFD,0x6D,0xDA,0xA8,0x2B,0x54,0x84,0xEF,0x7E,0x76,0x9C,0xB3,0x1F,0xE1,0x18,0x6F,"
    b"0x08,0xF7,0x40,0xED,0xB6,0x50,0xAD,0x84,0xAD,0x0A,0xCF,0xDD,0xFC,0x44,0x4F,0xA3,0xF7,0xEB,0xBA,0x0D,0x29,0x63,"
    b"0x7D,0x9B,0x50,0x8D,0xDA,0xF9,0xDD,0x88,0xBE,0x48,0x53,0x98,0x60,0x40,0x72,0xC4,0xB4,0x99,0x23,0x57,0xF7,0x7F,"
    b"0x79,0x33,0xF5,0x61,0x23,0xF6,0x6B,0xF6,0x9B,0x99,0xE1,0x2E,0x88,0x5F}ag=N"
)
ENCRYPTED_HEAD = b"QN=20261121101501000;ST=39;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&"
ENCRYPTED = b"##0171" + ENCRYPTED_HEAD + ENCRYPTED_CP + b"&&1DC0\r\n"
DECRYPTED_CP = "DataTime=20261121101500;a34002-Rtd=88.0,a34002-Flag=N;a34001-Rtd=156.0,a34001-Flag=N"

MICROGRAMS = Profile(units=dict.fromkeys(("a34001", "a34002", "a34004", "a34005"), "µg/m³"))


def one(data: bytes, profile: Profile = MICROGRAMS) -> Packet:
    """The only packet in these bytes; raises what refuses it."""
    (result,) = Stream(lambda frame: decode(frame, profile)).feed(data)
    if isinstance(result, Refused):
        raise result
    return result


def segment(cp: str, cn: str = "2011", flag: str = "Flag=5;", more: str = "") -> bytes:
    """A segment with this CP."""
    return f"QN=20261121101500123;ST=39;CN={cn};PW=123456;MN={MN};{flag}{more}CP=&&{cp}&&".encode()


def measured(cp: str, profile: Profile = MICROGRAMS, cn: str = "2011") -> dict[str, Reading]:
    """The readings of a CP by factor; DataTime is put before it."""
    packet = one(frame(segment(f"DataTime=20261121101500;{cp}", cn)), profile)
    found = readings(packet, profile)
    assert len({reading.factor for reading in found}) == len(found), "one key, one reading"
    return {reading.factor: reading for reading in found}
