"""F13: whoever sets the clock of the server silences no device, and nothing is missing that cannot be there yet."""

import time
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from django.utils import timezone

from services.telemetry import devices, gaps
from services.telemetry.clock import Clock
from services.telemetry.store import Store
from tests.telemetry.conftest import reading, series

pytestmark = pytest.mark.django_db
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def test_f13_a_clock_that_is_set_is_recognised_once_it_goes_on_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, true = Clock(), time.time
    assert not clock.was_set()
    for jump in (3600, 0):
        monkeypatch.setattr(time, "time", lambda jump=jump: true() + jump)
        assert clock.was_set() and clock.was_set(), "until what follows from it is done"
        clock.note()
        assert not clock.was_set()


def test_f13_silence_counts_from_when_the_clock_was_set(link: psycopg.Connection, device: Callable[..., int]) -> None:
    talks, fell_silent, away = (device(interval=60) for _n in range(3))
    now = timezone.now()
    devices.heard(link, {talks: (now, "a"), fell_silent: (now, "b"), away: (now - HOUR, "c")})
    assert devices.mark_silent(link, now) == [away]
    ahead = now + HOUR
    devices.clock_was_set(link, ahead)
    assert devices.mark_silent(link, ahead) == []
    devices.heard(link, {talks: (ahead + 3 * MINUTE, "a")})
    assert devices.mark_silent(link, ahead + 4 * MINUTE) == [fell_silent]
    outages = dict(link.execute("select device_id, began_at from telemetry_outage").fetchall())
    assert outages == {away: now - HOUR, fell_silent: ahead}


def test_f13_nothing_is_missing_behind_the_newest_value_of_a_device(
    link: psycopg.Connection, device: Callable[..., int], store: Store
) -> None:
    now = timezone.now().replace(second=0, microsecond=0)
    one = device(base=1, minute_span=1, created_at=now - HOUR)
    begin = now - 30 * MINUTE
    some = series(one, [50.0] * 25, begin, span="minute")
    store.write([row for n, row in enumerate(some) if n not in (7, 8)] + [reading(one, begin + 26 * MINUTE)])
    lost = {(begin - HOUR / 2, begin - MINUTE), (begin + 7 * MINUTE, begin + 8 * MINUTE), (begin + 25 * MINUTE,) * 2}
    for clock in (now, now + HOUR):
        found = gaps.find(link, [one], reach=timedelta(hours=3), now=clock)
        assert {(gap.begin, gap.end) for gap in found} == lost
