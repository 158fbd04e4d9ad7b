"""OGC API – EDR: what was measured, as public clients ask for it, under the rights of whoever asks."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from owslib.ogcapi.edr import EnvironmentalDataRetrieval

from layers.environment.models import Monitor
from services.accounts.models import ApiToken
from services.ogc import observations
from services.telemetry import partitions
from services.telemetry.models import Device, Rollup
from services.telemetry.spans import Span
from services.telemetry.store import Row, Store
from tests.conftest import HOME, SIBLING, Server, connect
from tests.ogc.conftest import Door

pytestmark = pytest.mark.django_db
Doors = Callable[[str], Door]
NOW = timezone.now().replace(microsecond=0)
MONITORS = "/collections/monitors"


def reading(device: int, at: datetime, value: float | None, factor: str, **more: Any) -> Row:
    given = {"span": "real", "low": None, "high": None, "total": None, "flag": "N", "quality": ""} | more
    return Row(device, factor, at, value=value, **({"received_at": at + timedelta(seconds=1)} | given))


@pytest.fixture
def stations(db: None) -> dict[str, Monitor]:
    """A monitor at home and one next door, each with a device that sent three minutes of PM10 and noise."""
    found = {}
    for name, region in (("home", HOME), ("next door", SIBLING)):
        monitor = Monitor.objects.filter(region__code__startswith=region).order_by("pk").first()
        assert monitor is not None
        device = Device.objects.create(
            protocol="hj212", number=f"EDR {name}", feature=monitor.pk, state=Device.State.ACTIVE
        )
        rows = []
        for minute in range(3):
            at = NOW - timedelta(minutes=10 - minute)
            rows.append(reading(device.pk, at, 50.0 + minute, "a34002"))
            rows.append(reading(device.pk, at, 60.0, "LA", **({"flag": "D", "quality": "flag"} if minute == 1 else {})))
        Store(partitions.raw()).write(rows)
        Rollup.objects.create(
            pk=(device.pk, rows[0].device and _factor("a34002"), int(Span.HOUR), NOW.replace(minute=0, second=0)),
            mean=51.0, n_valid=60, n_expected=60, valid=True, revised=False, computed_at=NOW,
        )  # fmt: skip
        found[name] = monitor
    return found


def _factor(code: str) -> int:
    from services.telemetry.models import Factor

    return Factor.objects.get(code=code).pk


def at(monitor: Monitor) -> str:
    assert monitor.geom is not None
    return f"POINT({monitor.geom.x} {monitor.geom.y})"


def around(monitor: Monitor, d: float = 0.0005) -> str:
    assert monitor.geom is not None
    x, y = monitor.geom.x, monitor.geom.y
    return f"POLYGON(({x - d} {y - d},{x + d} {y - d},{x + d} {y + d},{x - d} {y + d},{x - d} {y - d}))"


def streamed(door: Door, path: str, **query: Any) -> str:
    answer = door.get(path, {name.replace("_", "-"): value for name, value in query.items()})
    text = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
    assert answer.status_code == 200, text.decode()[:500]
    return text.decode()


def coverages(door: Door, path: str, **query: Any) -> list[dict[str, Any]]:
    found = json.loads(streamed(door, path, **query))
    assert found["type"] == "CoverageCollection"
    return found["coverages"]  # type: ignore[no-any-return]


def test_a_collection_says_what_is_measured_and_how_to_ask(door: Doors, stations: dict[str, Monitor]) -> None:
    found = door("owner").json(MONITORS)
    assert list(found["data_queries"]) == list(observations.QUERIES)
    assert found["parameter_names"]["pm10"]["unit"]["symbol"]["value"] == "µg/m³"
    assert found["parameter_names"]["pm10"]["observedProperty"] == {"id": "a34002", "label": "PM10"}
    assert {"geojson", "csv", "covjson"} <= set(found["output_formats"])
    assert "data_queries" not in door("owner").json("/collections/projects")
    for name in ("position", "area", "radius", "locations"):
        assert door("owner").get(f"/collections/projects/{name}").status_code == 404
    conforms = door("owner").json("/conformance")["conformsTo"]
    assert "http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/core" in conforms


def test_values_at_a_place_in_coveragejson(door: Doors, stations: dict[str, Monitor]) -> None:
    home = stations["home"]
    for path, query in (
        ("position", {"coords": at(home)}),
        ("radius", {"coords": at(home), "within": "20"}),
        ("radius", {"coords": at(home), "within": "0.02", "within-units": "km"}),
        ("area", {"coords": around(home, 0.0001)}),
        (f"locations/{home.pk}", {}),
    ):
        (found,) = coverages(door("owner"), f"{MONITORS}/{path}", parameter_name="pm10,noise", **query)
        assert home.geom is not None
        axes = found["domain"]["axes"]
        assert axes["x"]["values"] == [pytest.approx(home.geom.x)]
        times = [(NOW - timedelta(minutes=10 - n)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for n in range(3)]
        assert axes["t"]["values"] == times
        assert found["ranges"]["pm10"]["values"] == [50.0, 51.0, 52.0]
        assert found["ranges"]["noise"]["values"] == [60.0, None, 60.0], "a value that does not count is a gap"
        assert found["ranges"]["pm10"]["shape"] == [3]


def test_values_as_geojson_and_csv(door: Doors, stations: dict[str, Monitor]) -> None:
    query = {"coords": at(stations["home"]), "parameter_name": "a34002"}
    found = json.loads(streamed(door("owner"), f"{MONITORS}/position", f="geojson", **query))
    assert [each["properties"]["pm10"] for each in found["features"]] == [50.0, 51.0, 52.0]
    assert found["features"][0]["geometry"]["type"] == "Point"
    lines = list(csv.DictReader(io.StringIO(streamed(door("owner"), f"{MONITORS}/position", f="csv", **query))))
    assert [line["pm10 (µg/m³)"] for line in lines] == ["50.0", "51.0", "52.0"]
    assert lines[0]["location"] == str(stations["home"].pk)


def test_times_and_spans(door: Doors, stations: dict[str, Monitor]) -> None:
    path, owner = f"{MONITORS}/locations/{stations['home'].pk}", door("owner")
    first = (NOW - timedelta(minutes=10)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    (found,) = coverages(owner, path, datetime=f"{first}/{first}", parameter_name="pm10")
    assert found["ranges"]["pm10"]["values"] == [50.0]
    (found,) = coverages(owner, path, datetime=first, parameter_name="pm10")
    assert found["ranges"]["pm10"]["values"] == [50.0]
    assert coverages(owner, path, datetime="2001-01-01/2001-01-02") == []
    (found,) = coverages(owner, path, span="hour", parameter_name="pm10")
    assert found["ranges"]["pm10"]["values"] == [51.0]
    long_ago = (NOW - timedelta(days=20)).date().isoformat()
    (found,) = coverages(owner, path, datetime=f"{long_ago}/..", parameter_name="pm10")
    assert found["ranges"]["pm10"]["values"] == [51.0], "a long time is answered in hours"


def test_rights_hold_on_every_query(door: Doors, stations: dict[str, Monitor]) -> None:
    """Owner, neighbour, stranger, nobody: what is foreign is not found, and no value of it is told."""
    home = stations["home"]
    assert [f["id"] for f in door("owner").json(f"{MONITORS}/locations")["features"]] == [str(home.pk)]
    assert len(door("commander").json(f"{MONITORS}/locations")["features"]) == 2
    for name in ("neighbour", "stranger"):
        other = door(name)
        assert coverages(other, f"{MONITORS}/radius", coords=at(home), within="5") == []
        assert coverages(other, f"{MONITORS}/area", coords=around(home)) == []
        assert str(home.pk) not in streamed(other, f"{MONITORS}/position", coords=at(home))
        assert str(home.pk) not in json.dumps(other.json(f"{MONITORS}/locations"))
        assert other.get(f"{MONITORS}/locations/{home.pk}").status_code == 404
    for path in ("position", "radius", "area", "locations", f"locations/{home.pk}"):
        assert door("public").get(f"{MONITORS}/{path}", {"coords": at(home)}).status_code in (401, 404), path


def test_a_station_without_devices_is_no_location(door: Doors, stations: dict[str, Monitor]) -> None:
    bare = Monitor.objects.filter(region__code__startswith=HOME).exclude(pk=stations["home"].pk).first()
    assert bare is not None
    assert door("owner").get(f"{MONITORS}/locations/{bare.pk}").status_code == 404


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("position", {}, "coords"),
        ("position", {"coords": "POINT(107.5)"}, "coords"),
        ("position", {"coords": "POINT(NaN NaN)"}, "coords"),
        ("position", {"coords": "POINT(31.2 107.5)"}, "coords"),
        ("position", {"coords": "POLYGON((0 0,1 0,1 1,0 0))"}, "coords"),
        ("area", {"coords": "POLYGON((0 0,1 1,1 0,0 1,0 0))"}, "coords"),
        ("area", {"coords": "POINT(1 1)"}, "coords"),
        ("radius", {"coords": "POINT(107 31)"}, "within"),
        ("radius", {"coords": "POINT(107 31)", "within": "-1"}, "within"),
        ("radius", {"coords": "POINT(107 31)", "within": "nan"}, "within"),
        ("radius", {"coords": "POINT(107 31)", "within": "1e9"}, "within"),
        ("radius", {"coords": "POINT(107 31)", "within": "1", "within-units": "miles"}, "within-units"),
        ("position", {"coords": "POINT(107 31)", "parameter-name": "pm10,nothing"}, "parameter-name"),
        ("position", {"coords": "POINT(107 31)", "datetime": "yesterday"}, "datetime"),
        ("position", {"coords": "POINT(107 31)", "datetime": "../2026-01-01"}, "datetime"),
        ("position", {"coords": "POINT(107 31)", "datetime": "2026-02-01/2026-01-01"}, "datetime"),
        ("position", {"coords": "POINT(107 31)", "span": "week"}, "span"),
        ("position", {"coords": "POINT(107 31)", "crs": "http://www.opengis.net/def/crs/EPSG/0/3857"}, "crs"),
        ("position", {"coords": "POINT(107 31)", "f": "netcdf"}, "f"),
        ("position", {"coords": "POINT(107 31)", "colour": "red"}, "colour"),
        ("locations", {"bbox": "1,2,3,4"}, "bbox"),
    ],
)
def test_bad_requests_name_the_parameter(door: Doors, path: str, query: dict[str, str], field: str) -> None:
    answer = door("owner").get(f"{MONITORS}/{path}", query)
    assert answer.status_code == 400
    assert field in answer.json()["errors"]


def test_too_much_is_refused_before_anything_is_sent(
    door: Doors, stations: dict[str, Monitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, home = f"{MONITORS}/radius", at(stations["home"])
    monkeypatch.setattr(observations, "MOST_VALUES", 5)
    assert door("owner").get(path, {"coords": home, "within": "5"}).status_code == 413
    monkeypatch.setattr(observations, "MOST_VALUES", 6)
    assert door("owner").get(path, {"coords": home, "within": "5"}).status_code == 200
    monkeypatch.setattr(observations, "MOST_PLACES", 1)
    everywhere = {"coords": home, "within": "99", "within-units": "km"}
    assert door("commander").get(path, everywhere).status_code == 413
    monkeypatch.setattr(observations, "MOST_CORNERS", 4)
    assert door("owner").get(f"{MONITORS}/area", {"coords": around(stations["home"])}).status_code == 413


def test_the_number_of_queries_does_not_grow_with_the_stations(
    door: Doors, stations: dict[str, Monitor], django_assert_max_num_queries: Any
) -> None:
    more = Monitor.objects.exclude(pk__in=[each.pk for each in stations.values()])[:20]
    for monitor in more:
        device = Device.objects.create(protocol="hj212", number=str(monitor.pk)[-30:], feature=monitor.pk)
        Store(partitions.raw()).write([reading(device.pk, NOW - timedelta(minutes=5), 1.0, "a34002")])
    everywhere = "POLYGON((106 30,109 30,109 33,106 33,106 30))"
    with django_assert_max_num_queries(16):
        assert len(coverages(door("admin"), f"{MONITORS}/area", coords=everywhere, parameter_name="pm10")) == 22


def test_the_openapi_document_lists_the_doors(door: Doors, stations: dict[str, Monitor]) -> None:
    paths = door("owner").json("/openapi")["paths"]
    for path in ("position", "radius", "area", "locations", "locations/{id}"):
        assert f"{MONITORS}/{path}" in paths
        assert f"/collections/projects/{path}" not in paths
    assert "413" in paths[f"{MONITORS}/area"]["get"]["responses"]


@pytest.fixture
def sent(server: Server) -> Iterator[tuple[str, str]]:
    """Credentials of the owner, and a monitor at home with one reading, in the server's own database."""
    secret = f"edr-{NOW.timestamp()}"
    server.sql(
        "insert into accounts_apitoken (user_id, name, digest, created_at)"
        " select id, 'edr', %s, now() from accounts_user where username = 'owner'", ApiToken.hash(secret),
    )  # fmt: skip
    monitor = server.sql("select id::text from environment_monitor where region_id like '511702%%' order by id limit 1")
    device = server.sql(
        "insert into telemetry_device (protocol, number, name, state, secret, units, crc_mode, datatime_is,"
        " missing_flag, minute_span, interval, base, back_days, sm4_key, created_at, feature) values ('hj212',"
        " 'OWSLIB', '', 'active', '', '{}', 'standard', 'start', 'N', 10, 60, 0, 30, '', now(), %s) returning id",
        monitor[0][0],
    )[0][0]
    with connect(server.database) as link:
        Store(link).write([reading(device, NOW - timedelta(minutes=1), 77.0, "a34002")])
    yield secret, monitor[0][0]
    server.sql("delete from telemetry_latest where device = %s", device)
    server.sql("delete from telemetry_reading where device = %s", device)
    server.sql("delete from telemetry_device where id = %s", device)


def test_owslib_reads_what_was_measured(server: Server, sent: tuple[str, str]) -> None:
    secret, monitor = sent
    client = EnvironmentalDataRetrieval(f"{server.url}/ogc", headers={"Authorization": f"Bearer {secret}"})
    assert "monitors" in client.data()
    assert "projects" not in client.data()
    x, y = server.sql("select st_x(geom), st_y(geom) from environment_monitor where id = %s", monitor)[0]
    begin = (NOW - timedelta(hours=1)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = client.query_data(
        "monitors", "position", coords=f"POINT({x} {y})", parameter_names=["pm10"], datetime_=f"{begin}/.."
    )
    assert found["coverages"][0]["ranges"]["pm10"]["values"] == [77.0]
    place = client.query_data("monitors", "locations")
    # Other tests have devices in this database, too.
    assert monitor in [each["id"] for each in place["features"]]
    found = client.query_data("monitors", f"locations/{monitor}")
    assert found["coverages"][0]["ranges"]["pm10"]["values"] == [77.0]
    area = f"POLYGON(({x - 1} {y - 1},{x + 1} {y - 1},{x + 1} {y + 1},{x - 1} {y + 1},{x - 1} {y - 1}))"
    found = client.query_data("monitors", "area", coords=area)
    assert len(found["coverages"]) == 1
    with pytest.raises(RuntimeError, match="coords"):
        client.query_data("monitors", "position", coords="POINT(1)")
