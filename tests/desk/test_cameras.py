"""Cameras and recorders on the desk: what waits behind a recorder, and an outage on panel, alarm and device page."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.conf import settings
from playwright.sync_api import expect

from layers.video.models import Camera, Recorder
from services.audit.models import Entry
from services.telemetry.models import Device
from tests.conftest import HOME, SIBLING, Server, client
from tests.desk.conftest import PHONE, Desk
from tests.ingest.gateways.cameras import forget, number_of, register

pytestmark = pytest.mark.django_db
Enter = Callable[..., Desk]


def body(answer: Any) -> str:
    return answer.content.decode()


@pytest.fixture
def recorder(db: None) -> Device:
    """A recorder of the owner's county; behind it wait a camera of theirs, one of a neighbour's and an unknown one."""
    place = Recorder.objects.create(code=number_of(800_001, 118), name="门卫室录像机", region_id=HOME)
    front = Device.objects.create(protocol="gb28181", number=place.code, feature=place.pk, state="active")
    Camera.objects.create(code=number_of(800_001), name="塔吊摄像机", region_id=HOME)
    Camera.objects.create(code=number_of(800_002), name="别处摄像机", region_id=SIBLING)
    for serial in (800_001, 800_002, 800_003):
        Device.objects.create(protocol="gb28181", number=number_of(serial), name=f"通道{serial}", behind=front)
    return front


def test_one_click_takes_in_the_channels_whose_numbers_are_cameras_of_ones_own(recorder: Device) -> None:
    mine = client("owner")
    page = body(mine.get(f"/desk/devices/{recorder.pk}"))
    assert all(number_of(serial) in page for serial in (800_001, 800_002, 800_003)) and "启用编号相符的通道" in page
    assert "监测因子" not in page and "隔离数据" not in page, "it measures nothing"
    answer = mine.post(f"/desk/devices/{recorder.pk}/approve-behind", follow=True)
    assert "已启用 1 路编号相符的通道。" in body(answer)
    states = dict(Device.objects.filter(behind=recorder).values_list("number", "state"))
    assert states == {number_of(800_001): "active", number_of(800_002): "pending", number_of(800_003): "pending"}
    assert Device.objects.get(number=number_of(800_001)).feature == Camera.objects.get(code=number_of(800_001)).pk
    assert Entry.objects.filter(action="approve device", user_name__isnull=False).exists()
    again = mine.post(f"/desk/devices/{recorder.pk}/approve-behind", follow=True)
    assert "已启用 0 路" in body(again)


def test_f43_nobody_takes_in_the_channels_of_a_recorder_of_others(recorder: Device) -> None:
    for name in ("neighbour", "stranger", "inspector"):
        answer = client(name).post(f"/desk/devices/{recorder.pk}/approve-behind")
        assert answer.status_code in (403, 404), name
    assert not Device.objects.filter(behind=recorder, state="active").exists()


def test_the_password_of_a_camera_is_set_on_its_page_and_not_shown(recorder: Device) -> None:
    mine = client("owner")
    given = {"name": "录像机", "interval": "30", "password": "camera-28181"}
    assert mine.post(f"/desk/devices/{recorder.pk}", given).status_code == 302
    kept = Device.objects.get(pk=recorder.pk)
    assert (kept.password, kept.interval, kept.minute_span) == ("camera-28181", 30, 10)
    page = body(mine.get(f"/desk/devices/{recorder.pk}"))
    assert "camera-28181" not in page and 'name="minute_span"' not in page


class Away(NamedTuple):
    """A camera that left and its recorder, with what the browser opens."""

    camera: str
    name: str
    number: str
    front: int
    alarm: str


@pytest.fixture
def away(server: Server) -> Iterator[Away]:
    """A recorder with three cameras, of which one is gone; the product has seen it and raised its alarm."""
    chosen = server.sql(
        "select id, code, name from video_camera where state = 'online' and region_id like '511702%%' order by code"
        " limit 3"
    )
    ((recorder, code),) = server.sql("select id, code from video_recorder order by code limit 1")
    front = register(server, code, feature=recorder)
    devices = [register(server, number, feature=pk, password="", behind=code) for pk, number, _name in chosen]
    register(server, number_of(940_001), state="pending", password="", behind=code)
    server.sql(
        "insert into telemetry_presence (device_id, seen_at, connected_at, address, online, refused)"
        " select unnest(%s::int4[]), now() - interval '20 seconds', now() - interval '2 hours', '10.20.4.8', true, 0",
        [front, *devices],
    )
    server.sql(
        "update telemetry_presence set online = false, left_at = now() - interval '6 minutes', left_how = 'reported',"
        " seen_at = now() - interval '7 minutes' where device_id = %s",
        devices[0],
    )
    server.sql(
        "insert into telemetry_outage (device_id, began_at) values (%s, now() - interval '6 minutes')", devices[0]
    )
    others = server.sql("update alarms_rule set enabled = false where enabled and key <> 'camera-silent' returning id")
    for name in ("telemetry", "alarms"):
        environment = os.environ | {"ZHUTU_PGDATABASE": server.database}
        subprocess.run(
            [sys.executable, "manage.py", name, "--once"], cwd=settings.ROOT, env=environment, check=True
        )  # fmt: skip
    ((alarm,),) = server.sql("select id::text from alarms_episode where device_id = %s", devices[0])
    pk, number, title = chosen[0]
    yield Away(str(pk), title, number, front, alarm)
    server.sql("delete from alarms_told; delete from alarms_act; delete from alarms_episode")
    server.sql("update alarms_rule set enabled = true where id = any(%s)", [key for (key,) in others])
    forget(server)


@pytest.mark.parametrize(("language", "theme"), [("zh-hans", "light"), ("en", "dark")])
def test_an_outage_is_seen_on_panel_alarm_and_device(desk: Enter, away: Away, language: str, theme: str) -> None:
    words = {
        "zh-hans": ("离线", "告警", "摄像机离线", "上级设备报告离线", "断线"),
        "en": ("Offline", "Alarms", "Camera offline", "Reported as offline by its recorder", "Connection lost"),
    }
    offline, alarms, rule, reason, lost = words[language]
    here = desk("owner", theme=theme, language=language, viewport={"width": 1920, "height": 1080})
    page = here.open(f"/desk/cameras/{away.camera}")
    panel = page.locator(".panel-content")
    expect(panel.locator("[data-cell=state]")).to_have_text(offline)
    panel.get_by_role("tab", name=alarms, exact=True).click()
    expect(panel.locator(".alarms")).to_contain_text(rule)
    here.settle()
    here.shot(f"camera-panel-{language}")
    panel.locator("#tab-fault").click()
    expect(panel.locator("#tab-body")).to_contain_text(lost)
    page = here.open("/desk/alarms")
    expect(page.locator(".alarms")).to_contain_text(away.name)
    here.shot(f"camera-alarms-{language}")
    page = here.open(f"/desk/alarms/{away.alarm}")
    for text in (rule, away.name, away.number, reason):
        expect(page.locator(".plain")).to_contain_text(text)
    here.shot(f"camera-alarm-{language}")
    page = here.open(f"/desk/devices/{away.front}")
    expect(page.locator("#channels")).to_contain_text(away.number)
    here.shot(f"recorder-device-{language}")


def test_an_outage_is_read_on_a_phone(desk: Enter, away: Away) -> None:
    here = desk("owner", **PHONE)
    here.open(f"/desk/alarms/{away.alarm}")
    here.shot("camera-alarm-phone")
    here.open(f"/desk/devices/{away.front}")
    here.shot("recorder-device-phone")
