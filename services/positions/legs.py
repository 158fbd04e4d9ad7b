"""Trips, stops and mileage: derived anew from the first leg that new positions can change, and asked for."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

import psycopg

from services.positions.features import moving_layers
from services.telemetry import partitions
from services.telemetry.spans import ZONE

MOST = 500
"""Devices of one run, so that a transaction stays short."""


class Day(NamedTuple):
    """What a device drove on a day of the calendar in China."""

    day: date
    metres: float
    trips: int


def derive(link: psycopg.Connection | None = None) -> int:
    """Derive the legs of all devices with new positions; returns how many devices those were."""
    link = link or partitions.raw()
    done = 0
    while True:
        with link.transaction():
            found = link.execute(_DERIVE, {"most": MOST, "on_foot": _on_foot()}).rowcount
        done += found
        if found < MOST:
            return done


def rebuild(device: int, link: psycopg.Connection | None = None) -> None:
    """Derive all legs of a device from all of its positions, as after a change of the rule."""
    link = link or partitions.raw()
    with link.transaction():
        link.execute("delete from positions_leg where device = %s", [device])
        link.execute(_REBUILD, {"device": device, "on_foot": _on_foot()})


def daily(devices: Sequence[int], first: date, last: date, link: psycopg.Connection | None = None) -> list[Day]:
    """Metres driven and trips begun on each day from ``first`` to ``last``, of some devices together."""
    given = {"devices": list(devices), "first": first, "last": last, "zone": str(ZONE)}
    return [Day(*row) for row in (link or partitions.raw()).execute(_DAILY, given).fetchall()]


def mileage(devices: Sequence[int], begin: datetime, end: datetime, link: psycopg.Connection | None = None) -> float:
    """Metres that devices drove from ``begin`` to ``end``, on the ellipsoid; what lies in stops is not counted."""
    given = {"devices": list(devices), "begin": begin, "end": end}
    row = (link or partitions.raw()).execute(_MILEAGE, given).fetchone()
    return float(row[0]) if row else 0.0


def _on_foot() -> list[str]:
    """The layers whose features walk: their stops are smaller."""
    return [layer.key for layer in moving_layers() if layer.model.moves.on_foot]  # type: ignore[attr-defined]


_RULE = """
select case when exists (
    select from telemetry_device d join catalog_featureindex i on i.id = d.feature
    where d.id = {device} and i.layer = any(%(on_foot)s)
) then walking_stop_metres else stop_metres end as stop_metres, stop_seconds, gap_seconds, most_metres_a_second
from positions_rule
where valid_from <= {day} order by valid_from desc limit 1"""
_DERIVE = f"""
with due as (
    select device from positions_mark group by device limit %(most)s
), marked as (
    delete from positions_mark m using due where m.device = due.device returning m.device, m.first, m.last
)
select m.device, positions_derive(m.device, m.first, m.last, r.stop_metres, r.stop_seconds, r.gap_seconds,
    r.most_metres_a_second)
from (
    select device, min(first) as first, max(last) as last, pg_advisory_xact_lock(7303, device)
    from marked group by device order by device
) m, lateral ({_RULE.format(day="m.first::date", device="m.device")}) r"""  # noqa: S608
_REBUILD = f"""
select positions_derive(p.device, p.first, p.last, r.stop_metres, r.stop_seconds, r.gap_seconds, r.most_metres_a_second)
from (
    select device, min(at) as first, max(at) as last from positions_position
    where device = %(device)s and quality = 0 group by device
) p, lateral ({_RULE.format(day="p.first::date", device="p.device")}) r"""  # noqa: S608
# A trip that lies only in part within the time counts with the share of its points that do.
_WITHIN = """
select l.distance_m * case when l.began_at >= {begin} and l.ended_at <= {end} then 1 else coalesce((
    select sum(s.m) filter (where s.at > {begin} and s.at <= {end}) / nullif(sum(s.m), 0) from (
        select p.at, ST_Distance(p.geom::geography, lag(p.geom::geography) over (order by p.at)) as m
        from positions_position p
        where p.device = l.device and p.quality = 0 and p.at between l.began_at and l.ended_at
    ) s
), 0) end as m, l.began_at
from positions_leg l
where l.device = any(%(devices)s) and l.kind = 0 and l.ended_at > {begin} and l.began_at < {end}"""
_MILEAGE = f"select coalesce(sum(w.m), 0) from ({_WITHIN.format(begin='%(begin)s', end='%(end)s')}) w"  # noqa: S608
_DAILY = f"""
select d.day::date, coalesce(sum(w.m), 0), count(*) filter (where w.m > 0 and w.began_at >= d.begin)
from (
    select day, day at time zone %(zone)s as begin, (day + interval '1 day') at time zone %(zone)s as end
    from generate_series(%(first)s::timestamp, %(last)s::timestamp, interval '1 day') day
) d left join lateral ({_WITHIN.format(begin="d.begin", end="d.end")}) w on true
group by d.day order by d.day"""  # noqa: S608
