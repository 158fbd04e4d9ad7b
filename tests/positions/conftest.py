"""Terminals and positions that are really committed, over connections of their own, and taken away afterwards."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection

from services.positions.store import Row, Store
from tests.conftest import connect
from tests.telemetry.conftest import NOON, insert_device

LON, LAT = 107.5, 31.2
METRE = 1 / 110_870
"""Degrees of latitude here in a metre, nearly."""
EMPTY = """
truncate positions_position, positions_latest, positions_leg, positions_mark, positions_aside, telemetry_outage,
    telemetry_presence;
delete from positions_terminal;
delete from telemetry_device;
"""


@pytest.fixture
def link(django_db_setup: None) -> Iterator[psycopg.Connection]:
    """A connection to the test database that commits."""
    with connect(connection.settings_dict["NAME"]) as link:
        link.execute(EMPTY)
        yield link
        link.execute(EMPTY)


@pytest.fixture
def store(link: psycopg.Connection) -> Store:
    return Store(link)


@pytest.fixture
def device(link: psycopg.Connection) -> Callable[..., int]:
    """``device(interval=30)`` → the number of a new active terminal."""

    def make(**profile: Any) -> int:
        make.count += 1
        given = {"protocol": "jt808", "number": f"1380000{make.count:04}", "interval": 30}
        return insert_device(link, **{**given, **profile})

    make.count = 0
    return make


def fix(device: int, at: datetime | None = NOON, north: float = 0, east: float = 0, **more: Any) -> Row:
    """A good position so many metres from the middle, received a second after the fix unless said otherwise."""
    given = {
        "speed": 36.0, "heading": 0, "altitude": 300, "status": 3, "alarm": 0,
        "received_at": (at or NOON) + timedelta(seconds=1),
        "lon": LON + east * METRE / 0.855, "lat": LAT + north * METRE,
    } | more  # fmt: skip
    return Row(device, at, **given)


def drive(
    device: int, begin: datetime, metres: float, north: float = 0, seconds: float = 10, speed: float = 10
) -> list[Row]:
    """Fixes of a drive northwards at so many metres a second, without the one at the beginning."""
    steps = int(metres / (speed * seconds))
    return [
        fix(device, begin + timedelta(seconds=n * seconds), north + n * speed * seconds) for n in range(1, steps + 1)
    ]


def stand(device: int, begin: datetime, minutes: float, north: float = 0, seconds: float = 30) -> list[Row]:
    """Fixes of a stand with some jitter, the one at the beginning included."""
    steps = int(minutes * 60 / seconds)
    return [
        fix(device, begin + timedelta(seconds=n * seconds), north + (n % 3) * 4, (n % 2) * 5, speed=0.0)
        for n in range(steps + 1)
    ]
