"""Whatever is counted by a time has an index that begins with it; what has none is named at start-up."""

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models

from layers.environment.models import Fault
from services.access.principal import Principal
from services.catalog.models import Record
from services.stats import checks
from services.stats.kinds import dated_record
from services.telemetry.models import Device, Outage
from tests.reports.conftest import DAY
from tests.stats.conftest import figures


def test_every_table_that_is_counted_has_its_index() -> None:
    assert checks.check_times() == []


def test_a_time_without_an_index_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fault._meta.get_field("began_at"), "db_index", False)
    (error,) = checks.check_times()
    assert (error.id, error.obj) == ("stats.E001", Fault)
    assert "Fault is counted by 'began_at', which no index begins with" in error.msg


@pytest.mark.parametrize(
    ("index", "begins"),
    [
        (models.Index(fields=["-began_at", "kind"], name="some"), True),
        (models.Index(fields=["kind", "began_at"], name="some"), False),
        (models.Index(fields=["began_at"], condition=models.Q(ended_at=None), name="some"), False),
    ],
)
def test_an_index_counts_where_it_begins_with_the_time_and_has_all_rows(
    monkeypatch: pytest.MonkeyPatch, index: Any, begins: bool
) -> None:
    monkeypatch.setattr(Fault._meta.get_field("began_at"), "db_index", False)
    monkeypatch.setattr(Fault._meta, "indexes", [index])
    assert checks.indexed(Fault, "began_at") is begins


@pytest.mark.django_db
def test_the_database_has_them_also_where_sql_made_the_table() -> None:
    records = [(m._meta.db_table, m._meta.get_field(dated_record(m)).column) for m in apps.get_models()
               if issubclass(m, Record) and m.of]  # fmt: skip
    made_by_sql = [("fences_event", "at"), ("positions_leg", "began_at")]
    with connection.cursor() as cursor:
        cursor.execute(
            "select i.indrelid::regclass::text, a.attname from pg_index i join pg_attribute a"
            " on a.attrelid = i.indrelid and a.attnum = i.indkey[0] where i.indpred is null"
        )
        found = set(cursor.fetchall())
        assert {*records, *made_by_sql} <= found


@pytest.mark.django_db
def test_an_outage_that_ends_before_it_begins_is_stored_and_breaks_no_statistics(who: dict[str, Principal]) -> None:
    """A range with its ends the wrong way round is an error of PostgreSQL, and its index would refuse the row."""
    device = Device.objects.create(protocol="hj212", number="ST-OUT")
    Outage.objects.create(device=device, began_at=DAY, ended_at=DAY - timedelta(hours=1))
    assert Outage.objects.filter(device=device).count() == 1
    assert figures(who["admin"], "month", DAY.date(), today=DAY.date())
