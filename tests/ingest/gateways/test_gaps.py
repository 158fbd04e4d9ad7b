"""What is missing is asked for over the open connection, and what a device says besides data is answered."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ingest.protocols.hj212.packets import Packet
from ingest.protocols.hj212.replies import qn
from ingest.simulators.hj212 import Instrument
from services.telemetry import gaps, rollups
from services.telemetry.spans import Span
from tests.conftest import connect
from tests.ingest.gateways.boxes import until
from tests.ingest.gateways.conftest import PASSWORD, Gateway, Talker, now, packet

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@contextmanager
def living(instrument: Instrument, port: int) -> Iterator[None]:
    """The device lives beside the test."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(instrument.run("127.0.0.1", port))

    def live() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)


def minutes(gateway: Gateway, mn: str) -> dict[datetime, bool]:
    """The minutes that are stored of a device, and whether they came late."""
    return dict(
        gateway.server.sql(
            "select r.at, bool_and(r.late) from telemetry_reading r join telemetry_device d on d.id = r.device"
            " where d.number = %s and r.span = %s group by r.at",
            mn, Span.MINUTE,
        )
    )  # fmt: skip


def hour_of(link: psycopg.Connection, mn: str, at: datetime) -> tuple[Any, ...]:
    """(valid values, revised) of the hour's PM10."""
    found = link.execute(
        "select r.n_valid, r.revised from telemetry_rollup r join telemetry_device d on d.id = r.device"
        " join telemetry_factor f on f.id = r.factor where d.number = %s and r.at = %s and r.span = 2"
        " and f.code = 'a34002'",
        [mn, at],
    ).fetchone()
    assert found is not None
    return found


@pytest.mark.covers("DZ-095", "DZ-096")
def test_f17_a_gap_is_found_asked_for_filled_and_its_hour_is_computed_again(gateway: Gateway) -> None:
    hour = now().replace(minute=0, second=0) - timedelta(hours=1)
    lost = {hour + n * MINUTE for n in range(10, 30)}
    gateway.register("GAPPY")
    gateway.server.sql("update telemetry_device set minute_span = 1, base = 1 where number = 'GAPPY'")
    instrument = Instrument("GAPPY", PASSWORD, version=2025, interval=3600, minutes=1)
    end = datetime.now(UTC)
    at = hour
    while at <= end:
        # The mean of a minute goes out with the first value of the next one.
        instrument.measure(at, sent=at - MINUTE not in lost)
        at += MINUTE
    instrument.measure(end, sent=False)
    kept = {hour + n * MINUTE for n in range((end - hour) // MINUTE)} - lost
    with living(instrument, gateway.port):
        assert until(lambda: minutes(gateway, "GAPPY").keys() >= kept, 60)
    assert not minutes(gateway, "GAPPY").keys() & lost
    # Nothing was expected of it so far.
    gateway.server.sql("update telemetry_device set created_at = %s where number = 'GAPPY' returning 1", hour)
    with connect(gateway.server.database) as link:
        (device,) = link.execute("select id from telemetry_device where number = 'GAPPY'").fetchone() or (0,)
        (gap,) = gaps.find(link, [device])
        assert (gap.begin, gap.end, gap.span) == (min(lost), max(lost), "minute")
        rollups.mark(link, [device], hour, hour + timedelta(hours=1))
        rollups.compute(link)
        assert hour_of(link, "GAPPY", hour) == (40, False)
        instrument.measure(datetime.now(UTC))
        with living(instrument, gateway.port):
            assert until(lambda: minutes(gateway, "GAPPY").keys() >= lost, 60)
        assert all(minutes(gateway, "GAPPY")[at] for at in lost), "marked as late"
        rollups.compute(link)
        assert hour_of(link, "GAPPY", hour) == (60, True)
        assert gaps.find(link, [device]) == []


def test_a_device_that_has_nothing_is_asked_once_and_then_left_alone(gateway: Gateway) -> None:
    gateway.register("EMPTY")
    gateway.server.sql(
        "update telemetry_device set base = 2, created_at = now() - interval '5 hours' where number = 'EMPTY'"
    )
    talker = Talker(gateway.port)
    heard: list[Packet] = []

    def asked() -> list[Packet]:
        # A gateway that has seen the number before it was registered reads the list again after some seconds.
        talker.send(packet("EMPTY", now()))
        heard.extend(talker.answers(2, 3))
        return [said for said in heard if said.cn == "2061"]

    (question,) = until(asked, 60)
    assert (question.cn, question.st, question.mn) == ("2061", "39", "EMPTY")
    begin, end = question.parameter("BeginTime"), question.parameter("EndTime")
    assert begin is not None and end is not None and begin < end
    for cn, cp in (("9011", "QnRtn=1"), ("9012", "ExeRtn=100")):
        talker.send(Packet("EMPTY", cn, "91", question.qn, PASSWORD, 8, 2025, cp=cp))
    assert talker.answers(1, 12) == []


@pytest.mark.parametrize("cn", ["2021", "2041", "2081", "3020"])
def test_what_else_a_device_sends_is_acknowledged_where_it_asks_for_it(gateway: Gateway, cn: str) -> None:
    talker, number = Talker(gateway.port), qn(now())
    for flag, answers in ((9, 1), (8, 0)):
        talker.send(Packet("KNOWN", cn, "39", number, PASSWORD, flag, 2025, cp="DataTime=20261127101500;SB1-RS=1"))
        assert [(answer.cn, answer.qn) for answer in talker.answers(1, 10 if answers else 1)] == [
            ("9014", number)
        ] * answers


def test_f26_a_second_address_is_refused_until_the_first_is_silent(gateway: Gateway) -> None:
    gateway.register("MOVED")
    gateway.server.sql("update telemetry_device set interval = 2 where number = 'MOVED'")
    first, second = Talker(gateway.port), Talker(gateway.port)
    second.socket.close()
    second.socket = socket.create_connection(("127.0.0.1", gateway.port), 10, source_address=("127.0.0.2", 0))
    assert until(lambda: gateway.server.sql("select 1 from telemetry_device where number = 'MOVED'"))

    def says(talker: Talker) -> bool:
        talker.send(packet("MOVED", now()))
        return bool(talker.answers(1, 0.8))

    assert until(lambda: says(first))
    assert not says(second)
    assert says(first)
    assert until(lambda: says(second), 10, every=1.0)
    assert first.is_closed()
    assert says(second)


def test_the_end_of_one_connection_leaves_the_device_present_on_its_other(gateway: Gateway) -> None:
    old, new = Talker(gateway.port), Talker(gateway.port)
    old.send(packet("CALM", now()))
    assert old.answers(1)
    new.send(packet("CALM", now() - MINUTE))
    assert new.answers(1)
    old.socket.close()
    stranger = Talker(gateway.port)
    stranger.socket.close()
    stranger.socket = socket.create_connection(("127.0.0.1", gateway.port), 10, source_address=("127.0.0.2", 0))
    stranger.send(packet("CALM", now() - 2 * MINUTE))
    assert stranger.answers(1, 2) == []
    new.send(packet("CALM", now() - 3 * MINUTE))
    assert new.answers(1)
