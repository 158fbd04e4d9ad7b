"""Marks: which hours of which factors changed, noted by the statement that writes the roll-ups."""

from django.db import migrations

# Append-only like the marks of telemetry: a unique key would make whoever rolls up wait for another.
SQL = """
create table surfaces_mark (
    factor int2 not null,
    at timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0.02);

create function surfaces_note() returns trigger language plpgsql as $$
begin
    insert into surfaces_mark (factor, at)
    select distinct factor, at from changed where span = 2;
    return null;
end $$;
create trigger surfaces_added after insert on telemetry_rollup
    referencing new table as changed for each statement execute function surfaces_note();
create trigger surfaces_changed after update on telemetry_rollup
    referencing new table as changed for each statement execute function surfaces_note();
"""
DROP = """
drop trigger surfaces_added on telemetry_rollup;
drop trigger surfaces_changed on telemetry_rollup;
drop function surfaces_note();
drop table surfaces_mark;
"""


class Migration(migrations.Migration):
    dependencies = [("surfaces", "0001_initial"), ("telemetry", "0002_values")]
    operations = [migrations.RunSQL(SQL, DROP)]
