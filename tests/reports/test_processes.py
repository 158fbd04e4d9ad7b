"""Makers of editions as processes that are killed in the middle and run beside each other."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from services.reports.periods import SETTLED
from services.telemetry.reports import period
from services.telemetry.spans import ZONE
from tests.conftest import Server, connect

TIMES = """
select report, kind, first, region, feature, count(*), max(version) from reports_edition
group by report, kind, first, region, feature"""


def maker(server: Server) -> subprocess.Popen[bytes]:
    environment = os.environ | {"ZHUTU_PGDATABASE": server.database}
    log = (settings.LOCAL / f"{server.database}_reports.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "reports"], cwd=settings.ROOT, env=environment, stdout=log, stderr=log
    )
    log.close()
    return process


@pytest.fixture
def plants(server: Server) -> Iterator[int]:
    """Devices of the demo city's plants that are forty days old; how many plants there are."""
    clear(server)
    (count,) = server.sql("select count(*) from sewage_sewageplant")[0]
    server.sql(
        """
        insert into telemetry_device (protocol, number, name, feature, state, secret, units, crc_mode, datatime_is,
            missing_flag, minute_span, "interval", base, back_days, sm4_key, created_at)
        select 'hj212', 'MAKE' || row_number() over (), '', id, 'active', '', '{}', 'standard', 'start', 'N', 10, 1, 2,
            30, '', now() - interval '40 days'
        from sewage_sewageplant
        """
    )
    yield count
    server.sql("delete from telemetry_device where number like 'MAKE%%'")
    clear(server)


def clear(server: Server) -> None:
    """Take away what makers left, those of other tests too."""
    for table in ("edition", "due", "schedule", "mark"):
        server.sql(f"delete from reports_{table}")
    # While hours of a period are still to be computed its reports wait.
    server.sql("delete from telemetry_mark")


def editions(server: Server) -> int:
    (count,) = server.sql("select count(*) from reports_edition")[0]
    return count


def finished(process: subprocess.Popen[bytes]) -> None:
    assert process.wait(420) == 0


@pytest.mark.django_db
def test_a_maker_that_is_killed_leaves_nothing_half_done_and_two_make_nothing_twice(
    server: Server, plants: int
) -> None:
    killed: Any = maker(server)
    until = time.monotonic() + 90
    while editions(server) < 10 and killed.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    left = server.sql("select count(*) from reports_due")[0][0]
    assert editions(server) >= 10 and left > 0, "it was killed in the middle"
    both = [maker(server), maker(server)]
    for process in both:
        finished(process)
    # What came late meanwhile still gathers, or waits for its next attempt.
    assert server.sql("select count(*) from reports_due where not_before <= now() and attempts = 0")[0][0] == 0
    rows = server.sql(TIMES)
    assert all((count, version) == (1, 1) for *_key, count, version in rows), "each once"
    days = [row for row in rows if row[0] == "sewage-plant" and row[1] == "day"]
    # In the first minutes of a day its yesterday is not settled yet.
    yesterday = period("day", timezone.now().astimezone(ZONE).date()).before
    assert len(days) == (40 if yesterday.ends_at + SETTLED <= timezone.now() else 39) * plants
    before = editions(server)
    finished(maker(server))
    assert editions(server) == before


ENDLESS = """
import django
django.setup()
from django.db import connection
from services.reports.bounded import TooSlow, bounded
for endless in ("connection.cursor().execute('select pg_sleep(600)')", "while True: pass"):
    try:
        with bounded(0.5):
            exec(endless)
    except TooSlow:
        print("ended")
with connection.cursor() as cursor:
    cursor.execute("select 1")
    print(*cursor.fetchone())
"""


def environment(server: Server) -> dict[str, str]:
    return os.environ | {"ZHUTU_PGDATABASE": server.database, "DJANGO_SETTINGS_MODULE": "command_center.settings"}


def test_an_edition_without_end_is_ended_wherever_it_is(server: Server) -> None:
    """In a statement of PostgreSQL and in Python alike; the process works on."""
    command = [sys.executable, "-c", ENDLESS]
    done = subprocess.run(
        command, cwd=settings.ROOT, env=environment(server), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split() == ["ended", "ended", "1"], done.stderr[-2000:]


SETTLE = """
import django
django.setup()
from django.utils import timezone
from services.access.principal import principal_of
from services.accounts.models import User
from services.reports import custom
from services.reports.models import Custom
from services.reports.periods import over
from services.telemetry.reports import period
from services.telemetry.spans import ZONE
owner = principal_of(User.objects.get(username="admin"))
row = custom.save(owner, {"name": "KILLED", "layer": "sewage_plants", "choice": "all", "period": "day",
    "by": "feature", "columns": ["name", "w01018:mean"], "repeat": "day", "hour": 0})
last = period("day", timezone.now().astimezone(ZONE).date()).before
if not over(last, timezone.now()):
    last = last.before
Custom.objects.filter(pk=row.pk).update(upto=last.before.first)
print(row.pk)
"""
HELD = "select count(*) from pg_locks l join pg_class c on c.oid = l.relation where c.relname = %s and not l.granted"


def worker(server: Server) -> subprocess.Popen[bytes]:
    """The product's worker."""
    log = (settings.LOCAL / f"{server.database}_worker.log").open("ab")
    command = [sys.executable, "-m", "celery", "-A", "command_center", "worker", "--concurrency", "3"]
    process = subprocess.Popen(
        command, cwd=settings.ROOT, env=environment(server), stdout=log, stderr=log, start_new_session=True
    )
    log.close()
    return process


def wake(server: Server) -> None:
    command = [sys.executable, "-m", "celery", "-A", "command_center", "call", "reports.make"]
    subprocess.run(command, cwd=settings.ROOT, env=environment(server), check=True, stdout=subprocess.DEVNULL)


def until(condition: Callable[[], bool], seconds: float = 120) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


@pytest.mark.django_db
def test_f03_a_worker_killed_in_a_slow_edition_leaves_none_and_the_next_makes_it_once(
    server: Server, plants: int
) -> None:
    """A lock makes the edition slow; meanwhile a second maker makes all others; kill -9 leaves it due."""
    done = subprocess.run(
        [sys.executable, "-c", SETTLE], cwd=settings.ROOT, env=environment(server), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    key = f"custom:{done.stdout.split()[-1]}"
    mine = "select count(*) from reports_edition where report = %s"
    with connect(server.database) as lock, lock.transaction():
        # The messages of an edition are written last, with its row there and nothing committed.
        lock.execute("lock table notify_message in access exclusive mode")
        process = worker(server)
        try:
            wake(server)
            assert until(lambda: server.sql(HELD, "notify_message")[0][0] > 0), "it is in the middle"
            wake(server)
            before = editions(server)
            assert until(lambda: editions(server) > before), "another one makes what else is due"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert server.sql(mine, key)[0][0] == 0, "no half edition"
    assert server.sql("select count(*) from reports_due where report = %s", key)[0][0] > 0
    server.sql("update reports_due set not_before = now()")
    finished(maker(server))
    finished(maker(server))
    assert server.sql(mine, key)[0][0] == 2, "those of both days, each once"
    assert server.sql("select count(*) from notify_message where dedupe_key like %s", f"report:{key[7:]}%")[0][0] == 2
    server.sql("delete from reports_edition; delete from reports_custom")
