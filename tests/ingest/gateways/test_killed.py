"""Processes that are killed in mid-flow on a machine of its own: nothing acknowledged is lost, nothing doubled."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from ingest.protocols.hj212.replies import DEVICE_TIME
from services.telemetry import partitions
from tests.ingest.gateways.boxes import until
from tests.ingest.gateways.conftest import now
from tests.ingest.gateways.machine import Device, Machine, small_disk

DEVICES, PACKETS = 4, 170


@pytest.fixture(scope="module", autouse=True)
def _listening(machine: Machine) -> Iterator[None]:
    """A gateway that listens, and devices that it knows."""
    for name in (*(f"D{number}" for number in range(DEVICES)), "DISK", "JOURNAL"):
        machine.register(name)
    machine.start_gateway()
    yield
    machine.gateway.kill()


def test_f01_f02_f03_f05_kills_in_mid_flow(machine: Machine) -> None:
    hour = now().replace(minute=0, second=0) - timedelta(hours=2)
    wanted = [hour + timedelta(seconds=20 * n) for n in range(PACKETS)]
    devices = [Device(machine.port, f"D{number}", wanted) for number in range(DEVICES)]
    for device in devices:
        device.start()

    def so_far() -> int:
        return sum(len(device.acknowledged) for device in devices)

    def goes_on(by: int = 40) -> None:
        least = min(so_far() + by, DEVICES * PACKETS)
        assert until(lambda: so_far() >= least, 60), "recovery within a minute, without a hand"

    goes_on()
    machine.kill_redis()  # F02: the gateway does not need it
    goes_on()
    stored_before = so_far()
    for _again in range(4):
        machine.kill_postgres()  # F01
        machine.start()
        goes_on(60)
    machine.kill_postgres()  # F05: all of them
    machine.kill_redis()
    machine.gateway.kill()
    machine.start()
    machine.start_gateway()
    goes_on()
    for device in devices:
        device.join(90)
        assert not device.left, "I2: the rest is taken when it comes again"
    assert so_far() == DEVICES * PACKETS > stored_before
    for number in range(DEVICES):
        times = machine.times(f"D{number}")
        assert len(times) == 2 * PACKETS and set(times) == set(wanted), "I1, I3: all, each once, both factors"
    machine.check()
    # F03: whoever computes the hours dies at it, and again.
    for _again in range(2):
        machine.telemetry.start(lambda: True)
        until(lambda: machine.sql("select 1 from pg_stat_activity where query like '%%telemetry_rollup%%' limit 1"), 6)
        machine.telemetry.kill()
    machine.telemetry.start(lambda: True)
    assert until(lambda: not machine.sql("select 1 from telemetry_mark where span = 2"), 60)
    rows = machine.sql("select n_valid, count(*) from telemetry_rollup where span = 2 and at = %s group by 1", hour)
    assert rows == [(PACKETS, 2 * DEVICES)]
    machine.telemetry.kill()


def test_f06_a_full_disk_is_not_acknowledged_and_heals_without_a_restart(machine: Machine) -> None:
    # Where the user of the cluster can reach it.
    with small_disk(Path("/var/tmp") / f"zhutu-{machine.instance}", 24) as disk:
        if disk is None:
            pytest.skip("a file system of its own needs root and the right to mount")
        month = f"telemetry_reading_{partitions.month_of(now()):%Y%m}"
        machine.sql(f"create tablespace small location '{disk}'", user="postgres")
        try:
            machine.sql("grant create on tablespace small to zhutu", user="postgres")
            machine.sql(f"alter table {month} set tablespace small")
            filler = disk / "filler"
            with filler.open("wb", 0) as file, suppress(OSError):
                while file.write(bytes(1 << 12)):
                    pass
            begin = now() - timedelta(minutes=30)
            device = Device(machine.port, "DISK", [begin + timedelta(seconds=n) for n in range(400)])
            device.start()
            retries = "the database does not take readings"
            assert until(lambda: retries in machine.gateway.log.read_text(), 30)
            before = set(device.acknowledged)
            stored = set(machine.times("DISK"))
            assert {_at(number) for number in before} <= stored, "I1"
            filler.unlink()
            device.join(120)
            assert not device.left
            times = machine.times("DISK")
            assert len(times) == 800 and len(set(times)) == 400
        finally:
            machine.sql(f"alter table {month} set tablespace pg_default")
            machine.sql("drop tablespace small", user="postgres")


def test_f07_a_full_disk_of_the_journal_stops_postgresql_and_loses_nothing(machine: Machine) -> None:
    journal = (machine.state / "pg" / "data" / "pg_wal").resolve()
    with small_disk(Path("/var/tmp") / f"zhutu-{machine.instance}-wal", 160) as disk:
        if disk is None:
            pytest.skip("a file system of its own needs root and the right to mount")
        for name in ("min_wal_size", "max_wal_size"):
            machine.sql(f"alter system set {name} = '32MB'", user="postgres")
        machine.sql("select pg_reload_conf()", user="postgres")
        for _twice in range(2):
            machine.sql("checkpoint", user="postgres")
        move(machine, journal, disk / "pg_wal")
        journal.symlink_to(disk / "pg_wal")
        try:
            machine.start()
            begin = now() - timedelta(hours=5)
            wanted = [begin + timedelta(seconds=n) for n in range(400)]
            device = Device(machine.port, "JOURNAL", wanted)
            device.start()
            assert until(lambda: len(device.acknowledged) >= 40, 60)
            filler = disk / "filler"
            with filler.open("wb", 0) as file, suppress(OSError):
                while file.write(bytes(1 << 12)):
                    pass
            # Until there is no journal left to write to, and the server gives up.
            with suppress(psycopg.OperationalError):
                machine.sql("create table heap as select repeat(md5(n::text), 60) from generate_series(1, 200000) n")
            logs = machine.state / "pg" / "logs"
            assert until(lambda: any("PANIC" in log.read_text() for log in logs.iterdir()), 60)
            stopped = len(device.acknowledged)
            filler.unlink()
            machine.start()
            device.join(120)
            assert not device.left and len(device.acknowledged) == 400 > stopped
            times = machine.times("JOURNAL")
            assert len(times) == 800 and set(times) == set(wanted), "I1, I3"
            machine.check()
        finally:
            machine.script("stop_postgres || true")
            journal.unlink()
            move(machine, disk / "pg_wal", journal)
            machine.start()
            machine.sql("alter system reset all", user="postgres")


def move(machine: Machine, source: Path, target: Path) -> None:
    """Put a folder of a cluster that is stopped elsewhere, owners and all."""
    machine.script("stop_postgres || true")
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
    shutil.rmtree(source)


def _at(number: str) -> datetime:
    return datetime.strptime(number[:14], "%Y%m%d%H%M%S").replace(tzinfo=DEVICE_TIME)
