"""Addresses that flood a gateway: they are cut off, everybody else is served, and so is who has shown its password."""

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
from django.conf import settings as configured

from ingest.gateways import addresses
from ingest.gateways.addresses import FEW, Addresses
from ingest.gateways.connection import OF_DEVICE
from ingest.gateways.hj212 import GUESSES
from tests.ingest.gateways.boxes import until
from tests.ingest.gateways.conftest import Gateway, Talker, now, packet

pytestmark = pytest.mark.django_db
SLOW = 5_000
"""Connections that say little."""


@pytest.fixture
def talk(gateway: Gateway) -> Iterator[Callable[..., Talker]]:
    """``talk(address)`` connects from there; closed at the end, for a device has one address at a time."""
    opened: list[Talker] = []

    def connect(address: str = "127.0.0.1") -> Talker:
        opened.append(Talker(gateway.port, address=address))
        return opened[-1]

    yield connect
    for talker in opened:
        talker.socket.close()


Talk = Callable[..., Talker]


def served(talker: Talker, mn: str, minutes: int = 0) -> bool:
    """Whether a packet is acknowledged."""
    talker.send(packet(mn, now() - timedelta(minutes=minutes)))
    return len(talker.answers(1, 15)) == 1


def test_f24_five_thousand_connections_of_one_address_that_say_little_leave_everybody_served(
    gateway: Gateway, talk: Talk
) -> None:
    address = "127.0.0.7"
    before = talk(address)
    assert served(before, "KNOWN")
    storm, refused = [], 0
    try:
        for _n in range(SLOW):
            link = socket.create_connection(("127.0.0.1", gateway.port), 10, (address, 0))
            link.settimeout(0)
            try:
                link.send(b"#")
                if len(storm) >= configured.GATEWAY_UNPROVED:
                    link.settimeout(10)
                    assert link.recv(1) == b""
                    raise ConnectionResetError
                storm.append(link)
            except ConnectionError:
                refused += 1
                link.close()
        assert (len(storm), refused) == (configured.GATEWAY_UNPROVED, SLOW - configured.GATEWAY_UNPROVED)
        assert served(before, "KNOWN", 1), "who has shown its password keeps its service"
        assert served(talk("127.0.0.8"), "CALM")
    finally:
        for link in storm:
            link.close()
    assert until(lambda: served(talk(address), "KNOWN", 2)), "then there is room again"


def test_f21_f25_an_address_of_strangers_is_cut_off_and_a_device_behind_it_is_served(talk: Talk) -> None:
    address = "127.0.0.9"
    known = talk(address)
    assert served(known, "KNOWN", 2)
    flood = talk(address)
    with suppress(ConnectionError):
        for n in range(configured.GATEWAY_REFUSALS + 20):
            flood.send(packet(f"STRANGER-{n}", now()))
    assert flood.is_closed()
    # A second gives two frames back.
    cut = 0
    for n in range(30):
        again = talk(address)
        with suppress(ConnectionError):
            again.send(packet(f"STRANGER-{n}", now()))
        cut += again.is_closed(1)
        again.socket.close()
        if cut >= FEW:
            break
    assert cut >= FEW, "each ends with its first frame"
    assert served(known, "KNOWN", 3)
    assert served(talk(address), "PARTS", 4), "a device behind the same address comes in"
    assert served(talk("127.0.0.8"), "CALM", 5)


def test_f26_a_password_is_not_guessed_and_the_device_is_served_meanwhile(gateway: Gateway, talk: Talk) -> None:
    device, thief = talk(), talk("127.0.0.10")
    for n in range(int(GUESSES) + 1):
        thief.send(packet("GUESSED", now(), password=f"{n:06}"))
    thief.send(packet("GUESSED", now()))
    assert thief.answers(1, 2) == [], "after so many not even the right one counts"
    assert served(device, "GUESSED", 1)

    def reported() -> bool:
        query = "select 1 from alarms_report r join telemetry_device d on d.id = r.device where d.number = 'GUESSED'"
        return bool(gateway.server.sql(f"{query} and r.subject = 'password'"))

    assert until(reported), "and somebody hears of it"


def test_f21_a_device_has_few_connections_however_many_it_opens(talk: Talk) -> None:
    talkers = []
    for n in range(OF_DEVICE + 2):
        talkers.append(talk())
        assert served(talkers[-1], "MANIFOLD", n)
        time.sleep(0.01)
    assert [talker.is_closed(2) for talker in talkers[:2]] == [True, True], "those that have been silent longest end"
    assert served(talkers[2], "MANIFOLD", 30) and served(talkers[-1], "MANIFOLD", 31)


def test_an_address_is_a_network_of_ipv6_and_limits_are_settings(settings: object) -> None:
    assert addresses.of("2001:db8:1:2:3::4") == addresses.of("2001:db8:1:2::9") != addresses.of("2001:db8:1:3::9")
    assert addresses.of("::ffff:10.0.0.1") == addresses.of("10.0.0.1") == "10.0.0.1"
    assert addresses.of("") == ""
    settings.GATEWAY_TRUSTED = ["10.1.0.0/16", "::1", "2001:db8:1::/48"]  # type: ignore[attr-defined]
    settings.GATEWAY_UNPROVED, settings.GATEWAY_CONNECTIONS = 20, 30  # type: ignore[attr-defined]
    settings.GATEWAY_REFUSALS = 5  # type: ignore[attr-defined]
    counts: Counter[str] = Counter()
    found = Addresses(counts)
    for trusted in ("10.1.2.3", "::1", "2001:db8:1:2::9", "::ffff:10.1.2.3"):
        assert all(found.came(trusted) and found.forgives(trusted) for _n in range(100)), trusted
    assert [found.came("10.2.0.1") for _n in range(21)].count(True) == 20
    for _n in range(20):
        found.proved("10.2.0.1")
    assert [found.came("10.2.0.1") for _n in range(21)].count(True) == 10, "thirty in all"
    found.left("10.2.0.1", unproved=False)
    assert found.came("10.2.0.1") and not found.came("10.2.0.1")
    assert [found.forgives("10.3.0.1") for _n in range(6)] == [True] * 5 + [False]
    assert [found.came("10.3.0.1") for _n in range(FEW + 1)].count(True) == FEW
    assert counts["address without allowance"] == 1
