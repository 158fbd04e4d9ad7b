"""Phones of people on duty: their browser measures where they are, and hands it on when it can.

What the W3C Geolocation API gives: degrees of WGS 84, metres of accuracy (95 %), metres a second, degrees from north.
"""

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from services.access.errors import Invalid
from services.positions.models import Rule
from services.positions.store import Row, Store, Stored, Watcher
from services.telemetry import partitions
from services.telemetry.devices import heard
from services.telemetry.models import Device

MOST = 500
"""Fixes that are taken at once; a phone that was without network sends more in turn."""
INTERVAL = 30
"""Seconds between two deliveries; a phone is silent after three of them."""
BACK_DAYS = 7
"""How long a phone may keep what it recorded without network."""

_local = threading.local()


class Fix(NamedTuple):
    """Where a phone was; speed and heading are None where it could not tell."""

    at: datetime
    lon: float
    lat: float
    accuracy: float
    speed: float | None = None
    heading: float | None = None


def read(told: Any) -> list[Fix]:
    """The fixes of a decoded body; Invalid where it is none."""
    if not isinstance(told, list) or not 0 < len(told) <= MOST:
        raise Invalid(_("应为1至%d条定位的列表。") % MOST)
    return [one(each) for each in told]


def one(told: Any) -> Fix:
    """One decoded fix; Invalid names what cannot be."""
    if not isinstance(told, dict):
        raise Invalid(_("定位应为对象。"))
    at = _moment(told.get("at"))
    if at is None:
        raise Invalid(_("定位的内容有误。"), {"at": ["2026-01-31T08:30:00Z"]})
    numbers = {name: _number(told.get(name), low, high) for name, (low, high) in RANGES.items()}
    if wrong := [name for name in ("lon", "lat", "accuracy") if numbers[name] is None]:
        raise Invalid(_("定位的内容有误。"), {name: [_("应为数字，且在可能的范围内。")] for name in wrong})
    return Fix(at, **numbers)  # type: ignore[arg-type]


RANGES = {
    "lon": (-180, 180), "lat": (-90, 90), "accuracy": (0, 1e6), "speed": (0, 150), "heading": (0, 360)
}  # fmt: skip


def phone(feature: UUID, name: str) -> int:
    """The number of the terminal that a feature's phone is; made when it first records."""
    given = {
        "name": name[:100], "feature": feature, "state": Device.State.ACTIVE, "interval": INTERVAL,
        "back_days": BACK_DAYS, "approved_at": timezone.now(),
    }  # fmt: skip
    row, _made = Device.objects.get_or_create(protocol=Device.Protocol.PHONE, number=feature.hex, defaults=given)
    if row.state != Device.State.ACTIVE:
        raise Invalid(_("这部手机的定位已被停用，请联系管理员。"))
    return row.pk


def write(device: int, fixes: Iterable[Fix], address: str, watchers: Sequence[Watcher] = ()) -> Stored:
    """Store what a phone recorded; returns when it is committed. What comes twice changes nothing."""
    link, now, coarse = partitions.raw(), timezone.now(), Rule.of_today().accuracy_metres
    store = getattr(_local, "store", None)
    if store is None or store.connection is not link:
        store = _local.store = Store(link, watchers)
    if device not in store.devices:
        store.refresh()  # it was made a moment ago: what it sends must not be refused for that
    stored: Stored = store.write([_row(device, fix, now, coarse) for fix in fixes])
    heard(link, {device: (now, address)})
    return stored


def _row(device: int, fix: Fix, now: datetime, coarse: float) -> Row:
    speed, heading = round(3.6 * (fix.speed or 0), 1), round(fix.heading or 0) % 360
    return Row(
        device, fix.at, fix.lon, fix.lat, speed, heading, 0, 0, 0, now, extras={"accuracy": round(fix.accuracy, 1)},
        problem="not-fixed" if fix.accuracy > coarse else "",
    )  # fmt: skip


def _number(value: Any, low: float, high: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        return None
    return float(value)


def _moment(value: Any) -> datetime | None:
    try:
        found = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
