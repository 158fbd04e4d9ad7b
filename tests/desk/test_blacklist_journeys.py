"""The blacklist in a browser: listed, warned of on the form of a person before saving, decided on, seen by all."""

from collections.abc import Callable

from playwright.sync_api import expect

from layers.people.rules import check_digit
from tests.conftest import Server
from tests.desk.conftest import PHONE, Desk

BODY = "99000019900101517"
NUMBER = BODY + check_digit(BODY)


def test_a_listed_number_is_warned_of_before_it_is_saved(server: Server, desk: Callable[..., Desk]) -> None:
    site, name = server.sql(
        "select id, name from projects_project where region_id like '511702%%' order by name limit 1"
    )[0]
    firm = server.sql("select id, name from enterprises_enterprise where region_id like '511702%%' limit 1")[0]
    theirs = desk("neighbour", viewport={"width": 1920, "height": 1080})
    page = theirs.open("/desk/blacklist/new")
    page.fill("#id_name", "郑某")
    page.fill("#id_id_number", NUMBER)
    page.fill("#id_authority", "达川区滨江项目部")
    page.fill("#id_reason", "冒用他人身份证进场，伪造特种作业操作证上岗")
    theirs.shot("blacklist-new")
    page.click(".notice-foot .btn-primary")
    expect(page.locator(".listed-now")).to_be_visible()
    theirs.shot("blacklisted")

    mine = desk("owner", viewport={"width": 1920, "height": 1080})
    page = mine.open("/desk/blacklist")
    expect(page.locator("text=郑某")).to_be_visible()
    mine.shot("blacklist")
    page = mine.open("/desk/people/new")
    page.fill("#id_name", "郑某")
    page.select_option("#id_kind", "labour")
    page.fill("#id_id_number", NUMBER)
    for field, row in (("enterprise", firm), ("project", (site, name))):
        page.fill(f"#id_{field}_text", row[1])
        page.locator(f"[data-value='{row[0]}']").click()
    page.click(".form-foot .btn-primary")
    expect(page.locator(".held")).to_be_visible()
    mine.shot("held")
    assert server.sql("select count(*) from people_person where id_number = %s", NUMBER) == [(0,)]
    english = desk("owner", theme="dark", language="en", viewport={"width": 1920, "height": 1080})
    english.open("/desk/blacklist/hits")
    english.shot("hits-dark-en")
    english.open("/desk/blacklist?standing=all")
    english.shot("blacklist-dark-en")
    english.open("/desk/blacklist/rules")
    english.shot("blacklist-rules-dark-en")
    phone = desk("owner", **PHONE)
    phone.open("/desk/blacklist")
    phone.shot("blacklist-phone")
    phone.open("/desk/blacklist/hits")
    phone.shot("hits-phone")
    page.fill("#held-reason", "不予录用，已通知劳务单位")
    page.click("button[value=refused]")
    page.wait_for_url("**/desk/people")
    mine.settle()
    assert server.sql(
        "select handling, reason from people_blacklisthit where project_id = %s and name = '郑某'", site
    ) == [("refused", "不予录用，已通知劳务单位")]
    assert server.sql("select count(*) from people_person where id_number = %s", NUMBER) == [(0,)]
