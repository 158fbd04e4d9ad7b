"""Monitoring management: what watches each site, its gaps, and duty that alarms respect."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from layers.environment.models import Monitor
from layers.projects.models import Project
from layers.video.models import Camera
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.alarms.evaluate import evaluate
from services.alarms.models import Episode, Rule
from services.audit.models import Entry
from services.limits.rows import ZONE
from services.telemetry import devices, partitions
from services.telemetry.models import Device
from services.telemetry.store import Row, Store
from tests.alarms.conftest import new_rule
from tests.conftest import HOME
from tests.managing.conftest import Browser, body

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, tzinfo=ZONE)


@pytest.fixture
def site(db: None) -> Project:
    """A site of the county that a monitor and a camera watch."""
    found = Project.objects.create(name="监控测试工地", region_id=HOME, state="active")
    Monitor.objects.create(code="WATCH-M", name="测试监测点", region_id=HOME, project=found, state="online")
    Camera.objects.create(
        code="51170200441320990001", name="测试摄像机", region_id=HOME, project=found, state="offline", can_turn=True
    )
    return found


@pytest.mark.covers("DZ-103")
def test_a_site_with_what_watches_it_is_shown_to_whom_it_concerns(site: Project, browser: Browser) -> None:
    device = Device.objects.create(
        protocol="hj212", number="WATCH-M", state="active", interval=45, feature=Monitor.objects.get(code="WATCH-M").pk
    )
    for name in ("owner", "inspector", "commander"):
        page = body(browser(name).get("/desk/monitoring?q=监控测试"))
        for text in (
            site.name,
            "测试监测点",
            "测试摄像机",
            "在线",
            "离线",
            "值守",
            "云台",
            f"/desk/devices/{device.pk}",
        ):
            assert text in page, (name, text)
        assert ("停止值守</button>" in page) is (name == "owner"), name
    for name in ("neighbour", "stranger"):
        page = body(browser(name).get("/desk/monitoring?q=监控测试"))
        assert site.name not in page and "测试监测点" not in page
    assert browser("owner").get("/desk/monitoring?gap=x").status_code == 400


def test_duty_is_changed_by_who_may_change_the_monitor_and_audited(site: Project, browser: Browser) -> None:
    monitor = Monitor.objects.get(code="WATCH-M")
    door = f"/desk/monitoring/{monitor.pk}/duty"
    given = {"off": "1", "reason": "工地停工"}
    assert browser("neighbour").post(door, given).status_code == 404
    assert browser("inspector").post(door, given).status_code == 403
    assert browser("owner").post(door, {"off": "1"}).status_code == 400, "without a reason"
    answer = browser("owner").post(door, given | {"back": "gap=off-duty"})
    assert answer.headers["Location"] == "/desk/monitoring?gap=off-duty"
    monitor.refresh_from_db()
    assert (monitor.off_duty, monitor.off_duty_reason) == (True, "工地停工")
    page = body(browser("owner").get("/desk/monitoring?gap=off-duty"))
    assert site.name in page and "工地停工" in page and "恢复值守" in page
    browser("owner").post(door, {"off": "0"})
    monitor.refresh_from_db()
    assert (monitor.off_duty, monitor.off_duty_reason) == (False, "")
    deeds = Entry.objects.filter(layer="monitors", object_id=str(monitor.pk), action="change")
    assert [entry.changes["off_duty"] for entry in deeds.order_by("pk")] == [[False, True], [True, False]]


def test_nothing_is_judged_while_a_monitor_is_off_duty(site: Project) -> None:
    Rule.objects.update(enabled=False)
    new_rule()
    monitor = Monitor.objects.get(code="WATCH-M")
    device = Device.objects.create(protocol="hj212", number="D", state="active", feature=monitor.pk)

    def measure(begin: datetime) -> int:
        times = [begin + timedelta(minutes=n) for n in range(3)]
        Store(partitions.raw()).write(
            [Row(device.pk, "a34002", at, "real", 90.0, None, None, None, "N", "", at) for at in times]
        )
        evaluate(times[-1] + timedelta(seconds=30))
        return Episode.objects.count()

    Monitor.objects.filter(pk=monitor.pk).update(off_duty=True, off_duty_reason="检修")
    assert measure(NOON) == 0
    monitor.refresh_from_db()
    Monitor.objects.filter(pk=monitor.pk).update(off_duty=False, off_duty_reason="")
    assert measure(NOON + timedelta(hours=2)) == 1


def test_gaps_are_found(site: Project, browser: Browser) -> None:
    bare = Project.objects.create(name="无人看管工地", region_id=HOME, state="active")
    planned = Project.objects.create(name="未开工工地", region_id=HOME, state="planned")
    owner = browser("owner")
    unwatched = body(owner.get("/desk/monitoring?gap=unwatched&q=工地"))
    assert bare.name in unwatched and site.name not in unwatched and planned.name not in unwatched
    assert "没有监测设备和摄像机" in unwatched
    assert site.name in body(owner.get("/desk/monitoring?gap=offline&q=监控测试"))
    assert site.name not in body(owner.get("/desk/monitoring?gap=no-camera&q=监控测试"))


def test_who_is_given_one_device_sees_it_without_its_site(site: Project, browser: Browser) -> None:
    user = User.objects.create_user("limited", password="x")
    grant = Membership.objects.create(user=user, role=Role.SUPERVISOR, region_id=HOME, named_only=True)
    assert "没有可查看的监控设备" in body(browser("limited").get("/desk/monitoring"))
    grant.named.create(feature=Monitor.objects.get(code="WATCH-M").pk)
    page = body(browser("limited").get("/desk/monitoring"))
    assert "测试监测点" in page and site.name not in page and "测试摄像机" not in page
    assert "停止值守</button>" in page, "it may be operated"


def test_the_export_holds_what_may_be_exported(site: Project, browser: Browser) -> None:
    text = body(browser("owner").get("/desk/monitoring/export?format=csv&q=监控测试"))
    assert text.count(site.name) == 2 and "WATCH-M" in text and "测试摄像机" in text
    assert browser("inspector").get("/desk/monitoring/export?format=csv").status_code == 403
    assert Entry.objects.filter(action="export", layer="monitors").exists()


def test_a_page_makes_the_same_queries_whatever_its_length(browser: Browser, kept_rights: None) -> None:
    owner, numbers = browser("owner"), []
    owner.get("/desk/monitoring")
    for count in (1, 15):
        for n in range(count):
            project = Project.objects.create(name=f"批量{count}-{n}", region_id=HOME, state="active")
            monitor = Monitor.objects.create(code=f"B{count}-{n}", name=f"批量{n}", region_id=HOME, project=project)
            device = Device.objects.create(protocol="hj212", number=monitor.code, state="active", feature=monitor.pk)
            devices.heard(partitions.raw(), {device.pk: (NOON, "a")})
        with CaptureQueriesContext(connection) as queries:
            owner.get(f"/desk/monitoring?q=批量{count}")
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]
