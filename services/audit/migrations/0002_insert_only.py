"""Audit rows are written once: the database itself refuses to change or delete them."""

from django.db import migrations

SQL = """
create function refuse_change() returns trigger language plpgsql as $$
begin raise exception 'audit entries are never changed or deleted'; end $$;
create trigger insert_only before update or delete or truncate on audit_entry
for each statement execute function refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [
        migrations.RunSQL(SQL, "drop trigger insert_only on audit_entry; drop function refuse_change();")
    ]
