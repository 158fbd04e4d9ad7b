"""Marks: of which devices days that are over changed, noted by the statement that writes the roll-ups.

And what an edition says is never changed: only that a newer one takes its place.
"""

from django.db import migrations

# Hours of a day that still runs leave no mark: its report is to come. So storing what is on time costs nothing here,
# and no unique key makes whoever rolls up wait for another.
SQL = """
create table reports_mark (
    device int4 not null,
    day date not null
) with (autovacuum_vacuum_scale_factor = 0.02);

create function reports_note() returns trigger language plpgsql as $$
begin
    insert into reports_mark (device, day)
    select distinct device, (at at time zone 'Asia/Shanghai')::date from changed
    where span = 2 and at < date_trunc('day', now(), 'Asia/Shanghai');
    return null;
end $$;
create trigger reports_added after insert on telemetry_rollup
    referencing new table as changed for each statement execute function reports_note();
create trigger reports_changed after update on telemetry_rollup
    referencing new table as changed for each statement execute function reports_note();

create function reports_keep() returns trigger language plpgsql as $$
begin
    raise exception 'an edition is never changed';
end $$;
create trigger reports_kept before update on reports_edition for each row
    when ((old.report, old.kind, old.first, old.region, old.feature, old.version, old.sheets, old.digest, old.inputs,
        old.made_at) is distinct from (new.report, new.kind, new.first, new.region, new.feature, new.version, new.sheets,
        new.digest, new.inputs, new.made_at))
    execute function reports_keep();
"""
DROP = """
drop trigger reports_added on telemetry_rollup;
drop trigger reports_changed on telemetry_rollup;
drop function reports_note();
drop table reports_mark;
drop trigger reports_kept on reports_edition;
drop function reports_keep();
"""


class Migration(migrations.Migration):
    dependencies = [("reports", "0001_initial"), ("telemetry", "0002_values")]
    operations = [migrations.RunSQL(SQL, DROP)]
