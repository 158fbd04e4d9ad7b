"""Bounding boxes (F51), fences, distances and hexagon grids."""

import json
import uuid

import pyproj
import pytest
from django.contrib.gis.geos import Point, Polygon
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.bounds import parse_bbox
from gis.errors import BoundsError
from gis.fields import STORAGE_SRID
from gis.geofence import distance_m, inside, nearest, within_m
from gis.grids import grid_srid, hex_cell, hex_cells, hex_counts

GEOD = pyproj.Geod(ellps="GRS80")
CENTRE = Point(107.5, 31.2, srid=STORAGE_SRID)


def around(metres: float, bearing: float) -> Point:
    lon, lat, _back = GEOD.fwd(CENTRE.x, CENTRE.y, bearing, metres)
    return Point(lon, lat, srid=STORAGE_SRID)


@pytest.mark.parametrize(
    ("source", "options", "boxes"),
    [
        ("107,31,108,32", {}, [(107, 31, 108, 32)]),
        ([107, 31, 108, 32], {"srid": 4490}, [(107, 31, 108, 32)]),
        ("31,107,32,108", {"flip": True}, [(107, 31, 108, 32)]),
        ("107,31,-5,108,32,900", {}, [(107, 31, 108, 32)]),
        ("-180,-90,180,90", {}, [(-180, -90, 180, 90)]),
        ("179,-10,-179,10", {}, [(179, -10, 180, 10), (-180, -10, -179, 10)]),
        ("0,89,1,90", {}, [(0, 89, 1, 90)]),
        ("107,31,107,31", {}, [(107, 31, 107, 31)]),
    ],
)
def test_f51_boxes_that_are_read(source, options, boxes):
    assert list(parse_bbox(source, **options)) == boxes


def test_f51_boxes_in_metres():
    (box,) = parse_bbox("11943000,3632000,12023000,3763000", srid=3857)
    assert box == pytest.approx((107.29, 31.0, 108.0, 32.0), abs=0.05)
    (box,) = parse_bbox("3430000,450000,3460000,480000", srid=4545, flip=True)
    assert box[0] < 107.6 < box[2] and box[1] < 31.1 < box[3]


@pytest.mark.parametrize(
    ("source", "options", "code"),
    [
        ("107,32,108,31", {}, "order"),
        ("31,107,32,108", {}, "out-of-range"),
        ("107,31,181,32", {}, "out-of-range"),
        ("1,2,3", {}, "format"),
        ("1,2,3,4,5", {}, "format"),
        ("", {}, "format"),
        ("a,b,c,d", {}, "format"),
        ("nan,1,2,3", {}, "format"),
        ("inf,1,2,3", {}, "format"),
        ("1e999,1,2,3", {}, "format"),
        ([None] * 4, {}, "format"),
        ("2,1,1,2", {"srid": 3857}, "order"),
        ("1e300,1e300,1e301,1e301", {"srid": 4547}, "out-of-range"),
    ],
)
def test_f51_boxes_that_are_refused(source, options, code):
    with pytest.raises(BoundsError) as caught:
        parse_bbox(source, **options)
    assert caught.value.code == code


@pytest.fixture
def ring(tables):
    """Points 50, 150, … 950 m from the centre, in turning directions."""
    tables.Spot.objects.bulk_create(
        [tables.Spot(id=uuid.uuid4(), number=m, geom=around(m, 37 * m)) for m in range(50, 1000, 100)]
        + [tables.Spot(id=uuid.uuid4(), number=-1)]
    )
    return tables.Spot.objects.all()


@pytest.mark.parametrize("metres", [0, 49.9, 50.1, 500, 10_000])
def test_within_metres_is_measured_on_the_ellipsoid(ring, metres):
    found = sorted(within_m(ring, CENTRE, metres).values_list("number", flat=True))
    assert found == [m for m in range(50, 1000, 100) if m <= metres]


def test_distance_and_nearest_through_a_relation(ring, tables):
    measured = dict(ring.filter(number__gt=0).values_list("number", distance_m("geom", CENTRE)))
    assert all(metres == pytest.approx(number, abs=1e-3) for number, metres in measured.items())
    assert [s.number for s in nearest(ring, CENTRE, 4)] == [50, 150, 250, 350]
    for spot in ring.filter(number__gt=0):
        tables.Visit.objects.create(spot=spot, note=str(spot.number))
    visits = nearest(tables.Visit.objects.all(), CENTRE, 2, geom="spot__geom")
    assert [(v.note, round(v.distance_m)) for v in visits] == [("50", 50), ("150", 150)]
    assert within_m(tables.Visit.objects.all(), CENTRE, 160, geom="spot__geom").count() == 2


def test_neighbourhood_and_order_use_the_index(tables):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO spatial_spot (id, geom) SELECT gen_random_uuid(),"
            " ST_SetSRID(ST_MakePoint(100 + random() * 20, 25 + random() * 15), 4490) FROM generate_series(1, 20000)"
        )
        cursor.execute("ANALYZE spatial_spot")
    assert "Index" in within_m(tables.Spot.objects.all(), CENTRE, 1000).explain()
    assert "Order By" in nearest(tables.Spot.objects.all(), CENTRE, 3).explain()


def test_far_from_home_nothing_is_lost(tables):
    for lon, lat in ((179.999, 0), (-179.999, 0), (10, 89.9), (-170, 89.9)):
        tables.Spot.objects.create(id=uuid.uuid4(), geom=Point(lon, lat, srid=STORAGE_SRID))
    spots = tables.Spot.objects.all()
    assert within_m(spots, Point(179.9995, 0, srid=STORAGE_SRID), 500).count() == 2
    assert within_m(spots, Point(10, 89.9, srid=STORAGE_SRID), 30_000).count() == 2


def test_fences_hold_what_is_in_them_and_on_their_border(tables):
    for name, reach in (("small", 0.1), ("large", 1)):
        box = Polygon.from_bbox((CENTRE.x - reach, CENTRE.y - reach, CENTRE.x + reach, CENTRE.y + reach))
        tables.Shape.objects.create(name=name, geom=box)
    shapes = tables.Shape.objects.order_by("name")

    def names(x, y):
        return [s.name for s in inside(shapes, Point(x, y, srid=STORAGE_SRID))]

    assert names(107.5, 31.2) == ["large", "small"]
    assert names(107.9, 31.2) == ["large"]
    assert names(108.5, 31.2) == ["large"] and names(109, 31.2) == []


@pytest.mark.django_db
@settings(max_examples=5, deadline=None)
@given(st.floats(10, 5000))
def test_the_cell_of_a_point_is_the_hexagon_that_holds_it(edge):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT ST_MakePoint((random() - 0.5) * 1e5, (random() - 0.5) * 1e5) AS g"
            " FROM generate_series(1, 500)) p, LATERAL hex_cell(g, %s) AS c"
            " WHERE ST_Distance(ST_Hexagon(%s, c[1], c[2]), g) < 1e-6",
            (edge, edge),
        )
        assert cursor.fetchone() == (500,)


@pytest.mark.django_db
def test_cells_cover_an_area_in_true_metres():
    area = Polygon.from_bbox((107.4, 31.1, 107.6, 31.3))
    area.srid = STORAGE_SRID
    sql, params = hex_cells(area, 1000)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), min(ST_Area(geom::geography)), ST_Covers(ST_Union(geom), ST_Buffer(%s::geometry, -1e-6))"
            f" FROM ({sql}) AS cells",
            (area.hexewkb.decode(), *params),
        )
        count, smallest, covered = cursor.fetchone()
    assert 150 < count < 250 and covered
    assert smallest == pytest.approx(2.598e6, rel=0.01), "Web Mercator would be off by a third here"


def test_counts_by_cell_are_whole(ring, django_assert_num_queries):
    bounds = (107.4, 31.1, 107.6, 31.3)
    with django_assert_num_queries(1):
        features = json.loads(f"[{hex_counts(ring, edge_m=300, bounds=bounds)}]")
    assert sum(f["properties"]["count"] for f in features) == 10 and 3 < len(features) <= 10
    assert all(len(f["geometry"]["coordinates"][0]) == 7 for f in features)
    cell = ring.filter(number=50).values_list(hex_cell("geom", 300, grid_srid(107.4, 107.6)), flat=True).get()
    assert "{}:{}".format(*cell) in {f["id"] for f in features}
    assert hex_counts(ring.none(), edge_m=300, bounds=bounds) == ""
    assert hex_counts(ring, edge_m=300, bounds=(120, 30, 120.1, 30.1)) == ""


@pytest.mark.parametrize("edge", [0, -5, float("nan"), 1])
def test_a_grid_that_would_never_end_is_refused(ring, edge):
    with pytest.raises(BoundsError):
        hex_counts(ring, edge_m=edge, bounds=(100, 20, 120, 40))
