"""Findings are written once, like the entries of the trail."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_findings")]
    operations = [
        migrations.RunSQL(
            "create trigger insert_only before update or delete or truncate on audit_finding"
            " for each statement execute function refuse_change();",
            "drop trigger insert_only on audit_finding;",
        )
    ]
