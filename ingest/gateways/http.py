"""The door for site boxes that speak HTTP: POST /readings, answered with 200 only after the commit."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from ingest.gateways.committer import Message
from ingest.gateways.gateway import Gateway as Base
from ingest.protocols.boxes import LARGEST, BadBody, Body, parse, readings
from ingest.protocols.readings import Reading
from services.access.allowances import Allowances
from services.telemetry.devices import Admitted
from services.telemetry.tokens import fits

log = logging.getLogger(__name__)

PORT = 9180
BODY_WITHIN, STORED_WITHIN = 20.0, 30.0
"""Seconds for the whole body to arrive (F24), and for the commit."""
A_SECOND, BURST = 5.0, 100.0
"""Requests of one device: on the whole, and at once (F21)."""
FAILURES_A_SECOND, FAILURES = 1.0, 30.0
"""Refusals of one address, before it is not even read."""
ADDRESS_A_SECOND, ADDRESS_BURST = 200.0, 2_000.0
"""Requests of one address, behind which may be many devices. Kept here: one process has the port, and none of what
it takes may hang on Redis."""
DOUBTS = 50
"""Values named in an answer because they do not count."""

type Answer = tuple[int, dict[str, Any]]


class Scope(Protocol):
    """What is used of a request."""

    method: str
    path: str
    client: str
    headers: Mapping[str, str]


class Exchange(Protocol):
    """What is used of the way to answer it."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """The answer."""


class Problem(Exception):
    """A request that is refused: RFC 9457."""

    def __init__(self, status: int, title: str, *, retry_after: float = 10.0, **more: object) -> None:
        super().__init__(title)
        self.status = status
        self.retry_after = max(1, round(retry_after + 0.5))
        self.body = {"type": "about:blank", "title": title, "status": status, **more}


class _Said(NamedTuple):
    known: Admitted
    body: Body
    records: list[list[Reading]]


class Gateway(Base):
    """The server, in the gateway's own loop."""

    protocol = "http"
    port = PORT

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self._devices = Allowances(A_SECOND, BURST)
        self._strangers = Allowances(FAILURES_A_SECOND, FAILURES)
        self._addresses = Allowances(ADDRESS_A_SECOND, ADDRESS_BURST)
        self._under_way = 0
        self._stopping = False
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen."""
        self._server = Server(
            self._answer, address=host, port=port, interface=Interfaces.RSGI, http=HTTPModes.http1, websockets=False,
            backlog=1024, log_enabled=False, http1_settings=HTTP1Settings(header_read_timeout=10_000),
        )  # fmt: skip
        self._serving = asyncio.create_task(self._server.serve())

    async def stop(self) -> None:
        """Take nothing more; who asks hears 503."""
        self._stopping = True

    async def close(self) -> None:
        """Answers are written; hang up."""
        if self._server is not None and self._serving is not None:
            self._server.stop()
            await asyncio.wait([self._serving], timeout=10)

    def __len__(self) -> int:
        return self._under_way

    async def _answer(self, scope: Scope, exchange: Exchange) -> None:
        self._under_way += 1
        wait = 10
        try:
            status, body = await self._handled(scope, exchange)
        except Problem as problem:
            status, body, wait = problem.status, problem.body, problem.retry_after
        except Exception:
            log.exception("a request failed")
            status, body = 500, {"type": "about:blank", "title": "the gateway failed; send again", "status": 500}
        finally:
            self._under_way -= 1
        self.counts[f"answered {status}"] += 1
        kind = "application/json" if status == 200 else "application/problem+json"
        headers = [("content-type", kind), ("cache-control", "no-store")]
        if status in (429, 503):
            headers.append(("retry-after", str(wait)))
        exchange.response_bytes(status, headers, json.dumps(body, ensure_ascii=False).encode())

    async def _handled(self, scope: Scope, exchange: Exchange) -> Answer:
        if scope.path != "/readings":
            raise Problem(404, "there is only POST /readings")
        if scope.method != "POST":
            raise Problem(405, "only POST is allowed", allowed="POST")
        if self._stopping or self.committer.is_full:
            raise Problem(503, "the gateway takes nothing at the moment; send again later")
        address = scope.client.rpartition(":")[0]
        if not self._addresses.spend(address):
            raise Problem(429, "too many requests from this address", retry_after=self._addresses.wait(address))
        if not self._strangers.left(address):
            wait = self._strangers.wait(address)
            raise Problem(429, "too many refused requests from this address", retry_after=wait)
        try:
            said = self._admitted(scope, await self._body(scope, exchange), address)
        except Problem as problem:
            if problem.status in (401, 422):
                self._strangers.spend(address)
            raise
        self.directory.heard(said.known, address)
        await self._stored(said)
        return 200, _receipt(said)

    async def _body(self, scope: Scope, exchange: Exchange) -> bytes:
        try:
            async with asyncio.timeout(BODY_WITHIN):
                found = bytearray()
                async for chunk in exchange:
                    found += chunk
                    if len(found) > LARGEST:
                        raise Problem(413, f"a body has at most {LARGEST} bytes")
                return bytes(found)
        except TimeoutError as error:
            raise Problem(408, "the body did not arrive in time") from error

    def _admitted(self, scope: Scope, data: bytes, address: str) -> _Said:
        try:
            body = parse(data)
            if not body.device:
                raise BadBody("device", "", "the number of the device")
            known = self.directory.get(body.device)
            scheme, _, token = (scope.headers.get("authorization") or "").partition(" ")
            proved = fits(token.strip(), known.secret if known else "") and scheme.lower() == "bearer"
            if known is None or not proved:
                if known is None:
                    self.directory.unknown(body.device, address)
                raise Problem(401, "the device is unknown, not approved, or its token is wrong", field="Authorization")
            if not self._devices.spend(body.device):
                title = f"more than {A_SECOND:g} requests a second; put several records into one"
                raise Problem(429, title, retry_after=self._devices.wait(body.device))
            return _Said(known, body, readings(body, known.units))
        except BadBody as error:
            self.counts["refused body"] += 1
            raise Problem(422, str(error), field=error.field, allowed=error.allowed) from error

    async def _stored(self, said: _Said) -> None:
        received = datetime.now(UTC)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def stored() -> None:
            if not done.done():
                done.set_result(None)

        def refused(error: Exception) -> None:
            log.error("readings of %s are refused by the database: %s", said.known.number, error)
            if not done.done():
                done.set_exception(Problem(500, "the database refuses these readings"))

        rows = [
            row for found in said.records for row in self.directory.rows(said.known, found, received, said.body.late)
        ]
        self.committer.put(Message(rows, stored, refused))
        try:
            await asyncio.wait_for(done, STORED_WITHIN)
        except TimeoutError as error:
            # It may be stored all the same: sent again it changes nothing.
            raise Problem(503, "not stored yet; send again later") from error


def _receipt(said: _Said) -> dict[str, Any]:
    doubts = [
        {"field": f"{place}values.{reading.factor}", "reason": reading.quality}
        for (place, _record), found in zip(said.body.records, said.records, strict=True)
        for reading in found
        if reading.quality
    ]
    return {
        "stored": sum(map(len, said.records)), "doubtful": doubts[:DOUBTS],
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }  # fmt: skip
