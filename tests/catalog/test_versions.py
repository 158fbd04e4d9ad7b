"""Versions kept in memory are those of the database, whoever changes a layer."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from services.catalog.versions import Heard

KEY = "layer_of_a_test"
RAISE = (
    "insert into catalog_layerversion (layer, slot, value) values (%s, 0, 1)"
    " on conflict (layer, slot) do update set value = catalog_layerversion.value + 1"
)


@pytest.fixture
def links(db: Any) -> Iterator[tuple[Any, Any]]:
    """Two connections that commit."""
    found = connections.create_connection("default"), connections.create_connection("default")
    for link in found:
        link.ensure_connection()
    yield found
    with found[0].cursor() as cursor:
        cursor.execute("delete from catalog_layerversion where layer = %s", [KEY])
    for link in found:
        link.close()


def change(link: Any) -> None:
    """As the trigger does it."""
    with link.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute(RAISE, [KEY])
        cursor.execute("select pg_notify('layer_version', %s)", [KEY])
        cursor.execute("commit")


def test_a_version_is_read_once_and_its_own_change_is_seen_at_once(links: tuple[Any, Any]) -> None:
    heard = Heard(links[0])
    assert heard.version(KEY) == 0
    with CaptureQueriesContext(links[0]) as queries:
        assert heard.version(KEY) == 0
    assert not queries.captured_queries
    for number in (1, 2, 3):
        change(links[0])
        assert heard.version(KEY) == number


def test_a_change_by_somebody_else_is_heard(links: tuple[Any, Any]) -> None:
    heard = Heard(links[0])
    before = heard.version(KEY)
    change(links[1])
    deadline = time.monotonic() + 10
    while heard.version(KEY) == before and time.monotonic() < deadline:
        time.sleep(0.001)
    assert heard.version(KEY) == before + 1


def test_a_change_while_a_version_is_read_is_not_lost(links: tuple[Any, Any]) -> None:
    heard = Heard(links[0])
    heard.version("another")

    def between(execute: Any, *asked: Any) -> Any:
        found = execute(*asked)
        change(links[1])
        with links[0].cursor() as cursor:  # brings the news before the version is kept
            cursor.cursor.execute("select pg_sleep(0.05)")
        return found

    with links[0].execute_wrapper(between):
        heard.version(KEY)
    assert heard.version(KEY) == 1


def test_a_real_change_tells_its_layer(who: Any) -> None:
    from layers.projects.models import Project

    with connections["default"].cursor() as cursor:
        cursor.execute("select prosrc from pg_proc where proname = 'bump_layer'")
        assert "pg_notify('layer_version', tg_argv[0])" in cursor.fetchone()[0]
        cursor.execute(
            "select count(*) from pg_trigger where tgrelid = %s::regclass and tgname = 'version_projects'",
            [Project._meta.db_table],
        )
        assert cursor.fetchone()[0] == 1
