"""Custom reports: figures worked out by hand, whose rows they show, and what may not be saved."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from layers.environment.models import Monitor
from layers.projects.models import Project
from layers.sewage.models import SewagePlant
from services.access import principal as principals
from services.access.errors import Invalid, NotFound, Refused, TooLarge
from services.access.principal import PUBLIC, Principal, principal_of
from services.accounts.models import Membership, User
from services.audit.models import Entry
from services.catalog.layer import registry
from services.reports import columns, custom, figures
from services.reports.models import Custom
from services.telemetry.models import Device, Rollup
from services.telemetry.reports import REPORTS, Period, period
from services.telemetry.spans import ZONE, Span
from tests.conftest import HOME, SIBLING
from tests.reports.conftest import DAY, keys, send, table

pytestmark = pytest.mark.django_db
People = dict[str, Principal]
ON = DAY.date()
LATER = datetime(2026, 11, 20, tzinfo=ZONE)
PLAIN = {
    "name": "流量水质", "layer": "sewage_plants", "choice": "all", "period": "day", "by": "feature",
    "columns": ["name", "w00000:total", "w01018:mean", "w01018:high", "w01018:low", "w01018:total", "w01018:valid",
                "w01018:share"],
}  # fmt: skip


def made(who: Principal, values: dict[str, Any], day: date = ON, action: str = "view") -> figures.Result:
    draft = custom.drafted(who, PLAIN | values)
    return figures.run(who, draft, draft.time(day), action, LATER)


def test_the_figures_of_a_plant_are_those_worked_out_by_hand(who: People, two: Any) -> None:
    mine, _other = two
    result = made(who["owner"], {"choice": "chosen", "features": keys(mine)})
    (line,) = table(result.sheet)
    assert line == {
        "名称": "报表厂家", "瞬时流量 累计 m³": 1080.0,
        "化学需氧量 平均 mg/L": pytest.approx((20 * 360 + 50 * 720) / 1080), "化学需氧量 最大 mg/L": 90.0,
        "化学需氧量 最小 mg/L": 20.0, "化学需氧量 累计 kg": pytest.approx(43.2), "化学需氧量 有效小时 h": 3,
        "化学需氧量 有效率 %": pytest.approx(100 * 3 / 24),
    }  # fmt: skip
    day = REPORTS["sewage-plant"].sheet(who["owner"], period("day", DAY.date()), mine)
    mean, total = day.summary[2].cells, day.summary[3].cells
    assert line["化学需氧量 平均 mg/L"] == pytest.approx(mean[3]), "the declared report says the same"
    assert (line["瞬时流量 累计 m³"], line["化学需氧量 累计 kg"]) == (total[1], pytest.approx(total[4]))


def test_zero_is_a_figure_and_nothing_is_none(who: People, plant: Callable[..., SewagePlant]) -> None:
    zero, silent, bare = plant("零"), plant("静"), plant("无")
    send(zero, {"w01018": [0.0]}, DAY)
    send(silent, {"w01018": [7.0]}, DAY - timedelta(days=3))
    chosen = {"choice": "chosen", "features": keys(zero, silent, bare)}
    chosen |= {"columns": ["name", "w01018:mean", "w01018:valid"]}
    lines = {line["名称"]: line for line in table(made(who["owner"], chosen).sheet)}
    assert lines["报表厂零"] == {"名称": "报表厂零", "化学需氧量 平均 mg/L": 0.0, "化学需氧量 有效小时 h": 1}
    assert lines["报表厂静"] == {"名称": "报表厂静", "化学需氧量 平均 mg/L": None, "化学需氧量 有效小时 h": 0}
    assert lines["报表厂无"] == {"名称": "报表厂无", "化学需氧量 平均 mg/L": None, "化学需氧量 有效小时 h": None}


def test_levels_are_averaged_by_energy_and_directions_as_vectors(who: People, monitor: Callable[..., Monitor]) -> None:
    one = monitor("声")
    send(one, {"LA": [60.0, 70.0], "a01007": [1.0, 3.0], "a01008": [350.0, 10.0]}, DAY)
    values = {"layer": "monitors", "columns": ["LA:mean", "a01008:mean"], "choice": "chosen", "features": keys(one)}
    (line,) = table(made(who["owner"], values).sheet)
    assert line["噪声 平均 dB(A)"] == pytest.approx(67.4036, abs=1e-4)
    # 1·(350°) + 3·(10°): the stronger wind turns it.
    assert line["风向 平均 °"] == pytest.approx(5.039, abs=1e-3)


def test_days_of_a_report_are_those_that_were_rolled_up(who: People, monitor: Callable[..., Monitor]) -> None:
    one = monitor("日")
    values = [float(10 + n * 7 % 53) for n in range(72)]
    device = send(one, {"a34002": values, "LA": [v + 40 for v in values]}, DAY)
    asked = {"layer": "monitors", "period": "week", "by": "both", "part": "day", "choice": "chosen",
             "features": keys(one), "columns": ["@time", "name", "a34002:mean", "LA:mean"]}  # fmt: skip
    lines = table(made(who["owner"], asked).sheet)
    assert [line["时间"] for line in lines] == [f"2026-11-{day:02}" for day in range(9, 16)]
    rolled = {
        (row.factor.code, f"{row.at.astimezone(ZONE):%Y-%m-%d}"): row.mean
        for row in Rollup.objects.filter(device=device.pk, span=Span.DAY).select_related("factor")
    }
    assert len(rolled) == 6
    for (code, day), mean in rolled.items():
        label = {"a34002": "PM10 平均 µg/m³", "LA": "噪声 平均 dB(A)"}[code]
        (value,) = [line[label] for line in lines if line["时间"] == day]
        assert value == pytest.approx(mean)
    assert lines[0]["PM10 平均 µg/m³"] is None, "a day without data stands there, empty"


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [("day", "2025-12-31", "2026-01-01"), ("week", "2026-01-01", "2026-01-05"), ("month", "2025-12-15", "2026-01-15"),
     ("quarter", "2025-10-01", "2026-03-31"), ("year", "2025-06-01", "2026-06-01")],
)  # fmt: skip
def test_a_period_ends_at_midnight_in_china(
    kind: str, before: str, after: str, who: People, monitor: Callable[..., Monitor]
) -> None:
    one = monitor("界")
    midnight = datetime(2026, 1, 5 if kind == "week" else 1, tzinfo=ZONE)
    send(one, {"a34002": [10.0, 30.0]}, midnight - timedelta(hours=1))
    asked = {"layer": "monitors", "period": kind, "choice": "chosen", "features": keys(one), "columns": ["a34002:mean"]}
    for day, value in ((before, 10.0), (after, 30.0)):
        (line,) = table(made(who["owner"], asked, date.fromisoformat(day)).sheet)
        assert line["PM10 平均 µg/m³"] == value


def test_a_free_time_holds_both_of_its_days(who: People, monitor: Callable[..., Monitor]) -> None:
    one = monitor("自")
    send(one, {"a34002": [float(n) for n in range(96)]}, DAY)
    asked = {"layer": "monitors", "period": "free", "first": date(2026, 11, 11), "last": date(2026, 11, 12),
             "choice": "chosen", "features": keys(one), "by": "time", "part": "day", "columns": ["@time", "a34002:low",
             "a34002:high", "a34002:valid"]}  # fmt: skip
    result = made(who["owner"], asked, date(2020, 1, 1))
    lines = [tuple(line.values()) for line in table(result.sheet)]
    assert lines == [("2026-11-11", 24.0, 47.0, 24), ("2026-11-12", 48.0, 71.0, 24)]
    assert result.sheet.summary[0].cells == ["总体", 24.0, 71.0, 48]
    time = custom.drafted(who["owner"], PLAIN | asked).time(date(2020, 1, 1))
    assert time == Period("free", date(2026, 11, 11), date(2026, 11, 13)) and time.label == "2026-11-11 – 2026-11-12"
    assert (time.before.end, time.after.first) == (time.first, time.end)


def test_a_line_of_all_features_adds_up_what_adds_up(who: People, two: Any) -> None:
    asked = {"choice": "chosen", "features": keys(*two), "by": "time", "part": "hour",
             "columns": ["@time", "w00000:total", "w01018:mean"]}  # fmt: skip
    lines = {line["时间"]: line for line in table(made(who["commander"], asked).sheet)}
    assert len(lines) == 24
    assert lines["2026-11-10 08:00"]["瞬时流量 累计 m³"] == pytest.approx((100 + 10) * 3.6)
    assert lines["2026-11-10 08:00"]["化学需氧量 平均 mg/L"] == pytest.approx((20 * 100 + 40 * 10) / 110)
    assert lines["2026-11-10 07:00"]["化学需氧量 平均 mg/L"] is None


def test_columns_stand_in_their_order_and_lines_in_theirs(who: People, two: Any) -> None:
    values = {"columns": ["w01018:high", "name", "w01018:low"], "sort": "-w01018:high", "choice": "chosen",
              "features": keys(*two)}  # fmt: skip
    sheet = made(who["commander"], values).sheet
    assert [head.label for head in sheet.headings] == ["化学需氧量 最大", "名称", "化学需氧量 最小"]
    assert [line.cells[1] for line in sheet.lines] == ["报表厂家", "报表厂邻"]
    again = made(who["commander"], values | {"sort": "w01018:high"}).sheet
    assert [line.cells[1] for line in again.lines] == ["报表厂邻", "报表厂家"]
    assert sheet.lines[0].link == ("sewage_plants", two[0].pk)


def test_f43_a_report_shows_the_rows_of_whoever_runs_it(who: People, two: Any) -> None:
    mine, other = two
    saved = custom.save(who["owner"], PLAIN | {"roles": ["supervisor", "inspector"]})
    chosen = {"choice": "chosen", "features": keys(mine, other), "roles": ["supervisor"]}
    both = custom.save(who["commander"], PLAIN | chosen)
    time = period("day", DAY.date())

    def names(name: str, report: Custom, action: str = "view") -> set[str]:
        result = figures.run(who[name], report, time, action, LATER)
        return {line.cells[0] for line in result.sheet.lines if str(line.cells[0]).startswith("报表厂")}

    assert names("owner", saved) == names("inspector", saved) == {"报表厂家"}
    assert names("neighbour", custom.fetch(who["neighbour"], saved.pk)) == {"报表厂邻"}
    assert names("stranger", custom.fetch(who["stranger"], saved.pk)) == set()
    assert names("commander", both) == {"报表厂家", "报表厂邻"}
    assert names("owner", both) == {"报表厂家"} and names("neighbour", both) == {"报表厂邻"}
    lacking = figures.run(who["owner"], both, time, now=LATER)
    assert lacking.lacking and "不在您的权限范围内" in lacking.sheet.notes[-1]
    assert not figures.run(who["commander"], both, time, now=LATER).lacking
    with pytest.raises(Refused):
        figures.run(who["inspector"], saved, time, "export", LATER)
    with pytest.raises(NotFound):
        custom.fetch(who["inspector"], both.pk)
    with pytest.raises(NotFound):
        custom.fetch(PUBLIC, saved.pk)
    with pytest.raises(NotFound):
        figures.run(PUBLIC, saved, time, now=LATER)


def test_a_maker_who_loses_the_right_loses_the_report_and_keeps_nothing(who: People, two: Any) -> None:
    saved = custom.save(who["owner"], PLAIN)
    user = User.objects.get(username="owner")
    Membership.objects.filter(user=user).delete()
    principals.forget()
    with pytest.raises(NotFound):
        custom.fetch(principal_of(user), saved.pk)


def test_a_private_field_is_a_column_of_those_who_may_read_it(
    who: People, monitor: Callable[..., Monitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = monitor("私")
    send(one, {"LA": [60.0], "a34002": [50.0]}, DAY)
    values = {"layer": "monitors", "choice": "chosen", "features": keys(one)}
    values |= {"columns": ["name", "LA:mean", "a34002:mean", "spot"]}
    saved = custom.save(who["admin"], PLAIN | values | {"roles": ["supervisor"]})
    monkeypatch.setattr(type(registry.by_key["monitors"]), "private", ("noise", "spot"))
    time = period("day", DAY.date())
    mine = figures.run(who["owner"], saved, time, now=LATER)
    assert [head.label for head in mine.sheet.headings] == ["名称", "PM10 平均"] and mine.lacking
    assert "LA" not in columns.factors(who["owner"], registry.by_key["monitors"])
    assert "spot" not in columns.fields(who["owner"], registry.by_key["monitors"])
    assert len(figures.run(who["admin"], saved, time, now=LATER).sheet.headings) == 4
    with pytest.raises(Invalid) as refused:
        custom.drafted(who["owner"], PLAIN | values)
    assert "columns" in refused.value.fields


def test_only_its_owner_changes_a_report_and_everything_is_noted(who: People) -> None:
    saved = custom.save(who["owner"], PLAIN | {"roles": ["supervisor"]})
    for name in ("neighbour", "stranger", "commander"):
        with pytest.raises(NotFound if name == "commander" else Refused):
            custom.save(who[name], PLAIN | {"name": "我的了"}, saved.pk)
        with pytest.raises(NotFound if name == "commander" else Refused):
            custom.delete(who[name], saved.pk)
    custom.save(who["owner"], PLAIN | {"name": "改名", "period": "month", "roles": []}, saved.pk)
    with pytest.raises(NotFound):
        custom.fetch(who["neighbour"], saved.pk)
    custom.delete(who["owner"], saved.pk)
    assert not Custom.objects.filter(pk=saved.pk).exists()
    deeds = list(Entry.objects.filter(object_id=str(saved.pk)).order_by("pk"))
    assert [deed.action for deed in deeds] == ["create report", "change report", "delete report"]
    assert {deed.user_name for deed in deeds} == {"owner"}
    assert deeds[1].changes == {
        "name": ["流量水质", "改名"], "period": ["day", "month"], "roles": [["supervisor"], []],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"), ({"layer": "people"}, "layer"), ({"layer": "nonsense"}, "layer"),
        ({"columns": []}, "columns"),
        ({"columns": ["name"]}, "columns"), ({"columns": ["w01018:mean", "w01018:mean"]}, "columns"),
        ({"columns": ["w01018:median"]}, "columns"), ({"columns": ["nothing:mean"]}, "columns"),
        ({"columns": ["geom", "w01018:mean"]}, "columns"),
        ({"columns": ["enterprise__phone", "w01018:mean"]}, "columns"), ({"by": "time"}, "columns"),
        ({"columns": ["@time", "w01018:mean"]}, "columns"), ({"choice": "region"}, "region"),
        ({"choice": "chosen"}, "features"), ({"period": "free"}, "first"), ({"period": "hour"}, "period"),
        ({"period": "free", "first": date(2026, 2, 1), "last": date(2026, 1, 1)}, "last"),
        ({"period": "free", "first": date(2000, 1, 1), "last": date(2026, 1, 1)}, "last"),
        ({"roles": ["public"]}, "roles"), ({"sort": "w01018:low; drop"}, "sort"), ({"by": "minute"}, "by"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_not_saved(values: dict[str, Any], field: str, who: People) -> None:
    with pytest.raises(Invalid) as refused:
        custom.save(who["owner"], PLAIN | values)
    assert field in refused.value.fields
    assert not Custom.objects.exists()


def test_what_is_too_long_is_refused_before_it_is_computed(who: People, two: Any) -> None:
    asked = {"by": "both", "part": "hour", "period": "free", "first": date(2024, 1, 1), "last": date(2025, 12, 31),
             "columns": ["@time", "w01018:mean"], "choice": "chosen", "features": keys(*two)}  # fmt: skip
    with CaptureQueriesContext(connection) as queries, pytest.raises(TooLarge):
        made(who["commander"], asked)
    assert not any("telemetry_rollup" in query["sql"] for query in queries)


def test_the_number_of_queries_does_not_grow(who: People, plant: Callable[..., SewagePlant]) -> None:
    numbers = []
    for names in ("ab", "cdefghij"):
        for name in names:
            send(plant(name), {"w00000": [1.0, 2.0], "w01018": [3.0, 4.0]}, DAY)
        with CaptureQueriesContext(connection) as queries:
            result = made(who["owner"], {"columns": [*PLAIN["columns"], "region", "enterprise"]})
        numbers.append((len(queries), len(table(result.sheet))))
    assert numbers[0][1] < numbers[1][1]
    assert numbers[0][0] == numbers[1][0] <= 8


def test_hours_before_a_device_was_approved_are_not_expected(who: People, plant: Callable[..., SewagePlant]) -> None:
    young = plant("新")
    device = send(young, {"w01018": [5.0] * 6}, DAY + timedelta(hours=18))
    Device.objects.filter(pk=device.pk).update(approved_at=DAY + timedelta(hours=12))
    values = {"choice": "chosen", "features": keys(young), "columns": ["w01018:valid", "w01018:share"]}
    (line,) = table(made(who["owner"], values).sheet)
    assert list(line.values()) == [6, pytest.approx(50.0)]
    running = custom.drafted(who["owner"], PLAIN | values)
    now = (DAY + timedelta(hours=22)).astimezone(UTC)
    half = figures.run(who["owner"], running, running.time(DAY.date()), now=now)
    assert half.sheet.lines[0].cells == [6, pytest.approx(60.0)], "of a running day the hours that have passed"


def test_a_region_is_chosen_with_everything_below_it(who: People, two: Any) -> None:
    mine, other = {"报表厂家"}, {"报表厂邻"}
    for code, names in (("511702", mine), ("511703", other), ("511700", mine | other), ("330100", set())):
        sheet = made(who["commander"], {"choice": "region", "region": code}).sheet
        assert {line.cells[0] for line in sheet.lines if str(line.cells[0]).startswith("报表厂")} == names


def test_features_are_chosen_by_what_they_belong_to(who: People, monitor: Callable[..., Monitor]) -> None:
    site = Project.objects.create(code="RP-SITE", name="报表工地", region_id=HOME)
    far = Project.objects.create(code="RP-FAR", name="邻县工地", region_id=SIBLING)
    mine, bare = monitor("属", project=site), monitor("散")
    for each in (mine, bare):
        send(each, {"a34002": [10.0]}, DAY)
    assert "project" in columns.relations(who["owner"], registry.by_key["monitors"])
    asked = {"layer": "monitors", "choice": "under", "along": "project", "under": site.pk}
    asked |= {"columns": ["name", "a34002:mean"]}
    assert [line.cells for line in made(who["owner"], asked).sheet.lines] == [["报表点属", 10.0]]
    for wrong in ({"under": far.pk}, {"under": None}, {"along": "region"}, {"along": "name"}, {"along": ""}):
        with pytest.raises(Invalid):
            custom.drafted(who["owner"], PLAIN | asked | wrong)
    saved = custom.save(who["owner"], PLAIN | asked | {"roles": ["supervisor"]})
    neighbour = figures.run(who["neighbour"], custom.fetch(who["neighbour"], saved.pk), saved.time(ON), now=LATER)
    assert neighbour.sheet.lines == [] and neighbour.lacking, "a foreign site is none"
