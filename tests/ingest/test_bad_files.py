"""Bad files: each is refused with a sentence, or imported; never an unforeseen error, and nothing half-written."""

import csv
import io
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pytest
from django.conf import settings

from ingest.files import imports, uploads
from ingest.files.preview import preview
from ingest.models import Import
from services.access.errors import AccessError, Invalid, TooLarge
from services.access.principal import SYSTEM
from services.catalog.layer import Layer, registry

pytestmark = pytest.mark.django_db
Bring = Callable[..., Import]


def kept() -> list[Path]:
    return list((Path(settings.MEDIA_ROOT) / "imports").glob("*"))


def attempt(layer: Layer, name: str, data: bytes) -> Import | AccessError:
    """All steps with what is missing filled in; whatever but an AccessError comes out fails the test."""
    before = layer.model._default_manager.count()
    files = len(kept())
    item: Import | None = None
    try:
        item = imports.start(SYSTEM, layer, io.BytesIO(data), name)
        mapping = {name: column for name, column in item.mapping.items() if name != "region"}
        constants = {"name": "无名"}
        srid = None if item.sources[0]["crs"] or item.srid else 4490
        preview(SYSTEM, item)
        item = imports.configure(SYSTEM, item, srid=srid, constants=constants, mapping=mapping)
        preview(SYSTEM, item)
        item = imports.run(SYSTEM, item)
    except AccessError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:
        assert len(refusal.message) > 5
        assert layer.model._default_manager.count() == before
        assert len(kept()) == files + (item is not None)
        return refusal
    written = layer.model._default_manager.count() - before
    assert written == item.counts["written"]
    assert (item.state == "failed") == bool(item.report) == (item.counts["refused"] > 0)
    if item.report:
        assert written == 0
        assert all(message for _row, _field, message in item.report)
    return item


def refused(layer: Layer, name: str, data: bytes, kind: type[AccessError] = Invalid) -> str:
    result = attempt(layer, name, data)
    assert isinstance(result, kind), result
    return result.message


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in members.items():
            package.writestr(name, data)
    return buffer.getvalue()


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as package:
        for info in package.infolist():
            if not info.is_dir():
                yield info.filename, package.read(info)


@pytest.fixture
def shapes() -> Layer:
    return registry.by_key["boundaries"]


def test_the_geojson_corpus(shared_data: Path, shapes: Layer, places: Layer) -> None:
    """82 bad and 40 good files: no bad one is taken as it stands where its fault is one of structure."""
    folder = shared_data / "bim_formats" / "geojson_bad"
    with (folder / "index.csv").open(encoding="utf-8-sig") as text:
        verdicts = {row["file_in_zip"]: row["verdict"] for row in csv.DictReader(text)}
    taken: dict[str, int] = dict.fromkeys(verdicts.values(), 0)
    for name, data in members(folder / "geojson_good_and_bad.zip"):
        if name not in verdicts:
            continue
        for layer in (shapes, places):
            result = attempt(layer, "a.geojson", data)
            taken[verdicts[name]] += isinstance(result, Import) and result.counts["written"] > 0
    assert taken["good"] > 10


def test_the_vector_corpus(shared_data: Path) -> None:
    folder = shared_data / "bim_formats"
    results: dict[str, Any] = {}
    for path in sorted([*(folder / "vector").iterdir(), *(folder / "raster").iterdir(), *(folder / "ifc_bad").iterdir(),
                        *(folder / "converted_cgcs2000").iterdir()]):  # fmt: skip
        for key in ("boundaries", "points_of_interest", "roads"):
            result = attempt(registry.by_key[key], path.name, path.read_bytes())
            results.setdefault(path.name, []).append(result.message if isinstance(result, AccessError) else result)
    taken = {name for name, found in results.items() if any(isinstance(r, Import) and r.state == "done" for r in found)}
    assert {"chongqing_districts_gbk_dbf_no_cpg.shp.zip", "metroline2_no_prj.shp.zip", "vic_police.kmz",
            "dazhou_counties_4490.gpkg", "dazhou_zone36_counties_epsg4524_gbk.shp.zip"} <= taken  # fmt: skip
    assert not {name for name in taken if name.endswith((".tif", ".gml", ".czml", ".parquet", ".pbf", ".gdb.zip"))}


def test_corrupt_shapefiles(shared_data: Path, shapes: Layer, places: Layer) -> None:
    for name, data in members(shared_data / "bim_formats" / "vector" / "pyshp_corrupt_shapefiles.zip"):
        for layer in (shapes, places):
            attempt(layer, name.rpartition("/")[2] or "x.zip", data)


def test_boundaries_that_are_invalid_by_nature(shared_data: Path, shapes: Layer, bring: Bring) -> None:
    """31 polygons of these files cross themselves: named row by row, or mended by choice with the change of area."""
    import gzip

    data = gzip.decompress((shared_data / "boundaries" / "datav_gcj02" / "city_350100_fuzhou.geojson.gz").read_bytes())
    item = bring(shapes, "350100.geojson", data, datum="gcj02")
    assert item.state == "failed"
    assert "自相交" in item.report[0][2]
    item = bring(shapes, "350100.geojson", data, datum="gcj02", repair=True)
    assert (item.state, item.counts["written"]) == ("done", 13)
    assert any("面积" in note for note in item.notes)


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd.csv", "..\\..\\win.csv", "a\x00b.csv", "abc\u202efdp.csv", "名" * 300 + ".csv", "😀.csv",
     "CON.csv", "<script>alert(1)</script>.csv", "a\nb.csv", ".csv"],
)  # fmt: skip
def test_names_are_only_words(name: str, places: Layer) -> None:
    """F58: whatever the name, the bytes lie under the import's own id."""
    item = imports.start(SYSTEM, places, io.BytesIO(b"name,lon,lat\nx,107,31\n"), name)
    assert item.path.name == f"{item.pk}.csv"
    assert item.path.is_file()
    assert len(item.name) <= 200
    assert not set("/\\\x00\n\u202e") & set(item.name.replace("</script>", ""))


@pytest.mark.parametrize(
    "name", ["a.exe", "a", "a.shp", "a.vrt", "a.xls", "/vsicurl/http://127.0.0.1/a.tif", "a.tar.gz"]
)
def test_other_formats_are_refused_by_name(name: str, places: Layer) -> None:
    assert "GeoPackage" in refused(places, name, b"x")


@pytest.mark.parametrize("ending", uploads.FORMATS)
@pytest.mark.parametrize(
    "data",
    [b"", b"\x00" * 100, b"PK\x03\x04 and nothing", b"SQLite format 3\x00" + b"\x00" * 200, b"{", b"<kml>",
     b"\xff\xfe\x00", b"II*\x00" * 50, b"%PDF-1.7", b"<VRTDataset/>", b'{"type":"Topology"}',
     b"\x80" * 5000, b"\n\n\n"],
)  # fmt: skip
def test_contents_that_are_not_what_the_name_says(ending: str, data: bytes, places: Layer) -> None:
    assert isinstance(attempt(places, f"a.{ending}", data), AccessError)


def test_zip_tricks(places: Layer) -> None:
    """F56: bomb, path out, link, nested, encrypted, many files."""
    assert refused(places, "a.zip", zipped(**{"a.shp": b"\x00" * 200_000_000}), TooLarge)
    assert refused(places, "a.zip", zipped(**{"../a.shp": b"x"}))
    assert refused(places, "a.zip", zipped(**{"/etc/a.shp": b"x"}))
    assert refused(places, "a.zip", zipped(**{"a.zip": zipped(x=b"y")}))
    assert refused(places, "a.zip", zipped(**{f"{n}.txt": b"x" for n in range(1100)}), TooLarge)
    assert refused(places, "a.zip", zipped(**{"readme.txt": b"x"}))
    link = zipfile.ZipInfo("a.shp")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr(link, "/etc/passwd")
    assert refused(places, "a.zip", buffer.getvalue())
    assert "密码" in refused(places, "a.zip", encrypted(zipped(**{"a.shp": b"x"})))


def encrypted(data: bytes) -> bytes:
    """The archive with the encryption bit set in its headers."""
    raw = bytearray(data)
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = raw.find(magic)
        (flags,) = struct.unpack_from("<H", raw, at + offset)
        struct.pack_into("<H", raw, at + offset, flags | 1)
    return bytes(raw)


def workbook(**replaced: bytes) -> bytes:
    made = openpyxl.Workbook()
    made.active.append(("name", "lon", "lat"))
    made.active.append(("点", 107, 31))
    buffer = io.BytesIO()
    made.save(buffer)
    parts = dict(members(buffer))  # type: ignore[arg-type]
    return zipped(**parts | {name.replace("__", "/"): data for name, data in replaced.items()})


def test_workbook_tricks(places: Layer) -> None:
    """F52 and F56 in .xlsx: entities, bombs, passwords, other things under that name."""
    laughs = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><worksheet>&b;</worksheet>'
    assert "声明" in refused(places, "a.xlsx", workbook(**{"xl/worksheets/sheet1.xml": laughs}))
    assert "声明" in refused(places, "a.xlsx", workbook(**{"xl/workbook.xml": laughs.decode().encode("utf-16")}))
    assert refused(places, "a.xlsx", workbook(**{"xl/worksheets/sheet1.xml": b" " * 200_000_000}), TooLarge)
    assert refused(places, "a.xlsx", workbook(**{"xl/worksheets/sheet1.xml": b"<worksheet><sheetData><row>"}))
    assert refused(places, "a.xlsx", zipped(**{"a.shp": b"x"}))
    assert "密码" in refused(places, "a.xlsx", encrypted(workbook()))
    assert isinstance(attempt(places, "a.xlsx", workbook()), Import)


def test_kml_with_entities(places: Layer) -> None:
    assert refused(places, "a.kml", b'<!DOCTYPE kml [<!ENTITY x SYSTEM "file:///etc/passwd">]><kml>&x;</kml>')


def test_a_giant_geometry_is_named_and_not_written(shapes: Layer) -> None:
    """F47: a million vertices."""
    ring = [[107 + n * 1e-7, 31 + (n % 2) * 1e-3] for n in range(1_000_000)]
    ring += [[108, 32], ring[0]]
    data = orjson.dumps({
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {"name": "巨"},
                      "geometry": {"type": "Polygon", "coordinates": [ring]}}],
    })  # fmt: skip
    result = attempt(shapes, "a.geojson", data)
    assert isinstance(result, TooLarge) or "50000" in result.report[0][2]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "wkt",
    ["POINT(107", "GEOMETRYCOLLECTION(" * 5000, "POLYGON((107 31))", "POINT(NaN 31)", "POINT(1e999 31)", "POINT EMPTY",
     "CIRCULARSTRING(0 0,1 1,2 0)", "0101000020E6100000000000000000F03F0000000000000040", "/etc/passwd", "(" * 100_000,
     "POINT(31 107)", "LINESTRING(107 31,107 31)", "POINT(107 31)); DROP TABLE x"],
)  # fmt: skip
def test_wkt_from_strangers(wkt: str, places: Layer) -> None:
    """F49, F50."""
    result = attempt(places, "a.csv", f'name,wkt\nx,"{wkt}"\n'.encode())
    assert isinstance(result, Import)
    assert result.state == "failed"


@pytest.mark.parametrize("cell", ["1e400", "NaN", "inf", "1,2", "--1", "0x10", "a\x00b", "９９度", "1_0"])
def test_numbers_from_strangers(cell: str, db: None) -> None:
    """F30, F31."""
    layer = registry.by_key["roads"]
    data = f'name,路面宽度,wkt\nx,"{cell}","LINESTRING(107 31,107.1 31)"\n'
    result = attempt(layer, "a.csv", data.encode())
    assert isinstance(result, AccessError) or result.state == "failed"


def test_csv_that_is_broken(places: Layer) -> None:
    assert refused(places, "a.csv", b'name,lon,lat\n"x,107,31\n')
    assert refused(places, "a.csv", b"name," + b"x," * 600 + b"\n1\n", TooLarge)
    result = attempt(places, "a.csv", b"name,lon,lat\nx,107,31,99\n")
    assert isinstance(result, Import)
    assert result.state == "failed"


def test_too_many_rows(places: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    from ingest.files import delimited, vectors, workbooks

    for module in (delimited, vectors, workbooks):
        monkeypatch.setattr(module, "MAX_ROWS", 2)
    assert refused(places, "a.csv", b"name,lon,lat\n" + b"x,107,31\n" * 3, TooLarge)
    feature = {"type": "Feature", "properties": {}, "geometry": None}
    data = orjson.dumps({"type": "FeatureCollection", "features": [feature] * 3})
    assert refused(places, "a.json", data, TooLarge)


def test_too_many_bytes(places: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 1000)
    assert refused(places, "a.csv", b"x" * 1001, TooLarge)


def test_hostile_columns(places: Layer) -> None:
    """Names of columns are data like any other."""
    names = {"geometry": 1, "fid": 2, "id": 3, "__class__": 4, "'; drop table x": 5, "😀": 6, "name": "x", "a" * 500: 7}
    feature = {"type": "Feature", "properties": names, "geometry": {"type": "Point", "coordinates": [107, 31]}}
    result = attempt(places, "a.json", orjson.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert isinstance(result, Import)
    assert result.counts["written"] == 1
    feature["properties"] = {"a\x00": 1}
    refused(places, "a.json", orjson.dumps({"type": "FeatureCollection", "features": [feature]}))
