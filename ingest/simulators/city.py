"""A whole city of simulated devices: those that are registered, each in its own rhythm."""

import asyncio
import itertools
from collections.abc import Iterable, Mapping

from ingest.simulators.hj212 import Fault, Instrument, Told

USUAL: Mapping[int, frozenset[Fault]] = {
    7: frozenset({"outage"}), 11: frozenset({"drift"}), 13: frozenset({"flat"}),
    17: frozenset({"burst"}), 19: frozenset({"noise"}),
}  # fmt: skip
"""Every so manieth monitor has this fault."""


def instruments(
    numbers: Iterable[str], password: str, interval: float, told: Told, *, faulty: bool = True
) -> list[Instrument]:
    """A monitor for each number (MN); a few of them misbehave."""
    found = []
    for place, mn in enumerate(numbers, 1):
        faults: frozenset[Fault] = frozenset()
        if faulty:
            faults = frozenset(itertools.chain.from_iterable(f for every, f in USUAL.items() if place % every == 0))
        version = (2017, 2025)[place % 2]
        found.append(Instrument(mn, password, version=version, interval=interval, told=told, faults=faults))
    return found


async def live(devices: Iterable[Instrument], host: str, port: int) -> None:
    """Let them all live until cancelled."""
    async with asyncio.TaskGroup() as group:
        for device in devices:
            group.create_task(device.run(host, port))
