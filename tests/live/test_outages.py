"""What is missed comes again, whatever died; who may no longer listen is sent away."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from django.conf import settings

from services.live import outbox
from services.live.errors import TooOld
from services.live.outbox import Told, tell
from tests.conftest import PASSWORD, Live, Server, connect
from tests.live.conftest import Event, Listener
from tests.live.test_streams import measure, of, of_layer

pytestmark = pytest.mark.django_db
Listen = Callable[..., Listener]


def shows(feature: str, pm10: float) -> Callable[[Event], bool]:
    """Events that show this value of a feature."""
    return lambda event: any(
        row["id"] == feature and row["values"].get("pm10") == pm10 for row in event.data.get("rows", [])
    )


def test_what_was_missed_comes_after_the_last_id_and_only_that(server: Server, listen: Listen, monitor: str) -> None:
    heard = listen("owner")
    measure(server, monitor, 41.0)
    assert heard.wait(shows(monitor, 41.0)) is not None
    heard.close()
    assert heard.ended.wait(10)
    query = "select id from environment_monitor where region_id like '511702%%' and id <> %s limit 1"
    other = str(server.sql(query, monitor)[0][0])
    measure(server, other, 42.0)
    again = listen("owner", headers={"Last-Event-ID": heard.last_id})
    assert again.wait(shows(other, 42.0)) is not None
    told = [event for event in again.events if of(monitor)(event)]
    assert not told, f"what was heard up to {heard.last_id} is not told again"


def test_rights_of_now_decide_what_is_told_again(server: Server, listen: Listen, monitor: str) -> None:
    """F59: what happened while somebody had the right is not told to them after they lost it."""
    first = listen("owner")
    first.close()
    measure(server, monitor, 43.0)
    stranger = listen("stranger", headers={"Last-Event-ID": first.last_id})
    assert stranger.wait(lambda event: event.topic == "hello") is not None
    time.sleep(0.5)
    assert monitor.encode() not in stranger.raw


@pytest.mark.parametrize("cursor", ["", "nonsense", "1.000~1:1:", "999999999.000", "1.0~5:x:"])
def test_a_cursor_that_cannot_be_followed_says_read_everything_again(listen: Listen, cursor: str) -> None:
    heard = listen("owner", headers={"Last-Event-ID": cursor} if cursor else {})
    expected = "reset" if cursor else "hello"
    assert heard.wait(lambda event: event.topic == expected) is not None


def test_a_page_says_when_it_was_drawn(server: Server, listen: Listen, monitor: str) -> None:
    drawn = float(server.sql("select extract(epoch from clock_timestamp())")[0][0])
    measure(server, monitor, 44.0)
    assert listen("owner", after=f"{drawn:.3f}").wait(shows(monitor, 44.0)) is not None


def test_a_killed_process_loses_nothing(server: Server, live: Live, listen: Listen, monitor: str) -> None:
    heard = listen("owner")
    measure(server, monitor, 45.0)
    assert heard.wait(shows(monitor, 45.0)) is not None
    live.kill()
    assert heard.ended.wait(10)
    measure(server, monitor, 46.0)
    live.start()
    again = listen("owner", headers={"Last-Event-ID": heard.last_id})
    assert again.wait(shows(monitor, 46.0)) is not None


def test_a_process_that_is_asked_to_end_ends_its_streams(live: Live, listen: Listen) -> None:
    heard = listen("owner")
    live.stop()
    assert heard.ended.wait(5)
    live.start()


def test_cut_connections_to_the_database_are_made_again(server: Server, listen: Listen, monitor: str) -> None:
    """F01, F12 for the stream: the clients stay, nothing is lost."""
    heard = listen("owner")
    measure(server, monitor, 47.0)
    assert heard.wait(shows(monitor, 47.0)) is not None
    cut = server.sql(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()"
        " and usename = current_user",
        server.database,
    )
    assert cut[0][0] >= 2
    measure(server, monitor, 48.0)
    assert heard.wait(shows(monitor, 48.0), 30) is not None
    assert not heard.ended.is_set()


def test_no_event_is_passed_over_however_transactions_overlap(server: Server, monitor: str) -> None:
    """The one that began first commits last: its events have lower numbers and come later."""
    others = [str(pk) for (pk,) in server.sql("select id from environment_monitor order by id limit 3")]
    with connect(server.database) as reader, connect(server.database) as slow, connect(server.database) as quick:
        cursor = outbox.now(reader).cursor
        with slow.transaction():
            slow.execute("update environment_monitor set pm10 = 1.5 where id = %s", [others[0]])
            quick.execute("update environment_monitor set pm10 = 2.5 where id = %s", [others[1]])
            first = outbox.read(reader, cursor)
            assert [str(pk) for pk in first.changes["monitors"]] == [others[1]]
            quick.execute("update environment_monitor set pm10 = 3.5 where id = %s", [others[2]])
        second = outbox.read(reader, first.cursor)
        assert sorted(str(pk) for pk in second.changes["monitors"]) == sorted([others[0], others[2]])
        assert not outbox.read(reader, second.cursor)
        with pytest.raises(TooOld):
            outbox.read(reader, "1.000~1:1:")
        reader.execute("update live_event set at = now() - interval '3 hours'")
        assert outbox.sweep(reader) > 0
        assert reader.execute("select count(*) from live_event").fetchone() == (0,)


def test_an_engine_tells_of_features_to_whoever_sees_them(server: Server, listen: Listen, monitor: str) -> None:
    streams = {name: listen(name) for name in ("owner", "neighbour")}
    foreign = str(server.sql("select id from environment_monitor where region_id like '511703%%' limit 1")[0][0])
    with connect(server.database) as link:
        with link.transaction():
            tell(link, "alarms", [Told("monitors", monitor, {"id": "never", "level": "red"})])  # type: ignore[arg-type]
            raise psycopg.Rollback
        tell(
            link, "alarms",
            [
                Told("monitors", monitor, {"id": "a1", "level": "red"}),  # type: ignore[arg-type]
                Told("monitors", foreign, {"id": "a2", "level": "blue"}),  # type: ignore[arg-type]
                Told("monitors", uuid4(), {"id": "a3"}),
                Told("nowhere", uuid4(), {"id": "a4"}),
            ],
        )  # fmt: skip
        with pytest.raises(ValueError, match="features"):
            tell(link, "features", [])
    for name, feature, known, unknown in (("owner", monitor, "a1", b"a2"), ("neighbour", foreign, "a2", b"a1")):
        event = streams[name].wait(lambda event: event.topic == "alarms")
        assert event is not None
        assert (event.data["layer"], event.data["feature"], event.data["id"]) == ("monitors", feature, known)
        time.sleep(0.3)
        assert b'"%s"' % unknown not in streams[name].raw
        assert b"never" not in streams[name].raw


def test_a_title_of_two_parts_is_worded_in_the_language_of_who_listens(
    server: Server, listen: Listen, monitor: str
) -> None:
    streams = {language: listen("owner", lang=language) for language in ("zh-hans", "en")}
    with connect(server.database) as link:
        tell(link, "alarms", [Told("monitors", monitor, {"title": ["PM10浓度过高", "东门"]})])  # type: ignore[arg-type]
    told = {language: stream.wait(lambda event: event.topic == "alarms") for language, stream in streams.items()}
    assert {language: event and event.data["title"] for language, event in told.items()} == {
        "zh-hans": "PM10浓度过高：东门", "en": "Very high PM10: 东门",
    }  # fmt: skip


@pytest.mark.parametrize("how", ["disabled", "logged out", "password"])
def test_who_may_no_longer_listen_is_sent_away(
    server: Server, listen: Listen, session_of: Callable[[str], dict[str, str]], how: str
) -> None:
    """F59: within five seconds."""
    cookie = session_of("commander")
    heard = listen(headers=cookie)
    assert heard.status == 200
    password = server.sql("select password from accounts_user where username = 'commander'")[0][0]
    if how == "disabled":
        server.sql("update accounts_user set is_active = false where username = 'commander'")
    elif how == "password":
        server.sql("update accounts_user set password = 'changed' where username = 'commander'")
    else:
        server.sql("delete from django_session where session_key = %s", cookie["Cookie"].partition("=")[2])
    assert heard.ended.wait(5), "the stream is open after five seconds"
    server.sql("update accounts_user set is_active = true, password = %s where username = 'commander'", password)


def test_a_withdrawn_token_ends_its_stream(server: Server, listen: Listen) -> None:
    """F59: a stream opened by token."""
    heard = listen("owner")
    server.sql(
        "delete from accounts_apitoken where name = 'live'"
        " and user_id = (select id from accounts_user where username = 'owner')"
    )
    assert heard.ended.wait(5)


def test_a_changed_role_narrows_the_stream(server: Server, listen: Listen, monitor: str) -> None:
    """F59: five seconds after the region is taken away nothing of it is told."""
    heard = listen("commander")
    measure(server, monitor, 51.0)
    assert heard.wait(shows(monitor, 51.0)) is not None
    of_commander = "user_id = (select id from accounts_user where username = 'commander')"
    server.sql(f"update accounts_membership set region_id = '511703' where {of_commander}")
    time.sleep(5)
    before = len(heard.raw)
    measure(server, monitor, 52.0)
    other = str(server.sql("select id from environment_monitor where region_id like '511703%%' limit 1")[0][0])
    measure(server, other, 53.0)
    assert heard.wait(shows(other, 53.0)) is not None
    assert monitor.encode() not in heard.raw[before:]
    server.sql(f"update accounts_membership set region_id = '511700' where {of_commander}")


def test_a_client_that_does_not_read_is_cut_off_and_harms_nobody(
    server: Server, live: Live, listen: Listen, token_of: Callable[[str], dict[str, str]], monitor: str
) -> None:
    heard = listen("owner")
    address = ("127.0.0.1", server.live_port)
    with socket.create_connection(address) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        header = token_of("owner")["Authorization"]
        lazy.sendall(f"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {header}\r\n\r\n".encode())
        assert lazy.recv(15) == b"HTTP/1.1 200 OK"
        until = time.monotonic() + 60
        padding = "长" * 100
        while "too slow" not in _log(server) and time.monotonic() < until:
            with connect(server.database) as link:
                tell(
                    link, "test",
                    [Told("monitors", monitor, {"padding": padding * 100}) for _n in range(40)],  # type: ignore[arg-type]
                )  # fmt: skip
            # No faster than one who does read can follow.
            time.sleep(0.5)
        assert "cut off" in _log(server)
    measure(server, monitor, 54.0)
    assert heard.wait(shows(monitor, 54.0), 30) is not None
    assert httpx.get(live.url.replace("/live", "/healthz")).json()["streams"] == 1


def _log(server: Server) -> str:
    text = Path(settings.LOCAL / f"{server.database}_live.log").read_text()
    return text.replace("a client that read too slowly was cut off", "too slow: cut off")


@pytest.fixture
def redis() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A Redis of this test alone, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(["redis-server", "--port", str(port), "--save", ""], stdout=subprocess.DEVNULL)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    yield process, f"redis://127.0.0.1:{port}"
    process.kill()
    process.wait(10)


def test_without_redis_everything_is_still_read_and_told(
    server: Server, live_process: Live, redis: tuple[subprocess.Popen[bytes], str], monitor: str
) -> None:
    """F02: kill -9 of Redis; pages, tiles and streams go on, for those who were there and for those who come."""
    process, address = redis
    if live_process.process is not None and live_process.process.poll() is None:
        live_process.stop()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared: dict[str, Any] = {"ZHUTU_REDIS_URL": address, "PORT": str(port)}
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "--workers", "1"]
    log = (settings.LOCAL / f"{server.database}_redis.log").open("wb")
    web = subprocess.Popen(
        [*command, "--blocking-threads", "1", "command_center.wsgi:application"], cwd=settings.ROOT,
        env=os.environ | shared | {"ZHUTU_PGDATABASE": server.database}, stdout=log, stderr=log,
    )  # fmt: skip
    live = Live(server, environment=shared)
    live.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                try:
                    client.get("/login")
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            form = {"username": "owner", "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
            assert client.post("/login", data=form).status_code == 302
            cookie = {"Cookie": f"sessionid={client.cookies['sessionid']}"}
            before = Listener(live.url, cookie, {}).open()
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            measure(server, monitor, 61.0)
            assert before.wait(shows(monitor, 61.0)) is not None
            after = Listener(live.url, cookie, {}).open()
            assert after.status == 200
            measure(server, monitor, 62.0)
            assert after.wait(shows(monitor, 62.0)) is not None
            x, y = server.sql("select st_x(geom), st_y(geom) from environment_monitor where id = %s", monitor)[0]
            for path in ("/desk", "/desk/monitors", f"/desk/monitors/{monitor}", "/desk/search?q=PM", "/desk/counts"):
                assert client.get(path).status_code == 200, path
            assert (
                client.get(f"/ogc/collections/monitors/items?bbox={x - 1},{y - 1},{x + 1},{y + 1}").status_code == 200
            )
            assert client.get("/tiles/monitors/9/409/209.mvt").status_code == 200
            for each in (before, after):
                each.close()
    finally:
        live.stop()
        web.terminate()
        web.wait(20)
        log.close()


def test_layers_are_read_again_after_a_load_that_touches_them_all(server: Server, listen: Listen) -> None:
    heard = listen("owner")
    with connect(server.database) as link, link.transaction():
        for _n in range(3):
            link.execute(
                "insert into environment_monitor (code, name, state, spot, maker) select"
                " left(gen_random_uuid()::text, 20), 'L', state, spot, '' from environment_monitor limit 1"
            )
        number = link.execute(
            "select count(*) from live_event where layer = 'monitors'"
            " and transaction = pg_current_xact_id()::text::bigint"
        ).fetchone()
        assert number == (1,), "one event a transaction"
        raise psycopg.Rollback
    server.sql("update environment_monitor set maker = maker || '改' where region_id like '511702%%'")
    assert heard.wait(lambda event: event.data.get("layer") == "monitors") is not None
    assert not any(map(of_layer("monitors"), heard.events)), "a rolled back load was told"
