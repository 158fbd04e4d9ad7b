"""Devices that are connected and say nothing: what they cost, and how fast they come back after an outage."""

import asyncio
from time import perf_counter

from tests.bench import devices, devices_load
from tests.bench.results import Result

SOCKETS = 5_000


def run() -> list[Result]:
    """Each has named itself by one frame."""
    devices.files()
    with devices.link() as to:
        devices.devices(to, SOCKETS)
    with devices.gateway() as (process, port):
        before = devices.megabytes(process.pid)
        took, acknowledged, after = asyncio.run(_come(port, process.pid))
    assert acknowledged == SOCKETS, f"{acknowledged} of {SOCKETS} were acknowledged"
    return [
        Result(f"gateway with {SOCKETS} idle devices", after, "MB", bar=200),
        Result("gateway without devices", before, "MB"),
        Result(f"{SOCKETS} devices come back at once", took, "s", bar=60),
    ]


async def _come(port: int, pid: int) -> tuple[float, int, float]:
    waits: list[float] = []
    loop = asyncio.get_running_loop()
    began = perf_counter()
    senders = []
    for first in range(1, SOCKETS + 1, 250):
        made = await asyncio.gather(
            *(
                loop.create_connection(
                    lambda number=number: devices_load.Sender(f"B{number}", waits), "127.0.0.1", port
                )
                for number in range(first, first + 250)
            )
        )
        senders += [sender for _transport, sender in made]
    for sender in senders:
        sender.send()
    while len(waits) < SOCKETS and perf_counter() - began < 120:
        await asyncio.sleep(0.05)
    took = perf_counter() - began
    await asyncio.sleep(3)
    return took, len(waits), devices.megabytes(pid)
