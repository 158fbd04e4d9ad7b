"""A machine of its own to kill: PostgreSQL and Redis by the product's scripts, the product's processes, devices."""

import os
import pwd
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings

from ingest.protocols.hj212.packets import Packet
from tests.ingest.gateways.boxes import Process, free_port, listens, until
from tests.ingest.gateways.conftest import UNITS, Talker, packet

SCRIPT = 'source deploy/place.sh; claim_place; use_instance "$1"; make_instance; '


class Machine:
    """Everything that a power cut ends."""

    def __init__(self, name: str = "", **given: str) -> None:
        """``given`` is the environment of everything that runs on it."""
        self.instance = f"kill-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}{name}"
        self.state = settings.LOCAL / self.instance
        self.given = given
        self.prelude = ""
        """Shell that comes before whatever is run of the product's own."""
        self.environment: dict[str, str] = {}
        self.port = free_port()
        self.gateway = self.program("gateway", f"hj212:{self.port}")
        self.telemetry = self.program("telemetry")
        self.alarms = self.program("alarms")

    def start(self) -> None:
        """Start what does not run, mending what a kill left: nobody's hand is needed."""
        self.script("start_services")
        lines = (self.state / "env").read_text().splitlines()
        self.environment.update(self.given)
        self.environment.update(line.split("=", 1) for line in lines if line)

    def stop(self) -> None:
        """End it all."""
        for program in (self.gateway, self.telemetry, self.alarms):
            if program.process is not None and program.process.poll() is None:
                program.kill()
        self.script("stop_instance || true")

    def migrate(self) -> None:
        """All tables, those of telemetry empty."""
        command = [sys.executable, "manage.py", "migrate", "--noinput"]
        subprocess.run(command, cwd=settings.ROOT, env=os.environ | self.environment, check=True, capture_output=True)
        self.sql(
            "truncate telemetry_reading, telemetry_latest, telemetry_rollup, telemetry_mark, telemetry_quarantined,"
            " telemetry_presence, telemetry_outage, telemetry_arrival, alarms_watch; truncate alarms_episode cascade;"
            " delete from telemetry_device"
        )

    def start_gateway(self) -> None:
        """Until it listens."""
        self.gateway.start(lambda: listens(self.port))

    @property
    def postmaster(self) -> int:
        """The first process of PostgreSQL."""
        return int((self.state / "pg" / "data" / "postmaster.pid").read_text().split()[0])

    def kill_postgres(self) -> None:
        """Its first process, without a word to the others."""
        number = self.postmaster
        os.kill(number, signal.SIGKILL)
        # While the system still has its number, a new one takes it for alive.
        assert until(lambda: not Path(f"/proc/{number}").exists())

    def kill_redis(self) -> None:
        """At once."""
        os.kill(int((self.state / "redis.pid").read_text()), signal.SIGKILL)

    def sql(self, query: str, *parameters: Any, user: str = "zhutu") -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        host = self.environment["ZHUTU_PGHOST"]
        with closing(psycopg.connect(host=host, user=user, dbname="zhutu", autocommit=True)) as link:
            cursor = link.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def register(self, mn: str) -> None:
        """Make a device known."""
        self.sql(
            """
            insert into telemetry_device
                (protocol, number, name, state, secret, units, crc_mode, datatime_is, missing_flag, minute_span,
                 "interval", base, back_days, sm4_key, created_at)
            values ('hj212', %s, '', 'active', '', %s, 'standard', 'start', 'N', 10, 60, 0, 30, '', now())
            """,
            mn, UNITS,
        )  # fmt: skip

    def times(self, mn: str) -> list[datetime]:
        """The measuring times stored of a device, once for each of the two factors."""
        rows = self.sql(
            "select r.at from telemetry_reading r join telemetry_device d on d.id = r.device where d.number = %s", mn
        )
        return [at for (at,) in rows]

    def check(self) -> None:
        """Every index of the readings holds together (amcheck), and no half row is left."""
        self.sql("create extension if not exists amcheck", user="postgres")
        self.sql(
            """
            select bt_index_check(c.oid, true) from pg_class c join pg_am a on a.oid = c.relam
            join pg_index i on i.indexrelid = c.oid join pg_class t on t.oid = i.indrelid
            where a.amname = 'btree' and c.relkind = 'i' and t.relname like 'telemetry%%' and i.indisvalid
            """,
            user="postgres",
        )

    def program(self, name: str, *arguments: str) -> Process:
        """``manage.py`` with these arguments, in the environment of this machine once it has started."""
        command = [sys.executable, "manage.py", name, *arguments]
        return Process(command, settings.LOCAL / f"{self.instance}-{name}.log", self.environment)

    def script(self, what: str, **given: str) -> str:
        """Run some of the product's own shell functions on this instance; returns what they said."""
        command = ["bash", "-c", SCRIPT + self.prelude + what, "_", self.instance]
        environment = os.environ | self.given | given
        done = subprocess.run(
            command, cwd=settings.ROOT, env=environment, capture_output=True, text=True, timeout=120
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Device(threading.Thread):
    """Sends its packets until each is acknowledged, connecting again whenever the connection breaks."""

    def __init__(self, port: int, mn: str, times: list[datetime], value: float = 88.0) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.left: dict[str, Packet] = {}
        for at in times:
            each = packet(mn, at, value)
            self.left[each.qn] = each
        self.acknowledged: set[str] = set()
        self.ends = False

    def run(self) -> None:
        while self.left and not self.ends:
            try:
                talker = Talker(self.port)
                while self.left and not self.ends:
                    some = list(self.left.values())[:5]
                    talker.send(*some)
                    answers = talker.answers(len(some), 5.0)
                    if not answers:
                        break
                    for answer in answers:
                        self.acknowledged.add(answer.qn)
                        self.left.pop(answer.qn, None)
                talker.socket.close()
            except OSError:
                threading.Event().wait(0.2)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path | None]:
    """A file system of that size, None where this place does not allow one."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        yield None
        return
    # Where root starts it the cluster belongs to this user.
    options = f"size={megabytes}m,mode=0700,uid={pwd.getpwnam('postgres').pw_uid}"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
