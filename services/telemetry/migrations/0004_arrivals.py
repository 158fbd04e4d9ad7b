"""What came in and nobody has judged yet: taken away by whoever judges, so that nothing that commits late is missed."""

from django.db import migrations

SQL = """
create table telemetry_arrival (
    device int4 not null,
    span int2 not null,
    low timestamptz not null,
    high timestamptz not null,
    late bool not null,
    noted_at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0.02);
create function telemetry_arrived() returns trigger language plpgsql as $$
begin
  perform pg_notify('arrived', '');
  return null;
end $$;
create trigger arrived after insert on telemetry_arrival for each statement execute function telemetry_arrived();
"""
DROP = "drop table telemetry_arrival; drop function telemetry_arrived()"


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0003_latest_room")]
    operations = [migrations.RunSQL(SQL, DROP)]
