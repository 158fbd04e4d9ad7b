"""Counts are kept for as long as they are true."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

from services.access import gate
from services.access.counts import counted
from services.access.principal import Principal
from services.catalog.layer import registry

PROJECTS = registry.by_key["projects"]


def test_a_count_is_kept_until_the_layer_changes(who: dict[str, Principal]) -> None:
    def count(key: str = "") -> int:
        return counted(who["admin"], PROJECTS, gate.restrict(who["admin"], PROJECTS), key)

    number = count()
    with CaptureQueriesContext(connection) as queries:
        assert count() == number == PROJECTS.rows().count()
    assert len(queries) == 2, "the version, and the count by which the test judges"
    PROJECTS.model.objects.create(code="counted", name="counted")
    assert count() == number + 1


def test_a_count_belongs_to_its_asker_and_its_narrowing(who: dict[str, Principal]) -> None:
    for name in ("admin", "owner", "stranger"):
        rows = gate.restrict(who[name], PROJECTS)
        assert counted(who[name], PROJECTS, rows, "") == rows.count()
        assert counted(who[name], PROJECTS, rows.none(), "none") == 0
        assert counted(who[name], PROJECTS, rows, "most", 2) == min(2, rows.count())
