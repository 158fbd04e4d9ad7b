"""The JT/T 808 gateway as terminals meet it: what it acknowledges is in the database, whatever happens."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings

from ingest.protocols.jt808 import from_platform, from_terminal
from ingest.protocols.jt808.messages import MessageId
from ingest.protocols.jt808.positions import build_position
from tests.conftest import Server, connect
from tests.ingest.gateways.boxes import free_port, until
from tests.ingest.gateways.conftest import Gateway, now
from tests.ingest.gateways.terminals import TOLD, Terminal, position

# The gateway has a database of its own, copied from the one that this mark has made.
pytestmark = pytest.mark.django_db
PHONES = {
    name: f"1390000{n:04}"
    for n, name in enumerate(
        ("KNOWN", "NEW", "CLOCK", "PARTS", "FLOOD", "CALM", "KILLED", "CUT", "OUT", "CODE", "BATCH", "BLOCKED")
    )
}


def register(gateway: Gateway, number: str, state: str = "active") -> None:
    """Make a device known; the gateway reads it within seconds."""
    gateway.server.sql(
        """
        insert into telemetry_device
            (protocol, number, name, state, secret, units, crc_mode, datatime_is, missing_flag, minute_span,
             "interval", base, back_days, sm4_key, created_at)
        values ('jt808', %s, '', %s, '', '{}', 'standard', 'start', 'N', 10, 30, 0, 30, '', now())
        """,
        number, state,
    )  # fmt: skip


@pytest.fixture(scope="module")
def running_jt808(server: Server) -> Iterator[Gateway]:
    found = Gateway(server, free_port(), "jt808")
    for name, phone in PHONES.items():
        register(found, phone, "blocked" if name == "BLOCKED" else "active")
    found.start()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.process.terminate()
        assert found.process.wait(20) == 0, "a gateway that is asked to end does so in good order"


@pytest.fixture
def gateway(running_jt808: Gateway) -> Gateway:
    """A gateway that runs."""
    if running_jt808.process is None or running_jt808.process.poll() is not None:
        running_jt808.start()
    return running_jt808


def stored(gateway: Gateway, phone: str) -> list[tuple[Any, ...]]:
    """(time, longitude, latitude, late) of what is stored of a terminal."""
    return gateway.server.sql(
        """
        select p.at, round(ST_X(p.geom)::numeric, 6)::float8, round(ST_Y(p.geom)::numeric, 6)::float8, p.late
        from positions_position p join telemetry_device d on d.id = p.device where d.number = %s order by p.at
        """,
        phone,
    )


@pytest.mark.parametrize("version", [None, 1], ids=["2013", "2019"])
def test_f15_a_terminal_registers_and_each_of_its_positions_is_stored_once(
    gateway: Gateway, version: int | None
) -> None:
    terminal, at = Terminal(gateway.port, PHONES["KNOWN"], version), now() - timedelta(hours=bool(version))
    code = terminal.enter()
    assert len(code) >= 16
    kept = gateway.server.sql("select secret from telemetry_device where number = %s", PHONES["KNOWN"])
    assert code not in kept[0][0], "the database keeps a digest, not the code"
    for _ in range(5):
        (serial,) = terminal.locate(position(at, 107.512345, 31.254321))
        assert terminal.acknowledged(1) == [serial]
    assert [row for row in stored(gateway, PHONES["KNOWN"]) if row[0] == at] == [
        (at, 107.512345, 31.254321, bool(version))
    ]
    heartbeat = terminal.send(MessageId.HEARTBEAT)
    assert terminal.acknowledged(1) == [heartbeat]


def test_nothing_is_taken_before_the_code_is_shown(gateway: Gateway) -> None:
    terminal, at = Terminal(gateway.port, PHONES["NEW"]), now()
    terminal.locate(position(at))
    assert terminal.answers(1, 2) == [] and stored(gateway, PHONES["NEW"]) == []
    terminal.enter()
    terminal.locate(position(at))
    assert len(terminal.acknowledged(1)) == 1 and len(stored(gateway, PHONES["NEW"])) == 1
    # The code outlives the connection.


def test_f26_a_wrong_code_is_refused_and_the_third_time_ends_the_connection(gateway: Gateway) -> None:
    first = Terminal(gateway.port, PHONES["CODE"])
    code = first.enter()
    first.socket.close()
    second = Terminal(gateway.port, PHONES["CODE"])
    assert second.authenticate(code) == 0, "the code outlives the connection"
    thief = Terminal(gateway.port, PHONES["CODE"])
    other = thief.register(replace(TOLD, terminal_id="T999999"))
    assert (other.result, other.code) == (from_platform.TERMINAL_TAKEN, "")
    assert [thief.authenticate(f"guess {n}") for n in range(2)] == [1, 1]
    thief.send(MessageId.AUTHENTICATE, b"guess again")
    assert thief.is_closed()
    second.locate(position(now()))
    assert len(second.acknowledged(1)) == 1


def test_f25_unknown_terminals_are_refused_and_listed_for_approval(gateway: Gateway) -> None:
    terminal = Terminal(gateway.port, "13911112222")
    assert terminal.register().result == from_platform.NO_TERMINAL
    terminal.locate(position(now()))
    assert terminal.answers(1, 1) == []
    until = time.monotonic() + 15
    while time.monotonic() < until and not (
        found := gateway.server.sql("select state, protocol from telemetry_device where number = '13911112222'")
    ):
        time.sleep(0.2)
    assert found == [("pending", "jt808")]
    assert Terminal(gateway.port, PHONES["BLOCKED"]).register().result == from_platform.NO_TERMINAL


def test_f14_a_wrong_clock_is_told_the_time_and_never_moves_the_latest(gateway: Gateway) -> None:
    terminal = Terminal(gateway.port, PHONES["CLOCK"])
    terminal.enter()
    right = now()
    terminal.locate(position(right), position(right + timedelta(days=1), 108.0), position(right - timedelta(days=366)))
    answers = terminal.answers(4)
    times = [message for message in answers if message.header.message_id == MessageId.TIME_REPLY]
    assert len(answers) == 4 and len(times) == 1, "once, not for each position"
    told = from_platform.parse_time(times[0].body)
    assert abs(told.at - datetime.now(UTC)) < timedelta(minutes=1)
    latest = gateway.server.sql(
        "select l.at from positions_latest l join telemetry_device d on d.id = l.device where d.number = %s",
        PHONES["CLOCK"],
    )
    assert latest == [(right,)]
    aside = gateway.server.sql(
        "select reason from positions_aside a join telemetry_device d on d.id = a.device where d.number = %s",
        PHONES["CLOCK"],
    )
    assert aside == [("clock",)] * 2


@pytest.mark.parametrize(("asked", "answered", "version"), [
    (MessageId.TIME_REQUEST_2019, MessageId.TIME_REPLY_2019, 1), (MessageId.TIME_REQUEST, MessageId.TIME_REPLY, None),
])  # fmt: skip
def test_a_terminal_may_ask_for_the_time(gateway: Gateway, asked: int, answered: int, version: int | None) -> None:
    terminal = Terminal(gateway.port, PHONES["CLOCK"], version)
    terminal.enter()
    terminal.send(asked)
    (message,) = terminal.answers(1)
    assert message.header.message_id == answered
    assert abs(from_platform.parse_time(message.body).at - datetime.now(UTC)) < timedelta(minutes=1)


def test_f17_a_long_batch_comes_in_parts_and_every_part_is_acknowledged_after_the_commit(gateway: Gateway) -> None:
    terminal, began = Terminal(gateway.port, PHONES["BATCH"]), now() - timedelta(days=2)
    terminal.enter()
    fixes = tuple(position(began + timedelta(seconds=30 * n), 107.4 + n * 1e-4) for n in range(60))
    body = from_terminal.build_batch(from_terminal.Batch(True, fixes))
    frames = terminal.frames(MessageId.LOCATION_BATCH, body)
    assert len(frames) == 2
    terminal.socket.sendall(frames[1])
    assert terminal.answers(1, 1) == [] and stored(gateway, PHONES["BATCH"]) == []
    terminal.socket.sendall(b"\x7enoise" + frames[0])
    assert len(terminal.acknowledged(2)) == 2
    found = stored(gateway, PHONES["BATCH"])
    assert [row[0] for row in found] == [fix.at for fix in fixes] and all(row[3] for row in found)
    terminal.socket.sendall(frames[1])
    assert len(terminal.acknowledged(1)) == 1, "a part that comes again is acknowledged again"
    assert len(stored(gateway, PHONES["BATCH"])) == 60


def test_f19_a_missing_part_is_asked_for(gateway: Gateway) -> None:
    terminal, began = Terminal(gateway.port, PHONES["PARTS"]), now() - timedelta(days=1)
    terminal.enter()
    fixes = tuple(position(began + timedelta(seconds=30 * n)) for n in range(90))
    frames = terminal.frames(MessageId.LOCATION_BATCH, from_terminal.build_batch(from_terminal.Batch(True, fixes)))
    terminal.socket.sendall(frames[0] + frames[2])
    (asked,) = terminal.answers(1, 20)
    assert asked.header.message_id == MessageId.RESEND_PARTS
    assert from_platform.parse_resend_parts(asked.body, False).numbers == (2,)
    terminal.socket.sendall(frames[1])
    assert len(terminal.acknowledged(3)) == 3 and len(stored(gateway, PHONES["PARTS"])) == 90


def test_f20_sets_that_cannot_be_end_the_connection(gateway: Gateway) -> None:
    terminal = Terminal(gateway.port, PHONES["PARTS"])
    terminal.enter()
    head = bytes.fromhex("07042001") + bytes.fromhex(PHONES["PARTS"].zfill(12)) + b"\0\1"
    from ingest.protocols.jt808.frames import frame

    for number in range(1, 4):
        terminal.socket.sendall(frame(head + b"\xff\xff" + number.to_bytes(2) + b"x"))
    assert terminal.is_closed()


def test_f23_noise_does_not_end_the_connection(gateway: Gateway) -> None:
    terminal = Terminal(gateway.port, PHONES["KNOWN"])
    terminal.enter()
    good = terminal.frames(MessageId.LOCATION, build_position(position(now() - timedelta(hours=3))))[0]
    broken = good[:20] + bytes((good[20] ^ 0x55,)) + good[21:]
    terminal.socket.sendall(b"noise" + broken + good[:15] + b"\x7e\x7e" + good)
    assert len(terminal.acknowledged(1)) == 1


def test_f21_a_flooding_terminal_is_slowed_down_and_others_are_heard(gateway: Gateway) -> None:
    flood, calm = Terminal(gateway.port, PHONES["FLOOD"]), Terminal(gateway.port, PHONES["CALM"])
    flood.enter()
    calm.enter()
    began = now() - timedelta(days=1)
    fixes = [position(began + timedelta(seconds=n)) for n in range(400)]
    feeding = threading.Thread(target=flood.locate, args=fixes)
    feeding.start()
    for number in range(5):
        calm.locate(position(now() - timedelta(minutes=number)))
        assert len(calm.acknowledged(1)) == 1
    feeding.join()
    assert len(flood.acknowledged(400, 60)) == 400
    assert len(stored(gateway, PHONES["FLOOD"])) == 400


def test_a_terminal_that_logs_out_must_register_again_and_another_may_take_its_place(gateway: Gateway) -> None:
    terminal = Terminal(gateway.port, PHONES["OUT"])
    code = terminal.enter()
    serial = terminal.send(MessageId.LOGOUT)
    assert terminal.acknowledged(1) == [serial]
    terminal.locate(position(now()))
    assert terminal.answers(1, 1) == []
    other = Terminal(gateway.port, PHONES["OUT"])
    assert other.authenticate(code) == 1
    other.enter(replace(TOLD, terminal_id="T000002"))


def test_f01_f12_a_lost_connection_and_a_held_table_lose_nothing(gateway: Gateway) -> None:
    terminal, began = Terminal(gateway.port, PHONES["CUT"]), now() - timedelta(days=2)
    terminal.enter()
    for number in range(4):
        gateway.server.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and application_name = 'zhutu gateway'"
        )
        terminal.locate(position(began + timedelta(seconds=number)))
        assert len(terminal.acknowledged(1, 30)) == 1
    with connect(gateway.server.database) as link, link.transaction():
        link.execute("lock table positions_latest in access exclusive mode")
        terminal.locate(position(began + timedelta(seconds=10)))
        assert terminal.answers(1, 2) == []
    assert len(terminal.acknowledged(1, 30)) == 1
    assert len(stored(gateway, PHONES["CUT"])) == 5


def test_f04_what_was_acknowledged_before_a_kill_is_stored_exactly_once(gateway: Gateway) -> None:
    began = now() - timedelta(days=4)
    fixes = {n: position(began + timedelta(seconds=n), 107.4 + n * 1e-4) for n in range(300)}
    first = Terminal(gateway.port, PHONES["KILLED"])
    code = first.enter()
    first.socket.close()
    unsent, done = dict(fixes), set()
    for round_ in range(4):
        terminal = Terminal(gateway.port, PHONES["KILLED"])
        assert terminal.authenticate(code) == 0
        # Fewer than the burst that is let through at once.
        some = list(unsent)[:150]
        serials = dict(zip(terminal.locate(*(unsent[n] for n in some)), some, strict=True))
        heard = terminal.acknowledged(20 if round_ < 3 else len(some), 30)
        if round_ < 3:
            gateway.kill()
            heard += terminal.acknowledged(300, 2)
        done |= {serials[serial] for serial in heard}
        times = [row[0] for row in stored(gateway, PHONES["KILLED"])]
        assert len(times) == len(set(times)) and {fixes[n].at for n in done} <= set(times), "I1"
        unsent = {n: fix for n, fix in fixes.items() if n not in done}
        if round_ < 3:
            gateway.start()
    while unsent:
        some = list(unsent)[:15]
        terminal.locate(*(unsent[n] for n in some))
        assert len(terminal.acknowledged(len(some), 30)) == len(some)
        unsent = {n: fix for n, fix in unsent.items() if n not in some}
    assert [row[0] for row in stored(gateway, PHONES["KILLED"])] == [fix.at for fix in fixes.values()], "I1, I2"


def test_f24_connections_that_say_nothing_take_the_room_of_nobody_else(gateway: Gateway) -> None:
    most = settings.GATEWAY_UNPROVED

    def connect_from(address: str) -> socket.socket:
        return socket.create_connection(("127.0.0.1", gateway.port), 10, (address, 0))

    known = Terminal(gateway.port, PHONES["CALM"])
    known.enter()
    storm = [connect_from("127.0.0.7") for _n in range(most)]
    for number, link in enumerate(storm):
        link.sendall(b"~\x01\x00\x00"[: number % 4 + 1])
    more = connect_from("127.0.0.7")
    more.settimeout(10)
    with suppress(ConnectionError):
        assert more.recv(1) == b"", "one more than may be open from an address is cut off"
    for address in ("127.0.0.1", "127.0.0.8"):
        other = Terminal(gateway.port, PHONES["CALM"])
        if address != "127.0.0.1":
            other.socket.close()
            other.socket = connect_from(address)
        assert isinstance(other.register(), from_platform.RegistrationReply)
        other.socket.close()
    known.locate(position(now()))
    assert len(known.acknowledged(1)) == 1, "who has shown its code is not counted"
    for link in storm:
        link.close()

    def served() -> bool:
        again = connect_from("127.0.0.7")
        again.settimeout(0.5)
        try:
            return again.recv(1) != b""
        except TimeoutError:
            return True
        except ConnectionError:
            return False
        finally:
            again.close()

    assert until(served), "when they are gone there is room again"


def test_f21_f25_f26_an_address_of_strangers_and_guessers_is_cut_off_and_a_terminal_behind_it_is_served(
    gateway: Gateway,
) -> None:
    address = "127.0.0.9"
    known = Terminal(gateway.port, PHONES["CALM"], address=address)
    known.enter()
    cut = 0
    for n in range(settings.GATEWAY_REFUSALS + 60):
        stranger = Terminal(gateway.port, f"0199{n:08}", address=address)
        with suppress(ConnectionError):
            stranger.send(MessageId.LOCATION, build_position(position(now())))
        if n >= settings.GATEWAY_REFUSALS:
            cut += stranger.is_closed(1)
        stranger.socket.close()
        if cut == 8:
            break
    assert cut == 8, "each ends with its first frame"
    known.locate(position(now()))
    assert len(known.acknowledged(1)) == 1, "who has shown its code is served"
    known.socket.close()
    again = Terminal(gateway.port, PHONES["CALM"], address=address)
    again.enter()
    again.locate(position(now()))
    assert len(again.acknowledged(1)) == 1, "and comes in again"
    again.socket.close()
