"""Triggers that see what is done to the protected tables, whoever does it: platform, psql or another program (ADR 9).

They write findings in the transaction of the operation, and the same line to the server's log, which no role of the
database can change and which a rollback leaves there. A platform program that touches few rows pays for one comparison.
"""

from collections.abc import Iterable

from django.apps import apps
from django.db import connections, models

from services.audit.models import Entry, Finding

FEW = 50
"""Rows of a statement below which a platform program is not looked at; no rule for mass changes can be narrower."""
FUNCTIONS = f"""
create or replace function audit_note(what text, touched_table text, touched bigint, before bigint)
returns void language plpgsql security definer set search_path = public, pg_temp as $$
declare
    asked text := current_query();
    said text := regexp_replace(asked, '^/\\*zhutu \\S*\\*/ ?', '');
    program text := current_setting('application_name');
    place text := coalesce(host(inet_client_addr()), 'local');
    clock int := extract(hour from clock_timestamp() at time zone 'Asia/Shanghai');
    today date := (clock_timestamp() at time zone 'Asia/Shanghai')::date;
    found audit_rule;
    line audit_finding;
begin
    select r.* into found from audit_rule r
    where r.kind = what and r.enabled and r.valid_from <= today and (r.valid_to is null or r.valid_to > today)
        and touched >= r.least
        -- Of a transaction that goes on: once when it is over the limit, then at ten times as many.
        and (before < r.least or floor(log(touched::numeric / greatest(r.least, 1)))
            > floor(log(before::numeric / greatest(r.least, 1))))
        and not (
            (cardinality(r.programs) > 0 or cardinality(r.roles) > 0 or cardinality(r.addresses) > 0)
            and (cardinality(r.programs) = 0 or audit_like(program, r.programs))
            and (cardinality(r.roles) = 0 or session_user = any(r.roles))
            and (cardinality(r.addresses) = 0 or place = any(r.addresses)))
        and (cardinality(r.tables) = 0 or audit_like(touched_table, r.tables))
        and (r.hour_from is null or r.hour_to is null
            or case when r.hour_from < r.hour_to then clock >= r.hour_from and clock < r.hour_to
                else clock >= r.hour_from or clock < r.hour_to end)
    order by array_position(array['red', 'orange', 'yellow', 'blue'], r.level::text), r.least desc limit 1;
    if not found.id is null then
        said := regexp_replace(said, '((?:passw|secret|token|digest|_key)\\w*"?\\s*=\\s*)''[^'']*''', '\\1***', 'gi');
        said := regexp_replace(said, '(argon2|pbkdf2_\\w+)\\$[^''\\s]+', '***', 'g');
        insert into audit_finding (at, kind, level, rule, account, role, database, address, program, pid, tables, rows,
            statement)
        values (clock_timestamp(), what, found.level, found.name,
            case when program like 'zhutu %' then coalesce(substring(asked from '^/\\*zhutu (\\S*)\\*/'), '')
                else '' end,
            session_user, current_database(), place, program, pg_backend_pid(), touched_table,
            touched, left(said, 4000))
        returning * into line;
        raise log 'zhutu audit %', to_jsonb(line);
    end if;
end $$;

create or replace function audit_like(name text, patterns varchar[]) returns boolean language sql immutable as $$
    select exists (select from unnest(patterns) p
        where name like replace(replace(replace(p, '\\', '\\\\'), '_', '\\_'), '*', '%'))
$$;

revoke execute on function audit_note from public;

create or replace function audit_touched() returns trigger language plpgsql security definer
set search_path = public, pg_temp as $$
declare
    n bigint;
    before bigint;
    mark text := 'zhutu.' || lower(tg_op) || '_' || tg_table_name;
begin
    select count(*) into n from touched;
    if n = 0 or (n < {FEW} and current_setting('application_name') like 'zhutu %') then return null; end if;
    -- What the transaction has touched already: rows that are deleted in parts are counted together.
    before := coalesce(nullif(current_setting(mark, true), ''), '0')::bigint;
    perform set_config(mark, (before + n)::text, true);
    perform audit_note(lower(tg_op), tg_table_name, before + n, before);
    return null;
end $$;

create or replace function audit_emptied() returns trigger language plpgsql security definer
set search_path = public, pg_temp as $$
begin
    perform audit_note('truncate', tg_table_name,
        greatest(1, (select reltuples::bigint from pg_class where oid = tg_relid)), 0);
    return null;
end $$;
"""
_TRIGGERS = {
    "audit_insert": "after insert on {table} referencing new table as touched",
    "audit_update": "after update on {table} referencing new table as touched",
    "audit_delete": "after delete on {table} referencing old table as touched",
    "audit_truncate": "before truncate on {table}",
}
KEPT = {"insert_only": (Entry, Finding)}
"""Triggers that keep records from being changed, and on which models."""


def guarded() -> list[type[models.Model]]:
    """The models whose tables are protected: all of the domains, the accounts, and what says ``guarded = True``."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        app = apps.get_app_config(model._meta.app_label).name
        ours = app.startswith("layers.") or app == "services.accounts" or getattr(model, "guarded", False)
        if ours and model._meta.managed and not model._meta.proxy:
            found.append(model)
    return found


def install(using: str = "default") -> None:
    """Write the functions, and make the triggers that are missing on tables that are there."""
    connection = connections[using]
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        if Finding._meta.db_table not in tables:
            return
        cursor.execute(FUNCTIONS)
        there = {(table, name) for table, name, _on in _triggers(using)}
        for table in sorted({model._meta.db_table for model in guarded()} & tables):
            for name, text in _TRIGGERS.items():
                if (table, name) not in there:
                    when = text.format(table=connection.ops.quote_name(table))
                    what = "audit_emptied" if name == "audit_truncate" else "audit_touched"
                    cursor.execute(f"create trigger {name} {when} for each statement execute function {what}()")


def weakened(using: str = "default") -> list[str]:
    """What of the protection is switched off or missing, as ``table.trigger``."""
    on = {(table, name) for table, name, enabled in _triggers(using) if enabled}
    wanted = {(model._meta.db_table, name) for model in guarded() for name in _TRIGGERS}
    wanted |= {(model._meta.db_table, name) for name, some in KEPT.items() for model in some}
    return sorted(f"{table}.{name}" for table, name in wanted - on)


def _triggers(using: str) -> Iterable[tuple[str, str, bool]]:
    with connections[using].cursor() as cursor:
        cursor.execute(
            "select c.relname, t.tgname, t.tgenabled in ('O', 'A')"
            " from pg_trigger t join pg_class c on c.oid = t.tgrelid"
            " where t.tgname = any(%s) and not t.tgisinternal",
            [[*_TRIGGERS, *KEPT]],
        )
        return list(cursor.fetchall())
