"""F13: the clock of the whole machine, PostgreSQL included, jumps by an hour and back while devices send."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.ingest.gateways.boxes import until
from tests.ingest.gateways.conftest import Talker, now, packet
from tests.ingest.gateways.machine import Device, Machine

HOUR = timedelta(hours=1)
JUMPS = (HOUR, -HOUR, timedelta(0))


SERVER = """
as_cluster() {{
  local -a user=()
  [ "$(id -u)" -ne 0 ] || user=(setpriv --reuid=postgres --regid=postgres --init-groups --)
  (cd / && "${{user[@]}}" env LD_PRELOAD={library} "$@")
}}
"""
"""PostgreSQL's programs with the library."""
LAUNCH = """
import runpy, sys, threading, time
time.sleep = lambda seconds: threading.Event().wait(seconds)
sys.argv = ["manage.py", *sys.argv[1:]]
runpy.run_path("manage.py", run_name="__main__")
"""
"""``manage.py``; libfaketime 0.9.10 mistakes the moment until which ``time.sleep`` waits, and it fails at once."""
READ_AGAIN = 2.0
"""Seconds after which every process has read the file again."""


class Clock:
    """What every process on the machine takes for the time: the true one, and so much more."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(timedelta(0))

    def set(self, ahead: timedelta) -> None:
        """From now on."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{ahead.total_seconds():+.0f}\n")
        new.chmod(0o644)
        new.replace(self.file)
        time.sleep(READ_AGAIN)


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    # Where the user of the cluster can read it.
    with TemporaryDirectory(prefix="zhutu-clock-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Clock(Path(folder) / "clock")


@pytest.fixture(scope="module")
def machine(clock: Clock) -> Iterator[Machine]:
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert libraries, "libfaketime is missing: make test"
    found = Machine(
        "-clock", FAKETIME_TIMESTAMP_FILE=str(clock.file), FAKETIME_CACHE_DURATION="1", FAKETIME_DONT_FAKE_MONOTONIC="1"
    )
    # The library itself cannot bear that a process becomes another user's: it comes after that.
    found.prelude = SERVER.format(library=libraries[0])
    found.environment["LD_PRELOAD"] = str(libraries[0])
    for program in (found.telemetry, found.alarms):
        program.command[1:2] = ["-c", LAUNCH]
    try:
        found.start()
        found.migrate()
        yield found
    finally:
        clock.set(timedelta(0))
        found.stop()


def ahead(machine: Machine) -> timedelta:
    """How far the clock of the server is from that of the test, to the minute."""
    (at,) = machine.sql("select clock_timestamp()")[0]
    return timedelta(minutes=round((at - now()) / timedelta(minutes=1)))


def test_f13_a_clock_that_jumps_loses_nothing_and_turns_nothing_round(machine: Machine, clock: Clock) -> None:
    for name in ("SERIES", "LIVE", "STEADY"):
        machine.register(name)
    machine.sql(
        """
        with m as (
            insert into environment_monitor (code, name, state, spot, maker)
            values ('SERIES', '', 'online', 'gate', '') on conflict (code) do update set maker = '' returning id
        ) update telemetry_device set feature = m.id from m where number = 'SERIES'
        """
    )
    machine.start_gateway()
    for program in (machine.telemetry, machine.alarms):
        program.start(lambda: True)
    # Measured three hours ago: no jump makes it a time to come.
    begin = (now() - 3 * HOUR).replace(minute=0, second=0)
    wanted = [begin + timedelta(seconds=6 * n) for n in range(600)]
    device = Device(machine.port, "SERIES", wanted, value=600.0)
    device.start()
    # One connection from the first to the last jump, and one packet of this moment after each.
    steady = Talker(machine.port)
    said: list[datetime] = []
    for number, jump in enumerate(JUMPS):
        clock.set(jump)
        assert until(lambda: ahead(machine) == jump)  # noqa: B023 - asked before the next jump
        for name in ("STEADY", "LIVE"):
            talker = steady if name == "STEADY" else Talker(machine.port)
            said.append(at := now() + timedelta(seconds=number))
            talker.send(packet(name, at))
            assert acknowledged(talker), f"{name} is answered while the clock is {jump} ahead"
        so_far = len(device.acknowledged)
        assert until(lambda so_far=so_far: not device.left or len(device.acknowledged) > so_far, 60)
    device.join(120)
    assert not device.left
    assert until(lambda: ahead(machine) == timedelta(0))

    assert sorted(machine.times("SERIES")) == sorted(2 * wanted), "the time is that of the packet"
    # An hour slow, the server takes the present for the future (F14): kept apart with the time that was said.
    for n, name in enumerate(("STEADY", "LIVE")):
        apart = machine.sql(
            "select distinct q.said_at from telemetry_quarantined q join telemetry_device d on d.id = q.device"
            " where d.number = %s",
            name,
        )
        assert [at for (at,) in apart] == [said[2 + n]]
        assert set(machine.times(name)) == {said[n], said[4 + n]}
        newest = machine.sql(
            "select max(l.at) from telemetry_latest l join telemetry_device d on d.id = l.device where d.number = %s",
            name,
        )
        assert newest == [(said[4 + n],)]
    settled(machine, begin)


def test_f13_a_clock_that_jumps_ahead_silences_nobody_and_asks_for_nothing(machine: Machine, clock: Clock) -> None:
    """Ten devices are heard before the jump and say nothing for a while after it; then one of them goes on."""
    quiet = [f"QUIET{n}" for n in range(10)]
    for name in quiet:
        machine.register(name)
    machine.sql(
        "update telemetry_device set base = 1, minute_span = 1, created_at = now() where number = any(%s)", quiet
    )
    if machine.gateway.process is None or machine.gateway.process.poll() is not None:
        machine.start_gateway()
    if machine.telemetry.process is None or machine.telemetry.process.poll() is not None:
        machine.telemetry.start(lambda: True)
    for name in quiet:
        assert until(lambda name=name: answered(machine, name), 30)
    online = (
        "select count(*), bool_and(p.online), min(p.seen_at) from telemetry_presence p"
        " join telemetry_device d on d.id = p.device_id where d.number = any(%s)"
    )
    assert until(lambda: machine.sql(online, quiet)[0][:2] == (10, True))
    try:
        clock.set(HOUR)
        again = answered(machine, quiet[0])
        assert again is not None
        # Ten seconds after it came it is looked at for gaps: there is none in the hour that never was.
        assert [said.cn for said in again.answers(9, 16) if said.cn != "1012"] == []
        # Meanwhile the look for silent devices has seen that the clock was set.
        assert until(lambda: machine.sql(online, quiet)[0][2] > now() + HOUR / 2, 45)
        assert machine.sql(online, quiet)[0][:2] == (10, True)
    finally:
        clock.set(timedelta(0))
    outages = (
        "select count(*) from telemetry_outage o join telemetry_device d on d.id = o.device_id where d.number = any(%s)"
    )
    assert until(lambda: machine.sql(online, quiet)[0][2] < now() + HOUR / 2, 45), "set back, it counts anew as well"
    assert machine.sql(outages, quiet) == [(0,)]


def answered(machine: Machine, name: str) -> Talker | None:
    """A new connection of a device, once a packet of this moment is acknowledged over it."""
    talker = Talker(machine.port)
    talker.send(packet(name, now()))
    return talker if acknowledged(talker, 2) else None


def acknowledged(talker: Talker, within: float = 20) -> bool:
    """Whether data are; that a device is told the time as well is another matter."""
    while answers := talker.answers(1, within):
        if answers[0].cn == "9014":
            return True
    return False


def settled(machine: Machine, begin: datetime) -> None:
    """What is derived is there, lasts no negative time, and has numbers of its own."""
    mean = "select n_valid from telemetry_rollup where span = 2 and at = %s and n_valid = 600"
    assert until(lambda: machine.sql(mean, begin), 60), "hours are computed again"
    assert until(lambda: not machine.sql("select 1 from telemetry_arrival limit 1"), 60), "alarms are judged again"
    assert machine.sql("select 1 from telemetry_outage where ended_at < began_at") == []
    episodes = machine.sql(
        "select r.key, coalesce(e.ended_at, e.last_at) >= e.began_at from alarms_episode e"
        " join alarms_rule r on r.id = e.rule_id where r.kind = 'measure'"
    )
    assert dict(episodes).get("pm10-high") and all(well for _key, well in episodes)
    assert len(dict(episodes)) == len(episodes), "I4"
    heard = machine.sql("select number, seen_at > now() + interval '1 minute' from telemetry_presence p"
                        " join telemetry_device d on d.id = p.device_id")  # fmt: skip
    assert dict(heard) == {"SERIES": False, "LIVE": False, "STEADY": False}, "nobody is heard in the future"


def test_f13_identifiers_are_unique_whatever_the_clock_says(machine: Machine, clock: Clock) -> None:
    made: list[object] = []
    for jump in (*JUMPS, HOUR, timedelta(0)):
        clock.set(jump)
        made += [pk for (pk,) in machine.sql("select uuid7() from generate_series(1, 5000)")]
    assert len(set(made)) == len(made) == 25_000
