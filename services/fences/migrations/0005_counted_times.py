"""Statistics find the events of a period by their time."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("fences", "0004_alarms")]

    operations = [
        migrations.RunSQL("create index fences_event_time on fences_event (at)", "drop index fences_event_time")
    ]
