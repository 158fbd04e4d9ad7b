"""Geometry fields in the storage CRS, each with a stored Web Mercator twin for tiles."""

from typing import Any

from django.contrib.gis.db import models
from django.contrib.gis.db.models.functions import Transform

STORAGE_SRID = 4490
"""CGCS2000 geographic, longitude and latitude in degrees (equal to WGS-84 for this product's use)."""

WEB_SRID = 3857
"""Web Mercator, the CRS of vector tiles."""

WEB_SUFFIX = f"_{WEB_SRID}"


class WebTwin(models.GeneratedField):
    """The stored Web Mercator twin of a geometry, with the spatial index that a plain generated column goes without."""

    spatial_index = True

    # What the schema editor asks a geometry field before it writes the index.
    geography = False
    dim = 2

    @property
    def geom_type(self) -> str:
        return str(self.output_field.geom_type)  # type: ignore[union-attr]

    def geodetic(self, connection: Any) -> bool:
        """Web Mercator is in metres."""
        return False


class StoredGeometry(models.GeometryField):
    """Stores EPSG:4490 and adds a generated ``<name>_3857`` column, so that no tile transforms a row."""

    def __init__(self, *args: Any, srid: int = STORAGE_SRID, **kwargs: Any) -> None:
        super().__init__(*args, srid=srid, **kwargs)

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:  # type: ignore[override]
        super().contribute_to_class(cls, name, private_only=private_only)
        # Abstract classes hand copies of this field down, and migrations spell both columns out.
        if cls._meta.abstract or cls.__module__ == "__fake__":
            return
        twin = WebTwin(
            expression=Transform(name, WEB_SRID),
            output_field=_plain(type(self))(srid=WEB_SRID, null=True),
            db_persist=True,
            editable=False,
        )
        cls.add_to_class(f"{name}{WEB_SUFFIX}", twin)  # type: ignore[attr-defined]


class PointField(StoredGeometry, models.PointField):
    """A point in the storage CRS."""


class LineStringField(StoredGeometry, models.LineStringField):
    """A line in the storage CRS."""


class MultiLineStringField(StoredGeometry, models.MultiLineStringField):
    """Lines in the storage CRS."""


class PolygonField(StoredGeometry, models.PolygonField):
    """A polygon in the storage CRS."""


class MultiPolygonField(StoredGeometry, models.MultiPolygonField):
    """Polygons in the storage CRS."""


class GeometryField(StoredGeometry, models.GeometryField):
    """Any geometry in the storage CRS."""


def _plain(kind: type) -> type[models.GeometryField]:
    """The GeoDjango field class behind one of ours: the twin must not grow a twin of its own."""
    return next(base for base in kind.__mro__ if base.__module__.startswith("django."))
