"""A real existing system in a process of its own, and sources that an administrator settles for its doors."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from ingest.feeds import pulling
from ingest.simulators import existing
from layers.sewage.models import SewagePlant
from services.access.principal import Principal
from services.feeds import sources
from services.feeds.models import Run, Source
from services.notify.models import Destination
from services.telemetry import devices
from services.telemetry.models import Reading
from tests.conftest import HOME

MINUTES = 90
BEGIN = (datetime.now(UTC) - timedelta(hours=3)).replace(second=0, microsecond=0)


@dataclass
class Existing:
    """The process, by its doors."""

    port: int
    stations: tuple[str, ...]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def misbehave(self, **faults: Any) -> None:
        """From now on, with these faults and no others; what it was asked for is forgotten."""
        self._ask("PUT", "/faults", faults)

    def calls(self) -> list[str]:
        """What it was asked for since then."""
        found: list[str] = self._ask("GET", "/calls")
        return found

    def push(self, url: str, token: str, **more: Any) -> dict[str, Any]:
        """Have it push."""
        found: dict[str, Any] = self._ask("POST", "/push", {"url": url, "token": token, **more})
        return found

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        with urllib.request.urlopen(request, timeout=40) as answer:
            return json.loads(answer.read())


STATIONS = ("FEED-1", "FEED-2")
"""Codes of the plants at which the existing system measures."""


@pytest.fixture(scope="session")
def process() -> Iterator[Existing]:
    with running() as system:
        yield system


@contextmanager
def running() -> Iterator[Existing]:
    """An existing system in a process of its own."""
    command = [
        sys.executable, "-m", "ingest.simulators.existing", "--port", "0", "--begin", BEGIN.isoformat(),
        "--minutes", str(MINUTES), *(part for station in STATIONS for part in ("--station", station)),
    ]  # fmt: skip
    made = subprocess.Popen(command, cwd=settings.ROOT, stdout=subprocess.PIPE, text=True)
    assert made.stdout is not None
    port = int(made.stdout.readline().rpartition(" ")[2])
    yield Existing(port, STATIONS)
    made.kill()
    made.wait(10)


@pytest.fixture
def system(process: Existing, db: None) -> Existing:
    """The existing system, in good order and on the list of hosts that may be called."""
    process.misbehave()
    Destination.objects.create(host="127.0.0.1", port=process.port, internal=True, note="existing system")
    return process


@pytest.fixture
def admin(who: dict[str, Principal]) -> Principal:
    return who["admin"]


@pytest.fixture
def plants(db: None) -> dict[str, SewagePlant]:
    """The plants by code."""
    return {
        code: SewagePlant.objects.create(code=code, name=f"{code} 污水处理厂", region_id=HOME, state="running")
        for code in STATIONS
    }


FACTORS = [["cod", "w01018", "mg/L"], ["nh3n", "w21003", "mg/L"], ["flow", "w00000", "m³/h"], ["level", "level", ""]]
READINGS: dict[str, Any] = {
    "name": "现有污水系统", "url": "/api/values", "auth": "bearer", "secret": existing.TOKEN,
    "parameters": "from={since}\npage={page}\nsize={size}", "list_path": "data.items", "ok_path": "code",
    "ok_value": "0", "cursor": "time", "paging": "page", "begin_at": BEGIN, "overlap": 10,
    "mapping": {
        "device": "stationCode", "time": "monitorTime", "flag": "status", "good": "0", "factors": FACTORS,
    },
}  # fmt: skip
"""What an administrator settles for the JSON door."""


@pytest.fixture
def settle(system: Existing, admin: Principal) -> Callable[..., Source]:
    """``settle(auth="none", …)``: the JSON door with other settings, switched on."""

    def made(on: bool = True, **values: Any) -> Source:
        given = {**READINGS, **values}
        secret = given.pop("secret", None)
        if given.get("url", "").startswith("/"):
            given["url"] = system.url + given["url"]
        source = sources.save(admin, None, given, secret)
        return sources.switch(admin, source.pk, True) if on else source

    return made


def pull(source: Source) -> Run:
    """Pull it now."""
    Source.objects.filter(pk=source.pk).update(next_at=timezone.now())
    run = pulling.pull(source.pk)
    assert run is not None
    source.refresh_from_db()
    return run


def bind(admin: Principal, source: Source, plants: dict[str, SewagePlant]) -> None:
    """Approve the stations that wait, each for the plant of its code."""
    for station in sources.stations(source).filter(state="pending"):
        devices.approve(admin, station.pk, plants[station.number.partition(":")[2]].pk)


@pytest.fixture
def bound(settle: Callable[..., Source], admin: Principal, plants: dict[str, SewagePlant]) -> Source:
    """The JSON door with its stations bound and nothing read yet."""
    source = settle()
    pull(source)
    bind(admin, source, plants)
    sources.rewind(admin, source.pk, None)
    source.refresh_from_db()
    Run.objects.filter(source=source).delete()
    return source


def stored(source: Source, code: str = "w01018") -> dict[tuple[str, datetime], float | None]:
    """(Station, time) → value of what is stored."""
    stations = {s.pk: s.number.partition(":")[2] for s in sources.stations(source)}
    rows = Reading.objects.filter(device__in=list(stations), factor__code=code)
    return {(stations[device], at): value for device, at, value in rows.values_list("device_id", "at", "value")}


def expected(name: str = "cod", scale: float = 1.0) -> dict[tuple[str, datetime], float]:
    """What the existing system holds, computed from its own rows."""
    found = {}
    for n in range(MINUTES):
        for station in STATIONS:
            at = BEGIN + timedelta(minutes=n)
            found[station, at] = round(float(existing.row(station, at)[name]) * scale, 6)
    return found
