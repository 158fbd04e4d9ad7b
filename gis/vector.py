"""Vector files from outside, read safely: GeoJSON, GeoPackage, zipped Shapefile, KML and KMZ."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import geopandas
import orjson
import pyogrio
import pyproj
from django.utils.translation import gettext as _
from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FeatureError, FieldError
from shapely.geometry.base import BaseGeometry

from gis import archives, shapefiles
from gis.crs import WGS84_SRID
from gis.errors import GeometryError, Place, VectorError, VectorTooLarge
from gis.incoming import read_geometry

MAX_BYTES = 500 * 1024 * 1024
MAX_JSON_BYTES = 100 * 1024 * 1024
"""GeoJSON is read into memory whole."""
BATCH = 5_000

_GDAL_ERRORS = (CRSError, DataLayerError, DataSourceError, FeatureError, FieldError, pyogrio.errors.GeometryError)
_PARTS = frozenset({".shp", ".shx", ".dbf", ".prj", ".cpg", ".kml"})
_EPSG = re.compile(r"(?:urn:ogc:def:crs:EPSG:[0-9.]*:|EPSG:|https?://www\.opengis\.net/def/crs/EPSG/[0-9.]+/)(\d{4,5})")

# No network, no guessing at neighbours, no repair behind our back.
pyogrio.set_gdal_config_options(
    {
        "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
        "GDAL_HTTP_MAX_RETRY": "0",
        "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
        "OGR_SQLITE_LOAD_EXTENSIONS": "",
        "SHAPE_RESTORE_SHX": "NO",
    }
)


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that could not be read: its number from 0, and why."""

    row: int
    message: str
    code: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows: a GeoDataFrame indexed by row number, heights dropped, and the rows that could not be read."""

    frame: geopandas.GeoDataFrame
    errors: tuple[RowError, ...]


@dataclass(slots=True)
class VectorSource:
    """An opened vector file; a context manager that removes what it unpacked.

    Attributes
    ----------
    layers
        Names of the layers in the file.
    layer
        The layer that is read: the one asked for, else the first.
    fields
        Attribute name → type as pandas names it.
    crs
        ``None`` where the file does not say: then the user must.
    geometry_type
        As OGR names it; ``None`` for a table without geometry.
    count
        Rows of the layer.
    encoding
        Encoding of attribute text.
    """

    layers: tuple[str, ...]
    layer: str
    fields: dict[str, str]
    crs: pyproj.CRS | None
    geometry_type: str | None
    count: int
    encoding: str
    _path: Path | None = None
    _gdal_layer: str | None = None
    _features: list[Any] = field(default_factory=list)
    _held: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()


def open_vector(path: Path | str, *, layer: str | None = None) -> VectorSource:
    """A local vector file, recognised by its content and never by what GDAL makes of its name.

    Parameters
    ----------
    path
        A regular file. GDAL's virtual paths and URLs are no files and are refused.
    layer
        Which layer to read where there are several.

    Raises
    ------
    VectorError, VectorTooLarge
        With a sentence that says what to do.
    """
    file = Path(path)
    if not file.is_file():
        raise VectorError(_("找不到文件。请上传本机上的数据文件。"), "not-found")
    if file.stat().st_size > MAX_BYTES:
        raise VectorTooLarge(_("文件超过 %(limit)d MB。请分批上传。") % {"limit": MAX_BYTES >> 20}, "too-large")
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="vector-")))
        found = _open(file.resolve(), folder, layer)
        found._held = held.pop_all()
        return found


def read_batches(source: VectorSource, size: int = BATCH) -> Iterator[Batch]:
    """The rows of an open source in order, so many at a time, in the source's own CRS."""
    if source._path is None:
        for start in range(0, len(source._features), size):
            yield _json_batch(source, start, source._features[start : start + size])
        return
    for start in range(0, source.count, size):
        try:
            frame = pyogrio.read_dataframe(
                source._path,
                layer=source._gdal_layer,
                encoding=source.encoding if source._path.suffix == ".shp" else None,
                skip_features=start,
                max_features=size,
                force_2d=True,
            )
        except (*_GDAL_ERRORS, ValueError, UnicodeDecodeError) as error:
            raise _unreadable(error) from error
        frame.index = range(start, start + len(frame))
        # Nulls turn whole numbers into floats: 511702 would come in as 511702.0.
        for name, kind in source.fields.items():
            if kind.startswith("int") and frame[name].dtype.kind == "f":
                frame[name] = frame[name].astype("Int64")
        if not isinstance(frame, geopandas.GeoDataFrame):
            frame = geopandas.GeoDataFrame(frame, geometry=[None] * len(frame))
        yield Batch(frame, ())


def _open(file: Path, folder: Path, layer: str | None) -> VectorSource:
    with file.open("rb") as opened:
        head = opened.read(4096)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"PK"):
        return _open_archive(file, folder, layer)
    if head.startswith(b"SQLite format 3\0"):
        if not head[68:72].startswith(b"GP"):
            raise VectorError(_("这个 SQLite 文件不是 GeoPackage。请另存为 GeoPackage 后上传。"), "not-geopackage")
        return _open_gdal(_linked(file, folder / "data.gpkg"), layer, "utf-8")
    if file.suffix.lower() == ".shp":
        for suffix in (".shp", ".shx", ".dbf", ".prj", ".cpg"):
            if (part := file.with_suffix(suffix)).is_file():
                _linked(part, folder / f"data{suffix}")
        return _open_shapefile(folder / "data.shp", (file.stem,), file.stem)
    if text.startswith(b"<"):
        return _open_kml(_linked(file, folder / "data.kml"), layer)
    if text.startswith((b"{", b"[", b'"')):
        return _open_json(file, layer)
    raise VectorError(_("无法识别文件格式。可用：GeoJSON、GeoPackage、Shapefile（zip）、KML。"), "unknown-format")


def _linked(file: Path, name: Path) -> Path:
    """The file under a name of ours: GDAL and pyogrio read meaning into names."""
    name.symlink_to(file)
    return name


def _open_archive(file: Path, folder: Path, layer: str | None) -> VectorSource:
    members = archives.unpack(file, folder, _PARTS)
    shapes = {str(m.name.with_suffix("")): m.path for m in members if m.path.suffix == ".shp"}
    if shapes:
        # Folders are told only where stems repeat.
        stems = [name.rpartition("/")[2] for name in shapes]
        if len(set(stems)) == len(stems):
            shapes = dict(zip(stems, shapes.values(), strict=True))
        chosen = _chosen(layer, tuple(shapes))
        return _open_shapefile(shapes[chosen], tuple(shapes), chosen)
    documents = [m.path for m in members if m.path.suffix == ".kml"]
    if len(documents) == 1:
        return _open_kml(documents[0], layer)
    raise VectorError(_("压缩包里没有 Shapefile 或 KML。请把 .shp、.shx、.dbf、.prj 一起打包。"), "nothing-inside")


def _open_shapefile(path: Path, layers: tuple[str, ...], chosen: str) -> VectorSource:
    shapefiles.check_parts(path)
    found = _open_gdal(path, None, shapefiles.encoding_of(path))
    found.layers, found.layer = layers, chosen
    return found


def _open_kml(path: Path, layer: str | None) -> VectorSource:
    content = path.read_bytes()
    # NUL bytes mean UTF-16 or UTF-32, in which a DTD would not be seen.
    if b"\0" in content or re.search(rb"<!(?:DOCTYPE|ENTITY)", content, re.IGNORECASE):
        raise VectorError(_("KML 不得包含 DTD 或实体声明，且须为 UTF-8 编码。请重新导出。"), "dtd")
    if not re.search(rb"<(?:\w+:)?kml[\s>]", content[:4096]):
        raise VectorError(_("这个 XML 文件不是 KML。可用：GeoJSON、GeoPackage、Shapefile、KML。"), "unknown-format")
    return _open_gdal(path, layer, "utf-8")


def _open_gdal(path: Path, layer: str | None, encoding: str) -> VectorSource:
    try:
        layers = tuple(str(name) for name, _kind in pyogrio.list_layers(path))
        if not layers:
            raise VectorError(_("文件里没有图层。"), "empty")
        chosen = _chosen(layer, layers)
        info = pyogrio.read_info(
            path, layer=chosen, encoding=encoding if path.suffix == ".shp" else None, force_feature_count=True
        )
    except (*_GDAL_ERRORS, ValueError, UnicodeDecodeError) as error:
        if isinstance(error, VectorError):
            raise
        raise _unreadable(error) from error
    fields = dict(zip((str(name) for name in info["fields"]), map(str, info["dtypes"]), strict=True))
    return VectorSource(
        layers, chosen, fields, _crs(info["crs"]), info["geometry_type"], info["features"], encoding, path, chosen
    )


def _chosen(layer: str | None, layers: tuple[str, ...]) -> str:
    if layer is None:
        return layers[0]
    if layer not in layers:
        raise VectorError(
            _("文件里没有图层“%(layer)s”。可选：%(layers)s。") % {"layer": layer[:100], "layers": ", ".join(layers)},
            "no-layer",
        )
    return layer


def _crs(text: str | None) -> pyproj.CRS | None:
    try:
        found = pyproj.CRS.from_user_input(text) if text else None
    except pyproj.exceptions.CRSError:
        return None
    return None if found is None or found.is_engineering else found


def _unreadable(error: Exception) -> VectorError:
    return VectorError(_("文件内容已损坏，无法读取。请从原软件重新导出。"), "damaged")


def _open_json(file: Path, layer: str | None) -> VectorSource:
    if file.stat().st_size > MAX_JSON_BYTES:
        raise VectorTooLarge(
            _("GeoJSON 超过 %(limit)d MB。请转换为 GeoPackage 后上传。") % {"limit": MAX_JSON_BYTES >> 20}, "too-large"
        )
    try:
        document = orjson.loads(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise VectorError(
            _("不是有效的 JSON：第 %(line)d 行第 %(column)d 列有误。请从原软件重新导出。")
            % {"line": error.lineno, "column": error.colno},
            "json",
        ) from error
    kind = document.get("type") if isinstance(document, dict) else None
    match kind:
        case "FeatureCollection":
            features = document.get("features")
        case "Feature":
            features = [document]
        case (
            "Point"
            | "MultiPoint"
            | "LineString"
            | "MultiLineString"
            | "Polygon"
            | "MultiPolygon"
            | "GeometryCollection"
        ):
            features = [{"type": "Feature", "properties": {}, "geometry": document}]
        case _:
            features = None
    if not isinstance(features, list):
        raise VectorError(_("不是 GeoJSON：最外层须是带“features”列表的 FeatureCollection。"), "not-geojson")
    properties = [f["properties"] for f in features if isinstance(f, dict) and isinstance(f.get("properties"), dict)]
    geometries = [f["geometry"] for f in features if isinstance(f, dict) and isinstance(f.get("geometry"), dict)]
    kinds = {str(g.get("type")) for g in geometries}
    return VectorSource(
        layers=(name := _chosen(layer, (file.stem,)),),
        layer=name,
        fields=dict.fromkeys((key for row in properties for key in row), "object"),
        crs=_json_crs(document.get("crs")),
        geometry_type=kinds.pop() if len(kinds) == 1 else "Unknown" if kinds else None,
        count=len(features),
        encoding="utf-8",
        _features=features,
    )


def _json_crs(member: Any) -> pyproj.CRS | None:
    """RFC 7946 knows WGS-84 only; the older ``crs`` member is read where it names an EPSG code."""
    if member is None:
        return pyproj.CRS.from_epsg(WGS84_SRID)
    properties = member.get("properties") if isinstance(member, dict) else None
    name = str(properties.get("name")) if isinstance(properties, dict) else ""
    if name.endswith("CRS84"):
        return pyproj.CRS.from_epsg(WGS84_SRID)
    match = _EPSG.fullmatch(name)
    return _crs(f"EPSG:{match[1]}") if match else None


def _json_batch(source: VectorSource, start: int, features: list[Any]) -> Batch:
    rows: dict[int, dict[str, Any]] = {}
    shapes: list[BaseGeometry | None] = []
    errors: list[RowError] = []
    for number, feature in enumerate(features, start):
        try:
            properties, shape = _json_row(feature)
        except GeometryError as error:
            errors.append(RowError(number, error.message, error.code, error.place))
            continue
        rows[number] = {name: properties.get(name) for name in source.fields}
        shapes.append(shape)
    frame = geopandas.GeoDataFrame(
        list(rows.values()),
        columns=list(source.fields),
        index=list(rows),
        geometry=shapes,
        crs=source.crs,
        dtype=object,
    )
    return Batch(frame, tuple(errors))


def _json_row(feature: Any) -> tuple[dict[str, Any], BaseGeometry | None]:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise GeometryError(_("这一项不是 Feature。"), "not-feature")
    properties, geometry = feature.get("properties"), feature.get("geometry")
    if not isinstance(properties, dict | None):
        raise GeometryError(_("“properties”必须是对象或 null。"), "properties")
    if geometry is None and "geometry" not in feature:
        raise GeometryError(_("缺少“geometry”。没有位置时请写 null。"), "structure")
    return properties or {}, None if geometry is None else read_geometry(geometry)
