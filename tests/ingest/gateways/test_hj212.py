"""The HJ 212 gateway as devices meet it: what it acknowledges is in the database, whatever happens."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from ingest.gateways.spoiled import TRIES
from ingest.protocols.hj212.profile import Profile
from ingest.protocols.hj212.replies import DEVICE_TIME
from tests.conftest import connect
from tests.ingest.gateways.conftest import KEY, Gateway, Talker, now, packet

# The gateway has a database of its own, copied from the one that this mark has made.
pytestmark = pytest.mark.django_db


def test_f15_an_acknowledged_packet_is_stored_once_however_often_it_comes(gateway: Gateway) -> None:
    talker, sent = Talker(gateway.port), packet("KNOWN", now())
    for _ in range(5):
        talker.send(sent)
        (answer,) = talker.answers(1)
        assert (answer.cn, answer.st, answer.qn, answer.mn) == ("9014", "91", sent.qn, "KNOWN")
        found = [(code, value) for code, at, value in gateway.readings("KNOWN") if at == now_of(sent.qn)]
        assert found == [("LA", 63.5), ("a34002", 88.0)]


def test_a_packet_that_wants_no_acknowledgement_is_stored_without(gateway: Gateway) -> None:
    talker, at = Talker(gateway.port), now() - timedelta(hours=2)
    talker.send(packet("KNOWN", at, flag=8), packet("KNOWN", at + timedelta(minutes=1)))
    assert len(talker.answers(2, 3)) == 1
    assert {at, at + timedelta(minutes=1)} <= {row[1] for row in gateway.readings("KNOWN")}


@pytest.mark.parametrize("mn", ["NOBODY", "BLOCKED"])
def test_f25_who_is_not_admitted_hears_nothing_and_leaves_nothing(gateway: Gateway, mn: str) -> None:
    talker = Talker(gateway.port)
    talker.send(packet(mn, now()))
    assert talker.answers(1, 2) == []
    assert gateway.readings(mn) == []
    state = "pending" if mn == "NOBODY" else "blocked"
    until = time.monotonic() + 15
    while time.monotonic() < until and not (
        found := gateway.server.sql("select state from telemetry_device where number = %s", mn)
    ):
        time.sleep(0.2)
    assert found == [(state,)]


def test_f26_a_wrong_password_hears_nothing(gateway: Gateway) -> None:
    talker, at = Talker(gateway.port), now() - timedelta(hours=3)
    talker.send(packet("KNOWN", at, password="654321"))
    assert talker.answers(1, 2) == []
    assert at not in {row[1] for row in gateway.readings("KNOWN")}


def test_a_device_with_settings_that_cannot_be_is_refused_and_the_connection_stays(gateway: Gateway) -> None:
    talker = Talker(gateway.port)
    talker.send(packet("WRONG", now()))
    assert talker.answers(1, 2) == [] and gateway.readings("WRONG") == []
    talker.send(packet("KNOWN", now() - timedelta(hours=5)))
    assert [answer.mn for answer in talker.answers(1)] == ["KNOWN"]


def test_a_connection_speaks_for_one_device(gateway: Gateway) -> None:
    talker, at = Talker(gateway.port), now() - timedelta(hours=4)
    talker.send(packet("KNOWN", at), packet("CALM", at))
    assert [answer.mn for answer in talker.answers(2, 3)] == ["KNOWN"]
    assert at not in {row[1] for row in gateway.readings("CALM")}


def test_f14_a_device_with_a_wrong_clock_is_told_the_time_and_never_moves_latest(gateway: Gateway) -> None:
    talker = Talker(gateway.port)
    right, ahead = packet("CLOCK", now()), packet("CLOCK", now() + timedelta(days=1), 99.0)
    talker.send(right, ahead)
    answers = {answer.cn: answer for answer in talker.answers(3)}
    assert set(answers) == {"9014", "1012"}
    assert (answers["1012"].parameter("SystemTime") or "")[:10] == right.qn[:10]
    latest = gateway.server.sql(
        "select value from telemetry_latest l join telemetry_device d on d.id = l.device"
        " join telemetry_factor f on f.id = l.factor where d.number = 'CLOCK' and f.code = 'a34002'"
    )
    assert latest == [(88.0,)]


def test_f20_sets_that_cannot_be_end_the_connection(gateway: Gateway) -> None:
    talker = Talker(gateway.port)
    for number in range(3):
        at = now() - timedelta(minutes=number)
        for total in (3, 2):
            talker.send(packet("PARTS", at, flag=11, pnum=total, pno=1))
    assert talker.is_closed()


def test_f19_f23_a_set_in_parts_between_noise_is_stored_whole(gateway: Gateway) -> None:
    talker, at = Talker(gateway.port), now()
    first, second = packet("NOISE", at, flag=11, pnum=2, pno=1), packet("NOISE", at, flag=11, pnum=2, pno=2)
    second = second._replace(cp="a34004-Rtd=31.0,a34004-Flag=N")
    talker.socket.sendall(b"\x00noise##0")
    talker.send(second)
    assert talker.answers(1, 1) == [] and gateway.readings("NOISE") == []
    talker.send(first)
    assert [answer.cn for answer in talker.answers(1)] == ["9014"]
    assert {code for code, _at, _value in gateway.readings("NOISE")} == {"LA", "a34002", "a34004"}


def test_f35_an_encrypted_packet_needs_the_right_key(gateway: Gateway) -> None:
    at = now()
    wrong, right = Talker(gateway.port, Profile(key=b"x" * 16)), Talker(gateway.port, Profile(key=KEY))
    wrong.send(packet("SECRET", at), encrypt=True)
    assert wrong.answers(1, 2) == [] and gateway.readings("SECRET") == []
    right.send(packet("SECRET", at), encrypt=True)
    assert [answer.cn for answer in right.answers(1)] == ["9014"]
    assert len(gateway.readings("SECRET")) == 2


def irregular(gateway: Gateway, mn: str) -> list[str]:
    """What was reported of a device."""
    query = (
        "select r.subject from alarms_report r join telemetry_device d on d.id = r.device"
        " where d.protocol = 'hj212' and d.number = %s"
    )
    return [subject for (subject,) in gateway.server.sql(query, mn)]


def test_f21_a_flooding_device_is_slowed_down_and_others_are_heard(gateway: Gateway) -> None:
    flood, calm = Talker(gateway.port), Talker(gateway.port)
    began = now() - timedelta(days=1)
    packets = [packet("FLOOD", began + timedelta(seconds=n)) for n in range(400)]
    feeding = threading.Thread(target=flood.send, args=packets)
    feeding.start()
    for number in range(5):
        calm.send(packet("CALM", now() - timedelta(minutes=number)))
        assert len(calm.answers(1)) == 1
    feeding.join()
    answered = flood.answers(400, 60)
    assert len(answered) == 400
    assert len({row[1] for row in gateway.readings("FLOOD")}) == 400
    until = time.monotonic() + 20
    while not (reported := irregular(gateway, "FLOOD")) and time.monotonic() < until:
        time.sleep(0.2)
    assert set(reported) == {"flood"}, "of which the alarms make one"
    assert "flood" not in irregular(gateway, "CALM")


def test_f01_f09_a_lost_database_connection_loses_nothing(gateway: Gateway) -> None:
    talker = Talker(gateway.port)
    began = now() - timedelta(days=2)
    acknowledged = 0
    for number in range(8):
        cut_connections(gateway)
        talker.send(packet("CUT", began + timedelta(seconds=number)))
        acknowledged += len(talker.answers(1, 30))
    assert acknowledged == 8
    assert len({row[1] for row in gateway.readings("CUT")}) == 8


def test_f27_what_the_database_refuses_again_and_again_is_put_aside_and_holds_nobody_up(gateway: Gateway) -> None:
    began, poison = now() - timedelta(days=5), 666.0
    gateway.server.sql("alter table telemetry_reading add constraint poison check (value <> 666)")
    try:
        talker = Talker(gateway.port)
        packets = [packet("SPOILED", began + timedelta(seconds=n), poison if n == 57 else 50.0) for n in range(100)]
        talker.send(*packets)
        assert len(talker.answers(100, 15)) == 99, "one of a hundred is not acknowledged"
        for _again in range(TRIES - 2):
            talker.send(packets[57])
            assert talker.answers(1, 2) == []
        talker.send(packets[57])
        (answer,) = talker.answers(1, 15)
        assert answer.qn == packets[57].qn, "the last try is taken"
    finally:
        gateway.server.sql("alter table telemetry_reading drop constraint poison")
    stored = {row[1] for row in gateway.readings("SPOILED")}
    assert stored == {began + timedelta(seconds=n) for n in range(100) if n != 57}
    aside = gateway.server.sql(
        "select code, said_at, value, reason from telemetry_quarantined q join telemetry_device d on d.id = q.device"
        " where d.number = 'SPOILED' order by code"
    )
    at = began + timedelta(seconds=57)
    assert aside == [("LA", at, 63.5, "refused"), ("a34002", at, poison, "refused")]


def test_f12_nothing_is_acknowledged_while_somebody_holds_a_table(gateway: Gateway) -> None:
    talker, at = Talker(gateway.port), now() - timedelta(days=3)
    with locked(gateway):
        talker.send(packet("CUT", at))
        assert talker.answers(1, 3) == []
    assert len(talker.answers(1, 30)) == 1
    assert at in {row[1] for row in gateway.readings("CUT")}


def test_f04_what_was_acknowledged_before_a_kill_is_stored_exactly_once(gateway: Gateway) -> None:
    began = now() - timedelta(days=4)
    packets = {number: packet("KILLED", began + timedelta(seconds=number)) for number in range(300)}
    acknowledged: set[str] = set()
    unsent = dict(packets)
    for _round in range(3):
        talker = Talker(gateway.port)
        # Fewer than the burst that is let through at once.
        some = list(unsent.values())[:120]
        talker.send(*some)
        acknowledged |= {answer.qn for answer in talker.answers(30)}
        gateway.kill()
        acknowledged |= {answer.qn for answer in talker.answers(300, 2)}
        stored = [row[1] for row in gateway.readings("KILLED")]
        assert len(stored) == 2 * len(set(stored)), "I3: whole packets"
        assert {now_of(number) for number in acknowledged} <= set(stored), "I1"
        gateway.start()
        unsent = {number: sent for number, sent in packets.items() if sent.qn not in acknowledged}
    for first in range(0, len(unsent), 100):
        talker = Talker(gateway.port)
        talker.send(*list(unsent.values())[first : first + 100])
        talker.answers(100, 30)
    stored = [row[1] for row in gateway.readings("KILLED")]
    assert len(stored) == 600 and len(set(stored)) == 300, "I1, I2: all of them, each once"


def now_of(number: str) -> datetime:
    """The measuring time of a packet made by ``packet``, out of its QN."""
    return datetime.strptime(number[:14], "%Y%m%d%H%M%S").replace(tzinfo=DEVICE_TIME).astimezone(UTC)


def cut_connections(gateway: Gateway) -> None:
    """End every connection of the gateway to the database."""
    gateway.server.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and application_name = 'zhutu gateway'"
    )


@contextmanager
def locked(gateway: Gateway) -> Iterator[None]:
    """Hold what every batch writes to."""
    with connect(gateway.server.database) as link, link.transaction():
        link.execute("lock table telemetry_latest in access exclusive mode")
        yield
