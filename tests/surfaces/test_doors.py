"""What surfaces show to whom: tiles decoded, files read back, values asked; and nothing to anybody else."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import mapbox_vector_tile
import numpy as np
import pytest
import shapely
from django.test import Client
from django.utils import timezone
from PIL import Image
from rasterio.io import MemoryFile

from gis.crs import transform_geometry, transformer
from gis.fields import STORAGE_SRID, WEB_SRID
from gis.models import Region
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.catalog.models import FeatureIndex
from services.surfaces import layouts
from services.surfaces.models import Run, Source, Surface
from styles.ramps import RAMPS
from tests.conftest import HOME, SIBLING
from tests.surfaces.conftest import City

pytestmark = pytest.mark.django_db
Ran = Callable[..., Run]
Z = 12


@pytest.fixture
def clients(who: dict[str, Any]) -> dict[str, Client]:
    names = ("owner", "neighbour", "stranger", "commander", "public")
    found = {name: Client(SERVER_NAME="127.0.0.1") for name in names}
    for name, client in found.items():
        if name != "public":
            client.force_login(User.objects.get(username=name))
    return found


@pytest.fixture
def run(city: City, ran: Ran) -> Run:
    """The county's PM10 of noon, 20 in the west and 200 in the east."""
    made = city.stations()
    city.hour({m: 20.0 if m.geom.x < 107.52 else 200.0 for m in made})
    return ran()


@pytest.fixture
def risky(city: City, ran: Ran, home: Region) -> Run:
    """A risk run: one monitor three times above 100 in the last hour."""
    surface = Surface.objects.get(key="risk")
    surface.sources.all().delete()
    Surface.objects.filter(pk=surface.pk).update(cell_m=1000)
    Source.objects.create(
        surface=surface, source="exceedances", label="PM10小时值超限", weight=2.0, half_life_h=1.0,
        options={"factor": "a34002", "above": 100.0},
    )  # fmt: skip
    city.hour({city.station(107.50, 31.28): 300.0})
    return ran(of=Surface.objects.get(key="risk"))


def pixel(lon: float, lat: float, z: int = Z) -> tuple[int, int, int, int]:
    """Tile and pixel that show a place."""
    there = transform_geometry(shapely.Point(lon, lat), STORAGE_SRID, WEB_SRID)
    side = 2 * 20037508.342789244 / 2**z
    x, y = (there.x + 20037508.342789244) / side, (20037508.342789244 - there.y) / side
    return int(x), int(y), int(x % 1 * 256), int(y % 1 * 256)


def addresses(run: Run) -> dict[str, str]:
    x, y, _px, _py = pixel(107.50, 31.28)
    base = f"/surfaces/{run.pk}"
    return {
        "png": f"{base}/{Z}/{x}/{y}.png", "mvt": f"{base}/{Z}/{x}/{y}.mvt", "tif": f"{base}/surface.tif",
        "value": f"{base}/value.json?lon=107.5&lat=31.28", "cells": f"{base}/cells.geojson",
        "page": f"/desk/surfaces/{run.pk}",
        "hours": f"/surfaces/{run.surface_id}/hours.json?region={run.region_id}",
    }  # fmt: skip


def test_the_choices_are_the_regions_of_ones_own(clients: dict[str, Client]) -> None:
    told = {name: clients[name].get("/surfaces/choices.json").json() for name in ("owner", "commander", "stranger")}
    assert [region["code"] for region in told["owner"]["regions"]] == [HOME]
    assert [region["code"] for region in told["commander"]["regions"]][:3] == ["511700", HOME, SIBLING]
    assert [surface["key"] for surface in told["owner"]["surfaces"]] == ["pm10", "pm25", "tsp", "noise", "risk"]
    assert told["stranger"] == {"surfaces": [], "regions": []}
    assert clients["public"].get("/surfaces/choices.json").status_code == 401


@pytest.mark.parametrize("kind", ["pollution", "risk"])
def test_every_door_opens_to_the_region_alone(kind: str, request: Any, clients: dict[str, Client]) -> None:
    run = request.getfixturevalue("run" if kind == "pollution" else "risky")
    for name, address in addresses(run).items():
        fits = name not in (("cells",) if kind == "pollution" else ("tif",))
        for who in ("owner", "commander"):
            assert clients[who].get(address).status_code == (200 if fits else 404), (who, address)
        for who in ("neighbour", "stranger"):
            assert clients[who].get(address).status_code == 404, (who, address)
        assert clients["public"].get(address).status_code == 401, address


def test_a_city_is_not_shown_to_one_of_its_counties(
    city: City, ran: Ran, clients: dict[str, Client]
) -> None:  # fmt: skip
    city.hour(dict.fromkeys(city.stations(), 20.0))
    whole = ran(region=Region.objects.get(code="511700"))
    assert clients["commander"].get(f"/surfaces/{whole.pk}/surface.tif").status_code == 200
    assert clients["owner"].get(f"/surfaces/{whole.pk}/surface.tif").status_code == 404
    assert clients["owner"].get("/surfaces/pm10/hours.json?region=511700").status_code == 404


def test_a_tile_has_the_colours_of_the_ramp_and_nothing_outside(run: Run, clients: dict[str, Client]) -> None:
    of, values = layouts.lattice(run.layout), layouts.spread_out(run.layout, run.values)
    for lon, lat in ((107.46, 31.24), (107.58, 31.28)):
        x, y, px, py = pixel(lon, lat)
        response = clients["owner"].get(f"/surfaces/{run.pk}/{Z}/{x}/{y}.png")
        picture = Image.open(io.BytesIO(response.content))
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", (256, 256))
        column, row = (round(float(v)) for v in of.places(np.float64(lon), np.float64(lat)))
        around = values[row - 1 : row + 2, column - 1 : column + 2]
        low, high = RAMPS["pm10"].paint(np.array([np.nanmin(around), np.nanmax(around)]))[:, :3].astype(int)
        shown = np.array(picture.getpixel((px, py)))
        assert shown[3] == 255
        assert (np.minimum(low, high) - 2 <= shown[:3]).all() and (shown[:3] <= np.maximum(low, high) + 2).all()
    x, y, px, py = pixel(107.47, 31.05)  # the neighbour's county
    other = Image.open(io.BytesIO(clients["owner"].get(f"/surfaces/{run.pk}/{Z}/{x}/{y}.png").content))
    assert other.getpixel((px, py))[3] == 0
    # On either side of the boundary, pixel by pixel.
    x, y, _px, _py = pixel(107.46, 31.21)
    edge = np.array(Image.open(io.BytesIO(clients["owner"].get(f"/surfaces/{run.pk}/{Z}/{x}/{y}.png").content)))
    side = 2 * 20037508.342789244 / 2**Z
    outline = shapely.from_wkb(bytes(run.region.geom_3857.wkb))
    for py, px in [(n, m) for n in range(4, 256, 31) for m in range(4, 256, 31)]:
        across, down = (x + (px + 0.5) / 256) * side, (y + (py + 0.5) / 256) * side
        place = shapely.Point(across - 20037508.342789244, 20037508.342789244 - down)
        if outline.boundary.distance(place) > 200:
            assert (edge[py, px, 3] == 255) == outline.contains(place), (px, py)
    nowhere = Image.open(io.BytesIO(clients["owner"].get(f"/surfaces/{run.pk}/3/0/0.png").content))
    assert nowhere.getextrema()[3] == (0, 0)
    assert clients["owner"].get(f"/surfaces/{run.pk}/3/9/0.png").status_code == 400


def test_a_tile_is_kept_until_its_run_is_revised(run: Run, city: City, ran: Ran, clients: dict[str, Client]) -> None:
    address = addresses(run)["png"]
    first = clients["owner"].get(address)
    assert "private" in first.headers["Cache-Control"]
    assert clients["owner"].get(address, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert clients["neighbour"].get(address, headers={"If-None-Match": first.headers["ETag"]}).status_code == 404
    city.hour(dict.fromkeys(city.made, 400.0))
    assert ran().revision == 1
    second = clients["owner"].get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert second.status_code == 200 and second.content != first.content


def test_the_geotiff_is_read_by_rasterio(run: Run, clients: dict[str, Client]) -> None:
    content = clients["owner"].get(addresses(run)["tif"]).content
    with MemoryFile(content) as memory, memory.open() as file:
        assert file.crs.to_epsg() == run.layout.srid == 4545
        assert (file.nodata, file.dtypes[0], file.res) == (-9999.0, "float32", (1000.0, 1000.0))
        assert (file.units[0], file.descriptions[0]) == ("µg/m³", "2026-11-20T04:00:00Z")
        band = file.read(1, masked=True)
        expected = layouts.spread_out(run.layout, run.values)
        np.testing.assert_array_equal(band.mask, np.isnan(expected))
        np.testing.assert_array_equal(band.compressed(), expected[np.isfinite(expected)])
        x, y = transformer(STORAGE_SRID, run.layout.srid).transform([107.46], [31.24])
        told = clients["owner"].get(f"/surfaces/{run.pk}/value.json?lon=107.46&lat=31.24").json()
        assert next(file.sample([(x[0], y[0])]))[0] == pytest.approx(told["value"])
        assert file.tags()["RUN"] == str(run.pk)


def test_a_place_tells_its_value_and_only_the_stations_one_may_see(
    run: Run, city: City, clients: dict[str, Client]
) -> None:  # fmt: skip
    told = clients["owner"].get(f"/surfaces/{run.pk}/value.json?lon=107.46&lat=31.241").json()
    assert told["value"] == pytest.approx(20, abs=15)
    assert told["stations"][0] | {"metres": 0} == {
        "id": str(city.made[0].pk), "layer": "monitors", "title": city.made[0].name, "value": 20.0, "metres": 0,
    }  # fmt: skip
    assert told["stations"][0]["metres"] == pytest.approx(111, rel=0.02)
    assert told["rmse"] == pytest.approx(run.rmse)
    # A station that was moved to another county since is not told to this one any more.
    type(city.made[0]).objects.filter(pk=city.made[0].pk).update(region=Region.objects.get(code=SIBLING))
    again = clients["owner"].get(f"/surfaces/{run.pk}/value.json?lon=107.46&lat=31.241")
    assert str(city.made[0].pk) not in again.content.decode()
    outside = clients["owner"].get(f"/surfaces/{run.pk}/value.json?lon=107.47&lat=31.05").json()
    assert (outside["value"], outside["stations"]) == (None, [])
    for query in ("", "?lon=x&lat=1", "?lon=999&lat=0", "?lon=nan&lat=31"):
        assert clients["owner"].get(f"/surfaces/{run.pk}/value.json{query}").status_code == 400, query


def test_the_hours_say_why_there_is_no_picture(city: City, ran: Ran, clients: dict[str, Client]) -> None:
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    made = city.stations()
    city.hour(dict.fromkeys(made, 20.0), now - timedelta(hours=1))
    city.hour({m: (20.0, n < 2) for n, m in enumerate(made)}, now - timedelta(hours=2))
    ran(at=now - timedelta(hours=1))
    ran(at=now - timedelta(hours=2))
    told = clients["owner"].get(f"/surfaces/pm10/hours.json?region={HOME}").json()
    assert len(told["hours"]) == 48 and told["unit"] == "µg/m³"
    last, before, none = told["hours"][-1], told["hours"][-2], told["hours"][-3]
    assert (last["state"], last["why"], last["used"]) == ("done", "", 6)
    assert (before["state"], before["why"]) == ("few", "有效站点2个，不足3个，未作图")
    assert (none["run"], none["why"]) == (None, "该小时没有收到监测数据")
    assert [line["value"] for line in told["legend"]] == [value for value, _color in RAMPS["pm10"].stops]
    assert told["legend"][0]["color"] in told["gradient"]
    for query in ("hours=0", "hours=x", "hours=99999"):
        assert clients["owner"].get(f"/surfaces/pm10/hours.json?region={HOME}&{query}").status_code == 400
    assert clients["owner"].get(f"/surfaces/nothing/hours.json?region={HOME}").status_code == 404


def test_hexagons_come_as_tiles_and_geojson(risky: Run, clients: dict[str, Client]) -> None:
    document = json.loads(clients["owner"].get(addresses(risky)["cells"]).content)
    assert document["type"] == "FeatureCollection"
    assert len(document["features"]) == risky.hexagons.count() == 7
    scores = sorted(f["properties"]["score"] for f in document["features"])
    tile = mapbox_vector_tile.decode(clients["owner"].get(addresses(risky)["mvt"]).content)
    assert sorted(f["properties"]["score"] for f in tile["cells"]["features"])[-1] == pytest.approx(scores[-1])
    told = clients["owner"].get(f"/surfaces/{risky.pk}/value.json?lon=107.5&lat=31.28").json()
    assert told["value"] == pytest.approx(scores[-1])
    assert told["parts"] == [{"label": "PM10小时值超限", "value": pytest.approx(2.0 * 3 * 0.5)}]


def test_the_number_of_queries_of_a_tile_and_of_the_hours(
    run: Run, clients: dict[str, Client], django_assert_max_num_queries: Any
) -> None:  # fmt: skip
    addressed = addresses(run)
    for name, most in (("png", 8), ("hours", 8), ("value", 9)):
        with django_assert_max_num_queries(most):
            assert clients["owner"].get(addressed[name]).status_code == 200, name


def test_the_page_of_a_run_names_only_what_one_may_see(run: Run, city: City, clients: dict[str, Client]) -> None:
    shown = clients["owner"].get(f"/desk/surfaces/{run.pk}").content.decode()
    assert all(monitor.name in shown for monitor in city.made)
    type(city.made[0]).objects.filter(pk=city.made[0].pk).update(region=Region.objects.get(code=SIBLING))
    shown = clients["owner"].get(f"/desk/surfaces/{run.pk}").content.decode()
    assert city.made[0].name not in shown and str(city.made[0].pk) not in shown
    assert "另有 1 项不在您的权限之内" in shown
    commander = clients["commander"].get(f"/desk/surfaces/{run.pk}").content.decode()
    assert city.made[0].name in commander


def test_contractors_see_no_areas(run: Run, db: None) -> None:
    user = User.objects.create_user("builder", password="Correct-horse-7")
    Membership.objects.create(
        user=user, role=Role.CONTRACTOR, organisation=FeatureIndex.objects.filter(layer="enterprises").first()
    )
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user)
    assert client.get(addresses(run)["png"]).status_code == 404
