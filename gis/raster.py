"""Rasters over an area: a lattice of square cells in metres, sampled, drawn as map tiles and written as GeoTIFF."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image
from shapely.geometry.base import BaseGeometry

from gis.bounds import Box
from gis.crs import transform_geometry, transformer
from gis.fields import STORAGE_SRID, WEB_SRID
from gis.grids import grid_srid
from gis.mvt import tile_bounds

type Floats = NDArray[np.float64]
type Values = NDArray[np.float32]

TILE = 256
"""Pixels along an edge of a tile."""
NODATA = -9999.0
_KNOTS = 17
"""Points along an edge of a tile that are really transformed; between them a straight line is true to a metre."""


@dataclass(frozen=True)
class Lattice:
    """Square cells counted from the north-west corner, row by row; edges lie on whole multiples of the cell."""

    srid: int
    west: float
    north: float
    cell: float
    columns: int
    rows: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns

    def centres(self) -> Floats:
        """x and y of every cell's centre in the lattice's CRS, shape (rows × columns, 2)."""
        x = self.west + (np.arange(self.columns) + 0.5) * self.cell
        y = self.north - (np.arange(self.rows) + 0.5) * self.cell
        return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)

    def places(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """Column and row of positions in degrees, with fractions; the centre of the first cell is (0, 0)."""
        return self._places(*transformer(STORAGE_SRID, self.srid).transform(lon, lat))

    def window(self, box: Box) -> tuple[slice, slice]:
        """The rows and columns of the cells whose centre may lie within a box in degrees; empty slices outside."""
        x, y = transformer(STORAGE_SRID, self.srid).transform(*_outline(box))
        columns, rows = self._places(np.asarray(x), np.asarray(y))
        return _span(rows, self.rows), _span(columns, self.columns)

    def part(self, rows: slice, columns: slice) -> "Lattice":
        """The lattice of these rows and columns alone."""
        west, north = self.west + columns.start * self.cell, self.north - rows.start * self.cell
        return Lattice(self.srid, west, north, self.cell, columns.stop - columns.start, rows.stop - rows.start)

    def _places(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        return (x - self.west) / self.cell - 0.5, (self.north - y) / self.cell - 0.5


def lattice(area: BaseGeometry, cell_m: float) -> Lattice:
    """The lattice that covers an area given in EPSG:4490, in the 3° zone around its middle."""
    west, _south, east, _north = area.bounds
    srid = grid_srid(west, east)
    left, bottom, right, top = transform_geometry(area, STORAGE_SRID, srid).bounds
    first, last = np.floor(left / cell_m), np.ceil(right / cell_m)
    low, high = np.floor(bottom / cell_m), np.ceil(top / cell_m)
    return Lattice(srid, first * cell_m, high * cell_m, cell_m, int(last - first), int(high - low))


def mask(of: Lattice, area: BaseGeometry) -> NDArray[np.bool_]:
    """Which cells have their centre inside an area given in EPSG:4490."""
    there = transform_geometry(area, STORAGE_SRID, of.srid)
    shapely.prepare(there)
    centres = of.centres()
    inside: NDArray[np.bool_] = shapely.contains_xy(there, centres[:, 0], centres[:, 1])
    return inside.reshape(of.shape)


def sample(values: Values, of: Lattice, lon: float, lat: float) -> float | None:
    """The value of the cell that holds a position in degrees; ``None`` outside or where there is none."""
    column, row = (round(float(v)) for v in of.places(np.float64(lon), np.float64(lat)))  # type: ignore[arg-type]
    if not (0 <= row < of.rows and 0 <= column < of.columns) or not np.isfinite(values[row, column]):
        return None
    return float(values[row, column])


def tile(
    values: Values, of: Lattice, z: int, x: int, y: int, *, inside: NDArray[np.bool_], outline: BaseGeometry
) -> Values:
    """The values at the pixels of a WebMercatorQuad tile, smoothed between cell centres; NaN where there is none.

    Parameters
    ----------
    inside
        The cells of the area; a pixel is empty where most of those around it have no value.
    outline
        The area's boundary in EPSG:3857, at which the picture ends.

    Raises
    ------
    TileOutOfRange
        No such tile.
    """
    west, south, east, north = tile_bounds(z, x, y)
    knots = np.linspace(0, 1, _KNOTS)
    mx, my = np.meshgrid(west + knots * (east - west), north - knots * (north - south))
    gx, gy = transformer(WEB_SRID, of.srid).transform(mx, my)
    columns, rows = of._places(_fine(np.asarray(gx)), _fine(np.asarray(gy)))
    empty = np.full((TILE, TILE), np.nan, dtype=np.float32)
    if columns.max() < -1 or rows.max() < -1 or columns.min() > of.columns or rows.min() > of.rows:
        return empty
    clipped = shapely.clip_by_rect(outline, west, south, east, north)
    if clipped.is_empty:
        return empty
    padded = np.pad(values.astype(np.float64), 1, constant_values=np.nan)
    within, known = np.pad(inside, 1), np.isfinite(padded)
    filled = np.where(known, padded, 0.0)
    columns, rows = np.clip(columns + 1, 0, of.columns + 1), np.clip(rows + 1, 0, of.rows + 1)
    left, top = np.floor(columns).astype(int), np.floor(rows).astype(int)
    left, top = np.minimum(left, of.columns), np.minimum(top, of.rows)
    # rasterio loads a GDAL of its own, a tenth of a second: only who draws or writes a raster pays.
    from rasterio.features import geometry_mask
    from rasterio.transform import from_bounds

    dx, dy = columns - left, rows - top
    total, weight, most = (np.zeros((TILE, TILE)) for _n in range(3))
    for down, share_y in ((0, 1 - dy), (1, dy)):
        for right, share_x in ((0, 1 - dx), (1, dx)):
            cell = (top + down, left + right)
            share = share_x * share_y
            total += share * known[cell] * filled[cell]
            weight += share * known[cell]
            most += share * within[cell]
    shown = (weight > 0) & (weight >= most / 2)
    shown &= geometry_mask([clipped], (TILE, TILE), from_bounds(west, south, east, north, TILE, TILE), invert=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Values = np.where(shown, total / weight, np.nan).astype(np.float32)
    return found


def png(colors: NDArray[np.uint8]) -> bytes:
    """A picture of shape (height, width, 4) as PNG."""
    out = io.BytesIO()
    Image.fromarray(colors, "RGBA").save(out, "PNG", compress_level=1)
    return out.getvalue()


def geotiff(
    bands: Sequence[Values], of: Lattice, names: Sequence[str], unit: str, tags: Mapping[str, str] | None = None
) -> bytes:
    """A GeoTIFF of float32 bands, -9999 where there is no value; each band has its name and unit."""
    from rasterio import CRS
    from rasterio.io import MemoryFile
    from rasterio.transform import from_origin

    profile: dict[str, Any] = {
        "driver": "GTiff", "dtype": "float32", "count": len(bands), "width": of.columns, "height": of.rows,
        "crs": CRS.from_epsg(of.srid), "transform": from_origin(of.west, of.north, of.cell, of.cell),
        "nodata": NODATA, "compress": "deflate", "predictor": 3,
    }  # fmt: skip
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            for number, (band, name) in enumerate(zip(bands, names, strict=True), 1):
                file.write(np.where(np.isfinite(band), band, NODATA).astype(np.float32), number)
                file.set_band_description(number, name)
                file.set_band_unit(number, unit)
            file.update_tags(**dict(tags or {}))
        return bytes(memory.read())


def _fine(coarse: Floats) -> Floats:
    """The pixels' centres between the knots of a tile."""
    at = (np.arange(TILE) + 0.5) / TILE * (_KNOTS - 1)
    low = np.minimum(at.astype(int), _KNOTS - 2)
    share = at - low
    along = coarse[:, low] * (1 - share) + coarse[:, low + 1] * share
    fine: Floats = along[low] * (1 - share)[:, None] + along[low + 1] * share[:, None]
    return fine


def _outline(box: Box) -> tuple[Floats, Floats]:
    """Points along the edge of a box: in another CRS its edges are curved."""
    west, south, east, north = box
    t = np.linspace(0, 1, 21)
    lon = np.concatenate([west + t * (east - west), np.full(21, east), east - t * (east - west), np.full(21, west)])
    lat = np.concatenate(
        [np.full(21, south), south + t * (north - south), np.full(21, north), north - t * (north - south)]
    )
    return lon, lat


def _span(places: Floats, count: int) -> slice:
    first, last = int(np.ceil(places.min())), int(np.floor(places.max()))
    first, stop = max(first, 0), min(last + 1, count)
    return slice(first, stop) if stop > first else slice(0, 0)
