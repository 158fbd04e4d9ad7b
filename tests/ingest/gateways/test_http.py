"""The HTTP gateway as site boxes meet it: 200 means stored, everything else says what to do."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ingest.gateways import http as door_of
from services.telemetry import tokens
from tests.conftest import Server, connect
from tests.ingest.gateways.boxes import Process, free_port, gateway, listens, record, register, stored, times, until

pytestmark = pytest.mark.django_db
TOKEN = "the-token-of-all-boxes-" + "0123456789" * 2


class Door:
    """The gateway process and its port."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port = free_port()
        self.process: Process = gateway(server, f"http:{self.port}")

    def start(self) -> None:
        self.process.start(lambda: listens(self.port))

    def post(self, body: Any, token: str = TOKEN, path: str = "/readings", method: str = "POST") -> tuple[int, Any]:
        """Status and JSON of an answer."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        link.request(method, path, data, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        answer = link.getresponse()
        found = json.loads(answer.read())
        link.close()
        kind = "application/json" if answer.status == 200 else "application/problem+json"
        assert answer.getheader("content-type") == kind
        return answer.status, found


@pytest.fixture(scope="module")
def door(server: Server) -> Iterator[Door]:
    for number in ("BOX1", "MANY", "KILLED", "HELD"):
        register(server, "http", number, tokens.digest(TOKEN))
    register(server, "http", "CLOSED", tokens.digest(TOKEN), "blocked")
    register(server, "http", "BARE", "")
    found = Door(server)
    found.start()
    yield found
    assert found.process.end() == 0, "a gateway that is asked to end does so in good order"


def test_f15_what_is_answered_with_200_is_stored_once_however_often_it_comes(door: Door) -> None:
    (at,) = times(1)
    for _again in range(3):
        status, answer = door.post({"device": "BOX1", **record(at)})
        assert (status, answer["stored"], answer["doubtful"]) == (200, 2, [])
        assert [row[0::2] for row in stored(door.server, "http", "BOX1")] == [("LA", 63.5), ("a34002", 88.0)]


def test_a_batch_is_stored_whole_and_f30_doubtful_values_are_named_and_do_not_count(door: Door) -> None:
    first, second = times(2)
    status, answer = door.post({"device": "MANY", "records": [record(first), record(second, "1,2")]})
    assert status == 200
    assert answer["doubtful"] == [{"field": "records[1].values.a34002", "reason": "number"}]
    assert [row[2] for row in stored(door.server, "http", "MANY")] == [63.5, 88.0, 63.5, None]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"device": "BOX1", "values": {"LA": 1}}, 422, "time"),
        ({"values": {"LA": 1}}, 422, "device"),
        ({"device": "BOX1", "time": "2026-11-27T10:00:00+08:00", "values": {"L\0": 1}}, 422, "values.L\0"),
        (b"{", 422, ""),
        (b"\xff\xfe{}", 422, ""),
        (b" " * (1 << 20) + b"{}", 413, None),
    ],
)
def test_f31_a_body_that_cannot_be_is_refused_with_the_field(door: Door, body: Any, status: int, field: str) -> None:
    found, answer = door.post(body)
    assert (found, answer["status"], answer.get("field")) == (status, status, field)


def test_only_one_thing_can_be_done_here(door: Door) -> None:
    assert door.post({}, path="/")[0] == 404
    assert door.post({}, method="PUT")[0] == 405


@pytest.mark.parametrize(("number", "token"), [
    ("BOX1", "wrong"), ("BOX1", ""), ("CLOSED", TOKEN), ("BARE", TOKEN), ("BARE", ""), ("NOBODY", TOKEN),
])  # fmt: skip
def test_f25_f26_who_does_not_prove_who_it_is_leaves_nothing_and_all_hear_the_same(
    door: Door, number: str, token: str
) -> None:
    (at,) = times(1)
    status, answer = door.post({"device": number, **record(at, 7.0)}, token)
    assert (status, answer["title"]) == (401, "the device is unknown, not approved, or its token is wrong")
    assert 7.0 not in [row[2] for row in stored(door.server, "http", number)]
    if number == "NOBODY":
        query = "select state from telemetry_device where protocol = 'http' and number = 'NOBODY'"
        assert until(lambda: door.server.sql(query)) == [("pending",)]


def test_f12_nothing_is_answered_while_the_database_cannot_take_it(door: Door) -> None:
    answers: list[int] = []
    (at,) = times(1)
    asking = threading.Thread(target=lambda: answers.append(door.post({"device": "HELD", **record(at)})[0]))
    with connect(door.server.database) as link, link.transaction():
        link.execute("lock table telemetry_latest in access exclusive mode")
        asking.start()
        asking.join(2)
        assert answers == []
    asking.join(30)
    assert answers == [200]
    assert len(stored(door.server, "http", "HELD")) == 2


def test_f24_a_request_that_never_ends_is_ended_and_others_are_served(door: Door) -> None:
    slow = [socket.create_connection(("127.0.0.1", door.port), 5) for _n in range(50)]
    for link in slow:
        link.sendall(b"POST /readings HTTP/1.1\r\nHost: x\r\nX")
    (at,) = times(1)
    assert door.post({"device": "BOX1", **record(at)})[0] == 200
    for link in slow:
        link.settimeout(25)
        while link.recv(1000):
            pass
        link.close()


def test_f04_what_was_answered_before_a_kill_is_stored_and_the_rest_comes_again(door: Door) -> None:
    left = {at: {"device": "KILLED", **record(at)} for at in times(40)}
    answered: set[Any] = set()

    def send() -> None:
        for at, body in list(left.items()):
            try:
                if door.post(body)[0] == 200:
                    answered.add(at)
            except (OSError, http.client.HTTPException):
                return

    sending = threading.Thread(target=send)
    sending.start()
    until(lambda: len(answered) >= 10)
    door.process.kill()
    sending.join()
    have = {row[1] for row in stored(door.server, "http", "KILLED")}
    assert answered <= have, "I1"
    door.start()
    for at in left.keys() - answered:
        while door.post(left[at])[0] == 429:
            time.sleep(0.3)
    rows = stored(door.server, "http", "KILLED")
    assert len(rows) == 80 and len({row[:2] for row in rows}) == 80, "I1, I2: all of them, each once"


def test_f21_requests_of_one_address_are_counted_and_told_when_to_come_again() -> None:
    async def ask() -> list[door_of.Problem]:
        gateway = door_of.Gateway("")
        refused = []
        for _n in range(2 * int(door_of.ADDRESS_BURST)):
            scope = SimpleNamespace(path="/readings", method="POST", client="10.0.0.1:1", headers={})
            try:
                await gateway._handled(scope, Empty())  # type: ignore[arg-type]
            except door_of.Problem as problem:
                refused.append(problem)
        return refused

    class Empty:
        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> bytes:
            raise StopAsyncIteration

    titles = [problem.body["title"] for problem in asyncio.run(ask())]
    # First the empty bodies are refused, then the address is not read, in the end it is not even looked at.
    assert titles.count("too many refused requests from this address") > 1_000
    assert "too many requests from this address" in titles
    waits = {problem.retry_after for problem in asyncio.run(ask()) if problem.status == 429}
    assert waits and min(waits) >= 1
