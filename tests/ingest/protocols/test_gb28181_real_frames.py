"""Every captured message of devices and platforms: read as its collection expects it, or refused by name."""

from pathlib import Path
from typing import Any

import pytest

from ingest.protocols.gb28181 import bodies, digest, messages, numbers
from ingest.protocols.gb28181.bodies import LOCAL, Alarm, Body, Catalog, Keepalive
from ingest.protocols.gb28181.catalogs import Merger
from ingest.protocols.gb28181.errors import BodyError, HeadError
from ingest.protocols.gb28181.messages import Message, Stream
from tests.ingest.protocols.gb28181_samples import real, wire


@pytest.fixture(scope="module")
def lines(shared_data: Path) -> dict[str, dict[str, Any]]:
    found = {line["id"]: line for line in real(shared_data)}
    assert len(found) == 45
    return found


def test_every_message_is_read_over_udp_and_tcp_alike(lines: dict[str, dict[str, Any]]) -> None:
    read = [line for line in lines.values() if "SIP/2.0" in line["raw"].split("\n")[0]]
    assert len(read) == 16
    for line in read:
        message = messages.decode(wire(line))
        assert line["raw"].startswith(f"SIP/2.0 {message.status}" if message.status else message.method), line["id"]
        assert Stream().feed(wire(line)) == [message], line["id"]
        # LF alone ends lines, too.
        assert messages.decode(wire(line).replace(b"\r\n", b"\n", line["raw"].partition("\n\n")[0].count("\n") + 2))
        expected = line["expected"]
        if "device_id" in expected:
            assert message.user == expected["device_id"] and numbers.parse(message.user).is_camera
        if "expires" in expected:
            assert message.expires == expected["expires"]
        if "platform_id" in expected:
            assert messages.uri_of(message.uri).user == expected["platform_id"]
        if "status" in expected:
            assert message.status == expected["status"]
        if "nonce" in expected and message.status:
            assert digest.asked(message.header("www-authenticate")) == (expected["realm"], expected["nonce"])
        if line.get("content_length_declared"):
            assert len(message.body) == line["content_length_declared"]


def test_the_captured_digest_fits_its_password_and_no_other(lines: dict[str, dict[str, Any]]) -> None:
    message = messages.decode(wire(lines["gb-005"]))
    proof = digest.parse(message.header("authorization"))
    assert (proof.user, proof.response) == (message.user, lines["gb-005"]["expected"]["response"])
    assert proof.fits("REGISTER", "123456")
    assert not proof.fits("REGISTER", "12345678") and not proof.fits("MESSAGE", "123456")


def document(line: dict[str, Any]) -> bytes:
    """What lies in a message, or stands alone."""
    is_message = "SIP/2.0" in line["raw"].split("\n")[0]
    return messages.decode(wire(line)).body if is_message else line["raw"].encode()


def test_every_document_is_read(lines: dict[str, dict[str, Any]]) -> None:
    read = [line for line in lines.values() if "CmdType>" in line["raw"]]
    assert len(read) == 27
    for line in read:
        body, expected = bodies.parse(document(line)), line["expected"]
        assert body.command == expected["CmdType"], line["id"]
        assert body.sn == expected.get("SN", body.sn) and body.device == expected.get("DeviceID", body.device)
        match line["kind"]:
            case "MESSAGE Keepalive":
                assert isinstance(body, Keepalive) and body.is_well and body.faulty == ()
            case "MESSAGE Response Catalog":
                assert isinstance(body, Catalog) and body.total == expected["SumNum"]
                assert [(c.number, c.is_on) for c in body.channels] == [
                    (item["DeviceID"], item["Status"] == "ON") for item in expected["items"]
                ]
                assert Merger().add(body, 0.0) is None, "two of eight are not all"
            case "Notify Alarm":
                assert isinstance(body, Alarm) and (body.priority, body.method, body.type) == (4, 2, 0)
                assert body.at is not None and body.at.astimezone(LOCAL).isoformat() == "2009-12-04T16:23:32+08:00"
                assert body.text == "警情描述" and body.subject == ""
            case "Notify Alarm GB/T 28181-2022 A.4":
                assert isinstance(body, Alarm) and body.device == ""
            case _:
                assert type(body) is Body


def test_what_is_no_signalling_is_refused_by_name(lines: dict[str, dict[str, Any]]) -> None:
    others = [line for line in lines.values() if "CmdType>" not in line["raw"] and "SIP/2.0" not in line["raw"]]
    assert len(others) == 8, "session descriptions and MANSRTSP, which the product does not speak"
    for line in others:
        with pytest.raises(HeadError):
            messages.decode(line["raw"].encode())
        with pytest.raises(BodyError) as refused:
            bodies.parse(line["raw"].encode())
        assert refused.value.kind == "xml", line["id"]


def test_the_answer_finds_back_behind_translated_addresses(lines: dict[str, dict[str, Any]]) -> None:
    for name in ("gb-001", "gb-003"):
        message = messages.decode(wire(lines[name]))
        said = messages.answer(message, 200, "OK", ("203.0.113.9", 41234), tag="t1")
        again = messages.decode(messages.encode(said))
        via = again.header("via")
        assert (messages.parameter(via, "received"), messages.parameter(via, "rport")) == ("203.0.113.9", "41234")
        assert via.count("received") == via.count("rport") == 1
        assert messages.parameter(via, "branch") == messages.parameter(message.header("via"), "branch")
        assert again.header("to") == message.header("to") + ";tag=t1"
        assert (again.header("from"), again.header("call-id"), again.cseq) == (
            message.header("from"), message.header("call-id"), message.cseq,
        )  # fmt: skip
        assert isinstance(again, Message) and again.status == 200
