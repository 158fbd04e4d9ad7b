"""Alarms in a real browser: an exceedance that a process finds, people who see it live and act on it, and a phone."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from playwright.sync_api import Page, expect

from services.notify.models import Kind
from services.telemetry.store import Row, Store
from tests.alarms.conftest import evaluator, only_rule, without_alarms
from tests.conftest import PASSWORD, Live, Server, connect
from tests.desk.conftest import PHONE, Desk
from tests.notify.receivers import Web, certificate, https_server
from tests.telemetry.conftest import insert_device

pytestmark = pytest.mark.django_db
RULE = "PM10 过高"
MOBILE = "13800138009"
Enter = Callable[..., Desk]


@dataclass
class Site:
    """A dust monitor of the owner's county under a rule: PM10 over 70 is red."""

    server: Server
    monitor: str
    title: str
    contractor: str
    device: int

    def measures(self, value: float) -> None:
        """A value comes in now, stored as a gateway stores it."""
        at = datetime.now(UTC)
        with connect(self.server.database) as link:
            Store(link).write([Row(self.device, "a34002", at, "real", value, None, None, None, "N", "", at)])


@pytest.fixture(scope="module")
def judging(server: Server) -> Iterator[None]:
    """An evaluator that runs beside the server."""
    process = evaluator(server)
    yield
    process.kill()
    process.wait(10)


@pytest.fixture
def site(server: Server, judging: None, live: Live) -> Iterator[Site]:
    others = only_rule(server, RULE, level="red", roles="{supervisor,inspector}")
    ((monitor, title, contractor),) = server.sql(
        "select m.id::text, m.name, p.enterprise_id::text from environment_monitor m join projects_participation p"
        " on p.project_id = m.project_id and p.capacity = 'contractor'"
        " where m.region_id like '511702%%' order by m.name limit 1"
    )
    with connect(server.database) as link:
        device = insert_device(link, number="ALARMED", feature=monitor)
    yield Site(server, monitor, title, contractor, device)
    without_alarms(server, RULE, others)
    server.sql("delete from telemetry_device where number = 'ALARMED'")


@pytest.fixture
def builder(server: Server, site: Site) -> Iterator[str]:
    """Somebody of the contractor at whose site the monitor stands."""
    server.sql(
        "with u as (insert into accounts_user (password, is_superuser, username, first_name, last_name, email,"
        " is_staff, is_active, date_joined, title, failures)"
        " values (%s, false, 'builder', '', '', '', false, true, now(), '', 0) returning id)"
        " insert into accounts_membership (user_id, role, organisation_id, named_only)"
        " select id, 'contractor', %s, false from u",
        make_password(PASSWORD), site.contractor,
    )  # fmt: skip
    yield "builder"
    server.sql(
        "delete from accounts_membership where user_id = (select id from accounts_user where username = 'builder')"
    )
    server.sql("delete from accounts_user where username = 'builder'")


@pytest.fixture
def texts(server: Server, tmp_path: Path) -> Iterator[Web]:
    """An SMS gateway, a sender that runs beside the server, and the inspector's mobile."""
    key, own = certificate(tmp_path)
    with https_server(key, own) as web:
        server.sql(
            "insert into notify_destination (host, port, internal, authority, note)"
            " values ('localhost', %s, true, %s, '')",
            web.port, own.read_text(),
        )  # fmt: skip
        given = {
            "url": f"{web.url}/sms", "key": "JOURNEY_KEY", "ok_path": "errcode", "ok_value": "0",
            "body": {"to": "{mobile}", "content": "{text}"},
        }  # fmt: skip
        server.sql(
            "insert into notify_channel (name, kind, settings, enabled) values ('journey', %s, %s, true)",
            Kind.SMS.value, json.dumps(given),
        )  # fmt: skip
        server.sql(
            "insert into notify_contact (user_id, mobile, email, language, ways)"
            " select id, %s, '', 'zh-hans', %s from accounts_user where username = 'inspector'",
            MOBILE,
            json.dumps({"red": [Kind.SMS.value]}),
        )
        environment = os.environ | {"ZHUTU_PGDATABASE": server.database, "ZHUTU_NOTIFY_JOURNEY_KEY": "secret"}
        sender = subprocess.Popen(
            [sys.executable, "manage.py", "notify", "--every", "0.5"], cwd=settings.ROOT, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        yield web
        sender.kill()
        sender.wait(10)
    server.sql("delete from notify_contact where mobile = %s", MOBILE)
    server.sql("delete from notify_delivery; delete from notify_channel where name = 'journey'")
    server.sql("delete from notify_destination where host = 'localhost'")


def fits(page: Page, selector: str = "html") -> bool:
    """Whether nothing of an element is cut at its right."""
    return bool(page.eval_on_selector(selector, "e => e.scrollWidth <= e.clientWidth"))


def test_an_exceedance_arrives_live_and_is_handled_to_its_end(site: Site, builder: str, desk: Enter) -> None:
    mine, theirs, other = desk("owner"), desk(builder), desk("neighbour")
    for each in (mine, theirs, other):
        each.enter("/desk/alarms")
    page = mine.page
    expect(page.locator(".nothing")).to_be_visible()
    site.measures(182.0)
    row = page.locator("tr[data-alarm]", has_text=RULE)
    expect(row).to_contain_text(site.title)
    expect(row).to_contain_text("182")
    expect(page.locator(".toast-line.alarm").first).to_contain_text(RULE)
    expect(page.locator(".alarm-badge .level-red")).to_have_text(re.compile("1"))
    assert mine.same(), "the list followed what happened"
    mine.shot("alarms-live")

    # The contractor sees it, and is offered nothing that the server would refuse.
    expect(theirs.page.locator("tr[data-alarm]")).to_contain_text(site.title)
    expect(theirs.page.locator("#acknowledge, input[name=alarm], [data-choose-all], [data-dialog=push]")).to_have_count(
        0
    )
    theirs.shot("alarms-contractor")
    expect(other.page.locator("tr[data-alarm]")).to_have_count(0)
    address = row.locator("a[href^='/desk/alarms/']").get_attribute("href") or ""
    answer = other.page.goto(site.server.url + address)
    assert answer is not None and answer.status == 404

    row.locator("input[name=alarm]").check()
    page.locator("#acknowledge button").click()
    expect(page.locator(".toast-line.success")).to_contain_text("已确认 1 条告警")
    expect(row).to_contain_text("已确认")

    # From the list to the feature on the map, from its panel to the alarm.
    row.get_by_role("link", name=site.title).click()
    expect(page.locator("#panel h2")).to_have_text(site.title)
    page.locator("#tab-alarms").click()
    card = page.locator("[data-tab=alarms] tr[data-alarm]")
    expect(card).to_contain_text(RULE)
    assert fits(page, "[data-tab=alarms] .table-scroll")
    mine.shot("alarm-tab")
    card.locator("a").click()
    expect(page.locator("h1")).to_contain_text(RULE)
    page.locator(".push-to", has_text=re.compile("^inspector")).click()
    expect(page.locator(".toast-line.success")).to_contain_text("已推送给")
    expect(page.locator("h1 .badge-state")).to_have_text("已指派")
    page.locator("details.act", has_text="填写处置").locator("summary").click()
    page.select_option("#disposition", "measures")
    page.fill("#handle-text", "喷淋已开启，裸土已覆盖")
    page.get_by_role("button", name="提交处置").click()
    expect(page.locator("h1 .badge-state")).to_have_text("已处置")
    page.locator("details.act", has_text="办结").locator("summary").click()
    page.locator("details[open] .btn-primary").click()
    expect(page.locator("h1 .badge-state")).to_have_text("已办结")
    expect(page.locator(".timeline")).to_contain_text("喷淋已开启，裸土已覆盖")
    mine.shot("alarm-closed")
    page.goto(f"{site.server.url}/desk/alarms")
    expect(page.locator("tr[data-alarm]")).to_have_count(0)


@pytest.mark.covers("LN-216")
def test_a_warning_appears_on_the_phone_of_the_person_concerned(site: Site, desk: Enter, texts: Web) -> None:
    """On the desk of a phone as it is raised, without a touch; and as a text message where the page is not open."""
    phone, other = desk("inspector", **PHONE), desk("neighbour", **PHONE)
    page = phone.enter("/desk/alarms")
    other.enter("/desk/alarms")
    site.measures(195.0)
    card = page.locator("tr[data-alarm]", has_text=site.title)
    expect(card).to_be_in_viewport()
    expect(card).to_contain_text("195")
    warning = page.locator(".toast-line.alarm")
    expect(warning).to_have_count(1)
    expect(warning).to_contain_text(site.title)
    expect(page.locator(".bell-count")).to_be_in_viewport()
    expect(page.locator(".alarm-badge .level-red")).to_be_in_viewport()
    assert phone.same() and fits(page)
    box = card.bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
    phone.shot("phone-alarms")
    warning.tap()
    expect(page.locator("h1")).to_contain_text(RULE)
    assert fits(page)
    phone.shot("phone-alarm")
    texts.wait(1)
    assert texts.calls[0].json["to"] == MOBILE
    assert site.title in texts.calls[0].json["content"]
    expect(other.page.locator("tr[data-alarm], .toast-line")).to_have_count(0)


@pytest.mark.covers("LN-218")
def test_one_click_pushes_a_warning_to_a_chosen_person(site: Site, desk: Enter, texts: Web) -> None:
    """The chosen person hears of it at once on the phone, has it among the tasks, in a text message, and handles it."""
    mine, phone = desk("owner"), desk("inspector", **PHONE)
    mine.enter("/desk/alarms")
    site.measures(160.0)
    row = mine.page.locator("tr[data-alarm]", has_text=site.title)
    expect(row).to_be_visible()
    hers = phone.enter("/desk")
    row.get_by_role("button", name="推送").click()
    person = mine.page.locator("#push .push-to", has_text=re.compile("^inspector"))
    expect(person).to_be_visible()
    mine.shot("push")
    person.click()
    expect(mine.page.locator(".toast-line.success")).to_contain_text("已推送给inspector")
    expect(row).to_contain_text("已指派")
    expect(row).to_contain_text("inspector")

    task = hers.locator(".toast-line.alarm", has_text="请处置")
    expect(task).to_contain_text(site.title)
    assert phone.same()
    phone.shot("phone-task")
    task.tap()
    expect(hers.locator("h1 .badge-state")).to_have_text("已指派")
    texts.wait(2)
    sent = [call.json["content"] for call in texts.calls if call.json["to"] == MOBILE]
    assert [text.startswith("请处置") for text in sent] == [False, True]
    hers.goto(f"{site.server.url}/desk/notices")
    expect(hers.locator(".notice-row").first).to_contain_text("请处置")
    hers.goto(f"{site.server.url}/desk/alarms?mine=1")
    hers.locator("tr[data-alarm] a", has_text=RULE).tap()
    hers.locator("details.act", has_text="填写处置").locator("summary").tap()
    hers.fill("#handle-text", "已到场")
    hers.get_by_role("button", name="提交处置").tap()
    expect(hers.locator("h1 .badge-state")).to_have_text("已处置")
    expect(row).to_contain_text("已处置")


def test_an_alarm_pulses_on_the_large_map_until_it_is_done(site: Site, desk: Enter) -> None:
    mine = desk("owner", viewport={"width": 1920, "height": 1080})
    page = mine.enter("/desk/pollution")
    expect(page.locator("[data-alarms]")).to_have_text("0")
    site.measures(95.0)
    pulse = page.locator(".maplibregl-marker.alarm-pulse")
    expect(pulse).to_have_count(1)
    expect(page.locator("[data-alarms]")).to_have_text("1")
    mine.shot("pollution-alarm")
    assert mine.same()
    site.server.sql("update alarms_episode set state = 'closed' where feature_id = %s returning 1", site.monitor)
    page.reload()
    expect(page.locator("[data-alarms]")).to_have_text("0")
    expect(pulse).to_have_count(0)
