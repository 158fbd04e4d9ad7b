"""A network knows its stations, so that hours in which some of them are silent use it, too."""

from django.db import migrations, models

# Networks are made again by whoever needs them.
FORGET = "truncate surfaces_hearing, surfaces_network"


class Migration(migrations.Migration):
    dependencies = [("surfaces", "0002_marks")]
    operations = [
        migrations.RunSQL(FORGET, migrations.RunSQL.noop),
        migrations.AddField(
            "network", "rule", models.CharField("参数摘要", max_length=32, default=""), preserve_default=False
        ),
        migrations.AddField("network", "members", models.JSONField("站点", default=list), preserve_default=False),
    ]
