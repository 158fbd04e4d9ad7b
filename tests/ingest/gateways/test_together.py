"""Devices of every protocol send at the same time to one gateway process; only what is valid is stored and shown."""

import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from ingest.protocols.hj212.packets import Packet, encode
from ingest.protocols.hj212.profile import Profile
from ingest.protocols.hj212.replies import DEVICE_TIME, qn
from services.telemetry import tokens
from tests.conftest import PASSWORD as OF_PEOPLE
from tests.conftest import Server
from tests.ingest.gateways.boxes import Process, broker, free_port, gateway, listens, register, stored, until
from tests.ingest.gateways.conftest import Talker, now
from tests.ingest.gateways.terminals import Terminal, position
from tests.ingest.gateways.test_mqtt import TOKEN, Box

pytestmark = pytest.mark.django_db
ROUNDS = 8
HOUR = timedelta(hours=1)
WRONG = 777.0
"""PM10 of whatever must not be taken: the values that may are below 100."""
HJ212, HTTP, MQTT, TRUCK = "TOGETHER-1", "TOGETHER-2", "TOGETHER-3", "13900009001"
AT_MONITORS = {"hj212": HJ212, "http": HTTP, "mqtt": MQTT}


class City:
    """A gateway of all protocols, its broker, the periodic work, and the ports."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.ports = {protocol: free_port() for protocol in ("hj212", "jt808", "http", "mqtt")}
        self.broker: Process = broker(folder, self.ports["mqtt"])
        served = [f"{protocol}:{port}" for protocol, port in self.ports.items()]
        self.gateway: Process = gateway(server, *served, ZHUTU_MQTT=str(folder))
        self.telemetry = Process(
            [*self.gateway.command[:2], "telemetry"], self.gateway.log, {"ZHUTU_PGDATABASE": server.database}
        )
        self.features: dict[str, str] = {}
        """Number of a device → the id of its feature."""

    def start(self) -> None:
        self.broker.start(lambda: listens(self.ports["mqtt"]))
        self.gateway.start(lambda: all(listens(port) for port in self.ports.values()))
        self.telemetry.start(lambda: True)

    def stop(self) -> list[int]:
        return [process.end() for process in (self.gateway, self.broker)] + [self.telemetry.end()]

    def shown(self, layer: str, number: str, wanted: dict[str, str]) -> dict[str, str]:
        """Field → text of a feature's panel in the browser once it says what is wanted, or at last; and its place."""
        found: dict[str, str] = {}
        with httpx.Client(base_url=self.server.url, timeout=30) as client:
            client.get("/login")
            form = {"username": "admin", "password": OF_PEOPLE, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
            client.post("/login", data=form, headers={"Referer": self.server.url})

            def says() -> bool:
                page = client.get(f"/desk/{layer}/{self.features[number]}").raise_for_status().text
                cells = re.findall(r'<(dd|span)[^>]* data-cell="(\w+)"[^>]*>(.*?)</\1>', page, re.DOTALL)
                place = re.search(r'data-place="([^"]*)"', page)
                found.update({name: unescape(re.sub(r"<[^>]*>", "", text)).strip() for _tag, name, text in cells})
                found["place"] = place[1] if place else ""
                return wanted.items() <= found.items()

            until(says, every=0.5)
        return found


@pytest.fixture(scope="module")
def city(server: Server) -> Iterator[City]:
    # Where the broker's own user can reach it.
    with TemporaryDirectory(prefix="zhutu-broker-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        found = City(server, Path(name))
        secrets = {"http": tokens.digest(TOKEN), "mqtt": tokens.broker_digest(TOKEN)}
        monitors = server.sql("select id from environment_monitor order by code desc limit 3")
        for (feature,), (protocol, number) in zip(monitors, AT_MONITORS.items(), strict=True):
            register(server, protocol, number, secrets.get(protocol, ""))
            found.features[number] = str(feature)
        register(server, "jt808", TRUCK, "")
        ((truck,),) = server.sql("select id from concrete_mixertruck order by code desc limit 1")
        found.features[TRUCK] = str(truck)
        for number, feature in found.features.items():
            server.sql("update telemetry_device set feature = %s where number = %s", feature, number)
        found.start()
        yield found
        assert found.stop()[0] == 0, "a gateway that is asked to end does so in good order"


def frame(at: datetime, pm10: float, noise: float = 60.0, damaged: bool = False) -> bytes:
    """A frame of HJ 212 with PM10 and noise; a damaged one does not fit its CRC."""
    cp = f"DataTime={at.astimezone(DEVICE_TIME):%Y%m%d%H%M%S};a34002-Rtd={pm10},a34002-Flag=N;LA-Rtd={noise},LA-Flag=N"
    whole = encode(Packet(HJ212, "2011", "39", qn(at), "", 9, 2025, cp=cp), Profile())
    return whole.replace(b"LA-Rtd=6", b"LA-Rtd=7") if damaged else whole


def body(at: datetime, pm10: Any, noise: Any = 60.0) -> dict[str, Any]:
    """What a site box sends."""
    return {"time": at.isoformat(), "values": {"a34002": pm10, "LA": noise}}


def instrument(port: int, begin: datetime) -> None:
    """Damaged, far ahead, no number and out of range; then what is right."""
    talker = Talker(port)
    for n in range(ROUNDS):
        at = begin + timedelta(seconds=10 * n)
        talker.socket.sendall(
            frame(at + timedelta(seconds=1), WRONG, damaged=True) + frame(at + HOUR, WRONG)
            + frame(at + timedelta(seconds=2), -WRONG, noise=999.0) + frame(at + timedelta(seconds=9), 10.0 + n)
        )  # fmt: skip
        # Three are acknowledged, and once the device is told the time.
        assert [answer.cn for answer in talker.answers(4 if n == 0 else 3)].count("9014") == 3
    talker.socket.close()


def web_box(port: int, begin: datetime) -> None:
    """No JSON, a stranger's token, far ahead, no number and out of range; then what is right."""

    def post(what: Any, token: str = TOKEN) -> int:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
        data = what if isinstance(what, bytes) else json.dumps({"device": HTTP, "records": what}).encode()
        link.request("POST", "/readings", data, {"Authorization": f"Bearer {token}"})
        status = link.getresponse().status
        link.close()
        return status

    for n in range(ROUNDS):
        at = begin + timedelta(seconds=10 * n)
        assert post(b'{"device": ') == 422
        assert post([body(at + timedelta(seconds=3), WRONG)], token="guessed") == 401
        assert post([body(at + HOUR, WRONG), body(at + timedelta(seconds=2), "much", 999.0)]) == 200
        assert post([body(at + timedelta(seconds=9), 20.0 + n)]) == 200


def broker_box(port: int, begin: datetime) -> None:
    """No record, another's name, far ahead, no number and out of range; then what is right."""
    box = Box(port, MQTT)
    try:
        for n in range(ROUNDS):
            at = begin + timedelta(seconds=10 * n)
            box.deliver(
                {"values": {"a34002": WRONG}}, {"device": HTTP, **body(at + timedelta(seconds=3), WRONG)},
                body(at + HOUR, WRONG), body(at + timedelta(seconds=2), "much", 999.0),
                body(at + timedelta(seconds=9), 30.0 + n),
            )  # fmt: skip
    finally:
        box.end()


def terminal(port: int, begin: datetime) -> None:
    """Damaged, far ahead and nowhere on earth; then what is right."""
    truck = Terminal(port, TRUCK)
    truck.enter()
    for n in range(ROUNDS):
        at = begin + timedelta(seconds=10 * n)
        damaged = bytearray(truck.frames(0x0200, b"\0" * 28)[0])
        damaged[5] ^= 1
        truck.socket.sendall(bytes(damaged))
        fixes = (
            position(at + HOUR, 1.0, 1.0, speed=99.0), position(at + timedelta(seconds=2), 190.0, 95.0, speed=99.0),
            position(at + timedelta(seconds=9), 107.5 + n / 1000, 31.2, speed=30.0 + n),
        )  # fmt: skip
        serials = truck.locate(*fixes)
        answered: list[int] = []
        while len(answered) < len(serials):
            some = truck.acknowledged(1)
            answered += some
            assert some or n == 0, "only the time is told besides"
        assert sorted(answered) == sorted(serials)
    truck.socket.close()


@pytest.mark.covers("LN-027")
def test_what_is_valid_of_all_protocols_is_stored_and_shown_and_nothing_else(city: City) -> None:
    begin = now() - timedelta(minutes=5)
    speakers: dict[str, Callable[[int, datetime], None]] = {
        "hj212": instrument, "http": web_box, "mqtt": broker_box, "jt808": terminal,
    }  # fmt: skip
    faults: list[BaseException] = []
    together = threading.Barrier(len(speakers))

    def speak(protocol: str) -> None:
        together.wait()
        try:
            speakers[protocol](city.ports[protocol], begin)
        except BaseException as fault:  # told by the test, not by the thread
            faults.append(fault)

    threads = [threading.Thread(target=speak, args=[protocol]) for protocol in speakers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    if faults:
        raise faults[0]

    # Good values are stored and count; what is out of range or no number is there with its mark, the rest not at all.
    for tens, (protocol, number) in enumerate(AT_MONITORS.items(), 1):
        right = [
            (code, begin + timedelta(seconds=10 * n + 9), value)
            for n in range(ROUNDS)
            for code, value in (("LA", 60.0), ("a34002", 10.0 * tens + n))
        ]

        def good(protocol: str = protocol, number: str = number) -> list[Any]:
            return [row[:3] for row in stored(city.server, protocol, number) if row[3] == 0]

        until(lambda good=good, right=right: len(good()) >= len(right))
        assert good() == right, protocol
        marked = [row for row in stored(city.server, protocol, number) if row[3]]
        assert {(code, at) for code, at, _value, _mark in marked} == {
            (code, begin + timedelta(seconds=10 * n + 2)) for n in range(ROUNDS) for code in ("LA", "a34002")
        }
    apart = city.server.sql(
        "select d.number, count(distinct q.said_at) from telemetry_quarantined q"
        " join telemetry_device d on d.id = q.device where d.number = any(%s) group by 1",
        list(AT_MONITORS.values()),
    )
    assert dict(apart) == dict.fromkeys(AT_MONITORS.values(), ROUNDS), "clocks far ahead"
    places = city.server.sql(
        "select at, speed from positions_position p join telemetry_device d on d.id = p.device"
        " where d.number = %s and p.quality = 0 order by at", TRUCK,
    )  # fmt: skip
    assert places == [(begin + timedelta(seconds=10 * n + 9), 30.0 + n) for n in range(ROUNDS)]

    # On the panels: the last good values, the state, and nothing of what was wrong.
    last = ROUNDS - 1
    for tens, number in enumerate(AT_MONITORS.values(), 1):
        wanted = {"state": "在线", "pm10": f"{10 * tens + last}.0 µg/m³", "noise": "60.0 dB(A)"}
        assert wanted.items() <= city.shown("monitors", number, wanted).items()
    wanted = {"state": "运输", "speed": f"{30 + last}.0 km/h", "place": "107.507,31.2"}
    assert wanted.items() <= city.shown("mixer_trucks", TRUCK, wanted).items()
