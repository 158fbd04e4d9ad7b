"""Figures of charts equal what SQL of its own says, within the rights of whoever looks, in few queries."""

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from layers.environment.models import Monitor
from layers.projects.models import Project
from services.access import gate
from services.access.errors import Invalid, NotFound, TooLarge
from services.access.principal import Principal
from services.catalog.layer import registry
from services.charts import drawn, figures, sources, tables
from services.charts import spec as specs
from services.charts.figures import Figure
from services.charts.spec import Spec
from services.telemetry.spans import ZONE
from tests.conftest import HOME, SIBLING
from tests.reports.conftest import DAY, send

pytestmark = pytest.mark.django_db
People = dict[str, Principal]
SQL = (("sum", "sum"), ("mean", "avg"), ("max", "max"), ("min", "min"))


def made(principal: Principal, source: str, **settings: Any) -> Figure:
    return figures.run(principal, specs.read({"source": source, "top": 200, **settings}), principal.id)


def cells(figure: Figure) -> dict[str, Any]:
    """Key of a group → its value, of a figure without series."""
    (line,) = figure.values
    return dict(zip([group.key for group in figure.groups], line, strict=True))


def rows(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


@pytest.mark.parametrize(
    ("name", "prefix"), [("admin", ""), ("commander", "5117"), ("owner", HOME), ("neighbour", SIBLING)]
)
def test_a_count_by_state_is_that_of_the_viewers_rows(who: People, name: str, prefix: str) -> None:
    found = cells(made(who[name], "layer:projects", by="state"))
    expected = rows("select state, count(*) from projects_project where region_id like %s group by 1", f"{prefix}%")
    assert {key: value for key, value in found.items() if value} == dict(expected)


def test_a_stranger_gets_an_empty_chart_and_the_public_none(who: People) -> None:
    figure = made(who["stranger"], "layer:projects", by="state")
    assert figure.is_empty and figure.total == 0
    assert drawn.plain(who["stranger"], figure)["empty"]
    with pytest.raises(NotFound):
        made(who["public"], "layer:projects", by="state")
    with pytest.raises(NotFound):
        made(who["owner"], "layer:nowhere", by="state")


@pytest.mark.parametrize(
    ("measure", "sql"),
    [("count", "count(*)"), *((f"{name}:contract_price", f"{function}(contract_price)") for name, function in SQL)],
)
def test_measures_by_county_equal_sql(who: People, measure: str, sql: str) -> None:
    found = cells(made(who["admin"], "layer:projects", by="region:county", measure=measure))
    expected = dict(rows(f"select left(region_id, 6), {sql} from projects_project group by 1"))
    assert len(expected) > 3
    assert found == pytest.approx(expected)


def test_records_are_counted_by_month_and_by_the_region_of_their_feature(who: People) -> None:
    found = made(
        who["owner"], "records:projects:progressreport", by="reported_on:month", series="project__region:county"
    )
    expected = rows(
        "select to_char(r.reported_on, 'YYYY-MM'), left(p.region_id, 6), count(*) from projects_progressreport r"
        " join projects_project p on p.id = r.project_id where p.region_id like %s group by 1, 2",
        f"{HOME}%",
    )
    shown = {
        (group.key, line.key): value
        for line, values in zip(found.series, found.values, strict=True)
        for group, value in zip(found.groups, values, strict=True)
        if value
    }
    assert shown == {(month, region): n for month, region, n in expected}
    assert [group.key for group in found.groups] == sorted(group.key for group in found.groups)


def test_filters_text_and_cql_narrow_as_they_do_in_the_list(who: People) -> None:
    by_filter = made(who["admin"], "layer:projects", by="kind", filters={"state": ["active"]})
    by_cql = made(who["admin"], "layer:projects", by="kind", cql="state = 'active'")
    ((n,),) = rows("select count(*) from projects_project where state = 'active'")
    assert by_filter.total == by_cql.total == n > 0
    with pytest.raises(Invalid) as refused:
        made(who["admin"], "layer:projects", by="kind", cql="state = ")
    assert "cql" in refused.value.fields
    with pytest.raises(Invalid):
        made(who["admin"], "layer:projects", by="kind", filters={"nonsense": ["1"]})


def test_a_private_field_is_no_group_for_who_may_not_read_it(who: People) -> None:
    layer = next(layer for layer in registry if layer.private and gate.may(who["inspector"], layer))
    token = f"layer:{layer.key}"
    assert not gate.reads_private(who["inspector"], layer)
    closed, opened = (sources.source(who[name], token, None) for name in ("inspector", "admin"))
    private = {each.field for each in opened.dimensions.values()} & set(layer.private)
    assert private and not private & {each.field for each in closed.dimensions.values()}
    by = next(each.token for each in opened.dimensions.values() if each.field in private)
    with pytest.raises(Invalid):
        made(who["inspector"], token, by=by)


def test_the_smallest_groups_are_put_together_where_they_add_up(who: People) -> None:
    whole = cells(made(who["admin"], "layer:projects", by="region:county", sort="down"))
    figure = made(who["admin"], "layer:projects", by="region:county", sort="down", top=3)
    values = list(whole.values())
    assert values == sorted(values, reverse=True)
    assert list(cells(figure).values()) == [*values[:3], sum(values[3:])]
    assert figure.hidden == len(values) - 3 and str(figure.hidden) in figure.groups[-1].label
    mean = made(who["admin"], "layer:projects", by="region:county", measure="mean:contract_price", sort="down", top=3)
    assert len(mean.groups) == 3 and mean.notes


def test_a_time_narrows_by_chinas_days(who: People) -> None:
    monitor = Monitor.objects.order_by("pk").first()
    assert monitor is not None
    # 23:30 of 31 December in China is still 15:30 in London.
    Monitor.objects.update(created_at=datetime(2020, 1, 1, 12, tzinfo=ZONE))
    Monitor.objects.filter(pk=monitor.pk).update(created_at=datetime(2025, 12, 31, 23, 30, tzinfo=ZONE))
    asked = {"by": "created_at:day", "clock": "created_at", "time": "own"}
    assert cells(made(who["admin"], "layer:monitors", first="2025-12-31", last="2025-12-31", **asked)) == {
        "2025-12-31": 1
    }
    assert made(who["admin"], "layer:monitors", first="2026-01-01", last="2026-01-31", **asked).is_empty
    hour = made(who["admin"], "layer:monitors", by="created_at:hours", clock="created_at", time="own",
                first="2025-12-01", last="2026-01-31")  # fmt: skip
    assert [(group.key, group.label) for group in hour.groups] == [("23", "23:00")]


def test_days_that_were_measured_follow_the_rollups(who: People, monitor: Callable[..., Monitor]) -> None:
    mine, other = monitor("甲"), monitor("乙", region_id=SIBLING)
    for feature, value in ((mine, 40.0), (other, 90.0)):
        for day in range(3):
            begin = DAY + timedelta(days=day)
            send(feature, {"a34002": [value + day] * 24, "LA": [60.0 + 10 * day] * 24}, begin)
    asked = {"by": "at:day", "clock": "at", "time": "own", "first": f"{DAY:%Y-%m-%d}", "last": "2026-11-20"}
    found = made(who["owner"], "measured:monitors", measure="mean:a34002", **asked)
    assert cells(found) == {f"{DAY + timedelta(days=n):%Y-%m-%d}": 40.0 + n for n in range(3)}
    assert found.unit == "µg/m³"
    both = made(who["admin"], "measured:monitors", measure="max:a34002", **(asked | {"by": "region:county"}))
    assert cells(both) == {HOME: 42.0, SIBLING: 92.0}
    assert cells(made(who["admin"], "measured:monitors", measure="days:a34002", **(asked | {"by": "@feature"}))) == {
        str(mine.pk): 3, str(other.pk): 3
    }  # fmt: skip


def test_two_periods_stand_side_by_side_with_their_difference(who: People) -> None:
    Project.objects.update(start_date=date(2024, 5, 1), finish_date=None)
    keys = list(Project.objects.order_by("pk").values_list("pk", flat=True)[:3])
    Project.objects.filter(pk__in=keys).update(start_date=date(2025, 5, 1), state="active")
    figure = made(
        who["admin"], "layer:projects", kind="comparative", form="side", by="state", clock="start_date",
        compared="periods", periods=[["2024-01-01", "2024-12-31"], ["2025-01-01", "2025-12-31"]],
    )  # fmt: skip
    before, after = figure.values
    states = [group.key for group in figure.groups]
    assert sum(before) == Project.objects.count() - 3 and sum(after) == 3
    headings, lines = drawn.table(drawn.plain(who["admin"], figure))
    line = lines[states.index("active")]
    assert len(headings) == 5
    assert line[3] == line[2] - line[1] and line[4] == pytest.approx(100 * line[3] / line[1])


def test_a_map_has_the_regions_beside_and_places_of_what_is_seen(who: People) -> None:
    figure = made(who["owner"], "layer:projects", kind="thematic", form="fill", by="region:county", classes=3)
    shown = drawn.with_shapes(drawn.plain(who["owner"], figure))
    keys = {feature["properties"]["key"] for feature in shown["shapes"]["features"]}
    assert {group["key"] for group in shown["groups"]} == {HOME} < keys
    assert all(feature["geometry"]["coordinates"] for feature in shown["shapes"]["features"])
    points = made(who["owner"], "layer:projects", kind="heat", form="ground", by="@feature")
    placed = drawn.plain(who["owner"], points)
    seen = dict(rows("select id::text, st_x(geom) from projects_project where region_id like %s", f"{HOME}%"))
    assert {group["key"] for group in placed["groups"]} == set(seen)
    assert [place and place[0] for place in placed["places"]] == pytest.approx(
        [seen[g["key"]] for g in placed["groups"]]
    )


def test_what_cannot_be_drawn_is_refused_with_the_field_to_mend(who: People) -> None:
    for settings, field in (
        ({"kind": "calendar", "form": "days", "by": "state"}, "by"),
        ({"kind": "thematic", "form": "fill", "by": "state"}, "by"),
        ({"by": "state", "form": "stack"}, "series"),
        ({"by": "state", "measure": "sum:name"}, "measure"),
        ({"by": "nonsense"}, "by"),
        ({"by": "state", "time": "own", "clock": "start_date", "first": "2026-02-01", "last": "2026-01-01"}, "last"),
        (
            {"kind": "comparative", "form": "side", "compared": "periods", "by": "state", "clock": "start_date"},
            "periods",
        ),
        ({"kind": "thematic", "form": "fill", "by": "region:county", "method": "own"}, "breaks"),
    ):
        with pytest.raises(Invalid) as refused:
            made(who["owner"], "layer:projects", **settings)
        assert field in refused.value.fields, settings


def test_too_many_groups_are_refused_before_they_are_drawn(who: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST_GROUPS", 2)
    with pytest.raises(TooLarge, match="2"):
        made(who["admin"], "layer:projects", by="region:county")


def test_what_takes_too_long_is_ended_with_a_sentence(who: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "SECONDS", 0.05)
    monkeypatch.setitem(figures.AGGREGATES, "count", "count(pg_sleep(5))")
    with pytest.raises(TooLarge, match="没有完成"):
        made(who["admin"], "layer:projects", by="state")
    monkeypatch.undo()
    assert made(who["admin"], "layer:projects", by="state").total == Project.objects.count()


def test_series_beyond_those_that_can_be_told_apart_are_said_to_be_missing(
    who: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "MOST_SERIES", 3)
    figure = made(who["admin"], "layer:projects", by="state", series="region:county")
    counties = Project.objects.values("region__code").count()
    assert len(figure.series) == 3 and counties > 3
    assert any("系列" in note for note in figure.notes)


def test_the_number_of_queries_does_not_grow_with_the_rows(who: People) -> None:
    def queries(source: str, **settings: Any) -> int:
        with CaptureQueriesContext(connection) as seen:
            drawn.with_shapes(drawn.plain(who["admin"], made(who["admin"], source, **settings)))
        return sum(each["sql"].startswith(("select ", "SELECT ", "with ", "\nwith ")) for each in seen) - 1  # its limit

    for source, settings, most in (
        ("layer:projects", {"by": "state", "series": "region:county"}, 2),
        ("records:projects:progressreport", {"by": "@feature"}, 2),
        ("layer:projects", {"kind": "thematic", "form": "fill", "by": "region:county"}, 4),
        ("layer:monitors", {"kind": "heat", "form": "ground", "by": "@feature"}, 3),
    ):
        few = queries(source, **settings)
        assert few <= most, (source, settings)
    Project.objects.bulk_create(
        Project(code=f"VIELE-{n}", name=f"Viele {n}", region_id=SIBLING if n % 2 else HOME) for n in range(200)
    )
    assert queries("layer:projects", by="state", series="region:county") <= 2


def test_every_source_within_reach_can_be_drawn(who: People) -> None:
    """Every layer and kind of records in some form: what is offered works."""
    seen: Counter[str] = Counter()
    for group in sources.tokens(who["commander"]).values():
        for token, _title in group:
            source = sources.source(who["commander"], token, None)
            for kind, forms in specs.FORMS.items():
                for form in forms:
                    settings = specs.fitted(Spec(kind=kind, form=form, source=token, top=10), source)
                    if not settings.by or not source.measures or (specs.needs_second(settings) and not settings.series):
                        continue
                    drawn.plain(who["commander"], figures.run(who["commander"], settings, None))
                    seen[kind] += 1
    assert len(seen) == 5 and seen["calendar"] > 20


def test_an_own_table_is_read_by_the_kinds_of_its_columns(who: People) -> None:
    lines = [
        ["通川区", "2026-03-01", "1,200.5", "A"],
        ["达川区", "2026-03-02 08:30", 800, "B"],
        ["通川区", "2026/4/1", "99.5", "A"],
        ["达川区", None, "—", "B"],
    ]
    table = tables.keep(who["owner"], "产量", ["区县", "日期", "产量", "类别"], lines)
    assert [kind for _label, kind in table.columns] == ["region", "date", "number", "text"]
    token = f"table:{table.pk}"
    assert cells(made(who["owner"], token, by="c0:county", measure="sum:c2")) == {HOME: 1300.0, SIBLING: 800.0}
    assert cells(made(who["owner"], token, by="c1:month")) == {"2026-03": 2, "2026-04": 1, "": 1}
    assert cells(made(who["owner"], token, by="c3", measure="mean:c2")) == {"A": 650.0, "B": 800.0}
    march = made(who["owner"], token, by="c3", clock="c1", time="own", first="2026-03-01", last="2026-03-01")
    assert cells(march) == {"A": 1}
    for name in ("neighbour", "admin", "public"):
        with pytest.raises(NotFound):
            made(who[name], token, by="c3")
    codes = tables.keep(who["owner"], "编号", ["电话", "编码"], [["13800138000", "0012"], ["13900139000", "0013"]])
    assert codes.columns[1][1] == "text", "what begins with a zero is no number"


def test_places_of_an_own_table_lie_on_the_map_where_they_are_whole(who: People) -> None:
    lines = [["A", 107.5, 31.2, 4], ["B", 107.6, None, 5], ["C", 500, 31.0, 6], ["D", None, None, 7]]
    table = tables.keep(who["owner"], "点位", ["名称", "经度", "纬度", "值"], lines)
    asked = {"kind": "thematic", "form": "points", "by": "@place", "measure": "sum:c3"}
    placed = drawn.plain(who["owner"], made(who["owner"], f"table:{table.pk}", **asked))
    values = dict(zip([group["key"] for group in placed["groups"]], placed["values"][0], strict=True))
    there = {
        tuple(place): values[group["key"]]
        for group, place in zip(placed["groups"], placed["places"], strict=True)
        if place is not None
    }
    assert there == {(107.5, 31.2): 4.0}
    assert sum(values.values()) == 22.0, "what has no place still counts"
