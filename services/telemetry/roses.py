"""Roses: how often the wind came from each of sixteen directions and how fast, and what was measured meanwhile.

A direction belongs to the sector ``floor((φ + 11.25) / 22.5) mod 16``, of which 0 is centred on north. A wind below
``CALM`` has no direction and is counted in the middle. Shares are of all moments at which speed and direction counted.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log10
from typing import Any
from uuid import UUID

from django.db import connection

from services.access.errors import NotFound
from services.access.principal import Principal
from services.telemetry.devices import visible
from services.telemetry.models import Factor
from services.telemetry.spans import Span

SECTORS = 16
DIRECTION = "a01008"
"""The factor of a layer's column that makes a rose worth offering."""
BOUNDS = (0.3, 1.6, 3.4, 5.5, 8.0)
"""m/s at which forces 1 to 5 begin (GB/T 28591-2012); what is faster counts to the last class."""
CALM = BOUNDS[0]
READINGS_FOR = timedelta(days=3)
"""Up to this length every reading counts, beyond it the valid hours."""


@dataclass(frozen=True)
class Rose:
    """Counts by sector and class of speed, and of a further factor the mean by sector and in calm."""

    span: Span
    """HOUR, or that of the readings."""
    counts: list[list[int]]
    calm: int
    total: int
    factor: Factor | None = None
    means: tuple[float | None, ...] = ()
    calm_mean: float | None = None


def rose(principal: Principal, feature: UUID, begin: datetime, end: datetime, code: str = "") -> Rose | None:
    """The rose of a feature from ``begin`` to before ``end``; None where no device of it measures the wind.

    ``code`` names the factor whose mean by direction is wanted. NotFound where the feature is not seen or has none.
    """
    devices = list(visible(principal).filter(feature=feature).order_by("pk"))
    if not devices:
        raise NotFound
    directions = dict(
        Factor.objects.filter(averaging=Factor.Averaging.DIRECTION, weight__isnull=False).values_list("pk", "weight")
    )
    with connection.cursor() as cursor:
        cursor.execute(_SENT, {"devices": [device.pk for device in devices], "directions": list(directions)})
        found = cursor.fetchone()
        if found is None:
            return None
        factor = Factor.objects.filter(code=code).first() if code else None
        short = end - begin <= READINGS_FOR
        device = next(each for each in devices if each.pk == found[0])
        span = Span(device.base) if short else Span.HOUR
        keys: dict[str, Any] = {
            "device": device.pk, "direction": found[1], "speed": directions[found[1]], "begin": begin, "end": end,
            "span": int(span), "bounds": list(BOUNDS), "other": factor.pk if factor else 0,
            "energy": factor is not None and factor.averaging == Factor.Averaging.ENERGY,
        }  # fmt: skip
        cursor.execute((_READINGS if short else _HOURS) + _COUNTS, keys)
        return _rose(span, factor, cursor.fetchall())


def _rose(span: Span, factor: Factor | None, rows: list[Any]) -> Rose:
    counts = [[0] * len(BOUNDS) for _sector in range(SECTORS)]
    sums = [[0.0, 0] for _sector in range(SECTORS)]
    calm, calm_sum = 0, [0.0, 0]
    for sector, force, number, measured, amount in rows:
        if force:
            counts[sector][force - 1] += number
        else:
            calm += number
        kept = sums[sector] if force else calm_sum
        kept[0] += amount or 0.0
        kept[1] += measured
    total = calm + sum(map(sum, counts))
    if factor is None:
        return Rose(span, counts, calm, total)
    means = tuple(_mean(factor, *kept) for kept in sums)
    return Rose(span, counts, calm, total, factor, means, _mean(factor, *calm_sum))


def _mean(factor: Factor, amount: float, number: float) -> float | None:
    if not number:
        return None
    mean = amount / number
    return 10 * log10(mean) if factor.averaging == Factor.Averaging.ENERGY else mean


_SENT = """
select device, factor from telemetry_latest where device = any(%(devices)s) and factor = any(%(directions)s)
order by at desc limit 1"""
_READINGS = """
with w as (
    select factor, at, value from telemetry_reading where device = %(device)s and span = %(span)s
        and factor in (%(direction)s, %(speed)s, %(other)s) and at >= %(begin)s and at < %(end)s
        and quality = 0 and value is not null
)"""
_HOURS = """
with w as (
    select factor, at, mean as value from telemetry_rollup where device = %(device)s and span = %(span)s
        and factor in (%(direction)s, %(speed)s, %(other)s) and at >= %(begin)s and at < %(end)s
        and valid and mean is not null
)"""
_COUNTS = """
select floor((d.value + 11.25) / 22.5)::int %% 16, width_bucket(s.value, %(bounds)s::float8[]), count(*),
    count(o.value), sum(case when %(energy)s then power(10::float8, least(o.value, 1000) / 10) else o.value end)
        filter (where o.value is not null)
from w d join w s on s.at = d.at and s.factor = %(speed)s
left join w o on o.at = d.at and o.factor = %(other)s
where d.factor = %(direction)s group by 1, 2"""
