"""A queryset's rows as an SQL subquery with known column kinds: what GeoJSON and tiles are assembled from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from django.contrib.gis.db.models.functions import Transform
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import EmptyResultSet, FieldDoesNotExist, FieldError
from django.db import models
from django.db.models.expressions import Combinable

from gis.fields import STORAGE_SRID, WEB_SRID, WEB_SUFFIX

type Column = str | Combinable
"""An ORM path or an expression."""

WGS84_SRID = 4326

_KINDS: tuple[tuple[str, tuple[type[models.Field], ...]], ...] = (
    ("integer", (models.IntegerField,)),
    ("boolean", (models.BooleanField,)),
    ("datetime", (models.DateTimeField,)),
    ("date", (models.DateField,)),
    ("decimal", (models.DecimalField,)),
    ("float", (models.FloatField,)),
    ("uuid", (models.UUIDField,)),
    ("json", (models.JSONField,)),
    ("text", (models.CharField, models.TextField)),
    ("array", (ArrayField,)),
)


@dataclass(frozen=True, slots=True)
class Rows:
    """A compiled queryset.

    Attributes
    ----------
    sql, params
        The query, with placeholders; its columns come in the order asked for.
    kinds
        One of ``integer boolean datetime date decimal float uuid json text array other`` a column.
    """

    sql: str
    params: tuple[Any, ...]
    kinds: tuple[str, ...]


def rows(queryset: models.QuerySet[Any], columns: Sequence[Column]) -> Rows | None:
    """The queryset compiled to these columns, order and slice kept; ``None`` where it is known to be empty."""
    # Own aliases: a property may carry the name of a model field, which annotate() refuses.
    named = {f"column_{n}": _expression(column) for n, column in enumerate(columns)}
    query = queryset.annotate(**named).values_list(*named).query
    try:
        sql, params = query.get_compiler(queryset.db).as_sql()
    except EmptyResultSet:
        return None
    return Rows(sql, tuple(params), tuple(_kind(query.annotations[alias]) for alias in named))


def placed(queryset: models.QuerySet[Any], geom: str, srid: int) -> Combinable:
    """The geometry at an ORM path as an expression in a CRS: stored where it is stored, else transformed.

    EPSG:4326 and EPSG:4490 are treated as equal: they differ by centimetres to decimetres.
    """
    if srid in (STORAGE_SRID, WGS84_SRID):
        return models.F(geom)
    twin = f"{geom}{WEB_SUFFIX}"
    if srid == WEB_SRID and geometry_field(queryset, twin) is not None:
        return models.F(twin)
    return Transform(geom, srid)


def geometry_field(queryset: models.QuerySet[Any], geom: str) -> "models.Field[Any, Any] | None":
    """The model field at the ORM path of a geometry; ``None`` for an annotation."""
    return None if geom in queryset.query.annotations else _field_at(queryset.model, geom)  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def _field_at(model: type[models.Model], path: str) -> "models.Field[Any, Any] | None":
    *relations, name = path.split("__")
    try:
        for relation in relations:
            model = model._meta.get_field(relation).related_model  # type: ignore[assignment]
        return cast(models.Field, model._meta.get_field(name))
    except (FieldDoesNotExist, AttributeError):
        return None


def _expression(column: Column) -> Combinable:
    if isinstance(column, str):
        return models.F(column)
    if isinstance(column, models.Value) and column.value is None:
        return models.Value(None, output_field=models.TextField())
    return column


def _kind(expression: Any) -> str:
    try:
        field = expression.output_field
    except FieldError:
        return "other"
    while field is not None and getattr(field, "remote_field", None):
        field = field.target_field
    if isinstance(field, models.GeneratedField):
        field = field.output_field
    return next((kind for kind, types in _KINDS if isinstance(field, types)), "other")
