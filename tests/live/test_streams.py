"""Streams: what comes, in which form, to whom, and what is never said."""

import time
from collections.abc import Callable

import httpx
import pytest

from tests.conftest import Live, Server
from tests.live.conftest import Event, Listener

pytestmark = pytest.mark.django_db
Listen = Callable[..., Listener]


def of(feature: str) -> Callable[[Event], bool]:
    """Events about a feature."""
    return lambda event: any(row["id"] == feature for row in event.data.get("rows", []))


def at(feature: str, place: tuple[float, float]) -> Callable[[Event], bool]:
    """Events about a feature that is at a place; an earlier change of it may still be on its way."""
    near = pytest.approx(place, abs=1e-6)
    return lambda event: any(row["id"] == feature and row["place"] == near for row in event.data.get("rows", []))


def with_texts(feature: str, texts: dict[str, str]) -> Callable[[Event], bool]:
    """Events that say these texts of a feature, and no others."""
    return lambda event: any(row["id"] == feature and row["texts"] == texts for row in event.data.get("rows", []))


def of_layer(key: str) -> Callable[[Event], bool]:
    """Events that say a layer is to be read again."""
    return lambda event: event.topic == "layers" and event.data["layer"] == key


def measure(server: Server, monitor: str, pm10: float, at: str = "now()") -> None:
    server.sql(f"update environment_monitor set pm10 = %s, measured_at = {at} where id = %s", pm10, monitor)


def test_a_changed_value_comes_with_its_text_and_what_the_map_needs(
    server: Server, listen: Listen, monitor: str
) -> None:
    heard, english = listen("owner"), listen("owner", lang="en")
    measure(server, monitor, 321.5)
    event = heard.wait(lambda e: any("321.5 µg/m³" in row["texts"].values() for row in e.data.get("rows", [])))
    assert event is not None
    assert event.topic == "features"
    assert event.data["layer"] == "monitors"
    row = next(row for row in event.data["rows"] if row["id"] == monitor)
    assert row["texts"]["pm10"] == "321.5 µg/m³"
    assert set(row["texts"]) == {"pm10", "measured_at"}
    assert row["values"]["pm10"] == 321.5
    assert {"name", "state"} <= row["values"].keys()
    place = server.sql("select st_x(geom), st_y(geom) from environment_monitor where id = %s", monitor)[0]
    assert row["place"] == pytest.approx(place, abs=1e-6)
    server.sql("update environment_monitor set state = 'online' where id = %s", monitor)
    server.sql("update environment_monitor set state = 'fault' where id = %s", monitor)
    assert english.wait(with_texts(monitor, {"state": "Faulty"})) is not None


def test_a_feature_that_moves_brings_its_new_place(server: Server, listen: Listen, monitor: str) -> None:
    heard = listen("owner")
    server.sql("update environment_monitor set geom = st_translate(geom, 0.001, 0) where id = %s", monitor)
    place = server.sql("select st_x(geom), st_y(geom) from environment_monitor where id = %s", monitor)[0]
    event = heard.wait(at(monitor, place))
    assert event is not None
    assert event.data["rows"][0]["texts"].keys() <= {"state"}, "what did not change is not told"


def test_what_comes_or_goes_or_changes_hands_is_a_layer_to_read_again(
    server: Server, listen: Listen, monitor: str
) -> None:
    heard = listen("owner")
    server.sql(
        "insert into environment_monitor (code, name, state, spot, geom, region_id, maker)"
        " select 'LIVE-1', 'LIVE', state, spot, geom, region_id, maker from environment_monitor where id = %s",
        monitor,
    )
    assert heard.wait(of_layer("monitors")) is not None
    heard.events.clear()
    server.sql("delete from environment_monitor where code = 'LIVE-1'")
    assert heard.wait(of_layer("monitors")) is not None
    heard.events.clear()
    project = server.sql("select project_id from environment_monitor where id = %s", monitor)[0][0]
    server.sql("update projects_project set name = name || '改' where id = %s", project)
    assert heard.wait(of_layer("monitors")) is not None, "a monitor is found by the name of its project"
    assert heard.wait(lambda e: e.topic == "features" and e.data["layer"] == "projects") is not None


def test_a_change_of_very_many_features_is_one_event(server: Server, listen: Listen) -> None:
    heard = listen("admin")
    number = server.sql("select count(*) from rural_houses_ruralhouse")[0][0]
    assert number > 500
    server.sql("update rural_houses_ruralhouse set name = name || '改'")
    assert heard.wait(of_layer("rural_houses")) is not None
    assert not [e for e in heard.events if e.topic == "features" and e.data["layer"] == "rural_houses"]


def test_nothing_foreign_is_in_the_bytes_of_a_stream(server: Server, listen: Listen, monitor: str) -> None:
    """F43, F44 for the stream: owner, neighbour, stranger; nobody is not let in."""
    streams = {name: listen(name) for name in ("owner", "commander", "neighbour", "stranger")}
    server.sql("update environment_monitor set name = 'Grenzmarke-7Q', pm10 = 77.125 where id = %s", monitor)
    for name in ("owner", "commander"):
        assert streams[name].wait(of(monitor)) is not None
        assert b"Grenzmarke-7Q" in streams[name].raw
    neighbours = str(server.sql("select id from environment_monitor where region_id like '511703%%' limit 1")[0][0])
    measure(server, neighbours, 11.5)
    assert streams["neighbour"].wait(of(neighbours)) is not None, "a later event has arrived"
    time.sleep(0.5)
    for name in ("neighbour", "stranger"):
        raw = bytes(streams[name].raw)
        assert monitor.encode() not in raw
        assert b"Grenzmarke" not in raw
        assert b"77.12" not in raw
    assert neighbours.encode() not in streams["owner"].raw
    assert streams["stranger"].topics() == []
    nobody = listen(headers={})
    assert nobody.status == 401
    assert b"data:" not in nobody.raw


def test_private_columns_are_not_told(server: Server, listen: Listen) -> None:
    house = str(
        server.sql("select id from rural_houses_ruralhouse where region_id like '511702%%' order by id limit 1")[0][0]
    )
    heard, inspector = listen("owner"), listen("inspector")
    server.sql("update rural_houses_ruralhouse set householder = '户主甲乙丙' where id = %s", house)
    server.sql("update rural_houses_ruralhouse set name = '改名房' where id = %s", house)
    assert heard.wait(lambda e: of(house)(e) and "name" in e.data["rows"][0]["texts"]) is not None
    assert "户主甲乙丙".encode() in heard.raw
    assert inspector.wait(of(house)) is not None
    assert "改名房".encode() in inspector.raw
    assert "户主甲乙丙".encode() not in inspector.raw


def test_layers_and_topics_may_be_chosen(server: Server, listen: Listen, monitor: str) -> None:
    some, none = listen("owner", layers="cameras,monitors"), listen("owner", layers="cameras")
    measure(server, monitor, 12.25)
    assert some.wait(of(monitor)) is not None
    time.sleep(0.3)
    assert none.topics() == []


def test_a_page_of_another_origin_is_refused(live: Live, session_of: Callable[[str], dict[str, str]]) -> None:
    cookie = session_of("owner")
    for origin in ("http://evil.example", "http://127.0.0.1:1", "null", "http://127.0.0.1:99999", "http://[::1"):
        answer = httpx.get(live.url, headers=cookie | {"Origin": origin})
        assert answer.status_code == 403, origin
        assert "access-control-allow-origin" not in answer.headers
    with httpx.stream("GET", live.url, headers=cookie | {"Origin": live.server.url}) as answer:
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == live.server.url
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["content-type"].startswith("text/event-stream")
    assert httpx.get(live.url, headers=cookie | {"Host": "evil.example"}).status_code == 400
    assert httpx.post(live.url, headers=cookie).status_code == 405
    assert httpx.get(live.url + "/x", headers=cookie).status_code == 404
    assert httpx.get(live.url, headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_user_may_have_only_so_many_streams(listen: Listen, token_of: Callable[[str], dict[str, str]]) -> None:
    found = [listen("inspector") for _n in range(13)]
    assert [each.status for each in found] == [200] * 12 + [429]
    assert listen("neighbour").status == 200
    found[0].close()
    until = time.monotonic() + 10
    while (again := listen("inspector")).status != 200 and time.monotonic() < until:
        time.sleep(0.2)
    assert again.status == 200, "who hangs up makes room"
