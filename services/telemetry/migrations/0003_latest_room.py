"""Room in each page of the latest values for a new version of every row of it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0002_values")]
    operations = [
        migrations.RunSQL(
            "alter table telemetry_latest set (fillfactor = 45)", "alter table telemetry_latest set (fillfactor = 70)"
        )
    ]
