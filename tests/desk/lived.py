"""Three days of a living city, written into the database that the environment names: ``python -m tests.desk.lived``.

Devices have measured, trucks have driven, rules were broken, people have worked: every screen has something to show.
"""

import os
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "command_center.settings")
django.setup()

from django.contrib.gis.geos import MultiPolygon  # noqa: E402
from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from ingest.files import imports  # noqa: E402
from ingest.management.commands.simulate import register  # noqa: E402
from ingest.simulators import past, works  # noqa: E402
from ingest.simulators.water import Works  # noqa: E402
from layers.concrete.models import MixerTruck  # noqa: E402
from layers.environment import flows  # noqa: E402
from layers.environment.models import ControlArea, Monitor  # noqa: E402
from services.access.principal import Principal, principal_of  # noqa: E402
from services.accounts.models import ApiToken, User  # noqa: E402
from services.alarms import actions  # noqa: E402
from services.alarms.evaluate import evaluate  # noqa: E402
from services.alarms.models import Rule  # noqa: E402
from services.audit.models import Finding  # noqa: E402
from services.audit.models import Rule as AuditRule  # noqa: E402
from services.catalog.layer import registry  # noqa: E402
from services.feeds.models import Run, Source  # noqa: E402
from services.fences.models import Fence  # noqa: E402
from services.indicators import evaluate as lights  # noqa: E402
from services.operations import keeping, logs, receiving  # noqa: E402
from services.operations.models import Block, Job, Rise  # noqa: E402
from services.positions import legs  # noqa: E402
from services.positions.store import Store as Positions  # noqa: E402
from services.reports import making  # noqa: E402
from services.reports.models import Custom  # noqa: E402
from services.surfaces.models import Surface  # noqa: E402
from services.telemetry import features, partitions, rollups  # noqa: E402
from services.telemetry.devices import heard  # noqa: E402
from services.telemetry.models import Device, Factor  # noqa: E402
from services.telemetry.states import SUFFIX  # noqa: E402
from services.telemetry.store import Row, Store  # noqa: E402
from tests.conftest import HOME  # noqa: E402
from tests.positions.conftest import drive, stand  # noqa: E402
from tests.telemetry.conftest import insert_device  # noqa: E402

PASSWORD, EVERY, HOURS = "demo12", 60, 72


def measure(now: datetime) -> list[Device]:
    """Monitors and sewage works with three days behind them and an hour of readings; the devices of the monitors."""
    dust = register(12, PASSWORD, EVERY)
    water = works.register(works.points(2, ()), PASSWORD, EVERY)
    link = partitions.raw()
    past.write(link, {**dust, **water}, now, HOURS, EVERY)
    Device.objects.update(created_at=now - timedelta(hours=HOURS), approved_at=now - timedelta(hours=HOURS))
    heard(link, dict.fromkeys(Device.objects.values_list("pk", flat=True), (now, "10.0.0.1")))
    devices = list(Device.objects.filter(pk__in=dust).order_by("pk"))
    rows: list[Any] = []
    for place, device in enumerate(devices):
        for minute in range(60, 0, -2):
            at = now - timedelta(minutes=minute)
            high = 260.0 - minute if place % 3 == 0 else 0.0
            said = {"a34001": 120 + high, "a34002": 60 + high, "a34004": 31 + high / 3, "LA": 58 + place,
                    "a01001": 16.2, "a01002": 61, "a01006": 96.4, "a01007": 1.8, "a01008": 30 * place}  # fmt: skip
            rows += [Row(device.pk, f, at, "real", v, None, None, None, "N", "", at) for f, v in said.items()]
    for pk, source in water.items():
        for minute in range(60, 0, -5):
            at = now - timedelta(minutes=minute)
            said = dict(source.values(at))
            if isinstance(source, Works):
                said |= {f"{signal}{SUFFIX}": float(state) for signal, state in source.states(at).items()}
            rows += [Row(pk, f, at, "real", v, None, None, None, "N", "", at) for f, v in said.items()]
    Store(link).write(rows)
    rollups.compute(link)
    features.write(link)
    return devices


def drive_about(now: datetime) -> None:
    """A truck that stood, drove and stood again this morning, and a fence around its plant."""
    link = partitions.raw()
    truck = MixerTruck.objects.filter(plant__region__code__startswith=HOME).order_by("pk")[0]
    device = insert_device(link, protocol="jt808", number="REPLAY", feature=truck.pk, interval=30)
    begin = now - timedelta(hours=2)
    rows = stand(device, begin, 10)
    rows += drive(device, rows[-1].at, 3000)  # type: ignore[arg-type]
    rows += stand(device, rows[-1].at + timedelta(seconds=10), 10, 3100)  # type: ignore[operator]
    Positions(link).write(rows)
    legs.derive(link)
    place = Monitor.objects.filter(region__code__startswith=HOME, geom__isnull=False).order_by("pk")[0].geom
    assert place is not None
    Fence.objects.create(
        name="搅拌站场区", region_id=HOME, geom=place.buffer(0.01), kinds=["enter", "leave", "dwell"],
        layer="mixer_trucks", dwell_minutes=30, active=True,
    )  # fmt: skip


def alarm(who: dict[str, Principal]) -> None:
    """Rules are broken, and people do something about it."""
    given: dict[str, Any] = {
        "layer": "monitors", "roles": ["supervisor", "inspector", "admin"], "valid_from": date(2020, 1, 1),
        "factor": Factor.objects.get(code="a34002"), "kind": "measure", "clear_minutes": 10,
    }  # fmt: skip
    Rule.objects.create(name="PM10 过高", level="red", threshold=280, red_when="value > limit", **given)
    Rule.objects.create(name="PM10 偏高", level="yellow", threshold=120, citation="DB51/2682-2020 表1", **given)
    evaluate()
    # A mean of a whole day may be over and closed by itself: not at every hour of the day.
    found = list(actions.episodes(who["admin"]).filter(state="open").order_by("began_at"))
    assert found, "no alarm was raised"
    actions.act(who["admin"], found[0].pk, "acknowledge")
    actions.act(who["admin"], found[1].pk, "assign", "请到现场核实", assignee=actions.assignees(found[1])[0].pk)


def govern(who: dict[str, Principal], now: datetime) -> None:
    """An area, an order, a report, a feed with a run, jobs, a token."""
    monitor = Monitor.objects.filter(project__participations__capacity="contractor", geom__isnull=False).order_by("pk")[
        0
    ]
    assert monitor.geom is not None and monitor.project is not None
    around = monitor.geom.buffer(0.02)
    ControlArea.objects.create(
        code="GK-001", name="城东重点管控区", region_id=monitor.region_id, phone="0818-2380000", person="王责任",
        geom=MultiPolygon(around, srid=4490),
    )  # fmt: skip
    unit = monitor.project.participations.filter(capacity="contractor")[0].enterprise_id
    flows.issue(
        who["admin"], monitor.pk, unit=unit, finding="PM10 小时均值超标", requirement="裸土覆盖，开启喷淋",
        due_at=now + timedelta(days=3),
    )  # fmt: skip
    Custom.objects.create(
        name="扬尘例会用表", owner=User.objects.get(username="admin"), layer="monitors", period="day", by="feature",
        columns=["code", "name", "a34002:mean", "a34002:high"],
    )  # fmt: skip
    feed = Source.objects.create(
        name="城区污水在线监测", note="原有系统的小时数据", url="https://old.example.cn/api/values",
        layer="sewage_plants",
        mapping={"device": "stationCode", "time": "monitorTime", "factors": [["cod", "w01018", "mg/L"]]},
        enabled=True, enabled_at=now, list_path="data.items",
        error={"text": "接口设置在提取过程中被修改，本次提取已停止。"},
    )  # fmt: skip
    Run.objects.create(
        source=feed, state=Run.State.PARTLY, started_at=now, finished_at=now, pages=2, size=18234,
        counts={"rows": 120, "added": 118, "refused": 2},
        problems=[[7, "monitorTime", {"text": "接口设置在提取过程中被修改，本次提取已停止。"}]],
    )  # fmt: skip
    admin = User.objects.get(username="admin")
    ApiToken.issue(admin, "QGIS 桌面")
    text = "code,name,region\nIN-1,Site one,511702\nIN-2,Site two,511702\n"
    imports.start(
        who["admin"], registry.by_key["projects"], SimpleUploadedFile("工程名单.csv", text.encode()), "工程名单.csv"
    )  # fmt: skip
    for state, done in ((Job.State.RUNNING, 40), (Job.State.SUCCESSFUL, 100), (Job.State.FAILED, 70)):
        Job.objects.create(
            kind="export", title="导出工程项目", user=admin, state=state, progress=done, started_at=now,
            message="磁盘空间不足。" if state == Job.State.FAILED else "",
        )  # fmt: skip


def look_at_itself(who: dict[str, Principal], now: datetime) -> None:
    """A week of logs with a rise of errors, blocks of the database, and what somebody did there with psql."""
    random = Random(7)
    keeping.prepare()
    link, entries = partitions.raw(), []
    receiving.register(who["admin"], "oa", "办公自动化系统")
    said = (
        (20, "gateway", "a device connected", ""), (20, "web", "an edition was asked for", ""),
        (30, "background", "the mail server is slow", ""), (40, "notify", "a message was not taken", "TimeoutError"),
        (10, "oa", "cache filled", ""), (50, "oa", "disk is full", "OSError: [Errno 28]"),
    )  # fmt: skip
    for minutes in range(0, 7 * 24 * 60, 20):
        for level, program, message, cause in said:
            if random.random() < 0.5 / (level / 20):
                system = "oa" if program == "oa" else logs.OWN
                at = now - timedelta(minutes=minutes)
                entries.append(logs.Entry(at, level, system, program, f"services.{program}", message, cause))
    for n in range(48):
        at = now - timedelta(minutes=95, seconds=7 * n)
        cause = "Traceback (most recent call last):\n  File views.py, line 71, in page\nValueError: no such period"
        where = ("owner", "10.20.3.7", "GET /desk/reports/weekly-dust")
        entries.append(
            logs.Entry(at, 40, logs.OWN, "web", "command_center.errors", f"{where[2]} failed", cause, *where, 4711)
        )
    logs.store(link, entries, {(logs.step_of(now - timedelta(minutes=95)), logs.OWN, "web", 40): 6})
    begin = logs.step_of(now - timedelta(minutes=98))
    Rise.objects.create(
        system=logs.OWN, program="web", began_at=begin, ended_at=begin + timedelta(minutes=20), usual=0.4, peak=44,
        peak_at=begin,
    )  # fmt: skip
    waiting = [
        {
            "pid": 20115, "account": "inspector", "role": "zhutu", "program": "zhutu web", "table": "projects_project",
            "lock": "transactionid ShareLock", "seconds": 8.2, "statement": "update projects_project set state = 'x'",
        },
    ]  # fmt: skip
    for hours, account, program, ended in ((2, "owner", "zhutu web", 41), (26, "", "psql", 640)):
        at = now - timedelta(hours=hours)
        Block.objects.create(
            pid=20071 + hours, session_at=at, work_at=at, began_at=at, seen_at=at, account=account, role="zhutu",
            program=program, state="idle in transaction", tables="projects_project", waiting=waiting, most=3, longest=9,
            statement="update projects_project set manager = 'x' where region_id like '5117%'",
            ended_at=at + timedelta(seconds=ended), ended_by="" if account else "admin",
        )  # fmt: skip
    for n, rule in enumerate(AuditRule.objects.order_by("pk")):
        Finding.objects.create(
            at=now - timedelta(minutes=17 * n), kind=rule.kind, level=rule.level, rule=rule.name, account="root",
            role="nobody" if rule.kind == "login" else "zhutu", database="zhutu", address="local", program="psql",
            pid=30211, rows=rule.least + 2 if rule.kind in ("login", "update", "delete") else None,
            tables="accounts_membership" if rule.kind in ("insert", "update", "delete", "truncate") else "",
            statement={"ddl": "alter table accounts_user add column backdoor text", "login": "", "session": ""}.get(
                rule.kind, f"{rule.kind} accounts_membership where role = 'admin' and user_id is not null"
            ),
            detail="Peer authentication failed for user" if rule.kind == "login" else "",
        )  # fmt: skip


def main() -> None:
    """All of it."""
    now = timezone.now().replace(microsecond=0)
    partitions.ahead()
    who = {user.username: principal_of(user) for user in User.objects.filter(username__in=("admin", "owner"))}
    measure(now)
    drive_about(now)
    alarm(who)
    govern(who, now)
    look_at_itself(who, now)
    Surface.objects.filter(key__in=("pm10", "pm25")).update(active=True, cell_m=2000)
    Surface.objects.exclude(key__in=("pm10", "pm25")).update(active=False)
    call_command("surfaces", once=True)
    lights.evaluate(now)
    making.plan(now)
    for _edition in range(4):
        making.make(now)


if __name__ == "__main__":
    main()
