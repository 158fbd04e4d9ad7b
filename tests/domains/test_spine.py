"""Projects, enterprises and people: found, counted, created, opened."""

from typing import Any

import pytest
from django.contrib.gis.geos import Point

from layers.enterprises.seed import credit_code
from services.access import actions, gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.panels.panel import panel, tab
from services.search.filters import narrow, parse
from services.stats.counts import counts, total

pytestmark = pytest.mark.django_db
PROJECTS, ENTERPRISES, PEOPLE = (registry.by_key[key] for key in ("projects", "enterprises", "people"))
CODE = credit_code(999_999)
SEAT = Point(107.503, 31.213, srid=4490)


def found(who: Principal, layer: Any, **query: Any) -> set[Any]:
    """Keys of the features that pass a query."""
    return set(narrow(who, layer, parse(who, layer, query)).values_list("pk", flat=True))


@pytest.mark.covers("DZ-008")
def test_a_project_gets_its_place_and_keeps_it(who: dict[str, Principal]) -> None:
    feature = PROJECTS.rows().filter(region__code__startswith="511702").first()
    assert feature
    actions.change(who["owner"], PROJECTS, feature.pk, {"geom": SEAT})
    assert panel(who["owner"], PROJECTS, feature.pk).place == pytest.approx((107.503, 31.213))
    assert FeatureIndex.objects.get(pk=feature.pk).geom.equals_exact(SEAT, 1e-9)


@pytest.mark.covers("DZ-010")
def test_every_located_project_of_the_city_stands_in_the_index_that_the_map_counts(who: dict[str, Principal]) -> None:
    located = PROJECTS.rows().filter(geom__isnull=False).count()
    assert located == FeatureIndex.objects.filter(layer="projects", geom__isnull=False).count() > 0
    assert total(who["commander"], PROJECTS, parse(who["commander"], PROJECTS, {"bbox": "105,30,110,33"})) == located


@pytest.mark.covers("DZ-011")
def test_problem_projects_are_those_with_open_problems(who: dict[str, Principal]) -> None:
    shown = found(who["commander"], PROJECTS, open_problems__min="1")
    assert shown == set(PROJECTS.rows().filter(open_problems__gt=0).values_list("pk", flat=True))
    assert 0 < len(shown) < PROJECTS.rows().count()


@pytest.mark.covers("DZ-044")
def test_counts_by_status_add_up_and_each_opens_its_list(who: dict[str, Principal]) -> None:
    tallies = counts(who["commander"], PROJECTS, "state")
    assert {t.value for t in tallies} >= {"planned", "active", "suspended", "completed"}
    assert sum(t.count for t in tallies) == PROJECTS.rows().count()
    for tally in tallies:
        assert len(found(who["commander"], PROJECTS, state=tally.value)) == tally.count


@pytest.mark.covers("DZ-127")
def test_a_project_that_is_entered_is_found_again(who: dict[str, Principal]) -> None:
    values = {"name": "测试锦华庭一期", "code": "2026-511702-47-03-999999", "region": "511702", "geom": SEAT}
    feature = actions.create(who["owner"], PROJECTS, values)
    assert found(who["owner"], PROJECTS, q="测试锦华庭") == {feature.pk}
    assert found(who["neighbour"], PROJECTS, q="测试锦华庭") == set()


def test_the_topics_of_a_project_fill_from_other_domains(who: dict[str, Principal]) -> None:
    camera = registry.by_key["cameras"].rows().exclude(project=None).first()
    assert camera
    content = tab(who["admin"], PROJECTS, camera.project_id, "video")
    kinds = [registry.by_key[key].rows() for key in ("cameras", "recorders")]
    watching = [rows.filter(project=camera.project_id).count() for rows in kinds]
    assert content.total == sum(watching) and watching[0] > 0
    monitor = registry.by_key["monitors"].rows().exclude(project=None).first()
    assert monitor
    assert tab(who["admin"], PROJECTS, monitor.project_id, "dust").total > 0


@pytest.mark.covers("HZ-006")
def test_each_of_the_eight_kinds_shows_its_enterprises(who: dict[str, Principal]) -> None:
    kinds = ("developer", "construction", "supervision", "cost", "tender", "testing", "survey_design", "energy")
    for kind in kinds:
        rows = ENTERPRISES.rows().filter(kind=kind)
        assert found(who["commander"], ENTERPRISES, kind=kind) == set(rows.values_list("pk", flat=True)) != set()


@pytest.mark.covers("DZ-033")
def test_an_enterprise_type_lists_its_enterprises_with_totals(who: dict[str, Principal]) -> None:
    for tally in counts(who["commander"], ENTERPRISES, "kind"):
        assert tally.count == len(found(who["commander"], ENTERPRISES, kind=tally.value)) > 0


@pytest.mark.covers("FJ-205", "LN-111")
@pytest.mark.parametrize("kind", ["cost", "prefabrication"])
def test_an_enterprise_is_added_edited_and_found(who: dict[str, Principal], kind: str) -> None:
    values = {"name": "演示新企业", "code": CODE, "kind": kind, "region": "511702", "geom": SEAT}
    feature = actions.create(who["owner"], ENTERPRISES, values)
    actions.change(who["owner"], ENTERPRISES, feature.pk, {"address": "演示路1号"})
    assert found(who["owner"], ENTERPRISES, q="演示路1号", kind=kind) == {feature.pk}


def test_a_wrong_credit_code_is_refused(who: dict[str, Principal]) -> None:
    with pytest.raises(Invalid) as caught:
        actions.create(who["admin"], ENTERPRISES, {"name": "错", "code": "911234567890123456", "kind": "cost"})
    assert "code" in caught.value.fields


@pytest.mark.covers("HZ-007")
def test_people_of_each_kind_are_found_with_their_title(who: dict[str, Principal]) -> None:
    employer = ENTERPRISES.rows().filter(region__code__startswith="511702").first()
    assert employer
    for kind in PEOPLE.field["kind"].choices:
        values = {"name": "演示人", "kind": kind, "title": "engineer", "enterprise": employer.pk}
        person = actions.create(who["owner"], PEOPLE, values)
        assert person.pk in found(who["owner"], PEOPLE, kind=kind)
        assert "工程师" in {value.text for value in panel(who["owner"], PEOPLE, person.pk).values}


@pytest.mark.covers("DZ-034")
def test_a_kind_of_people_lists_them_with_totals(who: dict[str, Principal]) -> None:
    tallies = counts(who["commander"], PEOPLE, "kind")
    assert sum(t.count for t in tallies) == PEOPLE.rows().count()
    for tally in tallies:
        assert tally.count == len(found(who["commander"], PEOPLE, kind=tally.value))


@pytest.mark.covers("FJ-365")
def test_a_tester_is_added_to_an_institution_edited_and_found(who: dict[str, Principal]) -> None:
    values = {"name": "演示检测所", "code": CODE, "kind": "testing", "region": "511702", "geom": SEAT}
    institution = actions.create(who["owner"], ENTERPRISES, values)
    tester = actions.create(who["owner"], PEOPLE, {"name": "演示员", "kind": "testing", "enterprise": institution.pk})
    actions.change(who["owner"], PEOPLE, tester.pk, {"trade": "地基基础检测"})
    assert found(who["owner"], PEOPLE, q="演示检测所", kind="testing") == {tester.pk}
    assert FeatureIndex.objects.get(pk=tester.pk).region_code.startswith("511702")


def test_identity_numbers_are_private_and_their_mask_is_not(who: dict[str, Principal]) -> None:
    person = PEOPLE.rows().exclude(id_number="").first()
    assert person
    assert person.id_masked == person.id_number[:3] + "*" * 11 + person.id_number[-4:]
    assert person.phone_masked == person.phone[:3] + "****" + person.phone[-4:]
    names = {field.name for field in gate.fields(who["inspector"], PEOPLE)}
    assert "id_masked" in names
    assert not names & {"id_number", "phone"}
