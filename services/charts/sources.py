"""What a person can make charts of: layers, their records, what is measured by day, and tables of their own."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Concat
from django.utils.translation import gettext as _

from services.access import gate
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.catalog.describe import Described, describe, published
from services.catalog.layer import Layer, Tab, Topic, registry
from services.catalog.models import Record
from services.charts import dimensions as by
from services.charts.dimensions import FEATURE, PLACE, AtHome, Clock, Dimension, Measure
from services.charts.models import Row, Table
from services.ogc import cql2
from services.reports.columns import factors
from services.search.filters import narrow, parse
from services.telemetry.devices import measured_layers
from services.telemetry.models import Factor, Latest, Rollup
from services.telemetry.spans import ZONE, Span

LAYER, RECORDS, MEASURED, TABLE = "layer", "records", "measured", "table"
LONGEST_CQL = 2_000
Read = Callable[[Principal, str, Measure, Mapping[str, list[str]], str], QuerySet[Any]]


@dataclass(frozen=True)
class Source:
    """One kind of rows within somebody's rights, with all that they can be grouped by and measured in."""

    token: str
    title: str
    layer: Layer | None
    read: Read
    dimensions: Mapping[str, Dimension]
    measures: Mapping[str, Measure]
    clocks: Mapping[str, Clock] = field(default_factory=dict)
    has_cql: bool = True

    def rows(
        self, principal: Principal, action: str, measure: Measure, filters: Mapping[str, list[str]], cql: str
    ) -> QuerySet[Any]:
        """The rows that somebody may see, or take along with ``export``, that pass; Invalid for a wrong filter."""
        return self.read(principal, action, measure, filters, cql)

    def between(self, rows: QuerySet[Any], clock: str, first: date | None, last: date | None) -> QuerySet[Any]:
        """The rows from one day to another by one of the clocks, both days included."""
        return rows.filter(within(self.clocks[clock], first, last)) if first or last else rows


def within(clock: Clock, first: date | None, last: date | None) -> models.Q:
    """The condition that a clock shows a time from one day to another."""
    found = models.Q()
    if first is not None:
        found &= models.Q(**{f"{clock.name}__gte": _bound(clock, first)})
    if last is not None:
        found &= models.Q(**{f"{clock.name}__lt": _bound(clock, last + timedelta(days=1))})
    return found


def tokens(principal: Principal) -> dict[str, list[tuple[str, str]]]:
    """Heading → (token, title) of everything that a person may make charts of."""
    open_layers = gate.layers(principal)
    measured = [layer for layer in measured_layers() if layer in open_layers]
    tables = Table.objects.filter(owner=principal.id) if principal.id else Table.objects.none()
    return {
        _("图层"): [(f"{LAYER}:{layer.key}", layer.title) for layer in open_layers],
        _("业务记录"): [
            (f"{RECORDS}:{layer.key}:{tab.key}", f"{layer.title} · {tab.title}")
            for layer in open_layers
            for tab in kinds(layer)
        ],
        _("监测日值"): [(f"{MEASURED}:{layer.key}", _("%s监测日值") % layer.title) for layer in measured],
        _("自有表格"): [(f"{TABLE}:{table.pk}", table.name) for table in tables],
    }


def kinds(layer: Layer) -> list[Tab]:
    """The kinds of records of a layer: those of its tabs, and those that stand under one of its topics."""
    found = {tab.model: tab for tab in layer.tabs if isinstance(tab, Tab)}
    for topic in layer.tabs:
        if isinstance(topic, Topic):
            for model in registry.under(layer, topic.key):
                if issubclass(model, Record) and model not in found:
                    found[model] = Tab(model, ())
    return list(found.values())


def source(principal: Principal, token: str, owner: UUID | None) -> Source:
    """The source under a token; NotFound where it is not within somebody's rights.

    A table is a source of what its owner makes: ``owner`` is the owner of the chart.
    """
    kind, _colon, rest = token.partition(":")
    if kind == TABLE:
        return _of_table(token, rest, owner)
    key, _colon, tab_key = rest.partition(":")
    layer = gate.layer_for(principal, key)
    if kind == LAYER and not tab_key:
        return _of_layer(principal, token, layer)
    if kind == MEASURED and not tab_key and layer in measured_layers():
        return _of_measured(principal, token, layer)
    tab = next((tab for tab in kinds(layer) if tab.key == tab_key), None)
    if kind != RECORDS or tab is None:
        raise NotFound(_("没有这个数据来源。"))
    return _of_records(principal, token, layer, tab)


def layer_of(principal: Principal, token: str) -> Layer | None:
    """The layer whose rows a source holds; None for a table, NotFound beyond somebody's rights."""
    kind, _colon, rest = token.partition(":")
    return None if kind == TABLE else gate.layer_for(principal, rest.partition(":")[0])


def _of_layer(principal: Principal, token: str, layer: Layer) -> Source:
    fields = [*gate.fields(principal, layer), *_along(principal, layer, "")]
    known, measures, clocks = by.of_fields(fields)
    one = Dimension(FEATURE, layer.singular, "feature", Cast(F("pk"), models.TextField()))

    def read(
        principal: Principal, action: str, _measure: Measure, filters: Mapping[str, list[str]], cql: str
    ) -> QuerySet[Any]:
        rows = narrow(principal, layer, parse(principal, layer, filters), action).order_by()
        return rows.filter(_cql(cql, gate.fields(principal, layer), layer.geom)) if cql else rows

    return Source(token, layer.title, layer, read, {FEATURE: one} | known, _counted(measures), clocks)


def _of_records(principal: Principal, token: str, layer: Layer, tab: Tab) -> Source:
    own = [f for f in published(tab.model) if f.path != tab.of]
    known, measures, clocks = by.of_fields([*own, *_along(principal, layer, f"{tab.of}__", tab.model)])
    one = Dimension(FEATURE, layer.singular, "feature", Cast(F(f"{tab.of}_id"), models.TextField()))

    def read(
        principal: Principal, action: str, _measure: Measure, filters: Mapping[str, list[str]], cql: str
    ) -> QuerySet[Any]:
        rows: QuerySet[Any] = gate.restrict_records(principal, layer, tab, action).order_by()
        asked = parse(principal, layer, filters)
        if asked:
            features = narrow(principal, layer, asked, action).order_by()
            rows = rows.filter(**{f"{tab.of}__in": features.values("pk")})
        return rows.filter(_cql(cql, own, f"{tab.of}__{layer.geom}")) if cql else rows

    title = f"{layer.title} · {tab.title}"
    return Source(token, title, layer, read, {FEATURE: one} | known, _counted(measures), clocks)


def _of_measured(principal: Principal, token: str, layer: Layer) -> Source:
    """Valid days of the roll-ups; of several devices at a feature the one that sent a factor last is read."""
    measures: dict[str, Measure] = {}
    by_code: dict[str, Factor] = {}
    for code, (label, factor) in factors(principal, layer).items():
        by_code[code] = factor
        measures |= {measure.token: measure for measure in _daily(code, label, factor)}
    known, _none, _clocks = by.of_fields([*gate.fields(principal, layer), *_along(principal, layer, "")])
    fixed = {
        each.token: Dimension(
            each.token, each.label, each.kind, _beside(layer, each.expression), each.described, each.grain
        )
        for each in known.values()
        if each.kind in ("category", "region")
    }  # fmt: skip
    day = {each.token: each for each in by.times("at", _("监测日期"), AtHome(F("at")), day=True)}
    one = Dimension(FEATURE, layer.singular, "feature", Cast(F("device__feature"), models.TextField()))

    def read(
        principal: Principal, action: str, measure: Measure, filters: Mapping[str, list[str]], cql: str
    ) -> QuerySet[Any]:
        features = narrow(principal, layer, parse(principal, layer, filters), action).order_by()
        if cql:
            features = features.filter(_cql(cql, gate.fields(principal, layer), layer.geom))
        factor = by_code[measure.token.partition(":")[2]]
        sending = Latest.objects.filter(factor=factor, device__feature__in=features.values("pk"))
        chosen = sending.order_by("device__feature", "-at").distinct("device__feature").values("device")
        rows = Rollup.objects.filter(span=int(Span.DAY), factor=factor, device__in=chosen).order_by()
        return rows if factor.averaging == Factor.Averaging.TOTAL else rows.filter(valid=True)

    title = _("%s监测日值") % layer.title
    clock = Clock("at", _("监测日期"), AtHome(F("at")))
    return Source(token, title, layer, read, {FEATURE: one} | day | fixed, measures, {"at": clock})


def _of_table(token: str, key: str, owner: UUID | None) -> Source:
    try:
        table = Table.objects.filter(pk=UUID(key), owner=owner).first() if owner else None
    except ValueError:
        table = None
    if table is None:
        raise NotFound(_("没有这个数据来源。"))
    known: dict[str, Dimension] = {}
    measures: dict[str, Measure] = {}
    clocks: dict[str, Clock] = {}
    texts: dict[str, Any] = {}
    for place, (label, kind) in enumerate(table.columns):
        name, text = f"c{place}", KeyTextTransform(place, "cells")
        if kind == "number":
            number = Cast(text, models.FloatField())
            measures |= {m.token: m for m in by.aggregates(name, label, "", None, number, by.AGGREGATES)}
        elif kind == "date":
            naive = by.AsWritten(text)
            texts[name] = AtHome(naive)
            clocks[name] = Clock(name, label, naive)
            known |= {each.token: each for each in by.times(name, label, naive, day=False)}
        elif kind == "region":
            known |= {each.token: each for each in by.regions(name, label, text)}
        else:
            known[name] = Dimension(name, label, "category", text)
    there = _lonlat(table)
    if there is not None:
        lon, lat = (KeyTextTransform(each, "cells") for each in there)
        both = Concat(lon, models.Value(","), lat, output_field=models.TextField())
        known[PLACE] = Dimension(PLACE, _("位置"), "place", both)

    def read(
        _principal: Principal, _action: str, _measure: Measure, _filters: Mapping[str, list[str]], _cql: str
    ) -> QuerySet[Any]:
        return Row.objects.filter(table=table).annotate(**texts).order_by()

    return Source(token, table.name, None, read, known, _counted(measures), clocks, has_cql=False)


def _counted(measures: dict[str, Measure]) -> dict[str, Measure]:
    return {by.COUNT: by.count()} | measures


def _daily(code: str, label: str, factor: Factor) -> Iterator[Measure]:
    """Of days: means of levels are those of their energy, directions have none, counters add up."""
    modes = Factor.Averaging
    if factor.averaging == modes.TOTAL:
        yield from by.aggregates(code, _("%s日累计") % label, factor.unit, factor.digits, F("total"), ("sum", "max"))
        return
    if factor.averaging in (modes.DIRECTION, modes.STATE):
        return
    energy = factor.averaging == modes.ENERGY
    for each in by.aggregates(
        code, _("%s日均值") % label, factor.unit, factor.digits, F("mean"), ("mean", "max", "min")
    ):
        is_level = energy and each.aggregate == "mean"
        yield Measure(f"level:{code}", each.label, each.unit, each.digits, each.expression) if is_level else each
    yield Measure(f"days:{code}", _("%s有效日数") % label, "d", 0)


def _beside(layer: Layer, expression: Any) -> Subquery:
    """An expression of a feature, for a row of one of its devices."""
    found = layer.rows().filter(pk=OuterRef("device__feature")).order_by().annotate(z_beside=expression)
    return Subquery(found.values("z_beside")[:1], output_field=models.TextField())


def _along(
    principal: Principal, layer: Layer, prefix: str, model: type[models.Model] | None = None
) -> Iterator[Described]:
    """The fields of a feature that statistics of its layer stand on, seen from a row of ``model`` along ``prefix``."""
    readable = {f.name for f in gate.fields(principal, layer)}
    paths: Iterable[str] = dict.fromkeys([*layer.stats, *filter(None, [layer.scope.region])])
    for path in paths:
        if path.split("__")[0] in readable and (prefix or "__" in path):
            yield describe(model or layer.model, f"{prefix}{path}")


def _cql(text: str, fields: Iterable[Described], geometry: str) -> models.Q:
    if len(text) > LONGEST_CQL:
        raise Invalid(_("筛选表达式过长。"), {"cql": [_("最多%d个字符。") % LONGEST_CQL]})
    try:
        return cql2.condition(cql2.read(text), fields, geometry, names=("geometry", "geom"))
    except Invalid as error:
        raise Invalid(error.message, {"cql": [error.message]}) from error


def _bound(clock: Clock, day: date) -> Any:
    return day if clock.is_day else datetime.combine(day, time.min, ZONE)


def _lonlat(table: Table) -> tuple[int, int] | None:
    """The columns of longitude and latitude, by their names."""
    names = [label.strip().lower() if kind == "number" else "" for label, kind in table.columns]
    lon = next((n for n, name in enumerate(names) if name in ("经度", "lon", "lng", "longitude", "x")), None)
    lat = next((n for n, name in enumerate(names) if name in ("纬度", "lat", "latitude", "y")), None)
    return None if lon is None or lat is None else (lon, lat)
