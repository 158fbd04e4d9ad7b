"""Every frame of other projects' tests: read as expected there, or refused by name."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.protocols.jt808 import from_platform, from_terminal
from ingest.protocols.jt808.bodies import Body, parse
from ingest.protocols.jt808.errors import BodyError, DecodeError
from ingest.protocols.jt808.frames import Stream
from ingest.protocols.jt808.messages import Message, MessageId, decode, encode
from ingest.protocols.jt808.parts import Assembler
from ingest.protocols.jt808.positions import Position
from tests.ingest.protocols.jt808_samples import real

KNOWN = {f"0x{message_id:04X}" for message_id in MessageId}


@pytest.fixture(scope="module")
def lines(shared_data: Path) -> list[dict[str, Any]]:
    found = real(shared_data)
    assert len(found) == 359
    return found


def local(position: Position) -> str:
    assert position.at is not None
    return (position.at + timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M:%S")


def test_every_header_or_the_name_of_the_refusal(lines: list[dict[str, Any]]) -> None:
    outcomes: Counter[str] = Counter()
    for line in lines:
        wire, expected = bytes.fromhex(line["hex"]), line["header"]
        assert Stream().feed(wire) == [wire]
        if not (expected["check_ok"] and expected["len_ok"]):
            with pytest.raises(DecodeError) as caught:
                decode(wire)
            assert caught.value.kind == ("length" if expected["check_ok"] else "checksum"), line["id"]
            outcomes[caught.value.kind] += 1
            continue
        message = decode(wire)
        outcomes["read"] += 1
        header = message.header
        told = {
            "frame_ok": True, "check_ok": True, "len_ok": True, "msg_id": f"0x{header.message_id:04X}",
            "version2019": header.is_2019, "subpackage": header.is_split, "encrypt": header.encryption,
            "body_len_declared": header.length, "body_len_actual": len(message.body), "phone_bcd": header.phone,
            "serial": header.serial,
        }  # fmt: skip
        if header.is_2019:
            told["protocol_version"] = header.protocol_version
        if header.is_split:
            told |= {"sub_total": header.total, "sub_no": header.number}
        assert told == {name: value for name, value in expected.items() if name != "loc"}, line["id"]
        if not header.is_split:
            same = encode(
                header.message_id, message.body, phone=header.phone, serial=header.serial,
                protocol_version=header.protocol_version,
            )  # fmt: skip
            assert same == wire, line["id"]
    assert outcomes == {"read": 335, "checksum": 18, "length": 6}


def test_every_body_is_read_or_its_message_is_unknown(lines: list[dict[str, Any]]) -> None:
    outcomes: Counter[str] = Counter()
    for line in readable(lines):
        message = decode(bytes.fromhex(line["hex"]))
        if line["header"]["msg_id"] in KNOWN and not line["header"]["subpackage"]:
            parse(message)
            outcomes["read"] += 1
            continue
        with pytest.raises(BodyError) as caught:
            parse(message)
        assert caught.value.kind == ("part" if line["header"]["subpackage"] else "unknown-message"), line["id"]
        outcomes[caught.value.kind] += 1
    assert outcomes == {"read": 109, "part": 24, "unknown-message": 202}


def test_every_location(lines: list[dict[str, Any]]) -> None:
    compared = 0
    for line in readable(lines):
        expected = line["header"].get("loc")
        if expected is None:
            continue
        found = parse(decode(bytes.fromhex(line["hex"])))
        assert isinstance(found, Position)
        assert {
            "alarm": f"{found.alarm:08x}", "status": f"{found.status:08x}", "positioned": found.is_fixed,
            "acc": found.is_running, "lat": found.lat, "lon": found.lon, "alt_m": found.altitude,
            "speed_kmh": found.speed, "course": found.heading, "bcd_time_gmt8": local(found),
        } == {name: value for name, value in expected.items() if name != "extra"}, line["id"]  # fmt: skip
        assert sorted(items_of(found)) == sorted(map(tuple, expected["extra"])), line["id"]
        compared += 1
    assert compared == 29


def items_of(position: Position) -> list[tuple[str, str]]:
    """The items as they were sent, from the values they became."""
    extras = position.extras
    numbers = [
        ("01", 8, position.mileage_km, 10), ("02", 4, position.fuel_l, 10), ("03", 4, extras.get("recorder_kmh"), 10),
        ("30", 2, extras.get("signal"), 1), ("31", 2, extras.get("satellites"), 1),
    ]  # fmt: skip
    sent = [(item, f"{round(value * unit):0{width}x}") for item, width, value, unit in numbers if value is not None]
    tail = extras.get("tail")
    return sent + extras.get("items", []) + ([(tail[:2], tail[4:])] if tail else [])


def readable(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["header"]["check_ok"] and line["header"]["len_ok"]]


def test_everything_that_yezhihao_expects(lines: list[dict[str, Any]]) -> None:
    bodies = 0
    for line in readable(lines):
        expected = line["expected"]
        if not expected or "asserts" in expected:
            continue
        message = decode(bytes.fromhex(line["hex"]))
        assert in_common(message) == {name: expected[name] for name in in_common(message)}, line["id"]
        if line["header"]["msg_id"] in KNOWN:
            told = of_yezhihao(parse(message))
            assert told == {name: value for name, value in expected.items() if name in told}, line["id"]
            rest = set(expected) - set(told) - set(in_common(message)) - {"verified", "attributes"}
            assert rest - {"parameters"} == set(), line["id"]
            bodies += 1
    assert bodies == 28


def in_common(message: Message) -> dict[str, Any]:
    header = message.header
    return {
        "messageId": header.message_id, "properties": header.attributes,
        "protocolVersion": header.protocol_version or 0, "clientId": header.phone, "serialNo": header.serial,
    }  # fmt: skip


def of_yezhihao(body: Body) -> dict[str, Any]:
    """A body with that project's names for its fields."""
    match body:
        case Position():
            return {
                "warnBit": body.alarm, "statusBit": body.status, "latitude": micro(body, body.lat),
                "longitude": micro(body, body.lon), "altitude": body.altitude, "speed": round(body.speed * 10),
                "direction": body.heading, "deviceTime": local(body),
            }  # fmt: skip
        case from_terminal.GeneralReply(serial, message_id, result):
            return {"responseSerialNo": serial, "responseMessageId": message_id, "resultCode": result}
        case from_terminal.Registration():
            return {
                "provinceId": body.province, "cityId": body.city, "makerId": body.maker, "deviceModel": body.model,
                "deviceId": body.terminal_id, "plateColor": body.plate_colour, "plateNo": body.plate,
            }  # fmt: skip
        case from_terminal.Authentication(code, imei, software):
            return {"token": code} | ({"imei": imei, "softwareVersion": software} if imei else {})
        case from_terminal.AttributesReply():
            return {
                "deviceType": body.terminal_type, "makerId": body.maker, "deviceModel": body.model,
                "deviceId": body.terminal_id, "iccid": body.iccid, "hardwareVersion": body.hardware,
                "firmwareVersion": body.firmware, "gnssAttribute": body.gnss, "networkAttribute": body.network,
            }  # fmt: skip
        case from_terminal.ParametersReply(serial, _):
            return {"responseSerialNo": serial}
        case from_terminal.LocationReply(serial, position):
            return {"responseSerialNo": serial, **of_yezhihao(position)}
        case from_terminal.Batch(is_back_fill, positions):
            blank = {"messageId": 0, "properties": 0, "protocolVersion": 0, "serialNo": 0, "verified": True}
            items = [of_yezhihao(position) | blank for position in positions]
            return {"total": len(positions), "type": int(is_back_fill), "items": items}
        case from_platform.ResendParts(serial, numbers):
            return {"responseSerialNo": serial, "id": list(numbers)}
        case from_platform.RegistrationReply(serial, result, code):
            return {"responseSerialNo": serial, "resultCode": result, "token": code}
        case from_platform.QueryParameters(ids):
            return {"id": list(ids)}
    return {}


def micro(position: Position, degrees: float) -> int:
    return abs(round(degrees * 1e6))


def test_the_parameters_that_yezhihao_expects(lines: list[dict[str, Any]]) -> None:
    compared = 0
    for line in readable(lines):
        expected = (line["expected"] or {}).get("parameters")
        if expected and line["header"]["msg_id"] in KNOWN:
            found = parse(decode(bytes.fromhex(line["hex"])))
            assert isinstance(found, from_terminal.ParametersReply | from_platform.SetParameters)
            assert {str(item) for item, _ in found.values} == set(expected)
            compared += 1
    assert compared == 4


def position_of(body: Any, index: int = 0) -> Position:
    match body:
        case Position():
            return body
        case from_terminal.LocationReply(_, position):
            return position
    return body.positions[index]


ASSERTED: list[tuple[str, Callable[[Message, Any], Any]]] = [
    (r"Header\.MsgId", lambda message, body: message.header.message_id),
    (r"Header\.MsgNum", lambda message, body: message.header.serial),
    (r"Header\.TerminalPhoneNo", lambda message, body: message.header.terminal),
    # Its default is 1, also for a header of 2011, which has no version.
    (r"Header\.ProtocolVersion", lambda message, body: message.header.protocol_version or 1),
    (r"BodyProperty\.DataLength", lambda message, body: message.header.length),
    (r"AlarmFlag", lambda message, body: position_of(body).alarm),
    (r"StatusFlag", lambda message, body: position_of(body).status),
    (r"Altitude", lambda message, body: position_of(body).altitude),
    (r"GPSTime", lambda message, body: local(position_of(body)).replace("T", " ")),
    (r"Lat", lambda message, body: micro(body, position_of(body).lat)),
    (r"Lng", lambda message, body: micro(body, position_of(body).lon)),
    (r"Speed", lambda message, body: round(position_of(body).speed * 10)),
    (r"0x0200\.Direction", lambda message, body: position_of(body).heading),
    (r"JT808Bodies\.Count", lambda message, body: len(body.positions)),
    (r"(Bodies|Request)\.Code", lambda message, body: body.code),
    (r"AreaID", lambda message, body: body.province),
    (r"CityOrCountyId", lambda message, body: body.city),
    (r"MakerId", lambda message, body: body.maker),
    (r"TerminalModel", lambda message, body: body.model),
    (r"TerminalId", lambda message, body: body.terminal_id),
    (r"PlateColor", lambda message, body: body.plate_colour),
    (r"PlateNo", lambda message, body: body.plate),
    (r"(Ack|Reply)MsgNum", lambda message, body: body.serial),
    (r"(Ack|Reply)MsgId", lambda message, body: body.message_id),
    (r"AnswerParamsCount", lambda message, body: len(body.values)),
    (r"TerminalType", lambda message, body: body.terminal_type),
    (r"SIM_ICCID", lambda message, body: body.iccid),
    (r"Hardware_Version_Num", lambda message, body: body.hardware),
    (r"Firmware_Version_Num", lambda message, body: body.firmware),
    (r"GNSSModule", lambda message, body: body.gnss),
    (r"CommunicationModule", lambda message, body: body.network),
]
"""What that project asserts by the end of its name, and where it stands here."""


def literal(text: str) -> Any:
    """A C# literal; None for what is not one."""
    if found := re.search(r"_0x([0-9A-F]{4})", text, re.I):
        return int(found[1], 16)
    if found := re.fullmatch(r'(?:DateTime\.Parse\()?"(.*?)"\)?', text):
        return found[1]
    if found := re.fullmatch(r"(?:\(uint\))?(0x[0-9A-Fa-f]+|\d+)u?", text):
        return int(found[1], 0)
    return None


def test_what_smallchi_asserts(lines: list[dict[str, Any]]) -> None:
    compared: Counter[str] = Counter()
    for line in readable(lines):
        message = decode(bytes.fromhex(line["hex"]))
        if not line["expected"] or "asserts" not in line["expected"] or line["header"]["msg_id"] not in KNOWN:
            continue
        body = parse(message)
        for name, text in line["expected"]["asserts"]:
            expected = literal(text)
            of_batch = re.search(r"Positions\[(\d)\]\.", name)
            wanted = position_of(body, int(of_batch[1])) if of_batch else body
            for pattern, get in ASSERTED:
                if expected is not None and re.search(pattern + "$", name):
                    if "TerminalPhoneNo" in pattern:
                        expected = expected.lstrip("0")
                    assert get(message, wanted) == expected, (line["id"], name)
                    compared[pattern] += 1
    assert set(compared) == {pattern for pattern, _ in ASSERTED}, "every pattern found its assertion"
    assert compared.total() > 150


def test_real_sub_packets_come_together(lines: list[dict[str, Any]]) -> None:
    assembler = Assembler()
    whole = []
    for line in readable(lines):
        if line["header"]["subpackage"]:
            message = assembler.add(decode(bytes.fromhex(line["hex"])), 0.0)
            whole += [message] if message else []
    assert [(f"{m.header.message_id:04x}", len(m.serials), len(m.body)) for m in whole] == [
        ("1205", 18, 286 + 17 * 280),
        ("0104", 2, 1000 + 169),
        ("1205", 2, 930 + 56),
        ("0104", 2, 1008 + 211),
    ]
    first, second = (parse(message) for message in whole if message.header.message_id == 0x0104)
    assert isinstance(first, from_terminal.ParametersReply) and isinstance(second, from_terminal.ParametersReply)
    assert (whole[1].body[2], len(first.values), first.values[-1][0]) == (88, 84, 0x77), "then it fills with zeros"
    assert (whole[3].body[2], len(second.values)) == (107, 107)
    assert dict(first.values)[0x13] == b"183.230.82.18"


def test_f23_all_frames_in_one_stream_cut_anywhere(lines: list[dict[str, Any]]) -> None:
    frames = [bytes.fromhex(line["hex"]) for line in lines]
    wire = b"".join(frames)
    for size in (1, 7, 64, 1000, len(wire)):
        stream = Stream()
        found = [item for at in range(0, len(wire), size) for item in stream.feed(wire[at : at + size])]
        assert found == frames
