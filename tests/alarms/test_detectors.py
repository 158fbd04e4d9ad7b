"""F28 and F29: synthetic series with known labels; what is marked counts nowhere, and opens a task for the device."""

import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.alarms.evaluate import evaluate
from services.alarms.models import Detector, Episode, Rule
from services.telemetry import partitions, rollups
from services.telemetry.models import Device
from services.telemetry.spans import Quality, Span
from services.telemetry.store import Row
from tests.alarms.conftest import MINUTE, NOON, new_rule, rows

pytestmark = pytest.mark.django_db
Keep = Callable[[Iterable[Row]], Any]
HOUR = timedelta(hours=1)


def hours(keep: Keep, device: Device, values: list[float], begin: datetime = NOON, factor: str = "a34002") -> datetime:
    """Store minutes, compute their hours and judge, hour by hour; returns the end."""
    link = partitions.raw()
    for n in range(0, len(values), 60):
        at = begin + n * MINUTE
        keep(rows(device, values[n : n + 60], at, factor=factor))
        for _twice in range(2):
            rollups.compute(link, now=at + HOUR + MINUTE)
            evaluate(at + HOUR + MINUTE)
    return begin + len(values) * MINUTE


def labels(device: Device) -> dict[str, int]:
    found = partitions.raw().execute(
        "select quality, count(*) from telemetry_reading where device = %s group by quality", [device.pk]
    )
    return {Quality(quality).name: count for quality, count in found.fetchall()}


def means(device: Device) -> list[float | None]:
    found = partitions.raw().execute(
        "select mean from telemetry_rollup where device = %s and span = %s order by at", [device.pk, Span.HOUR]
    )
    return [mean for (mean,) in found.fetchall()]


def lively(number: int, level: float = 60, seed: int = 1) -> list[float]:
    source = random.Random(seed)
    return [round(level + source.gauss(0, level / 10), 1) for _n in range(number)]


@pytest.mark.parametrize(("value", "label"), [(57.3, "FLAT"), (0.0, "DEAD")])
def test_f29_a_flat_line_and_a_dead_channel_count_no_longer(
    rule: Rule, device: Device, keep: Keep, value: float, label: str
) -> None:
    task = new_rule(kind="quality", condition="n_bad >= 5", clear="n_bad == 0", threshold=None, level="blue")
    hours(keep, device, lively(60) + [value] * 300)
    assert labels(device) == {"GOOD": 60, label: 300}
    assert means(device)[0] is not None
    assert means(device)[1:] == [None] * 5
    assert Episode.objects.filter(rule=task, late=False).count() == 1


def test_f29_spikes_are_taken_out_and_a_real_rise_is_not(rule: Rule, device: Device, keep: Keep) -> None:
    values = lively(60)
    values[20], values[40] = 1500.0, 2500.0
    rise = lively(30) + lively(30, 800)
    hours(keep, device, values + rise)
    assert labels(device) == {"GOOD": 118, "SPIKE": 2}
    assert means(device)[0] == pytest.approx(60, abs=3)
    assert means(device)[1] == pytest.approx(430, abs=30)
    peaks = [e.peak for e in Episode.objects.filter(withdrawn=False)]
    assert 1500.0 not in peaks and 2500.0 not in peaks, "what a spike had raised is withdrawn"


def test_f28_a_unit_changed_by_a_thousand_is_found(rule: Rule, device: Device, keep: Keep) -> None:
    hours(keep, device, lively(480) + [value / 1000 for value in lively(60, seed=2)])
    assert labels(device) == {"GOOD": 480, "UNIT": 60}
    assert means(device)[-1] is None


def test_f29_lively_and_quiet_series_stay_as_they_are(rule: Rule, device: Device, keep: Keep) -> None:
    clean = [5.0] * 120 + [6.0] * 60
    hours(keep, device, lively(180) + clean)
    assert labels(device) == {"GOOD": 360}


def test_what_is_odd_is_a_dated_row(rule: Rule, device: Device, keep: Keep) -> None:
    first = Detector.objects.get(factor__code="a34002")
    assert first.citation
    first.pk, first.valid_from, first.flat_hours = None, (NOON + timedelta(days=1)).date(), 2
    first.save()
    hours(keep, device, lively(60) + [57.3] * 120)
    assert labels(device) == {"GOOD": 180}, "four hours are a flat line on the first day"
    hours(keep, device, lively(60) + [57.3] * 120, NOON + timedelta(days=1))
    assert labels(device) == {"GOOD": 240, "FLAT": 120}, "two hours from the next day on"


def test_a_factor_without_a_row_is_not_looked_at(rule: Rule, device: Device, keep: Keep) -> None:
    Detector.objects.all().delete()
    hours(keep, device, [57.3] * 300)
    assert labels(device) == {"GOOD": 300}
