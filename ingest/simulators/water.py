"""What flows through a sewage works, and what its machines do: believable values, equal for equal seeds."""

import math
import random
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ingest.simulators.air import BEIJING
from services.telemetry.states import CALIBRATING, FAILED, MAINTAINED, RUNNING, STOPPED

RAW = {"w01018": 270.0, "w21003": 28.0, "w21001": 38.0, "w21011": 4.2}
"""Factor → mg/L of what comes in: COD, ammonia, total nitrogen, total phosphorus."""
TREATED = {"w01018": 21.0, "w21003": 1.3, "w21001": 9.2, "w21011": 0.24}
UPSET = 3.0
"""Times the usual concentrations that a failing treatment lets through."""
SLOW = timedelta(minutes=30)
"""How long it takes until it does."""
ENERGY = 0.28
"""kWh for a cubic metre."""
SINCE = datetime(2026, 1, 1, tzinfo=BEIJING)
"""When the meters stood at zero."""
DAY = 1440


class Water:
    """The water at one place of a works: what comes in, or what leaves it ``treated``; flow in L/s."""

    def __init__(
        self, seed: str, flow: float, *, treated: bool, faults: Collection[str] = (), begun: datetime | None = None
    ) -> None:
        shared = random.Random(f"works {seed}")
        # The same works has the same weather and the same rhythm at both ends.
        self._warm, self._late = shared.uniform(10.8, 18.5), shared.uniform(-1.5, 1.5)
        self._level = shared.uniform(0.8, 1.25)
        self._chance = random.Random(f"water {seed} {treated}")
        self._flow, self._treated = flow, treated
        self._upset = treated and "upset" in faults
        self._begun = begun or datetime.now(UTC)
        self._slow = 0.0

    def values(self, at: datetime) -> dict[str, float]:
        """Factor code → value: mg/L, L/s, pH, ℃."""
        local = at.astimezone(BEIJING)
        hour = local.hour + local.minute / 60 - self._late
        self._slow += (self._chance.gauss(0, 1) - self._slow) * 0.08
        usual, rise = (TREATED, 0.08) if self._treated else (RAW, 0.18)
        strength = self._level * (1 + rise * math.sin((hour - 8) / 12 * math.pi)) * math.exp(0.12 * self._slow)
        if self._upset:
            strength *= 1 + (UPSET - 1) * min(1.0, max(0.0, (at - self._begun) / SLOW))
        flow = self._flow * (1 + 0.2 * math.sin((hour - 9) / 12 * math.pi) + self._chance.gauss(0, 0.02))
        found = {
            code: round(value * strength * self._chance.gauss(1, 0.015), 3 if value < 1 else 2)
            for code, value in usual.items()
        }
        return {
            **found,
            "w00000": round(max(0.0, flow), 2),
            "w01001": round((7.1 if self._treated else 7.4) + self._chance.gauss(0, 0.04), 2),
            "w01010": round(self._warm + 0.5 * math.sin((hour - 11) / 12 * math.pi) + self._chance.gauss(0, 0.05), 1),
        }


class Works:
    """The machines of a works: their states minute by minute, the power that they take, the level of the pump well."""

    def __init__(
        self, seed: str, flow: float, signals: Sequence[str], *, faults: Collection[str] = (),
        begun: datetime | None = None,
    ) -> None:  # fmt: skip
        self._seed, self._signals = seed, tuple(signals)
        self._mean = max(0.2, ENERGY * flow * 3.6)
        self._chance = random.Random(f"level {seed}")
        self._phase = self._chance.uniform(0, 2 * math.pi)
        self._trips, self._begun = "trip" in faults, begun or datetime.now(UTC)

    def values(self, at: datetime) -> dict[str, float]:
        """Level in m, power in kW, the meter in kWh."""
        day, minute = _minute(at)
        turn = math.sin(2 * math.pi * (day * DAY + minute) / 95 + self._phase)
        rises = _rises(self._seed, self._signals, day)
        share = rises[minute + 1] - rises[minute]
        whole = self._of_day(day)
        return {
            "level": round(3.1 + 0.55 * turn + self._chance.gauss(0, 0.015), 2),
            "power": round(whole * share * 60, 2),
            "energy": round(sum(map(self._of_day, range(day))) + whole * rises[minute], 2),
        }

    def states(self, at: datetime) -> dict[str, int]:
        """Signal → RS of HJ 212."""
        day, minute = _minute(at)
        found = {
            signal: line[minute]
            for signal, line in zip(self._signals, _lines(self._seed, self._signals, day), strict=True)
        }
        if self._trips and at - self._begun > timedelta(minutes=2):
            # Overheated: off for ten minutes of fifteen, as somebody resets it.
            found |= dict.fromkeys(self._signals[:2], FAILED if minute % 15 < 10 else RUNNING)
        return found

    def _of_day(self, day: int) -> float:
        """kWh of a day."""
        return 24 * self._mean * (1 + 0.07 * math.sin(1.7 * day))


def _minute(at: datetime) -> tuple[int, int]:
    minutes = int((at - SINCE) / timedelta(minutes=1))
    return divmod(minutes, DAY)


@lru_cache(maxsize=256)
def _lines(seed: str, signals: tuple[str, ...], day: int) -> list[list[int]]:
    """The states of each machine in the minutes of a day: it runs in its rhythm, seldom fails or is serviced."""
    found = []
    for signal in signals:
        usual = random.Random(f"{seed} {signal}")
        cycle = usual.choice((40, 60, 120, 480, 2 * DAY))
        works, offset = cycle * usual.uniform(0.4, 0.9), usual.randrange(cycle)
        line = [RUNNING if (day * DAY + m + offset) % cycle < works else STOPPED for m in range(DAY)]
        today = random.Random(f"{seed} {signal} {day}")
        for chance, states, longest in ((0.07, (FAILED,), 150), (0.05, (MAINTAINED, CALIBRATING), 200)):
            if today.random() < chance:
                begin = today.randrange(DAY)
                end = min(DAY, begin + today.randint(15, longest))
                line[begin:end] = [today.choice(states)] * (end - begin)
        found.append(line)
    return found


@lru_cache(maxsize=256)
def _rises(seed: str, signals: tuple[str, ...], day: int) -> list[float]:
    """The share of a day's energy used up to each minute, from 0 to 1: half is for the machines that run."""
    lines = _lines(seed, signals, day)
    loads = [0.5 * max(1, len(lines)) + sum(line[m] == RUNNING for line in lines) for m in range(DAY)]
    whole, rises, so_far = sum(loads), [0.0], 0.0
    for load in loads:
        so_far += load
        rises.append(so_far / whole)
    return rises
