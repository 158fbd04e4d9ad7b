"""The pages of devices: who sees and does what, with what is wrong beside its field, in a fixed number of queries."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from layers.environment.models import Monitor
from services.audit.models import Entry
from services.telemetry import devices, inventory, partitions, tokens
from services.telemetry.models import Device, Outage, Quarantined
from services.telemetry.store import Row, Store
from tests.conftest import HOME, SIBLING, client

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine() -> Monitor:
    return Monitor.objects.create(code="MN-OWN", name="家门口监测点", region_id=HOME)


@pytest.fixture
def device(mine: Monitor) -> Device:
    return Device.objects.create(protocol="hj212", number="MN-OWN", feature=mine.pk, state="active", interval=60)


def body(answer: Any) -> str:
    return answer.content.decode()


def test_the_list_shows_devices_of_features_within_reach_and_those_that_wait(device: Device) -> None:
    other = Monitor.objects.create(code="MN-SIBLING", name="别处监测点", region_id=SIBLING)
    Device.objects.create(protocol="hj212", number="MN-SIBLING", feature=other.pk, state="active")
    devices.admit(partitions.raw(), "hj212", "MN-WAITING", "10.0.0.1")
    seen = {name: body(client(name).get("/desk/devices")) for name in ("owner", "neighbour", "stranger", "inspector")}
    for name, numbers in {
        "owner": {"MN-OWN", "MN-WAITING"}, "neighbour": {"MN-SIBLING", "MN-WAITING"},
        "stranger": {"MN-WAITING"}, "inspector": {"MN-OWN"},
    }.items():  # fmt: skip
        shown = {n for n in ("MN-OWN", "MN-SIBLING", "MN-WAITING") if f">{n}<" in seen[name]}
        assert shown == numbers, name
    admin = body(client("admin").get("/desk/devices"))
    assert all(f">{n}<" in admin for n in ("MN-OWN", "MN-SIBLING", "MN-WAITING"))
    assert Client(headers={"Accept": "text/html"}).get("/desk/devices").status_code == 302


def test_f43_a_foreign_device_is_not_found(device: Device) -> None:
    for name in ("neighbour", "stranger"):
        other = client(name)
        assert other.get(f"/desk/devices/{device.pk}").status_code == 404
        assert other.post(f"/desk/devices/{device.pk}", {"name": "x"}).status_code == 404
        assert other.post(f"/desk/devices/{device.pk}/block").status_code == 404
        feature = str(device.feature)
        assert other.post(f"/desk/devices/{device.pk}/approve", {"feature": feature}).status_code == 404
        assert "家门口监测点" not in body(other.get("/desk/devices/candidates?q=家门口"))
    inspector = client("inspector")
    page = body(inspector.get(f"/desk/devices/{device.pk}"))
    assert "家门口监测点" in page and "device-form" not in page and "confirm-block" not in page
    assert inspector.post(f"/desk/devices/{device.pk}/block").status_code == 403
    device.refresh_from_db()
    assert (device.state, device.name) == ("active", "")


def test_a_waiting_device_is_bound_to_the_feature_of_its_number(mine: Monitor) -> None:
    devices.admit(partitions.raw(), "hj212", "MN-OWN", "10.0.0.1")
    waiting = Device.objects.get(number="MN-OWN")
    owner = client("owner")
    page = body(owner.get(f"/desk/devices/{waiting.pk}"))
    assert f'name="feature" value="{mine.pk}"' in page
    assert f'value="{mine.pk}"' not in body(client("neighbour").get(f"/desk/devices/{waiting.pk}"))
    assert "家门口监测点" in body(owner.get("/desk/devices/candidates?q=家门口"))
    assert owner.post(f"/desk/devices/{waiting.pk}/approve", {"feature": "nonsense"}).status_code == 400
    answer = owner.post(f"/desk/devices/{waiting.pk}/approve", {"feature": str(mine.pk)})
    assert answer.headers["Location"] == f"/desk/devices/{waiting.pk}"
    waiting.refresh_from_db()
    assert (waiting.state, waiting.feature) == ("active", mine.pk)
    owner.post(f"/desk/devices/{waiting.pk}/block")
    waiting.refresh_from_db()
    assert waiting.state == "blocked"
    deeds = Entry.objects.filter(layer="device", object_id=str(waiting.pk)).order_by("pk")
    assert [entry.action for entry in deeds] == ["approve device", "block device"]
    history = body(owner.get(f"/desk/devices/{waiting.pk}"))
    assert "审核并绑定" in history and "重新启用" in history


PROFILE = {
    "name": "东门", "interval": "30", "minute_span": "10", "base": "0", "back_days": "30", "version": "2017",
    "crc_mode": "standard", "datatime_is": "end", "missing_flag": "N",
}  # fmt: skip


def test_a_profile_is_edited_and_the_key_never_shown(device: Device) -> None:
    owner, key = client("owner"), "0123456789abcdef0123456789abcdef"
    answer = owner.post(
        f"/desk/devices/{device.pk}", {**PROFILE, "sm4_key": key, "unit-a34002": "mg/m³", "unit-a01006": "hPa"}
    )
    assert answer.status_code == 302
    device.refresh_from_db()
    assert (device.name, device.interval, device.datatime_is, device.version) == ("东门", 30, "end", 2017)
    assert device.units == {"a34002": "mg/m³", "a01006": "hPa"}
    assert device.sm4_key == key
    page = body(owner.get(f"/desk/devices/{device.pk}"))
    assert key not in page and "***" in page
    owner.post(f"/desk/devices/{device.pk}", {**PROFILE, "unit-a34002": ""})
    device.refresh_from_db()
    assert device.sm4_key == key, "an empty field keeps the key"
    assert device.units == {"a01006": "hPa"}
    owner.post(f"/desk/devices/{device.pk}", {**PROFILE, "forget_sm4_key": "on"})
    device.refresh_from_db()
    assert device.sm4_key == ""


def test_a_password_is_set_replaced_and_deleted_and_never_shown(device: Device) -> None:
    owner, url = client("owner"), f"/desk/devices/{device.pk}"
    assert "凭设备编号即可上报" in body(owner.get(url))
    for word in ("Pw-4711", "Pw-4712"):
        assert owner.post(url, {**PROFILE, "password": word}).status_code == 302
        device.refresh_from_db()
        assert device.password == word
    assert owner.post(url, PROFILE).status_code == 302
    page = body(owner.get(url))
    device.refresh_from_db()
    assert device.password == "Pw-4712", "an empty field keeps it"
    assert "Pw-47" not in page and "forget_password" in page and "访问密码" in page
    assert "Pw-47" not in body(owner.post(url, {**PROFILE, "password": "Pw-4713", "interval": "0"})), "nor sent back"
    owner.post(url, {**PROFILE, "forget_password": "on"})
    device.refresh_from_db()
    assert device.password == ""
    box = Device.objects.create(protocol="http", number="BOX", feature=device.feature, state="active")
    assert 'name="password"' not in body(owner.get(f"/desk/devices/{box.pk}"))
    owner.post(f"/desk/devices/{box.pk}", {**PROFILE, "password": "Pw-4711"})
    box.refresh_from_db()
    assert (box.name, bool(box.password)) == ("东门", False)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"interval": "0"}, "id_interval"),
        ({"minute_span": "61"}, "id_minute_span"),
        ({"interval": "x"}, "id_interval"),
        ({"missing_flag": "X"}, "id_missing_flag"),
        ({"sm4_key": "12"}, "id_sm4_key"),
        ({"password": "a;b"}, "id_password"),
        ({"password": "密码"}, "id_password"),
        ({"crc_mode": "y"}, "id_crc_mode"),
        ({"unit-a34002": "hPa"}, "unit-a34002"),
        ({"unit-nonsense": "kg"}, ""),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(device: Device, wrong: dict[str, str], field: str) -> None:
    answer = client("owner").post(f"/desk/devices/{device.pk}", PROFILE | wrong)
    assert answer.status_code == 422
    page = body(answer)
    device.refresh_from_db()
    assert device.name == "" and device.units == {}
    if field:
        after = page[page.index(f'id="{field}"') :]
        assert "field-error" in after[: after.index("</div>" if field.startswith("id_") else "</tr>")]


def test_a_unit_is_proposed_from_the_first_day_and_confirmed_by_a_person(device: Device) -> None:
    now = timezone.now().replace(microsecond=0)
    # The first day says mg/m³; what came later must not hide it.
    rows = [
        Row(device.pk, "a34002", now - timedelta(hours=60 - n), "real", value, None, None, None, "N", "unit", now)
        for n, value in enumerate([0.08, 0.12, 0.1, 0.09] + [9.0] * 40)
        if n < 4 or n > 30
    ]
    Store(partitions.raw()).write(rows)
    median, number = inventory.medians(device)["a34002"]
    assert (median, number) == (pytest.approx(0.095), 4)
    owner = client("owner")
    page = body(owner.get(f"/desk/devices/{device.pk}"))
    assert 'data-set="unit-a34002" data-value="mg/m³"' in page
    assert "0.095" in page
    owner.post(f"/desk/devices/{device.pk}", {**PROFILE, "unit-a34002": "mg/m³"})
    assert 'data-set="unit-a34002"' not in body(owner.get(f"/desk/devices/{device.pk}"))


def test_outages_quarantine_and_quality_are_shown(device: Device) -> None:
    now = timezone.now().replace(microsecond=0)
    link = partitions.raw()
    devices.heard(link, {device.pk: (now - timedelta(hours=12), "10.0.0.1")})
    devices.mark_silent(link, now - timedelta(hours=11))
    Store(link).write(
        [
            Row(device.pk, "a34002", now - timedelta(minutes=1), "real", 80.0, None, None, None, "D", "flag", now),
            Row(device.pk, "a34002", now - timedelta(minutes=2), "real", 81.0, None, None, None, "N", "", now),
            Row(device.pk, "a34002", now + timedelta(days=2), "real", 82.0, None, None, None, "N", "", now),
        ]
    )
    page = body(client("owner").get(f"/desk/devices/{device.pk}"))
    assert "设备标记为非正常 1" in page and "有效 1" in page
    assert "时间超出允许范围" in page and "未恢复" in page
    assert Outage.objects.filter(device=device).count() == Quarantined.objects.filter(device=device.pk).count() == 1
    listed = body(client("owner").get("/desk/devices?presence=offline"))
    assert ">MN-OWN<" in listed
    assert ">MN-OWN<" not in body(client("owner").get("/desk/devices?presence=online"))
    assert "50.0%" in body(client("owner").get(f"/desk/devices/{device.pk}")), "online for half of the last day"


@pytest.mark.parametrize("query", ["state=x", "protocol=x", "presence=x"])
def test_a_filter_that_is_none_is_refused(query: str) -> None:
    assert client("owner").get(f"/desk/devices?{query}").status_code == 400


def test_a_list_makes_the_same_queries_whatever_its_length(device: Device, who: Any, mine: Monitor) -> None:
    numbers = []
    for count in (1, 60):
        for n in range(count):
            Device.objects.create(protocol="hj212", number=f"N{count}-{n}", feature=mine.pk, state="active")
        devices.heard(
            partitions.raw(), {pk: (timezone.now(), "a") for pk in Device.objects.values_list("pk", flat=True)}
        )
        with CaptureQueriesContext(connection) as queries:
            found = inventory.listing(who["owner"], {})
        assert len(found.lines) == min(found.total, inventory.SIZE)
        assert {(line.feature is not None, line.day) for line in found.lines} == {(True, 1)}
        numbers.append(len(queries))
    assert numbers == [6, 6]
    assert inventory.listing(who["owner"], {"page": "2"}).page == 2
    assert inventory.listing(who["owner"], {"page": "99"}).page == 2
    assert inventory.listing(who["owner"], {"q": "N60-7"}).total == 1
    assert inventory.listing(who["owner"], {"q": "家门口"}).total == 62


def test_one_makes_a_bounded_number_of_queries(device: Device) -> None:
    owner = client("owner")
    owner.get(f"/desk/devices/{device.pk}")
    with CaptureQueriesContext(connection) as queries:
        owner.get(f"/desk/devices/{device.pk}")
    assert len(queries) <= 22


@pytest.fixture
def box(mine: Monitor) -> Device:
    """A site box at the owner's monitor, without a token so far."""
    return Device.objects.create(protocol="http", number="BOX-1", state="active", feature=mine.pk)


def shown_token(page: str) -> str:
    found = re.search(r"<code data-secret>([^<]+)</code>", page)
    return found[1] if found else ""


def test_a_token_is_made_shown_once_replaced_and_revoked(box: Device) -> None:
    owner = client("owner")
    assert "签发令牌" in body(owner.get(f"/desk/devices/{box.pk}"))
    answer = owner.post(f"/desk/devices/{box.pk}/token")
    first = shown_token(body(answer))
    assert answer.status_code == 200 and len(first) > 40
    assert "no-store" in answer.headers["Cache-Control"]
    box.refresh_from_db()
    assert tokens.fits(first, box.secret) and first not in box.secret
    page = body(owner.get(f"/desk/devices/{box.pk}"))
    assert shown_token(page) == "" and first not in page and "已签发" in page
    second = shown_token(body(owner.post(f"/desk/devices/{box.pk}/token")))
    box.refresh_from_db()
    assert tokens.fits(second, box.secret) and not tokens.fits(first, box.secret)
    assert owner.post(f"/desk/devices/{box.pk}/token/revoke").status_code == 302
    box.refresh_from_db()
    assert box.secret == ""
    page = body(owner.get(f"/desk/devices/{box.pk}"))
    assert "没有令牌" in page and "收回令牌" in page, "what was done is in the history"
    deeds = Entry.objects.filter(layer="device", object_id=str(box.pk)).order_by("pk")
    assert [entry.action for entry in deeds] == ["new token", "new token", "revoke token"]
    assert first not in str(list(deeds.values())) and second not in str(list(deeds.values()))


def test_who_may_not_change_the_monitor_makes_no_token(box: Device, device: Device) -> None:
    for name, status in (("neighbour", 404), ("stranger", 404), ("inspector", 403)):
        for door in ("token", "token/revoke"):
            assert client(name).post(f"/desk/devices/{box.pk}/{door}").status_code == status, (name, door)
    assert "签发令牌" not in body(client("inspector").get(f"/desk/devices/{box.pk}"))
    assert client("owner").get(f"/desk/devices/{box.pk}/token").status_code == 405
    assert client("owner").post(f"/desk/devices/{device.pk}/token").status_code == 400, "HJ 212 has no tokens"
    assert "设备令牌" not in body(client("owner").get(f"/desk/devices/{device.pk}"))
    box.refresh_from_db()
    assert box.secret == ""
