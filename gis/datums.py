"""The datums in which longitude and latitude are stated in China, and the shifts between them, without projections."""

from collections.abc import Callable
from typing import cast

import numpy as np
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy
from numpy.typing import ArrayLike, NDArray

type Floats = NDArray[np.float64]
type LonLat = tuple[Floats, Floats]


class Datum(TextChoices):
    """The datum in which a source states longitude and latitude."""

    CGCS2000 = "cgcs2000", gettext_lazy("CGCS2000 国家大地坐标系")
    WGS84 = "wgs84", gettext_lazy("WGS-84（GPS、北斗原始坐标）")
    GCJ02 = "gcj02", gettext_lazy("GCJ-02（高德、腾讯地图）")
    BD09 = "bd09", gettext_lazy("BD-09（百度地图）")


# GCJ-02 and BD-09 are published by nobody; the polynomials below are the ones in general use.
_A, _EE = 6378245.0, 0.00669342162296594323
_X_PI = np.pi * 3000 / 180
_INVERSE_STEPS = 4


def wgs_to_gcj(lon: ArrayLike, lat: ArrayLike) -> LonLat:
    """GCJ-02 degrees of WGS-84 degrees, element by element; outside China unchanged."""
    x, y = _floats(lon, lat)
    inside = _in_china(x, y)
    u, v = _gcj(x, y)
    return np.where(inside, u, x), np.where(inside, v, y)


def gcj_to_wgs(lon: ArrayLike, lat: ArrayLike) -> LonLat:
    """WGS-84 degrees of GCJ-02 degrees, to better than 1e-9°; outside China unchanged."""
    x, y = _floats(lon, lat)
    inside = _in_china(x, y)
    u, v = _inverse(_gcj, x, y)
    return np.where(inside, u, x), np.where(inside, v, y)


def gcj_to_bd(lon: ArrayLike, lat: ArrayLike) -> LonLat:
    """BD-09 degrees of GCJ-02 degrees; outside China unchanged."""
    x, y = _floats(lon, lat)
    inside = _in_china(x, y)
    u, v = _bd(x, y)
    return np.where(inside, u, x), np.where(inside, v, y)


def bd_to_gcj(lon: ArrayLike, lat: ArrayLike) -> LonLat:
    """GCJ-02 degrees of BD-09 degrees, to better than 1e-9°; outside China unchanged."""
    x, y = _floats(lon, lat)
    inside = _in_china(x, y)
    u, v = _inverse(_bd, x, y)
    return np.where(inside, u, x), np.where(inside, v, y)


def wgs_to_bd(lon: ArrayLike, lat: ArrayLike) -> LonLat:
    """BD-09 degrees of WGS-84 degrees; outside China unchanged."""
    return gcj_to_bd(*wgs_to_gcj(lon, lat))


def bd_to_wgs(lon: ArrayLike, lat: ArrayLike) -> LonLat:
    """WGS-84 degrees of BD-09 degrees; outside China unchanged."""
    return gcj_to_wgs(*bd_to_gcj(lon, lat))


def _floats(lon: ArrayLike, lat: ArrayLike) -> LonLat:
    return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)


def _in_china(x: Floats, y: Floats) -> NDArray[np.bool_]:
    """The rectangle in which map services shift positions."""
    return cast(NDArray[np.bool_], (x >= 72.004) & (x <= 137.8347) & (y >= 0.8293) & (y <= 55.8271))


def _inverse(forward: Callable[[Floats, Floats], LonLat], x: Floats, y: Floats) -> LonLat:
    """Solve ``forward(u, v) = (x, y)`` by fixed-point steps; the shift varies slowly, so each gains three digits."""
    u, v = x, y
    for _step in range(_INVERSE_STEPS):
        p, q = forward(u, v)
        u, v = u - (p - x), v - (q - y)
    return u, v


def _gcj(lon: Floats, lat: Floats) -> LonLat:
    x, y = lon - 105.0, lat - 35.0
    sin, pi, root = np.sin, np.pi, np.sqrt(np.abs(x))
    ripple = (20 * sin(6 * pi * x) + 20 * sin(2 * pi * x)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + ripple
    north += (20 * sin(pi * y) + 40 * sin(pi * y / 3)) * 2 / 3
    north += (160 * sin(pi * y / 12) + 320 * sin(pi * y / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + ripple
    east += (20 * sin(pi * x) + 40 * sin(pi * x / 3)) * 2 / 3
    east += (150 * sin(pi * x / 12) + 300 * sin(pi * x / 30)) * 2 / 3
    phi = np.radians(lat)
    magic = 1 - _EE * sin(phi) ** 2
    d_lat = np.degrees(north * magic * np.sqrt(magic) / (_A * (1 - _EE)))
    d_lon = np.degrees(east * np.sqrt(magic) / (_A * np.cos(phi)))
    return lon + d_lon, lat + d_lat


def _bd(x: Floats, y: Floats) -> LonLat:
    z = np.hypot(x, y) + 0.00002 * np.sin(y * _X_PI)
    theta = np.arctan2(y, x) + 0.000003 * np.cos(x * _X_PI)
    return z * np.cos(theta) + 0.0065, z * np.sin(theta) + 0.006
