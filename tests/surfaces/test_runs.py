"""When runs are made: after an hour, after an outage, after late data; and what survives whoever computes them."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from gis.models import Region
from layers.environment.models import Monitor
from services.surfaces import jobs, runs
from services.surfaces.models import Hearing, Network, Run, Surface
from tests.conftest import HOME, connect, copied
from tests.surfaces.conftest import NOON, City

pytestmark = pytest.mark.django_db
Ran = Callable[..., Run]
AFTER = NOON + timedelta(hours=6)


@pytest.fixture(autouse=True)
def _alone(db: None) -> None:
    """PM10 alone, coarse; nothing marked by others."""
    Surface.objects.exclude(key="pm10").update(active=False)
    Surface.objects.filter(key="pm10").update(cell_m=2000)
    with connection.cursor() as cursor:
        cursor.execute("truncate surfaces_mark")


def due(now: datetime = AFTER) -> int:
    runs.plan(now)
    return runs.work()


def test_an_hour_is_computed_for_the_county_and_the_city_once_it_is_over(city: City) -> None:
    city.hour(dict.fromkeys(city.stations(), 30.0))
    assert due(NOON + timedelta(minutes=59)) == 0
    assert due(NOON + timedelta(hours=1, seconds=30)) == 0, "roll-ups are not written yet"
    assert due(NOON + timedelta(hours=1, seconds=61)) == 2
    assert {(r.region_id, r.at, r.state) for r in Run.objects.all()} == {
        ("511702", NOON, "done"), ("511700", NOON, "done"),
    }  # fmt: skip
    assert due() == 0


def test_hours_that_came_while_nobody_computed_are_caught_up(city: City) -> None:
    made = city.stations()
    for hours in range(4):
        city.hour(dict.fromkeys(made, 30.0 + hours), NOON + timedelta(hours=hours))
    assert due() == 8
    found = Run.objects.filter(region_id=HOME).order_by("at").values_list("at", "high")
    assert [(at, round(high, 3)) for at, high in found] == [(NOON + timedelta(hours=h), 30.0 + h) for h in range(4)]


def test_hours_that_were_there_before_a_device_spoke_are_computed(city: City) -> None:
    city.hour(dict.fromkeys(city.stations(), 30.0))
    with connection.cursor() as cursor:
        cursor.execute("delete from telemetry_latest")
    assert due() == 2


def test_f17_late_data_revise_only_their_own_hour(city: City) -> None:
    made = city.stations()
    for hours in range(3):
        city.hour(dict.fromkeys(made, 30.0), NOON + timedelta(hours=hours))
    due()
    before = {r.pk: (r.revision, r.computed_at) for r in Run.objects.all()}
    city.hour({made[0]: 90.0}, NOON + timedelta(hours=1))
    assert due() == 2
    changed = [r for r in Run.objects.all() if before[r.pk] != (r.revision, r.computed_at)]
    assert {(r.at, r.revision) for r in changed} == {(NOON + timedelta(hours=1), 1)}
    assert len(changed) == 2
    assert [(e["revision"], e["n_used"], e["mean"]) for e in changed[0].earlier] == [(0, 6, pytest.approx(30.0))]
    assert changed[0].high > 80


def test_a_change_elsewhere_leaves_a_run_as_it_was(city: City) -> None:
    mine = city.stations()
    city.hour(dict.fromkeys(mine, 30.0))
    due()
    far = city.station(107.47, 31.10, "511703")
    city.hour({far: 60.0})
    due()
    assert Run.objects.get(region_id=HOME).revision == 0
    assert Run.objects.get(region_id="511700").revision == 1


def test_asking_twice_makes_one_run(city: City, ran: Ran) -> None:
    city.hour(dict.fromkeys(city.stations(), 30.0))
    first, second = ran(), ran()
    assert (second.pk, second.revision, second.computed_at) == (first.pk, 0, first.computed_at)


def test_changed_parameters_make_another_run_and_keep_the_old_one(city: City, ran: Ran, surface: Surface) -> None:
    city.hour(dict.fromkeys(city.stations(), 30.0))
    old = ran()
    Surface.objects.filter(pk=surface.pk).update(power=3.0)
    new = ran(of=Surface.objects.get(pk=surface.pk))
    assert new.pk != old.pk and (old.parameters["power"], new.parameters["power"]) == (2.0, 3.0)
    assert Run.objects.get(pk=old.pk).values is not None


def test_hours_computed_together_are_those_computed_alone(city: City, ran: Ran, surface: Surface) -> None:
    """Some hours lack a station, in some a cell's nearest are not valid, in one too few are."""
    source = random.Random(3)
    made = [city.station(107.36 + 0.03 * (n % 7), 31.24 + 0.025 * (n // 7)) for n in range(28)]
    hours = [NOON + timedelta(hours=n) for n in range(8)]
    for n, at in enumerate(hours):
        values: dict[Monitor, Any] = {m: round(source.uniform(0, 200), 1) for m in made}
        for absent in source.sample(made, n % 3):
            del values[absent]
        for bad in source.sample(list(values), (0, 1, 5, 1, 0, 20, 26, 3)[n]):
            values[bad] = (values[bad], False)
        city.hour(values, at)
    runs.plan(AFTER + timedelta(hours=8))
    some = runs.claim_some()
    assert len(some) == len(hours) and len({run.region_id for run in some}) == 1
    runs.compute_all(some)
    names = ("state", "low", "high", "mean", "rmse", "n_stations", "n_used")
    together = {run.at: run for run in Run.objects.filter(pk__in=[run.pk for run in some])}
    assert {run.state for run in together.values()} == {"done", "few"}
    Network.objects.all().delete()
    Hearing.objects.all().delete()
    Run.objects.update(inputs_key="")
    region = Region.objects.get(pk=some[0].region_id)
    for at in hours:
        alone, was = ran(at, region=region), together[at]
        assert [getattr(alone, name) for name in names] == [
            value if isinstance(value, str) else pytest.approx(value) for value in (getattr(was, n) for n in names)
        ]
        if was.values is not None:
            numbers = [np.frombuffer(bytes(run.values), dtype=">f4") for run in (alone, was)]
            np.testing.assert_allclose(*numbers, rtol=1e-5)


def test_a_silent_station_leaves_the_weights_as_they_are(city: City, ran: Ran) -> None:
    made = city.stations()
    city.hour(dict.fromkeys(made, 20.0))
    ran()
    for n, silent in enumerate(made):
        at = NOON + timedelta(hours=n + 1)
        city.hour({m: 20.0 for m in made if m != silent}, at)
        assert ran(at).n_stations == len(made) - 1
    assert Network.objects.count() == 1


def test_the_newest_hour_comes_first_and_alone(city: City) -> None:
    made = city.stations()
    for n in range(6):
        city.hour(dict.fromkeys(made, 20.0), NOON + timedelta(hours=n))
    now = NOON + timedelta(hours=7)
    runs.plan(now)
    taken = []
    while some := runs.claim_some(now):
        taken.append([round((run.at - NOON) / timedelta(hours=1)) for run in some])
    assert taken == [[5], [5], [4], [4], [3, 2, 1, 0], [3, 2, 1, 0]]


def test_one_bad_hour_does_not_spoil_those_computed_with_it(city: City) -> None:
    made = city.stations()
    for n in range(3):
        city.hour(dict.fromkeys(made, 20.0), NOON + timedelta(hours=n))
    runs.plan(AFTER)
    Run.objects.filter(at=NOON + timedelta(hours=2)).update(parameters={"nothing": "of use"})
    while some := runs.claim_some():
        runs.compute_all(some)
    states = {run.at: run.state for run in Run.objects.filter(region_id=HOME)}
    assert [states[NOON + timedelta(hours=n)] for n in range(3)] == ["done", "done", "failed"]


def test_f13_a_claim_made_by_a_clock_that_ran_ahead_is_no_claim(city: City, home: Region, surface: Surface) -> None:
    city.hour(dict.fromkeys(city.stations(), 30.0))
    asked = runs.request(surface, home, NOON)
    now = timezone.now()
    assert runs.claim(asked.pk, now + timedelta(hours=1)) is not None
    again = runs.claim(asked.pk, now)
    assert again is not None
    assert runs.claim(asked.pk, now) is None
    assert runs.compute(again).state == Run.State.DONE


def test_a_run_that_fails_is_tried_again_a_few_times(
    city: City, home: Region, surface: Surface, monkeypatch: Any
) -> None:
    asked = runs.request(surface, home, NOON)
    Run.objects.filter(pk=asked.pk).update(parameters={"nothing": "of use"})
    city.hour(dict.fromkeys(city.stations(), 30.0))
    states = []
    while (run := runs.claim(asked.pk)) is not None:
        states.append(runs.compute(run).state)
    assert states == ["waiting", "waiting", "failed"]


def test_whoever_lost_its_claim_writes_nothing(city: City, home: Region, surface: Surface) -> None:
    city.hour(dict.fromkeys(city.stations(), 30.0))
    asked = runs.request(surface, home, NOON)
    slow = runs.claim(asked.pk)
    assert slow is not None and runs.claim(asked.pk) is None
    quick = runs.claim(asked.pk, now=slow.lease_until + timedelta(seconds=1))
    assert quick is not None
    assert runs.compute(quick).state == Run.State.DONE
    stamp = Run.objects.get(pk=asked.pk).computed_at
    assert runs.compute(slow).computed_at == stamp


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[psycopg.Connection]:
    """A connection to a copy of the test database, where a process of its own may compute."""
    with copied(django_db_blocker, "surfaces") as name, connect(name) as link:
        yield link


def process(link: psycopg.Connection) -> subprocess.Popen[bytes]:
    """``manage.py surfaces --once`` on the copy."""
    environment = os.environ | {
        "ZHUTU_PGDATABASE": link.info.dbname,
        "DJANGO_SETTINGS_MODULE": "command_center.settings",
    }
    command = [sys.executable, "manage.py", "surfaces", "--once"]
    return subprocess.Popen(command, cwd=settings.ROOT, env=environment)


SEEDED = """
with d as (
    insert into telemetry_device (protocol, number, name, feature, state, secret, units, crc_mode, datatime_is,
        missing_flag, minute_span, interval, base, back_days, sm4_key, created_at)
    select 'hj212', 'K' || right(id::text, 12), '', id, 'active', '', '{}', 'standard', 'start', 'N', 10, 60, 0, 30, '',
        now()
    from catalog_featureindex where layer = 'monitors' and region_code like '511702%%' and geom is not null limit 8
    returning id
), l as (
    insert into telemetry_latest (device, factor, span, at, received_at, value, quality, flag)
    select d.id, f.id, 2, %(at)s, %(at)s, 1, 0, 'N' from d, telemetry_factor f where f.code = 'a34002'
)
insert into telemetry_rollup (device, factor, span, at, mean, n_valid, n_expected, valid)
select d.id, f.id, 2, %(at)s, 40, 60, 60, true from d, telemetry_factor f where f.code = 'a34002'"""


@pytest.mark.django_db(transaction=False)
def test_f03_kill_9_in_the_middle_leaves_no_half_run(committed: psycopg.Connection) -> None:
    link = committed
    link.execute("update surfaces_surface set active = (key = 'pm10'), cell_m = 2000")
    link.execute("truncate surfaces_mark")
    stations = link.execute(SEEDED, {"at": NOON}).rowcount
    assert stations >= 3
    with link.transaction():
        # Whoever keeps a run waits for us at its last step.
        link.execute("lock table surfaces_input in share mode")
        working = process(link)
        waiting = "select pid from pg_locks where relation = 'surfaces_input'::regclass and not granted"
        until = time.monotonic() + 60
        while not (held := link.execute(waiting).fetchone()):
            assert working.poll() is None and time.monotonic() < until
            time.sleep(0.1)
        working.send_signal(signal.SIGKILL)
        working.wait(10)
        link.execute("select pg_terminate_backend(%s)", [held[0]])
    state = "select state, values is null, attempts from surfaces_run order by state"
    assert ("running", True, 1) in link.execute(state).fetchall()
    assert link.execute("select count(*) from surfaces_input").fetchone() == (0,)
    link.execute("update surfaces_run set lease_until = now() - interval '1 second' where state = 'running'")
    assert process(link).wait(60) == 0
    assert {row[:2] for row in link.execute(state).fetchall()} == {("done", False)}
    assert link.execute("select count(*), count(distinct run_id) from surfaces_input").fetchone() == (2 * stations, 2)


def test_the_scheduled_task_computes_what_is_due(city: City) -> None:
    city.hour(dict.fromkeys(city.stations(), 30.0))
    assert jobs.due() == 2
