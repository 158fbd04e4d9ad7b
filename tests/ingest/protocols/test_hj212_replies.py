"""What goes back to a device, and what it answers."""

from datetime import UTC, datetime

import pytest

from ingest.protocols.hj212.errors import BadPacket
from ingest.protocols.hj212.frames import frame
from ingest.protocols.hj212.packets import Packet
from ingest.protocols.hj212.profile import Profile
from ingest.protocols.hj212.replies import (
    REQUEST,
    RESULT,
    Device,
    clock_set,
    data_ack,
    execution_result,
    gap_query,
    notice_ack,
    parameter_read,
    parameter_set,
    password_set,
    qn,
    reply,
    request_reply,
    retry_set,
)
from tests.ingest.protocols.hj212_samples import DATA_ACK, MN, REAL_TIME, one

NOW = datetime(2016, 8, 1, 0, 58, 57, 223_999, tzinfo=UTC)
"""QN=20160801085857223 of annex C."""
STATION = Device(MN, "123456", "32")
ANY = Profile()


def annex(rest: str) -> bytes:
    """A frame of annex C of HJ 212-2017."""
    return frame(f"QN=20160801085857223;{rest}".replace("@", f"PW=123456;MN={MN}").encode())


def of_2005(cp: str = "QN", cn: str = "2051") -> Packet:
    return Packet("88888880000001", cn, "32", "20040516010101001", "123456", 1, 2005, cp=cp)


def test_the_acknowledgement_of_the_vectors() -> None:
    assert data_ack(one(REAL_TIME), ANY) == DATA_ACK


def test_acknowledgements_repeat_the_qn_with_the_edition_of_the_device() -> None:
    packet = Packet(MN, "2051", "32", "20160801085857223", "123456", 5, 2017, cp="DataTime=20160801084000")
    assert data_ack(packet, ANY) == annex("ST=91;CN=9014;@;Flag=4;CP=&&&&")
    assert notice_ack(packet, ANY) == annex("ST=91;CN=9013;@;Flag=4;CP=&&&&")
    assert request_reply(packet, 1, ANY) == annex("ST=91;CN=9011;@;Flag=4;CP=&&QnRtn=1&&")
    assert execution_result(packet, 1, ANY) == annex("ST=91;CN=9012;@;Flag=4;CP=&&ExeRtn=1&&")
    assert data_ack(packet._replace(version=2025), ANY) == annex("ST=91;CN=9014;@;Flag=8;CP=&&&&")


def test_the_edition_of_2005_repeats_the_qn_inside_cp() -> None:
    texts = [
        (data_ack(of_2005(), ANY), "CP=&&QN=20040516010101001;CN=2051&&"),
        (notice_ack(of_2005(), ANY), "CP=&&QN=20040516010101001&&"),
        (request_reply(of_2005(), 3, ANY), "CP=&&QN=20040516010101001;QnRtn=3&&"),
        (execution_result(of_2005(), 100, ANY), "CP=&&QN=20040516010101001;ExeRtn=100&&"),
    ]
    for sent, cp in texts:
        assert sent[6:].startswith(b"ST=91;CN=90")
        assert f"PW=123456;MN=88888880000001;Flag=0;{cp}".encode() in sent


def test_f15_an_acknowledgement_is_repeated_byte_by_byte() -> None:
    """F15: a duplicate is acknowledged again, and alike."""
    assert len({data_ack(one(REAL_TIME), ANY) for _ in range(5)}) == 1


def test_f14_the_clock_is_set() -> None:
    """F14: 1012 with the right time, in the time of the device."""
    at = datetime(2016, 8, 1, 0, 58, 57, tzinfo=UTC)
    assert clock_set(STATION, at, NOW, ANY) == annex("ST=32;CN=1012;@;Flag=5;CP=&&SystemTime=20160801085857&&")
    assert clock_set(STATION, at, NOW, ANY, "w01018") == annex(
        "ST=32;CN=1012;@;Flag=5;CP=&&PolId=w01018;SystemTime=20160801085857&&"
    )


@pytest.mark.parametrize(("span", "cn"), [("minute", "2051"), ("hour", "2061"), ("day", "2031"), ("real", "2011")])
def test_a_gap_is_asked_for(span: str, cn: str) -> None:
    begin, end = datetime(2016, 8, 1, 0, 40, tzinfo=UTC), datetime(2016, 8, 1, 0, 50, tzinfo=UTC)
    assert gap_query(STATION, span, begin, end, NOW, ANY) == annex(
        f"ST=32;CN={cn};@;Flag=5;CP=&&BeginTime=20160801084000;EndTime=20160801085000&&"
    )


def test_parameters_are_read_and_set() -> None:
    assert parameter_read(STATION, "RtdInterval", NOW, ANY) == annex("ST=32;CN=1061;@;Flag=5;CP=&&&&")
    assert parameter_set(STATION, "RtdInterval", 30, NOW, ANY) == annex("ST=32;CN=1062;@;Flag=5;CP=&&RtdInterval=30&&")
    assert parameter_read(STATION, "MinInterval", NOW, ANY) == annex("ST=32;CN=1063;@;Flag=5;CP=&&&&")
    assert parameter_set(STATION, "MinInterval", 10, NOW, ANY) == annex("ST=32;CN=1064;@;Flag=5;CP=&&MinInterval=10&&")
    assert retry_set(STATION, 5, 3, NOW, ANY) == annex("ST=32;CN=1000;@;Flag=5;CP=&&OverTime=5;ReCount=3&&")
    assert password_set(STATION, "654321", NOW, ANY) == annex("ST=32;CN=1072;@;Flag=5;CP=&&NewPW=654321&&")


def test_commands_that_cannot_be_are_refused() -> None:
    for value in (0, 10_000):
        with pytest.raises(ValueError, match="RtdInterval"):
            parameter_set(STATION, "RtdInterval", value, NOW, ANY)
    for password in ("12345", "1234567", "1;CP=&", "密码密码密码"):
        with pytest.raises(ValueError, match="six"):
            password_set(STATION, password, NOW, ANY)
    with pytest.raises(ValueError, match="101"):
        request_reply(one(REAL_TIME), 101, ANY)
    with pytest.raises(BadPacket):
        clock_set(STATION, NOW, NOW, ANY, "w01018;NewPW=1&&")


def test_a_device_that_checks_as_modbus_is_answered_so() -> None:
    sent = data_ack(one(REAL_TIME), Profile(crc_mode="modbus"))
    assert sent == frame(DATA_ACK[6:-6], "modbus") != DATA_ACK


@pytest.mark.parametrize("code", REQUEST)
def test_a_request_reply_is_read(code: int) -> None:
    packet = Packet(MN, "2051", "32", "20160801085857223", "123456", 5, 2017)
    assert reply(one(request_reply(packet, code, ANY))) == ("20160801085857223", code, REQUEST[code])


@pytest.mark.parametrize("code", RESULT)
def test_an_execution_result_is_read_in_both_editions(code: int) -> None:
    assert reply(one(execution_result(of_2005(), code, ANY))) == ("20040516010101001", code, RESULT[code])


@pytest.mark.parametrize("cp", ["", "QnRtn=", "QnRtn=11", "QnRtn=x", "QnRtn=１", "QnRtn=-1", "ExeRtn=1"])
def test_replies_that_say_nothing_are_refused(cp: str) -> None:
    with pytest.raises(BadPacket) as refused:
        reply(Packet(MN, "9011", cp=cp))
    assert refused.value.kind == "reply"


def test_only_replies_are_replies() -> None:
    with pytest.raises(BadPacket):
        reply(Packet(MN, "9014", cp="QnRtn=1"))


def test_a_request_is_numbered_by_its_time_to_the_millisecond() -> None:
    assert qn(NOW) == "20160801085857223"
