"""Passwords of HJ 212 devices get a sealed column of their own; those that lay in plain text are sealed into it."""

import django.core.validators
from django.db import migrations, models

import services.catalog.sealed
from services.catalog.sealed import seal, unseal

PURPOSE = "telemetry_device.password"
CONSTRAINTS = {
    "device_password_sealed": "password = '' or password like 'sealed:%'",
    # Where it lay until now nothing that is plain text is written again.
    "device_password_apart": "protocol <> 'hj212' or secret = ''",
}


def seal_all(apps, editor):
    with editor.connection.cursor() as cursor:
        cursor.execute("select id, secret from telemetry_device where protocol = 'hj212' and secret <> ''")
        rows = [(seal(secret, PURPOSE), pk) for pk, secret in cursor.fetchall()]
        cursor.executemany("update telemetry_device set password = %s, secret = '' where id = %s", rows)


def open_all(apps, editor):
    with editor.connection.cursor() as cursor:
        cursor.execute("select id, password from telemetry_device where password <> ''")
        rows = [(unseal(password, PURPOSE), pk) for pk, password in cursor.fetchall()]
        cursor.executemany("update telemetry_device set secret = %s, password = '' where id = %s", rows)


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0007_machines")]

    operations = [
        migrations.AlterField(
            model_name="device",
            name="secret",
            field=models.CharField(blank=True, max_length=128, verbose_name="令牌或鉴权码摘要"),
        ),
        migrations.AddField(
            model_name="device",
            name="password",
            field=services.catalog.sealed.SealedField(
                blank=True,
                db_default="",
                default="",
                validators=[
                    django.core.validators.RegexValidator(
                        "^([!-%'-:<-~]{1,32})?$", "须为1至32位ASCII字符，不含空格、&和;。"
                    )
                ],
                verbose_name="访问密码",
            ),
        ),
        migrations.RunPython(seal_all, open_all),
        *(
            migrations.RunSQL(
                f"alter table telemetry_device add constraint {name} check ({condition})",
                f"alter table telemetry_device drop constraint if exists {name}",
            )
            for name, condition in CONSTRAINTS.items()
        ),
    ]
