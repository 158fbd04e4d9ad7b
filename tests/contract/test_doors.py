"""Every door × owner, neighbour, stranger, nobody: what is foreign is not found, counted or drawn (F43, F44, F45).

A door that this page does not know fails the test: a new door states here what it shows.
"""

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import mapbox_vector_tile
import pytest
from django.contrib.gis.geos import Point
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from gis.crs import transform_geometry
from gis.fields import STORAGE_SRID, WEB_SRID
from services.access import gate
from services.access.principal import Principal
from services.accounts.models import User
from services.catalog.layer import Layer, registry
from services.catalog.models import FeatureIndex

pytestmark = pytest.mark.django_db
each_layer = pytest.mark.parametrize("layer", list(registry), ids=lambda layer: layer.key)

MARK = "Grenzmarke-7Q"
"""The name given to a feature of the owner's county: wherever a foreigner meets it, a door leaks."""
Z = 14


@dataclass(frozen=True)
class Marked:
    """A marked feature of one layer."""

    layer: Layer
    pk: str
    place: Point

    @property
    def tile(self) -> tuple[int, int]:
        import shapely

        there = transform_geometry(shapely.Point(self.place.x, self.place.y), STORAGE_SRID, WEB_SRID)
        side = 2 * 20037508.342789244 / 2**Z
        return int((there.x + 20037508.342789244) // side), int((20037508.342789244 - there.y) // side)

    @property
    def box(self) -> str:
        d = 0.0005
        return f"{self.place.x - d},{self.place.y - d},{self.place.x + d},{self.place.y + d}"


Address = Callable[[Marked], str]


def tab_of(m: Marked) -> str:
    return m.layer.tabs[0].key


OPEN = {
    "", "healthz", "login", "logout", "preferences", "tiles/regions/<int:z>/<int:x>/<int:y>.mvt",
    "ogc/conformance", "ogc/TileMatrixSets", "ogc/tileMatrixSets", "ogc/TileMatrixSets/<str:matrix>",
    "ogc/processes", "ogc/processes/<str:name>", "ogc", "ogc/", "desk/region-at", "notify/receipts/<int:channel>",
}  # fmt: skip
"""Doors that show nothing of any feature."""

OWN = {
    "desk/tokens", "desk/tokens/<int:pk>/withdraw", "desk/<slug:key>/import", "desk/imports/<uuid:pk>",
    "desk/imports/<uuid:pk>/undo", "desk/imports/<uuid:pk>/discard", "desk/imports/<uuid:pk>/report",
    "desk/notices", "desk/notices/bell", "desk/notices/read", "desk/notices/preferences", "desk/notices/<uuid:pk>/read",
    "desk/notices/absence", "desk/notices/absence/<int:pk>/end",
    "desk/live",
    "desk/fences", "desk/fences/new", "desk/fences/<int:pk>", "desk/fences/<int:pk>/delete",
    "desk/jobs", "desk/jobs/<uuid:pk>", "desk/jobs/<uuid:pk>/dismiss",
    "desk/feeds", "desk/feeds/new", "desk/feeds/<int:pk>", "desk/feeds/<int:pk>/edit", "desk/feeds/<int:pk>/switch",
    "desk/feeds/<int:pk>/token", "desk/feeds/<int:pk>/pull", "desk/feeds/<int:pk>/rewind", "desk/feeds/runs/<int:pk>",
    "desk/patrol", "desk/patrol/fixes", "desk/patrol/near", "desk/patrol/visits/<uuid:pk>",
    "feeds/<int:pk>", "desk/subscriptions", "desk/subscriptions/new", "desk/subscriptions/<int:pk>",
    "desk/subscriptions/<int:pk>/edit", "desk/subscriptions/<int:pk>/switch", "desk/subscriptions/<int:pk>/key",
    "desk/subscriptions/<int:pk>/trial", "desk/subscriptions/<int:pk>/again", "desk/subscriptions/<int:pk>/delete",
    "ogc/processes/<str:name>/execution", "ogc/jobs", "ogc/jobs/<str:pk>", "ogc/jobs/<str:pk>/results",
}  # fmt: skip
"""Doors to what belongs to the user alone, or to administrators; each has tests of its own."""

MEASURED = {
    "ogc/collections/<str:key>/position", "ogc/collections/<str:key>/radius", "ogc/collections/<str:key>/area",
    "ogc/collections/<str:key>/locations", "ogc/collections/<str:key>/locations/<str:pk>",
    "desk/devices", "desk/devices/candidates", "desk/devices/<int:pk>", "desk/devices/<int:pk>/approve",
    "desk/devices/<int:pk>/approve-behind", "desk/devices/<int:pk>/block", "desk/devices/<int:pk>/token",
    "desk/devices/<int:pk>/token/revoke",
    "desk/devices/<int:pk>/readings", "desk/devices/<int:pk>/readings/export",
    "desk/weather", "desk/pollution", "desk/pollution/points.json", "desk/dust", "desk/dust/export",
    "desk/points", "desk/readings", "desk/readings/export", "desk/rose", "desk/compare",
    "desk/compare/export", "desk/reports", "desk/reports/<slug:key>", "desk/reports/<slug:key>/export",
    "desk/reports/custom/new", "desk/reports/custom/<uuid:pk>", "desk/reports/custom/<uuid:pk>/edit",
    "desk/reports/custom/<uuid:pk>/delete", "desk/reports/custom/<uuid:pk>/export",
    "desk/reports/editions", "desk/reports/editions/<uuid:pk>", "desk/reports/editions/<uuid:pk>/export",
    "desk/reports/editions/<uuid:pk>/renew", "desk/reports/editions/<uuid:pk>/delete",
    "desk/alarms", "desk/alarms/badge", "desk/alarms/overview", "desk/tiers", "desk/tiers/<slug:level>",
    "desk/lights", "desk/indicators", "desk/indicators/new", "desk/indicators/evaluate", "desk/indicators/<int:pk>",
    "desk/<slug:key>/<uuid:pk>/lights",
    "desk/rules/<int:pk>/deadlines",
    "desk/alarms/export", "desk/alarms/acknowledge",
    "desk/alarms/<uuid:pk>", "desk/alarms/<uuid:pk>/people", "desk/alarms/<uuid:pk>/<slug:name>",
    "desk/rules", "desk/rules/new", "desk/rules/<int:pk>",
    "desk/rules/<int:pk>/switch", "desk/limits", "desk/limits/new", "desk/limits/<int:pk>",
    "desk/validity", "desk/validity/<int:pk>", "desk/<slug:key>/<uuid:pk>/process",
}  # fmt: skip
"""Doors to devices and what they measured: tests/desk, tests/domains and tests/ogc try each with unlike rights."""

PERIODS = {"desk/statistics", "desk/statistics/export", "desk/statistics/rows", "desk/statistics/rows/export"}
"""Doors to what happened in a period, of every layer: tests/stats/test_doors.py tries each with all four."""

MANAGED = {
    "desk/areas", "desk/areas/<uuid:pk>", "desk/areas/<uuid:pk>/limits/<int:rule>",
    "desk/monitoring", "desk/monitoring/export", "desk/monitoring/<uuid:pk>/duty",
    "desk/remediation", "desk/remediation/new", "desk/remediation/<uuid:pk>", "desk/remediation/<uuid:pk>/<slug:name>",
    "desk/grants", "desk/grants/candidates", "desk/grants/<int:pk>", "desk/grants/<int:pk>/limit",
    "desk/grants/<int:pk>/name",
    "desk/credit", "desk/credit/export", "desk/credit/standard", "desk/credit/standard/<slug:what>/new",
    "desk/credit/standard/<slug:what>/<int:pk>", "desk/credit/entries", "desk/credit/entries/<uuid:pk>",
    "desk/credit/entries/<uuid:pk>/<slug:name>", "desk/credit/<uuid:pk>/new", "desk/credit/<uuid:pk>/assess",
    "desk/<slug:key>/<uuid:pk>/credit",
    "desk/blacklist", "desk/blacklist/new", "desk/blacklist/hits", "desk/blacklist/rules", "desk/blacklist/<uuid:pk>",
    "desk/blacklist/<uuid:pk>/lift",
}  # fmt: skip
"""Doors by which areas, monitoring, orders, grants, integrity and the blacklist are managed:
tests/managing, tests/desk/test_credit_journeys.py and tests/domains/test_blacklist.py try each with unlike rights."""

CHARTS = {
    "desk/charts", "desk/charts/new", "desk/charts/<uuid:pk>", "desk/charts/<uuid:pk>/edit",
    "desk/charts/<uuid:pk>/data.json", "desk/charts/<uuid:pk>/export", "desk/charts/<uuid:pk>/<slug:name>",
    "desk/charts/tables", "desk/charts/tables/<uuid:pk>", "desk/charts/tables/<uuid:pk>/delete",
}  # fmt: skip
"""Doors to charts that people make and the tables they bring: tests/charts tries each with all four."""
SYSTEM = {
    "desk/system/sessions", "desk/system/sessions/<int:pid>/end", "desk/system/database", "desk/system/logs",
    "desk/system/logs/systems", "desk/system/logs/systems/<int:pk>/token",
    "desk/system/logs/systems/<int:pk>/switch", "logs", "logs/<slug:key>",
}  # fmt: skip
"""Doors to the platform's own state, for administrators, the last for other systems: tests/operations tries each."""
PRODUCTION = {
    "desk/production", "desk/production/export", "desk/production/rules", "desk/production/rules/formula",
    "desk/batches/<uuid:pk>", "desk/batches/<uuid:pk>/export", "desk/<slug:key>/<uuid:pk>/charges",
    "desk/<slug:key>/<uuid:pk>/batches", "devices/batches", "devices/charges",
}  # fmt: skip
"""Doors to batches of concrete, the last for plants: tests/domains/test_production.py tries each with unlike rights."""

AREAS = {
    "surfaces/choices.json", "surfaces/<slug:key>/hours.json", "surfaces/<uuid:pk>/<int:z>/<int:x>/<int:y>.png",
    "surfaces/<uuid:pk>/<int:z>/<int:x>/<int:y>.mvt", "surfaces/<uuid:pk>/cells.geojson",
    "surfaces/<uuid:pk>/value.json", "surfaces/<uuid:pk>/surface.tif", "desk/surfaces/<uuid:pk>",
    "ogc/collections/<str:key>/coverage", "desk/air",
}  # fmt: skip
"""Doors to whole areas, scoped by region: tests/surfaces/test_doors.py tries each with all four."""

FILES = {"desk/files/<uuid:pk>", "desk/files/<uuid:pk>/remove", "devices/files"}
"""Doors to one file, the last for devices: tests/files tries each as owner, neighbour, stranger and nobody."""

MANY: dict[str, Address] = {
    "desk/<slug:key>": lambda m: f"/desk/{m.layer.key}?q={MARK}",
    "desk/<slug:key>/export": lambda m: f"/desk/{m.layer.key}/export?format=csv&q={MARK}",
    "desk/<slug:key>/map.html": lambda m: f"/desk/{m.layer.key}/map.html?q={MARK}",
    "tiles/<slug:key>/<int:z>/<int:x>/<int:y>.mvt": lambda m: f"/tiles/{m.layer.key}/{Z}/{m.tile[0]}/{m.tile[1]}.mvt",
    "ogc/collections/<str:key>/items": lambda m: f"/ogc/collections/{m.layer.key}/items?bbox={m.box}&limit=1000",
    "ogc/collections/<str:key>/tiles/<str:matrix>/<int:z>/<int:y>/<int:x>":
        lambda m: f"/ogc/collections/{m.layer.key}/tiles/WebMercatorQuad/{Z}/{m.tile[1]}/{m.tile[0]}?f=mvt",
    "desk/choices/<slug:key>": lambda m: f"/desk/choices/{m.layer.key}?q={MARK}",
}  # fmt: skip
"""Doors that show the marked feature to its owner among others."""

ONE: dict[str, Address] = {
    "desk/<slug:key>/<uuid:pk>": lambda m: f"/desk/{m.layer.key}/{m.pk}",
    "ogc/collections/<str:key>/items/<str:pk>": lambda m: f"/ogc/collections/{m.layer.key}/items/{m.pk}",
}
"""Doors to the one feature: the owner sees it, nobody else finds it."""

PARTS: dict[str, Address] = {
    "desk/<slug:key>/<uuid:pk>/nearby": lambda m: f"/desk/{m.layer.key}/{m.pk}/nearby",
    "desk/<slug:key>/<uuid:pk>/curves": lambda m: f"/desk/{m.layer.key}/{m.pk}/curves",
    "desk/<slug:key>/<uuid:pk>/alarms": lambda m: f"/desk/{m.layer.key}/{m.pk}/alarms",
    "desk/<slug:key>/<uuid:pk>/track": lambda m: f"/desk/{m.layer.key}/{m.pk}/track",
    "desk/<slug:key>/<uuid:pk>/track/export": lambda m: f"/desk/{m.layer.key}/{m.pk}/track/export?format=csv",
    "desk/<slug:key>/<uuid:pk>/edit": lambda m: f"/desk/{m.layer.key}/{m.pk}/edit",
    "desk/<slug:key>/<uuid:pk>/files": lambda m: f"/desk/{m.layer.key}/{m.pk}/files",
    "desk/<slug:key>/<uuid:pk>/history": lambda m: f"/desk/{m.layer.key}/{m.pk}/history",
    "desk/<slug:key>/<uuid:pk>/tab/<slug:tab>": lambda m: f"/desk/{m.layer.key}/{m.pk}/tab/{tab_of(m)}",
}
"""Doors to parts of the one feature that need not name it."""

LAYERS: dict[str, Address] = {
    "desk/<slug:key>/new": lambda m: f"/desk/{m.layer.key}/new",
    "desk/<slug:key>/stats": lambda m: f"/desk/{m.layer.key}/stats",
    "ogc/collections/<str:key>": lambda m: f"/ogc/collections/{m.layer.key}",
    "ogc/collections/<str:key>/queryables": lambda m: f"/ogc/collections/{m.layer.key}/queryables",
    "ogc/collections/<str:key>/schema": lambda m: f"/ogc/collections/{m.layer.key}/schema",
    "ogc/collections/<str:key>/tiles": lambda m: f"/ogc/collections/{m.layer.key}/tiles",
    "ogc/collections/<str:key>/tiles/<str:matrix>": lambda m: f"/ogc/collections/{m.layer.key}/tiles/WebMercatorQuad",
    "ogc/collections/<str:key>/styles": lambda m: f"/ogc/collections/{m.layer.key}/styles",
    "ogc/collections/<str:key>/styles/<str:name>": lambda m: f"/ogc/collections/{m.layer.key}/styles/{m.layer.key}",
    "ogc/styles/<str:key>": lambda m: f"/ogc/styles/{m.layer.key}",
    "ogc/styles/<str:key>/metadata": lambda m: f"/ogc/styles/{m.layer.key}/metadata",
    "ogc/styles/<str:key>/legend": lambda m: f"/ogc/styles/{m.layer.key}/legend",
}
"""Doors about a layer as a whole: open to whoever may see some of it, and they name no feature."""

ALL = {
    "desk": "/desk", "desk/counts": "/desk/counts?bbox=106,30,109,33", "desk/map/style.json": "/desk/map/style.json",
    "ogc/openapi": "/ogc/openapi", "ogc/api": "/ogc/api", "ogc/collections": "/ogc/collections",
    "ogc/styles": "/ogc/styles",
}  # fmt: skip
"""Doors about all layers at once, which name no feature of any."""
SEARCH = "desk/search"

WRITING = {
    "desk/<slug:key>/<uuid:pk>/delete": lambda m: f"/desk/{m.layer.key}/{m.pk}/delete",
    "desk/<slug:key>/<uuid:pk>/tab/<slug:tab>/add": lambda m: f"/desk/{m.layer.key}/{m.pk}/tab/{tab_of(m)}/add",
}
"""Doors that only change: a POST by a foreigner finds nothing."""


def routes(patterns: Any = None, prefix: str = "") -> Iterator[str]:
    """Every route of the URL list, as it is written."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if str(pattern.pattern) != "admin/":
                yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


@pytest.fixture
def clients(who: dict[str, Principal]) -> dict[str, Client]:
    """Browsers of the four."""
    found = {}
    for name in ("owner", "neighbour", "stranger", "public"):
        found[name] = Client(SERVER_NAME="127.0.0.1")
        if name != "public":
            found[name].force_login(User.objects.get(username=name))
    return found


def mark(layer: Layer, owner: Principal) -> Marked | None:
    """Give a feature of the owner's county the mark for a name; None where the demo city leaves the layer empty."""
    row = gate.restrict(owner, layer).exclude(**{layer.geom: None}).order_by("pk").first()
    if row is None:
        return None
    layer.model._default_manager.filter(pk=row.pk).update(name=MARK)
    place = FeatureIndex.objects.get(pk=row.pk).geom.point_on_surface
    return Marked(layer, str(row.pk), place)


@pytest.fixture
def marked(layer: Layer, who: dict[str, Principal]) -> Marked:
    """A marked feature of one layer."""
    return mark(layer, who["owner"]) or pytest.skip(f"no {layer.key} in the owner's county")


@pytest.fixture
def everywhere(who: dict[str, Principal]) -> list[Marked]:
    """A marked feature of every layer."""
    found = [made for layer in registry if (made := mark(layer, who["owner"]))]
    assert len(found) > 15
    return found


def text(response: HttpResponse) -> str:
    """The body as text; of a tile, the decoded layers."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    if response.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    if "mapbox-vector-tile" in response.headers.get("Content-Type", ""):
        return str(mapbox_vector_tile.decode(body))
    return body.decode()


def answer_to_owner(door: str, layer: Layer) -> int:
    """200, but for a form of a layer that a flow writes: no supervisor may, and all hear 403 whatever is there."""
    needed = {
        "desk/<slug:key>/new": "create", "desk/<slug:key>/<uuid:pk>/edit": "change",
        "desk/<slug:key>/<uuid:pk>/tab/<slug:tab>/add": "change", "desk/<slug:key>/<uuid:pk>/delete": "delete",
    }.get(door, "view")  # fmt: skip
    return 200 if gate.granted(layer, "supervisor", needed) else 403


def test_every_door_is_known() -> None:
    known = (
        OPEN
        | OWN
        | MEASURED
        | MANAGED
        | CHARTS
        | SYSTEM
        | PERIODS
        | PRODUCTION
        | FILES
        | AREAS
        | set(MANY)
        | set(ONE)
        | set(PARTS)
        | set(LAYERS)
        | set(ALL)
        | {SEARCH}
        | set(WRITING)
    )
    assert sorted(set(routes()) - known) == []
    assert sorted(known - set(routes())) == [], "doors that are no more"


@each_layer
@pytest.mark.parametrize("door", sorted(MANY))
def test_a_door_to_many_shows_a_feature_to_its_owner_alone(
    door: str, layer: Layer, marked: Marked, clients: dict[str, Client]
) -> None:
    address = MANY[door](marked)
    mine = clients["owner"].get(address)
    assert mine.status_code == 200, (address, mine.content[:300])
    assert re.sub(f"q={MARK}|value=.{MARK}", "", text(mine)).count(MARK), address
    for name in ("neighbour", "stranger", "public"):
        response = clients[name].get(address)
        assert response.status_code in (200, 204, 302, 401, 404), (address, name)
        shown = re.sub(f"q={MARK}|value=.{MARK}|“{MARK}”|%3D{MARK}", "", text(response))
        assert marked.pk not in shown, f"{address} shows it to the {name}"
        assert MARK not in shown.replace(f">{MARK}<", "") or response.status_code == 302, f"{address}: {name}"


def test_the_search_shows_features_of_every_layer_to_their_owner_alone(
    everywhere: list[Marked], clients: dict[str, Client]
) -> None:
    for name, client in clients.items():
        shown = text(client.get(f"/{SEARCH}?q={MARK}"))
        assert [m.layer.key for m in everywhere if (m.pk in shown) != (name == "owner")] == [], name


@each_layer
@pytest.mark.parametrize("door", sorted({**ONE, **PARTS}))
def test_a_door_to_one_is_not_found_by_others(
    door: str, layer: Layer, marked: Marked, clients: dict[str, Client]
) -> None:
    address = {**ONE, **PARTS}[door](marked)
    mine = clients["owner"].get(address)
    assert mine.status_code == answer_to_owner(door, layer), address
    if door in ONE:
        assert MARK in text(mine)
    for name in ("neighbour", "stranger"):
        foreign = 403 if answer_to_owner(door, layer) == 403 else 404
        assert clients[name].get(address).status_code == foreign, f"{address}: {name}"
    assert clients["public"].get(address).status_code in (302, 401, 404)


@each_layer
@pytest.mark.parametrize("door", sorted(LAYERS))
def test_a_door_about_layers_names_no_feature(
    door: str, layer: Layer, marked: Marked, clients: dict[str, Client]
) -> None:
    address = LAYERS[door](marked)
    answers = {name: client.get(address) for name, client in clients.items()}
    for response in answers.values():
        shown = text(response)
        assert MARK not in shown and marked.pk not in shown, address
    assert answers["owner"].status_code == answer_to_owner(door, layer), address
    assert answers["public"].status_code in (200, 302, 401, 404)


@pytest.mark.parametrize("door", sorted(ALL))
def test_a_door_about_all_layers_names_no_feature(
    door: str, everywhere: list[Marked], clients: dict[str, Client]
) -> None:
    answers = {name: client.get(ALL[door]) for name, client in clients.items()}
    for name, response in answers.items():
        shown = text(response)
        assert MARK not in shown, name
        assert [m.layer.key for m in everywhere if m.pk in shown] == [], name
    assert answers["owner"].status_code == 200
    assert answers["public"].status_code in (200, 302, 401, 404)


@each_layer
@pytest.mark.parametrize("door", sorted(WRITING))
def test_a_foreigner_changes_nothing(door: str, layer: Layer, marked: Marked, clients: dict[str, Client]) -> None:
    address = WRITING[door](marked)
    for name in ("neighbour", "stranger"):
        closed = answer_to_owner(door, layer) == 403
        assert clients[name].post(address).status_code in ((403, 404) if closed else (404,))
    assert clients["public"].post(address).status_code in (302, 401, 404)
    assert layer.model._default_manager.filter(pk=marked.pk).exists()


@each_layer
@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_foreigner_writes_nothing_through_the_ogc_api(
    method: str, layer: Layer, marked: Marked, clients: dict[str, Client]
) -> None:
    address = f"/ogc/collections/{layer.key}/items/{marked.pk}"
    body = {"type": "Feature", "geometry": None, "properties": {"name": "taken over"}}
    for name in ("neighbour", "stranger", "public"):
        response = getattr(clients[name], method)(address, body, content_type="application/geo+json")
        # A layer that borrows its place is not edited here at all, whoever asks.
        assert response.status_code in ((401, 403, 404) if layer.owns_geometry else (400, 401, 404)), response.content
        assert "application/problem+json" in response.headers["Content-Type"]
    assert layer.model._default_manager.filter(pk=marked.pk, name=MARK).exists()


@each_layer
def test_the_extent_and_the_counts_of_a_layer_are_those_of_the_viewer(
    layer: Layer, marked: Marked, clients: dict[str, Client], who: dict[str, Principal]
) -> None:
    for name in ("owner", "neighbour", "stranger"):
        counted = clients[name].get("/desk/counts").json()
        assert counted.get(layer.key, 0) == gate.restrict(who[name], layer).count()
    owner, neighbour = (clients[n].get(f"/ogc/collections/{layer.key}").json() for n in ("owner", "neighbour"))
    if "extent" in neighbour and "spatial" in neighbour["extent"]:
        west, south, east, north = neighbour["extent"]["spatial"]["bbox"][0]
        rows = gate.restrict(who["neighbour"], layer).exclude(**{layer.geom: None})
        assert rows.exists() or (west, south, east, north) != tuple(owner["extent"]["spatial"]["bbox"][0])


@each_layer
def test_two_users_and_one_cache(layer: Layer, marked: Marked, clients: dict[str, Client]) -> None:
    address = MANY["tiles/<slug:key>/<int:z>/<int:x>/<int:y>.mvt"](marked)
    first = clients["owner"].get(address)
    tag = first.headers["ETag"]
    assert MARK in text(first)
    assert MARK not in text(clients["neighbour"].get(address))
    assert clients["neighbour"].get(address, headers={"If-None-Match": tag}).status_code == 200
    assert clients["owner"].get(address, headers={"If-None-Match": tag}).status_code == 304
    assert "private" in first.headers["Cache-Control"]


@each_layer
def test_the_admin_page_shows_only_what_is_within_reach(
    layer: Layer, marked: Marked, clients: dict[str, Client]
) -> None:
    meta = layer.model._meta
    address = f"/admin/{meta.app_label}/{meta.model_name}/"
    assert MARK in text(clients["owner"].get(address, {"q": MARK}))
    assert marked.pk not in text(clients["neighbour"].get(address, {"q": MARK}))
    assert clients["neighbour"].get(f"{address}{marked.pk}/change/").status_code in (302, 403, 404)
    assert clients["stranger"].get(address).status_code == 302
