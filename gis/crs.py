"""Coordinate reference systems: CGCS2000 and its Gauss–Krüger zones, OGC names, moving geometries between them."""

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyproj
import shapely
from django.utils.translation import gettext as _
from shapely.geometry.base import BaseGeometry

from gis.datums import Datum, bd_to_wgs, gcj_to_wgs
from gis.errors import GeometryError, MissingParameters, UnknownCRS
from gis.fields import STORAGE_SRID, WEB_SRID

type AnyCRS = int | str | pyproj.CRS
"""An EPSG code, a WKT text or a pyproj CRS."""

WGS84_SRID = 4326
GEOGRAPHIC_SRIDS = frozenset({STORAGE_SRID, WGS84_SRID})
"""WGS-84 and CGCS2000 differ by centimetres to decimetres at today's epoch: equal for this product."""

ZONE_SRIDS = range(4513, 4534)
"""CGCS2000 / 3-degree Gauss–Krüger zones 25–45, the zone number leading the easting."""
MERIDIAN_SRIDS = range(4534, 4555)
"""CGCS2000 / 3-degree Gauss–Krüger by central meridian 75°E–135°E, easting without zone number."""
SERVED_SRIDS = (WGS84_SRID, STORAGE_SRID, WEB_SRID, *ZONE_SRIDS, *MERIDIAN_SRIDS)

CRS84_URI = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_EPSG_URI = "http://www.opengis.net/def/crs/EPSG/0/"
_EPSG_TEXT = re.compile(
    r"(?:https?://www\.opengis\.net/def/crs/EPSG/[0-9.]+/|urn:ogc:def:crs:EPSG:[0-9.]*:|\[?EPSG:)?([0-9]{4,5})\]?",
    re.IGNORECASE,
)
_CRS84_TEXT = re.compile(
    r"https?://www\.opengis\.net/def/crs/OGC/(?:1\.3|0)/CRS84|urn:ogc:def:crs:OGC:(?:1\.3)?:CRS84|\[?OGC:CRS84\]?|CRS84",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ServedCRS:
    """A CRS as a client names it.

    Attributes
    ----------
    srid
        EPSG code; CRS84 is 4326.
    uri
        The OGC URI to answer with.
    flip
        Whether the first ordinate on the wire is latitude or northing.
    """

    srid: int
    uri: str
    flip: bool


def crs_uri(srid: int) -> str:
    """The OGC URI of an EPSG code."""
    return f"{_EPSG_URI}{srid}"


def parse_crs(text: str) -> ServedCRS:
    """The served CRS named by an OGC URI, URN, CURIE or EPSG number.

    Raises
    ------
    UnknownCRS
        The text names nothing that is served; the message lists what is.
    """
    name = text.strip()
    if _CRS84_TEXT.fullmatch(name):
        return ServedCRS(WGS84_SRID, CRS84_URI, flip=False)
    match = _EPSG_TEXT.fullmatch(name)
    if match and (srid := int(match[1])) in SERVED_SRIDS:
        return ServedCRS(srid, crs_uri(srid), flip=axis_order(srid) == "yx")
    raise UnknownCRS(
        _("不支持坐标系“%(crs)s”。可用：%(allowed)s。")
        % {"crs": name[:100], "allowed": f"{CRS84_URI}, {_EPSG_URI}{{4326, 4490, 3857, 4513–4554}}"},
        "unknown-crs",
    )


@lru_cache(maxsize=128)
def axis_order(srid: int) -> str:
    """``"yx"`` where the authority puts latitude or northing first, else ``"xy"``."""
    return "yx" if pyproj.CRS.from_epsg(srid).axis_info[0].direction == "north" else "xy"


def local_zone(lon: float) -> int:
    """The number (25–45) of the 3° Gauss–Krüger zone around a longitude in degrees.

    Raises
    ------
    UnknownCRS
        The longitude lies outside 73.5°E–136.5°E, where CGCS2000 has no zone.
    """
    # Half-open zones: a point on the border of two belongs to the eastern one.
    zone = int(np.floor((lon + 1.5) / 3)) if np.isfinite(lon) else 0
    zone -= lon == 136.5
    if not 25 <= zone <= 45:
        raise UnknownCRS(
            _("经度 %(lon)s 不在 CGCS2000 三度带范围（73.5°–136.5°）内，请检查经纬度是否写反。") % {"lon": lon},
            "no-zone",
        )
    return zone


def gauss_kruger_3(lon: float, *, zone_in_easting: bool = False) -> int:
    """The EPSG code of the 3° zone around a longitude in degrees.

    By central meridian (4534–4554), or with the zone number in the easting (4513–4533). Units are metres.
    """
    return (ZONE_SRIDS if zone_in_easting else MERIDIAN_SRIDS)[local_zone(lon) - 25]


@lru_cache(maxsize=256)
def transformer(src: AnyCRS, dst: AnyCRS = STORAGE_SRID) -> pyproj.Transformer:
    """A cached transformer between two CRSs, always in (x, y) = (longitude, latitude) = (easting, northing) order.

    Raises
    ------
    UnknownCRS
        One of the two cannot be understood.
    MissingParameters
        No parameters are known between their datums; PROJ would return positions unshifted.
    """
    source, target = read_crs(src), read_crs(dst)
    for crs in (source, target):
        if name := _legacy_datum(crs):
            raise MissingParameters(
                _("%(datum)s 没有公开的转换参数。请先用本地七参数转换到 CGCS2000，再重新提交。") % {"datum": name},
                "missing-parameters",
            )
    if _same_datum(source, target):
        return pyproj.Transformer.from_crs(source, target, always_xy=True)
    # Parameters are registered towards WGS-84, hardly ever towards CGCS2000.
    source, target = (read_crs(WGS84_SRID) if crs == read_crs(STORAGE_SRID) else crs for crs in (source, target))
    found = pyproj.Transformer.from_crs(source, target, always_xy=True)
    if "ballpark" in f"{found.description} {found.definition}".lower():
        raise MissingParameters(
            _("“%(crs)s”与 CGCS2000 之间没有已知的转换参数。请注明它的 EPSG 编号，或先转换到 CGCS2000。")
            % {"crs": source.name},
            "missing-parameters",
        )
    return found


def read_crs(crs: AnyCRS) -> pyproj.CRS:
    """The pyproj CRS of an EPSG code, WKT text or pyproj CRS.

    Raises
    ------
    UnknownCRS
        PROJ cannot read it.
    """
    try:
        # Never from_user_input: a PROJ string from outside could name files to open.
        match crs:
            case int():
                return pyproj.CRS.from_epsg(crs)
            case str():
                return pyproj.CRS.from_wkt(crs)
        return crs
    except pyproj.exceptions.CRSError as error:
        raise UnknownCRS(
            _("无法识别坐标系“%(crs)s”。请改用 EPSG 编号，例如 4490。") % {"crs": str(crs)[:100]}, "unknown-crs"
        ) from error


def transform_geometry(geom: BaseGeometry, src: AnyCRS, dst: AnyCRS = STORAGE_SRID) -> BaseGeometry:
    """The shapely geometry moved from one CRS to another; heights and measures are dropped.

    Raises
    ------
    GeometryError
        A vertex has no image in the target CRS.
    """
    if isinstance(src, int) and isinstance(dst, int) and (src == dst or {src, dst} <= GEOGRAPHIC_SRIDS):
        return shapely.force_2d(geom)
    moved = shapely.transform(geom, transformer(src, dst).transform, interleaved=False)
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        raise GeometryError(_("有坐标超出坐标系的适用范围，无法转换。请检查坐标系是否选对。"), "outside-crs")
    return moved


def to_storage(geom: BaseGeometry, source: AnyCRS | Datum) -> BaseGeometry:
    """The shapely geometry in EPSG:4490, from an EPSG code, a WKT or a stated datum of longitude and latitude."""
    if not isinstance(source, Datum):
        return transform_geometry(geom, source)
    shift = {Datum.GCJ02: gcj_to_wgs, Datum.BD09: bd_to_wgs}.get(source)
    return shapely.force_2d(geom) if shift is None else shapely.transform(geom, shift, interleaved=False)


def _legacy_datum(crs: pyproj.CRS) -> str | None:
    """Beijing 54 or Xian 80 (and their kin) by name, or ``None``."""
    datum = crs.geodetic_crs.datum.name if crs.geodetic_crs and crs.geodetic_crs.datum else ""
    name = re.sub(r"[^a-z0-9]", "", f"{datum} {crs.name}".lower())
    if "beijing" in name or ("krasovsky1940" in name and "china" in name):
        return _("北京 1954 坐标系")
    if re.search(r"xi?an1?9?80", name):
        return _("西安 1980 坐标系")
    return None


def _same_datum(one: pyproj.CRS, other: pyproj.CRS) -> bool:
    """Whether both name the same datum, however their WKT spells it."""
    spelled = {
        re.sub(r"^d_|ensemble$|[^a-z0-9]", "", crs.geodetic_crs.datum.name.lower())
        for crs in (one, other)
        if crs.geodetic_crs and crs.geodetic_crs.datum
    }
    return spelled <= _EQUAL_DATUMS or (len(spelled) == 1 and not any("unknown" in name for name in spelled))


_EQUAL_DATUMS = {
    "chinageodeticcoordinatesystem2000", "china2000", "cgcs2000",
    "worldgeodeticsystem1984", "wgs1984", "wgs84",
}  # fmt: skip
