"""Makers of editions as processes that are killed in the middle and run beside each other."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from tests.conftest import Server

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
    for table in ("edition", "due", "schedule", "mark"):
        server.sql(f"delete from reports_{table}")


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
    assert len(days) == 40 * plants
    before = editions(server)
    finished(maker(server))
    assert editions(server) == before
