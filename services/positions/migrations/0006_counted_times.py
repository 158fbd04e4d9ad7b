"""Statistics find the trips and stops of a period by their begin."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("positions", "0005_rule_people")]

    operations = [
        migrations.RunSQL("create index positions_leg_time on positions_leg (began_at)", "drop index positions_leg_time")
    ]
