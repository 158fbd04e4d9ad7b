"""One filter for every output; wrong ones are refused with what is allowed."""

from typing import Any

import pytest

from services.access import gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.catalog.layer import registry
from services.search.everywhere import search
from services.search.filters import narrow, parse, widgets
from services.stats.counts import counts, summaries, total

pytestmark = pytest.mark.django_db
PROJECTS = registry.by_key["projects"]


def test_filters_narrow_and_combine(who: dict[str, Principal]) -> None:
    admin = who["admin"]
    query: dict[str, Any] = {"state": ["active", "suspended"], "region": "511702", "sort": "-progress"}
    filters = parse(admin, PROJECTS, query)
    rows = list(narrow(admin, PROJECTS, filters))
    expected = PROJECTS.rows().filter(state__in=query["state"], region__code__startswith="511702")
    assert rows
    assert {row.pk for row in rows} == set(expected.values_list("pk", flat=True))
    assert [row.progress for row in rows] == sorted((row.progress for row in rows), reverse=True)


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"colour": "red"}, "colour", "state"),
        ({"state": "flying"}, "state", "active"),
        ({"region": "999999"}, "region", "511702"),
        ({"start_date__min": "31.12.2026"}, "start_date__min", "date"),
        ({"open_problems__min": "many"}, "open_problems__min", "integer"),
        ({"open_problems__min": "nan"}, "open_problems__min", "integer"),
        ({"bbox": "108,31,107,32"}, "bbox", "107.2"),
        ({"bbox": "1,2,3"}, "bbox", "107.2"),
        ({"sort": "summary; drop table"}, "sort", "code"),
    ],
)
def test_a_wrong_filter_is_refused_with_what_is_allowed(
    who: dict[str, Principal], query: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(Invalid) as caught:
        parse(who["admin"], PROJECTS, query)
    assert words in caught.value.fields[field][0]


def test_every_layer_offers_its_filters(who: dict[str, Principal]) -> None:
    for layer in registry:
        offered = widgets(who["admin"], layer, parse(who["admin"], layer, {}))
        assert [w.name for w in offered] == list(layer.filters)
        assert all(w.label for w in offered)


def test_counts_add_up_to_the_total_in_every_layer(who: dict[str, Principal]) -> None:
    for name in ("admin", "owner", "stranger"):
        for layer in registry:
            if gate.may(who[name], layer):
                for by in layer.stats:
                    assert sum(t.count for t in counts(who[name], layer, by)) == total(who[name], layer)


def test_summaries_leave_missing_values_out_and_keep_zero(who: dict[str, Principal]) -> None:
    rows = list(PROJECTS.rows())[:3]
    for row, area in zip(rows, (0.0, 10.0, None), strict=True):
        type(row).objects.filter(pk=row.pk).update(floor_area=area, address="三个工程在这里")
    filters = parse(who["admin"], PROJECTS, {"q": "三个工程在这里"})
    found = {summary.name: summary for summary in summaries(who["admin"], PROJECTS, filters)}
    area = found["floor_area"]
    assert (area.count, area.total, area.mean, area.minimum) == (2, 10.0, 5.0, 0.0)


@pytest.mark.covers("DZ-007")
def test_search_finds_by_name_code_and_coordinates_within_rights(who: dict[str, Principal]) -> None:
    project = gate.restrict(who["owner"], PROJECTS).first()
    assert project is not None
    for text in (project.name, project.code):
        assert project.pk in {hit.id for hit in search(who["owner"], text)}
        assert project.pk not in {hit.id for hit in search(who["neighbour"], text)}
        assert search(who["public"], text) == []
    place = search(who["owner"], "107.5, 31.2")[0]
    assert place.place == (107.5, 31.2)
    assert search(who["owner"], "   ") == []
