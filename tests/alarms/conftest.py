"""A device at a monitor of the owner's county, readings in the test's transaction, one rule; and real evaluators."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings

from layers.environment.models import Monitor
from services.alarms.models import Episode, Rule
from services.limits.rows import ZONE
from services.telemetry import partitions
from services.telemetry.models import Device, Factor, Presence
from services.telemetry.store import Row, Store
from tests.conftest import HOME, Server

NOON = datetime(2026, 11, 20, 12, tzinfo=ZONE)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def new_device(**values: Any) -> Device:
    """A device at a monitor of the owner's county, a new one each time."""
    number = f"T{Device.objects.count()}"
    if "feature" in values:
        return Device.objects.create(protocol="hj212", number=number, state="active", **values)
    taken = Device.objects.exclude(feature=None).values("feature")
    monitor = Monitor.objects.filter(region__code__startswith=HOME).exclude(pk__in=taken).order_by("pk").first()
    if monitor is None:  # the demo city has few
        monitor = Monitor.objects.create(code=number, name=number, region_id=HOME)
    given = {"protocol": "hj212", "number": number, "state": "active", "feature": monitor.pk}
    made = Device.objects.create(**{**given, **values})
    Presence.objects.create(device=made, seen_at=NOON, online=True)
    return made


@pytest.fixture
def device(db: None) -> Device:
    return new_device()


@pytest.fixture
def rule(db: None) -> Rule:
    """PM10 over 70; all others are switched off."""
    Rule.objects.update(enabled=False)
    return new_rule()


def new_rule(**values: Any) -> Rule:
    """A rule, checked as everywhere."""
    given = {
        "name": "PM10", "layer": "monitors", "factor": Factor.objects.get(code="a34002"), "threshold": 70.0,
        "roles": ["supervisor"], "valid_from": NOON.date() - timedelta(days=300),
    }  # fmt: skip
    made = Rule(**{**given, **values})
    made.full_clean()
    made.save()
    return made


def row(device: Device, at: datetime, value: float | None, received: datetime | None = None, **more: Any) -> Row:
    """A real-time reading, received a second after it was measured unless said otherwise."""
    given = {"span": "real", "low": None, "high": None, "total": None, "flag": "N", "quality": ""} | more
    factor = given.pop("factor", "a34002")
    return Row(device.pk, factor, at, value=value, received_at=received or at + SECOND, **given)


def rows(device: Device, values: Iterable[float | None], begin: datetime = NOON, **more: Any) -> list[Row]:
    """Readings minute by minute."""
    return [row(device, begin + n * MINUTE, value, **more) for n, value in enumerate(values)]


@pytest.fixture
def keep(db: None) -> Callable[[Iterable[Row]], Any]:
    """``keep(rows)`` stores readings as a gateway does."""
    link = partitions.raw()
    link.execute("delete from telemetry_arrival")
    return lambda some: Store(link).write(some)


def seen(**where: Any) -> list[tuple[Any, ...]]:
    """The episodes that hold: begin and end in minutes after noon, count, peak, level."""

    def minutes(at: datetime | None) -> int | None:
        return None if at is None else round((at - NOON) / MINUTE)

    return [
        (minutes(e.began_at), minutes(e.ended_at), e.count, e.peak, e.level)
        for e in Episode.objects.filter(withdrawn=False, **where).order_by("began_at")
    ]


def evaluator(server: Server) -> subprocess.Popen[bytes]:
    """``manage.py alarms`` on the server's database, a process of its own."""
    environment = os.environ | {"ZHUTU_PGDATABASE": server.database}
    log = (settings.LOCAL / f"{server.database}_alarms.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "alarms"], cwd=settings.ROOT, env=environment, stdout=log, stderr=log
    )
    log.close()
    return process


def only_rule(server: Server, name: str, **given: Any) -> list[int]:
    """Commit a rule, PM10 over 70 at any monitor unless said otherwise, and switch all others off; which those were."""
    values = {
        "name": name, "kind": "measure", "enabled": True, "layer": "monitors", "region": "", "features": "{}",
        "span": 0, '"window"': 0, "standard": "", "grade": "", "stage": "", "threshold": 70,
        "condition": "value > limit", "clear": "", "downward": False, "level": "yellow", "red_when": "",
        "orange_when": "", "yellow_when": "", "for_minutes": 0, "n_least": 1, "clear_minutes": 0, "period": "",
        "weekdays": "1234567", "roles": "{supervisor}", "template": "alarm", "valid_from": "2020-01-01",
        "citation": "", "version": 1, "trouble": "",
    } | given  # fmt: skip
    others = [pk for (pk,) in server.sql("update alarms_rule set enabled = false where enabled returning id")]
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    server.sql(
        f"insert into alarms_rule ({names}, factor_id, updated_at)"
        f" select {marks}, id, now() from telemetry_factor where code = 'a34002'",
        *values.values(),
    )
    return others


def without_alarms(server: Server, rule: str, switched_off: list[int]) -> None:
    """Take away a rule with all that came of it, and switch the others on again."""
    server.sql("delete from alarms_told; delete from alarms_act; delete from alarms_watch; delete from alarms_episode")
    server.sql("delete from notify_delivery; delete from notify_message where dedupe_key like 'alarm:%%'")
    server.sql("delete from telemetry_reading; delete from telemetry_arrival; delete from telemetry_latest")
    server.sql("delete from telemetry_presence; delete from telemetry_outage")
    server.sql("delete from alarms_rule where name = %s", rule)
    server.sql("update alarms_rule set enabled = true where id = any(%s)", switched_off)
