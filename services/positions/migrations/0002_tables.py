"""The tables of positions: one a month, the latest, trips and stops, and what is to be derived anew."""

from django.db import migrations

SQL = """
create table positions_position (
    at timestamptz not null,
    received_at timestamptz not null,
    status int8 not null,
    alarm int8 not null,
    mileage float8,
    device int4 not null,
    speed float4 not null,
    altitude int4 not null,
    fuel float4,
    heading int2 not null,
    quality int2 not null,
    late bool not null,
    geom geometry(Point, 4490),
    extras jsonb,
    primary key (device, at)
) partition by range (at);
create index positions_position_at on positions_position using brin (at) with (pages_per_range = 32, autosummarize = on);

-- Every arrival rewrites its row; with room in the page and no other index the new version stays in it.
create table positions_latest (
    at timestamptz not null,
    received_at timestamptz not null,
    status int8 not null,
    alarm int8 not null,
    mileage float8,
    device int4 primary key,
    speed float4 not null,
    altitude int4 not null,
    fuel float4,
    heading int2 not null,
    geom geometry(Point, 4490) not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

create table positions_leg (
    began_at timestamptz not null,
    ended_at timestamptz not null,
    -- Up to here the points of an open trip are settled: none of them can begin a stop any more.
    settled_at timestamptz not null,
    settled_m float8 not null default 0,
    distance_m float8 not null default 0,
    device int4 not null,
    fixes int4 not null,
    settled_fixes int4 not null default 0,
    top_speed float4 not null default 0,
    settled_top float4 not null default 0,
    kind int2 not null,
    -- Without a stop right before it: the first of all, or after a gap.
    fresh bool not null default false,
    place geometry(Point, 4490),
    primary key (device, began_at)
);
create index positions_leg_ended on positions_leg (device, ended_at);

-- Marks are only ever added and taken away: a unique key would make arrivals wait for whoever derives.
create table positions_mark (
    device int4 not null,
    first timestamptz not null,
    last timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0.02);
"""
DROP = "drop table positions_position, positions_latest, positions_leg, positions_mark"


class Migration(migrations.Migration):
    dependencies = [("positions", "0001_initial")]
    operations = [migrations.RunSQL(SQL, DROP)]
