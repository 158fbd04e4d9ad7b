"""docs/real-data.md, run: what goes in through the import comes back through the OGC API where it was."""

import gzip
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from gis.crs import to_storage
from gis.datums import Datum
from gis.vector import open_vector, read_batches
from ingest.models import Import
from services.catalog.layer import registry

DEGREES = 1e-7
PAGE = 1000


def recipe() -> list[str]:
    """The lines of the page's shell block."""
    text = (Path(settings.ROOT) / "docs" / "real-data.md").read_text()
    block = text.partition("```sh\n")[2].partition("```")[0]
    return [line for line in block.splitlines() if line.startswith(("gunzip", "python"))]


def served(layer: str, headers: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Every feature of a collection, page by page."""
    client, path = Client(), f"/ogc/collections/{layer}/items?f=json&limit={PAGE}"
    while path:
        page = client.get(path, headers=headers).json()
        yield from page["features"]
        path = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")


@pytest.mark.django_db
def test_the_page_runs_and_the_api_gives_the_same_places(shared_data: Path, tmp_path: Path, token: Any) -> None:
    replaced = {"$D": str(shared_data), "$R": str(tmp_path)}
    for key in ("boundaries", "buildings", "roads", "water_bodies", "points_of_interest"):
        registry.by_key[key].model.objects.all().delete()
    for line in recipe():
        for name, folder in replaced.items():
            line = line.replace(name, folder)
        words = shlex.split(line)
        if words[0] == "gunzip":
            Path(words[4]).write_bytes(gzip.decompress(Path(words[2]).read_bytes()))
        else:
            call_command(*words[2:])
    done = {item.pk: item for item in Import.objects.order_by("pk")}
    assert len(done) == sum(line.startswith("python") for line in recipe())
    assert all(item.state == "done" for item in done.values())
    expected = {feature: shape for item in done.values() for feature, shape in expectations(item)}
    headers = token("admin")
    seen = 0
    for key in {item.layer for item in done.values()}:
        for feature in served(key, headers):
            wanted = expected.get(feature["id"])
            if wanted is None:
                continue
            found = np.array(shapely.get_coordinates(shapely.geometry.shape(feature["geometry"])))
            places = shapely.get_coordinates(wanted)
            assert found.shape == places.shape
            assert np.abs(found - places).max() <= DEGREES
            seen += 1
    assert seen == len(expected) > 10_000
    assert not [item for item in done.values() if item.counts["written"] == 0]


def expectations(item: Import) -> Iterator[tuple[str, Any]]:
    """The id of each feature of an import with the shape in its file, brought to CGCS2000; mended shapes left out."""
    ids = dict(item.rows.values_list("number", "feature_id"))
    if item.format == "csv":
        from ingest.files.delimited import rows

        shapes = {
            row.number: shapely.Point(float(row.values["lon"]), float(row.values["lat"])) for row in rows(item.path)
        }
        source: Any = Datum(item.datum)
    else:
        shapes = {}
        with open_vector(item.path, layer=item.source or None) as opened:
            for batch in read_batches(opened):
                shapes |= {int(n) + 1: shape for n, shape in batch.frame.geometry.items()}
            source = Datum(item.datum) if item.datum else opened.crs.to_epsg()
    for number, key in ids.items():
        shape = shapes[number]
        if shape is not None and shape.is_valid:
            yield str(key), to_storage(shape, source)
