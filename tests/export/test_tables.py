"""Export of tables: rights, fields, typed cells, formulas, coordinates, files that other programs read."""

import csv
import io
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pyogrio
import pytest
from django.contrib.gis.geos import MultiPolygon, Point, Polygon

from layers.base_maps.models import Boundary, PointOfInterest
from layers.projects.models import Project
from services.access import gate
from services.access.errors import Invalid, LogInNeeded, NotFound, Refused
from services.access.principal import Principal
from services.audit.models import Entry
from services.catalog.layer import Layer, registry
from services.export.tables import FORMATS, export

pytestmark = pytest.mark.django_db
FORMULAS = ["=1+1", "+86 139", "-5 度", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"]


def read(principal: Principal, layer: Layer, format: str, rows: Any = None, **options: Any) -> bytes:
    return b"".join(export(principal, layer, rows, format, **options).chunks)


def table(data: bytes) -> list[dict[str, str]]:
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def sheet(data: bytes) -> list[dict[str, Any]]:
    first, *rest = openpyxl.load_workbook(io.BytesIO(data)).active.iter_rows()
    names = [cell.value for cell in first]
    return [dict(zip(names, row, strict=True)) for row in rest]


@pytest.fixture
def pois() -> Layer:
    return registry.by_key["points_of_interest"]


@pytest.fixture
def clinic(db: None) -> PointOfInterest:
    PointOfInterest.objects.all().delete()
    return PointOfInterest.objects.create(code="007", name="卫生院", geom=Point(107.123456789012, 31.2))


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_rights(format: str, who: dict[str, Principal], pois: Layer) -> None:
    with pytest.raises(Refused):
        export(who["inspector"], pois, None, format)
    with pytest.raises((NotFound, LogInNeeded)):
        export(who["public"], pois, None, format)


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_only_rows_in_scope_whatever_is_asked(format: str, who: dict[str, Principal], pois: Layer) -> None:
    PointOfInterest.objects.all().delete()
    for name, region in (("自己", "511702"), ("邻县", "511703")):
        PointOfInterest.objects.create(name=name, region_id=region, geom=Point(107.5, 31.2))
    data = read(who["owner"], pois, format, PointOfInterest.objects.all())
    text = data.decode("utf-8", "replace") if format != "xlsx" else str([r["名称"].value for r in sheet(data)])
    assert "自己" in text
    assert "邻县" not in text


def test_private_fields_are_left_out(who: dict[str, Principal]) -> None:
    for layer in registry:
        if layer.private and gate.may(who["commander"], layer, "export"):
            names = {field.name for field in gate.fields(who["commander"], layer)}
            found = orjson.loads(read(who["commander"], layer, "geojson"))["features"]
            assert all(set(feature["properties"]) <= names for feature in found)


def test_a_filtered_export_is_noted(who: dict[str, Principal], pois: Layer, clinic: PointOfInterest) -> None:
    PointOfInterest.objects.create(name="学校", geom=Point(107, 31))
    rows = table(read(who["admin"], pois, "csv", PointOfInterest.objects.filter(name="卫生院")))
    assert [row["名称"] for row in rows] == ["卫生院"]
    entry = Entry.objects.filter(action="export").latest("pk")
    assert (entry.user_name, entry.layer) == ("admin", pois.key)
    assert entry.changes == {"format": "csv", "rows": 1, "srid": 4490}


def test_text_that_looks_like_a_formula_stays_text(who: dict[str, Principal], pois: Layer) -> None:
    """F55."""
    PointOfInterest.objects.all().delete()
    for text in FORMULAS:
        PointOfInterest.objects.create(name=text, geom=Point(107, 31))
    names = [row["名称"] for row in table(read(who["admin"], pois, "csv"))]
    assert sorted(names) == sorted("'" + text for text in FORMULAS)
    cells = [row["名称"] for row in sheet(read(who["admin"], pois, "xlsx"))]
    assert {cell.data_type for cell in cells} == {"s"}
    assert sorted(cell.value.replace("_x000D_", "\r") for cell in cells) == sorted(FORMULAS)


def test_cells_are_typed_and_labelled(who: dict[str, Principal]) -> None:
    projects = registry.by_key["projects"]
    row = Project.objects.create(
        name="一号", state="active", floor_area=-12.5, start_date=date(2026, 1, 31), geom=Point(107.5, 31.2),
        region_id="511702",
    )  # fmt: skip
    rows = Project.objects.filter(pk=row.pk)
    (cells,) = sheet(read(who["admin"], projects, "xlsx", rows))
    assert cells["状态"].value == "在建"
    assert (cells["建筑面积（m²）"].value, cells["建筑面积（m²）"].data_type) == (-12.5, "n")
    assert cells["开工日期"].is_date
    assert cells["经度 (EPSG:4490)"].value == 107.5
    assert cells["行政区"].value == "通川区 [511702]"
    (line,) = table(read(who["admin"], projects, "csv", rows))
    assert (line["状态"], line["建筑面积（m²）"], line["开工日期"]) == ("在建", "-12.5", "2026-01-31")


def test_ordinates_keep_every_digit(who: dict[str, Principal], pois: Layer, clinic: PointOfInterest) -> None:
    (line,) = table(read(who["admin"], pois, "csv"))
    assert float(line["经度 (EPSG:4490)"]) == clinic.geom.x
    (projected,) = table(read(who["admin"], pois, "csv", srid=4545))
    assert 400_000 < float(projected["东坐标 (EPSG:4545)"]) < 500_000


def test_a_geopackage_opens_with_codes_and_aliases(
    who: dict[str, Principal], pois: Layer, clinic: PointOfInterest, tmp_path: Path
) -> None:
    path = tmp_path / "out.gpkg"
    path.write_bytes(read(who["admin"], pois, "gpkg"))
    info = pyogrio.read_info(path)
    frame = pyogrio.read_dataframe(path)
    assert (info["layer_name"], info["crs"], info["geometry_type"]) == (pois.key, "EPSG:4490", "Point")
    assert frame.loc[0, "code"] == "007"
    assert frame.geometry[0].x == clinic.geom.x
    import sqlite3

    with sqlite3.connect(path) as database:
        aliases = dict(database.execute("select column_name, name from gpkg_data_columns"))
    assert aliases["name"] == "名称"


def test_long_outlines_fit_into_excel(who: dict[str, Principal]) -> None:
    layer = registry.by_key["boundaries"]
    ring = [(107 + (n % 2) / 3 + n / 1e5, 31 + n / 7e4) for n in range(1000)]
    shape = Polygon([*ring, (109, 31), ring[0]]).buffer(0)
    shape = shape if shape.geom_type == "MultiPolygon" else MultiPolygon(shape)
    row = Boundary.objects.create(name="长", geom=shape, region_id="511702")
    (cells,) = sheet(read(who["admin"], layer, "xlsx", Boundary.objects.filter(pk=row.pk)))
    texts = [cell.value or "" for name, cell in cells.items() if name.startswith("WKT")]
    assert len(texts) > 1
    assert all(len(text) < 32_767 for text in texts)


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_an_empty_layer_is_a_file_too(format: str, who: dict[str, Principal], pois: Layer) -> None:
    PointOfInterest.objects.all().delete()
    assert read(who["admin"], pois, format)


def test_wrong_choices_are_named(who: dict[str, Principal], pois: Layer) -> None:
    with pytest.raises(Invalid) as error:
        export(who["admin"], pois, None, "dwg")
    assert "xlsx" in error.value.fields["format"][0]
    with pytest.raises(Invalid):
        export(who["admin"], pois, None, "geojson", srid=3857)
