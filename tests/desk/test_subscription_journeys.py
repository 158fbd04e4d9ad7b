"""Alarms for other systems in a real browser: settled, tried, and seen to have arrived."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.alarms.conftest import only_rule, without_alarms
from tests.conftest import HOME, Server, connect
from tests.desk.conftest import PHONE, Desk
from tests.notify.receivers import Web, certificate, https_server, says
from tests.subscriptions.conftest import sender
from tests.telemetry.conftest import insert_device

pytestmark = pytest.mark.django_db
RULE = "PM10 超标"


@pytest.fixture
def other(server: Server, tmp_path: Path) -> Iterator[Web]:
    """The other system, on the list of allowed hosts; and a sender that runs beside the server."""
    key, own = certificate(tmp_path)
    others = only_rule(server, RULE, level="red")
    process = sender(server)
    with https_server(key, own) as web, connect(server.database) as link:
        web.usual = says({"received": True})
        server.sql(
            "insert into notify_destination (host, port, internal, authority, note)"
            " values ('localhost', %s, true, %s, '')",
            web.port, own.read_text(),
        )  # fmt: skip
        query = "select id::text from environment_monitor where region_id like %s order by id limit 1"
        ((monitor,),) = server.sql(query, f"{HOME}%")
        insert_device(link, number="TOLD", feature=monitor)
        yield web
    process.kill()
    process.wait(10)
    server.sql("delete from subscriptions_delivery; delete from subscriptions_subscription")
    without_alarms(server, RULE, others)
    server.sql("delete from telemetry_device where number = 'TOLD'; delete from notify_destination")


def alarm(server: Server) -> None:
    """An alarm is raised and handled."""
    ((episode,),) = server.sql(
        "insert into alarms_episode (rule_id, device_id, feature_id, subject, level, state, began_at, last_at, count,"
        " late, withdrawn, disposition, ended_at, value, peak, \"limit\") select r.id, d.id, d.feature, '', 'red',"
        " 'open', now(), now(), 1, false, false, '', now(), 182, 182, 70 from alarms_rule r, telemetry_device d"
        " where r.name = %s and d.number = 'TOLD' returning id",
        RULE,
    )
    for kind in ("raised", "handled"):
        server.sql("insert into alarms_act (episode_id, kind, level, text) values (%s, %s, 'red', '')", episode, kind)


def test_another_system_is_subscribed_tried_and_told(desk: Callable[..., Desk], server: Server, other: Web) -> None:
    mine = desk("admin")
    page = mine.open("/desk/subscriptions")
    expect(page.get_by_role("heading", name="还没有告警推送")).to_be_visible()
    page.get_by_role("link", name="新建推送").first.click()
    page.locator("#id_name").fill("省厅智慧工地平台")
    page.locator("#id_url").fill("https://elsewhere.example/alarms")
    page.locator("#id_account").fill("owner")
    page.get_by_role("button", name="保存").click()
    expect(page.locator(".field-error")).to_contain_text("允许的外部主机名单")
    mine.shot("subscription-form")
    page.locator("#id_url").fill(f"{other.url}/alarms")
    page.get_by_role("button", name="保存").click()
    expect(page.locator("[data-secret]")).to_contain_text("whsec_")
    page.get_by_role("button", name="发送测试").click()
    expect(page.locator(".notice.good")).to_contain_text("对方已接收测试")
    alarm(server)
    other.wait(3)
    page.goto(f"{server.url}/desk/subscriptions")
    page.get_by_role("link", name="省厅智慧工地平台").click()
    expect(page.locator(".sheet tbody tr")).to_have_count(2)
    other.replies = [says({"error": "维护中"}, status=503)] * 5
    alarm(server)
    other.wait(4)
    page.reload()
    expect(page.locator(".notice.bad")).to_contain_text("503")
    mine.shot("subscription")
    other.replies = []
    page.get_by_role("button", name="立即重新推送").click()
    other.wait(6)
    page.goto(f"{server.url}/desk/subscriptions")
    mine.shot("subscriptions")
    english = desk("admin", theme="dark", language="en")
    english.open("/desk/subscriptions").get_by_role("link", name="省厅智慧工地平台").click()
    english.settle()
    english.shot("subscription-dark-en")
    phone = desk("admin", language="en", **PHONE)
    phone.open("/desk/subscriptions").get_by_role("link", name="省厅智慧工地平台").click()
    phone.settle()
    phone.shot("subscription-phone-en")
