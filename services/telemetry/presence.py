"""What gateways say of devices that come and go by themselves: leaving, registrations, channels, and who listens."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import psycopg
from psycopg.rows import class_row

from services.telemetry.devices import DEAF

LOGOUT, CLOSED, REPORTED = "logout", "closed", "reported"
"""How a device left: it said so, its connection ended, another device says that it is gone."""
MOST_BEHIND = 2_000
"""Devices that one device may speak for."""


class Registered(NamedTuple):
    """Where a device is reached, and until when that holds."""

    device_id: int
    address: str
    port: int
    transport: str
    until: datetime


class Leave(NamedTuple):
    """How and when a device left."""

    how: str
    at: datetime


def left(link: psycopg.Connection, gone: Mapping[int, Leave]) -> None:
    """Note that devices are gone; those behind them go along. What is gone already stays so."""
    if gone:
        hows, times = zip(*gone.values(), strict=True)
        link.execute(_LEFT, {"devices": list(gone), "hows": list(hows), "times": list(times)})


def listens(link: psycopg.Connection, protocol: str, *, anew: bool) -> None:
    """Note that a gateway listens: silence of its devices counts from when it began, or began anew after a pause."""
    link.execute(_LISTENS, {"protocol": protocol, "anew": anew, "deaf": DEAF})


def register(link: psycopg.Connection, where: Registered) -> None:
    """Keep where a device is reached."""
    link.execute(_REGISTER, where._asdict())


def registered(link: psycopg.Connection, protocol: str, now: datetime) -> list[Registered]:
    """The registrations of active devices that still hold."""
    with link.cursor(row_factory=class_row(Registered)) as cursor:
        return cursor.execute(_REGISTERED, [protocol, now]).fetchall()


def log_out(link: psycopg.Connection, device: int, at: datetime) -> None:
    """End a device's registration: it is gone."""
    with link.transaction():
        link.execute("delete from telemetry_registration where device_id = %s", [device])
        left(link, {device: Leave(LOGOUT, at)})


def meet_behind(link: psycopg.Connection, protocol: str, front: int, names: Mapping[str, str], now: datetime) -> None:
    """Put unknown channels of a device, number → name, on the list of devices to approve, within limits."""
    given = {
        "protocol": protocol, "front": front, "numbers": list(names), "names": [n[:100] for n in names.values()],
        "now": now, "most": MOST_BEHIND,
    }  # fmt: skip
    link.execute(_MEET_BEHIND, given)


_LEFT = """
with gone as (
    insert into telemetry_presence (device_id, address, online, refused, left_at, left_how)
    select distinct on (d.id) d.id, '', false, 0, s.at, s.how
    from unnest(%(devices)s::int4[], %(hows)s::text[], %(times)s::timestamptz[]) s (device, how, at)
    join telemetry_device d on s.device in (d.id, d.behind_id)
    left join telemetry_presence p on p.device_id = d.id
    left join telemetry_presence f on f.device_id = d.behind_id
    where p.device_id is null or p.online or p.left_at is null or p.left_at < f.connected_at
    order by d.id, s.device = d.id desc
    on conflict (device_id) do update
        set online = false, left_at = excluded.left_at, left_how = excluded.left_how
    returning device_id, left_at
)
insert into telemetry_outage (device_id, began_at)
select g.device_id, g.left_at from gone g join telemetry_device d on d.id = g.device_id and d.state = 'active'
on conflict do nothing"""
_LISTENS = """
insert into telemetry_listening as l (protocol, since, at) values (%(protocol)s, now(), now())
on conflict (protocol) do update set at = now(), since = case
    when %(anew)s or l.at < now() - make_interval(secs => %(deaf)s) or l.at > now() + make_interval(secs => %(deaf)s)
    then now() else l.since end"""
_REGISTER = """
insert into telemetry_registration (device_id, address, port, transport, until)
values (%(device_id)s, %(address)s, %(port)s, %(transport)s, %(until)s)
on conflict (device_id) do update set address = excluded.address, port = excluded.port,
    transport = excluded.transport, until = excluded.until"""
_REGISTERED = """
select r.device_id, r.address, r.port, r.transport, r.until
from telemetry_registration r join telemetry_device d on d.id = r.device_id and d.state = 'active'
where d.protocol = %s and r.until > %s"""
_MEET_BEHIND = """
insert into telemetry_device (protocol, number, name, state, secret, units, crc_mode, datatime_is, missing_flag,
    minute_span, interval, base, back_days, sm4_key, created_at, behind_id)
select %(protocol)s, n.number, n.name, 'pending', '', '{}', 'standard', 'start', 'N', 10, f.interval, 0, 30, '',
    %(now)s, f.id
from unnest(%(numbers)s::text[], %(names)s::text[]) n (number, name) join telemetry_device f on f.id = %(front)s
where (select count(*) from telemetry_device where behind_id = %(front)s) < %(most)s
on conflict (protocol, number) do update set behind_id = excluded.behind_id
where telemetry_device.behind_id is null and telemetry_device.state = 'pending'"""
