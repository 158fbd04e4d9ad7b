"""What machines did: worked out by hand, with silence, late states, and hours that follow from each other."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.telemetry import machines, partitions, rollups
from services.telemetry.machines import Spell, Work
from services.telemetry.models import Device, Rollup
from services.telemetry.store import Store
from tests.telemetry.conftest import NOON, reading

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def plant() -> UUID:
    return uuid4()


@pytest.fixture
def say(plant: UUID) -> Callable[..., None]:
    """``say({minute: state}, of="SB1")`` stores states, by minutes from noon, and has the hours computed."""
    number = Device.objects.create(protocol="hj212", number="MACHINES", state="active", feature=plant).pk

    def store(states: dict[int, float], of: str = "SB1", quality: str = "") -> None:
        Store(partitions.raw()).write(
            reading(number, NOON + minute * MINUTE, state, f"{of}-RS", flag="", quality=quality)
            for minute, state in states.items()
        )
        rollups.compute()

    return store


def did(plant: UUID, hours: int = 1, begin: datetime = NOON, of: str = "SB1") -> Work | None:
    return machines.works([plant], begin, begin + hours * HOUR).get((plant, of))


def every(first: int, last: int, state: float, step: int = 5) -> dict[int, float]:
    return dict.fromkeys(range(first, last, step), state)


def test_an_hour_is_split_among_the_states(plant: UUID, say: Callable[..., None]) -> None:
    say(every(0, 20, 0) | every(20, 40, 1) | every(40, 45, 4) | every(45, 55, 3) | every(55, 60, 5))
    assert did(plant) == Work(60.0 * 25, 60.0 * 20, 60.0 * 10, 60.0 * 5, 2, 1)
    work = did(plant)
    assert work is not None
    assert work.available == pytest.approx(45 / 60) and work.used == pytest.approx(25 / 60)
    assert work.between_faults == 60 * 25


def test_flushing_is_work_and_no_start(plant: UUID, say: Callable[..., None]) -> None:
    say(every(0, 30, 1) | every(30, 60, 5))
    assert did(plant) == Work(running=3600.0)


def test_a_state_holds_a_quarter_of_an_hour_and_then_nobody_knows(plant: UUID, say: Callable[..., None]) -> None:
    say({0: 1})
    assert did(plant) == Work(running=900.0), "the first word of a machine is no start"
    say({50: 1})
    assert did(plant) == Work(running=900.0 + 600.0), "and neither is the same word after a silence"


def test_the_state_of_the_hour_before_goes_on(plant: UUID, say: Callable[..., None]) -> None:
    say(every(0, 60, 4) | every(65, 120, 1))
    assert did(plant) == Work(fault=3600.0, faults=1)
    assert did(plant, begin=NOON + HOUR) == Work(running=3300.0, fault=300.0, starts=1)
    assert did(plant, 2) == Work(running=3300.0, fault=3900.0, starts=1, faults=1)


def test_f17_a_late_state_is_counted_in_its_hour_and_in_the_next(plant: UUID, say: Callable[..., None]) -> None:
    say(every(0, 50, 0) | every(60, 120, 1))
    assert did(plant, begin=NOON + HOUR) == Work(running=3600.0, starts=1)
    say({55: 1})
    assert did(plant) == Work(running=300.0, idle=3300.0, starts=1)
    assert did(plant, begin=NOON + HOUR) == Work(running=3600.0), "the start was in the hour before"


def test_f16_the_order_in_which_states_come_does_not_matter(plant: UUID, say: Callable[..., None]) -> None:
    states = every(0, 20, 0) | every(20, 40, 1) | every(40, 60, 4)
    for minute in sorted(states, key=lambda minute: minute * 7 % 60):
        say({minute: states[minute]})
    assert did(plant) == Work(1200.0, 1200.0, 0.0, 1200.0, 1, 1)


def test_f30_a_bad_state_counts_for_nothing(plant: UUID, say: Callable[..., None]) -> None:
    say(every(0, 60, 1))
    say({32: 4}, quality="number")
    assert did(plant) == Work(running=3600.0)


def test_machines_have_no_means(plant: UUID, say: Callable[..., None]) -> None:
    say(every(0, 60, 4))
    say(every(0, 60, 0), of="SB2")
    assert not Rollup.objects.filter(factor__code__endswith="-RS").exists()
    assert did(plant, of="SB2") == Work(idle=3600.0)
    assert machines.works([uuid4()], NOON, NOON + HOUR) == {}


def test_the_spells_of_a_machine_follow_each_other(plant: UUID, say: Callable[..., None]) -> None:
    say(every(0, 20, 0) | every(20, 30, 1) | {50: 4})
    assert machines.spells(plant, NOON + 5 * MINUTE, NOON + HOUR) == {
        "SB1": [
            Spell(NOON + 5 * MINUTE, NOON + 20 * MINUTE, 0), Spell(NOON + 20 * MINUTE, NOON + 40 * MINUTE, 1),
            Spell(NOON + 50 * MINUTE, NOON + 60 * MINUTE, 4),
        ]
    }  # fmt: skip
