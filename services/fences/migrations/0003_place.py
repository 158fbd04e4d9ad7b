"""Events get their place in the order of reading once they are committed, whatever other transactions are open."""

from django.db import migrations

SQL = """
create sequence fences_place;
alter table fences_event add column place bigint;
with n as (
    select id, nextval('fences_place') as place from (select id from fences_event order by written, id) w
)
update fences_event e set place = n.place from n where n.id = e.id;
drop index fences_event_order;
alter table fences_event drop column written;
create unique index fences_event_place on fences_event (place);
create index fences_event_unplaced on fences_event (id) where place is null;
alter sequence fences_place owned by fences_event.place;
"""
DROP = """
drop index fences_event_unplaced, fences_event_place;
alter table fences_event drop column place, add column written xid8 not null default pg_current_xact_id();
create index fences_event_order on fences_event (written, id);
"""


class Migration(migrations.Migration):
    dependencies = [("fences", "0002_tables")]
    operations = [migrations.RunSQL(SQL, DROP)]
