"""The region tree: codes, subtrees, look-up by place, and a load that can be repeated."""

import io
from datetime import date
from pathlib import Path

import pytest
from django.contrib.gis.geos import MultiPolygon, Point, Polygon
from django.core.management import CommandError, call_command
from django.db import connection

from gis.fields import STORAGE_SRID
from gis.management.commands import loadregions
from gis.models import Region, RegionPart, code_prefix

TOWNS = {
    "areas.csv": "code,name,cityCode,provinceCode\n511702,通川区,5117,51\n"
    "511771,达州经济开发区,5117,51\n441900,东莞市,4419,44\n",
    "streets.csv": "code,name,areaCode,provinceCode,cityCode\n511702001,东城街道,511702,51,5117\n"
    "511771001,幸福街道,511771,51,5117\n441900003,东城街道,441900,44,4419\n",
}


@pytest.fixture
def towns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small copy of the npm package's lists."""
    for name, text in TOWNS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(loadregions, "TOWNS", tmp_path)
    return tmp_path


def load(scope: str = "") -> str:
    said = io.StringIO()
    call_command("loadregions", scope=scope, stdout=said, stderr=said)
    return said.getvalue()


@pytest.mark.parametrize(
    ("code", "prefix"),
    [
        ("510000", "51"),
        ("511700", "5117"),
        ("511702", "511702"),
        ("429004", "429004"),
        ("441900", "4419"),
        ("511702001", "511702001"),
    ],
)
def test_prefix_of_a_code(code, prefix):
    assert code_prefix(code) == prefix == Region(code=code).prefix


@pytest.mark.django_db
def test_load_is_repeatable_and_answers_by_place_and_by_subtree(towns):
    assert "511771" in load()
    before = RegionPart.objects.order_by("pk").first().pk
    assert "变更 0 条" in load()
    assert RegionPart.objects.order_by("pk").first().pk == before, "an unchanged tree is not cut again"

    assert Region.objects.filter(level="province").count() == 34
    assert Region.objects.get(pk="511702").parent_id == "511700"
    assert Region.objects.get(pk="429004").parent_id == "420000", "county-level city directly under a province"
    assert Region.objects.get(pk="110000").children.filter(level="city").count() == 0, "a municipality has no cities"
    town = Region.objects.get(pk="511702001")
    assert (town.level, town.parent_id, town.geom) == ("town", "511702", None)
    assert Region.objects.get(pk="441900003") in Region.subtree("441900")
    assert {r.code[:4] for r in Region.subtree("511700")} == {"5117"}
    assert Region.subtree("511700").filter(level="county", geom__isnull=False).count() == 7

    assert Region.at(Point(107.5, 31.21, srid=STORAGE_SRID)).code == "511702"
    assert Region.at(Point(113.4, 30.3, srid=STORAGE_SRID)).code == "429004"
    assert Region.at(Point(0, 0, srid=STORAGE_SRID)) is None

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE region_code_at(ST_PointOnSurface(geom)) = code)"
            " FROM spatial_region WHERE level = 'county' AND geom IS NOT NULL"
        )
        counties, found = cursor.fetchone()
        assert counties == found > 20
        cursor.execute("SELECT region_code_at(geom), region_code_at(NULL) FROM spatial_region WHERE code = '511702'")
        assert cursor.fetchone() == ("511702", None), "an area is asked by a point inside it"
        cursor.execute("SELECT count(*) FROM spatial_region WHERE NOT ST_IsValid(geom)")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db
def test_an_old_code_stays_and_names_its_successor(towns):
    load("3301")
    old = Region.objects.get(pk="330103")
    assert (old.name, old.replaced_by_id, old.valid_to) == ("下城区", "330105", date(2021, 4, 9))
    assert old not in Region.objects.subtree("3301").current()
    assert old in Region.objects.subtree("3301").current(on=date(2020, 1, 1))


@pytest.mark.django_db
def test_missing_package_and_unknown_scope_are_said(monkeypatch, tmp_path):
    monkeypatch.setattr(loadregions, "TOWNS", tmp_path / "none")
    assert "china-division" in load("5117")
    assert Region.subtree("5117").current().exclude(level="town").filter(geom__isnull=False).count() == 8
    assert Region.at(Point(107.5, 31.21, srid=STORAGE_SRID)).code == "511702"
    assert Region.at(Point(104.06, 30.66, srid=STORAGE_SRID)).code == "510100", "counties not loaded: the city answers"
    with pytest.raises(CommandError, match="99"):
        load("99")


@pytest.mark.django_db
def test_the_web_mercator_twin_follows_the_boundary():
    box = MultiPolygon(Polygon.from_bbox((107, 31, 107.1, 31.1)), srid=STORAGE_SRID)
    region = Region.objects.create(code="519999", name="试验区", level="county", geom=box)
    region.refresh_from_db()
    assert region.geom_3857.srid == 3857
    assert region.geom_3857.extent == pytest.approx(box.transform(3857, clone=True).extent, abs=0.01)
