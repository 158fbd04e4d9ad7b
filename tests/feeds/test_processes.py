"""Real processes: the puller killed in mid-run, and the existing system pushing to the product."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from ingest.simulators import existing
from tests.conftest import Server
from tests.feeds.conftest import BEGIN, FACTORS, MINUTES, READINGS, STATIONS, Existing, expected, running

SETTLE = """
import json, sys
import django
django.setup()
from layers.sewage.models import SewagePlant
from services.access.principal import SYSTEM
from services.feeds import sources
from services.notify.models import Destination
from services.telemetry.models import Device
given = json.loads(sys.stdin.read())
Destination.objects.get_or_create(host="127.0.0.1", port=given["port"], defaults={"internal": True})
source = sources.save(SYSTEM, None, given["values"], given["secret"] or None)
token = sources.new_token(SYSTEM, source.pk)
sources.switch(SYSTEM, source.pk, True)
for code in given["stations"]:
    plant = SewagePlant.objects.create(code=code, name=code, region_id="511702", state="running")
    Device.objects.create(protocol="feed", number=source.number(code), feature=plant.pk, state="active")
print(json.dumps({"pk": source.pk, "token": token}))
"""


@pytest.fixture
def quick() -> Iterator[Existing]:
    """Another existing system, which measures at the same stations and answers at once."""
    with running() as system:
        yield system


def environment(server: Server) -> dict[str, str]:
    return os.environ | {"ZHUTU_PGDATABASE": server.database, "DJANGO_SETTINGS_MODULE": "command_center.settings"}


def settled(server: Server, system: Existing, secret: str = "", **values: Any) -> dict[str, Any]:
    """A source in the server's database, with its stations bound; its number and token."""
    given = {"port": system.port, "values": values, "secret": secret, "stations": STATIONS}
    done = subprocess.run(
        [sys.executable, "-c", SETTLE], input=json.dumps(given), text=True, capture_output=True, check=False,
        cwd=settings.ROOT, env=environment(server),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def values(server: Server, pk: int) -> list[Any]:
    """(station, time, value) of the demand of oxygen as they are stored."""
    return server.sql(
        "select split_part(d.number, ':', 2), r.at, r.value from telemetry_reading r"
        " join telemetry_device d on d.id = r.device join telemetry_factor f on f.id = r.factor"
        " where d.protocol = 'feed' and split_part(d.number, ':', 1) = %s and f.code = 'w01018' order by r.at, 1",
        str(pk),
    )


def puller(server: Server) -> subprocess.Popen[bytes]:
    command = [sys.executable, "manage.py", "feeds", "--once"]
    return subprocess.Popen(command, cwd=settings.ROOT, env=environment(server), stderr=subprocess.DEVNULL)


def test_f03_a_puller_that_is_killed_loses_and_doubles_nothing(server: Server, process: Existing) -> None:
    """kill -9 while the second page is being read: the first is stored with the position behind it."""
    process.misbehave(hold_page=2)
    given = READINGS | {"name": "中断", "url": f"{process.url}/api/values", "begin_at": BEGIN.isoformat()}
    del given["secret"]
    source = settled(server, process, existing.TOKEN, **given)
    first = puller(server)
    end = time.monotonic() + 60
    while not any("page=2" in call for call in process.calls()) and time.monotonic() < end:
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    half = values(server, source["pk"])
    assert len(half) == 100, "the first page is there as a whole, the second not at all"
    [(position, state)] = server.sql(
        "select s.position, r.state from feeds_source s join feeds_run r on r.source_id = s.id where s.id = %s",
        source["pk"],
    )
    assert (position["resume"]["page"], "since" in position, state) == (2, False, "running")
    process.misbehave()
    # Nobody lends a hand: what is due again after half a minute is taken up by whoever comes; here at once.
    server.sql("update feeds_source set next_at = now() where id = %s", source["pk"])
    assert puller(server).wait(60) == 0
    assert process.calls()[0].find("page=2") > 0, "it goes on behind what is stored"
    found = values(server, source["pk"])
    assert {(station, at): value for station, at, value in found} == expected()
    assert len(found) == 2 * MINUTES
    states = server.sql("select state from feeds_run where source_id = %s order by id", source["pk"])
    assert [state for (state,) in states] == ["broken", "done"]
    server.sql("update feeds_source set enabled = false")
    server.sql("delete from sewage_sewageplant where code = any(%s)", list(STATIONS))


def states(server: Server, name: str) -> list[str]:
    """What became of the runs of the sources whose names begin so, in their order."""
    rows = server.sql(
        "select r.state from feeds_run r join feeds_source s on s.id = r.source_id where s.name like %s order by r.id",
        f"{name}%",
    )
    return [state for (state,) in rows]


def test_f03_a_slow_system_holds_up_no_quick_one_and_a_killed_puller_leaves_none_stuck(
    server: Server, process: Existing, quick: Existing
) -> None:
    """One system answers nothing while another one is pulled three times; then kill -9, and all go on."""
    process.misbehave(hold_page=1)
    given = READINGS | {"begin_at": BEGIN.isoformat()}
    del given["secret"]
    slow = settled(
        server, process, existing.TOKEN, **given | {"name": "慢", "timeout": 60, "url": f"{process.url}/api/values"}
    )
    server.sql("delete from sewage_sewageplant where code = any(%s)", list(STATIONS))
    others = []
    for n in range(3):
        named = {"name": f"快{n}", "url": f"{quick.url}/api/values"}
        others.append(settled(server, quick, existing.TOKEN, **given | named)["pk"])
        server.sql("delete from sewage_sewageplant where code = any(%s)", list(STATIONS))
    # The slow one has been due the longest: it is begun before all others.
    server.sql("update feeds_source set next_at = now() - interval '1 hour' where id = %s", slow["pk"])
    first = puller(server)
    end = time.monotonic() + 90
    while states(server, "快") != ["done"] * 3 and time.monotonic() < end:
        time.sleep(0.1)
    assert states(server, "快") == ["done"] * 3
    assert states(server, "慢") == ["running"] and process.calls(), "they were pulled while it kept its puller waiting"
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    process.misbehave()
    server.sql("update feeds_source set next_at = now() where enabled")
    both = [puller(server), puller(server)]
    assert [one.wait(90) for one in both] == [0, 0]
    assert states(server, "慢") == ["broken", "done"]
    assert set(states(server, "快")) == {"done"}
    for pk in (slow["pk"], *others):
        found = values(server, pk)
        assert {(station, at): value for station, at, value in found} == expected() and len(found) == 2 * MINUTES
    server.sql("update feeds_source set enabled = false")


@pytest.mark.covers("DZ-337")
def test_an_existing_system_pushes_to_the_product(server: Server, process: Existing) -> None:
    """The other way of DZ-337, from process to process; test_pull has the first."""
    mapping = {"device": "stationCode", "time": "monitorTime", "factors": FACTORS}
    source = settled(server, process, name="推送到平台", mode="push", list_path="data", mapping=mapping)
    rows = [existing.row(code, BEGIN) for code in STATIONS]
    url = f"{server.url}/feeds/{source['pk']}"
    assert process.push(url, "wrong", rows=rows)["status"] == 401
    said = process.push(url, source["token"], rows=rows, gzip=True)
    assert (said["status"], said["answer"]["counts"]["new"]) == (200, 8)
    assert process.push(url, source["token"], rows=rows)["answer"]["counts"]["same"] == 8
    assert [(station, value) for station, _at, value in values(server, source["pk"])] == [
        (code, expected()[code, BEGIN]) for code in STATIONS
    ]
    server.sql("update feeds_source set enabled = false")
    server.sql("delete from sewage_sewageplant where code = any(%s)", list(STATIONS))
