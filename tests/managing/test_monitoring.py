"""Monitoring management: what watches each site, its gaps, and duty that alarms respect."""

from datetime import datetime, timedelta

import pytest
from django.contrib.gis.geos import MultiPolygon, Point
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from layers.environment.models import ControlArea, Monitor
from layers.environment.reports import standing
from layers.projects.models import Project
from layers.video.models import Camera
from services.access import actions
from services.access.errors import Invalid
from services.access.principal import Principal, principal_of
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.alarms.evaluate import evaluate
from services.alarms.models import Episode, Rule
from services.alarms.resting import put_back
from services.alarms.sweeps import sweep
from services.audit.models import Entry
from services.catalog.layer import registry
from services.limits.rows import ZONE
from services.telemetry import devices, partitions
from services.telemetry.models import Device
from services.telemetry.store import Row, Store
from tests.alarms.conftest import new_rule
from tests.conftest import HOME
from tests.managing.conftest import Browser, body

pytestmark = pytest.mark.django_db
PLACE = Point(107.5, 31.2, srid=4490)
NOON = datetime(2026, 11, 20, 12, tzinfo=ZONE)


@pytest.fixture
def site(db: None) -> Project:
    """A site of the county that a monitor and a camera watch."""
    found = Project.objects.create(name="监控测试工地", region_id=HOME, state="active")
    Monitor.objects.create(
        code="WATCH-M",
        name="测试监测点",
        region_id=HOME,
        project=found,
        state="online",
        geom=Point(107.5, 31.2, srid=4490),
    )
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


def test_off_duty_ends_by_itself_for_whatever_judges_and_counts(site: Project, browser: Browser) -> None:
    Rule.objects.update(enabled=False)
    new_rule()
    monitor = Monitor.objects.get(code="WATCH-M")
    owner, now = User.objects.get(username="owner"), timezone.now()
    device = Device.objects.create(protocol="hj212", number="D", state="active", feature=monitor.pk)
    area = ControlArea.objects.create(
        code="A-UNTIL",
        name="停止值守测试区",
        region_id=HOME,
        geom=MultiPolygon(Point(107.5, 31.2, srid=4490).buffer(0.01)),
    )

    def alarms(begin: datetime) -> int:
        times = [begin + timedelta(minutes=n) for n in range(3)]
        Store(partitions.raw()).write(
            [Row(device.pk, "a34002", at, "real", 90.0, None, None, None, "N", "", at) for at in times]
        )
        evaluate(times[-1] + timedelta(seconds=30))
        return Episode.objects.count()

    def counted() -> int:
        return int(standing(principal_of(owner), [area.pk])[area.pk]["off_duty"])

    def listed() -> bool:
        return site.name in body(browser("owner").get("/desk/monitoring?gap=off-duty&q=监控测试"))

    rests = Monitor.objects.filter(pk=monitor.pk)
    rests.update(off_duty=True, off_duty_reason="检修", off_duty_until=now + timedelta(hours=1))
    assert (counted(), listed(), alarms(NOON), put_back()) == (1, True, 0, 0)
    rests.update(off_duty_until=now - timedelta(seconds=1))
    assert (counted(), listed(), alarms(NOON + timedelta(hours=2))) == (0, False, 1), "nothing had to write it down"


def test_what_has_ended_is_written_down_and_audited(site: Project) -> None:
    now = timezone.now()
    monitor = Monitor.objects.get(code="WATCH-M")
    stays = Monitor.objects.create(code="WATCH-S", name="长停", region_id=HOME, off_duty=True, off_duty_reason="迁移")
    end = now + timedelta(minutes=5)
    Monitor.objects.filter(pk=monitor.pk).update(off_duty=True, off_duty_reason="检修", off_duty_until=end)
    sweep(now)
    monitor.refresh_from_db()
    assert monitor.off_duty and monitor.resting
    sweep(end)
    monitor.refresh_from_db()
    stays.refresh_from_db()
    assert (monitor.off_duty, monitor.off_duty_reason, monitor.off_duty_until) == (False, "", None)
    assert stays.off_duty and stays.resting, "without an end somebody has to put it back"
    entry = Entry.objects.get(layer="monitors", object_id=str(monitor.pk), action="change")
    assert entry.changes == {"off_duty": [True, False], "off_duty_until": [end.isoformat(), None]}
    assert entry.user_id is None and put_back(end) == 0


def test_an_end_is_typed_shown_and_has_to_be_ahead(site: Project, browser: Browser) -> None:
    monitor = Monitor.objects.get(code="WATCH-M")
    door, owner = f"/desk/monitoring/{monitor.pk}/duty", browser("owner")
    local = (timezone.now() + timedelta(days=2)).astimezone(ZONE).replace(second=0, microsecond=0)
    given = {"off": "1", "reason": "检修"}
    assert owner.post(door, given | {"until": "2020-01-01T08:00"}).status_code == 400, "gone by"
    assert owner.post(door, given | {"until": "2020-13-01T08:00"}).status_code == 400
    assert owner.post(door, given | {"until": "x"}).status_code == 400
    assert owner.post(door, given | {"until": f"{local:%Y-%m-%dT%H:%M}"}).status_code == 302
    monitor.refresh_from_db()
    assert monitor.off_duty_until == local, "China's clock"
    assert f"至 {local:%m-%d %H:%M}" in body(owner.get("/desk/monitoring?q=监控测试"))
    assert f"{local:%Y-%m-%d %H:%M}" in body(owner.get(f"/desk/monitors/{monitor.pk}"))
    assert "停止值守至" in body(owner.get(f"/desk/monitors/{monitor.pk}/edit"))
    assert f"{local:%Y-%m-%d %H:%M}" in body(owner.get("/desk/monitoring/export?format=csv&q=监控测试"))
    owner.post(door, {"off": "0"})
    monitor.refresh_from_db()
    assert (monitor.off_duty, monitor.off_duty_until) == (False, None)


def test_a_stored_end_that_has_come_hinders_no_other_change(site: Project, who: dict[str, Principal]) -> None:
    monitor, layer = Monitor.objects.get(code="WATCH-M"), registry.by_key["monitors"]
    Monitor.objects.filter(pk=monitor.pk).update(
        off_duty=True, off_duty_reason="检修", off_duty_until=timezone.now() - timedelta(seconds=1)
    )
    changed = actions.change(who["owner"], layer, monitor.pk, {"maker": "新厂家"})
    assert (changed.maker, changed.off_duty) == ("新厂家", False)  # type: ignore[attr-defined]
    with pytest.raises(Invalid) as wrong:
        actions.change(
            who["owner"], layer, monitor.pk,
            {"off_duty": True, "off_duty_reason": "x", "off_duty_until": datetime(2030, 1, 1)},
        )  # fmt: skip
    assert set(wrong.value.fields) == {"off_duty_until"}, "a time without a zone"


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
