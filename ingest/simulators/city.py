"""A whole city of simulated devices: those that are registered, each in its own rhythm."""

import asyncio
import itertools
from collections.abc import Iterable, Mapping

from ingest.simulators.hj212 import Fault, Instrument, Told

USUAL: Mapping[int, frozenset[Fault]] = {
    7: frozenset({"outage"}), 23: frozenset({"lapse"}), 11: frozenset({"drift"}), 13: frozenset({"flat"}),
    17: frozenset({"burst"}), 19: frozenset({"noise"}),
}  # fmt: skip
"""Every so manieth monitor has this fault."""


def instruments(
    numbers: Mapping[str, int], password: str, interval: float, told: Told, *, faults: Iterable[Fault] | None = None
) -> list[Instrument]:
    """A monitor for each number (MN), with the length of its minute data, 0 for none.

    A few misbehave, each in its way, or all of them in the ways that are given.
    """
    found = []
    for place, (mn, minutes) in enumerate(numbers.items(), 1):
        usual = itertools.chain.from_iterable(f for every, f in USUAL.items() if place % every == 0)
        found.append(
            Instrument(
                mn,
                password,
                version=(2017, 2025)[place % 2],
                interval=interval,
                told=told,
                minutes=minutes,
                faults=frozenset(usual if faults is None else faults),
            )
        )
    return found


async def live(devices: Iterable[Instrument], host: str, port: int) -> None:
    """Let them all live until cancelled."""
    async with asyncio.TaskGroup() as group:
        for device in devices:
            group.create_task(device.run(host, port))
