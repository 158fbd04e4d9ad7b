"""A client that speaks as one of the people, and a few features of known places."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.gis.geos import Point
from django.http import HttpResponse
from django.test import Client

from layers.projects.models import Project
from tests.conftest import HOME, SIBLING

MINE = "name LIKE '测试工程%'"
"""The filter that passes the features of these tests alone."""
PLACE = {HOME: (107.51, 31.21), SIBLING: (107.47, 31.20)}


class Door:
    """The API as one person reaches it; paths are relative to ``/ogc``."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.client, self.headers = Client(), headers

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> HttpResponse:
        """GET."""
        return self.client.get(f"/ogc{path}", query or {}, headers=self.headers | headers)

    def json(self, path: str, **query: Any) -> Any:
        """The document at a path, which must be there."""
        answer = self.get(path, {name.replace("_", "-"): value for name, value in query.items()})
        assert answer.status_code == 200, answer.content.decode()[:500]
        return answer.json()

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """Any method, with a JSON body."""
        return self.client.generic(
            method, f"/ogc{path}", b"" if body is None else body if isinstance(body, bytes) else _json(body),
            content_type="application/geo+json", headers=self.headers | headers,
        )  # fmt: skip


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


@pytest.fixture
def door(token: Any) -> Callable[[str], Door]:
    """``door("owner")`` → the API as that person reaches it; ``door("public")`` without any credentials."""
    return lambda name: Door({} if name == "public" else token(name))


@pytest.fixture
def projects(db: None) -> dict[str, list[Project]]:
    """Twenty-five projects in the owner's county and five next door, beside those of the demo city."""
    made: dict[str, list[Project]] = {}
    for region, count in ((HOME, 25), (SIBLING, 5)):
        lon, lat = PLACE[region]
        made[region] = [
            Project.objects.create(
                code=f"T{region}-{n:02}",
                name=f"测试工程{n}",
                region_id=region,
                state="active" if n % 2 else "planned",
                progress=n,
                floor_area=None if n == 0 else n * 100.5,
                contract_price=n,
                start_date=f"2026-01-{n + 1:02}",
                geom=Point(lon + n * 0.0001, lat, srid=4490),
            )
            for n in range(count)
        ]
    return made
