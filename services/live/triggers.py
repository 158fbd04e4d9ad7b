"""Triggers that note every change of a feature, whoever writes: form, import, device or SQL.

Statement triggers with transition tables: an update of 300 features by one statement is one event a set of columns.
"""

from typing import Any

from django.contrib.gis.db.models import GeometryField
from django.db import connections

from gis.fields import WebTwin
from services.catalog.layer import Layer, registry
from services.live.models import Event

CHANNEL = "live"
"""Where PostgreSQL says that there is a new event."""
MOST = 2_000
"""Features changed by one statement, beyond which the layer is to be read again."""
UNTOLD = ("created_at", "updated_at")
"""Columns whose change alone is no event."""

_TABLE = Event._meta.db_table


def install(using: str = "default") -> None:
    """Create or replace the triggers of every registered layer whose tables exist."""
    connection = connections[using]
    with connection.cursor() as cursor:
        existing = set(connection.introspection.table_names(cursor))
        if _TABLE not in existing:
            return
        cursor.execute(_COMMON)
        for layer in registry:
            table = layer.model._meta.db_table
            if table in existing:
                cursor.execute(_own(layer, table))
            for other, columns in relations(layer).items():
                if other in existing and other != table:
                    cursor.execute(_other(layer, other, sorted(columns)))


def relations(layer: Layer) -> dict[str, set[str]]:
    """Other tables on which it depends which features are seen, where they lie and what passes a filter.

    Each with the columns that are read; none where only rows coming and going count.
    """
    paths = (layer.geom, layer.scope.region, layer.scope.organisation, *layer.filters, *layer.search)
    found: dict[str, set[str]] = {}
    for path in filter(None, paths):
        model: Any = layer.model
        for step in path.split("__"):
            field: Any = model._meta.get_field(step)
            if model is not layer.model and field.concrete and not field.many_to_many:
                found.setdefault(model._meta.db_table, set()).add(field.column)
            if not field.is_relation:
                break
            if field.many_to_many:
                relation = field if field.auto_created else field.remote_field
                through = relation.through
                found.setdefault(through._meta.db_table, set()).update(
                    f.column for f in through._meta.concrete_fields if f.is_relation
                )
            elif field.one_to_many:
                found.setdefault(field.related_model._meta.db_table, set()).add(field.field.column)
            model = field.related_model
    found.pop(layer.model._meta.db_table, None)
    return found


def columns(layer: Layer) -> dict[str, str]:
    """Column → the name under which its change is told: of the published fields and of the feature's own place."""
    fields: list[Any] = list(layer.model._meta.concrete_fields)
    return {
        field.column: field.name
        for field in fields
        if not field.primary_key and not field.generated and field.name not in UNTOLD and not isinstance(field, WebTwin)
    }


def binding(layer: Layer) -> list[str]:
    """The names of columns whose change decides who sees a feature, or where a borrowed place is."""
    paths = [layer.scope.region, layer.scope.organisation, None if layer.owns_geometry else layer.geom]
    own = set(columns(layer).values())
    return sorted({path.split("__")[0] for path in paths if path} & own)


def has_place(layer: Layer) -> bool:
    """Whether events carry the place: a point of the feature's own."""
    return layer.owns_geometry and layer.geometry_type == "point" and isinstance(layer.geometry_field, GeometryField)


def _own(layer: Layer, table: str) -> str:
    name = f"live_{layer.key}"
    changed = ", ".join(
        f"case when o.{_quoted(column)} is distinct from n.{_quoted(column)} then '{told}' end"
        for column, told in columns(layer).items()
    )
    bound = "{" + ",".join(binding(layer)) + "}"
    return f"""
create or replace function {name}_changed() returns trigger language plpgsql as $$
declare noted bigint;
begin
  insert into {_TABLE} (topic, layer, features, columns, payload)
  with changed as materialized (
    select id, columns, columns && '{bound}'::varchar[] as bound from (
      select n.id, array_remove(array[{changed}]::varchar[], null) as columns
      from new_rows n join old_rows o using (id)
    ) c where columns <> '{{}}'
  ), total as (
    select count(*) > {MOST} or coalesce(bool_or(bound), false) as again, count(*) as n from changed
  )
  select 'features', '{layer.key}', array_agg(id), columns, '{{}}'::jsonb from changed
  where not bound and (select n from total) <= {MOST} group by columns
  union all
  select 'layers', '{layer.key}', '{{}}', '{{}}', '{{}}' from total where again and n > 0;
  get diagnostics noted = row_count;
  if noted > 0 then perform pg_notify('{CHANNEL}', ''); end if;
  return null;
end $$;
create or replace trigger {name}_changed after update on {table}
  referencing old table as old_rows new table as new_rows for each statement execute function {name}_changed();
create or replace trigger {name}_came after insert on {table}
  referencing new table as new_rows for each statement execute function live_came('{layer.key}');
create or replace trigger {name}_went after delete on {table}
  referencing old table as old_rows for each statement execute function live_went('{layer.key}');
create or replace trigger {name}_emptied after truncate on {table}
  for each statement execute function live_emptied('{layer.key}');
"""  # noqa: S608


def _other(layer: Layer, table: str, read: list[str]) -> str:
    name = f"live_{layer.key}_by"
    pk = _pk(table)
    old, new = (", ".join(f"{row}.{_quoted(column)}" for column in read) for row in ("o", "n"))
    return f"""
create or replace function {name}_{table}() returns trigger language plpgsql as $$
begin
  if exists (select from new_rows n join old_rows o using ({pk}) where ({old}) is distinct from ({new})) then
    perform live_layer('{layer.key}');
  end if;
  return null;
end $$;
create or replace trigger {name} after update on {table}
  referencing old table as old_rows new table as new_rows for each statement execute function {name}_{table}();
create or replace trigger {name}_came after insert on {table}
  referencing new table as new_rows for each statement execute function live_came('{layer.key}');
create or replace trigger {name}_went after delete on {table}
  referencing old table as old_rows for each statement execute function live_went('{layer.key}');
"""  # noqa: S608


def _pk(table: str) -> str:
    from django.apps import apps

    model: Any = next(m for m in apps.get_models(include_auto_created=True) if m._meta.db_table == table)
    return _quoted(model._meta.pk.column)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# Once a transaction and layer: whoever hears of it reads the layer again, however much changed.
_COMMON = f"""
create or replace function live_layer(key text) returns void language plpgsql as $$
begin
  if not exists (
    select from {_TABLE}
    where transaction = pg_current_xact_id()::text::bigint and topic = 'layers' and layer = key
  ) then
    insert into {_TABLE} (topic, layer, features, columns, payload) values ('layers', key, '{{}}', '{{}}', '{{}}');
    perform pg_notify('{CHANNEL}', '');
  end if;
end $$;
create or replace function live_came() returns trigger language plpgsql as $$
begin
  if exists (select from new_rows) then perform live_layer(tg_argv[0]); end if;
  return null;
end $$;
create or replace function live_went() returns trigger language plpgsql as $$
begin
  if exists (select from old_rows) then perform live_layer(tg_argv[0]); end if;
  return null;
end $$;
create or replace function live_emptied() returns trigger language plpgsql as $$
begin perform live_layer(tg_argv[0]); return null; end $$;
"""  # noqa: S608
