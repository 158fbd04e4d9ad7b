"""The rows behind a number of the statistics: exactly those that were counted, the latest first."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from services.access.errors import Invalid
from services.catalog.describe import Described
from services.catalog.models import FeatureIndex
from services.panels.listing import cell, with_related
from services.stats.frames import Window
from services.stats.kinds import Kind
from services.stats.scopes import Asked, within

PAGE = 50
BATCH = 500


@dataclass(frozen=True)
class Line:
    """A row: its time, the feature it is or hangs at, its values as they are read."""

    at: str
    layer: str
    feature: UUID | None
    name: str
    cells: list[str]


@dataclass(frozen=True)
class Listing:
    """A page of the rows of a kind."""

    kind: Kind
    columns: list[Described]
    lines: list[Line]
    total: int
    page: int
    pages: int


def kind_of(asked: Asked, key: str) -> Kind:
    """The kind with a key that can be in the scope; Invalid for any other."""
    found = next((kind for kind in asked.kinds if kind.key == key), None)
    if found is None:
        raise Invalid(_("没有统计项“%s”。") % key[:60], {"kind": [_("或不在您的权限范围内。")]})
    return found


def listing(asked: Asked, key: str, window: Window, values: Mapping[str, str], page: int = 1) -> Listing:
    """A page of the rows of a kind in some days with some values of its fields, in four queries."""
    kind = kind_of(asked, key)
    found = _found(asked, kind, window, values)
    total = found.count()
    pages = max(1, -(-total // PAGE))
    page = max(1, min(page, pages))
    rows = list(_ordered(kind, found)[(page - 1) * PAGE : page * PAGE])
    return Listing(kind, columns(kind), list(_lines(kind, rows)), total, page, pages)


def stream(asked: Asked, key: str, window: Window, values: Mapping[str, str]) -> tuple[Kind, Iterator[Line]]:
    """Every one of them, read piece by piece: for files."""
    kind = kind_of(asked, key)
    return kind, _streamed(kind, _ordered(kind, _found(asked, kind, window, values)))


def columns(kind: Kind) -> list[Described]:
    """What is shown beside the time and the feature."""
    return [field for field in kind.columns if field.path not in (kind.time.path, "name")]


def _streamed(kind: Kind, rows: QuerySet[Any]) -> Iterator[Line]:
    batch: list[Any] = []
    for row in rows.iterator(BATCH):
        batch.append(row)
        if len(batch) == BATCH:
            yield from _lines(kind, batch)
            batch = []
    yield from _lines(kind, batch)


def _found(asked: Asked, kind: Kind, window: Window, values: Mapping[str, str]) -> QuerySet[Any]:
    rows = asked.rows(kind).filter(within(kind, window))
    for name, value in values.items():
        rows = rows.filter(_value(kind, name, value))
    return rows


def _value(kind: Kind, name: str, value: str) -> Q:
    """Rows with a value of one of the fields by which the kind is told apart."""
    for field in kind.parts:
        if field.name == name:
            if not value:
                return (
                    Q(**{name: ""}) | Q(**{f"{name}__isnull": True})
                    if field.schema["type"] == "string"
                    else Q(**{f"{name}__isnull": True})
                )
            if value in {str(choice) for choice in field.choices}:
                return Q(**{name: value})
    if any(flag.name == name for flag in kind.flags) and value == "true":
        return Q(**{name: True})
    names = [field.name for field in (*kind.parts, *kind.flags)]
    raise Invalid(_("没有这个筛选条件。"), {name[:60]: [", ".join(names)]})


def _ordered(kind: Kind, rows: QuerySet[Any]) -> QuerySet[Any]:
    # A key of several columns, such as device and time, is no single name to sort by.
    keys = [f"-{field.attname}" for field in kind.model._meta.pk_fields]  # type: ignore[attr-defined]
    return with_related(rows, list(kind.columns)).annotate(stat_feature=F(kind.feature)).order_by(
        f"-{kind.time.path}", *keys
    )  # fmt: skip


def _lines(kind: Kind, rows: Iterable[Any]) -> Iterator[Line]:
    rows = list(rows)
    keys = {row.stat_feature for row in rows}
    index = {pk: (layer, title) for pk, layer, title in FeatureIndex.objects.filter(pk__in=keys).values_list(
        "pk", "layer", "title"
    )}  # fmt: skip
    shown = columns(kind)
    for row in rows:
        layer, name = index.get(row.stat_feature, ("", ""))
        yield Line(cell(row, kind.time), layer, row.stat_feature, name, [cell(row, field) for field in shown])
