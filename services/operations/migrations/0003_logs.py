"""The tables of logs: entries, one a month, and their counts by ten minutes."""

from django.db import migrations

SQL = """
create table operations_logentry (
    id uuid not null default uuid7(),
    at timestamptz not null,
    received_at timestamptz not null default now(),
    level int2 not null,
    process int4,
    system varchar(40) not null,
    program varchar(40) not null,
    logger varchar(120) not null,
    account varchar(150) not null,
    address varchar(45) not null,
    request varchar(300) not null,
    message text not null,
    cause text not null,
    primary key (at, id)
) partition by range (at);
create index operations_logentry_errors on operations_logentry (at) where level >= 40;
create index operations_logentry_id on operations_logentry (id);

create table operations_logcount (
    at timestamptz not null,
    system varchar(40) not null,
    program varchar(40) not null,
    level int2 not null,
    n int4 not null,
    lost int4 not null default 0,
    primary key (at, system, program, level)
);
"""


class Migration(migrations.Migration):
    dependencies = [("operations", "0002_watching"), ("catalog", "0001_initial")]
    operations = [
        migrations.RunSQL(SQL, "drop table operations_logentry; drop table operations_logcount;")
    ]
