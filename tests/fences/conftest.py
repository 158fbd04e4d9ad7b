"""Fences and trucks that are really committed, and taken away afterwards."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from services.fences import evaluate
from services.positions.store import Store
from tests.positions.conftest import LAT, LON, METRE, NOON, device, link  # noqa: F401 - fixtures

EMPTY = "delete from fences_fence"


@pytest.fixture
def watched(link: psycopg.Connection) -> Iterator[Store]:  # noqa: F811
    """A store whose batches are watched by fences."""
    link.execute(EMPTY)
    yield Store(link, [evaluate.watch])
    link.execute(EMPTY)


@pytest.fixture
def trucks(link: psycopg.Connection, device: Callable[..., int]) -> Callable[[], int]:  # noqa: F811
    """``trucks()`` → a terminal in a truck that has none yet."""

    def make() -> int:
        (feature,) = link.execute(
            "select id from catalog_featureindex i where layer = 'mixer_trucks'"
            " and not exists (select from telemetry_device d where d.feature = i.id) order by id limit 1"
        ).fetchone()  # type: ignore[misc]
        return device(feature=feature)

    return make


@pytest.fixture
def fence(link: psycopg.Connection, watched: Store) -> Callable[..., int]:  # noqa: F811
    """``fence(kinds=["enter"], north=1000, metres=300)`` → the number of a circle so many metres to the north."""

    def make(north: float = 1000, **given: Any) -> int:
        values = {
            "name": "演示围栏", "region_id": "511702",
            "shape": "circle", "geom": f"SRID=4490;POINT({LON} {LAT + north * METRE})", "metres": 300.0,
            "kinds": ["enter", "leave"], "layer": "mixer_trucks", "features": [], "fixes": 2, "seconds": 0,
            "dwell_minutes": 10, "weekdays": [], "active": True, "changed_at": NOON,
        } | given  # fmt: skip
        names, marks = (
            ", ".join(values),
            ", ".join(
                "%s::uuid[]" if name == "features" else "%s::int2[]" if name == "weekdays" else "%s" for name in values
            ),
        )
        (number,) = link.execute(
            f"insert into fences_fence ({names}) values ({marks}) returning id", list(values.values())
        ).fetchone()  # type: ignore[misc]
        return number

    return make
