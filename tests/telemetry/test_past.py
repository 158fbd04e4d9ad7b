"""The past of simulated monitors: hours as readings would have given them, and days computed from them."""

from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg
import pytest

from ingest.simulators import past
from services.telemetry import rollups
from services.telemetry.spans import Span
from tests.telemetry.conftest import CHINA

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 20, tzinfo=CHINA)


def test_the_past_ends_with_the_last_whole_hour_and_gives_days(
    link: psycopg.Connection, device: Callable[..., int]
) -> None:
    first, second = device(), device()
    written = past.write(link, {first: "A", second: "B"}, NOW, 72, 20)
    rows = link.execute(
        "select device, min(at), max(at), bool_and(low <= mean and mean <= high), min(n_valid), count(distinct at)"
        " from telemetry_rollup r join telemetry_factor f on f.id = r.factor where span = %s and f.code <> 'a01008'"
        " group by device order by device",
        [Span.HOUR],
    ).fetchall()
    assert [row[0] for row in rows] == [first, second]
    for _device, begin, end, in_order, valid, hours in rows:
        assert begin >= NOW.replace(minute=0) - timedelta(hours=72)
        assert end <= NOW.replace(minute=0) - timedelta(hours=1)
        assert in_order
        assert valid == 180
        assert 60 < hours <= 72
    assert written > 2 * 60 * 9
    done = rollups.compute(link, now=NOW)
    assert done[Span.HOUR] == 0, "the hours stand: no reading asks for them again"
    assert done[Span.DAY] > 0
    (days,) = link.execute(
        "select count(distinct at) from telemetry_rollup where span = %s and valid", [Span.DAY]
    ).fetchone() or (0,)
    assert days == 2
