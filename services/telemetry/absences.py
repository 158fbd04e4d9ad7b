"""Outages of devices as records of the features that they stand for, where the domain declares an ``Absence``."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from services.catalog.layer import Layer, Tab, registry
from services.catalog.models import Record
from services.catalog.watched import Absence


def records(layer: Layer) -> Iterator[type[Record]]:
    """The records of a layer's features that are times without a word from them."""
    for tab in layer.tabs:
        if isinstance(tab, Tab) and getattr(tab.model, "absence", None):
            yield tab.model


def write(link: psycopg.Connection, since: datetime | None = None) -> int:
    """Begin and end the records of outages; returns how many changed.

    What somebody wrote down of the same time stays, and is ended when the device is heard again.
    """
    changed = 0
    for layer, model in [(each, model) for each in registry for model in records(each)]:
        said: Absence = model.absence  # type: ignore[attr-defined]
        fields = {"of": model.of, "began": said.began, "ended": said.ended}
        names: dict[str, sql.Composable] = {part: sql.Identifier(_column(model, name)) for part, name in fields.items()}
        names["table"] = sql.Identifier(model._meta.db_table)
        names["parents"] = sql.Identifier(layer.model._meta.db_table)
        marks = [(sql.Identifier(_column(model, name)), sql.Literal(str(value))) for name, value in said.given.items()]
        names["columns"] = sql.SQL("").join(sql.SQL(", {}").format(column) for column, _value in marks)
        names["values"] = sql.SQL("").join(sql.SQL(", {}").format(value) for _column, value in marks)
        names["is_one"] = sql.SQL("").join(sql.SQL(" and r.{} = {}").format(*mark) for mark in marks)
        # An outage is noticed later than it begins.
        before = since - timedelta(days=1) if since else None
        given = {"since": before}
        with link.transaction():
            for query in (_END, _BEGIN):
                changed += link.execute(sql.SQL(query).format(**names), given).rowcount
    return changed


def _column(model: Any, name: str) -> str:
    column: str = model._meta.get_field(name).column
    return column


_END = """
update {table} r set {ended} = v.back from (
    select d.feature, min(p.connected_at) as back
    from telemetry_device d join telemetry_presence p on p.device_id = d.id
    where d.feature is not null and d.state = 'active' and p.online
        and (%(since)s::timestamptz is null or p.seen_at >= %(since)s)
    group by d.feature
) v
where r.{of} = v.feature{is_one} and r.{ended} is null and r.{began} <= v.back"""
_BEGIN = """
insert into {table} ({of}, {began}, {ended}{columns})
select d.feature, o.began_at, o.ended_at{values}
from telemetry_outage o join telemetry_device d on d.id = o.device_id and d.state = 'active'
where (%(since)s::timestamptz is null or o.ended_at is null or o.ended_at >= %(since)s)
    and exists (select from {parents} f where f.id = d.feature)
    and not exists (
        select from {table} r where r.{of} = d.feature{is_one} and r.{began} <= o.began_at
            and (r.{ended} is null or r.{ended} >= o.began_at)
    )"""
