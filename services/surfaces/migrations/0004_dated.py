"""The first sources of risk are judged by the limits in force when it was measured, where nobody changed them."""

from django.db import migrations

FIRST = (
    (
        {"factor": "a34002", "above": 150.0}, "起点，可调整",
        {"factor": "a34002", "standard": "GB 3095", "minutes": 1440, "grade": "2"},
        "以监测时施行的GB 3095二级24小时限值为参照，可调整",
    ),
    (
        {"factor": "LA", "above": 70.0}, "GB 12523 昼间70分贝",
        {"factor": "LA", "standard": "GB 12523", "minutes": 20}, "GB 12523 监测时施行的昼间、夜间限值",
    ),
)  # fmt: skip


def dated(apps, schema_editor):
    rows = apps.get_model("surfaces", "Source").objects.using(schema_editor.connection.alias)
    for before, citation, options, now in FIRST:
        rows.filter(source="exceedances", options=before, citation=citation).update(options=options, citation=now)


class Migration(migrations.Migration):
    dependencies = [("surfaces", "0003_members")]
    operations = [migrations.RunPython(dated, migrations.RunPython.noop)]
