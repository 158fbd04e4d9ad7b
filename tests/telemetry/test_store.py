"""What is stored, what is refused, and that nothing is lost, doubled or overwritten."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection

from services.telemetry import partitions
from services.telemetry.spans import QUALITIES, Quality, Span
from services.telemetry.store import MOST_BROUGHT, Row, Store
from tests.conftest import connect
from tests.telemetry.conftest import CHINA, NOON, reading, series

pytestmark = pytest.mark.django_db
TABLES = ("reading", "latest", "revision", "mark", "quarantined")
Device = Callable[..., int]


def everything(link: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, with the transaction that wrote each."""
    return {
        table: link.execute(f"select xmin::text, t.* from telemetry_{table} t order by t::text").fetchall()
        for table in TABLES
    }


def values(link: psycopg.Connection, device: int) -> list[tuple[object, ...]]:
    return link.execute(
        "select value, flag::text, quality from telemetry_reading where device = %s order by at, factor, span", [device]
    ).fetchall()


def test_f15_the_same_packet_five_times_is_one_row_and_changes_nothing(
    store: Store, link: psycopg.Connection, device: Device
) -> None:
    one = device()
    packet = [reading(one, factor=code, low=1.0, high=60.0) for code in ("a34002", "a34004", "LA")]
    assert store.write(packet).new == 3
    before = everything(link)
    assert len(before["reading"]) == len(before["latest"]) == 3
    for _again in range(4):
        again = store.write([row._replace(received_at=row.received_at + timedelta(minutes=1)) for row in packet])
        assert (again.new, again.same, again.replaced, again.revisions) == (0, 3, 0, 0)
    assert everything(link) == before


def test_f15_a_packet_twice_in_one_batch_is_one_row(store: Store, link: psycopg.Connection, device: Device) -> None:
    row = reading(device())
    stored = store.write([row, row, row])
    assert (stored.new, stored.same) == (1, 2)
    assert len(everything(link)["reading"]) == 1


@pytest.mark.parametrize("together", [True, False])
def test_f18_of_two_values_for_one_key_the_first_valid_is_kept_and_the_other_noted(
    store: Store, link: psycopg.Connection, device: Device, together: bool
) -> None:
    one = device()
    first, second = reading(one, value=50.0), reading(one, value=55.0)
    if together:
        stored = store.write([first, second])
        assert (stored.new, stored.revisions) == (1, 1)
    else:
        store.write([first])
        assert store.write([second]).revisions == 1
    assert values(link, one) == [(50.0, "N", 0)]
    assert link.execute("select value from telemetry_revision").fetchall() == [(55.0,)]
    before = everything(link)
    store.write([second])
    store.write([first])
    assert everything(link) == before
    assert link.execute("select value from telemetry_latest").fetchall() == [(50.0,)]


@pytest.mark.parametrize("together", [True, False])
def test_f18_a_valid_value_takes_the_place_of_one_that_does_not_count(
    store: Store, link: psycopg.Connection, device: Device, together: bool
) -> None:
    one = device()
    bad, good = reading(one, value=990.0, flag="D", quality="flag"), reading(one, value=50.0)
    for batch in [[bad, good]] if together else [[bad], [good]]:
        store.write(batch)
    assert values(link, one) == [(50.0, "N", 0)]
    assert link.execute("select value, flag::text from telemetry_revision").fetchall() == [(990.0, "D")]
    assert link.execute("select value from telemetry_latest").fetchall() == [(50.0,)]
    before = everything(link)
    for again in (bad, good, bad):
        store.write([again])
    assert everything(link) == before


def test_zero_is_a_value_and_nothing_is_not(store: Store, link: psycopg.Connection, device: Device) -> None:
    one = device()
    store.write([reading(one, value=0.0), reading(one, NOON + timedelta(minutes=1), None, quality="missing")])
    assert values(link, one) == [(0.0, "N", 0), (None, "N", Quality.MISSING)]


def test_only_n_counts_whatever_the_quality_says(store: Store, link: psycopg.Connection, device: Device) -> None:
    one = device()
    for n, flag in enumerate("NFMSDCTB"):
        store.write([reading(one, NOON + timedelta(minutes=n), flag=flag)])
    store.write([reading(one, NOON + timedelta(minutes=9), flag="")])
    expected = [(50.0, f, Quality.GOOD if f == "N" else Quality.FLAG) for f in "NFMSDCTB"]
    assert values(link, one) == [*expected, (50.0, " ", Quality.GOOD)]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_f30_a_number_that_is_none_is_stored_as_such_beside_the_others(
    store: Store, link: psycopg.Connection, device: Device, number: float
) -> None:
    one = device()
    rows = [reading(one, value=number, low=number), reading(one, NOON + timedelta(minutes=1), 50.0, high=number)]
    assert store.write(rows).new == 2
    assert values(link, one) == [(None, "N", Quality.NUMBER), (50.0, "N", 0)]
    assert link.execute("select low, high from telemetry_reading").fetchall() == [(None, None)] * 2


@pytest.mark.parametrize(
    ("off", "taken"),
    [
        (timedelta(minutes=4, seconds=59), True), (timedelta(minutes=5, seconds=1), False), (timedelta(days=1), False),
        (timedelta(days=-29, hours=-23), True), (timedelta(days=-31), False), (timedelta(days=-365), False),
        (datetime(1970, 1, 1, tzinfo=UTC) - NOON, False), (datetime(2038, 1, 19, tzinfo=UTC) - NOON, False),
    ],
)  # fmt: skip
def test_f14_a_wrong_clock_goes_to_quarantine_and_never_moves_the_latest(
    store: Store, link: psycopg.Connection, device: Device, off: timedelta, taken: bool
) -> None:
    one = device()
    store.write([reading(one, NOON - timedelta(days=29, hours=23, minutes=30), value=1.0, received_at=NOON)])
    months = partitions.existing(link)
    stored = store.write([reading(one, NOON + off, value=2.0, received_at=NOON)] * 2)
    assert (stored.new, stored.refused["clock"], stored.clocks) == ((1, 0, set()) if taken else (0, 2, {one}))
    kept = link.execute("select said_at - %s, value, reason, received_at from telemetry_quarantined", [NOON]).fetchall()
    assert kept == ([] if taken else [(off, 2.0, "clock", NOON)])
    latest = 2.0 if taken and off > timedelta(days=-29, hours=-23, minutes=-30) else 1.0
    assert link.execute("select value from telemetry_latest").fetchall() == [(latest,)]
    assert taken or partitions.existing(link) == months


def test_f16_any_order_ends_the_same(store: Store, link: psycopg.Connection, device: Device) -> None:
    source = random.Random(16)
    measured = [source.uniform(0, 200) for _n in range(90)]
    three = NOON.replace(hour=15)
    rows = [row for _n in range(2) for row in series(device(), measured, received_at=three)]
    rows += [row._replace(value=row.value + 1, flag="D", quality="flag") for row in rows[::7]]  # type: ignore[operator]
    asks = [
        f"select device, factor, span, at, value, flag::text from telemetry_{table} order by 1, 2, 4, 5"
        for table in ("reading", "latest", "revision")
    ]
    seen = []
    for _shuffled in range(4):
        source.shuffle(rows)
        begin = 0
        while begin < len(rows):
            end = begin + source.randint(1, 40)
            store.write(rows[begin:end])
            begin = end
        seen.append([link.execute(ask).fetchall() for ask in asks])
        link.execute("truncate telemetry_reading, telemetry_latest, telemetry_revision")
    assert len(seen[0][0]) == 180
    assert all(other == seen[0] for other in seen)


def test_a_reading_is_late_by_its_own_interval(store: Store, link: psycopg.Connection, device: Device) -> None:
    one = device(interval=60, minute_span=10)
    store.write(
        [
            reading(one, NOON, received_at=NOON + timedelta(seconds=180)),
            reading(one, NOON + timedelta(minutes=1), received_at=NOON + timedelta(minutes=1, seconds=181)),
            reading(one, NOON + timedelta(minutes=2), late=True),
            reading(one, NOON + timedelta(minutes=3), span="minute", received_at=NOON + timedelta(minutes=32)),
        ]
    )
    assert link.execute("select late from telemetry_reading order by at").fetchall() == [
        (False,), (True,), (True,), (False,),
    ]  # fmt: skip


def test_partitions_part_months_at_midnight_in_china(store: Store, link: psycopg.Connection, device: Device) -> None:
    one = device()
    midnight = datetime(2026, 11, 1, tzinfo=CHINA)
    rows = [reading(one, midnight + timedelta(microseconds=n), float(n), received_at=NOON) for n in (-1, 0, 1)]
    store.write(rows)
    assert link.execute("select tableoid::regclass::text, value from telemetry_reading order by at").fetchall() == [
        ("telemetry_reading_202610", -1.0), ("telemetry_reading_202611", 0.0), ("telemetry_reading_202611", 1.0),
    ]  # fmt: skip


def test_a_month_without_a_partition_gets_one(store: Store, link: psycopg.Connection, device: Device) -> None:
    one = device()
    store.write([reading(one)])
    month = partitions.existing(link)[0]
    partitions.drop(link, month)
    partitions.drop(link, month, "telemetry_rollup")
    at = partitions.bounds(month)[0] + timedelta(days=15)
    # The store still believes the partition is there: that batch fails whole, and the next attempt makes it.
    with pytest.raises(psycopg.errors.CheckViolation):
        store.write([reading(one, at), reading(one, NOON + timedelta(minutes=1))])
    assert len(everything(link)["reading"]) == 1
    assert store.write([reading(one, at), reading(one, NOON + timedelta(minutes=1))]).new == 2
    assert month in partitions.existing(link)
    assert month in partitions.existing(link, "telemetry_rollup")


def test_a_month_of_long_ago_is_taken_from_a_device_that_may(
    store: Store, link: psycopg.Connection, device: Device
) -> None:
    one = device(back_days=5000)
    assert store.write([reading(one, datetime(2015, 3, 1, tzinfo=CHINA), received_at=NOON)]).new == 1
    # The day of UTC lies in two months.
    for month in (datetime(2015, 2, 1).date(), datetime(2015, 3, 1).date()):
        partitions.drop(link, month)
        partitions.drop(link, month, "telemetry_rollup")


def test_an_unknown_code_becomes_a_factor_up_to_a_limit_and_beyond_it_is_kept_aside(
    store: Store, link: psycopg.Connection, device: Device
) -> None:
    one, other = device(), device()
    rows = [reading(one, factor=f"x{n}", value=float(n)) for n in range(MOST_BROUGHT + 3)]
    stored = store.write(rows)
    assert (stored.new, stored.refused["factor"]) == (MOST_BROUGHT, 3)
    assert store.write([reading(other, factor="y1")]).new == 1
    for bad in ("", "1x", "a;drop", "x" * 30, "烟"):
        assert store.write([reading(one, factor=bad)]).refused["factor"] == 1
    assert link.execute("select count(*) from telemetry_quarantined where reason = 'factor'").fetchone() == (3 + 5,)
    assert link.execute("select code, name from telemetry_factor where first_sent_by_id = %s", [other]).fetchall() == [
        ("y1", "y1")
    ]


def test_f25_a_device_nobody_knows_is_refused_and_one_just_added_is_not(store: Store, device: Device) -> None:
    assert store.write([reading(2_000_000_000)]).refused["device"] == 1
    one = device()
    store._read_at -= 2
    assert store.write([reading(one)]).new == 1


def test_marks_name_the_hours_to_compute_of_base_readings_only(
    store: Store, link: psycopg.Connection, device: Device
) -> None:
    one, two = device(base=Span.REAL), device(base=Span.MINUTE)
    for who in (one, two):
        store.write(
            [
                reading(who, NOON + timedelta(minutes=59)),
                reading(who, NOON + timedelta(minutes=60)),
                reading(who, NOON + timedelta(minutes=30), span="minute"),
                reading(who, NOON - timedelta(minutes=12 * 60), span="day"),
            ]
        )
    marks = link.execute("select device, span, at from telemetry_mark order by device, at").fetchall()
    assert marks == [
        (one, Span.HOUR, NOON), (one, Span.HOUR, NOON + timedelta(hours=1)), (two, Span.HOUR, NOON)
    ]  # fmt: skip


def test_of_two_readings_of_one_moment_the_shorter_span_is_the_latest(
    store: Store, link: psycopg.Connection, device: Device
) -> None:
    one = device()
    store.write([reading(one, value=1.0, span="hour"), reading(one, value=2.0, span="minute")])
    store.write([reading(one, value=3.0)])
    store.write([reading(one, NOON, 4.0, span="day"), reading(one, NOON - timedelta(minutes=5), 5.0)])
    assert link.execute("select span, value from telemetry_latest").fetchall() == [(Span.REAL, 3.0)]


@pytest.mark.parametrize("moment", ["copied", "inserted", "marked"])
def test_f01_a_server_process_killed_in_the_middle_leaves_nothing_half(
    link: psycopg.Connection, device: Device, moment: str
) -> None:
    one = device()
    rows = series(one, [1.0] * 500)
    victim = connect(connection.settings_dict["NAME"])
    target = {"copied": "telemetry_reading", "inserted": "telemetry_latest", "marked": "telemetry_mark"}[moment]
    # A lock holds the writer at a known statement; then its server process is ended.
    with link.transaction(), ThreadPoolExecutor(1) as aside:
        link.execute(f"lock {target} in share mode")
        writing = aside.submit(Store(victim).write, rows)
        pid = victim.info.backend_pid
        while not link.execute("select 1 from pg_locks where pid = %s and not granted", [pid]).fetchone():
            assert not writing.done()
        with connect("postgres") as killer:
            killer.execute("select pg_terminate_backend(%s)", [pid])
        with pytest.raises(psycopg.OperationalError):
            writing.result(20)
    assert not any(everything(link).values())
    assert Store(link).write(rows).new == 500


def test_f15_two_writers_of_the_same_rows_store_each_once(
    link: psycopg.Connection, another: psycopg.Connection, device: Device
) -> None:
    rows = [row for _n in range(20) for row in series(device(), [1.0, 2.0, 3.0] * 20)]
    source = random.Random(1)
    stores = (Store(link), Store(another))

    def work(store: Store) -> int:
        mine = source.sample(rows, len(rows))
        return sum(store.write(mine[n : n + 100]).new for n in range(0, len(mine), 100))

    with ThreadPoolExecutor(2) as both:
        assert sum(both.map(work, stores)) == len(rows)
    assert len(everything(link)["reading"]) == len(rows)


def test_every_judgement_of_a_decoder_has_a_number() -> None:
    from ingest.protocols.readings import QUALITIES as SAID

    found_later = {"flat", "spike", "dead"}  # by the detectors of broken sensors, not by a decoder
    assert set(QUALITIES) == set(SAID) | found_later


def test_a_row_names_its_fields() -> None:
    assert Row._fields[:5] == ("device", "factor", "at", "span", "value")
