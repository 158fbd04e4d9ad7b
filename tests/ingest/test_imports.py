"""Imports step by step: reading, matching, CRS and datum, problems, rights, undo."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pytest
from django.contrib.gis.geos import Point
from django.core.management import CommandError, call_command

from ingest.files import imports
from ingest.files.preview import preview
from ingest.files.reports import report_file
from ingest.files.undo import undo
from ingest.models import Import, ImportedRow
from layers.base_maps.models import Boundary, PointOfInterest, Remark
from services.access.errors import Conflict, Invalid, NotFound, Refused
from services.access.principal import SYSTEM, Principal
from services.audit.models import Entry
from services.catalog.layer import Layer, registry
from services.operations import jobs
from services.operations.models import Job

pytestmark = pytest.mark.django_db
Bring = Callable[..., Import]
CSV = "名称,经度,纬度,类别\n卫生院,107.5,31.2,医院\n学校,107.51,31.21,学校\n"


def point(name: str) -> Any:
    return PointOfInterest.objects.get(name=name).geom


def book(*rows: tuple[Any, ...]) -> bytes:
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def collection(*features: tuple[dict[str, Any], Any]) -> bytes:
    rows = [{"type": "Feature", "properties": p, "geometry": g} for p, g in features]
    return orjson.dumps({"type": "FeatureCollection", "features": rows})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_of_any_encoding_and_delimiter(encoding: str, delimiter: str, places: Layer, bring: Bring) -> None:
    item = bring(places, "点.csv", CSV.replace(",", delimiter).encode(encoding), datum="wgs84")
    assert (item.state, item.counts["written"]) == ("done", 2)
    assert point("卫生院").coords == (107.5, 31.2)
    assert PointOfInterest.objects.get(name="学校").kind == "学校"
    assert PointOfInterest.objects.get(name="学校").region_id.startswith("5117")


def test_excel_with_a_title_row_dates_and_telephone_numbers(places: Layer, bring: Bring) -> None:
    data = book(("兴趣点一览表",), ("名称", "电话", "lon", "lat"), ("站", 13812345678.0, 107.5, "31.2"), (None,) * 4)
    item = bring(places, "a.xlsx", data, srid=4490)
    assert item.counts["written"] == 1
    assert PointOfInterest.objects.get(name="站").telephone == "13812345678"


def test_the_datum_is_asked_for(places: Layer, who: dict[str, Principal]) -> None:
    item = imports.start(who["admin"], places, io.BytesIO(CSV.encode()), "a.csv")
    assert "坐标系" in preview(who["admin"], item).crs.problem
    with pytest.raises(Invalid) as error:
        imports.configure(who["admin"], item)
    assert "srid" in error.value.fields


@pytest.mark.parametrize(
    ("options", "lon", "lat"),
    [
        ({"datum": "cgcs2000"}, 104.0657, 30.6595),
        ({"srid": 4326}, 104.0657, 30.6595),
        ({"datum": "gcj02"}, 104.06820740, 30.65707914),
        ({"datum": "bd09"}, 104.07470170, 30.66310927),
    ],
)
def test_datums(options: dict[str, Any], lon: float, lat: float, places: Layer, bring: Bring) -> None:
    bring(places, "a.csv", f"name,lon,lat\n点,{lon},{lat}\n".encode(), **options)
    assert point("点").coords == pytest.approx((104.0657, 30.6595), abs=2e-8)


def test_projected_columns_with_a_zone(places: Layer, bring: Bring) -> None:
    made = Point(107.5, 31.2, srid=4490)
    for srid, name in ((4545, "无带号"), (4524, "有带号")):
        there = made.transform(srid, clone=True)
        bring(places, "a.csv", f"name,东坐标,北坐标\n{name},{there.x},{there.y}\n".encode(), srid=srid)
        assert point(name).coords == pytest.approx((107.5, 31.2), abs=1e-9)


@pytest.mark.parametrize("srid", [2433, 2345, 4610, 4214])
def test_old_datums_are_refused_with_the_reason(srid: int, places: Layer, bring: Bring) -> None:
    """Beijing 54 and Xian 80 have no public parameters."""
    with pytest.raises(Invalid, match="参数"):
        bring(places, "a.csv", CSV.encode(), srid=srid)


@pytest.mark.parametrize("srid", [1, 999999])
def test_unknown_crs(srid: int, places: Layer, bring: Bring) -> None:
    with pytest.raises(Invalid):
        bring(places, "a.csv", CSV.encode(), srid=srid)


def test_nothing_is_written_where_one_row_is_wrong(places: Layer, bring: Bring) -> None:
    before = PointOfInterest.objects.count()
    data = "名称,经度,纬度,行政区\n好,107.5,31.2,\n坏,经度,31.2,\n,107.5,31.2,\n区,107.5,31.2,月球\n"
    item = bring(places, "a.csv", data.encode(), datum="wgs84")
    assert (item.state, item.counts["written"], item.counts["refused"]) == ("failed", 0, 3)
    assert PointOfInterest.objects.count() == before
    assert [(row, field) for row, field, _text in item.report] == [(3, "geom"), (4, "name"), (5, "region")]
    assert not ImportedRow.objects.filter(origin=item).exists()
    report = b"".join(report_file(item, "csv").chunks).decode("utf-8-sig")
    assert "月球" in report
    assert b"".join(report_file(item, "xlsx").chunks).startswith(b"PK")


def test_bad_rows_are_skipped_where_that_was_chosen(places: Layer, bring: Bring) -> None:
    data = "名称,经度,纬度\n好,107.5,31.2\n坏,1e400,31.2\n反,31.2,107.5\n"
    item = bring(places, "a.csv", data.encode(), datum="wgs84", policy="skip")
    assert (item.state, item.counts["written"], item.counts["refused"]) == ("done", 1, 2)
    assert "写反" in item.report[1][2]


def test_a_dry_run_finds_the_same_and_writes_nothing(places: Layer, bring: Bring) -> None:
    before = PointOfInterest.objects.count()
    item = bring(places, "a.csv", CSV.encode(), datum="wgs84", dry_run=True)
    assert (item.state, item.counts["written"], item.counts["read"]) == ("ready", 0, 2)
    assert PointOfInterest.objects.count() == before


def test_what_a_constraint_refuses_is_found_among_many(bring: Bring, db: None) -> None:
    layer = registry.by_key["projects"]
    rows = [f"工程{n},107.5,31.2,2026-02-01,2026-0{1 if n == 700 else 3}-01" for n in range(1500)]
    data = "名称,经度,纬度,开工日期,计划竣工日期\n" + "\n".join(rows)
    item = bring(layer, "a.csv", data.encode(), datum="cgcs2000", policy="skip")
    assert item.counts["written"] == 1499
    assert item.report == [[702, "", "计划竣工日期不得早于开工日期。"]] or item.report == [
        (702, "", "计划竣工日期不得早于开工日期。")
    ]


def test_choices_by_label_value_and_language(bring: Bring, db: None) -> None:
    layer = registry.by_key["projects"]
    data = "名称,状态,经度,纬度\na,在建,107.5,31.2\nb,suspended,107.5,31.2\nc,飞行中,107.5,31.2\n"
    item = bring(layer, "a.csv", data.encode(), datum="cgcs2000", policy="skip")
    assert item.counts["written"] == 2
    assert "可选" in item.report[0][2]


def test_only_into_ones_own_scope(places: Layer, bring: Bring) -> None:
    item = bring(places, "a.csv", "名称,经度,纬度\n外,120.15,30.28\n".encode(), by="owner", datum="wgs84")
    assert item.state == "failed"
    assert "管辖范围" in item.report[0][2]
    assert not PointOfInterest.objects.filter(name="外").exists()


def test_rights(places: Layer, bring: Bring, who: dict[str, Principal]) -> None:
    with pytest.raises(Refused):
        bring(places, "a.csv", CSV.encode(), by="inspector")
    item = imports.start(who["owner"], places, io.BytesIO(CSV.encode()), "a.csv")
    with pytest.raises(NotFound):
        imports.mine(who["neighbour"], item.pk)
    assert imports.mine(who["admin"], item.pk) == item
    with pytest.raises(NotFound):
        imports.mine(who["owner"], "not-a-uuid")


def test_the_audit_has_one_entry(places: Layer, bring: Bring) -> None:
    item = bring(places, "a.csv", CSV.encode(), datum="wgs84")
    entry = Entry.objects.get(action="import")
    assert (entry.changes["rows"], entry.changes["import"]) == (2, str(item.pk))


def test_undo_takes_back_exactly_what_was_written(places: Layer, bring: Bring, who: dict[str, Principal]) -> None:
    before = set(PointOfInterest.objects.values_list("pk", flat=True))
    item = bring(places, "a.csv", CSV.encode(), datum="wgs84")
    assert undo(who["admin"], item) == 2
    assert set(PointOfInterest.objects.values_list("pk", flat=True)) == before
    assert imports.mine(who["admin"], item.pk).state == "undone"
    with pytest.raises(Conflict):
        undo(who["admin"], item)


def test_undo_is_refused_for_what_was_changed_or_used(db: None) -> None:
    layer = registry.by_key["points_of_interest"]
    item = imports.start(SYSTEM, layer, io.BytesIO(CSV.encode()), "a.csv")
    item = imports.run(SYSTEM, imports.configure(SYSTEM, item, datum="wgs84"))
    PointOfInterest.objects.filter(name="卫生院", pk__in=item.rows.values("feature_id")).update(address="新址")
    with pytest.raises(Conflict, match="1 个要素在导入后被修改过（卫生院）"):
        undo(SYSTEM, item)
    school = PointOfInterest.objects.get(name="学校", pk__in=item.rows.values("feature_id"))
    Remark.objects.create(place=school, noted_on="2026-01-01", text="已核实")
    with pytest.raises(Conflict, match="引用（学校）"):
        undo(SYSTEM, item)
    assert item.rows.count() == 2


def test_geometry_is_fitted_to_the_layer(boundaries: Layer, bring: Bring) -> None:
    square = [[[107, 31], [107.1, 31], [107.1, 31.1], [107, 31]]]
    bow = [[[107, 31], [107.1, 31.1], [107.1, 31], [107, 31.1], [107, 31]]]
    data = collection(
        ({"name": "单"}, {"type": "Polygon", "coordinates": square}),
        ({"name": "高"}, {"type": "Polygon", "coordinates": [[[*p, 9] for p in square[0]]]}),
        ({"name": "无"}, None),
        ({"name": "结"}, {"type": "Polygon", "coordinates": bow}),
        ({"name": "点"}, {"type": "Point", "coordinates": [107, 31]}),
    )
    item = bring(boundaries, "a.geojson", data, srid=4490, policy="skip")
    assert item.counts["written"] == 3
    assert [row for row, _field, _text in item.report] == [4, 5]
    assert "自相交" in item.report[0][2]
    assert Boundary.objects.get(name="单").geom.geom_type == "MultiPolygon"
    assert Boundary.objects.get(name="无").geom is None
    item = bring(boundaries, "a.geojson", data, srid=4490, policy="skip", repair=True)
    assert item.counts["repaired"] == 1
    assert any("面积" in note for note in item.notes)
    assert Boundary.objects.filter(name="结").get().geom.valid


def test_missing_names_take_the_fixed_value(places: Layer, bring: Bring) -> None:
    item = bring(places, "a.csv", b"name,lon,lat\n,107,31\n", datum="wgs84", constants={"name": "无名"})
    assert item.counts["written"] == 1
    assert PointOfInterest.objects.filter(name="无名").exists()


def test_a_required_field_without_a_column_is_named(places: Layer, bring: Bring) -> None:
    with pytest.raises(Invalid) as error:
        bring(places, "a.csv", b"x,y\n107,31\n", datum="wgs84")
    assert list(error.value.fields) == ["name"]


def test_preview_shows_rows_as_they_would_be_written(places: Layer, who: dict[str, Principal]) -> None:
    item = imports.start(who["admin"], places, io.BytesIO(CSV.encode()), "a.csv")
    shown = preview(who["admin"], item)
    assert [row.values["name"] for row in shown.rows] == ["卫生院", "学校"]
    match = next(m for m in shown.matches if m.field.name == "name")
    assert (match.column, match.confidence) == ("名称", 1.0)
    imports.configure(who["admin"], item, datum="wgs84")
    assert preview(who["admin"], item).rows[0].point == (107.5, 31.2)


def test_the_same_file_twice_is_pointed_out(places: Layer, bring: Bring, who: dict[str, Principal]) -> None:
    bring(places, "a.csv", CSV.encode(), datum="wgs84")
    item = imports.start(who["admin"], places, io.BytesIO(CSV.encode()), "b.csv")
    assert "导入过" in item.notes[0]


def test_several_sheets(places: Layer, bring: Bring) -> None:
    made = openpyxl.Workbook()
    made.active.append(("说明",))
    made.create_sheet("数据").append(("名称", "经度 (EPSG:4490)", "纬度 (EPSG:4490)"))
    made["数据"].append(("点", 107.5, 31.2))
    buffer = io.BytesIO()
    made.save(buffer)
    assert bring(places, "a.xlsx", buffer.getvalue(), source="数据").counts["written"] == 1


def test_as_a_job(db: None) -> None:
    layer = registry.by_key["points_of_interest"]
    item = imports.start(SYSTEM, layer, io.BytesIO(CSV.encode()), "a.csv")
    imports.configure(SYSTEM, item, datum="wgs84")
    row = Job.objects.create(kind="import-file", title="x", inputs={"import": str(item.pk)})
    jobs.run(str(row.pk))
    row.refresh_from_db()
    assert (row.state, row.result["written"]) == ("successful", 2)
    assert undo(SYSTEM, imports.mine(SYSTEM, item.pk)) == 2


def test_by_command(places: Layer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "点.csv"
    path.write_text("名称,经度,纬度,类别\n学校,107.48,31.22,学校\n")
    with pytest.raises(CommandError, match="坐标系"):
        call_command("importfile", places.key, str(path))
    call_command("importfile", places.key, str(path), "--datum", "wgs84", "--dry-run")
    assert not Import.objects.exists()
    call_command("importfile", places.key, str(path), "--datum", "wgs84", "--map", "address=类别", "--user", "owner")
    item = Import.objects.get()
    assert PointOfInterest.objects.get(name="学校", address="学校")
    call_command("importfile", "--undo", str(item.pk), "--user", "owner")
    assert not PointOfInterest.objects.filter(address="学校").exists()
    with pytest.raises(CommandError):
        call_command("importfile", "nowhere", str(path))
