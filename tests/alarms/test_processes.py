"""Evaluators as processes that are killed and run beside each other: the episodes are those of one that never died."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings

from services.alarms.folding import Judge, Reading, State, fold
from services.limits.rows import Limit
from services.telemetry.store import Row, Store
from tests.alarms.conftest import evaluator, only_rule, without_alarms
from tests.conftest import Server, connect

DEVICES, STEPS = 24, 48
SECOND = timedelta(seconds=1)


@pytest.fixture
def devices(server: Server) -> Iterator[list[int]]:
    """Devices at the monitors of the demo city that send each second, and one rule: PM10 over 70."""
    others = only_rule(server, "kill", red_when="value > 95.0")
    rows = server.sql(
        """
        insert into telemetry_device (protocol, number, name, feature, state, secret, units, crc_mode, datatime_is,
            missing_flag, minute_span, "interval", base, back_days, sm4_key, created_at)
        select 'hj212', 'KILL' || n, '', f.id, 'active', '', '{}', 'standard', 'start', 'N', 10, 1, 0, 30, '', now()
        from (select id, row_number() over (order by id) as n from environment_monitor) f where n <= %s
        returning id
        """,
        DEVICES,
    )
    server.sql("delete from live_event where topic = 'alarms'")
    yield [pk for (pk,) in rows]
    without_alarms(server, "kill", others)
    server.sql("delete from telemetry_device where number like 'KILL%%'")


def expected(readings: dict[int, list[Reading]]) -> list[tuple[Any, ...]]:
    """What one evaluator finds in the whole series."""
    limit = Limit("", "", "", 0, 70.0, datetime.now(UTC).date(), "")
    judge = Judge("value > limit", steps=(("red", "value > 95.0"),), limit=lambda at: limit)
    found = []
    for device, some in readings.items():
        begin = some[0].at - SECOND
        for run in fold(judge, State(), some, begin, begin).runs:
            found.append((device, run.began_at, run.ended_at, run.last_at, run.count, run.peak, run.level))
    return sorted(found, key=str)


def stored(server: Server) -> list[tuple[Any, ...]]:
    """The episodes of readings; other tests may have left warnings of modules, which have no device."""
    rows = server.sql(
        "select device_id, began_at, ended_at, last_at, count, peak, level from alarms_episode"
        " where not withdrawn and device_id is not null"
    )
    return sorted(rows, key=str)


def test_i4_episodes_are_the_same_with_two_evaluators_that_are_killed_again_and_again(
    server: Server, devices: list[int]
) -> None:
    source = random.Random(7)
    processes = [evaluator(server), evaluator(server)]
    readings: dict[int, list[Reading]] = {device: [] for device in devices}
    try:
        with connect(server.database) as link:
            store = Store(link)
            time.sleep(4)
            begin = datetime.now(UTC).replace(microsecond=0) - STEPS * SECOND
            for step in range(STEPS):
                at = begin + step * SECOND
                packets = [Row(d, "a34002", at, "real", source.choice((60.0, 66.0, 75.0, 99.0)), None, None, None, "N",
                               "", at + SECOND) for d in devices]  # fmt: skip
                source.shuffle(packets)
                for part in (packets[: DEVICES // 2], packets[DEVICES // 2 :]):
                    store.write(part)
                for packet in packets:
                    readings[packet.device].append(Reading(at, packet.value))
                if step % 8 == 3:
                    victim = source.randrange(2)
                    processes[victim].send_signal(signal.SIGKILL)
                    processes[victim].wait(10)
                    processes[victim] = evaluator(server)
                time.sleep(source.uniform(0.05, 0.35))
            until = time.monotonic() + 60
            while time.monotonic() < until and server.sql("select 1 from telemetry_arrival limit 1"):
                time.sleep(0.3)
    finally:
        for process in processes:
            process.kill()
            process.wait(10)
    assert server.sql("select count(*) from telemetry_arrival") == [(0,)]
    assert stored(server) == expected(readings)
    kinds = dict(
        server.sql(
            "select a.kind, count(*) from alarms_act a join alarms_episode e on e.id = a.episode_id"
            " where e.device_id is not null group by a.kind"
        )
    )
    episodes = stored(server)
    assert kinds["raised"] == len(episodes)
    assert kinds["ended"] == sum(row[2] is not None for row in episodes)
    doubled = server.sql(
        "select 1 from alarms_told group by episode_id, user_id, kind having count(*) > 1 and kind = 'raised'"
    )
    assert doubled == []
    events = [payload for (payload,) in server.sql("select payload from live_event where topic = 'alarms'")]
    mine = {str(pk) for (pk,) in server.sql("select id from alarms_episode where device_id is not null")}
    raised = [event for event in events if event["kind"] == "raised" and event["id"] in mine]
    assert len(raised) == len({event["id"] for event in raised}) == len(episodes)
    assert set(raised[0]) == {"id", "act", "level", "state", "kind", "began", "ended", "title"}


def test_an_evaluator_lives_through_the_loss_of_its_connection(server: Server, devices: list[int]) -> None:
    process = evaluator(server)
    try:
        with connect(server.database) as link:
            store = Store(link)
            time.sleep(4)
            cut(link)
            at = datetime.now(UTC).replace(microsecond=0)
            store.write([Row(devices[0], "a34002", at, "real", 99.0, None, None, None, "N", "", at)])
            until = time.monotonic() + 60
            while time.monotonic() < until and not stored(server):
                time.sleep(0.3)
        assert [row[0] for row in stored(server)] == [devices[0]]
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(10)


def cut(link: psycopg.Connection) -> None:
    """End every other connection to the database."""
    link.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        " and pid <> pg_backend_pid() and usename = current_user"
    )


RACE = """
from datetime import UTC, datetime
from services.alarms.raising import raise_warning
while datetime.now(UTC).timestamp() < {at}:
    pass
for n in range({times}):
    raise_warning("race", str(n))
"""


def test_i4_what_several_processes_warn_of_at_once_is_one_warning(server: Server) -> None:
    values = {
        "key": "race", "name": "race", "kind": "module", "enabled": True, "layer": "", "region": "", "features": "{}",
        "span": 0, '"window"': 0, "standard": "", "grade": "", "stage": "", "condition": "", "clear": "",
        "downward": False, "level": "yellow", "red_when": "", "orange_when": "", "yellow_when": "", "for_minutes": 0,
        "n_least": 1, "clear_minutes": 0, "period": "", "weekdays": "1234567", "roles": "{}", "template": "warning",
        "valid_from": "2020-01-01", "citation": "", "version": 1, "trouble": "", "updated_at": datetime.now(UTC),
    }  # fmt: skip
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    server.sql(f"insert into alarms_rule ({names}) values ({marks})", *values.values())
    code = RACE.format(at=time.time() + 12, times=40)
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    environment = os.environ | {"ZHUTU_PGDATABASE": server.database}
    racing = [subprocess.Popen(command, cwd=settings.ROOT, env=environment) for _n in range(3)]
    try:
        assert [process.wait(120) for process in racing] == [0, 0, 0]
        raced = "alarms_episode e join alarms_rule r on r.id = e.rule_id and r.key = 'race'"
        assert server.sql(f"select count(*), min(e.count), max(e.count) from {raced}") == [(40, 3, 3)]
        assert server.sql(
            f"select count(*) from {raced} join alarms_act a on a.episode_id = e.id and a.kind = 'raised'"
        ) == [(40,)]
    finally:
        for process in racing:
            process.kill()
        without_alarms(server, "race", [])
