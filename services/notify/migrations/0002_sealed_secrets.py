"""Channels keep their secrets sealed; what lay in plain text in the headers and bodies of SMS gateways is sealed now."""

import json
import re

from django.db import migrations, models

import services.catalog.sealed
from services.catalog.sealed import seal, unseal

PURPOSE = "notify_channel.secrets"
TELLING = re.compile(r"authoriz|passw|pwd|secret|token|cookie|(api|app|access)[-_]?key|^(auth|key)$", re.IGNORECASE)
PLACE = re.compile(r"\{(?:mobile|text|id|secret:[A-Z][A-Z0-9_]{0,60})\}")


def placed(given, found):
    """What was given with places instead of secrets, which are put into ``found``."""
    if isinstance(given, list):
        return [placed(each, found) for each in given]
    if not isinstance(given, dict):
        return given
    new = {}
    for name, value in given.items():
        if isinstance(value, str) and value and TELLING.search(name) and not PLACE.search(value):
            key = ("OF_" + re.sub("[^A-Z0-9]+", "_", name.upper()).strip("_"))[:50]
            key = next(k for n in range(1000) if (k := f"{key}_{n}" if n else key) not in found)
            found[key] = value
            new[name] = f"{{secret:{key}}}"
        else:
            new[name] = placed(value, found)
    return new


def opened(given, kept):
    if isinstance(given, list):
        return [opened(each, kept) for each in given]
    if isinstance(given, dict):
        return {name: opened(value, kept) for name, value in given.items()}
    if isinstance(given, str):
        for name, value in kept.items():
            given = given.replace(f"{{secret:{name}}}", value)
    return given


def rewrite(editor, change):
    with editor.connection.cursor() as cursor:
        cursor.execute("select id, settings::text, secrets from notify_channel where kind = 'sms_http'")
        for pk, text, secrets in cursor.fetchall():
            settings = json.loads(text)
            if isinstance(settings, dict):
                parts = {name: settings[name] for name in ("headers", "body") if name in settings}
                new, kept = change(parts, secrets)
                if new != parts:
                    cursor.execute(
                        "update notify_channel set settings = %s, secrets = %s where id = %s",
                        [json.dumps(settings | new), kept, pk],
                    )


def seal_all(apps, editor):
    def change(parts, secrets):
        found = {}
        new = placed(parts, found)
        return new, seal(json.dumps(found, ensure_ascii=False), PURPOSE) if found else ""

    rewrite(editor, change)


def open_all(apps, editor):
    def change(parts, secrets):
        kept = json.loads(unseal(secrets, PURPOSE)) if secrets else {}
        return opened(parts, kept), secrets

    rewrite(editor, change)


class Migration(migrations.Migration):
    dependencies = [("notify", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name="channel",
            name="settings",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="密钥只写名称，其值保存后在本页填写，或由环境变量 ZHUTU_NOTIFY_名称 给出",
                verbose_name="设置",
            ),
        ),
        migrations.AddField(
            model_name="channel",
            name="secrets",
            field=services.catalog.sealed.SealedField(
                blank=True, db_default="", default="", editable=False, verbose_name="密钥"
            ),
        ),
        migrations.RunPython(seal_all, open_all),
        migrations.RunSQL(
            "alter table notify_channel add constraint notify_channel_sealed"
            " check (secrets = '' or secrets like 'sealed:%')",
            "alter table notify_channel drop constraint if exists notify_channel_sealed",
        ),
    ]
