"""Plants and monitors with devices that sent hours, browsers of people, and what a report says by its headings."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from layers.environment.models import Monitor
from layers.sewage.models import SewagePlant
from services.telemetry import partitions
from services.telemetry.models import Device
from services.telemetry.reports import Sheet
from services.telemetry.rollups import compute
from services.telemetry.spans import ZONE
from services.telemetry.store import Row, Store
from tests.conftest import HOME, SIBLING

DAY = datetime(2026, 11, 10, tzinfo=ZONE)
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
Pairs = list[tuple[float | None, float | None]]


NOBODY = {"SERVER_NAME": "127.0.0.1", "headers": {"Accept": "text/html"}}


def send(feature: Any, values: dict[str, Pairs | list[float]], begin: datetime, number: str = "") -> Device:
    """Have the device of a feature send a value, or (value, total), an hour from ``begin`` on; roll-ups follow."""
    device, new = Device.objects.get_or_create(
        protocol="hj212", number=number or f"N-{feature.code}",
        defaults={"feature": feature.pk, "state": "active", "base": 2, "back_days": 4000, "approved_at": LONG_AGO},
    )  # fmt: skip
    if new:
        Device.objects.filter(pk=device.pk).update(created_at=LONG_AGO)
    rows = []
    for code, some in values.items():
        for n, given in enumerate(some):
            value, total = given if isinstance(given, tuple) else (given, None)
            at = begin + timedelta(hours=n)
            if (value, total) != (None, None):
                got = at + timedelta(minutes=61)
                rows.append(Row(device.pk, code, at, "hour", value, None, None, total, "N", "", got))
    Store(partitions.raw()).write(rows)
    compute(partitions.raw())
    return device


def table(made: Sheet) -> list[dict[str, Any]]:
    """The lines by the labels of their columns, with units."""
    labels = [f"{head.label} {head.unit}".strip() for head in made.headings]
    return [dict(zip(labels, line.cells, strict=True)) for line in made.lines]


@pytest.fixture
def plant(db: None) -> Callable[..., SewagePlant]:
    """``plant("A")`` → a plant at home, elsewhere where ``region_id`` says so."""

    def make(code: str, **values: Any) -> SewagePlant:
        usual = {"code": f"RP-{code}", "name": f"报表厂{code}", "region_id": HOME}
        return SewagePlant.objects.create(**{**usual, **values})

    return make


@pytest.fixture
def monitor(db: None) -> Callable[..., Monitor]:
    """The same for monitors."""

    def make(code: str, **values: Any) -> Monitor:
        usual = {"code": f"RM-{code}", "name": f"报表点{code}", "region_id": HOME}
        return Monitor.objects.create(**{**usual, **values})

    return make


@pytest.fixture
def two(plant: Callable[..., SewagePlant]) -> tuple[SewagePlant, SewagePlant]:
    """A plant at home and one in the sibling county, both with three hours of flow and COD on one morning."""
    mine, other = plant("家"), plant("邻", region_id=SIBLING)
    send(mine, {"w00000": [100.0, 200.0, 0.0], "w01018": [20.0, 50.0, 90.0]}, DAY + timedelta(hours=8))
    send(other, {"w00000": [10.0, 10.0, 10.0], "w01018": [40.0, 40.0, 40.0]}, DAY + timedelta(hours=8))
    return mine, other


def keys(*features: Any) -> list[UUID]:
    return [feature.pk for feature in features]
