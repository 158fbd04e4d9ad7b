"""Running gateways: servers, the committer and the directory of each protocol in one event loop."""

import asyncio
import logging
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from importlib import import_module

import psycopg

from ingest.gateways.directory import Directory
from ingest.gateways.gateway import Gateway

log = logging.getLogger(__name__)

REPORT = 60.0
"""Seconds between two lines of counts in the log."""

PROTOCOLS = ("hj212", "jt808", "http", "mqtt", "gb28181")
"""Those that can be served."""


def kind(protocol: str) -> type[Gateway]:
    """The gateway of a protocol. Only what is served is loaded: each brings libraries of its own."""
    found: type[Gateway] = import_module(f"{__package__}.{protocol}").Gateway
    return found


async def serve(dsn: str, host: str, ports: Mapping[str, int]) -> None:
    """Serve these protocols on these ports until SIGTERM or SIGINT; what came until then is stored before the end."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    async with AsyncExitStack() as stack:
        for protocol, port in ports.items():
            await _start(stack, protocol, dsn, host, port)
        await end.wait()


async def _start(stack: AsyncExitStack, protocol: str, dsn: str, host: str, port: int) -> None:
    gateway = kind(protocol)(dsn)
    await _until_read(gateway.directory)
    # Backwards at the end: nothing more is read, what waits is stored and acknowledged, then the connections close.
    stack.push_async_callback(gateway.close)
    stack.push_async_callback(gateway.committer.close)
    for work in (gateway.committer.run(), gateway.directory.run(), _report(protocol, gateway)):
        stack.push_async_callback(_cancel, asyncio.create_task(work))
    stack.push_async_callback(gateway.stop)
    await gateway.start(host, port)
    log.info("%s on %s:%d, %d devices", protocol, host, port, len(gateway.directory))


async def _until_read(directory: Directory) -> None:
    """Wait for the database: a gateway that starts before it must not refuse every device."""
    while True:
        try:
            return await directory.refresh()
        except psycopg.OperationalError as error:
            log.warning("waiting for the database: %s", error)
            await asyncio.sleep(1)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _report(protocol: str, gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(REPORT)
        counts = gateway.counts + gateway.committer.counts + gateway.directory.counts + gateway.more_counts()
        told = ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))
        log.info("%s: %d connections; %s", protocol, len(gateway), told)
