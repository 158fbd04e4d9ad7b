"""The query of an items request: every parameter checked, then turned into rows, fields and a page."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import DateTimeField, Q, QuerySet
from django.db.models.lookups import Exact
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from gis.bounds import PointWithin
from gis.crs import CRS84_URI, GEOGRAPHIC_SRIDS, ServedCRS, parse_crs
from gis.errors import SpatialError
from services.access import gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.catalog.describe import Described, describe
from services.catalog.layer import Layer
from services.catalog.models import Feature
from services.ogc import cql2
from services.ogc.cql2.operands import alike, field_operand, literal
from services.ogc.cql2.spatial import box, corners
from services.ogc.engine import DEFAULT_ITEMS, MOST_ITEMS, crs_uris

CRS84 = parse_crs(CRS84_URI)
NARROWING = ("bbox", "bbox-crs", "datetime", "filter", "filter-lang", "filter-crs", "q")
SHAPING = ("crs", "f", "lang", "limit", "offset", "properties", "skipGeometry", "sortby")
GEOMETRY = "geometry"
"""The name under which filters know a feature's place."""


@dataclass(frozen=True)
class Query:
    """A checked items request."""

    condition: Q = field(default_factory=Q)
    narrowed: tuple[tuple[str, str], ...] = ()
    sort: tuple[str, ...] = ()
    limit: int = DEFAULT_ITEMS
    offset: int = 0
    crs: ServedCRS = CRS84
    fields: tuple[Described, ...] = ()
    geometry: bool = True

    def rows(self, principal: Principal, layer: Layer) -> QuerySet[Feature]:
        """The rows a principal sees that pass, in a stable order."""
        return gate.restrict(principal, layer).filter(self.condition).order_by(*self.sort, "pk")


def parse(principal: Principal, layer: Layer, params: QueryDict) -> Query:
    """Check the parameters; raises Invalid naming the parameter and what is allowed."""
    fields = {f.name: f for f in gate.fields(principal, layer)}
    single = dict(once(params))
    condition = Q()
    narrowed: list[tuple[str, str]] = []
    for name, value in single.items():
        if name in NARROWING:
            narrowed.append((name, value))
        elif name in fields and name not in SHAPING:
            condition &= _equal(fields[name], name, value)
            narrowed.append((name, value))
        elif name not in SHAPING:
            raise wrong(name, _("没有此参数；可用：%s。") % ", ".join([*NARROWING, *SHAPING, *fields]))
    condition &= _bbox(layer, single) & _datetime(layer, single) & _filter(layer, fields, single) & _text(layer, single)
    chosen = fields
    if "properties" in single:
        names = [name for name in single["properties"].split(",") if name]
        chosen = {name: _named(fields, "properties", name) for name in names}
    return Query(
        condition=condition,
        narrowed=tuple(narrowed),
        sort=_sort(fields, single.get("sortby", "")),
        limit=min(_number(single, "limit", DEFAULT_ITEMS, 1), MOST_ITEMS),
        offset=_number(single, "offset", 0, 0),
        crs=crs_of(single, "crs"),
        fields=tuple(chosen.values()),
        geometry=_flag(single, "skipGeometry") is not True,
    )


def crs_of(params: Mapping[str, str], name: str) -> ServedCRS:
    """The CRS that a parameter names, one of those listed by the collection; CRS84 where it is absent."""
    if name not in params:
        return CRS84
    try:
        crs = parse_crs(params[name])
    except SpatialError:
        crs = None
    if crs is None or crs.uri not in crs_uris():
        raise wrong(name, _("不支持此坐标系；可用：%s。") % " ".join(crs_uris()))
    return crs


def wrong(name: str, allowed: str) -> Invalid:
    """The refusal of a parameter."""
    name = name[:60]
    return Invalid(_("参数“%(name)s”有误：%(allowed)s") % {"name": name, "allowed": allowed}, {name: [allowed]})


def not_among(name: str, allowed: Iterable[str]) -> Invalid:
    """The refusal of a value that is none of those allowed."""
    return wrong(name, _("可选值：%s。") % ", ".join(allowed))


def once(params: QueryDict) -> Iterator[tuple[str, str]]:
    """The parameters, each of which may come once."""
    for name, values in params.lists():
        if len(values) > 1:
            raise wrong(name, _("只能出现一次。"))
        if "\0" in values[0]:
            raise wrong(name, _("不能包含 NUL 字符。"))
        yield name, str(values[0])


def _equal(described: Described, name: str, text: str) -> Q:
    """``property=value`` of Part 1: the text read as the field's type."""
    operand = field_operand(described)
    value: Any = text
    if operand.kind == "number":
        try:
            value = float(text)
        except ValueError:
            raise wrong(name, _("应为数。")) from None
    elif operand.kind == "boolean":
        if text not in ("true", "false"):
            raise wrong(name, _("应为 true 或 false。"))
        value = text == "true"
    elif described.choices and text not in {str(choice) for choice in described.choices}:
        raise not_among(name, (str(choice) for choice in described.choices))
    try:
        left, right = alike(operand, literal(value))
    except Invalid as error:
        raise wrong(name, " ".join(error.fields.get("filter", [error.message]))) from None
    return Q(Exact(left.expression, right.expression))


def _bbox(layer: Layer, params: Mapping[str, str]) -> Q:
    if "bbox" not in params:
        if "bbox-crs" in params:
            raise wrong("bbox-crs", _("只能与 bbox 一起使用。"))
        return Q()
    crs = crs_of(params, "bbox-crs")
    try:
        numbers = [float(part) for part in params["bbox"].split(",")]
        west, south, east, north = corners(numbers, crs)
        if layer.geometry_type == "point" and west <= east and crs.srid in GEOGRAPHIC_SRIDS:
            return Q(PointWithin(layer.geom, (west, south, east, north)))
        # Not the boxes alone: the index keeps them in single precision, nearly a metre wide.
        return Q(**{f"{layer.geom}__intersects": box(numbers, crs)})
    except SpatialError as error:
        raise wrong("bbox", error.message) from None
    except ValueError:
        raise wrong("bbox", _("应为 4 个或 6 个数，例如 107.2,31.0,107.8,31.5。")) from None


def _datetime(layer: Layer, params: Mapping[str, str]) -> Q:
    """``datetime``: an instant, or an interval that may be open at either end, of the layer's time."""
    if "datetime" not in params:
        return Q()
    start, slash, end = params["datetime"].partition("/")
    end = end if slash else start
    low = None if start in ("", "..") else moment_of(start, last=False)
    high = None if end in ("", "..") else moment_of(end, last=True)
    if (low is None and high is None) or (low and high and low > high):
        raise wrong("datetime", _("起止时间有误，应形如 2026-01-31、2026-01-31T08:00:00Z/..。"))
    moments = isinstance(describe(layer.model, layer.time).field, DateTimeField)
    condition = Q()
    for lookup, moment in (("gte", low), ("lte", high)):
        if moment is not None:
            value: Any = moment if moments else timezone.localtime(moment).date()
            condition &= Q(**{f"{layer.time}__{lookup}": value})
    return condition


def moment_of(text: str, last: bool) -> datetime:
    """A moment; a day stands for its first or its last one."""
    try:
        if "T" in text.upper():
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else timezone.make_aware(moment)
        moment = datetime.combine(date.fromisoformat(text), time.min, timezone.get_current_timezone())
        return moment + timedelta(days=1) - timedelta(microseconds=1) if last else moment
    except (ValueError, OverflowError):
        raise wrong("datetime", _("应为日期或时间，形如 2026-01-31 或 2026-01-31T08:00:00Z。")) from None


def _filter(layer: Layer, fields: Mapping[str, Described], params: Mapping[str, str]) -> Q:
    language = params.get("filter-lang", cql2.LANGUAGES[0])
    if language not in cql2.LANGUAGES:
        raise not_among("filter-lang", cql2.LANGUAGES)
    crs = crs_of(params, "filter-crs")
    if "filter" not in params:
        return Q()
    tree = cql2.read(params["filter"], language)
    return cql2.condition(tree, fields.values(), layer.geom, names=(GEOMETRY, "geom"), crs=crs)


def _text(layer: Layer, params: Mapping[str, str]) -> Q:
    condition = Q()
    for word in params.get("q", "")[:100].split():
        anywhere = Q()
        for path in layer.search:
            anywhere |= Q(**{f"{path}__icontains": word})
        condition &= anywhere
    return condition


def _sort(fields: Mapping[str, Described], text: str) -> tuple[str, ...]:
    order = []
    for part in filter(None, text.split(",")):
        name = part.lstrip("+- ")
        described = _named(fields, "sortby", name)
        column = described.field.attname if described.related else name
        order.append(f"-{column}" if part.startswith("-") else column)
    return tuple(order)


def _named(fields: Mapping[str, Described], parameter: str, name: str) -> Described:
    if name not in fields:
        raise wrong(parameter, _("没有属性“%(name)s”；可用：%(all)s。") % {"name": name[:60], "all": ", ".join(fields)})
    return fields[name]


def _number(params: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) < least:
        raise wrong(name, _("应为不小于 %d 的整数。") % least)
    return int(text)


def _flag(params: Mapping[str, str], name: str) -> bool | None:
    text = params.get(name)
    if text is not None and text.lower() not in ("true", "false"):
        raise wrong(name, _("应为 true 或 false。"))
    return None if text is None else text.lower() == "true"
