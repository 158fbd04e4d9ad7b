"""Triggers that keep the feature index, the times and the regions right, whoever writes: ORM, bulk load or SQL.

Statement triggers with transition tables: a load of 300,000 rows is indexed by one statement, not row by row.
"""

from typing import Any

from django.db import connections, models
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Concat, Upper

from services.catalog.describe import describe
from services.catalog.layer import Layer, registry
from services.catalog.models import FeatureIndex

COLUMNS = ("id", "layer", "title", "code", "state", "region_code", "text", "geom")


def install(using: str = "default") -> None:
    """Create or replace the triggers of every registered layer whose table exists."""
    connection = connections[using]
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        if FeatureIndex._meta.db_table not in tables:
            return
        cursor.execute(_TOUCH)
        for layer in registry:
            needed = {layer.model._meta.db_table, *(model._meta.db_table for model in _relations(layer).values())}
            if needed <= tables:
                cursor.execute(_triggers(layer))


def rebuild(using: str = "default") -> int:
    """Bring every row of the index up to date with its feature; returns the number of rows."""
    rows = FeatureIndex.objects.using(using)
    with connections[using].cursor() as cursor:
        for layer in registry:
            cursor.execute(_upsert(layer))
            # Rows are taken out one by one, never truncated: alarms and links point at them.
            gone = ~models.Exists(layer.rows().using(using).filter(pk=models.OuterRef("pk")))
            rows.filter(gone, layer=layer.key).delete()
    rows.exclude(layer__in=registry.by_key).delete()
    return rows.count()


def _select(layer: Layer) -> str:
    """SQL of the index rows of a layer, compiled by the ORM, so that borrowed places follow their joins."""
    text: list[models.Expression] = []
    nothing, space = (Value(value, output_field=models.TextField()) for value in ("", " "))
    for path in dict.fromkeys(("code", "name", *layer.search)):
        text += [Coalesce(models.functions.Cast(F(path), models.TextField()), nothing), space]
    rows = layer.rows().order_by().values_list(
        "id",
        Value(layer.key, output_field=models.CharField()),
        "name",
        "code",
        F("state") if layer.state_field else Value("", output_field=models.CharField()),
        Coalesce(F(f"{layer.scope.region}__code") if layer.scope.region else Value(""), Value("")),
        Upper(Concat(*text, output_field=models.TextField())),
        F(layer.geom),
        *(F(f"{relation}__pk") for relation in _relations(layer)),
    )  # fmt: skip
    sql, params = rows.query.sql_with_params()
    # Only constants of the declaration are parameters here; a trigger body cannot take placeholders.
    return sql % tuple("'" + str(p).replace("'", "''") + "'" for p in params)


def _upsert(layer: Layer, where: str = "") -> str:
    names = ", ".join(COLUMNS)
    changed = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])
    old, new = (", ".join(f"{row}.{name}" for name in COLUMNS[1:-1]) for row in ("i", "excluded"))
    table = FeatureIndex._meta.db_table
    sources = "".join(f", source_{n}" for n in range(len(_relations(layer))))
    return f"""
    insert into {table} as i ({names})
    select {names} from ({_select(layer)}) as s ({names}{sources}) {where}
    on conflict (id) do update set {changed}
    where ({old}) is distinct from ({new}) or i.geom is distinct from excluded.geom"""


def _relations(layer: Layer) -> dict[str, Any]:
    """The relations an index row reads through, each with its model: when that row changes, this one follows."""
    paths = [layer.geom, *layer.search, layer.scope.region or ""]
    relations = dict.fromkeys(path.rpartition("__")[0] for path in paths if "__" in path)
    return {relation: describe(layer.model, relation).related for relation in relations}


def _triggers(layer: Layer) -> str:
    table, index = layer.model._meta.db_table, FeatureIndex._meta.db_table
    name = f"feature_index_{layer.key}"
    parts = [
        _function(f"{name}_put", _upsert(layer, "where id in (select id from new_rows)")),
        _function(f"{name}_drop", f"delete from {index} where id in (select id from old_rows)"),
        _trigger(f"{name}_insert", table, "insert", f"{name}_put", "new table as new_rows"),
        *_update(layer, name),
        _trigger(f"{name}_delete", table, "delete", f"{name}_drop", "old table as old_rows"),
        f"create or replace trigger touch before update of {', '.join(_edited(layer))} on {table} "
        "for each row execute function touch_row();",
        f"create or replace trigger index_truncate after truncate on {table} "
        f"for each statement execute function truncate_index('{layer.key}');",
    ]
    if layer.geom == "geom" and layer.scope.region == "region":
        parts.append(
            f"create or replace trigger locate before insert or update on {table} for each row "
            f"when (new.region_id is null and new.geom is not null) "
            "execute function locate_row();"
        )
    for n, (relation, model) in enumerate(_relations(layer).items()):
        follow = f"{name}_follow_{relation}"
        parts += [
            _function(follow, _upsert(layer, f"where source_{n} in (select {model._meta.pk.column} from new_rows)")),
            _trigger(follow, model._meta.db_table, "update", follow, "new table as new_rows"),
        ]
    return "\n".join(parts)


def _update(layer: Layer, name: str) -> list[str]:
    """Function and trigger for updates; where devices keep columns current, an update of those alone is passed over."""
    table, edited = layer.model._meta.db_table, _edited(layer)
    if len(edited) == sum(not field.generated for field in layer.model._meta.concrete_fields):
        return [_trigger(f"{name}_update", table, "update", f"{name}_put", "new table as new_rows")]
    old, new = (", ".join(f"{row}.{column}" for column in edited) for row in ("o", "n"))
    changed = f"select n.id from new_rows n join old_rows o using (id) where ({old}) is distinct from ({new})"
    return [
        _function(f"{name}_put_changed", _upsert(layer, f"where id in ({changed})")),
        _trigger(
            f"{name}_update", table, "update", f"{name}_put_changed", "old table as old_rows new table as new_rows"
        ),
    ]


def _edited(layer: Layer) -> list[str]:
    """The columns that people write: what devices keep current is no edit, or nobody could ever save a form."""
    fields: list[Any] = list(layer.model._meta.concrete_fields)
    measured = {field.column for field in fields if getattr(field, "factor", "")}
    if measured and layer.time in layer.field:
        measured.add(layer.field[layer.time].field.column)
    return [field.column for field in fields if not field.generated and field.column not in measured]


def _function(name: str, statement: str) -> str:
    # Planned anew each time: the plan for a load of many rows is ruinous for the change of one, and the reverse.
    return f"""create or replace function {name}() returns trigger language plpgsql as $$
    begin execute $statement${statement}$statement$; return null; end $$;"""


def _trigger(name: str, table: str, event: str, function: str, referencing: str) -> str:
    return (
        f"create or replace trigger {name} after {event} on {table} referencing {referencing} "
        f"for each statement execute function {function}();"
    )


_TOUCH = f"""
create or replace function touch_row() returns trigger language plpgsql as $$
begin new.updated_at := clock_timestamp(); return new; end $$;

create or replace function truncate_index() returns trigger language plpgsql as $$
begin delete from {FeatureIndex._meta.db_table} where layer = tg_argv[0]; return null; end $$;

create or replace function locate_row() returns trigger language plpgsql as $$
begin
  new.region_id := region_code_at(ST_PointOnSurface(new.geom));
  return new;
end $$;
"""
