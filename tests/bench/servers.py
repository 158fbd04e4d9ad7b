"""The servers compared, each started the way it runs best, with two processes on the same database."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from django.conf import settings

from tests.bench.data import FOLDER, PEER_SCHEMA, PEER_TABLES

# As deploy/run.sh starts the product; stock pygeoapi under the same server is faster than under its own.
GRANIAN = ("granian", "--interface", "wsgi", "--workers", "2", "--blocking-threads", "2", "--no-ws")
WITHIN = 60


@dataclass(frozen=True)
class Server:
    """A server that answers at ``url``."""

    name: str
    url: str
    pid: int

    def workers(self) -> list[int]:
        """Its processes below the first."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = entry.read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if int(parent) == self.pid:
                found.append(int(entry.parent.name))
        return found


@contextmanager
def ours(folder: Path = settings.ROOT, ready: str = "/healthz") -> Iterator[Server]:
    """The product."""
    port = free_port()
    command = [*GRANIAN, "--respawn-failed-workers", "--host", "127.0.0.1", "--port", str(port)]
    with _started("zhutu", [*command, "command_center.wsgi:application"], port, ready, {}, folder) as server:
        yield server


@contextmanager
def live() -> Iterator[Server]:
    """The process of live events, as deploy/run.sh starts it."""
    port = free_port()
    command = ["granian", "--interface", "asgi", "--workers", "1", "--no-ws", "--workers-kill-timeout", "2"]
    command += ["--host", "127.0.0.1", "--port", str(port), "command_center.live:application"]
    with _started("live", command, port, "/healthz", {}) as server:
        yield server


@contextmanager
def tipg() -> Iterator[Server]:
    """tipg on uvicorn with uvloop, its catalogue limited to the peers' tables and never read anew."""
    port = free_port()
    given = settings.DATABASES["default"]
    host = quote(given["HOST"] or "localhost", safe="")
    login = quote(given["USER"]) + (f":{quote(given['PASSWORD'])}" if given["PASSWORD"] else "")
    environment = {
        "DATABASE_URL": f"postgresql://{login}@{host}/{given['NAME']}",
        "TIPG_DB_SCHEMAS": f'["{PEER_SCHEMA}"]',
        "TIPG_CATALOG_TTL": "0",
        # As ours: the same edge around a tile, the same most features in it.
        "TIPG_TILE_BUFFER": "64",
        "TIPG_MAX_FEATURES_PER_TILE": "50000",
        # No parallel workers: they rebuild PROJ pipelines, for its tiles as for ours.
        "PGOPTIONS": "-c max_parallel_workers_per_gather=0 -c jit=off",
    }
    command = ["uvicorn", "tipg.main:app", "--workers", "2", "--loop", "uvloop", "--http", "httptools"]
    command += ["--no-access-log", "--log-level", "warning", "--host", "127.0.0.1", "--port", str(port)]
    with _started("tipg", command, port, "/healthz", environment) as server:
        yield server


@contextmanager
def pygeoapi() -> Iterator[Server]:
    """pygeoapi as it comes, with its own PostgreSQL provider and its own Flask application."""
    port = free_port()
    config, described = FOLDER / "pygeoapi.yml", FOLDER / "pygeoapi-openapi.yml"
    config.write_text(yaml.safe_dump(_pygeoapi_config(port)))
    environment = {
        "PYGEOAPI_CONFIG": str(config),
        "PYGEOAPI_OPENAPI": str(described),
        "PGOPTIONS": "-c max_parallel_workers_per_gather=0 -c jit=off",
    }
    subprocess.run(
        [Path(sys.executable).with_name("pygeoapi"), "openapi", "generate", config, "--output-file", described],
        check=True, capture_output=True, env=os.environ | environment,
    )  # fmt: skip
    command = [*GRANIAN, "--host", "127.0.0.1", "--port", str(port), "pygeoapi.flask_app:APP"]
    with _started("pygeoapi", command, port, "/conformance?f=json", environment) as server:
        yield server


def _pygeoapi_config(port: int) -> dict[str, Any]:
    given = settings.DATABASES["default"]
    database = {"host": given["HOST"] or "localhost", "port": given["PORT"] or 5432, "dbname": given["NAME"]}
    database |= {"user": given["USER"], "password": given["PASSWORD"] or "-", "search_path": [PEER_SCHEMA]}
    resources = {
        table: {
            "type": "collection", "title": table, "description": table, "keywords": [table], "links": [],
            "extents": {"spatial": {"bbox": [106, 30, 109, 33], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}},
            "providers": [
                {
                    "type": "feature", "name": "PostgreSQL", "data": database,
                    "id_field": "id", "table": table, "geom_field": "geom",
                }
            ],
        }
        for table in PEER_TABLES
    }  # fmt: skip
    about = {"title": "peer", "description": "peer", "keywords": ["peer"], "keywords_type": "theme"}
    about |= {"terms_of_service": "-", "url": "http://127.0.0.1"}
    party = {"name": "-", "url": "http://127.0.0.1"}
    return {
        "server": {
            "bind": {"host": "127.0.0.1", "port": port}, "url": f"http://127.0.0.1:{port}",
            "mimetype": "application/json; charset=UTF-8", "encoding": "utf-8", "languages": ["en-US"],
            "limits": {"default_items": 10, "max_items": 1000}, "map": {"url": "-", "attribution": "-"},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": about, "license": party, "provider": party, "contact": party,
        },
        "resources": resources,
    }  # fmt: skip


@contextmanager
def _started(
    name: str,
    command: Sequence[str],
    port: int,
    ready: str,
    environment: Mapping[str, str],
    folder: Path = settings.ROOT,
) -> Iterator[Server]:
    with (FOLDER / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, env=os.environ | dict(environment), stdout=log, stderr=log
        )
        try:
            _wait(f"http://127.0.0.1:{port}{ready}", process, name)
            yield Server(name, f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(url: str, process: "subprocess.Popen[bytes]", name: str) -> None:
    until = time.monotonic() + WITHIN
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{name} answered {error.code} to {url}; see {FOLDER / name}.log") from error
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{name} did not start; see {FOLDER / name}.log")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
