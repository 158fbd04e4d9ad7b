"""Curves: their detail, their rights, the indexes they use; archives that GeoPandas reads."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import geopandas
import psycopg
import pytest
from django.db import connection

from layers.environment.models import Monitor
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.telemetry import history, partitions, rollups
from services.telemetry.models import Device
from services.telemetry.spans import Span
from services.telemetry.store import Store
from tests.conftest import HOME
from tests.telemetry.conftest import CHINA, NOON, reading, series

pytestmark = pytest.mark.django_db
People = dict[str, Principal]


@pytest.fixture
def device() -> Device:
    """An active device with a reading a minute at a monitor of the owner's."""
    place = Monitor.objects.create(code="MN1", name="监测点", region_id=HOME)
    return Device.objects.create(protocol="hj212", number="MN1", feature=place.pk, state="active", interval=60)


def written(*rows: Any) -> None:
    Store(partitions.raw()).write(rows)


@pytest.mark.parametrize(
    ("length", "span", "minutes"),
    [
        (timedelta(hours=24), Span.REAL, 0), (timedelta(hours=26), Span.MINUTE, 5),
        (timedelta(days=8), Span.MINUTE, 10),
        (timedelta(days=31), Span.MINUTE, 30), (timedelta(days=60), Span.HOUR, 0), (timedelta(days=366), Span.DAY, 0),
        (timedelta(days=3660), Span.MONTH, 0),
    ],
)  # fmt: skip
def test_the_span_follows_the_length_of_time(length: timedelta, span: Span, minutes: int) -> None:
    assert history.choose(Device(interval=60, base=Span.REAL), NOON, NOON + length) == (span, minutes)


def test_readings_show_zero_and_what_does_not_count(who: People, device: Device) -> None:
    written(
        reading(device.pk, value=0.0), reading(device.pk, NOON + timedelta(minutes=1), 9.0, flag="D", quality="flag")
    )
    curve, *others = history.history(who["owner"], device.feature, ["a34002"], NOON, NOON + timedelta(hours=1))
    assert others == []
    assert (curve.span, curve.factor.code) == (Span.REAL, "a34002")
    assert [(p.at, p.value, p.valid) for p in curve.points] == [
        (NOON, 0.0, True), (NOON + timedelta(minutes=1), 9.0, False),
    ]  # fmt: skip


def test_minutes_are_averaged_as_the_factor_is(who: People, device: Device) -> None:
    written(
        *series(device.pk, [60.0, 70.0], factor="LA"), *series(device.pk, [350.0, 10.0], factor="a01008"),
        *series(device.pk, [10_000.0, 20_000.0], factor="a34001"),
    )  # fmt: skip
    codes, end = ["LA", "a01008", "a34001"], NOON + timedelta(minutes=5)
    curves = history.history(who["owner"], device.feature, codes, NOON, end, span=Span.MINUTE)
    assert [len(curve.points) for curve in curves] == [2, 2, 2]
    for_long = history._read(device, curves[0].factor, Span.MINUTE, 10, NOON, end, 9)
    assert [round(point.value or 0, 2) for point in for_long] == [67.40]
    turned = list(history._read(device, curves[1].factor, Span.MINUTE, 10, NOON, end, 9))
    assert turned[0].value == pytest.approx(0.0, abs=1e-6)
    assert turned[0][5:] == (2, 10, False)


def test_hours_come_from_the_roll_ups(who: People, device: Device) -> None:
    written(*series(device.pk, [1.0] * 60 + [5.0] * 30))
    rollups.compute(now=NOON + timedelta(days=1))
    begin, end = NOON - timedelta(days=1), NOON + timedelta(days=1)
    (curve,) = history.history(who["owner"], device.feature, ["a34002"], begin, end, span=Span.HOUR)
    assert [(p.value, p.n_valid, p.n_expected, p.valid) for p in curve.points] == [
        (1.0, 60, 60, True), (5.0, 30, 60, False),
    ]  # fmt: skip


def test_a_stranger_learns_nothing(who: People, device: Device) -> None:
    written(reading(device.pk))
    for name in ("stranger", "neighbour", "public"):
        with pytest.raises(NotFound):
            history.history(who[name], device.feature, ["a34002"], NOON, NOON + timedelta(hours=1))
        with pytest.raises(NotFound):
            next(history.stream(who[name], device.feature, ["a34002"], NOON, NOON + timedelta(hours=1), Span.REAL))
    with pytest.raises(NotFound):
        history.history(who["admin"], uuid4(), ["a34002"], NOON, NOON + timedelta(hours=1))


def test_too_long_an_answer_is_refused_and_an_export_is_not(
    who: People, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(*series(device.pk, [float(n) for n in range(50)]))
    monkeypatch.setattr(history, "MOST_POINTS", 20)
    monkeypatch.setattr(history, "PAGE", 7)
    end = NOON + timedelta(hours=1)
    with pytest.raises(Invalid):
        history.history(who["owner"], device.feature, ["a34002"], NOON, end, span=Span.REAL)
    rows = list(history.stream(who["owner"], device.feature, ["a34002"], NOON, end, Span.REAL))
    assert [point.value for _device, _factor, point in rows] == [float(n) for n in range(50)]


def test_a_curve_takes_few_queries_and_reads_by_the_key_of_its_months_only(
    who: People, device: Device, django_assert_max_num_queries: Any
) -> None:
    written(*series(device.pk, [1.0] * 60))
    with django_assert_max_num_queries(6):
        history.history(who["owner"], device.feature, ["a34002", "LA"], NOON, NOON + timedelta(hours=1))
    for query, table in ((history._READINGS, "telemetry_reading"), (history._ROLLUPS, "telemetry_rollup")):
        with connection.cursor() as cursor:
            cursor.execute("set local enable_seqscan = off")
            cursor.execute(
                "explain " + query,
                {"device": 1, "factor": 1, "span": 0, "begin": NOON, "end": NOON + timedelta(days=1), "most": 9},
            )
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert f"{table}_202611_pkey" in plan
        assert "202612" not in plan


def test_an_archive_is_read_by_geopandas_and_then_the_month_goes(
    link: psycopg.Connection, tmp_path: Path, django_db_blocker: Any
) -> None:
    day = datetime(2026, 11, 5, tzinfo=CHINA)
    with connection.cursor() as cursor:
        cursor.execute("select id, ST_X(geom), ST_Y(geom) from catalog_featureindex where geom is not null and"
                       " layer = 'monitors' limit 1")  # fmt: skip
        feature, x, y = cursor.fetchone()
    numbers = link.execute(
        "insert into telemetry_device (protocol, number, name, feature, state, secret, units, crc_mode, datatime_is,"
        " missing_flag, minute_span, interval, base, back_days, sm4_key, created_at)"
        " select 'hj212', n, '', case n when 'A' then %s::uuid end, 'active', '', '{}', 'standard', 'start', 'N', 10,"
        " 60, 0, 30, '', now() from unnest(array['A', 'B']) n returning id",
        [feature],
    ).fetchall()
    for (one,) in numbers:
        Store(link).write([*series(one, [0.0, 1.5], day), reading(one, day, None, factor="LA", quality="missing")])
    assert day.date().replace(day=1) not in partitions.due(link, 1, day + timedelta(days=60))
    file = partitions.archive(link, day.date().replace(day=1), tmp_path)
    frame = geopandas.read_parquet(file)
    assert len(frame) == 6
    assert frame.crs.to_epsg() == 4490
    here = frame[frame.number == "A"]
    assert {(point.x, point.y) for point in here.geometry} == {(x, y)}
    assert frame[frame.number == "B"].geometry.isna().all()
    assert list(here[here.factor == "a34002"].value) == [0.0, 1.5]
    assert here[here.factor == "LA"].value.isna().all()
    # In a month of its own, so that the other tests keep theirs.
    old = datetime(2020, 5, 9, tzinfo=CHINA)
    link.execute("update telemetry_device set back_days = 5000")
    Store(link).write([reading(numbers[0][0], old, received_at=NOON)])
    months = partitions.retire(link, 2, tmp_path, old + timedelta(days=120))
    assert months == [old.date().replace(day=1)]
    assert (tmp_path / "readings_202005.parquet").exists()
    assert old.date().replace(day=1) not in partitions.existing(link)
    partitions.drop(link, months[0], "telemetry_rollup")
