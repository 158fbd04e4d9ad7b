"""Surfaces as coverages and as a process: cut by box and time, read by rasterio and OWSLib, within one's region."""

import os
import subprocess
import sys
from datetime import UTC, timedelta
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from owslib.ogcapi.coverages import Coverages
from rasterio.io import MemoryFile

from services.accounts.models import ApiToken
from services.operations import jobs
from services.surfaces import layouts
from services.surfaces.models import Run
from tests.conftest import HOME, Server
from tests.surfaces.conftest import NOON, City, city, home, ran, surface  # noqa: F401 - fixtures
from tests.surfaces.test_runs import SEEDED

pytestmark = pytest.mark.django_db
COVERAGE = "/collections/surface-pm10/coverage"
AT = NOON.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
EXECUTE = "/processes/surface/execution"


@pytest.fixture
def two(city: City, ran: Any) -> list[Run]:  # noqa: F811
    """The county's PM10 of noon and of the hour after it."""
    made = city.stations()
    for hours in (0, 1):
        city.hour({m: 20.0 + 10 * n + 100 * hours for n, m in enumerate(made)}, NOON + timedelta(hours=hours))
    return [ran(at=NOON + timedelta(hours=hours)) for hours in (0, 1)]


def opened(answer: Any) -> Any:
    assert answer.status_code == 200, answer.content
    assert answer.headers["Content-Type"].startswith("image/tiff")
    return MemoryFile(answer.content).open()


def test_the_collection_is_told_to_whom_its_region_is_open(door: Any, two: list[Run]) -> None:
    told = door("owner").json("/collections/surface-pm10")
    rels = {link["rel"].rpartition("/")[2]: link for link in told["links"]}
    assert rels["coverage"]["href"].startswith("http://testserver/ogc/collections/surface-pm10/coverage")
    assert told["extent"]["spatial"]["bbox"][0] == pytest.approx(list(two[0].region.geom.extent))
    assert told["extent"]["spatial"]["grid"][0] == {"cellsCount": two[0].layout.columns, "resolution": 1000.0}
    listed = {name: door(name).json("/collections")["collections"] for name in ("owner", "stranger", "public")}
    ids = {name: [each["id"] for each in some] for name, some in listed.items()}
    assert "surface-pm10" in ids["owner"]
    for name in ("stranger", "public"):
        assert not [key for key in ids[name] if key.startswith("surface-")]
        assert door(name).get("/collections/surface-pm10").status_code == 404
        assert door(name).get(COVERAGE).status_code == 404
        assert door(name).get("/collections/surface-pm10/schema").status_code == 404
    assert "surface-tsp" not in ids["owner"], "nothing was computed of it"
    for link in told["links"]:
        assert door("owner").client.get(link["href"], headers=door("owner").headers).status_code == 200, link
    fields = door("owner").json("/collections/surface-pm10/schema")["properties"]
    assert (fields["pm10"]["type"], fields["pm10"]["x-ogc-unit"]) == ("number", "µg/m³")
    # The neighbour has a collection of their own region, in which nothing was computed.
    assert door("neighbour").get(COVERAGE).status_code == 404
    assert door("neighbour").get(COVERAGE, {"region": HOME}).status_code == 404


def test_a_coverage_is_cut_by_box_and_time(door: Any, two: list[Run]) -> None:
    owner = door("owner")
    first, last = (layouts.spread_out(run.layout, run.values) for run in two)
    with opened(owner.get(COVERAGE)) as file:
        np.testing.assert_array_equal(file.read(1, masked=True).filled(np.nan), last)
        assert file.crs.to_epsg() == two[0].layout.srid
        whole = file.transform
    with opened(owner.get(COVERAGE, {"datetime": AT})) as file:
        np.testing.assert_array_equal(file.read(1, masked=True).filled(np.nan), first)
    with opened(owner.get(COVERAGE, {"datetime": f"{AT}/.."})) as file:
        assert (file.count, file.descriptions[0]) == (2, AT)
        np.testing.assert_array_equal(file.read(2, masked=True).filled(np.nan), last)
    with opened(owner.get(COVERAGE, {"bbox": "107.45,31.25,107.55,31.30", "datetime": AT})) as file:
        column, row = round((file.transform.c - whole.c) / 1000), round((whole.f - file.transform.f) / 1000)
        assert (file.width, file.height) < (two[0].layout.columns, two[0].layout.rows)
        cut = first[row : row + file.height, column : column + file.width]
        np.testing.assert_array_equal(file.read(1, masked=True).filled(np.nan), cut)
        west, south, east, north = (107.45, 31.25, 107.55, 31.30)
        assert 8 <= file.width <= 12 and 4 <= file.height <= 8, (west, south, east, north)
    swapped = {"bbox": "31.25,107.45,31.30,107.55", "bbox-crs": "http://www.opengis.net/def/crs/EPSG/0/4490"}
    with opened(owner.get(COVERAGE, swapped)) as file:
        assert 8 <= file.width <= 12


def test_it_speaks_coveragejson(door: Any, two: list[Run]) -> None:
    answer = door("owner").get(COVERAGE, {"f": "json", "datetime": f"{AT}/.."})
    assert answer.headers["Content-Type"] == "application/prs.coverage+json"
    told = answer.json()
    of = two[0].layout
    assert (told["type"], told["domain"]["domainType"]) == ("Coverage", "Grid")
    assert told["ranges"]["pm10"]["shape"] == [2, of.rows, of.columns]
    assert told["domain"]["axes"]["t"]["values"][0] == AT
    x = told["domain"]["axes"]["x"]
    assert (x["start"], x["num"]) == (of.west + 500, of.columns) and x["stop"] - x["start"] == 1000 * (of.columns - 1)
    assert told["domain"]["referencing"][0]["system"]["id"].endswith(f"/EPSG/0/{of.srid}")
    values = np.array(told["ranges"]["pm10"]["values"], dtype=float).reshape(2, of.rows, of.columns)
    np.testing.assert_allclose(values[0], layouts.spread_out(of, two[0].values), atol=0.0006)
    assert door("owner").get(COVERAGE, accept="application/json").headers["Content-Type"].endswith("coverage+json")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"bbox": "1,2,3"}, 400), ({"bbox": "a,b,c,d"}, 400), ({"bbox-crs": "x", "bbox": "1,2,3,4"}, 400),
        ({"datetime": "yesterday"}, 400), ({"datetime": "2026-11-20T04:00:00"}, 400), ({"datetime": "../../.."}, 400),
        ({"f": "html"}, 400), ({"subset": "Lat(1:2)"}, 400), ({"scale-size": "x(1)"}, 400),
        ({"properties": "pm25"}, 400), ({"bbox": "100,20,101,21"}, 404), ({"datetime": "2001-01-01T00:00:00Z"}, 404),
        ({"region": "999999"}, 404),
    ],
)  # fmt: skip
def test_bad_questions_are_told_so(door: Any, two: list[Run], query: dict[str, str], status: int) -> None:
    answer = door("owner").get(COVERAGE, query)
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_conformance_classes_are_declared(door: Any, two: list[Run]) -> None:
    known = door("public").json("/conformance")["conformsTo"]
    declared = {uri.rpartition("/")[2] for uri in known if "coverages" in uri}
    assert declared == {"core", "oas30", "geodata-coverage", "coverage-bbox", "coverage-datetime"}
    assert "/collections/surface-pm10/coverage" in door("owner").json("/openapi")["paths"]
    assert "/collections/surface-pm10/coverage" not in door("stranger").json("/openapi")["paths"]


def inputs(**given: Any) -> dict[str, Any]:
    return {"inputs": {"surface": "pm10", "region": HOME, "datetime": AT} | given}


def test_the_process_computes_a_surface_at_once(door: Any, city: City, surface: Any) -> None:  # noqa: F811
    city.hour(dict.fromkeys(city.stations(), 42.0))
    owner = door("owner")
    answer = owner.send("POST", EXECUTE, inputs())
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert (told["state"], told["used"], told["mean"]) == ("done", 6, pytest.approx(42.0))
    file = owner.client.get(told["links"][0]["href"], headers=owner.headers)
    assert file.status_code == 200 and file.headers["Content-Type"].startswith("image/tiff")
    assert owner.send("POST", EXECUTE, inputs()).json()["run"] == told["run"], "not computed twice"
    other = owner.send("POST", EXECUTE, inputs(parameters={"power": 3.5, "radius_m": 4000})).json()
    assert other["run"] != told["run"]
    assert (other["parameters"]["power"], Run.objects.get(pk=other["run"]).standard) == (3.5, False)
    for name, status in (("neighbour", 404), ("stranger", 404), ("public", 401)):
        assert door(name).send("POST", EXECUTE, inputs()).status_code == status, name


def test_the_process_runs_as_a_job(
    door: Any, city: City, surface: Any, django_capture_on_commit_callbacks: Any, monkeypatch: Any  # noqa: F811
) -> None:  # fmt: skip
    city.hour(dict.fromkeys(city.stations(), 42.0))
    owner = door("owner")
    asked: list[str] = []
    monkeypatch.setattr(jobs.run, "delay", asked.append)
    with django_capture_on_commit_callbacks(execute=True):
        answer = owner.send("POST", EXECUTE, inputs(), Prefer="respond-async")
    assert answer.status_code == 201, answer.content
    path = answer.headers["Location"].partition("/ogc")[2]
    jobs.run(asked[0])
    status = owner.json(path)
    assert (status["status"], status["processID"]) == ("successful", "surface")
    assert owner.json(f"{path}/results")["state"] == "done"
    assert door("neighbour").get(path).status_code == 404
    refused = door("neighbour").send("POST", EXECUTE, inputs(), Prefer="respond-async")
    assert refused.status_code == 404


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"surface": 3}, "surface"), ({"surface": "risk"}, "surface"), ({"datetime": "noon"}, "datetime"),
        ({"datetime": "2026-11-20T04:30:00Z"}, "datetime"), ({"datetime": "2099-01-01T00:00:00Z"}, "datetime"),
        ({"parameters": {"power": 99}}, "parameters"), ({"parameters": {"cell_m": 1}}, "parameters"),
        ({"parameters": {"full": 1}}, "parameters"), ({"parameters": []}, "parameters"), ({"other": 1}, "other"),
        ({"parameters": {"power": True}}, "parameters"), ({"parameters": {"cell_m": None}}, "parameters"),
    ],
)  # fmt: skip
def test_wrong_inputs_are_named(door: Any, given: dict[str, Any], name: str) -> None:
    answer = door("owner").send("POST", EXECUTE, inputs(**given))
    assert answer.status_code == 400, answer.content
    assert list(answer.json()["errors"]) == [name]


def test_owslib_reads_a_coverage(server: Server, token: Any) -> None:
    server.sql("update surfaces_surface set active = (key = 'pm10'), cell_m = 2000")
    server.sql(SEEDED.replace("%(at)s", f"'{NOON.isoformat()}'"))
    environment = os.environ | {
        "ZHUTU_PGDATABASE": server.database,
        "DJANGO_SETTINGS_MODULE": "command_center.settings",
    }
    subprocess.run([sys.executable, "manage.py", "surfaces", "--once"], cwd=settings.ROOT, env=environment, check=True)
    secret = "surfaces-reader"
    server.sql(
        "insert into accounts_apitoken (user_id, digest, name, created_at) select id, %s, 'test', now()"
        " from accounts_user where username = 'owner'",
        ApiToken.hash(secret),
    )
    client = Coverages(f"{server.url}/ogc/", headers={"Authorization": f"Bearer {secret}"})
    assert client.coverages() == ["surface-pm10"]
    with MemoryFile(client.coverage("surface-pm10", datetime=AT).read()) as memory, memory.open() as file:
        band = file.read(1, masked=True)
        assert (file.res, file.count) == ((2000.0, 2000.0), 1)
        assert (band.min(), band.max()) == (pytest.approx(40.0), pytest.approx(40.0))
