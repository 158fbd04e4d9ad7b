"""Sewage works that speak HJ 212 from outside: water at both ends, states of machines, faults on demand."""

import socket
from datetime import UTC, datetime, timedelta

import pytest

from ingest.protocols.hj212.packets import Packet
from ingest.protocols.hj212.replies import DEVICE_TIME, qn
from ingest.simulators.hj212 import Instrument
from ingest.simulators.water import Water, Works
from ingest.simulators.works import Process
from services.telemetry.states import FAILED
from tests.ingest.gateways.boxes import until
from tests.ingest.gateways.conftest import PASSWORD, Gateway, Talker, now
from tests.ingest.gateways.test_gaps import living

pytestmark = pytest.mark.django_db
SIGNALS = ("SB1", "SB2", "SB3")


def said(mn: str, at: datetime, states: str, cn: str = "2021") -> Packet:
    cp = f"DataTime={at.astimezone(DEVICE_TIME):%Y%m%d%H%M%S};{states}"
    return Packet(mn, cn, "52", qn(at), PASSWORD, 5, 2017, cp=cp)


def test_states_of_machines_are_stored_before_they_are_acknowledged(gateway: Gateway) -> None:
    gateway.register("PUMPS")
    talker, at = Talker(gateway.port), now()

    def acknowledged() -> bool:
        talker.send(said("PUMPS", at, "SB1-RS=1;SB2-RS=4"))
        return bool(talker.answers(1, 1))

    assert until(acknowledged)
    assert gateway.readings("PUMPS") == [("SB1-RS", at, 1.0), ("SB2-RS", at, 4.0), ("faults", at, 1.0)]
    (kinds,) = gateway.server.sql(
        "select array_agg(distinct averaging) from telemetry_factor where code in ('SB1-RS', 'SB2-RS')"
    )
    assert kinds == (["state"],)


def test_a_simulated_works_sends_water_level_energy_and_states(gateway: Gateway) -> None:
    for mn in ("RAWWATER", "CLEANWATER", "WORKS"):
        gateway.register(mn)
    gateway.server.sql("""update telemetry_device set units = '{"w00000": "L/s"}' where number like '%%WATER'""")
    raw = Instrument("RAWWATER", PASSWORD, source=Water("s", 100.0, treated=False), st="32", interval=1)
    clean = Instrument(
        "CLEANWATER", PASSWORD, source=Water("s", 100.0, treated=True), st="32", interval=1, version=2025
    )
    works = Process("WORKS", PASSWORD, Works("s", 100.0, SIGNALS), interval=1)
    with living(raw, gateway.port), living(clean, gateway.port), living(works, gateway.port):
        assert until(lambda: all(len(gateway.readings(mn)) > 8 for mn in ("RAWWATER", "CLEANWATER", "WORKS")), 60)
    water = {"w00000", "w01001", "w01010", "w01018", "w21001", "w21003", "w21011"}
    assert {code for code, _at, _value in gateway.readings("RAWWATER")} == water
    assert {code for code, _at, _value in gateway.readings("CLEANWATER")} == water
    assert {code for code, _at, _value in gateway.readings("WORKS")} == {
        "level", "power", "energy", "faults", *(f"{signal}-RS" for signal in SIGNALS),
    }  # fmt: skip
    entering, leaving = (
        next(value for code, _at, value in gateway.readings(mn) if code == "w01018")
        for mn in ("RAWWATER", "CLEANWATER")
    )
    assert leaving < 50 < entering
    bad = gateway.server.sql(
        "select count(*) from telemetry_reading r join telemetry_device d on d.id = r.device"
        " where d.number in ('RAWWATER', 'CLEANWATER', 'WORKS') and r.quality <> 0"
    )
    assert bad == [(0,)]


def test_a_treatment_fails_on_demand_within_half_an_hour() -> None:
    begun = datetime(2026, 11, 20, 4, tzinfo=UTC)
    well, ill = (Water("s", 100.0, treated=True, faults=some, begun=begun) for some in ((), ("upset",)))
    raw = Water("s", 100.0, treated=False, faults=("upset",), begun=begun)
    later = begun + timedelta(hours=1)
    assert ill.values(begun)["w01018"] < 50 and well.values(later)["w01018"] < 50
    assert ill.values(later)["w01018"] > 45 and ill.values(later)["w01018"] > 2 * well.values(later)["w01018"]
    assert raw.values(later)["w01018"] < 450, "what comes in is as ever"


def test_machines_trip_on_demand_and_else_follow_their_rhythm() -> None:
    begun = datetime(2026, 11, 20, 4, tzinfo=UTC)
    calm, tripped = (Works("s", 100.0, SIGNALS, faults=some, begun=begun) for some in ((), ("trip",)))
    minutes = [begun + timedelta(minutes=m) for m in range(3, 63)]
    assert all(calm.states(at) == Works("s", 100.0, SIGNALS).states(at) for at in minutes)
    failed = [at for at in minutes if tripped.states(at)["SB1"] == FAILED]
    assert len(failed) == 40, "ten minutes of fifteen"
    assert all(tripped.states(at)["SB3"] == calm.states(at)["SB3"] for at in minutes)


def test_the_meter_never_goes_back_and_agrees_with_the_power() -> None:
    works = Works("s", 100.0, SIGNALS)
    # Over midnight in China.
    begin = datetime(2026, 11, 20, 15, tzinfo=UTC)
    said = [works.values(begin + timedelta(minutes=m)) for m in range(121)]
    readings = [each["energy"] for each in said]
    assert readings == sorted(readings)
    assert readings[-1] - readings[0] == pytest.approx(sum(each["power"] for each in said[:-1]) / 60, rel=0.01)
    assert (readings[-1] - readings[0]) / 2 == pytest.approx(0.28 * 360, rel=0.8), "0.28 kWh for each cubic metre"


def test_after_an_outage_states_are_sent_late(gateway: Gateway) -> None:
    gateway.register("LATEWORKS")
    works = Process("LATEWORKS", PASSWORD, Works("s", 50.0, SIGNALS), interval=3600)
    at = now() - timedelta(minutes=30)
    works.measure(at)
    with living(works, gateway.port):
        assert until(lambda: len(gateway.readings("LATEWORKS")) >= 7, 60)
    assert {when for code, when, _value in gateway.readings("LATEWORKS") if code == "SB1-RS"} >= {at}


def test_a_broken_state_packet_is_not_acknowledged(gateway: Gateway) -> None:
    gateway.register("NOTIME")
    talker = Talker(gateway.port)
    good, bad = said("NOTIME", now(), "SB1-RS=1"), said("NOTIME", now(), "SB1-RS=1")._replace(cp="SB1-RS=1")

    def answered() -> bool:
        talker.send(good)
        return bool(talker.answers(1, 1))

    assert until(answered)
    talker.send(bad)
    assert talker.answers(1, 2) == []
    assert isinstance(talker.socket, socket.socket) and answered()
