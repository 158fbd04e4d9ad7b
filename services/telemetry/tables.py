"""History as tables: hours, days, months and the parts of a noise day, by page, with a summary of the whole time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.telemetry.devices import visible
from services.telemetry.models import Device, Factor, Reading
from services.telemetry.spans import Quality, Span

SIZE = 48
"""Rows of a page: two days of hours."""
PAGE = 2_000
SPANS = (Span.HOUR, Span.DAY, Span.MONTH, Span.DAYTIME, Span.NIGHT, Span.LDN)
NOISE_DAY = (Span.DAYTIME, Span.NIGHT, Span.LDN)
"""What a table of days shows of a level besides its mean of the day (GB 12523: the night ends on the next day)."""
TOTALS = {"L/s": "m³", "mg/L": "kg"}
"""Stored unit of a factor → unit of its total; a counter's total has its own unit."""


class Column(NamedTuple):
    """One series of a table; ``device`` says which where several of the feature measure the factor."""

    device: Device
    factor: Factor
    span: Span
    several: bool

    @property
    def total_unit(self) -> str:
        counts = self.factor.averaging == Factor.Averaging.TOTAL
        return self.factor.unit if counts else TOTALS.get(self.factor.unit, "")


class Cell(NamedTuple):
    """The value of a span; below its bar of validity it is shown and marked, and counts nowhere."""

    mean: float | None
    low: float | None
    high: float | None
    total: float | None
    n_valid: int
    n_expected: int
    valid: bool
    revised: bool


class Summary(NamedTuple):
    """Over all valid spans of the time: mean in the factor's own way, and the extremes of spans and of readings."""

    mean: float | None
    least: float | None
    greatest: float | None
    low: float | None
    high: float | None
    total: float | None
    valid: int
    spans: int


@dataclass(frozen=True)
class Table:
    """One page, the newest first; cells and summaries in the order of the columns, None where nothing was computed."""

    columns: list[Column]
    rows: list[tuple[datetime, list[Cell | None]]]
    summary: list[Summary | None]
    total: int
    page: int
    pages: int


def table(
    principal: Principal, feature: UUID, codes: Sequence[str], span: Span, begin: datetime, end: datetime, page: int = 1
) -> Table:
    """A page of a feature's history from ``begin`` to before ``end``, in six queries whatever its length.

    Raises NotFound where the principal does not see the feature or it has no device, Invalid for a span that no table
    has. Spans DAYTIME, NIGHT and LDN are those of levels only.
    """
    columns = _columns(principal, feature, codes, span)
    keys = _keys(columns, begin, end)
    with connection.cursor() as cursor:
        cursor.execute(_SUMMARY, keys)
        summaries = {tuple(row[:3]): Summary._make(row[3:]) for row in cursor.fetchall()}
        cursor.execute(_COUNT, keys)
        (total,) = cursor.fetchone()  # type: ignore[misc]
        pages = max(1, -(-total // SIZE))
        page = min(max(1, page), pages)
        cursor.execute(_ROWS.format(order="desc"), keys | {"limit": SIZE, "offset": (page - 1) * SIZE})
        rows = _gathered(cursor.fetchall(), columns)
    found = [summaries.get(_key(column)) for column in columns]
    return Table(columns, sorted(rows, reverse=True, key=lambda row: row[0]), found, total, page, pages)


def lines(
    principal: Principal, feature: UUID, codes: Sequence[str], span: Span, begin: datetime, end: datetime
) -> tuple[list[Column], Iterator[tuple[datetime, list[Cell | None]]]]:
    """The columns and every row of the same table, the oldest first, read in pages by time: for files."""
    columns = _columns(principal, feature, codes, span)
    return columns, _lines(columns, begin, end)


def readings(
    principal: Principal, feature: UUID, codes: Sequence[str], begin: datetime, end: datetime
) -> tuple[int, Iterator[tuple[Device, Factor, Reading]]]:
    """How many readings of a feature are stored from ``begin`` to before ``end``, good or not, and each of them."""
    devices, factors = _devices(principal, feature), list(Factor.objects.filter(code__in=codes).order_by("code"))
    rows = Reading.objects.filter(device__in=[d.pk for d in devices], factor__in=factors, at__gte=begin, at__lt=end)
    return rows.count(), _readings(devices, factors, begin, end)


def _columns(principal: Principal, feature: UUID, codes: Sequence[str], span: Span) -> list[Column]:
    if span not in SPANS:
        raise Invalid(_("没有这个时段。"), {"span": [", ".join(each.name.lower() for each in SPANS)]})
    devices = _devices(principal, feature)
    with connection.cursor() as cursor:
        cursor.execute(
            "select device, factor from telemetry_latest where device = any(%s)", [[device.pk for device in devices]]
        )
        sent = set(cursor.fetchall())
    found = {factor.code: factor for factor in Factor.objects.filter(code__in=codes)}
    columns = []
    for code in codes:
        factor = found.get(code)
        measuring = [device for device in devices if factor is not None and (device.pk, factor.pk) in sent]
        if factor is None or not measuring:
            continue
        level = factor.averaging == Factor.Averaging.ENERGY
        spans = (span, *(NOISE_DAY if level else ())) if span == Span.DAY else (span,)
        if span in NOISE_DAY and not level:
            continue
        columns += [Column(device, factor, each, len(measuring) > 1) for device in measuring for each in spans]
    return columns


def _devices(principal: Principal, feature: UUID) -> list[Device]:
    found = list(visible(principal).filter(feature=feature).order_by("pk"))
    if not found:
        raise NotFound(_("该要素没有监测设备。"))
    return found


def _key(column: Column) -> tuple[int, int, int]:
    return column.device.pk, column.factor.pk, int(column.span)


def _keys(columns: list[Column], begin: datetime, end: datetime) -> dict[str, Any]:
    factors = {column.factor.pk: column.factor for column in columns}
    kinds = Factor.Averaging
    return {
        "devices": list({column.device.pk for column in columns}), "factors": list(factors),
        "spans": list({int(column.span) for column in columns}), "begin": begin, "end": end,
        "energy": [pk for pk, factor in factors.items() if factor.averaging == kinds.ENERGY],
        "directions": [pk for pk, factor in factors.items() if factor.averaging == kinds.DIRECTION],
    }  # fmt: skip


def _gathered(found: list[Any], columns: list[Column]) -> list[tuple[datetime, list[Cell | None]]]:
    places = {_key(column): place for place, column in enumerate(columns)}
    rows: dict[datetime, list[Cell | None]] = {}
    for device, factor, span, at, *values in found:
        place = places.get((device, factor, span))
        if place is not None:
            rows.setdefault(at, [None] * len(columns))[place] = Cell._make(values)
    return list(rows.items())


def _lines(columns: list[Column], begin: datetime, end: datetime) -> Iterator[tuple[datetime, list[Cell | None]]]:
    while columns:
        with connection.cursor() as cursor:
            keys = _keys(columns, begin, end) | {"limit": PAGE, "offset": 0}
            cursor.execute(_ROWS.format(order="asc"), keys)
            rows = _gathered(cursor.fetchall(), columns)
        rows.sort(key=lambda row: row[0])
        yield from rows
        if len(rows) < PAGE:
            return
        begin = rows[-1][0] + timedelta(microseconds=1)


def _readings(
    devices: list[Device], factors: list[Factor], begin: datetime, end: datetime
) -> Iterator[tuple[Device, Factor, Reading]]:
    for device in devices:
        for factor in factors:
            for span in (Span.REAL, Span.MINUTE, Span.HOUR, Span.DAY):
                after = begin
                while True:
                    rows = Reading.objects.filter(device=device.pk, factor=factor.pk, span=span, at__lt=end)
                    page = list(rows.filter(at__gte=after).order_by("at")[:PAGE])
                    yield from ((device, factor, reading) for reading in page)
                    if len(page) < PAGE:
                        break
                    after = page[-1].at + timedelta(microseconds=1)


def quality(reading: Reading) -> str:
    """How a reading was judged, in words."""
    return str(Quality(reading.quality).label)


_WHERE = """device = any(%(devices)s) and factor = any(%(factors)s) and span = any(%(spans)s)
    and at >= %(begin)s and at < %(end)s"""
_COUNT = f"select count(distinct at) from telemetry_rollup where {_WHERE}"  # noqa: S608
_ROWS = (
    "with moments as (select distinct at from telemetry_rollup where "  # noqa: S608
    + _WHERE
    + """ order by at {order} limit %(limit)s offset %(offset)s)
select device, factor, span, at, mean, low, high, total, n_valid, n_expected, valid, revised
from telemetry_rollup join moments using (at) where """
    + _WHERE
)
# A mean is formed in the way of its factor; a direction whose vectors cancel out has none.
_SUMMARY = f"""
select device, factor, span, case
        when factor = any(%(energy)s)
            then 10 * log(avg(power(10::float8, least(mean, 1000) / 10)) filter (where mean is not null))
        when factor = any(%(directions)s) then case
            when sqrt(avg(sind(mean)) ^ 2 + avg(cosd(mean)) ^ 2) > 1e-9
            then (atan2d(avg(sind(mean)), avg(cosd(mean))) + 360)::numeric %% 360 end
        else avg(mean) end::float8,
    min(mean), max(mean), min(low), max(high), sum(total), count(*) filter (where counted), count(*)
from (
    select device, factor, span, valid as counted, case when valid then mean end as mean,
        case when valid then low end as low, case when valid then high end as high, total
    from telemetry_rollup where {_WHERE}
) r group by device, factor, span"""  # noqa: S608
