"""MQTT through a real broker: what it took from a box reaches the database once, whoever is killed on the way."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from services.telemetry import tokens
from tests.conftest import Server
from tests.ingest.gateways.boxes import (
    Process,
    broker,
    free_port,
    gateway,
    listens,
    record,
    register,
    stored,
    times,
    until,
)

pytestmark = pytest.mark.django_db
TOKEN = "the-token-of-all-boxes-" + "0123456789" * 2


class Box:
    """A box at the broker, as its own client library makes it."""

    def __init__(self, port: int, name: str, token: str = TOKEN) -> None:
        self.name = name
        self.refused: list[str] = []
        self.problems: list[Any] = []
        self.taken = 0
        """Messages that the broker acknowledged."""
        self.client = Client(CallbackAPIVersion.VERSION2, f"box {name} {id(self)}", protocol=MQTTv5)
        self.client.username_pw_set(name, token)
        self.client.reconnect_delay_set(1, 1)
        self.client.max_queued_messages_set(0)
        self.client.max_inflight_messages_set(200)
        self.client.on_connect = self._connected
        self.client.on_publish = self._published
        self.client.on_message = lambda _c, _d, message: self.problems.append(json.loads(message.payload))
        self.client.connect_async("127.0.0.1", port, keepalive=10)
        self.client.loop_start()

    def _connected(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self.refused.append(str(reason))
        else:
            client.subscribe(f"zhutu/{self.name}/problems")

    def _published(self, *_about: Any) -> None:
        self.taken += 1

    def publish(self, *bodies: Any, topic: str = "") -> None:
        """Publish one after the other; while there is no connection the client keeps them."""
        for body in bodies:
            self.client.publish(topic or f"zhutu/{self.name}/readings", json.dumps(body), qos=1)

    def deliver(self, *bodies: Any, topic: str = "") -> None:
        """Publish each and wait until the broker has it."""
        for body in bodies:
            wanted = self.taken + 1
            self.publish(body, topic=topic)
            assert until(lambda wanted=wanted: self.taken >= wanted, every=0.005)

    def end(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Road:
    """The broker, the gateway that reads it, and the database behind."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.port = free_port()
        self.folder = folder
        self.broker: Process = broker(folder, self.port)
        self.gateway: Process = gateway(server, f"mqtt:{self.port}", ZHUTU_MQTT=str(folder))

    def start_broker(self) -> None:
        self.broker.start(lambda: listens(self.port))

    def start_gateway(self) -> None:
        log = self.gateway.log
        before = log.stat().st_size if log.exists() else 0
        self.gateway.start(lambda: b"mqtt on" in log.read_bytes()[before:])

    def check(self, number: str, wanted: int, taken: int) -> None:
        """I1 and I2: all readings of a box are stored, each once; else say on which side of the broker they are."""
        rows = stored(self.server, "mqtt", number)
        said = "\n".join(self.gateway.log.read_text().splitlines()[-20:])
        where = f"{len(rows)} of {wanted} readings; the broker took {taken} messages; the gateway says:\n{said}"
        assert len(rows) == wanted, where
        assert len({row[:2] for row in rows}) == wanted, where


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where the broker's own user can reach it."""
    with TemporaryDirectory(prefix="zhutu-broker-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def road(server: Server, folder: Path) -> Iterator[Road]:
    secret = tokens.broker_digest(TOKEN)
    for number in ("CALM", "READER", "BROKEN", "FLOWING", "BETWEEN"):
        register(server, "mqtt", number, secret)
    register(server, "mqtt", "SHUT", secret, "blocked")
    found = Road(server, folder)
    found.start_broker()
    found.start_gateway()
    yield found
    assert found.gateway.end() == 0, "a gateway that is asked to end does so in good order"
    found.broker.end()


@pytest.fixture
def box(road: Road) -> Iterator[Any]:
    made: list[Box] = []

    def make(name: str, token: str = TOKEN) -> Box:
        made.append(Box(road.port, name, token))
        return made[-1]

    yield make
    for each in made:
        each.end()


def test_the_broker_is_nobody_who_may_do_everything(road: Road) -> None:
    assert road.broker.process is not None
    lines = Path(f"/proc/{road.broker.process.pid}/status").read_text().splitlines()
    users = next(line.split()[1:] for line in lines if line.startswith("Uid:"))
    assert "0" not in users
    assert {str(file.stat().st_uid) for file in road.folder.iterdir()} == set(users)


def test_f15_what_the_broker_took_is_stored_once(road: Road, box: Any) -> None:
    calm, (first, second) = box("CALM"), times(2)
    for _again in range(3):
        calm.deliver({"records": [record(first), record(second, "--")]})
    rows = until(lambda: stored(road.server, "mqtt", "CALM"))
    assert [(row[0], row[2]) for row in rows] == [("LA", 63.5), ("a34002", 88.0), ("LA", 63.5), ("a34002", None)]


def test_f27_a_message_that_cannot_be_read_is_told_to_the_box_and_holds_nobody_up(road: Road, box: Any) -> None:
    calm, (at,) = box("CALM"), times(1)
    assert until(lambda: calm.client.is_connected())
    time.sleep(0.5)  # until the broker knows whom to tell
    calm.publish({"values": {"LA": 1}}, {"device": "READER", **record(at, 9.0)}, record(at, 5.0))
    assert until(lambda: [row for row in stored(road.server, "mqtt", "CALM") if row[2] == 5.0])
    assert until(lambda: len(calm.problems) == 2)
    assert [problem["field"] for problem in calm.problems] == ["time", "device"]
    assert not [row for row in stored(road.server, "mqtt", "READER") if row[2] == 9.0]


@pytest.mark.parametrize(
    ("name", "token"), [("CALM", "wrong"), ("SHUT", TOKEN), ("NOBODY", TOKEN), ("zhutu-gateway", "")]
)
def test_f26_nobody_enters_without_the_password_of_an_approved_box(box: Any, name: str, token: str) -> None:
    stranger = box(name, token)
    assert until(lambda: stranger.refused, 10) == ["Not authorized"] * len(stranger.refused)


def test_f26_a_box_writes_under_its_own_name_only(road: Road, box: Any) -> None:
    calm, (at,) = box("CALM"), times(1)
    calm.publish(record(at, 6.0), topic="zhutu/READER/readings")
    calm.publish(record(at, 7.0))
    assert until(lambda: [row for row in stored(road.server, "mqtt", "CALM") if row[2] == 7.0])
    assert not [row for row in stored(road.server, "mqtt", "READER") if row[2] == 6.0]


def test_f25_a_new_box_gets_on_the_list_by_the_password_of_enrolment(road: Road, box: Any) -> None:
    fresh = box("zhutu-new", (road.folder / "enrolment").read_text())
    fresh.deliver({}, topic="zhutu-new/FRESH")
    query = "select state from telemetry_device where protocol = 'mqtt' and number = 'FRESH'"
    assert until(lambda: road.server.sql(query)) == [("pending",)]


def test_a_box_that_was_approved_a_moment_ago_may_enter(road: Road, box: Any) -> None:
    register(road.server, "mqtt", "LATER", tokens.broker_digest(TOKEN))
    later, (at,) = box("LATER"), times(1)
    later.publish(record(at))
    assert until(lambda: stored(road.server, "mqtt", "LATER"))


def test_f04_the_reader_is_killed_in_mid_flow(road: Road, box: Any) -> None:
    reader, wanted = box("READER"), times(200)
    sending = threading.Thread(target=reader.deliver, args=[record(at) for at in wanted])
    sending.start()
    for share in (25, 75):
        until(lambda share=share: len(stored(road.server, "mqtt", "READER")) >= 2 * share)
        road.gateway.kill()
        road.start_gateway()
    sending.join()
    until(lambda: len(stored(road.server, "mqtt", "READER")) >= 400, 40)
    road.check("READER", 400, reader.taken)


def test_f04_what_comes_while_a_gateway_starts_is_kept(road: Road, box: Any) -> None:
    """The broker must not forget, when it hears of passwords, what the session without a connection may read."""
    flowing, end = box("FLOWING"), threading.Event()
    sent = 0

    def send() -> None:
        nonlocal sent
        for at in times(1_700):
            if end.wait(0.01):
                return
            flowing.publish(record(at))
            sent += 1

    sending = threading.Thread(target=send)
    sending.start()
    entry = (road.folder / "passwords").read_text().splitlines()[0]
    for _again in range(3):
        road.gateway.kill()
        road.start_gateway()
        assert (road.folder / "passwords").read_text().splitlines()[0] == entry, "its password is the one before"
    end.set()
    sending.join()
    assert until(lambda: flowing.taken >= sent, 40)
    until(lambda: len(stored(road.server, "mqtt", "FLOWING")) >= 2 * sent, 40)
    road.check("FLOWING", 2 * sent, flowing.taken)


def test_f05_what_a_new_broker_takes_before_the_gateway_is_there_is_kept(road: Road, box: Any) -> None:
    between, wanted = box("BETWEEN"), times(20)
    between.deliver(record(wanted[0]))
    assert until(lambda: len(stored(road.server, "mqtt", "BETWEEN")) == 2)
    road.gateway.kill()
    time.sleep(2.5)  # the broker writes its store a second after each change
    road.broker.kill()
    road.start_broker()
    between.deliver(*(record(at) for at in wanted[1:]))
    road.start_gateway()
    until(lambda: len(stored(road.server, "mqtt", "BETWEEN")) >= 40, 30)
    road.check("BETWEEN", 40, between.taken)


def test_the_broker_is_killed_in_mid_flow(road: Road, box: Any) -> None:
    broken, wanted = box("BROKEN"), times(300)

    def send() -> None:
        for at in wanted:
            broken.publish(record(at))
            time.sleep(0.005)

    sending = threading.Thread(target=send)
    sending.start()
    until(lambda: len(stored(road.server, "mqtt", "BROKEN")) >= 100)
    road.broker.kill()
    road.start_broker()
    sending.join()
    assert until(lambda: broken.taken >= len(wanted), 40)
    until(lambda: len(stored(road.server, "mqtt", "BROKEN")) >= 600, 40)
    road.check("BROKEN", 600, broken.taken)
