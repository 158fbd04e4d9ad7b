"""Faults F47–F50: what strangers send as a geometry."""

import json
import math
import sys

import pytest
import shapely
from django.contrib.gis.geos import GEOSGeometry
from hypothesis import given
from hypothesis import strategies as st

from gis.crs import transform_geometry
from gis.errors import GeometryError, GeometryTooLarge
from gis.geojson import parse_geometry, repair_geometry
from gis.validity import MAX_BYTES, MAX_VERTICES

SQUARE = [[107, 31], [108, 31], [108, 32], [107, 32], [107, 31]]
HOLE = [[107.2, 31.2], [107.2, 31.4], [107.4, 31.4], [107.4, 31.2], [107.2, 31.2]]
BOW_TIE = [[107, 31], [108, 32], [108, 31], [107, 32], [107, 31]]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


def point(*ordinates):
    return {"type": "Point", "coordinates": list(ordinates)}


def nested(depth: int) -> str:
    return '{"type":"GeometryCollection","geometries":[' * depth + json.dumps(point(1, 1)) + "]}" * depth


@pytest.mark.parametrize(
    "good",
    [
        point(107.5, 31.2),
        point(180, -90),
        {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]},
        {"type": "LineString", "coordinates": [[1, 2], [3, 4]]},
        {"type": "MultiLineString", "coordinates": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]},
        polygon(SQUARE, HOLE),
        {"type": "MultiPolygon", "coordinates": [[SQUARE]]},
        {"type": "GeometryCollection", "geometries": [point(1, 2), polygon(SQUARE)]},
    ],
)
def test_a_good_geometry_comes_through_unchanged(good):
    for given_ in (good, json.dumps(good), json.dumps(good).encode()):
        found = parse_geometry(given_)
        assert isinstance(found, GEOSGeometry) and found.srid == 4490
        assert json.loads(found.json) == json.loads(json.dumps(good), parse_int=float)


@given(st.floats(-180, 180), st.floats(-90, 90))
def test_no_digit_is_lost(x, y):
    assert parse_geometry(point(x, y)).coords == (x, y)


def test_crs_axis_order_and_promotion():
    assert parse_geometry(point(31.2, 107.5), srid=4326, flip=True).coords == (107.5, 31.2)
    there = transform_geometry(shapely.Point(107.5, 31.2), 4490, 3857)
    assert parse_geometry(point(there.x, there.y), srid=3857).coords == pytest.approx((107.5, 31.2), abs=1e-9)
    there = transform_geometry(shapely.Point(107.5, 31.2), 4490, 4545)
    assert parse_geometry(point(there.y, there.x), srid=4545, flip=True).coords == pytest.approx(
        (107.5, 31.2), abs=1e-9
    )
    assert parse_geometry(polygon(SQUARE), kind="MULTIPOLYGON").geom_type == "MultiPolygon"
    assert parse_geometry({"type": "MultiPolygon", "coordinates": [[SQUARE]]}, kind="POLYGON").geom_type == "Polygon"
    with pytest.raises(GeometryError) as caught:
        parse_geometry(point(1, 2), kind="POLYGON")
    assert caught.value.code == "wrong-kind"


def test_f47_giant_geometries_are_refused_before_they_are_built():
    circle = [
        [107 + math.cos(a) / 2, 31 + math.sin(a) / 2]
        for a in (i * math.tau / MAX_VERTICES for i in range(MAX_VERTICES))
    ]
    with pytest.raises(GeometryTooLarge):
        parse_geometry(polygon([*circle, circle[0]]))
    assert parse_geometry(polygon([*circle[:-1], circle[0]])).num_coords == MAX_VERTICES
    with pytest.raises(GeometryTooLarge):
        parse_geometry({"type": "MultiPolygon", "coordinates": [[SQUARE]] * 10_001})
    with pytest.raises(GeometryTooLarge):
        parse_geometry(" " * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("bad", "code", "place"),
    [
        (polygon(BOW_TIE), "invalid-geometry", (107.5, 31.5)),
        (polygon(SQUARE, [[x + 5, y] for x, y in HOLE]), "invalid-geometry", (112.2, 31.2)),
        (polygon(SQUARE, HOLE, HOLE), "invalid-geometry", (107.4, 31.4)),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE]]}, "invalid-geometry", (108, 32)),
        (polygon([[1, 1], [2, 2], [3, 3], [1, 1]]), "invalid-geometry", (2, 2)),
        (polygon([[1, 1]] * 4), "invalid-geometry", (1, 1)),
        (polygon(SQUARE[:-1]), "unclosed-ring", (107, 32)),
        (polygon([[1, 1], [2, 2], [1, 1]]), "too-few-points", None),
        ({"type": "LineString", "coordinates": [[1, 1]]}, "too-few-points", None),
        ({"type": "LineString", "coordinates": [[1, 1], [1, 1]]}, "invalid-geometry", (1, 1)),
    ],
)
def test_f48_invalid_geometries_are_refused_with_reason_and_place(bad, code, place):
    with pytest.raises(GeometryError) as caught:
        parse_geometry(bad)
    assert caught.value.code == code
    assert caught.value.place == (None if place is None else pytest.approx(place))
    assert str(caught.value) and "Traceback" not in str(caught.value)


def test_f48_repair_is_a_choice_and_states_the_area():
    mended = repair_geometry(polygon(BOW_TIE), kind="MULTIPOLYGON")
    assert mended.geometry.valid and mended.geometry.geom_type == "MultiPolygon"
    assert mended.area_before < 1e8 < 5e9 < mended.area_after < 6e9
    closed = repair_geometry(polygon(SQUARE[:-1]), kind="POLYGON")
    assert closed.area_after == pytest.approx(closed.area_before, rel=1e-9)
    with pytest.raises(GeometryError):
        repair_geometry(polygon([[1, 1]] * 4))
    with pytest.raises(GeometryError):
        repair_geometry(point(1, 1e308))


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (point(math.nan, 1), "not-finite"),
        (point(math.inf, 1), "not-finite"),
        (point(10**400, 1), "not-finite"),
        ('{"type":"Point","coordinates":[NaN,1]}', "json"),
        ('{"type":"Point","coordinates":[1e999,1]}', "json"),
        (point(1e308, 1), "out-of-range"),
        (point(181, 1), "out-of-range"),
        (point(31.2, 107.5), "out-of-range"),
        (point(), "dimension"),
        ({"type": "LineString", "coordinates": []}, "empty"),
        ({"type": "MultiPolygon", "coordinates": [[]]}, "empty"),
        ({"type": "GeometryCollection", "geometries": []}, "empty"),
        (nested(2), "nested"),
        (nested(1000), "json"),
        (json.loads(nested(20)), "nested"),
        ({"type": "GeometryCollection", "geometries": [{"type": "MultiPoint", "coordinates": [[1, 1]]}]}, "nested"),
        (point(1, 2, 3), "dimension"),
        (point(1, 2, 3, 4), "dimension"),
        (point(1), "dimension"),
        (point("1", "2"), "position"),
        (point(True, 2), "position"),
        (point([1, 2]), "position"),
        ({"type": "Point"}, "position"),
        ({"type": "Polygon", "coordinates": SQUARE}, "too-few-points"),
        ({"type": "Polygon", "coordinates": 5}, "structure"),
        ({"type": "Circle", "coordinates": [1, 2]}, "type"),
        ({"type": ["Point"], "coordinates": [1, 2]}, "type"),
        ({"type": "Feature", "geometry": point(1, 2)}, "type"),
        ("[" * 100_000, "json"),
        ("null", "type"),
        ("", "json"),
    ],
)
def test_f49_ordinates_emptiness_nesting_and_dimensions(bad, code):
    with pytest.raises(GeometryError) as caught:
        parse_geometry(bad)
    assert caught.value.code == code


def test_f49_swapped_axes_are_guessed_aloud():
    with pytest.raises(GeometryError, match="写反"):
        parse_geometry(point(31.2, 107.5))


def test_f49_ordinates_beyond_a_projection_are_refused():
    for bad in (point(1e308, 1e308), point(1e200, 0)):
        with pytest.raises(GeometryError):
            parse_geometry(bad, srid=4547)


@pytest.mark.parametrize(
    "payload",
    [
        "/etc/passwd",
        "/vsicurl/http://127.0.0.1:9/x.tif",
        "<VRTDataset><SourceFilename>/etc/passwd</SourceFilename></VRTDataset>",
        '{"driver": "MEM", "srid": 4326, "name": "/etc/passwd"}',
        "0101000000000000000000F03F000000000000F03F",
        "SRID=4326;POINT(1 1)",
        "POINT(1 1)",
        b"\x01\x01\x00\x00\x00",
        {"driver": "GTiff", "name": "/etc/passwd", "width": 1, "height": 1, "srid": 4326},
        ["POINT(1 1)"],
        None,
        7,
    ],
)
def test_f50_nothing_but_geojson_is_tried_and_no_file_is_opened(payload):
    opened: list[str] = []
    watching = True
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if watching and event == "open" else None)
    with pytest.raises(GeometryError):
        parse_geometry(payload)
    watching = False
    assert not [path for path in opened if path.startswith(("/etc", "/vsi"))]
