"""A queryset's rows as an SQL subquery with known column kinds: what GeoJSON and tiles are assembled from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, cast

from django.contrib.gis.db.models.functions import Transform
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import EmptyResultSet, FieldDoesNotExist, FieldError
from django.db import connections, models
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
    required
        Whether a column is never null, as far as that is known.
    """

    sql: str
    params: tuple[Any, ...]
    kinds: tuple[str, ...]
    required: tuple[bool, ...]


def rows(queryset: models.QuerySet[Any], columns: Sequence[Column]) -> Rows | None:
    """The queryset compiled to these columns, order and slice kept; ``None`` where it is known to be empty."""
    # Own aliases: a property may carry the name of a model field, which annotate() refuses.
    named: dict[str, Combinable] = {}
    kinds: list[str | None] = []
    required: list[bool] = []
    found_or_asked = ((isinstance(c, str) and _own_field(queryset.model, c)) or c for c in columns)  # type: ignore[arg-type]
    for plain, run in groupby(found_or_asked, _is_field):
        found: list[Any] = list(run)
        if plain:
            named[f"column_{len(named)}"] = _OwnColumns([field.column for field in found])
            kinds += [_kind(field) for field in found]
            required += [not (field.null or isinstance(field, models.GeneratedField)) for field in found]
        else:
            named |= {f"column_{len(named) + n}": _expression(column) for n, column in enumerate(found)}
            kinds += [None] * len(found)
            required += [False] * len(found)
    query = queryset.annotate(**named).values_list(*named).query
    try:
        sql, params = query.get_compiler(queryset.db).as_sql()
    except EmptyResultSet:
        return None
    resolved = (query.annotations[alias] for alias, column in named.items() if not isinstance(column, _OwnColumns))
    return Rows(sql, tuple(params), tuple(kind or _kind_of(next(resolved)) for kind in kinds), tuple(required))


def count(queryset: models.QuerySet[Any], most: int | None = None) -> int:
    """The number of rows, counted up to ``most``."""
    if most is None:
        return queryset.order_by().count()
    found = rows(queryset.order_by()[:most], ["pk"])
    if found is None:
        return 0
    with connections[queryset.db].cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({found.sql}) AS page", found.params)
        return int(cursor.fetchone()[0])


def position() -> models.Func:
    """Where a row of the queryset's own table is stored; within one statement it stays there, and only so long."""
    return models.Func(_OwnColumns(["ctid"]), template="%(expressions)s", output_field=models.TextField())


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


def _kind_of(expression: Any) -> str:
    try:
        return _kind(expression.output_field)
    except FieldError:
        return "other"


def _kind(field: Any) -> str:
    while field is not None and getattr(field, "remote_field", None):
        field = field.target_field
    if isinstance(field, models.GeneratedField):
        field = field.output_field
    return next((kind for kind, types in _KINDS if isinstance(field, types)), "other")


def _is_field(column: Any) -> bool:
    return isinstance(column, models.Field)


@lru_cache(maxsize=4096)
def _own_field(model: type[models.Model], path: str) -> "models.Field[Any, Any] | None":
    """The field at a path that leads to a column of the model's own table; ``None`` at any other."""
    field = _field_at(model, path)  # type: ignore[arg-type]
    return field if field in model._meta.local_concrete_fields else None


class _OwnColumns(models.Expression):
    """Columns of the queryset's own table as one annotation: one for each takes longer than to read a small page."""

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(output_field=models.TextField())
        self.columns = tuple(columns)

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        table = compiler.quote_name_unless_alias(compiler.query.get_initial_alias())
        return ", ".join(f"{table}.{connection.ops.quote_name(column)}" for column in self.columns), ()
