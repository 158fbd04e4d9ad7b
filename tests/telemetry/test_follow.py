"""Readings are shown as soon as they are stored: whoever shows them is woken by the commit."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from services.telemetry import jobs
from services.telemetry.store import Store
from tests.telemetry.conftest import reading

pytestmark = pytest.mark.django_db


@pytest.fixture
def following(link: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The thread that shows readings, which looks by itself only once a minute."""
    monkeypatch.setitem(jobs.EVERY, "columns", 60)
    stop = threading.Event()

    def run() -> None:
        try:
            jobs.follow(stop)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    until = time.monotonic() + 10
    waiting = "select count(*) from pg_stat_activity where query like 'listen telemetry_stored%%' and datname = %s"
    while link.execute(waiting, [link.info.dbname]).fetchone() == (0,) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    yield
    stop.set()
    link.execute("notify telemetry_stored")
    thread.join(10)
    assert not thread.is_alive()


def test_a_stored_reading_wakes_whoever_shows_it(
    link: psycopg.Connection, device: Callable[..., int], following: None
) -> None:
    row = link.execute("select id, pm10 from environment_monitor order by id limit 1").fetchone()
    assert row is not None
    now = timezone.now()
    number = device(feature=row[0])
    Store(link).write([reading(number, now, 123.25, received_at=now + timedelta(seconds=1))])
    until = time.monotonic() + 10
    shown = None
    while shown != (123.25,) and time.monotonic() < until:
        shown = link.execute("select pm10 from environment_monitor where id = %s", [row[0]]).fetchone()
        time.sleep(0.05)
    link.execute("update environment_monitor set pm10 = %s where id = %s", [row[1], row[0]])
    assert shown == (123.25,)
