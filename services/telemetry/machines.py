"""Machines that a device watches: their state on the records of a feature, and what they did in a time.

A device says the state of a machine as a reading of its own factor, ``SB1-RS`` for the machine with the signal ``SB1``
(HJ 212-2017 clause 6.6.4). It holds until the next one, at most for ``HELD``: what a silent device's machines did
is not known, and counts neither as running nor as available.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.db import connection
from psycopg import sql

from services.catalog.layer import Layer, Tab, registry
from services.catalog.models import Record
from services.catalog.watched import Watched
from services.telemetry.states import AT_WORK, FAILED, IN_SERVICE, STOPPED, SUFFIX

HELD = timedelta(minutes=15)
"""How long a state holds at least while nothing new is said; three rhythms of a slower device."""


@dataclass(frozen=True)
class Work:
    """What a machine did in a time, in seconds; ``starts`` and ``faults`` are beginnings in that time."""

    running: float = 0.0
    idle: float = 0.0
    service: float = 0.0
    fault: float = 0.0
    starts: int = 0
    faults: int = 0

    @property
    def known(self) -> float:
        """Seconds of which a state is known."""
        return self.running + self.idle + self.service + self.fault

    @property
    def available(self) -> float | None:
        """Share of the known time in which it ran or could have: A = up / (up + down); None without known time."""
        return (self.running + self.idle) / self.known if self.known else None

    @property
    def used(self) -> float | None:
        """Share of the known time in which it ran."""
        return self.running / self.known if self.known else None

    @property
    def between_faults(self) -> float | None:
        """Mean running seconds between faults; None where there was none."""
        return self.running / self.faults if self.faults else None


def together(some: Iterable[Work]) -> Work:
    """What several machines did, added up."""
    whole = Work()
    for work in some:
        whole = Work(*(getattr(whole, each.name) + getattr(work, each.name) for each in fields(Work)))
    return whole


class Spell(NamedTuple):
    """A machine in one state from one moment to another."""

    begin: datetime
    end: datetime
    state: int


def watched(layer: Layer) -> Iterator[type[Record]]:
    """The records of a layer's features whose state devices say."""
    for tab in layer.tabs:
        if isinstance(tab, Tab) and getattr(tab.model, "watched", None):
            yield tab.model


def write(link: psycopg.Connection, since: datetime | None = None) -> int:
    """Bring the states of all machines up to date; returns how many changed. Nobody's older word undoes a newer one."""
    changed = 0
    for model in (model for layer in registry for model in watched(layer)):
        said: Watched = model.watched  # type: ignore[attr-defined]
        names = {name: sql.Identifier(_column(model, field)) for name, field in said.columns.items()}
        query = sql.SQL(_WRITE).format(
            table=sql.Identifier(model._meta.db_table), of=sql.Identifier(_column(model, model.of)), **names
        )
        given = {
            "values": list(said.states), "states": [str(state) for state in said.states.values()], "since": since,
            "suffix": SUFFIX,
        }  # fmt: skip
        with link.transaction():
            changed += link.execute(query, given).rowcount
    return changed


def works(features: Iterable[UUID], begin: datetime, end: datetime) -> dict[tuple[UUID, str], Work]:
    """(Feature, signal) → what that machine did from one whole hour to before another, of features that one may see."""
    with connection.cursor() as cursor:
        cursor.execute(_WORKS, {"features": list(features), "begin": begin, "end": end})
        return {(feature, code.removesuffix(SUFFIX)): Work(*values) for feature, code, *values in cursor.fetchall()}


def spells(feature: UUID, begin: datetime, end: datetime) -> dict[str, list[Spell]]:
    """Signal → its states one after the other, for the picture of some hours of a feature that one may see."""
    found: dict[str, list[Spell]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_SPELLS, {"feature": feature, "begin": begin, "end": end, "held": HELD.seconds})
        for code, at, until, state in cursor.fetchall():
            line = found.setdefault(code.removesuffix(SUFFIX), [])
            if line and line[-1].state == state and line[-1].end >= at:
                line[-1] = line[-1]._replace(end=until)
            else:
                line.append(Spell(at, until, state))
    return found


def _column(model: Any, name: str) -> str:
    column: str = model._meta.get_field(name).column
    return column


# The state since when: a machine that goes on as it did is not written again.
_WRITE = """
update {table} e set {state} = v.state, {at} = v.at from (
    select distinct on (d.feature, f.code) d.feature, f.code, m.state, l.at
    from telemetry_device d join telemetry_latest l on l.device = d.id
    join telemetry_factor f on f.id = l.factor and f.averaging = 'state'
    join unnest(%(values)s::int4[], %(states)s::text[]) m (value, state) on m.value = l.value
    where d.feature is not null and d.state = 'active' and l.quality = 0
        and (%(since)s::timestamptz is null or l.received_at >= %(since)s)
    order by d.feature, f.code, l.at desc
) v
where e.{of} = v.feature and v.code = e.{signal} || %(suffix)s
    and (e.{at} is null or (v.at > e.{at} and e.{state} <> v.state))"""
_WORKS = """
select d.feature, f.code, sum(t.running), sum(t.idle), sum(t.service), sum(t.fault), sum(t.starts)::int,
    sum(t.faults)::int
from telemetry_device d join telemetry_tally t on t.device = d.id join telemetry_factor f on f.id = t.factor
where d.feature = any(%(features)s) and t.at >= %(begin)s and t.at < %(end)s group by 1, 2"""
_SPELLS = """
with k as (
    select l.device, l.factor, f.code, make_interval(secs => greatest(%(held)s, 3 * d.interval)) as held
    from telemetry_device d join telemetry_latest l on l.device = d.id
    join telemetry_factor f on f.id = l.factor and f.averaging = 'state' where d.feature = %(feature)s
), s as (
    select k.code, k.held, r.at, r.value, lead(r.at) over (partition by k.device, k.factor order by r.at) as next
    from k join telemetry_reading r on r.device = k.device and r.factor = k.factor and r.span = 0
        and r.at >= %(begin)s - k.held and r.at < %(end)s and r.quality = 0 and r.value is not null
)
select code, greatest(at, %(begin)s), least(coalesce(next, %(end)s), at + held, %(end)s), value::int
from s where least(coalesce(next, %(end)s), at + held) > %(begin)s order by code, at"""

TALLY = f"""
with k as (
    select l.device, l.factor, make_interval(secs => greatest({HELD.seconds}, 3 * d.interval)) as held
    from telemetry_latest l join bucket b using (device) join telemetry_device d on d.id = l.device
    where l.factor = any(%(states)s)
), u as (
    select k.*, r.at, r.value::int as v, true as inside
    from k join telemetry_reading r on r.device = k.device and r.factor = k.factor and r.span = 0
        and r.at >= %(begin)s and r.at < %(end)s and r.quality = 0 and r.value is not null
    union all
    select k.*, p.at, p.value::int, false from k cross join lateral (
        select at, value from telemetry_reading r
        where r.device = k.device and r.factor = k.factor and r.span = 0 and r.quality = 0 and r.value is not null
            and r.at < %(begin)s and r.at >= %(begin)s - interval '32 days'
        order by r.at desc limit 1
    ) p
), w as (
    select device, factor, v, inside, lag(v) over turn as before,
        extract(epoch from least(coalesce(lead(at) over turn, %(end)s), at + held, %(end)s, now())
            - greatest(at, %(begin)s)) as long
    from u window turn as (partition by device, factor order by at)
), t as (
    select device, factor, coalesce(sum(long) filter (where long > 0 and v = any(array{list(AT_WORK)})), 0) as running,
        coalesce(sum(long) filter (where long > 0 and v = {STOPPED}), 0) as idle,
        coalesce(sum(long) filter (where long > 0 and v = any(array{list(IN_SERVICE)})), 0) as service,
        coalesce(sum(long) filter (where long > 0 and v = {FAILED}), 0) as fault,
        count(*) filter (where inside and v = any(array{list(AT_WORK)}) and before <> all(array{list(AT_WORK)}))
            as starts,
        count(*) filter (where inside and v = {FAILED} and before is distinct from {FAILED}) as faults,
        bool_or(inside or long > 0) as told
    from w group by device, factor
)
insert into telemetry_tally as old (device, factor, at, running, idle, service, fault, starts, faults)
select device, factor, %(at)s, running, idle, service, fault, starts, faults from t where told
on conflict (device, factor, at) do update set running = excluded.running, idle = excluded.idle,
    service = excluded.service, fault = excluded.fault, starts = excluded.starts, faults = excluded.faults,
    computed_at = clock_timestamp()
where (old.running, old.idle, old.service, old.fault, old.starts, old.faults)
    is distinct from (excluded.running, excluded.idle, excluded.service, excluded.fault, excluded.starts,
        excluded.faults)"""  # noqa: S608 - numbers of ours
"""What each machine did in the hour ``%(begin)s`` to ``%(end)s``, for the devices in ``bucket``."""
FOLLOWING = """
insert into telemetry_mark (device, span, at)
select distinct k.device, %(span)s, n.at
from (
    select t.device, t.factor from telemetry_tally t join bucket b on b.device = t.device
    where t.at = %(at)s and t.computed_at >= now()
) k cross join lateral (
    select n.at from telemetry_tally n where n.device = k.device and n.factor = k.factor and n.at > %(at)s
    order by n.at limit 1
) n"""
"""The state at the end of an hour that came out otherwise is the one in which the next hour begins."""
