"""Positioning terminals: what they said when they registered, and the code by which they are known from then on."""

from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

import psycopg


class Told(NamedTuple):
    """What a terminal says of itself."""

    maker: str
    model: str
    number: str
    plate: str


def digest(code: str) -> str:
    """What is kept of a code: whoever reads the database cannot speak for the terminal."""
    return sha256(code.encode()).hexdigest()


def register(link: psycopg.Connection, device: int, told: Told, code: str, now: datetime) -> bool:
    """Keep a terminal and the digest of its code; False, and nothing is kept, where another one is registered.

    A terminal that was changed for another must be taken out first: by its logout, or by a person.
    """
    with link.transaction():
        given = {**told._asdict(), "device": device, "now": now, "digest": digest(code)}
        if not link.execute(_REGISTER, given).rowcount:
            return False
        link.execute("update telemetry_device set secret = %(digest)s where id = %(device)s", given)
    return True


def log_out(link: psycopg.Connection, device: int) -> None:
    """A terminal is taken out of its vehicle: its code ends, and another one may register."""
    with link.transaction():
        link.execute("update positions_terminal set number = '' where device_id = %s", [device])
        link.execute("update telemetry_device set secret = '' where id = %s", [device])


_REGISTER = """
insert into positions_terminal as t (device_id, maker, model, number, plate, datum, registered_at)
values (%(device)s, left(%(maker)s, 11), left(%(model)s, 30), left(%(number)s, 30), left(%(plate)s, 20), 'wgs84',
    %(now)s)
on conflict (device_id) do update set maker = excluded.maker, model = excluded.model, number = excluded.number,
    plate = excluded.plate, registered_at = excluded.registered_at
where t.number in ('', excluded.number)"""
