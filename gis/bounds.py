"""Bounding boxes from outside: read, checked, split at the antimeridian; and the points within one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db.models import BooleanField, F, Func
from django.utils.translation import gettext as _

from gis.crs import GEOGRAPHIC_SRIDS, WGS84_SRID, transformer
from gis.errors import BoundsError
from gis.fields import STORAGE_SRID

type Box = tuple[float, float, float, float]
"""West, south, east, north in degrees, EPSG:4490."""


def parse_bbox(source: str | Sequence[float], *, srid: int = WGS84_SRID, flip: bool = False) -> tuple[Box, ...]:
    """The boxes of a bbox: one, or two where it crosses the antimeridian.

    Parameters
    ----------
    source
        Four or six numbers, as a sequence or comma separated; heights are dropped.
    srid, flip
        CRS of the numbers, and whether latitude or northing comes first.

    Raises
    ------
    BoundsError
        With the reason, for anything else.
    """
    west, south, east, north = _corners(source, flip)
    if south > north or (west > east and srid not in GEOGRAPHIC_SRIDS):
        raise BoundsError(_("bbox 的顺序有误：最小值须在最大值之前。"), "order")
    if srid not in GEOGRAPHIC_SRIDS:
        box = transformer(srid).transform_bounds(west, south, east, north)
        if not np.isfinite(box).all():
            raise BoundsError(_("bbox 超出坐标系的适用范围，请检查 bbox-crs。"), "out-of-range")
        west, south, east, north = (float(v) for v in box)
    if max(abs(west), abs(east)) > 180 or max(abs(south), abs(north)) > 90:
        hint = _("经度和纬度可能写反了。") if max(abs(west), abs(east)) <= 90 else _("请检查 bbox-crs。")
        raise BoundsError(_("bbox 超出经度 ±180°、纬度 ±90° 的范围。") + hint, "out-of-range")
    if west > east:
        return (west, south, 180.0, north), (-180.0, south, east, north)
    return ((west, south, east, north),)


def _corners(source: str | Sequence[float], flip: bool) -> Box:
    parts = source.split(",") if isinstance(source, str) else source
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    if len(numbers) not in (4, 6) or not np.isfinite(numbers).all():
        raise BoundsError(_("bbox 须为 4 个或 6 个用逗号分隔的数：西,南,东,北。"), "format")
    half = len(numbers) // 2
    first, second = numbers[:2], numbers[half : half + 2]
    if flip:
        first, second = first[::-1], second[::-1]
    return first[0], first[1], second[0], second[1]


class PointWithin(Func):
    """The condition that the point at an ORM path lies in a box or on its edge.

    By two comparisons behind the index, which keeps places in single precision, nearly a metre wide: they say the same
    as ST_Intersects in a quarter of the time.
    """

    def __init__(self, geom: str, box: Box) -> None:
        super().__init__(F(geom), output_field=BooleanField())
        self.box = box

    def as_sql(self, compiler: Any, connection: Any, *_arguments: Any, **_context: Any) -> Any:
        west, south, east, north = self.box
        (source,) = self.source_expressions
        x, params = compiler.compile(source)
        sql = (
            f"({x} && ST_MakeEnvelope(%s, %s, %s, %s, {STORAGE_SRID}) "
            f"AND ST_X({x}) BETWEEN %s AND %s AND ST_Y({x}) BETWEEN %s AND %s)"
        )
        return sql, (*params, west, south, east, north, *params, west, east, *params, south, north)
