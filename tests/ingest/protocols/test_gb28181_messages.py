"""SIP, digests, numbers and documents of GB/T 28181: vectors of the standards, and faults F23, F31 and F52."""

import http.server
import json
import random
import threading
from collections import Counter
from pathlib import Path
from time import monotonic

import pytest

from ingest.protocols.gb28181 import bodies, digest, messages, numbers
from ingest.protocols.gb28181.bodies import Catalog, Channel, Keepalive, Status
from ingest.protocols.gb28181.catalogs import WITHIN, Merger
from ingest.protocols.gb28181.errors import BodyError, DecodeError, DigestError, FrameError, HeadError
from ingest.protocols.gb28181.messages import MAX_BODY, MAX_HEAD, Message, Stream
from tests.conftest import SHARED_DATA
from tests.ingest.protocols.gb28181_samples import CAMERA, NOON, RECORDER, made, real, request, wire

VECTORS = SHARED_DATA.parent / "standards" / "vectors.json"
ROUNDS = 60_000


def test_digests_are_those_of_rfc_2617_and_of_the_standard() -> None:
    mufasa = digest.response(
        "Mufasa", "testrealm@host.com", "Circle Of Life", "GET", "/dir/index.html",
        "dcd98b7102dd2f0e8b11d0f600bfb0c093", "auth", "00000001", "0a4f113b",
    )  # fmt: skip
    assert mufasa == "6629fae49393a05397450978507c4ef1"
    uri = "sip:34020000002000000001@3402000000"
    found = digest.response("34020000001320000001", "3402000000", "12345678", "REGISTER", uri, "0123456789abcdef")
    assert found == "f5b64b8293ffd8f5fbc7f54849c0a4ca"


def test_digests_are_those_of_the_collection_of_vectors() -> None:
    if not VECTORS.is_file():
        pytest.skip(f"the vectors are not at {VECTORS}")
    vector = json.loads(VECTORS.read_text())["gb28181_register_noqop"]
    user, realm, password, uri, nonce = (vector[n] for n in ("username", "realm", "password", "uri", "nonce"))
    assert digest.response(user, realm, password, "REGISTER", uri, nonce) == vector["response"]


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("Basic abc", "digest"),
        ('Digest username="a",realm="b",nonce="c",uri="d"', "digest"),
        ('Digest username="a",realm="b",nonce="c",uri="d",response="e",algorithm=SM3', "algorithm"),
        ('Digest username="a",realm="b",nonce="c",uri="d",response="e",qop=auth-int,nc=00000001,cnonce="x"', "digest"),
        ('Digest username="a",realm="b",nonce="c",uri="d",response="e",qop=auth,nc=zzzzzzzz,cnonce="x"', "digest"),
        ('Digest username="a",realm="b",nonce="c",uri="d",response="e",qop=auth', "digest"),
        ("", "digest"),
    ],
)
def test_what_is_no_digest_is_refused_by_name(header: str, kind: str) -> None:
    with pytest.raises(DigestError) as refused:
        digest.parse(header)
    assert refused.value.kind == kind


def test_a_digest_with_a_count_says_which_use_of_the_nonce_it_is() -> None:
    proof = digest.Proof("u", "r", "n", "sip:x", "", "auth", "c0ffee", "0000000a")
    right = digest.response("u", "r", "pw", "REGISTER", "sip:x", "n", "auth", "0000000a", "c0ffee")
    again = digest.parse(
        digest.authorization(digest.Proof(*proof.__getstate__()[:4], right, *proof.__getstate__()[5:]))
    )
    assert again.count == 10 and again.fits("REGISTER", "pw") and not again.fits("REGISTER", "wp")


@pytest.mark.parametrize(
    ("number", "of"),
    [
        ("51170200441320000001", (44, 132, True, False)),
        ("34020000001110000001", (0, 111, False, True)),
        ("34020000002000000001", (0, 200, False, True)),
        ("33010000001118", None),
        ("3402000000132000000A", None),
        ("34020000009990000001", None),
        ("３４０２００００００１３２０００００１", None),
    ],
)
def test_numbers_have_twenty_digits_and_a_type(number: str, of: tuple[int, int, bool, bool] | None) -> None:
    if of is None:
        with pytest.raises(BodyError):
            numbers.parse(number)
        return
    found = numbers.parse(number)
    assert (found.industry, found.type, found.is_camera, found.has_cameras) == of
    assert found.warning == ""


def test_an_unknown_industry_is_a_warning_and_no_reason_to_refuse() -> None:
    assert "77" in numbers.parse("51170200771320000001").warning


def test_short_names_folded_lines_and_lonely_line_ends_are_read() -> None:
    text = (
        "MESSAGE sip:a@b SIP/2.0\nv: SIP/2.0/UDP 10.0.0.1;branch=x\nf: <sip:51170200441320000001@b>\n\t;tag=1\n"
        "t: <sip:a@b>\ni: 1\nCSeq: 3 MESSAGE\nl: 4\n\nabcdX"
    )
    found = messages.decode(text.encode())
    assert (found.user, found.cseq, found.body) == (CAMERA, 3, b"abcd")
    assert messages.parameter(found.header("from"), "tag") == "1"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ((b"SIP/2.0\r\n", b"HTTP/1.1\r\n"), "start-line"),
        ((b"CSeq: 1 REGISTER", b"CSeq: 1 MESSAGE"), "cseq"),
        ((b"CSeq: 1 REGISTER", b"CSeq: one REGISTER"), "cseq"),
        ((b"Call-ID: 1011047669\r\n", b""), "missing"),
        ((b"Call-ID: 1011047669", b"Call-ID 1011047669"), "header"),
        ((b"From: <sip:", b"From: <tel:"), "uri"),
        ((b"Content-Length: 0", b"Content-Length: 1"), "length"),
        ((b"Content-Length: 0", b"Content-Length: -1"), "length"),
        ((b"Content-Length: 0", b"Content-Length: 99999999"), "body-too-long"),
        ((b"Max-Forwards: 70", b"X: " + bytes(MAX_HEAD + 10)), "head-too-long"),
    ],
)
def test_what_is_no_message_is_refused_by_name(change: tuple[bytes, bytes], kind: str) -> None:
    wrong = messages.encode(request("REGISTER")).replace(*change)
    with pytest.raises((FrameError, HeadError)) as refused:
        messages.decode(wrong)
    assert refused.value.kind == kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"expires": "3600"}, 3600),
        ({"expires": "0"}, 0),
        ({"contact": "<sip:a@b>;expires=60", "expires": "3600"}, 60),
        ({}, None),
        ({"expires": "-1"}, None),
        ({"expires": "３６００"}, None),
    ],
)
def test_expires_is_the_contacts_own_or_the_header(headers: dict[str, str], seconds: int | None) -> None:
    assert request("REGISTER", **headers).expires == seconds


def test_a_stream_may_be_cut_anywhere_and_be_kept_open_by_empty_lines() -> None:
    wires = made()
    whole = b"\r\n\r\n".join(wires)
    chance = random.Random(28181)
    for _again in range(200):
        stream, found, at = Stream(), [], 0
        while at < len(whole):
            size = chance.choice((1, 7, 100, 1500))
            found += stream.feed(whole[at : at + size])
            at += size
        assert found == [messages.decode(each) for each in wires] and stream.pending == 0


def test_after_a_wrong_length_a_stream_is_lost_and_holds_nothing() -> None:
    stream = Stream()
    (error,) = stream.feed(messages.encode(request("MESSAGE")).replace(b"Content-Length: 0\r\n", b""))
    assert isinstance(error, FrameError) and error.kind == "no-length"
    assert stream.feed(made()[0]) == [] and stream.pending == 0
    assert [each.kind for each in Stream().feed(bytes(MAX_HEAD + 1)) if isinstance(each, FrameError)] == [
        "head-too-long"
    ]


def test_documents_come_back_as_they_were_written() -> None:
    channels = (Channel(CAMERA, "塔吊1号 <东> & 西", True), Channel("51170200441320000002", "𠮷大门", False))
    found = bodies.parse(bodies.catalog("9", RECORDER, 5, channels))
    assert found == Catalog("Response", "Catalog", "9", RECORDER, 5, channels)
    kept = bodies.parse(bodies.keepalive(3, RECORDER, (CAMERA,)))
    assert kept == Keepalive("Notify", "Keepalive", "3", RECORDER, False, (CAMERA,))
    alarm = bodies.parse(bodies.alarm(4, CAMERA, 2, 1, NOON))
    assert isinstance(alarm, bodies.Alarm) and alarm.is_video_lost and alarm.at == NOON
    heat = bodies.parse(bodies.alarm(4, CAMERA, 2, 4, NOON))
    assert isinstance(heat, bodies.Alarm) and heat.subject == "too-hot" and not heat.is_video_lost


@pytest.mark.parametrize(
    ("online", "status", "of"),
    [("ONLINE", "OK", (True, True)), ("OFFLINE", "ERROR", (False, False)), ("", "", (None, None))],
)
def test_the_answer_to_device_status(online: str, status: str, of: tuple[bool | None, bool | None]) -> None:
    text = (
        f"<Response><CmdType>DeviceStatus</CmdType><SN>1</SN><DeviceID>{CAMERA}</DeviceID><Result>OK</Result>"
        f"<Online>{online}</Online><Status>{status}</Status></Response>"
    )
    found = bodies.parse(text.encode())
    assert isinstance(found, Status) and (found.is_on, found.is_well) == of


@pytest.mark.parametrize(("event", "is_on"), [("OFF", False), ("VLOST", False), ("ON", True), ("ADD", None)])
def test_news_of_a_catalogue_say_what_happened(event: str, is_on: bool | None) -> None:
    text = (
        f"<Notify><CmdType>Catalog</CmdType><SN>1</SN><DeviceID>{RECORDER}</DeviceID><SumNum>1</SumNum>"
        f'<DeviceList Num="1"><Item><DeviceID>{CAMERA}</DeviceID><Event>{event}</Event></Item></DeviceList></Notify>'
    )
    found = bodies.parse(text.encode())
    assert isinstance(found, Catalog) and found.channels == (Channel(CAMERA, "", is_on),)
    assert Merger().add(found, 0.0) is None


@pytest.mark.parametrize("said", ["GB2312", "gbk", "GB18030", "UTF-8", ""])
def test_f31_texts_are_read_in_the_encoding_that_they_are_in(said: str) -> None:
    name = f' encoding="{said}"' if said else ""
    text = (
        f'<?xml version="1.0"{name}?><Notify><CmdType>Alarm</CmdType><AlarmDescription>塔吊</AlarmDescription></Notify>'
    )
    for codec in {"gb18030", "utf-8" if said in ("", "UTF-8") else "gb18030"}:
        found = bodies.parse(text.encode(codec))
        assert isinstance(found, bodies.Alarm) and found.text == "塔吊"


def test_f31_bad_bytes_and_nul_are_replaced() -> None:
    wrong = b'<?xml version="1.0" encoding="GB2312"?><Notify><CmdType>Alarm</CmdType><AlarmDescription>a\xff\x00b'
    found = bodies.parse(wrong + b"</AlarmDescription></Notify>")
    assert isinstance(found, bodies.Alarm) and found.text.startswith("a") and "\0" not in found.text


BOMB = "<!DOCTYPE a [" + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(10)) + "]>"


def test_f52_documents_with_a_dtd_are_refused_unread(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("a secret")
    asked: list[str] = []

    class Heard(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Heard) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/evil.dtd"
        inside = "<Notify><CmdType>Alarm</CmdType><AlarmDescription>{}</AlarmDescription></Notify>"
        include = f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="file://{canary}" parse="text"/>'
        attacks = {
            "file": f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{canary}">]>' + inside.format("&x;"),
            "external": f'<!DOCTYPE a SYSTEM "{url}">' + inside.format("x"),
            "bomb": BOMB + inside.format("&l9;"),
            "spaced": f'<! doctype a SYSTEM "{url}">' + inside.format("x"),
            "undeclared": inside.format("&x;"),
        }
        begun = monotonic()
        for name, text in attacks.items():
            for codec in ("utf-8", "gb18030"):
                with pytest.raises(BodyError) as refused:
                    bodies.parse(text.encode(codec))
                assert refused.value.kind in ("dtd", "xml"), name
        for codec in ("utf-16", "utf-7", "utf-32"):
            with pytest.raises(BodyError):
                bodies.parse(('<?xml version="1.0" encoding="utf-16"?>' + attacks["file"]).encode(codec))
        found = bodies.parse(inside.format(include).encode())
        assert isinstance(found, bodies.Alarm) and "secret" not in found.text
        assert monotonic() - begun < 5, "nothing is expanded"
        server.shutdown()
    assert asked == []


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<Notify>" + bytes(MAX_BODY), "too-long"),
        (b"<a>" * 100_000, "xml"),
        (b"<Notify>" + b"<a>" * 30 + b"</a>" * 30 + b"</Notify>", "too-deep"),
        (b"<Notify>" + b"<a>" * 150_000 + b"</a>" * 149_000, "xml"),
        (b'<?xml version="1.0" encoding="utf-16"?><Notify/>', "encoding"),
        (b"<html/>", "root"),
        (b"<Notify/>", "command"),
        (b"", "xml"),
    ],
)
def test_documents_that_are_none_are_refused_by_name(data: bytes, kind: str) -> None:
    with pytest.raises(BodyError) as refused:
        bodies.parse(data)
    assert refused.value.kind == kind


def test_a_catalogue_in_parts_is_whole_when_all_are_there_and_forgotten_when_late() -> None:
    numbers_of = [f"5117020044132000{n:04}" for n in range(5)]
    parts = [Catalog("Response", "Catalog", "7", RECORDER, 5, (Channel(n, "", True),)) for n in numbers_of]
    merger = Merger()
    assert [merger.add(part, 0.0) for part in (*parts[:4], parts[0])] == [None] * 5, "the same part twice is one"
    assert set(merger.add(parts[4], 1.0) or ()) == set(numbers_of)
    assert merger.add(parts[0], 2.0) is None and merger.expire(2.0 + WITHIN) == 1
    assert merger.add(parts[0], 90.0) is None
    other = Catalog("Response", "Catalog", "7", RECORDER, 3, ())
    assert merger.add(other, 91.0) is None and merger.expire(1e9) == 0, "a total that changes ends it (F20)"


def test_f23_mutated_messages_raise_nothing_but_refusals() -> None:
    chance, wires, outcomes = random.Random(36), made(), Counter[str]()
    if SHARED_DATA.is_dir():
        wires += [wire(line) for line in real(SHARED_DATA) if "SIP/2.0" in line["raw"].split("\n")[0]]
    for _round in range(ROUNDS):
        changed = bytearray(chance.choice(wires))
        for _fault in range(chance.randrange(1, 4)):
            at = chance.randrange(len(changed))
            match chance.randrange(5):
                case 0:
                    changed[at] ^= 1 << chance.randrange(8)
                case 1:
                    changed[at] = chance.choice(b"\r\n:;<>&\0\xff ")
                case 2:
                    del changed[at : at + chance.randrange(1, 40)]
                    changed = changed or bytearray(b"\n")
                case 3:
                    changed[at:at] = chance.randbytes(chance.randrange(1, 12))
                case 4:
                    changed[at:at] = changed[: chance.randrange(60)]
        outcomes[_outcome(bytes(changed))] += 1
        for each in Stream().feed(bytes(changed)):
            assert isinstance(each, Message | FrameError | HeadError)
    assert outcomes["read"] > ROUNDS / 10 and len(outcomes) > 8


def _outcome(data: bytes) -> str:
    try:
        message = messages.decode(data)
        assert message.user is not None and message.cseq >= 0 and messages.decode(messages.encode(message)) is not None
        if message.header("authorization"):
            digest.parse(message.header("authorization"))
        if message.body:
            bodies.parse(message.body)
    except DecodeError as error:
        return error.kind
    return "read"
