"""Reports that make themselves: when, of what, once; again with late data; who may read them."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from layers.enterprises.models import Enterprise
from layers.environment.models import Monitor
from layers.sewage.models import SewagePlant
from services.access import gate
from services.access import principal as principals
from services.access.errors import NotFound, Refused
from services.access.principal import PUBLIC, Principal, principal_of
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.catalog.layer import registry
from services.reports import editions, making, periods, scopes, sheets
from services.reports.models import Due, Edition, Schedule
from services.telemetry.jobs import periodic
from services.telemetry.models import Device
from services.telemetry.reports import REPORTS, Heading, Line, Period, Report, Sheet, period
from services.telemetry.spans import ZONE
from tests.conftest import HOME, SIBLING
from tests.reports.conftest import send

pytestmark = pytest.mark.django_db
People = dict[str, Principal]
NEW_YEAR = datetime(2026, 1, 1, tzinfo=ZONE)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def began(moment: datetime) -> None:
    """Have the engine begun then: what ended before it was made or is not asked for."""
    for report in REPORTS.values():
        for kind in report.kinds:
            Schedule.objects.update_or_create(
                report=report.key, kind=kind, defaults={"upto": period(kind, moment.astimezone(ZONE).date()).first}
            )
    with connection.cursor() as cursor:
        cursor.execute("delete from reports_mark")


def passed(moment: datetime) -> None:
    """Make what is due then, and what late data of before are gathered for."""
    making.work(now=moment - making.GATHER)
    making.work(now=moment)


def of(feature: Any, **more: Any) -> list[Edition]:
    others = ("sewage-ends", "sewage-equipment")
    found = Edition.objects.filter(feature=feature.pk, **more).exclude(report__in=others)
    return list(found.order_by("kind", "first", "version"))


def first_values(edition: Edition, language: str = "zh-hans") -> list[list[Any]]:
    with translation.override(language):
        return [line.cells for line in sheets.spoken(edition.sheets).lines]


@pytest.mark.covers("DZ-343")
def test_day_month_and_year_of_a_plant_exist_after_they_ended_and_nobody_did_anything(
    who: People, plant: Callable[..., SewagePlant]
) -> None:
    assert "reports.editions" in periodic(), "the worker makes them"
    mine = plant("年")
    began(NEW_YEAR - DAY)
    send(mine, {"w00000": [100.0] * 4, "w01018": [20.0, 30.0, 40.0, 50.0]}, NEW_YEAR - timedelta(hours=2))
    making.work(now=NEW_YEAR - MINUTE)
    assert of(mine) == [], "a period that still runs has no edition"
    making.work(now=NEW_YEAR + periods.SETTLED - MINUTE)
    assert of(mine) == [], "its last hours are waited for"
    making.work(now=NEW_YEAR + periods.SETTLED)
    made = of(mine)
    assert [(e.kind, str(e.first), e.version, e.reason) for e in made] == [
        ("day", "2025-12-31", 1, "period"), ("month", "2025-12-01", 1, "period"), ("year", "2025-01-01", 1, "period"),
    ]  # fmt: skip
    day, month, year = made
    assert [cells[:2] for cells in first_values(day)] == [["22:00", 360.0], ["23:00", 360.0]], "not those of 1 January"
    assert [cells[:2] for cells in first_values(month)] == [["12-31", 720.0]]
    assert [cells[:2] for cells in first_values(year)] == [["2025-12", 720.0]]
    live = sheets.plain(REPORTS["sewage-plant"].sheet(who["owner"], period("day", day.first), mine))
    assert day.sheets["zh-hans"] == live, "it says what the report says"
    with translation.override("en"):
        english = sheets.plain(REPORTS["sewage-plant"].sheet(who["owner"], period("day", day.first), mine))
        assert day.sheets["en"] == english and sheets.spoken(day.sheets).headings[1].label.isascii()
    assert [day.inputs[name] for name in ("devices", "sending", "span", "values", "valid")] == [1, 1, "hour", 4, 4]
    assert day.inputs["from"] == "2025-12-31T00:00:00+08:00" and day.inputs["computed_at"]
    assert len(day.digest) == 64 and day.program and day.subject == "报表厂年" and day.layers == ["sewage_plants"]
    summary = Edition.objects.filter(report="sewage-summary", first="2025-12-31", kind="day")
    assert {edition.region for edition in summary} >= {"511700", HOME}
    assert {edition.subject for edition in summary} >= {"达州市", "通川区"}


def test_it_happens_once_however_often_it_is_asked(plant: Callable[..., SewagePlant]) -> None:
    mine = plant("次")
    began(NEW_YEAR - DAY)
    send(mine, {"w01018": [20.0]}, NEW_YEAR - timedelta(hours=5))
    for n in range(4):
        making.work(now=NEW_YEAR + timedelta(hours=1 + n))
    assert len(of(mine)) == 3 and not Due.objects.exists()
    count = Edition.objects.count()
    Schedule.objects.all().delete()
    making.work(now=NEW_YEAR + timedelta(hours=9))
    assert len(of(mine, kind="day", first="2025-12-31")) == 1
    assert Edition.objects.filter(version__gt=1).count() == 0 and Edition.objects.count() >= count


def test_what_ended_during_an_outage_is_made_afterwards(plant: Callable[..., SewagePlant]) -> None:
    mine = plant("停")
    began(NEW_YEAR - 2 * DAY)
    send(mine, {"w01018": [20.0]}, NEW_YEAR - DAY - timedelta(hours=5))
    making.work(now=NEW_YEAR - DAY + timedelta(hours=1))
    making.work(now=NEW_YEAR + timedelta(days=2, hours=1))
    days = [edition.first for edition in of(mine, kind="day")]
    assert days == [date(2025, 12, 30) + timedelta(days=n) for n in range(4)]
    assert [str(edition.first) for edition in of(mine, kind="month")] == ["2025-12-01"]
    assert first_values(of(mine, kind="day")[-1]) == [], "a silent day has its report, which is empty"


def test_the_latest_period_comes_first_when_time_is_short(plant: Callable[..., SewagePlant]) -> None:
    mine = plant("急")
    began(NEW_YEAR - DAY)
    send(mine, {"w01018": [20.0]}, NEW_YEAR - timedelta(hours=5))
    moment = NEW_YEAR + timedelta(days=20, hours=1)
    making.plan(moment)
    while not of(mine):
        assert making.make(moment) is not None
    assert of(mine)[0].first == date(2026, 1, 20)


def test_late_data_make_a_new_version_and_the_old_one_stays(plant: Callable[..., SewagePlant]) -> None:
    mine, other = plant("迟"), plant("旁")
    began(NEW_YEAR - DAY)
    begin = NEW_YEAR - timedelta(hours=5)
    for each in (mine, other):
        send(each, {"w01018": [20.0]}, begin)
    moment = NEW_YEAR + timedelta(hours=1)
    making.work(now=moment)
    send(mine, {"w01018": [80.0]}, begin + timedelta(hours=1))
    making.work(now=moment + MINUTE)
    assert len(of(mine, kind="day")) == 1, "late data gather for a while"
    making.work(now=moment + MINUTE + making.GATHER)
    old, new = of(mine, kind="day", first="2025-12-31")
    assert (old.newest, old.version, new.newest, new.version, new.reason) == (False, 1, True, 2, "late")
    assert [cells[3] for cells in first_values(old)] == [20.0]
    assert [cells[3] for cells in first_values(new)] == [20.0, 80.0]
    assert [e.version for e in of(mine, kind="month")] == [e.version for e in of(mine, kind="year")] == [1, 2]
    assert [e.version for e in of(other, kind="day")] == [1], "another plant's report is not made again"
    assert new.inputs["values"] == 2 and old.inputs["values"] == 1
    assert sheets.changed(sheets.spoken(old.sheets), sheets.spoken(new.sheets)) == {
        (1, place) for place in range(len(new.sheets["en"]["headings"]))
    }
    with pytest.raises(ProgrammingError, match="never changed"), transaction.atomic():
        Edition.objects.filter(pk=old.pk).update(sheets=new.sheets)
    send(mine, {"w01018": [80.0]}, begin + timedelta(hours=1))
    passed(moment + timedelta(hours=1))
    assert len(of(mine, kind="day")) == 2, "the same data twice change nothing"


def test_a_changed_mean_that_changes_no_report_makes_no_version(monitor: Callable[..., Monitor]) -> None:
    one = monitor("同")
    began(NEW_YEAR - DAY)
    send(one, {"a34002": [20.0]}, NEW_YEAR - timedelta(hours=5))
    making.work(now=NEW_YEAR + timedelta(hours=1))
    send(one, {"a34002": [30.0]}, NEW_YEAR - timedelta(hours=4))
    passed(NEW_YEAR + timedelta(hours=2))
    ledger = Edition.objects.filter(report="dust-exceedances", kind="day", first="2025-12-31", region=HOME)
    assert [edition.version for edition in ledger] == [1]
    assert not Due.objects.exists()


def test_late_data_of_a_week_change_the_ranking_of_the_next_one_too(monitor: Callable[..., Monitor]) -> None:
    monday = datetime(2026, 1, 12, tzinfo=ZONE)
    began(monday - 14 * DAY)
    good, bad = monitor("优"), monitor("劣")
    send(good, {"a34002": [50.0] * 24}, monday - 5 * DAY)
    send(bad, {"a34002": [150.0] * 24}, monday - 5 * DAY)
    making.work(now=monday + timedelta(hours=1))

    def ranking(first: datetime) -> list[Edition]:
        rows = Edition.objects.filter(report="dust-ranking", first=first.date(), region=HOME)
        return list(rows.order_by("version"))

    assert [line[1] for line in first_values(ranking(monday - 7 * DAY)[0])][:2] == ["报表点优", "报表点劣"]
    # The week before comes in late, with the other one ahead.
    send(good, {"a34002": [200.0] * 24}, monday - 12 * DAY)
    send(bad, {"a34002": [10.0] * 24}, monday - 12 * DAY)
    passed(monday + timedelta(hours=2))
    assert [edition.version for edition in ranking(monday - 14 * DAY)] == [1, 2]
    first, second = ranking(monday - 7 * DAY)
    assert [line[2] for line in first_values(first)][:2] == ["新上榜", "新上榜"]
    assert [line[2] for line in first_values(second)][:2] == ["↑ 1", "↓ 1"]


def test_hours_that_are_still_to_be_rolled_up_are_waited_for_but_not_for_ever(
    plant: Callable[..., SewagePlant],
) -> None:
    mine = plant("等")
    began(NEW_YEAR - DAY)
    device = send(mine, {"w01018": [20.0]}, NEW_YEAR - timedelta(hours=5))
    with connection.cursor() as cursor:
        cursor.execute("insert into telemetry_mark (device, span, at) values (%s, 2, %s)",
                       [device.pk, NEW_YEAR - timedelta(hours=2)])  # fmt: skip
    making.work(now=NEW_YEAR + timedelta(hours=1))
    assert of(mine) == []
    making.work(now=NEW_YEAR + periods.PATIENCE)
    assert len(of(mine)) == 3


def test_history_that_is_brought_in_later_gets_its_reports(plant: Callable[..., SewagePlant]) -> None:
    mine = plant("史")
    began(NEW_YEAR)
    send(mine, {"w01018": [20.0]}, NEW_YEAR - 40 * DAY)
    passed(NEW_YEAR + timedelta(hours=1))
    assert [(e.kind, str(e.first), e.reason) for e in of(mine)] == [
        ("day", "2025-11-22", "late"), ("month", "2025-11-01", "late"), ("year", "2025-01-01", "late"),
    ]  # fmt: skip


def test_the_first_editions_begin_with_the_first_device(plant: Callable[..., SewagePlant]) -> None:
    mine = plant("始")
    device = send(mine, {"w01018": [20.0]}, NEW_YEAR - timedelta(hours=5))
    Device.objects.all().update(created_at=NEW_YEAR - 3 * DAY)
    making.work(now=NEW_YEAR + timedelta(hours=1))
    assert [str(e.first) for e in of(mine, kind="day")] == ["2025-12-29", "2025-12-30", "2025-12-31"]
    Device.objects.filter(pk=device.pk).update(state="blocked")
    making.work(now=NEW_YEAR + timedelta(days=1, hours=1))
    assert len(of(mine, kind="day")) == 3, "what has no device any more gets no further reports"


@pytest.fixture
def broken() -> Iterator[dict[str, bool]]:
    """A report that fails until it is mended."""
    state = {"whole": False}

    class Broken(Report):
        key = "broken-report"
        layer = "sewage_plants"
        title = "…"
        kinds = ("day",)

        def sheet(self, principal: Principal, time: Period, feature: Any) -> Sheet:
            if not state["whole"]:
                with connection.cursor() as cursor:
                    cursor.execute("select 1 / 0")
            return Sheet([Heading("…")], [Line([str(time.first)])])

    REPORTS[Broken.key] = Broken()
    yield state
    del REPORTS[Broken.key]


def test_a_report_that_fails_holds_up_no_other_and_is_tried_again(
    plant: Callable[..., SewagePlant], broken: dict[str, bool], who: People
) -> None:
    mine = plant("坏")
    began(NEW_YEAR - DAY)
    send(mine, {"w01018": [20.0]}, NEW_YEAR - timedelta(hours=5))
    moment = NEW_YEAR + timedelta(hours=1)
    making.work(now=moment)
    assert len(of(mine)) == 3 and not Edition.objects.filter(report="broken-report").exists()
    due = Due.objects.filter(report="broken-report")
    assert due.count() >= 2 and all("division by zero" in each.trouble and each.attempts == 2 for each in due)
    broken["whole"] = True
    making.work(now=moment)
    assert due.all().exists(), "not at once"
    making.work(now=moment + 2 * making.RETRY)
    assert not due.all().exists()
    assert Edition.objects.filter(report="broken-report", region=HOME).count() == 1


@pytest.fixture
def kept(plant: Callable[..., SewagePlant], monitor: Callable[..., Monitor]) -> dict[str, Any]:
    """Editions of a plant at home, of one in the sibling county, and of the regions of both."""
    operator = Enterprise.objects.create(code="RP-OP", name="报表运营", region_id=HOME)
    made = {"mine": plant("家", enterprise=operator), "other": plant("邻", region_id=SIBLING), "operator": operator,
            "point": monitor("家")}  # fmt: skip
    began(NEW_YEAR - DAY)
    for name in ("mine", "other"):
        send(made[name], {"w01018": [20.0]}, NEW_YEAR - timedelta(hours=5))
    send(made["point"], {"a34002": [500.0] * 24}, NEW_YEAR - timedelta(hours=24))
    making.work(now=NEW_YEAR + timedelta(hours=1))
    return made


def test_f43_an_edition_is_read_by_whoever_may_read_its_whole_report(who: People, kept: dict[str, Any]) -> None:
    mine, other = (of(kept[name], kind="day")[0] for name in ("mine", "other"))
    regions = {e.region: e for e in Edition.objects.filter(report="sewage-summary", kind="day", first="2025-12-31")}
    readers: dict[str, set[str]] = {}
    for name in ("owner", "neighbour", "stranger", "inspector", "commander", "admin", "public"):
        for title, edition in {"mine": mine, "other": other, "home": regions[HOME], "sibling": regions[SIBLING],
                               "city": regions["511700"]}.items():  # fmt: skip
            try:
                assert editions.fetch(who[name], edition.pk) == edition
                readers.setdefault(title, set()).add(name)
            except NotFound:
                assert edition not in editions.listing(who[name]).rows
    assert readers == {
        "mine": {"owner", "inspector", "commander", "admin"}, "other": {"neighbour", "commander", "admin"},
        "home": {"owner", "inspector", "commander", "admin"}, "sibling": {"neighbour", "commander", "admin"},
        "city": {"commander", "admin"},
    }  # fmt: skip
    assert editions.fetch(who["owner"], mine.pk, "export") == mine
    for edition in (mine, regions[HOME]):
        with pytest.raises(Refused):
            editions.fetch(who["inspector"], edition.pk, "export")
    assert editions.listing(PUBLIC).total == editions.listing(who["stranger"]).total == 0


def test_who_is_bound_to_an_enterprise_reads_the_editions_of_its_features(kept: dict[str, Any]) -> None:
    user = User.objects.create_user("operator-of-one", password="x")
    Membership.objects.create(user=user, role=Role.OPERATOR, organisation_id=kept["operator"].pk)
    principals.forget()
    operator = principal_of(user)
    found = editions.listing(operator)
    assert {edition.feature for edition in found.rows} == {kept["mine"].pk} and found.total == 9
    assert editions.fetch(operator, found.rows[0].pk, "export")


def test_who_may_see_only_what_is_named_reads_the_editions_of_that(kept: dict[str, Any]) -> None:
    user = User.objects.create_user("supervisor-of-one", password="x")
    one = Membership.objects.create(user=user, role=Role.SUPERVISOR, region_id=HOME, named_only=True)
    one.named.create(feature=kept["mine"].pk)
    principals.forget()
    found = editions.listing(principal_of(user))
    assert {edition.feature for edition in found.rows} == {kept["mine"].pk} and found.total == 9


def test_an_edition_that_shows_another_layer_needs_the_right_to_that_one_too(who: People, kept: dict[str, Any]) -> None:
    edition = Edition.objects.filter(report="dust-exceedances", kind="day", region=HOME).get(first="2025-12-31")
    assert edition.layers == ["monitors"] and first_values(edition), "something was over its limit"
    assert editions.fetch(who["owner"], edition.pk)
    rows = Edition.objects.filter(pk=edition.pk)
    for layer in registry:
        rows.update(layers=["monitors", layer.key])
        for name in ("owner", "inspector"):
            assert scopes.readable(who[name]).filter(pk=edition.pk).exists() == gate.may(who[name], layer), layer
    rows.update(layers=["monitors", "nowhere"])
    with pytest.raises(NotFound):
        editions.fetch(who["admin"], edition.pk)


def test_the_maker_of_a_region_sees_that_region_alone(kept: dict[str, Any]) -> None:
    for report, names in (("sewage-summary", {"报表厂家", "报表厂邻"}), ("dust-exceedances", {"报表点家"})):
        found = Edition.objects.filter(report=report, kind="day", first="2025-12-31")
        home, city = (next(e for e in found if e.region == code) for code in (HOME, "511700"))
        texts = {cell for line in first_values(home) for cell in line if isinstance(cell, str)}
        assert "报表厂邻" not in texts and texts & names
        assert names <= {cell for line in first_values(city) for cell in line if isinstance(cell, str)}


def test_the_list_is_narrowed_and_asks_the_same_number_of_queries(who: People, kept: dict[str, Any]) -> None:
    whole = editions.listing(who["owner"])
    assert whole.total == len(whole.rows) and whole.rows[0].first == max(row.first for row in whole.rows)
    assert {row.kind for row in editions.listing(who["owner"], kind="year").rows} == {"year"}
    assert {row.subject for row in editions.listing(who["owner"], text="报表厂").rows} == {"报表厂家"}
    assert editions.listing(who["owner"], first=date(2026, 1, 1)).total == 0
    ledgers = editions.listing(who["owner"], report="dust-exceedances").rows
    assert {row.report for row in ledgers} == {"dust-exceedances"}
    with CaptureQueriesContext(connection) as few:
        editions.listing(who["commander"])
    making.work(now=NEW_YEAR + timedelta(days=20))
    with CaptureQueriesContext(connection) as many:
        assert len(editions.listing(who["commander"]).rows) == editions.SIZE
    assert len(few) == len(many) <= 4


def test_an_edition_outlives_its_plant(who: People, kept: dict[str, Any]) -> None:
    edition = of(kept["mine"], kind="day")[0]
    kept["mine"].delete()
    assert Edition.objects.filter(pk=edition.pk).exists()
    making.work(now=NEW_YEAR + timedelta(days=2))
    assert Due.objects.count() == 0 and len(Edition.objects.filter(feature=edition.feature, kind="day")) == 3
