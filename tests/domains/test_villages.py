"""Rural houses, craftsmen, greenways and trucks: counted by district, entered by districts, opened by the city."""

from datetime import date
from typing import Any

import pytest
from django.contrib.gis.geos import LineString, Point

from services.access import actions
from services.access.errors import Invalid
from services.access.principal import Principal
from services.catalog.layer import Layer, registry
from services.catalog.models import FeatureIndex
from services.panels.panel import panel, tab
from services.search.filters import narrow, parse
from services.stats.counts import counts, summaries

pytestmark = pytest.mark.django_db
HOUSES, CRAFTSMEN, GREENWAYS = (registry.by_key[key] for key in ("rural_houses", "craftsmen", "greenways"))
YARD = Point(107.56, 31.32, srid=4490)


def found(who: Principal, layer: Layer, **query: Any) -> set[Any]:
    return set(narrow(who, layer, parse(who, layer, query)).values_list("pk", flat=True))


def by_county(who: Principal, layer: Layer, **query: Any) -> dict[str, int]:
    return {t.value: t.count for t in counts(who, layer, "region", parse(who, layer, {"region": "511700", **query}))}


@pytest.mark.covers("HZ-144", "HZ-145", "HZ-158", "HZ-167", "HZ-177", "HZ-183", "HZ-192")
@pytest.mark.parametrize(
    "query",
    [
        {"state": "existing"},
        {"state": "building"},
        {"state": "dangerous"},
        {"state": "dangerous", "low_income": "true"},
        {"state": "dangerous", "grade": "D"},
        {},
    ],
)
def test_houses_are_counted_by_district_as_the_records_say(who: dict[str, Principal], query: dict[str, str]) -> None:
    wanted = {name: value == "true" if value in ("true", "false") else value for name, value in query.items()}
    expected: dict[str, int] = {}
    for code in HOUSES.rows().filter(**wanted).values_list("region_id", flat=True):
        expected[code[:6]] = expected.get(code[:6], 0) + 1
    assert by_county(who["commander"], HOUSES, **query) == expected


@pytest.mark.covers("HZ-148", "HZ-149")
def test_a_house_shows_its_approvals_and_the_supervision_after_them(who: dict[str, Principal]) -> None:
    house = HOUSES.rows().filter(state="building", approvals__isnull=False, supervisions__isnull=False).first()
    assert house
    approvals = tab(who["commander"], HOUSES, house.pk, "approval")
    assert approvals.total == house.approvals.count() == 4
    stages = {cells[0] for _key, cells in approvals.sections[0].rows}
    assert stages == {"村民申请", "村级审查", "乡镇审核", "规划许可与用地批准"}
    assert tab(who["commander"], HOUSES, house.pk, "supervision").total == house.supervisions.count()


@pytest.mark.covers("HZ-152", "HZ-157", "HZ-191")
def test_a_house_is_found_by_a_word_and_opens_with_place_and_details(who: dict[str, Principal]) -> None:
    house = HOUSES.rows().exclude(address="").first()
    assert house
    assert house.pk in found(who["commander"], HOUSES, q=house.address)
    opened = panel(who["commander"], HOUSES, house.pk)
    assert opened.place == pytest.approx((house.geom.x, house.geom.y))
    assert house.address in {value.text for value in opened.values}


@pytest.mark.covers("HZ-153")
def test_a_topic_shows_only_its_houses(who: dict[str, Principal]) -> None:
    shown = found(who["commander"], HOUSES, state=["dangerous"], low_income="true")
    assert shown == set(HOUSES.rows().filter(state="dangerous", low_income=True).values_list("pk", flat=True))


@pytest.mark.covers("HZ-182", "HZ-197", "HZ-200")
def test_a_district_enters_a_house_and_the_city_has_it(who: dict[str, Principal]) -> None:
    values = {"name": "演示村1组1号", "region": "511702", "geom": YARD, "state": "dangerous", "grade": "D"}
    house = actions.create(who["owner"], HOUSES, values | {"low_income": True})
    assert house.pk in found(who["commander"], HOUSES, q="演示村1组1号")
    assert FeatureIndex.objects.get(pk=house.pk).region_code == "511702"


def test_a_dangerous_house_needs_a_grade_and_the_message_names_the_standard(who: dict[str, Principal]) -> None:
    with pytest.raises(Invalid) as caught:
        actions.create(who["owner"], HOUSES, {"name": "演示", "region": "511702", "geom": YARD, "state": "dangerous"})
    assert "JGJ 125-2016" in str(caught.value.fields)


@pytest.mark.covers("HZ-146")
def test_craftsmen_are_counted_as_the_records_say(who: dict[str, Principal]) -> None:
    assert sum(by_county(who["commander"], CRAFTSMEN).values()) == CRAFTSMEN.rows().count() > 0


@pytest.mark.covers("HZ-159", "HZ-161")
def test_a_craftsman_is_registered_found_and_gets_a_credit_event(who: dict[str, Principal]) -> None:
    values = {"name": "演示匠", "code": "GJ51170299999", "trade": "mason", "region": "511702", "geom": YARD}
    craftsman = actions.create(who["owner"], CRAFTSMEN, values)
    assert found(who["owner"], CRAFTSMEN, q="GJ51170299999") == {craftsman.pk}
    event = {"happened_on": date(2026, 11, 1), "kind": "reward", "points": 3, "reason": "诚信履约"}
    credit = CRAFTSMEN.tab("craftsmancredit")
    actions.add_record(who["owner"], CRAFTSMEN, craftsman.pk, credit, event)
    assert tab(who["commander"], CRAFTSMEN, craftsman.pk, "craftsmancredit").total == 1


@pytest.mark.covers("HZ-212")
def test_a_district_reports_its_annual_plan_and_the_city_opens_it(who: dict[str, Principal]) -> None:
    way = GREENWAYS.rows().filter(region__code__startswith="511702").first()
    assert way
    plan = {"year": 2031, "planned_length": 2.5, "investment": 800, "reported_on": date(2031, 1, 15)}
    actions.add_record(who["owner"], GREENWAYS, way.pk, GREENWAYS.tab("annualplan"), plan)
    rows = tab(who["commander"], GREENWAYS, way.pk, "annualplan").sections[0].rows
    assert "2.5 km" in rows[0][1]


@pytest.mark.covers("HZ-215")
def test_greenways_of_a_district_stand_on_the_map_with_their_sums(who: dict[str, Principal]) -> None:
    filters = parse(who["commander"], GREENWAYS, {"region": "511702"})
    rows = list(narrow(who["commander"], GREENWAYS, filters))
    length = next(s for s in summaries(who["commander"], GREENWAYS, filters) if s.name == "length")
    assert length.unit == "km"
    assert length.total == pytest.approx(sum(row.length for row in rows))
    assert all(FeatureIndex.objects.get(pk=row.pk).geom for row in rows)


def test_the_database_computes_the_length_of_a_line(who: dict[str, Principal]) -> None:
    line = LineString((107.5, 31.2), (107.51, 31.2), srid=4490)
    way = actions.create(who["owner"], GREENWAYS, {"name": "演示绿道", "region": "511702", "geom": line})
    way.refresh_from_db()
    assert way.length == pytest.approx(0.953, abs=0.001)
