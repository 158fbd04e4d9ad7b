"""Messages of the tests of GB/T 28181: some of every kind, made here, and the real ones where they are."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.protocols.gb28181 import bodies, digest, messages
from ingest.protocols.gb28181.bodies import Channel
from ingest.protocols.gb28181.messages import Message

CAMERA, RECORDER, PLATFORM = "51170200441320000001", "51170200441180000001", "51170000442000000001"
NOON = datetime(2026, 11, 28, 4, 0, tzinfo=UTC)
"""Noon in Dazhou."""


def request(method: str, number: str = CAMERA, body: bytes = b"", **more: str) -> Message:
    """A request of a device; ``expires="60"`` and the like are headers of their own."""
    headers = [
        ("via", "SIP/2.0/UDP 192.168.1.64:5060;rport;branch=z9hG4bK1371463273"),
        ("from", f"<sip:{number}@5117000044>;tag=2043466181"), ("to", f"<sip:{number}@5117000044>"),
        ("call-id", "1011047669"), ("cseq", f"1 {method}"), ("max-forwards", "70"),
        *((name.replace("_", "-"), value) for name, value in more.items()),
    ]  # fmt: skip
    return Message(method, f"sip:{PLATFORM}@5117000044", tuple(headers), body)


def made() -> list[bytes]:
    """One message of each kind, as bytes."""
    proof = digest.Proof(CAMERA, "5117000044", "0123456789abcdef", "sip:a@b", "0" * 32)
    channels = (Channel(CAMERA, "塔吊1号 <东>", True), Channel("51170200441320000002", "大门", False))
    register = request("REGISTER", expires="3600", contact=f"<sip:{CAMERA}@192.168.1.64:5060>")
    return [messages.encode(each) for each in (
        register,
        request("REGISTER", expires="3600", authorization=digest.authorization(proof)),
        request("REGISTER", expires="0"),
        request("MESSAGE", body=bodies.keepalive(7, CAMERA)),
        request("MESSAGE", RECORDER, bodies.keepalive(8, RECORDER, (CAMERA,))),
        request("MESSAGE", RECORDER, bodies.catalog("9", RECORDER, 2, channels)),
        request("MESSAGE", body=bodies.alarm(10, CAMERA, 2, 1, NOON)),
        request("MESSAGE", PLATFORM, bodies.query("Catalog", 11, RECORDER)),
        messages.answer(register, 401, "Unauthorized", ("10.0.0.1", 6060), tag="a"),
    )]  # fmt: skip


def real(shared_data: Path) -> list[dict[str, Any]]:
    """The lines of the collection; skipped by the caller where it is absent."""
    text = (shared_data / "protocol" / "gb28181" / "messages.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def wire(line: dict[str, Any]) -> bytes:
    """A line as it was sent: its head with CRLF, its body with the line ends that its Content-Length counts."""
    head, _blank, body = line["raw"].partition("\n\n")
    # The collection leaves out the last line end.
    body += "\n" if body else ""
    match line.get("eol", ""):
        case "CRLF":
            body = body.replace("\n", "\r\n")
        case str(said) if said.startswith("LF, but CRLF"):
            body = body.replace("\n", "\r\n", 1)
    return (head.replace("\n", "\r\n") + "\r\n\r\n" + body).encode()
