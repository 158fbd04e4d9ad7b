"""Running gateways: servers, the committer and the directory of each protocol in one event loop."""

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import NamedTuple

import psycopg

from ingest.gateways import hj212
from ingest.gateways.committer import Committer
from ingest.gateways.directory import Directory

log = logging.getLogger(__name__)

REPORT = 60.0
"""Seconds between two lines of counts in the log."""


class Kind(NamedTuple):
    """A protocol that can be served."""

    gateway: type[hj212.Gateway]
    port: int


KINDS: Mapping[str, Kind] = {"hj212": Kind(hj212.Gateway, hj212.PORT)}


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
    directory, committer = Directory(dsn, protocol), Committer(dsn)
    gateway = KINDS[protocol].gateway(directory, committer)
    await _until_read(directory)
    # Backwards at the end: nothing more is read, what waits is stored and acknowledged, then the connections close.
    stack.callback(_each, gateway, hj212.Dialogue.close)
    stack.push_async_callback(committer.close)
    for work in (committer.run(), directory.run(), gateway.sweep(), _report(protocol, gateway)):
        stack.push_async_callback(_cancel, asyncio.create_task(work))
    server = await asyncio.get_running_loop().create_server(gateway.connection, host, port, backlog=4096)
    stack.callback(_each, gateway, hj212.Dialogue.pause)
    stack.callback(server.close)
    log.info("%s on %s:%d, %d devices", protocol, host, port, len(directory))


async def _until_read(directory: Directory) -> None:
    """Wait for the database: a gateway that starts before it must not refuse every device."""
    while True:
        try:
            return await directory.refresh()
        except psycopg.OperationalError as error:
            log.warning("waiting for the database: %s", error)
            await asyncio.sleep(1)


def _each(gateway: hj212.Gateway, what: Callable[[hj212.Dialogue], None]) -> None:
    for dialogue in list(gateway.open):
        what(dialogue)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _report(protocol: str, gateway: hj212.Gateway) -> None:
    while True:
        await asyncio.sleep(REPORT)
        counts = gateway.counts + gateway.committer.counts + gateway.directory.counts
        told = ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))
        log.info("%s: %d connections; %s", protocol, len(gateway.open), told)
