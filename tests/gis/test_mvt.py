"""Vector tiles, decoded again."""

import math
import uuid
from datetime import UTC, datetime
from decimal import Decimal

import mapbox_vector_tile
import pytest
from django.contrib.gis.geos import LineString, Point, Polygon
from django.db.models import F

from gis.errors import TileOutOfRange
from gis.fields import STORAGE_SRID
from gis.mvt import tile, tile_bounds

LON, LAT = 107.5, 31.2


def address(z: int, lon: float = LON, lat: float = LAT) -> tuple[int, int, int]:
    side = 2**z
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return z, int((lon + 180) / 360 * side), int(y * side)


def features(blob: bytes, name: str = "a") -> list[dict]:
    layers = mapbox_vector_tile.decode(blob)
    assert set(layers) <= {name}
    return layers[name]["features"] if layers else []


@pytest.fixture
def spots(tables):
    tables.Spot.objects.bulk_create(
        [
            tables.Spot(
                id=uuid.UUID(int=n), name=f"第{n}号", number=n, ratio=0.5, money=Decimal("1.25"), on=n % 2 == 0,
                at=datetime(2026, 1, 1, tzinfo=UTC), data={"deep": 1},
                geom=Point(LON + n / 10_000, LAT, srid=STORAGE_SRID),
            )
            for n in range(1, 101)
        ]
        + [tables.Spot(id=uuid.UUID(int=1000))]
    )  # fmt: skip
    return tables.Spot.objects.order_by("name")


def test_properties_keep_their_types_and_ids_are_text(spots, django_assert_num_queries):
    wanted = {k: k for k in ("name", "number", "ratio", "money", "on", "at", "data", "day")} | {
        "twice": F("number") * 2
    }
    with django_assert_num_queries(1):
        found = features(tile(spots.filter(number=4), *address(14), name="a", properties=wanted))
    assert [f["properties"] for f in found] == [
        {
            "id": "00000000-0000-0000-0000-000000000004", "name": "第4号", "number": 4, "ratio": 0.5, "money": 1.25,
            "on": True, "at": "2026-01-01T00:00:00Z", "data": '{"deep": 1}', "twice": 8,
        }
    ]  # fmt: skip
    assert found[0]["geometry"]["type"] == "Point"


def test_a_tile_holds_its_square_and_a_margin_only(spots):
    z, x, y = address(15)
    west, _south, east, _north = tile_bounds(z, x, y)
    margin = (east - west) / 64
    inside = [s for s in spots.exclude(geom=None) if west - margin <= s.geom_3857.x <= east + margin]
    assert 0 < len(inside) < 100
    assert len(features(tile(spots, z, x, y, name="a", properties={}))) == len(inside)
    assert tile(spots, z, x + 20, y, name="a", properties={}) == b""
    assert tile(spots.none(), z, x, y, name="a", properties={}) == b""
    assert len(features(tile(spots, *address(8), name="a", properties={}, limit=7))) == 7


def test_clusters_count_every_point_once_and_neighbours_agree(spots):
    z, x, y = address(10)
    found = features(tile(spots, z, x, y, name="a", properties={"number": "number"}, clusters=True))
    assert len(found) < 100 and sum(f["properties"].get("point_count", 1) for f in found) == 100
    assert all(f["properties"]["id"] and 1 <= f["properties"]["number"] <= 100 for f in found)
    east = tile_bounds(z, x, y)[2]
    spots.update(geom=None)
    edge = Point(east - 10, sum(tile_bounds(z, x, y)[1::2]) / 2, srid=3857).transform(STORAGE_SRID, clone=True)
    spots.filter(number__lte=5).update(geom=edge)
    (mine,) = features(tile(spots, z, x, y, name="a", properties={}, clusters=True))
    (theirs,) = features(tile(spots, z, x + 1, y, name="a", properties={}, clusters=True))
    assert mine["properties"]["point_count"] == theirs["properties"]["point_count"] == 5
    assert mine["geometry"]["coordinates"][0] == theirs["geometry"]["coordinates"][0] + 4096


def test_a_borrowed_place(spots, tables, django_assert_num_queries):
    tables.Visit.objects.create(spot_id=uuid.UUID(int=5), note='quote " % s')
    with django_assert_num_queries(1) as caught:
        blob = tile(
            tables.Visit.objects.filter(spot__on=False), *address(14), name="a", geom="spot__geom",
            properties={'odd "%s" name': "note"},
        )  # fmt: skip
    assert "ST_Transform" not in caught[0]["sql"]
    (visit,) = features(blob)
    assert visit["properties"]['odd "%s" name'] == 'quote " % s'


def test_an_annotated_place_is_transformed(spots):
    moved = spots.annotate(other=F("geom"))
    assert len(features(tile(moved, *address(8), name="a", geom="other", properties={}))) == 100


def test_low_zoom_simplifies_and_drops_the_tiny(tables):
    circle = Point(LON, LAT).buffer(0.2, quadsegs=500)
    tables.Shape.objects.bulk_create(
        [
            tables.Shape(name="big", geom=Polygon(circle.coords[0], srid=STORAGE_SRID)),
            tables.Shape(name="tiny", geom=Polygon.from_bbox((LON, LAT, LON + 1e-4, LAT + 1e-4))),
            tables.Shape(name="line", geom=LineString((LON, LAT), (LON + 0.3, LAT), srid=STORAGE_SRID)),
            tables.Shape(name="none"),
        ]
    )
    shapes, properties = tables.Shape.objects.all(), {"name": "name"}
    found = features(tile(shapes, *address(6), name="a", properties=properties))
    low = {f["properties"]["name"]: f for f in found}
    assert set(low) == {"big", "line"}
    assert len(low["big"]["geometry"]["coordinates"][0]) < 200
    high = features(tile(shapes, *address(15), name="a", properties=properties))
    assert "tiny" in {f["properties"]["name"] for f in high}


@pytest.mark.parametrize("z_x_y", [(-1, 0, 0), (23, 0, 0), (0, 1, 0), (3, 8, 0), (3, 0, 8), (3, -1, 0), (3, 0, -1)])
def test_an_address_outside_the_matrix_is_refused(z_x_y, spots, django_assert_num_queries):
    with django_assert_num_queries(0), pytest.raises(TileOutOfRange):
        tile(spots, *z_x_y, name="a", properties={})
