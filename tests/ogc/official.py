"""The tables of the official CQL2 test data, as models of a test-only app that no migration knows."""

from datetime import UTC
from pathlib import Path
from typing import Any

import pyogrio
import shapely
from django.contrib.gis.db import models
from django.contrib.gis.geos import GEOSGeometry
from django.db import connection

from gis.fields import STORAGE_SRID
from services.catalog.describe import Described


class Official(models.Model):
    """What the three tables share."""

    geom = models.GeometryField(srid=STORAGE_SRID)

    class Meta:
        abstract = True
        app_label = "official_cql2"

    @classmethod
    def fields(cls) -> list[Described]:
        """Everything a filter may name."""
        return [Described(f.name, f) for f in cls._meta.concrete_fields if f.name not in ("id", "geom")]


class Country(Official):
    source = "ne_110m_admin_0_countries"
    NAME = models.TextField()
    POP_EST = models.FloatField()


class Place(Official):
    source = "ne_110m_populated_places_simple"
    name = models.TextField()
    nameascii = models.TextField()
    pop_other = models.IntegerField()
    pop_min = models.IntegerField()
    pop_max = models.IntegerField()
    date = models.DateField(null=True)
    start = models.DateTimeField(null=True)
    end = models.DateTimeField(null=True)
    boolean = models.BooleanField(null=True)


class River(Official):
    source = "ne_110m_rivers_lake_centerlines"
    name = models.TextField(null=True)


MODELS: dict[str, type[Official]] = {model.source: model for model in (Country, Place, River)}  # type: ignore[attr-defined]


def load(data: Path) -> None:
    """Create and fill the tables."""
    with connection.schema_editor() as editor:
        for model in MODELS.values():
            editor.create_model(model)
    for source, model in MODELS.items():
        frame = pyogrio.read_dataframe(data / "api_tests/cql2/ne110m4cql2.gpkg", layer=source)
        names = [f.name for f in model.fields()]
        model.objects.bulk_create(
            model(geom=_place(row.geometry), **{name: _value(getattr(row, name)) for name in names})
            for row in frame.itertuples()
        )


def drop() -> None:
    """Drop the tables."""
    with connection.schema_editor() as editor:
        for model in MODELS.values():
            editor.delete_model(model)


def _place(shape: Any) -> GEOSGeometry:
    place = GEOSGeometry(memoryview(shapely.to_wkb(shapely.force_2d(shape))))
    place.srid = STORAGE_SRID
    return place


def _value(value: Any) -> Any:
    """A value of the file; what pandas calls missing is None."""
    if value is None or value != value:
        return None
    return value.to_pydatetime().replace(tzinfo=UTC) if hasattr(value, "to_pydatetime") else value
