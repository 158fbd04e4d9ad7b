"""A kept database connection that has died is noticed before a request uses it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections


@pytest.fixture
def kept(db: Any) -> Iterator[Any]:
    connection = connections.create_connection("default")
    connection.ensure_connection()
    yield connection
    connection.close()


def test_a_silent_connection_is_usable_without_a_question(kept: Any) -> None:
    with kept.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
    asked = _statements(kept)
    assert kept.is_usable()
    assert _statements(kept) == asked


def test_f01_a_connection_that_the_server_ended_is_not_usable(kept: Any) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("select pg_terminate_backend(%s)", [kept.connection.info.backend_pid])
    deadline = time.monotonic() + 10
    while kept.is_usable() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not kept.is_usable()


def test_a_connection_that_holds_a_notice_is_usable(kept: Any) -> None:
    with kept.cursor() as cursor:
        cursor.execute("listen something")
    other = connections.create_connection("default")
    with other.cursor() as cursor:
        cursor.execute("notify something")
    other.close()
    assert kept.is_usable()


def _statements(connection: Any) -> Any:
    """When the server began the connection's last statement."""
    pid = connection.connection.info.backend_pid
    with connections["default"].cursor() as cursor:
        cursor.execute("select pg_stat_clear_snapshot()")
        cursor.execute("select query_start from pg_stat_activity where pid = %s", [pid])
        return cursor.fetchone()
