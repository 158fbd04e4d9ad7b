"""The rows that every server reads: the demo city at the size of a benchmark, and a plain copy for the peers."""

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import psycopg
from django.conf import settings
from django.contrib.sessions.backends.cached_db import SessionStore
from django.db import connection, connections

from services.accounts.models import ApiToken, Membership, User
from services.accounts.roles import Role
from services.catalog.layer import registry
from tests.bench.results import Result

FOLDER = settings.LOCAL / "bench"
PEER_SCHEMA = "peer"
PEER_TABLES = ("cameras", "rural_houses", "projects")
"""Layers of which the peers get a copy: their own columns, the geometry in 4326, which the peers understand best."""

WANTED = {"projects": 4_600, "cameras": 40_000, "monitors": 10_000, "mixer_trucks": 5_000, "rural_houses": 300_000}
GREENWAY_KM = 2_000


@dataclass(frozen=True)
class Asker:
    """Somebody with rights: by token for the OGC API and tiles, by session for the desk."""

    name: str
    token: dict[str, str]
    session: dict[str, str]


def prepare(*, city: bool = True) -> list[Result]:
    """Make the database unless an earlier run left it; then the city, the askers and the peers' copy."""
    name = settings.DATABASES["default"]["NAME"]
    with _server() as link:
        if not link.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            link.execute(f'create database "{name}"')
    _manage("migrate", "--noinput")
    if not city:
        return []
    loaded = []
    wrong = _wrong()
    if wrong:
        print(f"loading the demo city, because {wrong}", flush=True)
        connections.close_all()
        with _server() as link:
            link.execute(f'drop database "{name}" with (force)')
            link.execute(f'create database "{name}"')
        _manage("migrate", "--noinput")
        began = time.perf_counter()
        _manage("demo", "--bench")
        seconds = time.perf_counter() - began
        if wrong := _wrong():
            raise RuntimeError(f"manage.py demo --bench did not make what the benchmark needs: {wrong}")
        with connection.cursor() as cursor:
            cursor.execute("select sum(n_live_tup) from pg_stat_user_tables")
            rows = float(cursor.fetchone()[0])
        loaded = [
            Result("load of the demo city", seconds, "s"),
            Result("load: rows a second", rows / seconds, "rows/s"),
        ]
    else:
        print("the demo city of an earlier run is kept", flush=True)
    with connection.cursor() as cursor:
        _copy_for_peers(cursor)
        cursor.execute("vacuum analyze")
    return loaded


def supervisor() -> Asker:
    """A supervisor of the county with the most cameras: the strictest rights of those who work with many rows."""
    return _asker("bench_supervisor", Role.SUPERVISOR, busiest_county())


def commander() -> Asker:
    """A commander of the whole city, whose rows pass a condition by region all the same."""
    return _asker("bench_commander", Role.COMMANDER, settings.PRODUCT_REGION)


def busiest_county() -> str:
    """Code of the county with the most cameras."""
    with connection.cursor() as cursor:
        cursor.execute(f"select left(region, 6) from {PEER_SCHEMA}.cameras group by 1 order by count(*) desc limit 1")
        return str(cursor.fetchone()[0])


def _wrong() -> str:
    """What is missing in the database, in words."""
    for key, wanted in WANTED.items():
        found = registry.by_key[key].rows().count()
        if found != wanted:
            return f"{key} has {found} rows and {wanted} are wanted"
    table = registry.by_key["greenways"].model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"select coalesce(sum(st_length(geom::geography)), 0) / 1000 from {table}")
        length = cursor.fetchone()[0]
    return "" if abs(length / GREENWAY_KM - 1) < 0.1 else f"greenways are {length:.0f} km and {GREENWAY_KM} are wanted"


def _copy_for_peers(cursor: Any) -> None:
    cursor.execute(f"drop schema if exists {PEER_SCHEMA} cascade")
    cursor.execute(f"create schema {PEER_SCHEMA}")
    for key in PEER_TABLES:
        layer = registry.by_key[key]
        columns = ", ".join(f'"{f.field.column}" as "{f.name}"' for f in layer.fields if f.name not in ("id", "geom"))
        table = f"{PEER_SCHEMA}.{key}"
        cursor.execute(
            f"create table {table} as select id, {columns}, st_setsrid(geom, 4326)::geometry(Point, 4326) as geom "
            f"from {layer.model._meta.db_table} order by id"
        )
        cursor.execute(f"alter table {table} add primary key (id)")
        cursor.execute(f"create index on {table} using gist (geom)")


def _asker(name: str, role: Role, region: str) -> Asker:
    user, _new = User.objects.get_or_create(username=name)
    Membership.objects.get_or_create(user=user, role=role, region_id=region)
    user.tokens.all().delete()
    secret = ApiToken.issue(user, "bench")
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = settings.AUTHENTICATION_BACKENDS[0]
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session.create()
    return Asker(
        name,
        {"Authorization": f"Bearer {secret}"},
        {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session.session_key}"},
    )


def _manage(*arguments: str) -> None:
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=settings.ROOT, check=True, stdout=subprocess.DEVNULL)


def _server() -> "psycopg.Connection[Any]":
    given = settings.DATABASES["default"]
    return psycopg.connect(
        host=given["HOST"], user=given["USER"], password=given["PASSWORD"] or None, dbname="postgres", autocommit=True
    )
