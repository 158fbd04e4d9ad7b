"""What gateway tests share: processes, devices' ends of connections, the broker, and what is left in the database."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.conftest import Server


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(holds: Callable[[], Any], within: float = 30.0, every: float = 0.1) -> Any:
    """What ``holds`` gives as soon as that is something, or its last answer."""
    end = time.monotonic() + within
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(every)
    return found


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Caller[M](ABC):
    """A device's end of a TCP connection; messages of type ``M`` come back."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10, (address, 0))
        self.heard: list[M] = []

    @abstractmethod
    def _messages(self, data: bytes) -> list[M]:
        """The messages that these bytes complete."""

    def answers(self, number: int, within: float = 10.0) -> list[M]:
        """The next answers, fewer where they do not come in time."""
        until = time.monotonic() + within
        while len(self.heard) < number and (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                break
            except ConnectionError:
                data = b""
            if not data:
                break
            self.heard += self._messages(data)
        found, self.heard = self.heard[:number], self.heard[number:]
        return found

    def is_closed(self, within: float = 10.0) -> bool:
        """Whether the gateway hangs up."""
        self.socket.settimeout(within)
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True


@dataclass
class Process:
    """Something that runs, is killed and runs again."""

    command: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[], Any]) -> None:
        """Start it and wait."""
        with self.log.open("ab") as log:
            environment = os.environ | self.environment
            self.process = subprocess.Popen(self.command, cwd=settings.ROOT, env=environment, stdout=log, stderr=log)
        assert until(ready, 60), f"{self.command} did not start; see {self.log}"

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def end(self) -> int:
        """Ask it to end."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(30)


def gateway(server: Server, *protocols: str, **environment: str) -> Process:
    """``gateway(server, "http:9300")`` as ``manage.py gateway`` runs it on the server's database."""
    given = {"ZHUTU_PGDATABASE": server.database} | environment
    command = [sys.executable, "manage.py", "gateway", *protocols]
    return Process(command, settings.LOCAL / f"{server.database}_boxes.log", given)


def broker(folder: Path, port: int) -> Process:
    """Mosquitto with the product's own configuration; the set-up installs it."""
    assert shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists(), "mosquitto is missing: make test"
    folder.mkdir(parents=True, exist_ok=True)
    return Process(["bash", "deploy/broker.sh", str(folder), str(port)], folder / "broker.log")


def register(server: Server, protocol: str, number: str, secret: str, state: str = "active") -> None:
    """Make a box known."""
    server.sql(
        """
        insert into telemetry_device
            (protocol, number, name, state, secret, units, crc_mode, datatime_is, missing_flag, minute_span,
             "interval", base, back_days, sm4_key, created_at)
        values (%s, %s, '', %s, %s, '{"a34002": "µg/m³"}', 'standard', 'start', 'N', 10, 60, 0, 30, '', now())
        """,
        protocol, number, state, secret,
    )  # fmt: skip


def stored(server: Server, protocol: str, number: str) -> list[tuple[Any, ...]]:
    """(factor code, measuring time, value, quality) of what is stored of a device."""
    return server.sql(
        """
        select f.code, r.at, r.value, r.quality from telemetry_reading r join telemetry_device d on d.id = r.device
        join telemetry_factor f on f.id = r.factor where d.protocol = %s and d.number = %s
        order by r.at, f.code
        """,
        protocol,
        number,
    )


def record(at: datetime, value: Any = 88.0) -> dict[str, Any]:
    """One record of dust and noise."""
    return {"time": at.isoformat(), "values": {"a34002": value, "LA": {"value": 63.5, "flag": "N"}}}


_CALLS = itertools.count(1)


def times(number: int) -> list[datetime]:
    """So many seconds, one after the other, that nobody asked for before."""
    begin = datetime.now(UTC).replace(microsecond=0) - next(_CALLS) * timedelta(minutes=30)
    return [begin + timedelta(seconds=n) for n in range(number)]
