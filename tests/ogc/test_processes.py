"""The process: at once, as a job, with the rights of whoever asks; styles and the catalogue of layers."""

from typing import Any
from xml.etree import ElementTree

import pytest

from services.catalog.layer import registry
from services.operations import jobs
from services.operations.models import Job
from tests.conftest import HOME, SIBLING
from tests.ogc.conftest import PLACE

pytestmark = pytest.mark.django_db
EXECUTE = "/processes/buffer-count/execution"


def counted(answer: Any) -> dict[str, int]:
    assert answer.status_code == 200, answer.content
    return {each["layer"]: each["count"] for each in answer.json()["counts"]}


def inputs(**given: Any) -> dict[str, Any]:
    return {"inputs": {"point": list(PLACE[HOME]), "distance": 5, "layers": ["projects"]} | given}


def test_it_counts_within_metres(door: Any, projects: Any) -> None:
    owner = door("owner")
    few, more = (counted(owner.send("POST", EXECUTE, inputs(distance=d)))["projects"] for d in (5, 100))
    # The projects of these tests stand 9.5 m apart, eastwards.
    assert few >= 1
    assert more >= few + 10
    place = {
        "type": "Polygon",
        "coordinates": [[[107.5, 31.2], [107.52, 31.2], [107.52, 31.22], [107.5, 31.22], [107.5, 31.2]]],
    }
    body = {"inputs": {"geometry": place, "layers": ["projects"]}}
    assert counted(owner.send("POST", EXECUTE, body))["projects"] >= 25


def test_it_counts_what_the_principal_sees(door: Any, projects: Any) -> None:
    body = inputs(point=list(PLACE[SIBLING]), distance=100)
    assert counted(door("owner").send("POST", EXECUTE, body))["projects"] == 0
    assert counted(door("neighbour").send("POST", EXECUTE, body))["projects"] >= 5
    everything = inputs() | {"inputs": {"point": list(PLACE[HOME]), "distance": 50_000}}
    assert set(counted(door("stranger").send("POST", EXECUTE, everything)).values()) <= {
        0,
        *_open_counts(door, everything),
    }


def _open_counts(door: Any, body: Any) -> set[int]:
    return set(counted(door("public").send("POST", EXECUTE, body)).values())


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"distance": -1}, "distance"),
        ({"distance": 1e9}, "distance"),
        ({"distance": "5"}, "distance"),
        ({"distance": True}, "distance"),
        ({"distance": 0}, "distance"),
        ({"layers": ["nosuch"]}, "layers"),
        ({"layers": "projects"}, "layers"),
        ({"layers": [{}]}, "layers"),
        ({"nosuch": 1}, "nosuch"),
        ({"geometry": {"type": "Point", "coordinates": [1, 2]}}, "geometry"),
    ],
)
def test_bad_inputs_are_named(door: Any, projects: Any, given: Any, name: str) -> None:
    answer = door("owner").send("POST", EXECUTE, inputs(**given))
    assert answer.status_code == 400, answer.content
    assert name in answer.json()["errors"]


def test_bad_bodies(door: Any) -> None:
    for body in (
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"5",
        b'{"inputs": 5}',
        b'{"inputs": []}',
        b'{"inputs": {"point": "x", "distance": 1}}',
    ):
        assert door("owner").send("POST", EXECUTE, body).status_code in (400, 422), body
    assert door("owner").send("POST", "/processes/nothing/execution", inputs()).status_code == 404


def test_as_a_job(door: Any, projects: Any, django_capture_on_commit_callbacks: Any, monkeypatch: Any) -> None:
    owner = door("owner")
    monkeypatch.setattr(jobs.run, "delay", jobs.run)
    with django_capture_on_commit_callbacks(execute=True):
        answer = owner.send("POST", EXECUTE, inputs(distance=100), Prefer="respond-async")
    assert answer.status_code == 201, answer.content
    assert answer.headers["Preference-Applied"] == "respond-async"
    told = answer.json()
    assert told["status"] == "accepted"
    address = answer.headers["Location"].partition("/ogc")[2]
    assert address == f"/jobs/{told['jobID']}"
    status = owner.json(address)
    assert (status["status"], status["progress"], status["processID"]) == ("successful", 100, "buffer-count")
    results = owner.json(f"{address}/results")
    assert results == owner.send("POST", EXECUTE, inputs(distance=100)).json()
    assert [job["jobID"] for job in owner.json("/jobs")["jobs"]] == [told["jobID"]]
    for other in ("neighbour", "public"):
        assert door(other).json("/jobs")["jobs"] == []
        for path in (address, f"{address}/results"):
            assert door(other).get(path).status_code == 404
        assert door(other).send("DELETE", address).status_code == 404
    assert owner.send("DELETE", address).status_code == 200
    assert owner.get(address).status_code == 404


def test_a_waiting_job_is_listed_and_can_be_dismissed(door: Any, projects: Any) -> None:
    owner = door("owner")
    pks = [owner.send("POST", EXECUTE, inputs(), Prefer="respond-async").json()["jobID"] for _n in range(2)]
    Job.objects.filter(pk=pks[0]).update(state=Job.State.RUNNING, started_at="2026-01-01T00:00:00Z")
    listed = owner.json("/jobs")["jobs"]
    assert {job["jobID"]: job["status"] for job in listed} == {pks[0]: "running", pks[1]: "accepted"}
    assert all("started" not in job or job["started"].endswith("Z") for job in listed)
    assert owner.get(f"/jobs/{pks[1]}/results").status_code == 404
    assert owner.send("DELETE", f"/jobs/{pks[1]}").json()["status"] == "dismissed"
    assert owner.json(f"/jobs/{pks[1]}")["status"] == "dismissed"
    assert owner.get(f"/jobs/{pks[1]}/results").status_code == 404


def test_a_job_needs_a_log_in(door: Any) -> None:
    body = {"inputs": {"point": list(PLACE[HOME]), "distance": 5}}
    assert door("public").send("POST", EXECUTE, body, Prefer="respond-async").status_code == 401


@pytest.mark.parametrize("layer", list(registry), ids=lambda layer: layer.key)
def test_every_layer_has_its_styles_with_whole_addresses(door: Any, layer: Any) -> None:
    admin = door("admin")
    style = admin.json(f"/styles/{layer.key}")
    assert style["version"] == 8
    assert style["sources"][layer.key]["tiles"][0].startswith("http://testserver/ogc/")
    assert style["sprite"].startswith("http://testserver/static/")
    assert style["glyphs"].startswith("http://testserver/static/")
    assert all(drawn["source"] == layer.key for drawn in style["layers"])
    assert style == admin.json(f"/collections/{layer.key}/styles/{layer.key}")
    sld = admin.get(f"/styles/{layer.key}", {"f": "sld11"})
    assert sld.headers["Content-Type"].startswith("application/vnd.ogc.sld+xml")
    assert ElementTree.fromstring(sld.content).tag.endswith("StyledLayerDescriptor")
    legend = admin.json(f"/styles/{layer.key}/legend")
    assert legend["items"]
    assert all(entry["svg"].startswith("<svg") for entry in legend["items"])
    tilejson = admin.json(f"/collections/{layer.key}/tiles/WebMercatorQuad", f="tilejson")
    assert tilejson["tilejson"] == "3.0.0"
    assert tilejson["vector_layers"][0]["id"] == layer.key


def test_the_catalogue_has_a_record_for_each_layer(door: Any, projects: Any) -> None:
    owner = door("owner")
    page = owner.json("/collections/layers/items", limit=100)
    keys = {record["id"] for record in page["features"]}
    assert keys == {c["id"] for c in owner.json("/collections")["collections"]} - {"layers"}
    record = owner.json("/collections/layers/items/projects")
    assert record["properties"]["title"] == "工程"
    assert record["properties"]["type"] == "dataset"
    assert record["geometry"]["type"] == "Polygon"
    assert "工地监管" in record["properties"]["keywords"]
    assert {"items", "tiles", "styles"} <= {link["rel"] for link in record["links"]}
    found = owner.json("/collections/layers/items", q="工程")
    assert "projects" in {r["id"] for r in found["features"]}
    assert found["numberMatched"] < page["numberMatched"]
    near = {r["id"] for r in owner.json("/collections/layers/items", bbox="107.4,31.1,107.6,31.3")["features"]}
    far = {r["id"] for r in owner.json("/collections/layers/items", bbox="0,0,1,1")["features"]}
    assert "projects" in near - far
    assert owner.get("/collections/layers/items/nothing").status_code == 404
