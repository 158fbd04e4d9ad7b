"""A vehicle terminal's end of a connection to the JT/T 808 gateway."""

from datetime import datetime
from typing import Any

from ingest.protocols.jt808 import from_platform, from_terminal
from ingest.protocols.jt808.bodies import Body, parse
from ingest.protocols.jt808.frames import Stream
from ingest.protocols.jt808.messages import Message, MessageId, decode, packets
from ingest.protocols.jt808.positions import Position, build_position
from tests.ingest.gateways.boxes import Caller

TOLD = from_terminal.Registration(51, 1702, "ZT", "SIM-1", "T000001", 2, "川S12345")


def position(at: datetime, lon: float = 107.5, lat: float = 31.2, speed: float = 36.0, **more: Any) -> Position:
    """A fix with the ignition on."""
    return Position(at, lon, lat, 300, speed, 90, 3, 0, **more)


class Terminal(Caller[Message]):
    """Connects, sends, and hears what the gateway answers."""

    def __init__(self, port: int, phone: str, version: int | None = None, address: str = "127.0.0.1") -> None:
        super().__init__(port, address)
        self.phone, self.version, self.serial = phone, version, 0
        self.stream = Stream()

    def frames(self, message_id: int, body: bytes = b"") -> list[bytes]:
        """A message as frames, with the next serials."""
        made = packets(message_id, body, phone=self.phone, serial=self.serial, protocol_version=self.version)
        self.serial = (self.serial + len(made)) % 65536
        return made

    def send(self, message_id: int, body: bytes = b"") -> int:
        """Send a message and return the serial of its first frame."""
        first = self.serial
        self.socket.sendall(b"".join(self.frames(message_id, body)))
        return first

    def locate(self, *fixes: Position) -> list[int]:
        """Send location reports in one piece and return their serials."""
        first = self.serial
        self.socket.sendall(
            b"".join(frame for fix in fixes for frame in self.frames(MessageId.LOCATION, build_position(fix)))
        )
        return [(first + n) % 65536 for n in range(len(fixes))]

    def _messages(self, data: bytes) -> list[Message]:
        return [decode(each) for each in self.stream.feed(data) if isinstance(each, bytes)]

    def answer(self, within: float = 10.0) -> Body | None:
        """What the next answer says."""
        found = self.answers(1, within)
        return parse(found[0]) if found else None

    def acknowledged(self, number: int, within: float = 10.0) -> list[int]:
        """The serials of so many general answers that say "done"."""
        bodies = [parse(message) for message in self.answers(number, within)]
        return [body.serial for body in bodies if isinstance(body, from_terminal.GeneralReply) and body.result == 0]

    def register(self, told: from_terminal.Registration = TOLD) -> from_platform.RegistrationReply:
        """Ask for a code."""
        self.send(MessageId.REGISTER, from_terminal.build_registration(told, self.version is not None))
        answer = self.answer()
        assert isinstance(answer, from_platform.RegistrationReply), answer
        return answer

    def authenticate(self, code: str) -> int | None:
        """Show a code; the result, or None where nothing is answered."""
        body = from_terminal.build_authentication(
            from_terminal.Authentication(code, "866000000000001", "1.0"), self.version is not None
        )
        self.send(MessageId.AUTHENTICATE, body)
        answer = self.answer()
        return answer.result if isinstance(answer, from_terminal.GeneralReply) else None

    def enter(self, told: from_terminal.Registration = TOLD) -> str:
        """Register and authenticate; the code."""
        reply = self.register(told)
        assert reply.result == 0, reply
        assert self.authenticate(reply.code) == 0
        return reply.code
