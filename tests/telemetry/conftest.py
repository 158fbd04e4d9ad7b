"""Devices and readings that are really committed, over connections of their own, and taken away afterwards."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.db import connection

from services.telemetry.store import Row, Store
from tests.conftest import connect

CHINA = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 11, 20, 12, tzinfo=CHINA)
EMPTY = """
truncate telemetry_reading, telemetry_rollup, telemetry_latest, telemetry_revision, telemetry_mark,
    telemetry_quarantined, telemetry_outage, telemetry_presence, telemetry_arrival, telemetry_tally;
delete from telemetry_factor where first_sent_by_id is not null;
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
def another(link: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A second connection."""
    with connect(connection.settings_dict["NAME"]) as another:
        yield another


def insert_device(link: psycopg.Connection, **profile: Any) -> int:
    """The number of a new active device, HJ 212 unless said otherwise."""
    values = {
        "protocol": "hj212", "name": "", "state": "active", "secret": "", "units": "{}", "crc_mode": "standard",
        "datatime_is": "start", "missing_flag": "N", "minute_span": 10, "interval": 60, "base": 0, "back_days": 30,
        "sm4_key": "", "created_at": NOON,
    } | profile  # fmt: skip
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    found = link.execute(
        f"insert into telemetry_device ({names}) values ({marks}) returning id", list(values.values())
    ).fetchone()
    assert found is not None
    return found[0]


@pytest.fixture
def store(link: psycopg.Connection) -> Store:
    return Store(link)


@pytest.fixture
def device(link: psycopg.Connection) -> Callable[..., int]:
    """``device(interval=60)`` → the number of a new active device."""

    def make(**profile: Any) -> int:
        make.count += 1
        return insert_device(link, **{"number": f"D{make.count}", **profile})

    make.count = 0
    return make


def reading(device: int, at: datetime = NOON, value: float | None = 50.0, factor: str = "a34002", **more: Any) -> Row:
    """A good real-time reading, received a second after it was measured unless said otherwise."""
    given = {"span": "real", "low": None, "high": None, "total": None, "flag": "N", "quality": ""} | more
    return Row(device, factor, at, value=value, **({"received_at": at + timedelta(seconds=1)} | given))


def series(device: int, values: list[float], begin: datetime = NOON, seconds: float = 60, **more: Any) -> list[Row]:
    """Readings one after the other."""
    return [reading(device, begin + timedelta(seconds=n * seconds), value, **more) for n, value in enumerate(values)]
