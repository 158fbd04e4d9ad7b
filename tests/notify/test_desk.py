"""The bell, one's own notices and the preferences, by HTTP and in a real browser."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.translation import gettext_lazy
from playwright.sync_api import expect

from services.accounts.models import User
from services.audit.models import Entry
from services.notify import outbox
from services.notify.models import Channel, Contact, Delivery, Message
from tests.conftest import client
from tests.desk.conftest import browser, desk  # noqa: F401 fixtures

pytestmark = pytest.mark.django_db
PAGE = {"Accept": "text/html"}


def test_one_reads_one_s_own_and_goes_where_it_leads(owner: User) -> None:
    mine = client("owner")
    (message,) = outbox.notify([owner], "alarm", {"title": "扬尘超标"}, "red", link="/desk/projects")
    assert "扬尘超标" in mine.get("/desk/notices").content.decode()
    assert ">1<" in mine.get("/desk/notices/bell").content.decode()
    response = mine.post(f"/desk/notices/{message.pk}/read")
    assert (response.status_code, response.headers["Location"]) == (302, "/desk/projects")
    message.refresh_from_db()
    assert message.read_at is not None
    assert mine.get("/desk/notices/bell").content.decode().strip() == ""
    assert "扬尘超标" not in mine.get("/desk/notices?unread=1").content.decode()


def test_f43_another_s_notice_is_not_there(owner: User, sms: Channel) -> None:
    (message,) = outbox.notify([owner], "alarm", {"title": "Grenzmarke-7Q"}, "red")
    (grouped,) = outbox.notify([sms], "alarm", {"title": "Grenzmarke-7Q"}, "red")
    for name in ("neighbour", "admin"):
        other = client(name)
        for pk in (message.pk, grouped.pk):
            assert other.post(f"/desk/notices/{pk}/read").status_code == 404
        assert "Grenzmarke-7Q" not in other.get("/desk/notices").content.decode()
        assert other.get("/desk/notices/bell").content.decode().strip() == ""
        other.post("/desk/notices/read")
    message.refresh_from_db()
    assert message.read_at is None
    stranger = Client(SERVER_NAME="127.0.0.1")
    assert stranger.get("/desk/notices", headers=PAGE).status_code == 302
    assert stranger.post(f"/desk/notices/{message.pk}/read").status_code == 401


def test_f61_marking_needs_the_page_s_own_token(owner: User) -> None:
    (message,) = outbox.notify([owner], "alarm", {"title": "x"}, "red")
    mine = Client(SERVER_NAME="127.0.0.1", enforce_csrf_checks=True)
    mine.force_login(owner)
    for address in (f"/desk/notices/{message.pk}/read", "/desk/notices/read", "/desk/notices/preferences"):
        assert mine.post(address).status_code == 403
        assert address.endswith("preferences") or mine.get(address).status_code == 405
    assert Message.objects.get().read_at is None


def test_all_are_marked_as_read(owner: User) -> None:
    mine = client("owner")
    other = User.objects.get(username="neighbour")
    for number in range(120):
        outbox.notify([owner, other], "alarm", {"title": str(number)})
    assert "99+" in mine.get("/desk/notices/bell").content.decode()
    assert mine.post("/desk/notices/read").status_code == 302
    assert Message.objects.filter(user=owner, read_at=None).count() == 0
    assert Message.objects.filter(user=other, read_at=None).count() == 120


def test_older_notices_follow_without_gap(owner: User) -> None:
    mine = client("owner")
    sent = [outbox.notify([owner], "alarm", {"title": f"Nachricht-{n}"})[0] for n in range(120)]
    seen: list[str] = []
    address = "/desk/notices"
    while address:
        response = mine.get(address)
        shown = [str(row.pk) for row in response.context["notices"]]
        seen += shown
        address = f"/desk/notices?before={shown[-1]}" if response.context["older"] else ""
    assert sorted(seen) == sorted(str(row.pk) for row in sent)
    assert mine.get("/desk/notices?before=nonsense").status_code == 200


def test_the_page_asks_the_database_no_more_for_more_rows(owner: User, mail: Channel, sms: Channel) -> None:
    mine = client("owner")
    outbox.notify([owner], "alarm", {"title": "x"}, "red")
    mine.get("/desk/notices")
    with CaptureQueriesContext(
        connection,
    ) as few:
        mine.get("/desk/notices")
    for _more in range(40):
        outbox.notify([owner], "alarm", {"title": "x"}, "red")
    assert Delivery.objects.count() == 82
    with CaptureQueriesContext(connection) as many:
        mine.get("/desk/notices")
    assert len(many) == len(few)
    with CaptureQueriesContext(connection) as one:
        outbox.notify(User.objects.filter(username="owner"), "alarm", {"title": "x"}, "red")
    everybody = list(User.objects.filter(is_active=True))
    with CaptureQueriesContext(connection) as all_of_them:
        outbox.notify(everybody, "alarm", {"title": "x"}, "red")
    assert len(everybody) > 5
    assert len(all_of_them) <= len(one)


def test_f54_a_notice_is_shown_as_text(owner: User) -> None:
    outbox.notify([owner], "alarm", {"title": "<script>alert(1)</script>", "text": "<img src=x onerror=alert(1)>"})
    page = client("owner").get("/desk/notices").content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<img src=x" not in page


def test_who_switches_the_pages_to_english_is_told_in_english(owner: User) -> None:
    mine, nobody = client("owner"), Client()
    Contact.objects.filter(user=owner).update(mobile="13900139000", language="zh-hans")
    for language, subject in (("en", "A report was made"), ("zh-hans", "报表已自动生成")):
        for _twice in range(2):
            assert mine.post("/preferences", {"language": language, "next": "/desk"}).status_code == 302
        contact = Contact.objects.get(user=owner)
        assert (contact.language, contact.mobile) == (language, "13900139000"), "nothing else of it changes"
        (message,) = outbox.notify([owner], "none", {"title": gettext_lazy("报表已自动生成")}, "none")
        assert message.subject == subject
    assert Entry.objects.filter(action="change contact", object_id=str(owner.pk)).count() == 2, "once each"
    mine.post("/preferences", {"language": "fr"})
    mine.post("/preferences", {"theme": "dark"})
    nobody.post("/preferences", {"language": "en"})
    assert Contact.objects.get(user=owner).language == "zh-hans"
    other = client("neighbour")
    other.post("/preferences", {"language": "en"})
    new = Contact.objects.get(user__username="neighbour")
    assert (new.language, new.ways) == ("en", Contact().ways), "who never said otherwise keeps the standard ways"


def test_preferences_are_kept_checked_and_audited(db: None) -> None:
    mine = client("owner")
    values = {
        "mobile": "13900139000", "email": "me@example.com", "language": "en",
        "quiet_from": "22:00", "quiet_to": "07:00",
        "ways": ["red:sms_http", "yellow:email"],
    }  # fmt: skip
    assert mine.post("/desk/notices/preferences", values).status_code == 302
    contact = Contact.objects.get(user__username="owner")
    assert contact.ways == {"red": ["sms_http"], "orange": [], "yellow": ["email"], "blue": [], "none": []}
    assert (contact.mobile, contact.language, str(contact.quiet_from)) == ("13900139000", "en", "22:00:00")
    entry = Entry.objects.get(action="change contact")
    assert "13900139000" not in str(entry.changes)
    wrong = [{"mobile": "12345"}, {"mobile": "13900139000\n"}, {"quiet_to": ""}, {"email": "a@b, c@d"},
             {"ways": ["red:wecom"]}, {"language": "fr"}]  # fmt: skip
    for change in wrong:
        response = mine.post("/desk/notices/preferences", values | change)
        if change == {"mobile": "13900139000\n"}:  # a form strips what surrounds a value
            continue
        assert response.status_code == 400, change
    contact.refresh_from_db()
    assert contact.mobile == "13900139000"
    assert contact.quiet_to is not None
    assert Contact.objects.count() == 1


def test_receipts_need_the_token(sms: Channel, owner: User) -> None:
    gateway = Client(SERVER_NAME="127.0.0.1", enforce_csrf_checks=True)
    body = {"reports": [{"msgid": "m-1", "status": "DELIVRD"}]}

    def call(channel: int, token: str, content: Any = body) -> Any:
        return gateway.post(
            f"/notify/receipts/{channel}", content, content_type="application/json", headers={"X-Notify-Token": token}
        )

    assert call(sms.pk, "receipt-token-88").json() == {"taken": 0}
    for channel, token in ((sms.pk, ""), (sms.pk, "wrong"), (sms.pk, "é"), (sms.pk + 1, "receipt-token-88")):
        assert call(channel, token).status_code == 404
    assert call(sms.pk, "receipt-token-88", "{").status_code == 400


def test_the_admin_page_of_a_channel_shows_no_secret(sms: Channel, owner: User) -> None:
    outbox.notify([owner], "alarm", {"title": "x"}, "red")
    boss = client("admin")
    page = boss.get(f"/admin/notify/channel/{sms.pk}/change/").content.decode()
    assert "已由环境变量 ZHUTU_NOTIFY_SMS_KEY 设置" in page
    assert "sms-secret-4711" not in page
    listed = boss.get("/admin/notify/delivery/").content.decode()
    assert "138****8000" in listed
    row = Delivery.objects.get()
    assert "13800138000" not in listed + boss.get(f"/admin/notify/delivery/{row.pk}/change/").content.decode()
    assert client("owner").get("/admin/notify/channel/").status_code in (302, 403)


def fill(server: Any) -> None:
    """Notices of every level in the server's own database."""
    script = (
        "from services.accounts.models import User; from services.notify.outbox import notify;"
        "u = [User.objects.get(username='owner')];"
        "notify(u, 'a', dict(title='PM10 小时均值超标：城东片区三期工程', factor='PM10', value=182, unit='µg/m³',"
        " limit=150, time='2026-11-27 10:00'), 'red', '/desk/projects');"
        "notify(u, 'a', dict(title='夜间噪声超标：北岸花园', factor='等效声级', value=58.2, unit='dB(A)'), 'orange');"
        "notify(u, 'a', dict(title='设备离线超过 30 分钟', name='DZ-0031'), 'yellow', '/desk/projects');"
        "notify(u, 'a', dict(title='检查整改明日到期', count=2), 'blue');"
        "notify(u, 'a', dict(title='导入完成：projects.xlsx', count=120), 'none', '/desk/jobs')"
    )
    environment = os.environ | {"ZHUTU_PGDATABASE": server.database}
    subprocess.run([sys.executable, "manage.py", "shell", "-v", "0", "-c", script], cwd=settings.ROOT,
                   env=environment, check=True)  # fmt: skip


def test_the_bell_leads_to_the_notices_in_both_languages_and_themes(desk: Any, server: Any) -> None:  # noqa: F811
    server.sql("delete from notify_message")
    fill(server)
    for language, theme in (("zh-hans", "light"), ("en", "dark")):
        mine = desk("owner", theme=theme, language=language)
        page = mine.page
        expect(page.locator(".bell-count")).to_have_text("5" if language == "zh-hans" else "4")
        page.click(".bell")
        mine.settle()
        mine.shot(f"notices-{language}-{theme}")
        expect(page.locator(".notice-row.unread")).to_have_count(5 if language == "zh-hans" else 4)
        if language == "zh-hans":
            page.locator(".notice-row", has_text="PM10").locator("button").click()
            # The map writes its place behind it.
            page.wait_for_url(f"{server.url}/desk/projects**")
        mine.open("/desk/notices/preferences")
        page.fill("[name=mobile]", "13800138000")
        page.check("[value='yellow:sms_http']")
        page.click(".notice-foot button")
        expect(page.locator(".toast-line")).to_be_visible()
        expect(page.locator("[value='yellow:sms_http']")).to_be_checked()
        mine.shot(f"notice-preferences-{language}-{theme}")
