"""The OpenAPI document is valid, whole in itself, and true: what it promises is what the doors do."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate

from services.ogc.observations import QUERIES
from tests.ogc.conftest import Door

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["admin", "owner", "inspector", "public"])
def test_the_document_is_valid_and_refers_to_nothing_outside(door: Any, name: str) -> None:
    document = door(name).json("/openapi")
    validate(document)
    text = json.dumps(document)
    assert '"$ref": "http' not in text
    assert document["servers"] == [{"url": "http://testserver/ogc"}]
    operations = [
        op["operationId"] for path in document["paths"].values() for op in path.values() if "operationId" in op
    ]
    assert len(operations) == len(set(operations))


def test_it_offers_what_the_principal_may_do(door: Any) -> None:
    owner, inspector = (door(name).json("/openapi")["paths"] for name in ("owner", "inspector"))
    assert {"get", "put", "patch", "delete"} <= set(owner["/collections/projects/items/{id}"])
    assert {"put", "patch", "delete"}.isdisjoint(inspector["/collections/projects/items/{id}"])
    assert "post" not in inspector["/collections/projects/items"]


KEPT = (
    "/",
    "/conformance",
    "/collections",
    "/styles",
    "/jobs",
    "/processes",
    "/TileMatrixSets",
    "/collections/projects",
    "/collections/layers",
)


def test_no_generated_request_breaks_the_server(door: Any, who: Any, projects: Any) -> None:
    """Schemathesis over the paths of one layer and the common ones: no 5xx, and answers as the document says."""
    owner: Door = door("owner")
    document = owner.json("/openapi")
    paths = {
        path: operations
        for path, operations in document["paths"].items()
        if path in KEPT
        or path.startswith(("/collections/projects/", "/collections/layers/", "/processes/", "/jobs/", "/styles/"))
        or (path.startswith("/collections/monitors/") and path.split("/")[3] in QUERIES)
    }
    schema = schemathesis.openapi.from_dict(document | {"paths": paths})
    broken: list[str] = []
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=12, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy())
        def probe(case: Any) -> None:
            nonlocal tried
            tried += 1
            answer = _call(owner, case)
            documented = set(case.operation.definition.raw["responses"])
            if answer.status_code >= 500 or str(answer.status_code) not in documented | {"405"}:
                broken.append(f"{case.method} {case.formatted_path} {case.query} → {answer.status_code}")

        probe()
    assert not broken, broken[:10]
    assert tried > 200


def _call(owner: Door, case: Any) -> Any:
    body = case.body if case.method.upper() in ("POST", "PUT", "PATCH") else None
    sent = b"" if body is None or type(body).__name__ == "NotSet" else json.dumps(body).encode()
    headers = {name: str(value) for name, value in (case.headers or {}).items()}
    query = urlencode({k: ",".join(map(str, v)) if isinstance(v, list) else v for k, v in (case.query or {}).items()})
    path = f"{case.formatted_path}?{query}" if query else case.formatted_path
    return owner.send(case.method.upper(), path, sent, **headers)
