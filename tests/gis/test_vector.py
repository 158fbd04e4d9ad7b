"""Vector files of the real world, and files made to hurt (F52, F53, F56)."""

import csv
import struct
import zipfile
from pathlib import Path

import geopandas
import pytest
import shapely

from gis import archives
from gis.crs import STORAGE_SRID, to_storage
from gis.errors import GeometryError, VectorError, VectorTooLarge
from gis.validity import stored
from gis.vector import open_vector, read_batches

POINT_KML = '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><name>{}</name><Point><coordinates>107.5,31.2,5</coordinates></Point></Placemark></Document></kml>'

# Faults of style: winding order, ids, bbox and foreign members do not move a single vertex.
STYLE = (
    "rhr",
    "winding",
    "ccw",
    "cw",
    "bbox",
    "featureid",
    "feature_id",
    "semantics",
    "single",
    "precision",
    "first-size",
    "crs_defined",
)


def read(path, **options) -> geopandas.GeoDataFrame:
    with open_vector(path, **options) as source:
        return geopandas.pd.concat([batch.frame for batch in read_batches(source, 100)])


def refusal(path, **options) -> VectorError:
    with pytest.raises(VectorError) as caught:
        read(path, **options)
    return caught.value


@pytest.fixture
def shapefile(tmp_path: Path) -> Path:
    """The folder of a small good Shapefile, GBK without ``.cpg``."""
    frame = geopandas.GeoDataFrame(
        {"名称": ["通川区", "达川区"], "n": [1, 2]}, geometry=shapely.points([107, 108], [31, 32]), crs=4490
    )
    frame.to_file(tmp_path / "a.shp", encoding="gbk")
    (tmp_path / "a.cpg").unlink()
    return tmp_path


def packed(folder: Path, names: dict[str, bytes] | None = None, **options) -> Path:
    archive = folder / "packed.zip"
    with zipfile.ZipFile(archive, "w", **options) as opened:
        for part in sorted(folder.glob("a.*")):
            opened.write(part, part.name)
        for name, content in (names or {}).items():
            opened.writestr(name, content)
    return archive


def bim(shared_data: Path, name: str) -> Path:
    return shared_data / "bim_formats" / name


@pytest.mark.parametrize(
    ("name", "srid", "rows"),
    [
        ("dazhou_counties_4490.gpkg", 4490, 7),
        ("dazhou_counties_epsg4545_gbk.shp.zip", 4545, 7),
        ("dazhou_zone36_counties_epsg4524_gbk.shp.zip", 4524, 7),
        ("hangzhou_counties_epsg4549_gbk.shp.zip", 4549, 13),
        ("huangshi_counties_epsg4547_gbk.shp.zip", 4547, 6),
        ("xiamen_counties_epsg4548_gbk.shp.zip", 4548, 6),
    ],
)
def test_converted_files_come_back_with_the_boundaries_coordinates(shared_data, name, srid, rows):
    whole = geopandas.read_parquet(shared_data / "boundaries" / "china_county_tianditu_cgcs2000.parquet")
    truth = dict(zip(whole["district_adcode"], whole.geometry, strict=True))
    frame = read(bim(shared_data, "converted_cgcs2000") / name)
    assert len(frame) == rows and frame.crs.to_epsg() == srid
    code = next(c for c in frame.columns if c.upper() in ("DISTRICT_ADCODE", "DISTCODE"))
    for _row, county in frame.iterrows():
        back = to_storage(county.geometry, frame.crs)
        # Rings may be turned by the format; the vertices may not move.
        assert shapely.hausdorff_distance(back, truth[county[code]]) < 1e-8
        assert stored(back, "MULTIPOLYGON").srid == STORAGE_SRID


@pytest.mark.parametrize(
    ("name", "rows", "encoding", "srid"),
    [
        ("chongqing_districts_gbk_dbf_no_cpg.shp.zip", 38, "gb18030", 4326),
        ("shanghai_districts_gbk_dbf_no_cpg.shp.zip", 17, "gb18030", 4326),
        ("metroline2_no_prj.shp.zip", 2, "utf-8", None),
        ("shenzhen_districts_no_prj.shp.zip", 10, "utf-8", None),
        ("storms_xyzm.shp.zip", 71, "utf-8", None),
        ("dutch_addresses_28992.gpkg", 2481, "utf-8", 28992),
        ("pyogrio_curvepolygon.gpkg", 1, "utf-8", 4326),
        ("pyogrio_line_zm.gpkg", 1, "utf-8", 4326),
        ("vic_police.kmz", 346, "utf-8", 4326),
        ("sf_nospatial.gpkg", 1, "utf-8", None),
    ],
)
def test_real_files_are_read(shared_data, name, rows, encoding, srid):
    with open_vector(bim(shared_data, "vector") / name) as source:
        assert (source.count, source.encoding) == (rows, encoding)
        assert (source.crs and source.crs.to_epsg()) == srid
        frames = [batch.frame for batch in read_batches(source, 50)]
    assert sum(map(len, frames)) == rows
    assert [n for frame in frames for n in frame.index] == list(range(rows))
    assert not any(frame.geometry.has_z.any() for frame in frames)


def test_chinese_names_and_text(shared_data):
    with open_vector(bim(shared_data, "vector") / "chongqing_districts_gbk_dbf_no_cpg.shp.zip") as source:
        assert source.layers == ("区县界_area",)
        assert "奉节县" in set(next(read_batches(source)).frame["NAME"])


def test_several_shapefiles_are_layers(shared_data):
    path = bim(shared_data, "vector") / "multiple_shapefiles_in_one.zip"
    with open_vector(path) as source:
        assert source.layers == ("bike_racks", "cemeteries")
    assert len(read(path, layer="cemeteries")) == 59
    assert "cemeteries" in refusal(path, layer="none").message


def test_the_same_points_in_two_crs_meet(shared_data):
    folder = bim(shared_data, "vector")
    one, other = (read(folder / f"dutch_addresses_{srid}.gpkg").set_index("id").sort_index() for srid in (4326, 28992))
    moved = [to_storage(g, 28992) for g in other.geometry[:50]]
    assert max(shapely.distance(one.geometry[:50].to_numpy(), moved)) < 1e-5


def test_the_whole_corpus_is_read_or_refused_with_a_sentence(shared_data):
    files = [*bim(shared_data, "vector").iterdir(), *bim(shared_data, "converted_cgcs2000").iterdir()]
    assert len(files) > 30
    outcomes = {path.name: _sentence(path) for path in files}
    assert all(text is None or text.endswith("。") for text in outcomes.values())
    refused = {name for name, text in outcomes.items() if text}
    assert {"obs.csv", "sf_fmi_test.gml", "pyogrio_sample.osm.pbf", "cgcs2000_dazhou_hangzhou.gdb.zip"} <= refused
    assert "pyshp_corrupt_shapefiles.zip" in refused and len(refused) < 12


def _sentence(path: Path) -> str | None:
    try:
        read(path)
    except VectorError as error:
        return error.message
    return None


def test_the_bad_geojson_corpus(shared_data, tmp_path):
    corpus = bim(shared_data, "geojson_bad")
    with zipfile.ZipFile(corpus / "geojson_good_and_bad.zip") as archive, (corpus / "index.csv").open() as index:
        for row in csv.DictReader(index):
            path = Path(archive.extract(row["file_in_zip"], tmp_path))
            flaws = _flaws(path)
            style = any(word in path.name for word in STYLE)
            if row["verdict"] == "bad" and not style and path.name != "nullgeometry.geojson":
                assert flaws, path.name
            if row["verdict"] == "good":
                # Two good ones of the corpus are formally right and still no place on earth.
                assert not flaws or path.name.startswith(("issue82", "valid_geometry_geometrycollection_empty")), flaws


def _flaws(path: Path) -> list[str]:
    found = []
    try:
        with open_vector(path) as source:
            for batch in read_batches(source):
                found += [error.code for error in batch.errors]
                for shape in batch.frame.geometry.dropna():
                    try:
                        stored(to_storage(shape, source.crs))
                    except GeometryError as error:
                        found.append(error.code)
    except VectorError as error:
        found.append(error.code)
    return found


def test_geojson_rows_fail_one_by_one(tmp_path):
    path = tmp_path / "a.geojson"
    path.write_text(
        '\ufeff{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::4547"}},"features":['
        '{"type":"Feature","properties":{"a":1},"geometry":{"type":"Point","coordinates":[1,2,3]}},'
        '{"type":"Feature","properties":{"b":"二"},"geometry":{"type":"Point","coordinates":["x"]}},'
        '{"type":"Feature","properties":null,"geometry":null}]}',
        encoding="utf-8",
    )
    with open_vector(path) as source:
        assert source.crs.to_epsg() == 4547 and set(source.fields) == {"a", "b"} and source.count == 3
        (batch,) = read_batches(source)
    assert list(batch.frame.index) == [0, 2] and batch.frame.loc[0, "a"] == 1
    assert [(e.row, e.code) for e in batch.errors] == [(1, "position")]


def test_whole_numbers_with_nulls_stay_whole(tmp_path):
    frame = geopandas.GeoDataFrame(
        {"n": geopandas.pd.array([511702, None], "Int64")}, geometry=shapely.points([1, 2], [1, 2]), crs=4490
    )
    frame.to_file(tmp_path / "a.gpkg")
    assert str(read(tmp_path / "a.gpkg")["n"].iloc[0]) == "511702"


def test_encoding_stated_guessed_and_lied_about(shapefile):
    def names():
        with open_vector(packed(shapefile)) as source:
            frame = next(read_batches(source)).frame
            return source.encoding, list(frame["名称"])

    assert names() == ("gb18030", ["通川区", "达川区"])
    (shapefile / "a.cpg").write_text("UTF-8")
    assert names() == ("gb18030", ["通川区", "达川区"]), "a .cpg that does not decode the text is not believed"
    (shapefile / "a.cpg").write_text("936")
    assert names() == ("gb18030", ["通川区", "达川区"])


def test_f56_missing_parts_and_lying_lengths(shapefile):
    assert read(packed(shapefile)).crs.to_epsg() == 4490
    (shapefile / "a.prj").unlink()
    assert read(packed(shapefile)).crs is None
    good = {suffix: (shapefile / f"a{suffix}").read_bytes() for suffix in (".shp", ".shx", ".dbf")}
    lies = {
        ".shp": good[".shp"][:24] + struct.pack(">i", 9_999_999) + good[".shp"][28:],
        ".shx": good[".shx"][:100] + struct.pack(">i", 2**31 - 1) + good[".shx"][104:],
        ".dbf": good[".dbf"][:4] + struct.pack("<I", 2**31) + good[".dbf"][8:],
    }
    for suffix, lie in lies.items():
        for content in (lie, good[suffix][:-5], good[suffix][:10], b""):
            (shapefile / f"a{suffix}").write_bytes(content)
            if content == good[suffix][:-5] and suffix == ".dbf":
                assert len(content) < len(good[suffix])
            assert refusal(packed(shapefile)).code == "damaged", suffix
        (shapefile / f"a{suffix}").unlink()
        if suffix != ".shp":
            error = refusal(packed(shapefile))
            assert error.code == "missing-part" and suffix in error.message
        (shapefile / f"a{suffix}").write_bytes(good[suffix])


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../a.txt", "unsafe-path"),
        ("/etc/a.txt", "unsafe-path"),
        ("x/../../a.txt", "unsafe-path"),
        ("..\\a.txt", "unsafe-path"),
        ("C:\\a.txt", "unsafe-path"),
        ("a\0.txt", "unsafe-path"),
        ("inner.zip", "nested"),
        ("a.SHP", "duplicate"),
    ],
)
def test_f56_paths_that_lead_elsewhere(shapefile, name, code):
    archive = packed(shapefile, {name.replace("\0", "~"): b"x"})
    if "\0" in name:
        archive.write_bytes(archive.read_bytes().replace(b"a~.txt", b"a\0.txt"))
    assert refusal(archive).code == code
    assert not list(shapefile.parent.glob("a.txt"))


def test_f56_symlink_encryption_count_ratio_and_size(shapefile, monkeypatch):
    link = zipfile.ZipInfo("a.cpg")
    link.external_attr = 0o120777 << 16
    assert refusal(packed(shapefile, {link: b"/etc/passwd"})).code == "unsafe-path"

    secret = packed(shapefile)
    content = bytearray(secret.read_bytes())
    content[content.rindex(b"PK\1\2") + 8] |= 1
    secret.write_bytes(content)
    assert refusal(secret).code == "encrypted"

    assert refusal(packed(shapefile, {f"{n}.txt": b"" for n in range(1001)})).code == "too-many-files"
    bomb = packed(shapefile, {"b.dbf": bytes(20 << 20)}, compression=zipfile.ZIP_DEFLATED)
    assert isinstance(refusal(bomb), VectorTooLarge) and refusal(bomb).code == "ratio"

    monkeypatch.setattr(archives, "MAX_BYTES", 1000)
    assert refusal(packed(shapefile, {"b.txt": bytes(2000)})).code == "too-large"


def test_f56_declared_sizes_are_not_believed(shapefile, monkeypatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 10_000)
    archive = packed(shapefile, {"b.dbf": bytes(9_000)})
    content = archive.read_bytes()
    entry = content.rindex(b"PK\1\2")
    archive.write_bytes(content[: entry + 24] + struct.pack("<I", 10) + content[entry + 28 :])
    assert refusal(archive).code in ("bad-zip", "too-large", "nothing-inside", "missing-part")


def test_f56_broken_archives(tmp_path, shapefile):
    whole = packed(shapefile).read_bytes()
    for name, content in {
        "cut": whole[:-30],
        "head": whole[:50],
        "magic": b"PK\3\4",
        "empty": b"PK\5\6" + bytes(18),
    }.items():
        path = tmp_path / f"{name}.zip"
        path.write_bytes(content)
        assert refusal(path).code in ("bad-zip", "nothing-inside")


@pytest.mark.parametrize(
    "prolog",
    [
        '<!DOCTYPE kml [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE kml [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE kml SYSTEM "http://127.0.0.1:9/x.dtd">',
        "<!doctype kml>",
    ],
)
def test_f52_kml_with_dtd_or_entities_is_refused(tmp_path, prolog):
    path = tmp_path / "a.kml"
    for encoding in ("utf-8", "utf-16"):
        path.write_text(prolog + POINT_KML.format("&x;"), encoding=encoding)
        assert refusal(path).code in ("dtd", "unknown-format")


def test_kml_is_read(tmp_path):
    (tmp_path / "a.kml").write_text(POINT_KML.format("一号"))
    frame = read(tmp_path / "a.kml")
    assert list(frame["Name"]) == ["一号"] and frame.geometry[0].wkt == "POINT (107.5 31.2)"


@pytest.mark.parametrize(
    "path",
    [
        "/vsicurl/http://127.0.0.1:9/a.geojson",
        "/vsizip//vsicurl/http://127.0.0.1:9/a.zip",
        "http://127.0.0.1:9/a.geojson",
        "zip:///tmp/a.zip!a.shp",
        "PG:host=127.0.0.1",
        "",
        "/tmp",
    ],
)
def test_f53_only_local_files(path):
    assert refusal(path).code == "not-found"


@pytest.mark.parametrize(
    "content",
    [
        b"<OGRVRTDataSource><OGRVRTLayer name='x'><SrcDataSource>/vsicurl/http://127.0.0.1:9/x</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>",
        b"<GDAL_WMS></GDAL_WMS>",
        b'{"type":"gdal_streamed_alg","command_line":"gdal vector pipeline"}',
        b'{"type":"Topology","objects":{}}',
        b"SQLite format 3\0" + bytes(200),
        b"SQLite format 3\0" + bytes(52) + b"GPKG" + bytes(200),
        b"",
        bytes(1000),
        b"GIF89a" + bytes(100),
    ],
)
@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.kml", "a.zip", "a.shp"])
def test_f53_other_formats_are_refused_whatever_their_name(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).code
