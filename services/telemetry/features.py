"""The latest values in the columns of features, so that maps, lists and filters show them.

A column says what it holds with ``Quantity(…, factor="a34002")``, the layer's ``time`` when it was measured. A feature
model with ``presence = (online, offline)`` has those two states set by whether its devices are heard; any other state
is somebody's judgement and stays. Where its devices measure nothing, ``time`` says when they were last heard. Records
that are ``watched`` get the states of their machines, those with an ``absence`` the outages.
"""

from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from services.catalog.layer import Layer
from services.telemetry import absences, machines, partitions
from services.telemetry.devices import measured_layers, present_layers

SCALES = {
    ("L/s", "m³/h"): 3.6,
    ("m³/h", "L/s"): 1 / 3.6,
    ("µg/m³", "mg/m³"): 0.001,
    ("mg/m³", "µg/m³"): 1000.0,
    ("pH", ""): 1.0,
}
"""(Unit of the factor, unit of the column) → what to multiply by; equal units need no entry."""


def columns(layer: Layer) -> dict[str, Any]:
    """Factor code → the field of the layer's model that shows its latest value."""
    fields = layer.model._meta.concrete_fields
    return {code: field for field in fields if (code := getattr(field, "factor", ""))}


def write(link: psycopg.Connection | None = None, since: datetime | None = None) -> int:
    """Bring the columns and states of all features up to date; returns how many features changed.

    ``since``: only devices with a reading received or a packet heard from then on, else all. One UPDATE a layer for the
    values and one for the states; features that show it already are not touched. A factor whose newest reading does not
    count shows nothing.
    """
    link = link or partitions.raw()
    changed = 0
    measured, present = measured_layers(), present_layers()
    for layer in dict.fromkeys((*measured, *present)):
        with link.transaction():
            if layer in measured and (query := _values(link, layer, since)):
                changed += link.execute(*query).rowcount
            if layer in present:
                changed += link.execute(*_states(layer, since)).rowcount
    machines.write(link, since)
    absences.write(link, since)
    return changed


def _values(
    link: psycopg.Connection, layer: Layer, since: datetime | None
) -> tuple[sql.Composed, dict[str, Any]] | None:
    """The UPDATE of the values and what it asks with; None where the table of factors names none of the layer's."""
    rows = link.execute("select code, id, unit from telemetry_factor where code = any(%s)", [list(columns(layer))])
    factors = {code: (number, unit) for code, number, unit in rows.fetchall()}
    if not factors:
        return None
    values, sets, old, new = [], [], [], []
    for code, field in columns(layer).items():
        if code not in factors:
            continue
        number, unit = factors[code]
        column = sql.Identifier(field.column)
        scale = SCALES.get((unit, getattr(field, "unit", "")), 1.0)
        value = sql.SQL("max(l.value * {}) filter (where l.factor = {} and l.quality = 0) as {}")
        values.append(value.format(sql.Literal(scale), sql.Literal(number), column))
        # A factor that the device does not send stays as somebody entered it.
        sent = sql.SQL("bool_or(l.factor = {}) as {}")
        values.append(sent.format(sql.Literal(number), sql.Identifier(f"{field.column}_sent")))
        take = sql.SQL("case when v.{} then v.{} else f.{} end").format(
            sql.Identifier(f"{field.column}_sent"), column, column
        )
        sets.append(sql.SQL("{} = {}").format(column, take))
        old.append(sql.SQL("f.{}").format(column))
        new.append(take)
    time = _time(layer)
    if time is not None:
        column = sql.Identifier(time)
        sets.append(sql.SQL("{} = greatest(f.{}, v.newest_at)").format(column, column))
        old.append(sql.SQL("f.{}").format(column))
        new.append(sql.SQL("greatest(f.{}, v.newest_at)").format(column))
    comma = sql.SQL(", ")
    query = sql.SQL(_VALUES).format(
        table=sql.Identifier(layer.model._meta.db_table), values=comma.join(values), sets=comma.join(sets),
        old=comma.join(old), new=comma.join(new),
    )  # fmt: skip
    return query, {"since": since, "factors": [number for number, _unit in factors.values()]}


def _states(layer: Layer, since: datetime | None) -> tuple[sql.Composed, dict[str, Any]]:
    online, offline = layer.model.presence  # type: ignore[attr-defined]
    state = sql.SQL("case when f.state in (%(online)s, %(offline)s) then v.state else f.state end")
    new: dict[str, sql.Composable] = {"state": state}
    if (time := _time(layer)) is not None and not columns(layer):
        new[time] = sql.SQL("greatest(f.{}, v.seen_at)").format(sql.Identifier(time))
    comma = sql.SQL(", ")
    query = sql.SQL(_STATES).format(
        table=sql.Identifier(layer.model._meta.db_table),
        sets=comma.join(sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in new.items()),
        old=comma.join(sql.SQL("f.{}").format(sql.Identifier(name)) for name in new), new=comma.join(new.values()),
    )  # fmt: skip
    # Silence is noticed later than it begins.
    before = since - timedelta(days=1) if since else None
    return query, {"online": str(online), "offline": str(offline), "since": before}


def _time(layer: Layer) -> str | None:
    """The column that says when a feature was measured, where it has one of its own."""
    field = layer.field.get(layer.time)
    return field.field.column if field is not None and layer.time != "updated_at" else None


# Of several devices at one feature the newest reading of a factor is shown.
_VALUES = """
update {table} f set {sets} from (
    select l.feature, max(l.at) as newest_at, {values} from (
        select distinct on (d.feature, l.factor) d.feature, l.factor, l.at, l.value, l.quality
        from telemetry_device d join telemetry_latest l on l.device = d.id
        where d.feature is not null and d.state = 'active' and l.factor = any(%(factors)s)
            and (%(since)s::timestamptz is null or l.received_at >= %(since)s)
        order by d.feature, l.factor, l.at desc
    ) l group by l.feature
) v
where f.id = v.feature and ({old}) is distinct from ({new})"""
_STATES = """
update {table} f set {sets} from (
    select d.feature, case when bool_or(p.online) then %(online)s else %(offline)s end as state,
        max(p.seen_at) as seen_at
    from telemetry_device d join telemetry_presence p on p.device_id = d.id
    where d.feature is not null and d.state = 'active'
        and (%(since)s::timestamptz is null or greatest(p.seen_at, p.left_at) >= %(since)s)
    group by d.feature
) v
where f.id = v.feature and ({old}) is distinct from ({new})"""
