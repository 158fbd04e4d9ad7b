"""Processes that are killed in mid-flow on a machine of its own: nothing acknowledged is lost, nothing doubled."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ingest.protocols.hj212.replies import DEVICE_TIME
from services.telemetry import partitions
from tests.ingest.gateways.boxes import until
from tests.ingest.gateways.conftest import now
from tests.ingest.gateways.machine import Device, Machine, small_disk

DEVICES, PACKETS = 4, 150


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    found = Machine()
    try:
        found.start()
        found.migrate()
        for number in range(DEVICES):
            found.register(f"D{number}")
        found.register("DISK")
        found.start_gateway()
        yield found
    finally:
        found.stop()


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
    machine.kill_postgres()  # F01
    stored_before = so_far()
    machine.start()
    goes_on()
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


def _at(number: str) -> datetime:
    return datetime.strptime(number[:14], "%Y%m%d%H%M%S").replace(tzinfo=DEVICE_TIME)
