"""The first standard of integrity; entries from before it go on counting; assessments are frozen by the database."""

from typing import Any

from django.db import migrations

from layers.enterprises import rules

SQL = """
update enterprises_creditentry set state = 'published', effective_from = decided_on,
    published_at = decided_on::timestamp at time zone 'Asia/Shanghai'
where published_at is null;
create function refuse_reassessing() returns trigger language plpgsql as $$
begin
    if to_jsonb(new) - 'superseded_at' is distinct from to_jsonb(old) - 'superseded_at'
        or old.superseded_at is not null then
        raise exception 'an assessment is corrected by a further version, never changed';
    end if;
    return new;
end $$;
create trigger assessment_frozen before update on enterprises_creditassessment
for each row execute function refuse_reassessing();
"""
BACK = "drop trigger assessment_frozen on enterprises_creditassessment; drop function refuse_reassessing();"


def begin(apps: Any, schema_editor: Any) -> None:
    rule, item = apps.get_model("enterprises", "CreditRule"), apps.get_model("enterprises", "CreditItem")
    rule.objects.get_or_create(enterprise_kind="", valid_from=rules.BEGIN, defaults=rules.RULE)
    item.objects.bulk_create([item(valid_from=rules.BEGIN, **row._asdict()) for row in rules.ITEMS])


class Migration(migrations.Migration):
    dependencies = [("enterprises", "0003_integrity")]
    operations = [migrations.RunSQL(SQL, BACK), migrations.RunPython(begin, migrations.RunPython.noop)]
