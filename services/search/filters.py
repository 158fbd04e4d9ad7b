"""One filter for map, list, statistics and export: parsed from a query, checked, turned into rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.gis.geos import Polygon
from django.db import models
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from gis.fields import STORAGE_SRID
from gis.models import Region
from services.access import gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.catalog.describe import Described, describe
from services.catalog.layer import Layer
from services.catalog.models import Feature, FeatureIndex
from services.search.text import holding

NOT_FILTERS = frozenset({"page", "size", "sort", "lang", "theme", "f", "format", "selected", "columns"})
LONGEST_TEXT = 100

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Filters:
    """What was asked of one layer: values by field, text, a box, an order. Equal requests are equal objects."""

    values: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    text: str = ""
    bbox: Box | None = None
    sort: tuple[str, ...] = ()
    raw: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @cached_property
    def canonical(self) -> str:
        """The query that gives these filters, in a stable order, without paging and sort."""
        return urlencode(sorted(self.raw))

    def chosen(self, name: str) -> tuple[Any, ...]:
        """The values asked for under a name."""
        return dict(self.values).get(name, ())

    def __bool__(self) -> bool:
        return bool(self.values or self.text or self.bbox)


@dataclass(frozen=True)
class Option:
    """One choice of a filter."""

    value: str
    label: str
    selected: bool = False


@dataclass(frozen=True)
class Widget:
    """A filter as the screen shows it."""

    kind: str
    name: str
    label: str
    unit: str = ""
    options: tuple[Option, ...] = ()
    minimum: str = ""
    maximum: str = ""

    @property
    def active(self) -> bool:
        return bool(self.minimum or self.maximum or any(option.selected for option in self.options))


def parse(principal: Principal, layer: Layer, query: QueryDict | Mapping[str, Any]) -> Filters:
    """Check a query against the layer's filters; raises Invalid naming the field and what is allowed."""
    allowed = {path: describe(layer.model, path) for path in layer.filters if _readable(principal, layer, path)}
    values: list[tuple[str, tuple[Any, ...]]] = []
    raw: list[tuple[str, str]] = []
    text, bbox = "", None
    for name, given in _items(query):
        given = [value for value in given if value != ""]
        if not given or name in NOT_FILTERS:
            continue
        raw += [(name, value) for value in given]
        if name == "q":
            text = given[0].strip()[:LONGEST_TEXT]
        elif name == "bbox":
            bbox = _box(given[0])
        else:
            path, _sep, end = name.rpartition("__")
            ranged = end in ("min", "max") and path in allowed
            described = allowed.get(path if ranged else name)
            if described is None:
                raise Invalid(
                    _("没有名为“%(name)s”的筛选条件。") % {"name": name},
                    {name: [_("可用的筛选条件：%s") % ", ".join([*allowed, "q", "bbox"])]},
                )
            values.append((name, tuple(_value(described, name, value) for value in given)))
    return Filters(tuple(sorted(values)), text, bbox, _order(principal, layer, query), tuple(raw))


def narrow(principal: Principal, layer: Layer, filters: Filters, action: str = "view") -> QuerySet[Feature]:
    """The rows a principal may act on that pass the filters, in the order asked, then by key."""
    rows = gate.restrict(principal, layer, action).filter(_condition(layer, filters))
    return rows.order_by(*filters.sort, "pk")


def widgets(principal: Principal, layer: Layer, filters: Filters) -> list[Widget]:
    """The filter bar of a layer, with what is chosen."""
    return [
        _widget(describe(layer.model, path), filters)
        for path in layer.filters
        if _readable(principal, layer, path)
    ]  # fmt: skip


def _items(query: QueryDict | Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    if isinstance(query, QueryDict):
        return [(name, list(values)) for name, values in query.lists()]
    return [
        (name, [str(v) for v in value] if isinstance(value, list | tuple) else [str(value)])
        for name, value in query.items()
    ]


def _readable(principal: Principal, layer: Layer, path: str) -> bool:
    return path.split("__")[0] in {f.name for f in gate.fields(principal, layer)}


def _condition(layer: Layer, filters: Filters) -> Q:
    condition = Q()
    for name, values in filters.values:
        path, _sep, end = name.rpartition("__")
        if end == "min":
            condition &= Q(**{f"{path}__gte": values[0]})
        elif end == "max":
            condition &= Q(**{f"{path}__lte": values[0]})
        elif describe(layer.model, name).related is Region:
            subtree = Q()
            for prefix in values:
                subtree |= Q(**{f"{name}__code__startswith": prefix})
            condition &= subtree
        else:
            condition &= Q(**{f"{name}__in": values})
    if filters.text:
        # The index holds what the layer searches in, so that a list does not read every row.
        found = FeatureIndex.objects.filter(holding(filters.text), layer=layer.key)
        condition &= Q(pk__in=found.values("pk"))
    if filters.bbox:
        box = Polygon.from_bbox(filters.bbox)
        box.srid = STORAGE_SRID
        condition &= Q(**{f"{layer.geom}__bboverlaps": box})
    return condition


def _value(described: Described, name: str, text: str) -> Any:
    """A query value as the field stores it."""
    if described.related is Region:
        return _region_prefix(name, text)
    choices = described.choices
    if choices and text not in {str(value) for value in choices}:
        raise Invalid(_wrong(name, text), {name: [_("可选值：%s") % ", ".join(str(value) for value in choices)]})
    for kind, read in READERS:
        if isinstance(described.value_field, kind):
            value = read(text)
            if value is None:
                wanted = described.schema.get("format", described.schema["type"])
                raise Invalid(_wrong(name, text), {name: [_("应为%s。") % wanted]})
            # A day as the upper end of a moment means the whole day.
            if name.endswith("__max") and isinstance(value, datetime) and len(text) == len("2026-01-01"):
                value += timedelta(days=1) - timedelta(microseconds=1)
            return value
    return text


def _region_prefix(name: str, code: str) -> str:
    region = Region.objects.filter(code=code).first()
    if region is None:
        raise Invalid(_wrong(name, code), {name: [_("应为行政区划代码，例如 511702。")]})
    return region.prefix


def _wrong(name: str, text: str) -> str:
    return _("“%(name)s”的值“%(text)s”无效。") % {"name": name, "text": text[:50]}


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None


def _integer(text: str) -> int | None:
    number = _number(text)
    return int(number) if number is not None and number == int(number) else None


def _flag(text: str) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    if moment is None:
        day = _day(text)
        moment = datetime.combine(day, time.min) if day else None
    return timezone.make_aware(moment) if moment is not None and timezone.is_naive(moment) else moment


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


READERS: tuple[tuple[type[models.Field], Callable[[str], Any]], ...] = (
    (models.BooleanField, _flag),
    (models.IntegerField, _integer),
    (models.FloatField, _number),
    (models.DecimalField, _number),
    (models.DateTimeField, _moment),
    (models.DateField, _day),
    (models.UUIDField, _uuid),
)


def _box(text: str) -> Box:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        west = south = east = north = float("nan")
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise Invalid(_wrong("bbox", text), {"bbox": [_("应为 西,南,东,北 四个经纬度，例如 107.2,31.0,107.8,31.5。")]})
    return west, south, east, north


def _order(principal: Principal, layer: Layer, query: QueryDict | Mapping[str, Any]) -> tuple[str, ...]:
    asked = str(query.get("sort") or "")
    if not asked:
        return ()
    name = asked.removeprefix("-")
    if name not in {f.name for f in gate.fields(principal, layer)}:
        raise Invalid(_wrong("sort", asked), {"sort": [_("可排序的字段：%s") % ", ".join(layer.listed)]})
    if layer.field[name].related is not None:
        return (f"{asked}_id",)
    return (asked,)


def _widget(described: Described, filters: Filters) -> Widget:
    name = described.name
    chosen = {str(value) for value in filters.chosen(name)}
    if described.related is Region:
        return Widget("region", name, described.label, options=tuple(Option(value, value, True) for value in chosen))
    if described.choices:
        options = tuple(Option(str(v), label, str(v) in chosen) for v, label in described.choices.items())
        return Widget("choice", name, described.label, options=options)
    if described.schema["type"] == "boolean":
        yes_no = (("true", _("是"), "True"), ("false", _("否"), "False"))
        options = tuple(Option(value, label, stored in chosen) for value, label, stored in yes_no)
        return Widget("flag", name, described.label, options=options)
    low, high = ((filters.chosen(f"{name}__{end}") or ("",))[0] for end in ("min", "max"))
    kind = "date" if described.is_time else "number" if described.is_number else "reference"
    if kind == "reference":
        return Widget(kind, name, described.label, options=tuple(Option(v, v, True) for v in sorted(chosen)))
    return Widget(kind, name, described.label, described.unit, minimum=_shown(low), maximum=_shown(high))


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return timezone.localtime(value).date().isoformat()
    return f"{value:g}" if isinstance(value, float) else str(value)
