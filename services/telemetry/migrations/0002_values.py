"""The tables of values: readings and roll-ups in monthly partitions, latest values, revisions, marks."""

from django.db import migrations

SQL = """
create table telemetry_reading (
    at timestamptz not null,
    received_at timestamptz not null,
    value float8,
    device int4 not null,
    factor int2 not null,
    span int2 not null,
    quality int2 not null,
    flag "char" not null,
    late bool not null,
    low float8,
    high float8,
    total float8,
    primary key (device, factor, span, at)
) partition by range (at);
-- A whole hour of all devices is a few consecutive pages: a block range finds them, a B-tree by time would cost a third
-- of the arrivals.
create index telemetry_reading_at on telemetry_reading using brin (at) with (pages_per_range = 32, autosummarize = on);

create table telemetry_rollup (
    at timestamptz not null,
    computed_at timestamptz not null default clock_timestamp(),
    mean float8,
    low float8,
    high float8,
    total float8,
    device int4 not null,
    factor int2 not null,
    span int2 not null,
    n_valid int2 not null,
    n_expected int2 not null,
    valid bool not null,
    revised bool not null default false,
    primary key (device, factor, span, at)
) partition by range (at);
create index telemetry_rollup_at on telemetry_rollup using brin (at) with (pages_per_range = 32, autosummarize = on);

-- Every arrival rewrites its row; with room in the page and no other index the new version stays in it.
create table telemetry_latest (
    at timestamptz not null,
    received_at timestamptz not null,
    value float8,
    device int4 not null,
    factor int2 not null,
    span int2 not null,
    quality int2 not null,
    flag "char" not null,
    low float8,
    high float8,
    total float8,
    primary key (device, factor)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

create table telemetry_revision (
    at timestamptz not null,
    received_at timestamptz not null,
    noted_at timestamptz not null default now(),
    value float8,
    device int4 not null,
    factor int2 not null,
    span int2 not null,
    quality int2 not null,
    flag "char" not null,
    low float8,
    high float8,
    total float8,
    unique nulls not distinct (device, factor, span, at, value, low, high, total, quality, flag)
);

-- Marks are only ever added and taken away: a unique key would make arrivals wait for whoever computes.
create table telemetry_mark (
    device int4 not null,
    span int2 not null,
    at timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0.02);

alter table telemetry_presence set (fillfactor = 70);
"""
DROP = "drop table telemetry_reading, telemetry_rollup, telemetry_latest, telemetry_revision, telemetry_mark"


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_initial")]
    operations = [migrations.RunSQL(SQL, DROP)]
