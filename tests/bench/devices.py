"""What the benchmarks of devices share: tables emptied, devices made known, a gateway process."""

import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

from services.catalog.sealed import seal
from services.telemetry.devices import PASSWORD_FOR
from tests.bench.data import FOLDER

CODES = ("a34002", "a34001", "a34004", "LA", "a01001", "a01002", "a01007", "a01008")
PASSWORD = "123456"
SECONDS = float(os.environ.get("SECONDS_OF_INGEST", "60"))


def link() -> psycopg.Connection:
    """A connection of its own that commits."""
    given = connection.get_connection_params()
    wanted = {name: given[name] for name in ("host", "port", "user", "password", "dbname") if given.get(name)}
    return psycopg.connect(**wanted, autocommit=True)


def devices(to: psycopg.Connection, number: int) -> list[int]:
    """Empty tables and so many active devices, B1, B2 …"""
    to.execute(
        "truncate telemetry_reading, telemetry_latest, telemetry_mark, telemetry_rollup, telemetry_revision,"
        " telemetry_quarantined, telemetry_presence, telemetry_outage; delete from telemetry_device"
    )
    units = json.dumps(dict.fromkeys(("a34001", "a34002", "a34004"), "µg/m³"))
    to.execute(
        "insert into telemetry_device (protocol, number, name, state, secret, password, units, crc_mode, datatime_is,"
        " missing_flag, minute_span, interval, base, back_days, sm4_key, created_at)"
        " select 'hj212', 'B' || n, '', 'active', '', %s, %s, 'standard', 'start', 'N', 10, 60, 0, 30, '', now()"
        " from generate_series(1, %s) n",
        [seal(PASSWORD, PASSWORD_FOR), units, number],
    )
    return [pk for (pk,) in to.execute("select id from telemetry_device order by id").fetchall()]


def factors(to: psycopg.Connection) -> dict[str, int]:
    """Code → number."""
    return dict(to.execute("select code, id from telemetry_factor").fetchall())


def hour() -> datetime:
    """The start of this hour."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def files() -> None:
    """As many open files as the machine allows."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def gateway() -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """The HJ 212 gateway and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with (FOLDER / "gateway.log").open("wb") as log:
        command = [sys.executable, "manage.py", "gateway", f"hj212:{port}"]
        process = subprocess.Popen(command, cwd=settings.ROOT, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise RuntimeError(f"the gateway did not start; see {FOLDER / 'gateway.log'}")
        yield process, port
    finally:
        process.terminate()
        process.wait(30)


def megabytes(pid: int) -> float:
    """Resident memory."""
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Rss:")) / 1024


def play(port: int, *arguments: Any) -> dict[str, float]:
    """What ``devices_load`` tells, run as a process of its own."""
    command = [sys.executable, "-m", "tests.bench.devices_load", str(port), *map(str, arguments)]
    done = subprocess.run(command, cwd=settings.ROOT, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found
