"""Runs as GeoTIFF files."""

from collections.abc import Sequence
from datetime import UTC

import numpy as np

from gis import raster
from gis.bounds import Box
from services.access.errors import NotFound
from services.surfaces import tiles
from services.surfaces.models import Run


def cut(runs: Sequence[Run], box: Box | None = None) -> tuple[raster.Lattice, list[raster.Values]]:
    """The values of runs on one lattice, cut to a box in degrees; NotFound where nothing lies within it."""
    fields = [found for run in runs if (found := tiles.field(run)) is not None]
    if not fields or any(f.lattice != fields[0].lattice for f in fields):
        raise NotFound("There is no coverage for this.")
    lattice = fields[0].lattice
    rows, columns = lattice.window(box) if box is not None else (slice(0, lattice.rows), slice(0, lattice.columns))
    if rows.start == rows.stop or columns.start == columns.stop:
        raise NotFound("The coverage has nothing within this box.")
    return lattice.part(rows, columns), [np.ascontiguousarray(f.values[rows, columns]) for f in fields]


def geotiff(runs: Sequence[Run], box: Box | None = None) -> bytes:
    """A band for every run, named by its hour in UTC, in the lattice's own CRS."""
    lattice, bands = cut(runs, box)
    first = runs[0]
    tags = {
        "SURFACE": first.surface_id, "REGION": first.region_id, "RUN": ",".join(str(run.pk) for run in runs),
        "PATH": first.path, "RMSE": ",".join("" if run.rmse is None else f"{run.rmse:.3f}" for run in runs),
    }  # fmt: skip
    names = [run.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for run in runs]
    return raster.geotiff(bands, lattice, names, first.surface.unit, tags)
