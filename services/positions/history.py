"""Where a feature was: its track as fine as a map can show, its trips and stops, every position for export."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from services.access.errors import Invalid
from services.access.principal import Principal
from services.positions.models import POSITIONING, Leg
from services.telemetry.devices import visible
from services.telemetry.models import Device

POINTS = 6_000
"""Fixes of a track on the map, beyond which one is taken for each of so many equal steps of time."""
LONGEST = timedelta(days=31)
"""That a track may be asked for at once."""
PAGE = 5_000


class Fix(NamedTuple):
    """A good position: degrees (EPSG:4490), km/h, degrees from north."""

    at: datetime
    lon: float
    lat: float
    speed: float
    heading: int


class Exported(NamedTuple):
    """A position as it is exported, with the reason why it does not count, where it has one."""

    at: datetime
    lon: float | None
    lat: float | None
    speed: float
    heading: int
    altitude: int
    mileage: float | None
    quality: int
    late: bool
    received_at: datetime


def devices(principal: Principal, feature: UUID) -> list[Device]:
    """The positioning terminals of a feature that the principal may see."""
    return list(visible(principal).filter(feature=feature, protocol__in=POSITIONING).order_by("pk"))


def track(principal: Principal, feature: UUID, begin: datetime, end: datetime, points: int = POINTS) -> list[Fix]:
    """The good positions of a feature in the order of time; thinned out evenly where there are more than ``points``."""
    wanted = _asked(principal, feature, begin, end)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, wanted)
        count = (cursor.fetchone() or (0,))[0]
        if count > points:
            cursor.execute(_THINNED, {**wanted, "seconds": (end - begin).total_seconds() / points})
        else:
            cursor.execute(_TRACK, wanted)
        return [Fix(*row) for row in cursor.fetchall()]


def legs(principal: Principal, feature: UUID, begin: datetime, end: datetime) -> QuerySet[Leg]:
    """The trips and stops that lie wholly or in part within a time, the earliest first; lone fixes are no trip."""
    wanted = _asked(principal, feature, begin, end)
    found = Leg.objects.filter(device__in=wanted["devices"], ended_at__gte=begin, began_at__lt=end)
    return found.exclude(kind=Leg.Kind.TRIP, fixes__lt=2).order_by("began_at")


def places(found: list[Leg]) -> dict[datetime, tuple[float, float]]:
    """Begin of each stop → longitude and latitude of its first fix."""
    stops = [leg for leg in found if leg.kind == Leg.Kind.STOP]
    if not stops:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "select l.began_at, ST_X(l.place), ST_Y(l.place) from positions_leg l"
            " join unnest(%s::int4[], %s::timestamptz[]) s (device, at) on l.device = s.device and l.began_at = s.at",
            [[leg.device_id for leg in stops], [leg.began_at for leg in stops]],
        )
        return {at: (lon, lat) for at, lon, lat in cursor.fetchall()}


def stream(principal: Principal, feature: UUID, begin: datetime, end: datetime) -> Iterator[Exported]:
    """Every position of a feature, those that do not count too, in pages by key."""
    for device in _asked(principal, feature, begin, end)["devices"]:
        after = begin
        while True:
            with connection.cursor() as cursor:
                cursor.execute(_EXPORT, {"device": device, "begin": after, "end": end, "most": PAGE})
                page = [Exported(*row) for row in cursor.fetchall()]
            yield from page
            if len(page) < PAGE:
                break
            after = page[-1].at + timedelta(microseconds=1)


def _asked(principal: Principal, feature: UUID, begin: datetime, end: datetime) -> dict[str, Any]:
    if end <= begin or end - begin > LONGEST:
        raise Invalid(_("时间范围无效：结束应晚于开始，最长 %d 天。") % LONGEST.days)
    return {"devices": [device.pk for device in devices(principal, feature)], "begin": begin, "end": end}


_GOOD = "from positions_position where device = any(%(devices)s) and at >= %(begin)s and at < %(end)s and quality = 0"
_SHOWN = "at, ST_X(geom), ST_Y(geom), speed::float8, heading"
_COUNT = f"select count(*) {_GOOD}"
_TRACK = f"select {_SHOWN} {_GOOD} order by at"
_STEP = "date_bin(make_interval(secs => %(seconds)s), at, timestamptz '2000-01-01 00:00+00')"
_THINNED = f"""
select {_SHOWN} from (
    select distinct on ({_STEP}) at, geom, speed, heading {_GOOD} order by {_STEP}, at
) s order by at"""  # noqa: S608
_EXPORT = """
select at, ST_X(geom), ST_Y(geom), speed::float8, heading, altitude, mileage, quality, late, received_at
from positions_position where device = %(device)s and at >= %(begin)s and at < %(end)s order by at limit %(most)s"""
