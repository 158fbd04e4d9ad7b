"""The product's workers as ``make run`` starts them: what somebody waits for is held up by nothing slow."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from kombu import Connection

from ingest.simulators import existing
from services.operations.queues import BACKGROUND, INTERACTIVE
from tests.conftest import Server, connect
from tests.feeds.conftest import BEGIN, READINGS, STATIONS, running
from tests.feeds.test_processes import settled, states
from tests.ingest.gateways.boxes import until

pytestmark = pytest.mark.django_db
START = """
source deploy/place.sh; claim_place; use_instance "$1"; make_instance
for name in worker background; do start_program "$name"; done"""
STOP = """
source deploy/place.sh; claim_place; use_instance "$1"
for name in worker background; do stop_process "$name" "$ROOT" || true; done"""
SUBMIT = """
import django
django.setup()
import io
from django.db import transaction
from ingest.files import imports
from services.access.principal import SYSTEM
from services.catalog.layer import registry
from services.operations import jobs
item = imports.start(SYSTEM, registry.by_key["points_of_interest"], io.BytesIO(%r), "QUEUED.csv")
imports.configure(SYSTEM, item, datum="wgs84")
inputs = ({"import": str(item.pk)}, {"point": [107.5, 31.21], "distance": 1000})
with transaction.atomic():
    for kind, given in zip(("import-file", "buffer-count"), inputs):
        print(jobs.submit(kind, "QUEUED", SYSTEM, given).pk)
"""
PLAN = """
import django
django.setup()
from services.reports import making
making.plan()
"""
CSV = "名称,经度,纬度\n排队一,107.51,31.21\n排队二,107.52,31.22\n"
WAITING = "select count(*) from pg_locks l join pg_class c on c.oid = l.relation where c.relname = %s and not l.granted"


def run(server: Server, *command: str) -> str:
    """A program on the server's database and what it said."""
    environment = os.environ | {
        "ZHUTU_PGDATABASE": server.database,
        "DJANGO_SETTINGS_MODULE": "command_center.settings",
    }
    done = subprocess.run(command, cwd=settings.ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout


def call(server: Server, task: str) -> None:
    """Wake a worker, as the periodic work does."""
    run(server, sys.executable, "-m", "celery", "-A", "command_center", "call", task)


@pytest.fixture
def workers(server: Server) -> Iterator[None]:
    instance = f"queues-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with Connection(settings.CELERY_BROKER_URL) as link:
        for name in (INTERACTIVE, BACKGROUND):
            link.default_channel.queue_purge(name)
    run(server, "bash", "-c", START, "_", instance)
    yield
    run(server, "bash", "-c", STOP, "_", instance)


@pytest.fixture
def plants(server: Server) -> Iterator[None]:
    """Devices of the demo city's plants that are forty days old: editions are due."""
    server.sql(
        """
        insert into telemetry_device (protocol, number, name, feature, state, secret, units, crc_mode, datatime_is,
            missing_flag, minute_span, "interval", base, back_days, sm4_key, created_at)
        select 'hj212', 'QUEUE' || row_number() over (), '', id, 'active', '', '{}', 'standard', 'start', 'N', 10, 1, 2,
            30, '', now() - interval '40 days'
        from sewage_sewageplant
        """
    )
    run(server, sys.executable, "-c", PLAN)
    yield
    server.sql("delete from telemetry_device where number like 'QUEUE%%'")
    for table in ("edition", "due", "schedule", "mark"):
        server.sql(f"delete from reports_{table}")


@pytest.mark.usefixtures("workers", "plants")
def test_two_slow_editions_and_a_slow_pull_hold_up_no_import_and_no_process(server: Server) -> None:
    """A lock keeps both makers of editions waiting, an existing system that says nothing the puller."""
    with running() as system, connect(server.database) as lock, lock.transaction():
        system.misbehave(hold_page=1)
        given: dict[str, Any] = READINGS | {"begin_at": BEGIN.isoformat(), "name": "占住", "timeout": 60}
        del given["secret"]
        settled(server, system, existing.TOKEN, **given | {"url": f"{system.url}/api/values"})
        server.sql("update feeds_source set next_at = now() where name = '占住'")
        lock.execute("lock table reports_edition in access exclusive mode")
        for task in ("feeds.pull", "reports.make", "reports.make"):
            call(server, task)
        assert until(lambda: server.sql(WAITING, "reports_edition")[0][0] >= 2 and system.calls(), 90)

        jobs = run(server, sys.executable, "-c", SUBMIT % CSV.encode()).split()
        found = "select state, message from operations_job where id = any(%s::uuid[]) order by kind"
        done = [("successful",)] * 2
        until(lambda: [row[:1] for row in server.sql(found, jobs)] == done, 45)
        assert [row[:1] for row in server.sql(found, jobs)] == done, server.sql(found, jobs)
        assert server.sql(WAITING, "reports_edition")[0][0] >= 2, "the editions wait as before"
        assert states(server, "占住") == ["running"], "and so does the pull"
        system.misbehave()
    assert until(lambda: states(server, "占住")[:1] != ["running"], 90)
    server.sql("update feeds_source set enabled = false where name = '占住'")
    server.sql("delete from sewage_sewageplant where code = any(%s)", list(STATIONS))
    server.sql("delete from base_maps_pointofinterest where name like '排队%%'")
