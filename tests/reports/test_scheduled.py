"""Custom reports that make themselves: when, once, in whose rights, whom they tell, who reads and deletes them."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, ProgrammingError, connection, transaction

from layers.sewage.models import SewagePlant
from services.access import principal as principals
from services.access.errors import Conflict, Invalid, NotFound, Refused
from services.access.principal import Principal
from services.accounts.models import Membership, User
from services.audit.models import Entry
from services.catalog.layer import registry
from services.notify.models import Contact, Message
from services.reports import bounded, custom, editions, making, people, sheets
from services.reports.models import Custom, Due, Edition
from services.telemetry.reports import period
from services.telemetry.spans import ZONE
from tests.conftest import SIBLING, client
from tests.reports.conftest import send
from tests.reports.test_custom import PLAIN
from tests.reports.test_desk import FORM, text
from tests.reports.test_editions import began

pytestmark = pytest.mark.django_db
People = dict[str, Principal]
MONDAY = datetime(2026, 3, 2, tzinfo=ZONE)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def plants(plant: Callable[..., SewagePlant]) -> tuple[SewagePlant, SewagePlant]:
    """One at home and one in the sibling county, both with COD on the Sunday before."""
    both = plant("本"), plant("外", region_id=SIBLING)
    for each, value in zip(both, (20.0, 40.0), strict=True):
        send(each, {"w01018": [value] * 3}, MONDAY - 15 * HOUR)
    began(MONDAY + 400 * DAY)
    return both


def saved(who: Principal, since: datetime, **values: Any) -> Custom:
    """A report that makes itself from the period on that ran at a moment."""
    usual = {"repeat": "day", "hour": 7, "columns": ["name", "w01018:mean"]}
    row = custom.save(who, PLAIN | usual | values)
    Custom.objects.filter(pk=row.pk).update(upto=period(row.repeat, since.date()).first)
    return row


def made(row: Custom) -> list[tuple[str, str]]:
    return [(e.kind, str(e.first)) for e in row.editions.order_by("first")]


def names(edition: Edition) -> list[str]:
    return [line.cells[0] for line in sheets.spoken(edition.sheets).lines]


def user_of(principal: Principal) -> User:
    return User.objects.get(pk=principal.id)


def test_it_is_made_at_its_hour_and_once(who: People, plants: Any) -> None:
    row = saved(who["owner"], MONDAY - DAY)
    making.work(now=MONDAY + 7 * HOUR - timedelta(seconds=1))
    assert made(row) == [], "its hour has not come"
    for n in range(3):
        making.work(now=MONDAY + (7 + n) * HOUR)
    assert made(row) == [("day", "2026-03-01")] and not Due.objects.filter(report=row.key).exists()
    (edition,) = row.editions.all()
    assert (edition.version, edition.inputs["devices"], edition.columns) == (1, 1, ["name", "w01018:mean"])
    making.work(now=MONDAY + 3 * DAY + 8 * HOUR)
    assert [first for _kind, first in made(row)][1:] == ["2026-03-02", "2026-03-03", "2026-03-04"], (
        "after an outage all"
    )
    with pytest.raises(ProgrammingError), transaction.atomic():
        row.editions.update(features=[])


@pytest.mark.parametrize(
    ("kind", "before", "at"),
    [
        ("week", "2026-02-23", MONDAY + 7 * HOUR),
        ("month", "2026-02-01", MONDAY - DAY + 7 * HOUR),
        ("quarter", "2026-01-01", datetime(2026, 4, 1, 7, tzinfo=ZONE)),
        ("year", "2026-01-01", datetime(2027, 1, 1, 7, tzinfo=ZONE)),
    ],
)
def test_every_rhythm_has_its_day(who: People, plants: Any, kind: str, before: str, at: datetime) -> None:
    row = saved(who["owner"], at - DAY, repeat=kind)
    making.work(now=at - timedelta(minutes=1))
    assert made(row) == []
    making.work(now=at)
    assert made(row) == [(kind, before)]


def test_it_shows_what_its_owner_may_see_and_is_read_by_who_may_see_all_of_it(who: People, plants: Any) -> None:
    own = saved(who["owner"], MONDAY - DAY, name="本县")
    both = saved(who["admin"], MONDAY - DAY, name="全市", roles=["supervisor"])
    making.work(now=MONDAY + 7 * HOUR)
    (mine,), (all_of_it,) = own.editions.all(), both.editions.all()
    assert "报表厂本" in names(mine) and "报表厂外" not in names(mine)
    assert set(names(all_of_it)) > {"报表厂本", "报表厂外"}
    assert editions.fetch(who["owner"], mine.pk).pk == mine.pk
    assert editions.fetch(who["admin"], mine.pk, "export").pk == mine.pk
    with pytest.raises(NotFound):
        editions.fetch(who["neighbour"], mine.pk)
    with pytest.raises(Refused, match="权限以外"):
        editions.fetch(who["owner"], all_of_it.pk)
    # Whoever loses rights loses what was made with them.
    Membership.objects.filter(user=who["owner"].id).update(region=SIBLING)
    principals.forget()
    moved = principals.principal_of(user_of(who["owner"]))
    with pytest.raises(Refused):
        editions.fetch(moved, mine.pk)


def test_owner_and_recipients_are_told_once_each_with_what_they_may_open(who: People, plants: Any) -> None:
    row = saved(who["admin"], MONDAY - DAY, recipients=[who["owner"].id])
    making.work(now=MONDAY + 7 * HOUR)
    making.work(now=MONDAY + 8 * HOUR)
    (edition,) = row.editions.all()
    links = {m.user_id: m.link for m in Message.objects.filter(dedupe_key__startswith=f"report:{row.pk}")}
    live = f"/desk/reports/custom/{row.pk}?period=day&date=2026-03-01"
    assert links == {who["admin"].id: f"/desk/reports/editions/{edition.pk}", who["owner"].id: live}
    page = text(client("owner").get(live))
    assert "报表厂本" in page and "报表厂外" not in page, "the report itself, in the reader's own rights"
    assert custom.fetch(who["owner"], row.pk).pk == row.pk, "who gets it may open it"
    with pytest.raises(NotFound):
        custom.fetch(who["neighbour"], row.pk)


def test_an_owner_who_may_no_longer_is_told_and_nothing_is_made(who: People, plants: Any) -> None:
    row = saved(who["owner"], MONDAY - DAY)
    Membership.objects.filter(user=who["owner"].id).delete()
    making.work(now=MONDAY + 7 * HOUR)
    making.work(now=MONDAY + 9 * HOUR)
    assert made(row) == [] and not Due.objects.filter(report=row.key).exists()
    assert Message.objects.filter(user=who["owner"].id, dedupe_key__startswith="report-failed").count() == 1
    off = saved(who["admin"], MONDAY)
    User.objects.filter(pk=who["admin"].id).update(is_active=False)
    making.work(now=MONDAY + DAY + 7 * HOUR)
    assert made(off) == [], "an account that is off makes nothing"


def test_only_people_of_ones_own_can_be_chosen(who: People, plants: Any) -> None:
    layer = registry.by_key["sewage_plants"]
    mine = {user.pk for user in people.recipients(who["owner"], layer)}
    assert who["owner"].id in mine and who["neighbour"].id not in mine
    with pytest.raises(Invalid) as wrong:
        saved(who["owner"], MONDAY, recipients=[who["neighbour"].id])
    assert set(wrong.value.fields) == {"recipients"}
    with pytest.raises(Invalid) as wrong:
        saved(who["owner"], MONDAY, period="free", first=MONDAY.date(), last=MONDAY.date())
    assert set(wrong.value.fields) == {"repeat"}


def test_deleting_asks_for_the_editions_and_is_audited(who: People, plants: Any) -> None:
    row = saved(who["owner"], MONDAY - DAY, roles=["supervisor"])
    making.work(now=MONDAY + DAY + 7 * HOUR)
    first, second = row.editions.order_by("first")
    browser = client("owner")
    page = text(browser.get(f"/desk/reports/editions/{first.pk}"))
    assert f"/desk/reports/editions/{first.pk}/delete" in page
    assert browser.get(f"/desk/reports/editions/{first.pk}/delete").status_code == 405
    assert client("neighbour").post(f"/desk/reports/editions/{first.pk}/delete").status_code in (403, 404)
    assert Edition.objects.filter(pk=first.pk).exists()
    answer = browser.post(f"/desk/reports/editions/{first.pk}/delete")
    assert answer["Location"] == f"/desk/reports/custom/{row.pk}"
    assert [e.pk for e in row.editions.all()] == [second.pk]
    deed = Entry.objects.get(action="delete edition")
    assert (deed.object_id, deed.changes["digest"]) == (str(first.pk), [first.digest, None])
    making.work(now=MONDAY + DAY + 9 * HOUR)
    assert [e.pk for e in row.editions.all()] == [second.pk], "what was deleted does not come back"
    with pytest.raises(Conflict, match="1 份"):
        custom.delete(who["owner"], row.pk)
    browser.post(f"/desk/reports/custom/{row.pk}/delete", {"editions": "1"})
    assert not Custom.objects.filter(pk=row.pk).exists() and not Edition.objects.filter(pk=second.pk).exists()
    assert Entry.objects.get(action="delete report").changes["editions"] == [1, 0]


def test_of_a_deleted_version_the_one_before_takes_its_place(who: People, plants: Any) -> None:
    same = {
        "report": "sewage-plant", "kind": "day", "first": MONDAY.date(), "feature": plants[0].pk, "inputs": {},
        "layers": ["sewage_plants"], "sheets": {}, "program": "1", "made_at": MONDAY, "took_ms": 1, "reason": "late",
    }  # fmt: skip
    old = Edition.objects.create(**same, version=1, newest=False, digest="1")
    new = Edition.objects.create(**same, version=2, digest="2")
    with pytest.raises(Refused):
        editions.delete(who["owner"], new.pk)
    editions.delete(who["admin"], new.pk)
    old.refresh_from_db()
    assert old.newest


def test_the_form_settles_rhythm_hour_and_recipients(who: People, plants: Any) -> None:
    browser = client("owner")
    plain = text(browser.get("/desk/reports/custom/new?layer=sewage_plants"))
    assert 'name="repeat"' in plain and 'id="id-hour"' not in plain
    form = FORM | {"repeat": "week", "hour": "6", "recipients": [str(who["owner"].id)]}
    drawn = text(browser.post("/desk/reports/custom/new", form | {"act": ""}))
    assert f'value="{who["owner"].id}" checked' in drawn and '<option value="6" selected>06:00' in drawn
    browser.post("/desk/reports/custom/new", form | {"act": "save"})
    row = Custom.objects.get(name=FORM["name"])
    assert (row.repeat, row.hour, row.recipients) == ("week", 6, [who["owner"].id]) and row.upto is not None
    assert "06:00" in text(browser.get(f"/desk/reports/custom/{row.pk}"))
    assert browser.post("/desk/reports/custom/new", form | {"act": "save", "hour": "24"}).status_code == 422
    browser.post(f"/desk/reports/custom/{row.pk}/edit", form | {"act": "save", "repeat": ""})
    row.refresh_from_db()
    assert (row.repeat, row.upto) == ("", None)


def test_what_takes_too_long_in_the_database_is_ended() -> None:
    with transaction.atomic():
        bounded.limit_statements(0.2)
        with pytest.raises(OperationalError, match="statement timeout"), connection.cursor() as cursor:
            cursor.execute("select pg_sleep(20)")
        transaction.set_rollback(True)


def late(each: SewagePlant, value: float, hour: int = 12) -> None:
    """Have an hour of that Sunday come in now."""
    send(each, {"w01018": [value]}, MONDAY - DAY + hour * HOUR)


def again(moment: datetime) -> None:
    """Look at what came late, and make what is due after it has gathered."""
    making.plan(moment)
    making.work(now=moment + making.GATHER)


def test_late_data_make_the_next_version_beside_the_old_one_once(who: People, plants: Any) -> None:
    row = saved(who["owner"], MONDAY - DAY, recipients=[who["owner"].id])
    making.work(now=MONDAY + 7 * HOUR)
    (first,) = row.editions.all()
    assert first.late_at is None
    late(plants[0], 500.0)
    making.plan(MONDAY + 9 * HOUR)
    first.refresh_from_db()
    assert first.late_at == MONDAY + 9 * HOUR and row.editions.count() == 1, "it says so at once, and data gather"
    page = text(client("owner").get(f"/desk/reports/editions/{first.pk}"))
    assert "又收到该周期的补传数据" in page and "系统正在重新生成" in page and "生成新版本" not in page
    for n in range(3):
        making.work(now=MONDAY + (10 + n) * HOUR)
    old, new = row.editions.order_by("version")
    assert (old.pk, old.newest, old.digest) == (first.pk, False, first.digest) and old.late_at is not None
    assert (new.version, new.newest, new.reason, new.late_at) == (2, True, "late", None)
    value = [line.cells[1] for line in sheets.spoken(new.sheets).lines if line.cells[0] == "报表厂本"]
    assert value == [pytest.approx((3 * 20 + 500) / 4)]
    told = Message.objects.filter(user=who["owner"].id, dedupe_key__startswith=f"report:{row.pk}").order_by(
        "created_at"
    )
    assert [m.link for m in told] == [f"/desk/reports/editions/{each.pk}" for each in (old, new)]
    listed = text(client("owner").get(f"/desk/reports/editions?report={row.key}"))
    assert str(new.pk) in listed and str(old.pk) not in listed
    both = text(client("owner").get(f"/desk/reports/editions/{old.pk}"))
    assert "这是旧版本" in both and "第 2 版" in both


def test_late_data_that_change_nothing_or_concern_others_make_no_version(who: People, plants: Any) -> None:
    row = saved(who["owner"], MONDAY - DAY)
    making.work(now=MONDAY + 7 * HOUR)
    late(plants[1], 500.0)
    making.plan(MONDAY + 9 * HOUR)
    (edition,) = row.editions.all()
    assert edition.late_at is None, "a plant that is not in it"
    send(plants[0], {"w01018": [500.0]}, MONDAY - 2 * DAY)
    making.plan(MONDAY + 9 * HOUR)
    edition.refresh_from_db()
    assert edition.late_at is None, "another day"
    send(plants[0], {"w00000": [5.0]}, MONDAY - DAY)
    making.plan(MONDAY + 9 * HOUR)
    edition.refresh_from_db()
    assert edition.late_at is not None
    making.work(now=MONDAY + 10 * HOUR)
    edition.refresh_from_db()
    assert (row.editions.count(), edition.late_at, edition.newest) == (1, None, True), "a factor that it does not show"


def test_of_a_report_that_was_changed_since_a_new_version_is_offered(who: People, plants: Any) -> None:
    row = saved(who["owner"], MONDAY - DAY, roles=["supervisor"])
    making.work(now=MONDAY + 7 * HOUR)
    custom.save(who["owner"], {"repeat": ""}, row.pk)
    late(plants[0], 500.0)
    again(MONDAY + 9 * HOUR)
    (edition,) = row.editions.all()
    assert edition.late_at is not None and edition.version == 1, "nobody asked for it"
    door = f"/desk/reports/editions/{edition.pk}"
    browser = client("owner")
    assert "生成新版本" in text(browser.get(door))
    assert "此后有补传" in text(browser.get("/desk/reports/editions"))
    assert "未计入本版" in b"".join(browser.get(f"{door}/export?format=csv")).decode()
    assert client("neighbour").post(f"{door}/renew").status_code in (403, 404)
    assert browser.get(f"{door}/renew").status_code == 405
    assert browser.post(f"{door}/renew")["Location"] == door
    assert browser.post(f"{door}/renew").status_code == 409, "asked for once"
    making.work()
    assert [(e.version, e.newest) for e in row.editions.order_by("version")] == [(1, False), (2, True)]
    assert Entry.objects.get(action="renew edition").object_id == str(edition.pk)


def test_late_data_bring_no_version_back_that_was_deleted(who: People, plants: Any) -> None:
    row = saved(who["owner"], MONDAY - DAY)
    making.work(now=MONDAY + 7 * HOUR)
    late(plants[0], 500.0)
    making.plan(MONDAY + 9 * HOUR)
    editions.delete(who["owner"], row.editions.get().pk)
    making.work(now=MONDAY + 10 * HOUR)
    assert not row.editions.exists() and not Due.objects.filter(report=row.key).exists()


def test_a_standard_edition_says_that_it_is_being_made_again(plants: Any) -> None:
    begin = MONDAY - DAY
    began(begin)
    making.work(now=MONDAY + 7 * HOUR)
    found = Edition.objects.filter(report="sewage-plant", kind="day", feature=plants[0].pk, first=begin.date())
    assert found.get().late_at is None
    late(plants[0], 500.0)
    making.plan(MONDAY + 9 * HOUR)
    assert found.get().late_at == MONDAY + 9 * HOUR
    making.work(now=MONDAY + 10 * HOUR)
    assert [(e.version, e.late_at is None) for e in found.order_by("version")] == [(1, False), (2, True)]


def test_everybody_is_told_in_their_language(who: People, plants: Any) -> None:
    for name, language in (("admin", "en"), ("owner", "zh-hans")):
        Contact.objects.create(user_id=who[name].id, language=language)
    row = saved(who["admin"], MONDAY - DAY, recipients=[who["owner"].id])
    making.work(now=MONDAY + 7 * HOUR)
    said = {m.user_id: (m.subject, m.body) for m in Message.objects.filter(dedupe_key__startswith=f"report:{row.pk}")}
    assert said[who["owner"].id][0] == "报表已自动生成" and "对象：" in said[who["owner"].id][1]
    assert said[who["admin"].id][0] == "A report was made" and "Object: " in said[who["admin"].id][1]
    Membership.objects.filter(user=who["admin"].id).delete()
    making.work(now=MONDAY + DAY + 7 * HOUR)
    failed = Message.objects.get(user=who["admin"].id, dedupe_key__startswith="report-failed")
    assert failed.subject == "A report could not be made"
    assert not re.search("[\u4e00-\u9fff]", failed.subject + failed.body.replace(row.name, "")), failed.body
