"""A version for every layer, raised by trigger with every change that its outputs may show: caches hang on it."""

from typing import Any

from django.db import connections, models

from services.catalog.layer import Layer, registry
from services.catalog.models import LayerVersion

# One row for each writing process, so that writers never wait for each other; clock readings, so that a version
# that was rolled back, or belonged to a database that is gone, never comes back for other data.
BUMP = """
create or replace function bump_layer() returns trigger language plpgsql as $$
begin
  insert into catalog_layerversion (layer, slot, value)
  values (tg_argv[0], pg_backend_pid() % 256, (extract(epoch from clock_timestamp()) * 1000000)::bigint)
  on conflict (layer, slot) do update set value = excluded.value;
  return null;
end $$;
"""


def version(layer: Layer, using: str = "default") -> int:
    """A number that differs after every committed change to what the layer's outputs may show."""
    with connections[using].cursor() as cursor:
        cursor.execute("select coalesce(sum(value), 0)::text from catalog_layerversion where layer = %s", [layer.key])
        return int(cursor.fetchone()[0])


def install(using: str = "default") -> None:
    """Create or replace the triggers that raise the versions, on every table that exists."""
    connection = connections[using]
    with connection.cursor() as cursor:
        existing = set(connection.introspection.table_names(cursor))
        if LayerVersion._meta.db_table not in existing:
            return
        cursor.execute(BUMP)
        for layer in registry:
            for table in existing.intersection(tables(layer)):
                cursor.execute(
                    f"create or replace trigger version_{layer.key} after insert or update or delete or truncate "
                    f"on {table} for each statement execute function bump_layer('{layer.key}')"
                )


def tables(layer: Layer) -> list[str]:
    """Every table on which it depends which rows a principal sees, where they lie and which pass a filter."""
    paths = (layer.geom, layer.scope.region, layer.scope.organisation, *layer.filters, *layer.search)
    found = {layer.model._meta.db_table}
    for path in filter(None, paths):
        found |= _along(layer.model, path)
    return sorted(found)


def _along(model: type[models.Model], path: str) -> set[str]:
    """Tables of the relations that an ORM path reads through; a foreign key at its end is a column, not a table."""
    found: set[str] = set()
    steps = path.split("__")
    for place, step in enumerate(steps):
        field = model._meta.get_field(step)
        if not field.is_relation:
            break
        if field.many_to_many:
            # The relation is the field itself when it is followed backwards.
            relation: Any = field if field.auto_created else field.remote_field
            found.add(relation.through._meta.db_table)
        model = field.related_model  # type: ignore[assignment]
        if place < len(steps) - 1 or field.one_to_many:
            found.add(model._meta.db_table)
    return found
