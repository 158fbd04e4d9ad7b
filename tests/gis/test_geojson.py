"""GeoJSON text from SQL equals what Python would have written."""

import json
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.contrib.gis.geos import MultiPolygon, Point, Polygon
from django.db.models import Count, F, Value
from django.db.models.functions import Lower, Upper

from gis import geojson
from gis.fields import STORAGE_SRID
from gis.geojson import features_text
from gis.models import Region

NASTY = "a\"b\\c\n\t\x01 %s %% ' {0} </script> 达州\U0001f600"
PROPERTIES = ("name", "number", "ratio", "money", "on", "day", "at", "data", "words")


def collect(queryset, **options):
    text = features_text(queryset, **options)
    return json.loads(f"[{text}]", parse_float=Decimal)


@pytest.fixture
def spots(tables):
    tables.Spot.objects.bulk_create(
        [
            tables.Spot(
                id=uuid.UUID(int=1), name=NASTY, number=-7, ratio=0.1, money=Decimal("12.30"), on=False,
                day=date(2026, 2, 28), at=datetime(2026, 2, 28, 16, 0, 0, 120000, UTC), data={"k": ["v", None, 1.5]},
                words=["x,y", 'q"', None], geom=Point(107.123456789, 31.5, srid=STORAGE_SRID),
            ),
            tables.Spot(id=uuid.UUID(int=2)),
            tables.Spot(id=uuid.UUID(int=3), name="", number=0, ratio=0, money=0, on=True, data={}, words=[]),
        ]
    )  # fmt: skip
    return tables.Spot.objects.order_by("id")


def test_every_type_and_every_null(spots):
    first, second, third = collect(spots, properties={name: name for name in PROPERTIES})
    assert first == {
        "type": "Feature",
        "id": "00000000-0000-0000-0000-000000000001",
        "properties": {
            "name": NASTY, "number": -7, "ratio": Decimal("0.1"), "money": Decimal("12.30"), "on": False,
            "day": "2026-02-28", "at": "2026-02-28T16:00:00.12Z", "data": {"k": ["v", None, Decimal("1.5")]},
            "words": ["x,y", 'q"', None],
        },
        "geometry": {"type": "Point", "coordinates": [Decimal("107.1234568"), Decimal("31.5")]},
    }  # fmt: skip
    assert second["properties"] == dict.fromkeys(PROPERTIES) and second["geometry"] is None
    assert (
        third["properties"]["name"] == "" and third["properties"]["number"] == 0 and third["properties"]["on"] is True
    )


def test_every_character_by_itself(spots, tables):
    """What one column holds is escaped, also where no other column of the row holds anything odd."""
    characters = [chr(n) for n in (*range(1, 0x100), 0x2028, 0x2029, 0xFEFF, 0x1F600)]
    tables.Spot.objects.bulk_create(tables.Spot(id=uuid.uuid4(), name=f"达{c}州") for c in characters)
    found = collect(
        tables.Spot.objects.filter(name__startswith="达"),
        properties={"name": "name", "plain": Value("达州"), "id": "id"},
    )
    assert sorted(row["properties"]["name"] for row in found) == sorted(f"达{c}州" for c in characters)
    assert {row["properties"]["plain"] for row in found} == {"达州"}


@pytest.mark.parametrize("odd", ['"', "\\", "\n", "\x1f"])
def test_a_page_is_asked_for_again_only_where_a_text_needs_escaping(tables, django_assert_num_queries, odd):
    """What would close a text, or is none, is found in whichever column; from then on such rows are escaped at once."""
    rows = tables.Spot.objects.order_by("id")
    tables.Spot.objects.create(id=uuid.UUID(int=1), name="达州", geom=Point(107, 31, srid=STORAGE_SRID))
    properties = {"name": "name", "at": "at", "day": "day", "number": "number"}
    geojson._odd.clear()
    with django_assert_num_queries(1):
        collect(rows, properties=properties)
    rows.update(name=f"达{odd}州")
    for queries in (2, 1):
        with django_assert_num_queries(queries):
            assert collect(rows, properties=properties)[0]["properties"]["name"] == f"达{odd}州"


def test_numbers_json_does_not_know_do_not_break_it(spots):
    spots.update(ratio=float("nan"))
    json.loads(f"[{features_text(spots, properties={'ratio': 'ratio'})}]", parse_constant=pytest.fail)


def test_property_names_are_text_too(spots):
    assert collect(spots[:1], properties={NASTY: "number"})[0]["properties"] == {NASTY: -7}
    assert collect(spots[:1], properties={})[0]["properties"] == {}


def test_order_slice_filter_join_annotation_and_one_query(spots, tables, django_assert_num_queries):
    tables.Visit.objects.bulk_create(
        [tables.Visit(spot_id=uuid.UUID(int=n), note=f"%s note {n}") for n in (1, 2, 3, 1)]
    )
    visits = tables.Visit.objects.filter(note__contains="%s").order_by("-spot__id", "pk")
    with django_assert_num_queries(1):
        page = collect(visits[1:3], geom="spot__geom", properties={"number": "spot__number", "note": Upper("note")})
    assert [f["properties"]["note"] for f in page] == ["%S NOTE 2", "%S NOTE 1"]
    assert page[1]["geometry"]["type"] == "Point" and page[0]["geometry"] is None
    counted = spots.annotate(n=Count("visits")).filter(n__gt=0).order_by("-n", "id")
    page = collect(counted, properties={"n": "n", "name": Lower("name"), "fixed": Value("x"), "nothing": Value(None)})
    assert [f["properties"]["n"] for f in page] == [2, 1, 1]
    assert page[0]["properties"] == {"n": 2, "name": NASTY.lower(), "fixed": "x", "nothing": None}


def test_no_rows_is_no_text(spots, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert features_text(spots.none(), properties={}) == ""
    assert features_text(spots.filter(number=99), properties={}) == ""


def test_crs_axis_order_and_digits(spots):
    def place(**options):
        geometry = collect(spots[:1], properties={}, **options)[0]["geometry"]
        assert set(geometry) == {"type", "coordinates"}, "no crs member"
        return [float(v) for v in geometry["coordinates"]]

    assert place() == place(srid=4490) == [107.1234568, 31.5]
    assert place(srid=4490, flip=True) == [31.5, 107.1234568]
    assert place(digits=15) == [107.123456789, 31.5]
    assert place(digits=2) == [107.12, 31.5]
    web = Point(107.123456789, 31.5, srid=4326).transform(3857, clone=True)
    assert place(srid=3857) == pytest.approx(web.coords, abs=0.001)
    local = Point(107.123456789, 31.5, srid=4326).transform(4545, clone=True)
    assert place(srid=4545) == pytest.approx(local.coords, abs=0.01)
    assert place(srid=4545, flip=True) == pytest.approx(local.coords[::-1], abs=0.01)


def test_the_stored_twin_is_read_also_through_a_relation(spots, tables, django_assert_num_queries):
    tables.Visit.objects.create(spot_id=uuid.UUID(int=1), note="")
    with django_assert_num_queries(1) as caught:
        features_text(tables.Visit.objects.all(), geom="spot__geom", properties={}, srid=3857)
    assert "geom_3857" in caught[0]["sql"] and "ST_Transform" not in caught[0]["sql"]


@pytest.mark.django_db
def test_text_ids_are_escaped():
    box = MultiPolygon(Polygon.from_bbox((107, 31, 107.1, 31.1)), srid=STORAGE_SRID)
    Region.objects.create(code='5"1', name="x", level="county", geom=box)
    (feature,) = collect(
        Region.objects.filter(name="x").annotate(parent_name=F("parent__name")), properties={"p": "parent_name"}
    )
    assert feature["id"] == '5"1' and feature["properties"] == {"p": None}
    assert feature["geometry"]["type"] == "MultiPolygon"
