"""The list of a layer: filtered, sorted, paged, with the cells as a person reads them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.gis.db.models import GeometryField
from django.db import models
from django.db.models import QuerySet
from django.http import QueryDict

from gis.fields import WebTwin
from services.access import gate
from services.access.counts import counted
from services.access.principal import Principal
from services.catalog.describe import Described, describe
from services.catalog.layer import Layer
from services.search.filters import Filters, narrow, parse

SIZES = (20, 50, 100)


@dataclass(frozen=True)
class Column:
    """A column of a list."""

    name: str
    label: str
    numeric: bool
    sortable: bool = True


@dataclass(frozen=True)
class ListRow:
    """A row of a list; ``cells`` in the order of the columns."""

    id: UUID
    title: str
    state: str
    cells: list[str]


@dataclass(frozen=True)
class Listing:
    """One page of a list."""

    columns: list[Column]
    rows: list[ListRow]
    total: int
    page: int
    pages: int
    size: int
    sort: str
    filters: Filters


def listing(principal: Principal, layer: Layer, query: QueryDict | Mapping[str, Any]) -> Listing:
    """One page of the features that pass the query, in three database queries whatever its length, and one to count."""
    filters = parse(principal, layer, query)
    readable = {f.name for f in gate.fields(principal, layer)}
    asked = [name for name in str(query.get("columns") or "").split(",") if name in readable] or list(layer.listed)
    fields = [describe(layer.model, path) for path in asked if path.split("__")[0] in readable]
    found = narrow(principal, layer, filters)
    total = counted(principal, layer, found, filters.canonical)
    size = _whole(query.get("size"), SIZES[0], SIZES[-1])
    pages = max(1, -(-total // size))
    page = min(_whole(query.get("page"), 1, 10**6), pages)
    # The keys of the page first: whole rows with their joins are read for the page, not sorted for the layer.
    keys = list(found.values_list("pk", flat=True)[(page - 1) * size : page * size])
    read = with_related(layer.rows(), fields).defer(*shapes(layer.model)).in_bulk(keys)
    rows = [read[key] for key in keys if key in read]
    return Listing(
        [Column(f.name, f.label, f.is_number, "__" not in f.path) for f in fields],
        [ListRow(row.pk, row.name, getattr(row, "state", ""), [cell(row, f) for f in fields]) for row in rows],
        total, page, pages, size, str(query.get("sort") or ""), filters,
    )  # fmt: skip


def with_related(rows: QuerySet[Any], fields: list[Described]) -> QuerySet[Any]:
    """The rows with the related objects that the fields name, joined: no query per row, and no shape of a region."""
    paths = {f.path if f.related is not None else f.path.rpartition("__")[0] for f in fields}
    paths.discard("")
    if not paths:
        return rows
    shapes = {shape for path in paths for shape in _shapes_along(rows.model, path)}
    return rows.select_related(*paths).defer(*shapes)


def _shapes_along(model: type[models.Model], path: str) -> Iterator[str]:
    steps = path.split("__")
    for number, step in enumerate(steps, 1):
        model = model._meta.get_field(step).related_model  # type: ignore[assignment]
        yield from ("__".join((*steps[:number], name)) for name in shapes(model))


def shapes(model: type[models.Model]) -> list[str]:
    """The geometry columns of a model, which a list does not read."""
    return [f.name for f in model._meta.concrete_fields if isinstance(f, GeometryField | WebTwin)]


def cell(row: models.Model, described: Described) -> str:
    """The text of a field of a row, following its path."""
    value: Any = row
    for step in described.path.split("__"):
        value = getattr(value, step) if value is not None else None
    return described.display(value)


def _whole(text: Any, default: int, most: int) -> int:
    try:
        return max(1, min(int(text), most))
    except (TypeError, ValueError):
        return default
