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
  perform pg_notify('layer_version', tg_argv[0]);
  return null;
end $$;
"""


def version(layer: Layer, using: str = "default") -> int:
    """A number that differs after every committed change to what the layer's outputs may show.

    Kept by connection until PostgreSQL tells that connection of a change, which it does while it commits: on the
    connection that changed something at once, on others within about a millisecond.
    """
    connection = connections[using]
    # Within a transaction nothing is told, and its own changes count.
    if connection.in_atomic_block:
        return _read(connection, layer.key)
    connection.ensure_connection()
    heard = getattr(connection, "layer_versions", None)
    if heard is None or heard.link is not connection.connection:
        heard = connection.layer_versions = Heard(connection)  # type: ignore[attr-defined]
    found: int = heard.version(layer.key)
    return found


class Heard:
    """The versions that one connection knows, and has not been told to have changed."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.link = connection.connection
        self._versions: dict[str, int | None] = {}
        self.link.add_notify_handler(lambda notify: self._versions.pop(notify.payload, None))
        with connection.cursor() as cursor:
            cursor.execute("listen layer_version")

    def version(self, key: str) -> int:
        """The version of the layer with this key, from memory as long as that is true."""
        self._catch_up()
        found = self._versions.get(key)
        if found is None:
            # What is told while we read takes the key away again, so that what was read is not kept.
            self._versions[key] = None
            found = _read(self.connection, key)
            if key in self._versions:
                self._versions[key] = found
        return found

    def _catch_up(self) -> None:
        """Take in what has been told since the last question to the server: one look at the socket."""
        with self.connection.wrap_database_errors:
            self.link.pgconn.consume_input()
            while told := self.link.pgconn.notifies():
                self._versions.pop(told.extra.decode(), None)


def _read(connection: Any, key: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("select coalesce(sum(value), 0)::text from catalog_layerversion where layer = %s", [key])
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
