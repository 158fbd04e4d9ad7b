"""Readings are shown as soon as they are stored: whoever shows them is woken by the commit."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from services.telemetry import jobs
from services.telemetry.store import Store
from tests.conftest import Server, connect
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


@pytest.fixture
def monitor(link: psycopg.Connection) -> Iterator[UUID]:
    """A monitor of the demo city, which is as before once nobody shows readings any more."""
    columns = "pm10, measured_at, state"
    before = link.execute(f"select id, {columns} from environment_monitor order by id limit 1").fetchone()
    assert before is not None
    yield before[0]
    link.execute(f"update environment_monitor set ({columns}) = (%s, %s, %s) where id = %s", [*before[1:], before[0]])


def test_a_stored_reading_wakes_whoever_shows_it(
    link: psycopg.Connection, device: Callable[..., int], monitor: UUID, following: None
) -> None:
    now = timezone.now()
    number = device(feature=monitor)
    Store(link).write([reading(number, now, 123.25, received_at=now + timedelta(seconds=1))])
    until = time.monotonic() + 10
    shown = None
    while shown != (123.25,) and time.monotonic() < until:
        shown = link.execute("select pm10 from environment_monitor where id = %s", [monitor]).fetchone()
        time.sleep(0.05)
    assert shown == (123.25,)


def test_the_process_outlives_its_connections(server: Server) -> None:
    """F01, F12: whichever work a cut connection meets, the process goes on and shows what comes afterwards."""
    environment = os.environ | {"ZHUTU_PGDATABASE": server.database}
    with (settings.LOCAL / f"{server.database}_telemetry.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "telemetry"], cwd=settings.ROOT, env=environment, stdout=log, stderr=log
        )
    theirs = "from pg_stat_activity where datname = %s and query like %s"
    waits = (server.database, "listen telemetry_stored%")
    try:
        for _round in range(3):
            _until(lambda: server.sql(f"select count(*) {theirs}", *waits) == [(1,)])
            server.sql(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()"
                " and usename = current_user",
                server.database,
            )
            _until(lambda: server.sql(f"select count(*) {theirs}", *waits) == [(1,)])
            assert process.poll() is None
        monitor = server.sql("select id from environment_monitor order by id desc limit 1")[0][0]
        number = server.sql(
            "insert into telemetry_device (protocol, number, name, state, secret, units, crc_mode, datatime_is,"
            " missing_flag, minute_span, interval, base, back_days, sm4_key, created_at, feature) values ('hj212',"
            " 'FOLLOW', '', 'active', '', '{}', 'standard', 'start', 'N', 10, 60, 0, 30, '', now(), %s) returning id",
            monitor,
        )[0][0]
        with connect(server.database) as link:
            Store(link).write([reading(number, timezone.now(), 234.25)])
        _until(lambda: server.sql("select pm10 from environment_monitor where id = %s", monitor) == [(234.25,)])
        server.sql("delete from telemetry_device where id = %s", number)
    finally:
        process.terminate()
        process.wait(20)


def _until(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until, "it did not happen within a minute"
        time.sleep(0.1)
