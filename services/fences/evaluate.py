"""Fences evaluated on arrival: one statement for each committed batch of positions, in its transaction.

Only fixes newer than the latest position are looked at, in the order of their time: late ones raise nothing and turn
nothing back. A change of side counts once ``fixes`` fixes in a row, over ``seconds``, are on the new side; the event
then has the time of the first of them, so that it is the same however the positions were batched.
"""

import logging
from typing import Any

import psycopg

log = logging.getLogger(__name__)


def watch(cursor: psycopg.Cursor[Any]) -> None:
    """Evaluate the positions in ``arriving_positions``, before the latest positions move.

    A fence that cannot be evaluated must not keep positions from being stored: the error is logged.
    """
    if not cursor.execute("select exists (select from fences_fence where active)").fetchone()[0]:  # type: ignore[index]
        return
    try:
        with cursor.connection.transaction():
            cursor.execute(JOINS)
            cursor.execute(EVALUATE)
    except psycopg.OperationalError:
        raise
    except psycopg.Error:
        log.exception("fences were not evaluated for a batch")


# What is staged and what is made of it has no statistics, and would be compared row by row with itself: it is hashed.
# Tables are read by key, which lateral joins and subqueries make sure of, and fences are found by their index.
JOINS = "set local enable_nestloop = off; set local enable_mergejoin = off; set local enable_seqscan = off"
_LOCAL = "(e.at at time zone 'Asia/Shanghai')"
EVALUATE = f"""
with fix as materialized (
    select a.device, a.at, a.geom, d.feature, i.layer, l.at as before_at, l.geom as before_geom
    from arriving_positions a
    cross join lateral (select feature from telemetry_device d where d.id = a.device limit 1) d
    cross join lateral (select layer from catalog_featureindex i where i.id = d.feature limit 1) i
    left join lateral (select at, geom from positions_latest l where l.device = a.device limit 1) l on true
    where a.quality = 0 and (l.at is null or a.at > l.at)
), hit as materialized (
    select x.device, x.at, f.id as fence
    from fix x cross join lateral (
        select id from fences_fence f
        where ST_Intersects(f.area, x.geom) and f.active and f.layer = x.layer
            and (cardinality(f.features) = 0 or x.feature = any(f.features))
        offset 0
    ) f
), pair as materialized (
    select device, fence from hit
    union
    select x.device, s.fence from (select distinct device from fix) x cross join lateral (
        select fence from fences_state s
        where s.device = x.device and (s.inside or s.other_at is not null)
            and (select active from fences_fence f where f.id = s.fence)
        offset 0
    ) s
), fence as materialized (
    select f.* from (select distinct fence from pair) p
    cross join lateral (select * from fences_fence f where f.id = p.fence limit 1) f
), said as materialized (
    select p.device, p.fence, x.at, x.feature, x.before_at, x.before_geom, h.at is not null as inside,
        row_number() over of_pair as n,
        h.at is not null is distinct from lag(h.at is not null) over of_pair as turns
    from pair p
    join fix x on x.device = p.device
    left join hit h on h.device = p.device and h.fence = p.fence and h.at = x.at
    window of_pair as (partition by p.device, p.fence order by x.at)
), prior as materialized (
    -- Where nothing is known of a pair: what the position before says, else the first one, which raises nothing.
    select x.device, x.fence, x.feature, x.before_at,
        coalesce(s.inside, ST_Intersects(f.area, x.before_geom), x.inside) as inside,
        coalesce(s.since, x.before_at, x.at) as since, s.other_at, coalesce(s.other_fixes, 0) as other_fixes
    from said x
    join fence f on f.id = x.fence
    left join lateral (
        select * from fences_state s where s.device = x.device and s.fence = x.fence limit 1
    ) s on true
    where x.n = 1
), run as materialized (
    select r.device, r.fence, r.nth, r.inside, r.ended,
        case when carried then p.other_at else r.began end as began,
        r.fixes + case when carried then p.other_fixes else 0 end as fixes
    from (
        select device, fence, nth, bool_and(inside) as inside, min(at) as began, max(at) as ended, count(*) as fixes
        from (
            select s.*, count(*) filter (where turns) over (partition by device, fence order by at) as nth from said s
        ) s
        group by device, fence, nth
    ) r
    join prior p on p.device = r.device and p.fence = r.fence
    cross join lateral (
        select r.nth = 1 and r.inside <> p.inside and p.other_at is not null as carried
    ) c
), sure as materialized (
    select r.device, r.fence, r.inside, r.began as at,
        r.inside <> coalesce(lag(r.inside) over (partition by r.device, r.fence order by r.nth), p.inside) as flips
    from run r
    join fence f on f.id = r.fence
    join prior p on p.device = r.device and p.fence = r.fence
    where r.fixes >= f.fixes and extract(epoch from r.ended - r.began) >= f.seconds
), side as materialized (
    -- On which side each pair was from when to when, what was known before included.
    select device, fence, inside, at, news,
        lead(at) over (partition by device, fence order by at, news) as until
    from (
        select device, fence, inside, since as at, false as news from prior
        union all
        select device, fence, inside, at, true from sure where flips
    ) s
), tail as materialized (
    select distinct on (device, fence) device, fence, inside, began, ended, fixes
    from run order by device, fence, nth desc
), event as materialized (
    select s.device, s.fence, k.kind, s.at
    from side s join fence f on f.id = s.fence
    cross join lateral unnest(case when s.inside then array['enter'] else array['leave', 'deviation'] end) as k (kind)
    where s.news and k.kind = any(f.kinds) and (k.kind <> 'deviation' or f.shape = 'corridor')
    union all
    select s.device, s.fence, 'dwell', s.at + make_interval(mins => f.dwell_minutes)
    from side s
    join fence f on f.id = s.fence
    join tail t on t.device = s.device and t.fence = s.fence
    join prior p on p.device = s.device and p.fence = s.fence
    where s.inside and 'dwell' = any(f.kinds)
        and s.at + make_interval(mins => f.dwell_minutes) <= coalesce(s.until, t.ended)
        and (p.before_at is null or s.at + make_interval(mins => f.dwell_minutes) > p.before_at)
), written as (
    insert into fences_event (device, fence, feature, kind, at, received_at, late, lon, lat)
    select e.device, e.fence, p.feature, e.kind, e.at, w.received_at, w.late, ST_X(w.geom), ST_Y(w.geom)
    from event e
    join fence f on f.id = e.fence
    join prior p on p.device = e.device and p.fence = e.fence
    cross join lateral (
        select q.received_at, q.late, q.geom from positions_position q
        where q.device = e.device and q.quality = 0 and q.at >= e.at order by q.at limit 1
    ) w
    where (cardinality(f.weekdays) = 0 or extract(isodow from {_LOCAL}) = any(f.weekdays))
        and (f.valid_from is null or {_LOCAL}::date >= f.valid_from)
        and (f.valid_to is null or {_LOCAL}::date <= f.valid_to)
        and (f.from_time is null or f.to_time is null or case when f.from_time <= f.to_time
            then {_LOCAL}::time between f.from_time and f.to_time
            else {_LOCAL}::time >= f.from_time or {_LOCAL}::time <= f.to_time end)
    order by e.at, e.device, e.fence
    on conflict (device, fence, kind, at) do nothing
)
insert into fences_state (device, fence, inside, since, other_at, other_fixes)
select s.device, s.fence, s.inside, s.at,
    case when t.inside <> s.inside then t.began end, case when t.inside <> s.inside then t.fixes else 0 end
from side s join tail t on t.device = s.device and t.fence = s.fence
where s.until is null
on conflict (device, fence) do update set inside = excluded.inside, since = excluded.since,
    other_at = excluded.other_at, other_fixes = excluded.other_fixes"""  # noqa: S608
