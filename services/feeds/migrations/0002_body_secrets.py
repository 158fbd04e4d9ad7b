"""Sources keep the secrets of their bodies sealed; what lay there in plain text is sealed now."""

import json
import re

from django.db import migrations

import services.catalog.sealed
from services.catalog.sealed import seal, unseal

PURPOSE = "feeds_source.body_secrets"
HIDDEN = "***"
TELLING = re.compile(r"authoriz|passw|pwd|secret|token|cookie|(api|app|access)[-_]?key|^(auth|key)$", re.IGNORECASE)
PLACE = re.compile(r"\{(?:since|until|page|offset|size|token|day)\}")


def under(path, name):
    return f"{path}/{name.replace('~', '~0').replace('/', '~1')}"


def masked(value, name, path, found):
    if isinstance(value, dict):
        return {key: masked(each, key, under(path, key), found) for key, each in value.items()}
    if isinstance(value, list):
        return [masked(each, name, under(path, str(n)), found) for n, each in enumerate(value)]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    text = isinstance(value, str) and value and not PLACE.search(value)
    if TELLING.search(name) and (number or text):
        found[path] = value
        return HIDDEN
    return value


def filled(value, path, kept):
    if isinstance(value, dict):
        return {key: filled(each, under(path, key), kept) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, under(path, str(n)), kept) for n, each in enumerate(value)]
    return kept.get(path, value)


def rewrite(editor, change):
    with editor.connection.cursor() as cursor:
        cursor.execute("select id, body, body_secrets from feeds_source where body <> ''")
        for pk, body, secrets in cursor.fetchall():
            try:
                given = json.loads(body)
            except ValueError:
                continue
            new, kept = change(given, secrets)
            if new != given:
                text = json.dumps(new, ensure_ascii=False, indent=2)
                cursor.execute("update feeds_source set body = %s, body_secrets = %s where id = %s", [text, kept, pk])


def seal_all(apps, editor):
    def change(given, secrets):
        found = {}
        new = masked(given, "", "", found)
        return new, seal(json.dumps(found, ensure_ascii=False), PURPOSE) if found else ""

    rewrite(editor, change)


def open_all(apps, editor):
    rewrite(editor, lambda given, secrets: (filled(given, "", json.loads(unseal(secrets, PURPOSE) or "{}")), ""))


class Migration(migrations.Migration):
    dependencies = [("feeds", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="source",
            name="body_secrets",
            field=services.catalog.sealed.SealedField(
                blank=True, db_default="", default="", editable=False, verbose_name="请求正文中的密钥"
            ),
        ),
        migrations.RunPython(seal_all, open_all),
        migrations.RunSQL(
            "alter table feeds_source add constraint feeds_source_body_sealed"
            " check (body_secrets = '' or body_secrets like 'sealed:%')",
            "alter table feeds_source drop constraint if exists feeds_source_body_sealed",
        ),
    ]
