"""Keys of devices are sealed; those that lay in plain text are sealed now."""

import re

import django.core.validators
from django.db import migrations

import services.catalog.sealed
from services.catalog.sealed import MARK, seal, unseal

PURPOSE = "telemetry_device.sm4_key"
PLAIN = re.compile("[0-9A-Fa-f]{32}")


def seal_all(apps, editor):
    with editor.connection.cursor() as cursor:
        cursor.execute("select id, sm4_key from telemetry_device where sm4_key <> ''")
        for pk, key in cursor.fetchall():
            if PLAIN.fullmatch(key):
                cursor.execute("update telemetry_device set sm4_key = %s where id = %s", [seal(key, PURPOSE), pk])


def open_all(apps, editor):
    with editor.connection.cursor() as cursor:
        cursor.execute("alter table telemetry_device drop constraint if exists device_key_sealed")
        cursor.execute("select id, sm4_key from telemetry_device where sm4_key like %s", [MARK + "%"])
        for pk, key in cursor.fetchall():
            cursor.execute("update telemetry_device set sm4_key = %s where id = %s", [unseal(key, PURPOSE), pk])


class Migration(migrations.Migration):
    # One part after the other: a table with rows just written is not altered in the same transaction.
    atomic = False

    dependencies = [("telemetry", "0005_alter_device_protocol")]

    operations = [
        migrations.AlterField(
            model_name="device",
            name="sm4_key",
            field=services.catalog.sealed.SealedField(
                blank=True,
                validators=[django.core.validators.RegexValidator("^([0-9A-Fa-f]{32})?$")],
                verbose_name="SM4密钥",
            ),
        ),
        migrations.RunPython(seal_all, open_all),
        # Whoever writes past the field writes no key in plain text.
        migrations.RunSQL(
            "alter table telemetry_device add constraint device_key_sealed"
            " check (sm4_key = '' or sm4_key like 'sealed:%')",
            "alter table telemetry_device drop constraint if exists device_key_sealed",
        ),
    ]
