"""What is exported from a layer comes back by import: the same rows, in every format."""

import io
from collections import Counter
from typing import Any

import pytest
from django.db import transaction

from ingest.files import imports
from services.access.principal import Principal
from services.catalog.layer import Layer, registry
from services.export.tables import FORMATS, export

LAYERS = [layer for layer in registry if layer.owns_geometry]


def content(layer: Layer) -> Counter[Any]:
    """The rows of a layer without keys and times."""
    names = [field.name for field in layer.fields if field.editable]
    rows = layer.model._default_manager.values_list(*names, layer.geom)
    return Counter(tuple(v.wkb if hasattr(v, "wkb") else repr(v) for v in row) for row in rows)


@pytest.mark.django_db
@pytest.mark.parametrize("format", sorted(FORMATS))
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.key)
def test_every_layer_comes_back(layer: Layer, format: str, who: dict[str, Principal]) -> None:
    admin = who["admin"]
    before = content(layer)
    if not before:
        pytest.skip("the demo city has no rows of this layer")
    file = export(admin, layer, None, format)
    data = b"".join(file.chunks)
    with transaction.atomic():
        layer.model._base_manager.all()._raw_delete("default")
        item = imports.start(admin, layer, io.BytesIO(data), file.filename)
        # A GeoJSON file cannot say its datum: a person does.
        item = imports.configure(admin, item, datum="cgcs2000" if format == "geojson" else None)
        item = imports.run(admin, item)
        assert item.report == []
        assert item.counts["written"] == sum(before.values())
        after = content(layer)
        transaction.set_rollback(True)
    assert after == before
