"""The latest positions in the rows of features, so that maps, lists and filters show where they are.

A model says that its features move with ``moves = Moves(speed=…, heading=…, driving=…, standing=…, offline=…)``.
"""

from datetime import datetime, timedelta

import psycopg
from psycopg import sql

from services.catalog.layer import Layer, registry
from services.positions.models import POSITIONING_SQL
from services.telemetry import partitions


def moving_layers() -> list[Layer]:
    """The layers whose features move."""
    return [layer for layer in registry if getattr(layer.model, "moves", None)]


def write(link: psycopg.Connection | None = None, since: datetime | None = None) -> int:
    """Bring places, speeds and states of all features that move up to date; returns how many features changed.

    ``since``: only devices with a position received or a packet heard from then on, else all. Never moved back: a
    feature that shows a later time already stays.
    """
    link = link or partitions.raw()
    changed = 0
    for layer in moving_layers():
        with link.transaction():
            changed += link.execute(_filled(_PLACES, layer), {"since": since}).rowcount
            # Silence is noticed later than it begins.
            before = since - timedelta(days=1) if since else None
            changed += link.execute(_filled(_STATES, layer), {"since": before}).rowcount
    return changed


def _filled(query: str, layer: Layer) -> sql.Composed:
    moves = layer.model.moves  # type: ignore[attr-defined]
    least = "walking_kmh" if moves.on_foot else "moving_kmh"
    columns = {"table": layer.model._meta.db_table, "geom": layer.geom, "least": least} | {
        name: str(layer.field[of].field.column)
        for name, of in (("at", layer.time), ("speed", moves.speed), ("heading", moves.heading))
    }
    states = {name: sql.Literal(str(getattr(moves, name))) for name in ("driving", "standing", "offline")}
    named = {name: sql.Identifier(column) for name, column in columns.items()}
    return sql.SQL(query).format(**named, **states, positioning=sql.SQL(POSITIONING_SQL))


# Of several devices at one feature the newest position is shown.
_NEWEST = """
    select distinct on (d.feature) d.feature, l.at, l.geom, l.speed, l.heading, l.received_at
    from telemetry_device d join positions_latest l on l.device = d.id
    where d.feature is not null and d.state = 'active'
        and (%(since)s::timestamptz is null or l.received_at >= %(since)s)
    order by d.feature, l.at desc"""
_PLACES = f"""
update {{table}} f
set {{geom}} = v.geom, {{speed}} = round(v.speed::numeric, 1), {{heading}} = v.heading, {{at}} = v.at
from ({_NEWEST}) v
where f.id = v.feature and (f.{{at}} is null or f.{{at}} < v.at)"""  # noqa: S608
_STATES = """
update {table} f set state = v.state from (
    select d.feature,
        case when not bool_or(p.online) then {offline}
            when f.{speed} >= r.least then {driving}
            when f.state in ({driving}, {offline}) then {standing}
            else f.state end as state
    from telemetry_device d
    join telemetry_presence p on p.device_id = d.id
    join {table} f on f.id = d.feature
    cross join (select {least} as least from positions_rule where valid_from <= current_date
        order by valid_from desc limit 1) r
    where d.state = 'active' and d.protocol in {positioning}
        and (%(since)s::timestamptz is null or p.seen_at >= %(since)s)
    group by d.feature, f.id, r.least
) v
where f.id = v.feature and f.state <> v.state"""
