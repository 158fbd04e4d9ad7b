"""F10: the server dies for good and its standby takes over: what was acknowledged is there, and the rest comes."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from tests.ingest.gateways.boxes import listens, until
from tests.ingest.gateways.conftest import now
from tests.ingest.gateways.machine import Device, Machine

PACKETS = 300
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
hba_file = '{folder}/hba.conf'
ident_file = '{folder}/ident.conf'
"""


class Standby:
    """A second cluster that follows the first."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine, self.folder, self.data = machine, folder, folder / "data"

    def run(self, program: str, *arguments: str) -> None:
        """One of PostgreSQL's programs, as the cluster's user."""
        command = f'as_cluster "$(find_postgres 17 16 15)/{program}" ' + " ".join(arguments)
        self.machine.script(f"{command} >>'{self.folder}/said' 2>&1")

    def start(self) -> None:
        """Copy the first one, and follow it; its commits wait for us from now on."""
        pg = self.machine.state / "pg"
        with (pg / "hba.conf").open("a") as file:
            file.write("local replication all peer map=zhutu\n")
        self.machine.sql("select pg_reload_conf()", user="postgres")
        self.machine.script(f"chown $CLUSTER_USER '{self.folder}'")
        self.run("pg_basebackup", "-R", "-X", "stream", "-c", "fast", "-U", "postgres",
                 "-h", f"'{self.machine.environment['ZHUTU_PGHOST']}'", "-D", f"'{self.data}'")  # fmt: skip
        (self.folder / "zhutu.conf").write_text(SETTINGS.format(folder=self.folder))
        shutil.copy((pg / "hba.conf").resolve(), self.folder / "hba.conf")
        shutil.copy((pg / "ident.conf").resolve(), self.folder / "ident.conf")
        self.machine.script(f"chown $CLUSTER_USER '{self.folder}'/*.conf")
        self.run("pg_ctl", "-w", "-D", f"'{self.data}'", "-l", f"'{self.folder}/log'", "start")
        self.machine.sql("alter system set synchronous_standby_names = '*'", user="postgres")
        self.machine.sql("select pg_reload_conf()", user="postgres")
        assert until(lambda: self.machine.sql("select 1 from pg_stat_replication where sync_state = 'sync'",
                                              user="postgres"), 30)  # fmt: skip

    def promote(self) -> None:
        """It is the server now, and waits for nobody."""
        self.run("pg_ctl", "-w", "-D", f"'{self.data}'", "promote")

    def sql(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with closing(psycopg.connect(host=str(self.folder), user="zhutu", dbname="zhutu", autocommit=True)) as link:
            return link.execute(query, parameters).fetchall()

    def stop(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.run("pg_ctl", "-w", "-m", "immediate", "-D", f"'{self.data}'", "stop")


@pytest.fixture
def standby(machine: Machine) -> Iterator[Standby]:
    # A short name: a socket's path has at most 107 bytes.
    with TemporaryDirectory(prefix="zhutu-standby-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        found = Standby(machine, Path(folder))
        try:
            found.start()
            yield found
        finally:
            with suppress(AssertionError, subprocess.TimeoutExpired):
                found.stop()
            machine.start()
            machine.sql("alter system reset all", user="postgres")
            machine.sql("select pg_reload_conf()", user="postgres")


def test_f10_after_a_failover_everything_acknowledged_is_on_the_standby(machine: Machine, standby: Standby) -> None:
    machine.register("OVER")
    hosts = f"{machine.environment['ZHUTU_PGHOST']},{standby.folder}"
    gateway = machine.program("gateway", f"hj212:{machine.port}")
    gateway.environment = machine.environment | {"ZHUTU_PGHOST": hosts}
    gateway.start(lambda: listens(machine.port))
    try:
        begin = now() - timedelta(hours=7)
        wanted = [begin + timedelta(seconds=n) for n in range(PACKETS)]
        device = Device(machine.port, "OVER", wanted)
        device.start()
        assert until(lambda: len(device.acknowledged) >= 60, 60)
        machine.kill_postgres()
        before = set(device.acknowledged)
        # A copy of the settings came along; nobody follows the new server.
        automatic = standby.data / "postgresql.auto.conf"
        lines = [line for line in automatic.read_text().splitlines() if "synchronous_standby" not in line]
        automatic.write_text("\n".join(lines) + "\n")
        standby.promote()
        device.join(120)
        assert not device.left and len(before) < PACKETS
        stored = standby.sql(
            "select r.at from telemetry_reading r join telemetry_device d on d.id = r.device where d.number = 'OVER'"
        )
        times = [at for (at,) in stored]
        assert len(times) == 2 * PACKETS and set(times) == set(wanted), "I1, I2, I3 on the new server"
    finally:
        gateway.kill()
