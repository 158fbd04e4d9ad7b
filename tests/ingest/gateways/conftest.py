"""A real gateway process on the database of the server, and devices that talk to it over TCP."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings

from ingest.protocols.hj212.errors import Refused
from ingest.protocols.hj212.frames import Frame, Stream
from ingest.protocols.hj212.packets import Packet, decode, encode
from ingest.protocols.hj212.profile import Profile
from ingest.protocols.hj212.replies import DEVICE_TIME, qn
from services.catalog.sealed import seal
from services.telemetry.devices import KEY_FOR, PASSWORD_FOR
from tests.conftest import Server
from tests.ingest.gateways.boxes import Caller, free_port

PASSWORD = "123456"
KEY = bytes(range(16))
UNITS = '{"a34001": "µg/m³", "a34002": "µg/m³", "a34004": "µg/m³"}'


@dataclass
class Gateway:
    """The process, and the database that it writes to."""

    server: Server
    port: int
    protocol: str = "hj212"
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = [sys.executable, "manage.py", "gateway", f"{self.protocol}:{self.port}"]
        # Other addresses of this machine are strangers, so that they can flood it.
        environment = os.environ | {"ZHUTU_PGDATABASE": self.server.database, "ZHUTU_GATEWAY_TRUSTED": "127.0.0.1"}
        log = (settings.LOCAL / f"{self.server.database}_gateway.log").open("ab")
        self.process = subprocess.Popen(command, cwd=settings.ROOT, env=environment, stdout=log, stderr=log)
        log.close()
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the gateway did not start; see .local/*_gateway.log")

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def register(self, mn: str, state: str = "active", key: bytes = b"") -> None:
        """Make a device known; the gateway reads it within seconds."""
        self.server.sql(
            """
            insert into telemetry_device
                (protocol, number, name, state, secret, password, units, crc_mode, datatime_is, missing_flag,
                 minute_span, "interval", base, back_days, sm4_key, created_at)
            values ('hj212', %s, '', %s, '', %s, %s, 'standard', 'start', 'N', 10, 60, 0, 30, %s, now())
            """,
            mn, state, seal(PASSWORD, PASSWORD_FOR), UNITS, seal(key.hex(), KEY_FOR),
        )  # fmt: skip

    def readings(self, mn: str) -> list[Any]:
        """(factor code, measuring time, value) of what is stored of a device."""
        return self.server.sql(
            """
            select f.code, r.at, r.value from telemetry_reading r join telemetry_device d on d.id = r.device
            join telemetry_factor f on f.id = r.factor where d.protocol = %s and d.number = %s
            order by r.at, f.code
            """,
            self.protocol,
            mn,
        )


class Talker(Caller[Packet]):
    """A device's end of a connection."""

    def __init__(self, port: int, profile: Profile | None = None, address: str = "127.0.0.1") -> None:
        super().__init__(port, address)
        self.profile = profile or Profile()
        self.stream: Stream[Packet] = Stream(self._read)

    def _read(self, frame: Frame) -> Packet:
        return decode(frame, Profile())

    def send(self, *packets: Packet, encrypt: bool = False) -> None:
        """Send packets in one piece."""
        self.socket.sendall(b"".join(encode(packet, self.profile, encrypt=encrypt) for packet in packets))

    def _messages(self, data: bytes) -> list[Packet]:
        return [each for each in self.stream.feed(data) if not isinstance(each, Refused)]


def packet(mn: str, at: datetime, value: float = 88.0, password: str = PASSWORD, **more: Any) -> Packet:
    """A real-time packet of PM10 and noise."""
    cp = f"DataTime={at.astimezone(DEVICE_TIME):%Y%m%d%H%M%S};a34002-Rtd={value},a34002-Flag=N;LA-Rtd=63.5,LA-Flag=N"
    return Packet(mn, "2011", "39", qn(at), password, more.pop("flag", 9), more.pop("version", 2025), cp=cp, **more)


def now() -> datetime:
    """This second."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="session")
def running(server: Server) -> Iterator[Gateway]:
    found = Gateway(server, free_port())
    for mn in ("KNOWN", "FLOOD", "CALM", "KILLED", "CLOCK", "PARTS", "NOISE", "CUT", "SPOILED", "GUESSED", "MANIFOLD"):
        found.register(mn)
    found.register("SECRET", key=KEY)
    found.register("BLOCKED", "blocked")
    found.register("WRONG")
    server.sql("""update telemetry_device set units = '{"a34002": "stones"}' where number = 'WRONG'""")
    found.start()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.process.terminate()
        assert found.process.wait(20) == 0, "a gateway that is asked to end does so in good order"


@pytest.fixture
def gateway(running: Gateway) -> Gateway:
    """A gateway that runs."""
    if running.process is None or running.process.poll() is not None:
        running.start()
    return running
