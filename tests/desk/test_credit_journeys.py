"""Integrity at the desk: recorded, published, seen in list and panel, objected to by the enterprise, decided."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import openpyxl
import pytest
from django.utils import timezone
from playwright.sync_api import expect

from layers.enterprises import reports
from layers.enterprises.models import CreditEntry, CreditItem, CreditRule, Enterprise
from layers.enterprises.reports import Asked
from services.access.principal import Principal
from services.access.principal import forget as forget_rights
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.audit.models import Entry
from tests.conftest import HOME, Server, client
from tests.desk.conftest import PHONE, Desk
from tests.managing.conftest import body

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm(db: None) -> Enterprise:
    """An enterprise in the owner's county, with an account of its own."""
    found = Enterprise.objects.filter(region__code__startswith=HOME, state="normal").order_by("pk").first()
    assert found is not None
    user = User.objects.create_user("firm", password="x", title="企业经办")
    Membership.objects.create(user=user, role=Role.CONTRACTOR, organisation_id=found.pk)
    forget_rights()
    return found


@pytest.mark.covers("DZ-015")
def test_a_conduct_is_recorded_published_and_objected_to_on_the_desk(firm: Enterprise, tmp_path: Any) -> None:
    owner, theirs = client("owner"), client("firm")
    item = CreditItem.objects.get(code="K903")
    before = reports.score_of(firm)
    assert before is not None
    form = body(owner.get(f"/desk/credit/{firm.pk}/new"))
    others = CreditItem.objects.exclude(enterprise_kind__in=["", firm.kind]).values_list("code", flat=True)
    assert "K903" in form and not any(code in form for code in others), "only the items of its type"
    values = {
        "item": item.pk,
        "decided_on": f"{timezone.localdate()}",
        "decided_by": "区住建局",
        "reason": "裸土未覆盖",
    }
    assert owner.post(f"/desk/credit/{firm.pk}/new", values | {"reason": ""}).status_code == 422
    answer = owner.post(f"/desk/credit/{firm.pk}/new", values)
    assert answer.status_code == 302, body(answer)
    entry = CreditEntry.objects.get(enterprise=firm, item=item, state="proposed")
    assert answer.headers["Location"] == f"/desk/credit/entries/{entry.pk}"
    assert "审核公布" not in body(theirs.get(f"/desk/credit/entries/{entry.pk}"))
    owner.post(f"/desk/credit/entries/{entry.pk}/publish")
    now = reports.score_of(firm)
    assert now is not None and now.score == max(before.score - 3, 0)
    assert f"<strong>{now.score}</strong>" in body(owner.get(f"/desk/credit?q={firm.code}"))
    assert "提出异议" in body(theirs.get(f"/desk/credit/entries/{entry.pk}"))
    theirs.post(f"/desk/credit/entries/{entry.pk}/object", {"text": "已覆盖"})
    assert "已覆盖" in body(owner.get(f"/desk/credit/entries/{entry.pk}"))
    theirs.post(f"/desk/credit/entries/{entry.pk}/withdraw", {"text": "自行撤销"})
    entry.refresh_from_db()
    assert entry.state == "objected"
    for name in ("neighbour", "stranger"):
        other = client(name)
        for path in (f"entries/{entry.pk}", f"{firm.pk}/new"):
            assert other.get(f"/desk/credit/{path}").status_code == 404
        assert other.post(f"/desk/credit/entries/{entry.pk}/withdraw", {"text": "x"}).status_code == 404
        assert other.post(f"/desk/credit/{firm.pk}/assess", {"period": "x"}).status_code == 404
        assert other.get(f"/desk/enterprises/{firm.pk}/credit").status_code == 404
        assert f"/desk/enterprises/{firm.pk}" not in body(other.get(f"/desk/credit?q={firm.code}"))
    assert client("inspector").get(f"/desk/credit/{firm.pk}/new").status_code == 403


@pytest.mark.covers("DZ-036")
def test_the_tab_has_the_score_of_now_and_earlier_assessments_and_the_list_asks_for_either(firm: Enterprise) -> None:
    theirs = client("firm")
    tab = body(theirs.get(f"/desk/enterprises/{firm.pk}/credit"))
    now = reports.score_of(firm)
    assert now is not None and f"<strong>{now.score}</strong>" in tab and "历史考评" in tab
    held = list(firm.credit_assessments.filter(superseded_at=None))
    assert len(held) >= 6
    assert all(f"<b>{row.score}</b>" in tab for row in held)
    assert "登记诚信行为" not in tab and "更正考评" not in tab, "the enterprise applies, it does not decide"
    listed = body(theirs.get("/desk/credit"))
    assert listed.count("<tr><td") == 1 and firm.name in listed, "an enterprise sees its own alone"
    row = held[0]
    past = body(theirs.get(f"/desk/credit?period={row.period}:{row.first}"))
    assert f"<strong>{row.score}</strong>" in past
    assert theirs.get("/desk/credit?period=quarter:2025-02-01").status_code == 400
    assert theirs.get("/desk/credit?kind=nothing").status_code == 400


def test_the_list_narrows_sorts_and_leaves_as_a_file(who: dict[str, Principal]) -> None:
    owner = client("owner")
    for query in ("kind=construction", "grade=B", "sort=-score", "sort=lost", f"region={HOME}", "day=2026-01-31"):
        assert owner.get(f"/desk/credit?{query}").status_code == 200, query
    wanted, _total = reports.scores(who["owner"], Asked(sort="-score"))
    text = body(owner.get("/desk/credit/export?sort=-score&format=csv")).lstrip("\ufeff")
    rows = list(csv.reader(io.StringIO(text)))[1:]
    assert [row[0] for row in rows] == [line.code for line in wanted]
    assert [float(row[4]) for row in rows] == [float(line.score) for line in wanted]
    found = client("commander").get("/desk/credit/export?kind=construction&format=xlsx")
    book = openpyxl.load_workbook(io.BytesIO(b"".join(found.streaming_content)))  # type: ignore[attr-defined]
    assert {row[2] for row in list(book.active.values)[1:]} == {"建筑施工"}  # type: ignore[union-attr]
    assert Entry.objects.filter(action="export", changes__page="credit").count() == 2
    assert client("inspector").get("/desk/credit/export").status_code == 403


@pytest.mark.covers("DZ-027")
def test_the_standard_is_read_by_all_and_edited_by_administrators(firm: Enterprise) -> None:
    admin, owner = client("admin"), client("owner")
    page = body(owner.get("/desk/credit/standard?kind=testing"))
    assert "K301" in page and "K103" not in page and "新增条目" not in page
    item = CreditItem.objects.get(code="K103")
    assert owner.get(f"/desk/credit/standard/items/{item.pk}").status_code == 403
    values = {"code": "K103", "kind": "penalty", "topic": "site", "enterprise_kind": "construction", "title": "扬尘",
              "points": "3", "months": "12", "valid_from": f"{timezone.localdate() + timedelta(days=1)}",
              "citation": "市办法"}  # fmt: skip
    assert admin.post("/desk/credit/standard/items/new", values | {"points": "0"}).status_code == 422
    assert admin.post("/desk/credit/standard/items/new", values).status_code == 302
    assert CreditItem.objects.filter(code="K103").count() == 2
    assert "未生效" in body(admin.get("/desk/credit/standard"))
    wrong = {"version": "x", "base": 100, "least": 0, "most": 90, "a_from": 95, "b_from": 90, "c_from": 80,
             "valid_from": "2026-01-01", "citation": "x"}  # fmt: skip
    assert admin.post("/desk/credit/standard/rules/new", wrong).status_code == 422
    rules = CreditRule.objects.count()
    assert admin.post("/desk/credit/standard/rules/new", wrong | {"most": 150}).status_code == 302
    assert CreditRule.objects.count() == rules + 1
    assert Entry.objects.filter(action="create credit standard").count() == 2


def server_item(server: Server, code: str) -> str:
    """The key of an item in the server's database."""
    return str(server.sql("select id from enterprises_credititem where code = %s", code)[0][0])


def test_integrity_is_seen_and_decided_in_a_browser(server: Server, desk: Callable[..., Desk]) -> None:
    firm = str(server.sql(
        "select c.enterprise_id from enterprises_creditentry c join enterprises_enterprise e on e.id = c.enterprise_id"
        " where e.region_id like '511702%%'"
        " group by 1 order by count(*) filter (where c.published_at is not null) desc limit 1"
    )[0][0])  # fmt: skip
    mine = desk("owner", viewport={"width": 1920, "height": 1080})
    page = mine.open("/desk/credit")
    mine.shot("credit-list")
    page.locator(".credit-type").first.click()
    expect(page.locator(".credit-type.chosen")).to_be_visible()
    mine.open("/desk/credit/standard")
    mine.shot("credit-standard")
    page = mine.open(f"/desk/enterprises/{firm}#tab-credit")
    expect(page.locator(".credit-now")).to_be_visible()
    mine.shot("credit-tab")
    page.locator(".credit-inputs summary").first.click()
    page.locator(".credit-again summary").click()
    page.locator(".credit-again").scroll_into_view_if_needed()
    mine.shot("credit-tab-below")
    page = mine.open(f"/desk/credit/{firm}/new")
    page.select_option("#id_item", server_item(server, "J901"))
    page.fill("#id_decided_by", "通川区住房和城乡建设局")
    page.fill("#id_reason", "防汛抢险中出动人员和设备受到表彰")
    mine.shot("conduct-new")
    page.click("text=登记 >> nth=-1")
    expect(page.locator("text=待审核").first).to_be_visible()
    mine.shot("conduct")
    page.click(".act[open] button")
    expect(page.locator(".badge-state.credit-published")).to_be_visible()
    dark = desk("owner", theme="dark", language="en", viewport={"width": 1920, "height": 1080})
    dark.open("/desk/credit?sort=-lost")
    dark.shot("credit-list-dark-en")
    page = dark.open(f"/desk/enterprises/{firm}#tab-credit")
    expect(page.locator(".credit-now")).to_be_visible()
    dark.shot("credit-tab-dark-en")
    dark.open("/desk/credit/entries?state=published")
    dark.shot("conducts-dark-en")
    phone = desk("owner", **PHONE)
    phone.open("/desk/credit")
    phone.shot("credit-phone")
    page = phone.open(f"/desk/enterprises/{firm}#tab-credit")
    expect(page.locator(".credit-now")).to_be_visible()
    phone.shot("credit-tab-phone")
