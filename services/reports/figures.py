"""What a custom report shows: figures of chosen factors over a time, by feature and by hour, day or month.

All of them stand on the hours that the roll-ups keep, of which only valid ones count. A mean is formed in its factor's
own way over these hours; of several devices at a feature the one that sent a factor last is read.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from gis.models import code_prefix
from services.access import gate
from services.access.errors import Invalid, TooLarge
from services.access.principal import Principal
from services.catalog.describe import Described
from services.catalog.layer import Layer
from services.reports.columns import VOLUME, Column, columns, has_load, relations
from services.reports.models import Custom
from services.telemetry.models import Factor
from services.telemetry.partitions import bounds
from services.telemetry.reports import Line, Period, Sheet
from services.telemetry.spans import ZONE, Span

MOST_FEATURES = 2_000
MOST_LINES = 20_000
MOST_HOURS = 4_000_000
"""Hourly values of one report."""
WRITTEN = {"hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d", "month": "%Y-%m"}
Key = tuple[UUID | None, datetime | None]
Times = tuple[datetime, datetime]


class Figures(NamedTuple):
    """Of one factor over some hours: ``total`` is what was counted, a volume in m³, or a load in kg."""

    mean: float | None
    low: float | None
    high: float | None
    total: float | None
    valid: int


@dataclass(frozen=True)
class Result:
    """What came of a report: the sheet, its columns, of how many features, and whether something chosen is lacking."""

    sheet: Sheet
    columns: list[Column]
    features: int
    lacking: bool
    keys: tuple[UUID, ...] = ()
    """The features that it is about."""


def run(
    principal: Principal, custom: Custom, time: Period, action: str = "view", now: datetime | None = None
) -> Result:
    """The report over a period, within the rights of whoever runs it; ``action`` is ``export`` for files.

    Raises NotFound where they do not see the layer, Refused where they may only look, TooLarge for more than a report
    holds. The number of queries does not depend on what was chosen.
    """
    moment = now or timezone.now()
    layer = gate.layer_for(principal, custom.layer, action)
    shown = columns(principal, layer, custom.columns)
    rows, lacking = selected(principal, layer, custom, action)
    places = _places(rows, [column.field for column in shown if column.field is not None])
    parts = _parts(custom, time, moment)
    wanted = list({column.factor.pk: column.factor for column in shown if column.factor is not None}.values())
    _check(custom, len(places), len(parts), len(wanted), time)
    figures = _Measured(list(places), wanted, custom, time, moment)
    lines = []
    for key in _keys(list(places), parts, custom.by):
        feature = key[0]
        cells = [_cell(column, key, places, custom.part, figures) for column in shown]
        lines.append(Line(
            cells, None if feature is None else (layer.key, feature), marked=bool(wanted) and key not in figures.found
        ))  # fmt: skip
    summary = [_cell(column, (None, None), {}, custom.part, figures) for column in shown]
    if summary and shown[0].factor is None:
        summary[0] = _("总体")
    lacking = lacking or len(shown) < len(custom.columns)
    made = Sheet(
        [column.heading for column in shown], _sorted(lines, shown, custom.sort),
        [Line(summary)] if wanted and len(lines) > 1 else [], _notes(wanted, shown, lacking),
    )  # fmt: skip
    return Result(made, shown, len(places), lacking, tuple(places))


def selected(principal: Principal, layer: Layer, custom: Custom, action: str = "view") -> tuple[QuerySet[Any], bool]:
    """The features that were chosen, of those within the principal's rights, and whether chosen ones are lacking."""
    rows: QuerySet[Any] = gate.restrict(principal, layer, action)
    if custom.choice == Custom.Choice.REGION:
        if not layer.scope.region:
            raise Invalid(_("该图层不能按行政区选择。"), {"choice": [_("请选择其他要素范围。")]})
        return rows.filter(**{f"{layer.scope.region}__code__startswith": code_prefix(custom.region)}), False
    if custom.choice == Custom.Choice.UNDER:
        _label, other = relations(principal, layer).get(custom.along, ("", None))
        if (
            other is None
            or custom.under is None
            or not gate.restrict(principal, other).filter(pk=custom.under).exists()
        ):
            return rows.none(), True
        return rows.filter(**{custom.along: custom.under}), False
    if custom.choice == Custom.Choice.CHOSEN:
        rows = rows.filter(pk__in=custom.features)
        return rows, rows.count() < len(set(custom.features))
    return rows, False


class _Measured:
    """The figures by line, and of everything together under (None, None)."""

    def __init__(
        self, features: list[UUID], factors: list[Factor], custom: Custom, time: Period, moment: datetime
    ) -> None:
        self.found: dict[Key, dict[int, Figures]] = {}
        self.sending: dict[int, dict[UUID, datetime]] = {}
        self.ages: dict[int, Counter[datetime]] = {}
        self.time, self.part, self.moment = time, custom.part, moment
        if not features or not factors:
            return
        keys = _parameters(features, factors, custom, time)
        with connection.cursor() as cursor:
            cursor.execute(_SENDING, keys)
            for feature, factor, since in cursor.fetchall():
                self.sending.setdefault(factor, {})[feature] = max(since or time.begins_at, time.begins_at)
            cursor.execute(_figures(custom.by, keys["weights"]), keys)
            for feature, at, factor, *values in cursor.fetchall():
                self.found.setdefault((feature, at), {})[factor] = Figures._make(values)
        # Most devices are older than the time, and all these are alike.
        self.ages = {factor: Counter(since.values()) for factor, since in self.sending.items()}

    def value(self, column: Column, key: Key) -> float | None:
        """What a column says on a line; None where nothing valid was measured, or nothing measures it."""
        assert column.factor is not None
        factor = column.factor.pk
        feature, at = key
        ages = self.sending.get(factor, {})
        if not ages or (feature is not None and feature not in ages):
            return None
        known = self.found.get(key, {}).get(factor)
        if column.statistic == "valid":
            return known.valid if known else 0
        if column.statistic == "share":
            hours = self._hours(Counter([ages[feature]]) if feature else self.ages[factor], at)
            return None if not hours else 100 * min(1.0, (known.valid if known else 0) / hours)
        value = getattr(known, column.statistic, None)
        return None if value is None else value * column.scale

    def _hours(self, ages: Counter[datetime], at: datetime | None) -> int:
        """Hours that devices of these ages should have sent: those that have passed since each was approved."""
        begin, end = (self.time.begins_at, self.time.ends_at) if at is None else _times(at, self.part)
        end = min(end, self.time.ends_at, self.moment)
        return sum(n * max(0, (end - max(begin, since)) // timedelta(hours=1)) for since, n in ages.items())


def _places(rows: QuerySet[Any], fields: Iterable[Described]) -> dict[UUID, dict[str, Any]]:
    """The features in the order of their names, each with the values of fields; MOST_FEATURES and one at the most."""
    paths: dict[str, Described] = {}
    for field in fields:
        related = field.related
        named = related is not None and any(each.name == "name" for each in related._meta.concrete_fields)
        paths[f"{field.path}__name" if named else field.path] = field
    found: dict[UUID, dict[str, Any]] = {}
    read = rows.order_by("name", "pk").values_list(*dict.fromkeys(("pk", *paths)))
    for pk, *values in read[: MOST_FEATURES + 1]:
        found[pk] = {
            field.path: _field_value(field, value) for (field, value) in zip(paths.values(), values, strict=True)
        }
    return found


def _field_value(field: Described, value: Any) -> Any:
    if value is None or value == "":
        return None
    if field.related is not None:
        return str(value)
    if field.is_number and not field.choices:
        return value if isinstance(value, int) else float(value)
    return field.display(value)


def _parts(custom: Custom, time: Period, moment: datetime) -> list[datetime]:
    """Where the hours, days or months of a period begin, of those that have begun."""
    if custom.by == Custom.By.FEATURE:
        return []
    found: list[datetime] = []
    at = time.begins_at
    while at < min(time.ends_at, moment) and len(found) <= MOST_LINES:
        found.append(at)
        at = _times(at, custom.part)[1]
    return found


def _times(at: datetime, part: str) -> Times:
    """The hour, day or month that a moment lies in."""
    local = at.astimezone(ZONE)
    if part == Custom.Part.HOUR:
        begin = local.replace(minute=0, second=0, microsecond=0)
        return begin, begin + timedelta(hours=1)
    if part == Custom.Part.MONTH:
        begin, end = bounds(local.date())
        return begin.astimezone(ZONE), end.astimezone(ZONE)
    begin = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return begin, begin + timedelta(days=1)


def _keys(features: list[UUID], parts: list[datetime], by: str) -> list[Key]:
    if by == Custom.By.FEATURE:
        return [(pk, None) for pk in features]
    if by == Custom.By.TIME:
        return [(None, at) for at in parts]
    return [(pk, at) for pk in features for at in parts]


def _check(custom: Custom, features: int, parts: int, factors: int, time: Period) -> None:
    if features > MOST_FEATURES:
        raise TooLarge(_("一张报表最多%d个要素，请缩小要素范围。") % MOST_FEATURES)
    lines = {Custom.By.FEATURE.value: features, Custom.By.TIME.value: parts}.get(custom.by, features * parts)
    if lines > MOST_LINES:
        raise TooLarge(_("一张报表最多%d行，请缩短周期、选用更长的时段或缩小要素范围。") % MOST_LINES)
    if features * factors * ((time.ends_at - time.begins_at) // timedelta(hours=1)) > MOST_HOURS:
        raise TooLarge(_("数据量过大，请缩短周期、减少因子或缩小要素范围。"))


def _parameters(features: list[UUID], factors: list[Factor], custom: Custom, time: Period) -> dict[str, Any]:
    kinds = Factor.Averaging
    weights = {factor.weight.pk: factor.weight for factor in factors if factor.weight is not None}
    flows = {factor.pk for factor in (*factors, *weights.values()) if factor.unit == VOLUME}
    numbered: dict[str, Any] = {}
    for n, pk in enumerate(weights):
        numbered[f"weight_{n}"] = pk
        numbered[f"weighted_{n}"] = [factor.pk for factor in factors if factor.weight_id == pk]
    return numbered | {
        "features": features, "factors": [factor.pk for factor in factors],
        "weights": list(weights),
        "sent": list({factor.pk for factor in factors} | set(weights)),
        "energy": [factor.pk for factor in factors if factor.averaging == kinds.ENERGY],
        "directions": [factor.pk for factor in factors if factor.averaging == kinds.DIRECTION],
        "counters": [factor.pk for factor in factors if factor.averaging == kinds.TOTAL],
        "loads": [factor.pk for factor in factors if has_load(factor)],
        "flows": list(flows), "hour": int(Span.HOUR), "begin": time.begins_at, "end": time.ends_at,
        "part": custom.part,
    }  # fmt: skip


def _cell(column: Column, key: Key, places: dict[UUID, dict[str, Any]], part: str, figures: _Measured) -> Any:
    feature, at = key
    if column.factor is not None:
        return figures.value(column, key)
    if column.field is not None:
        return None if feature is None else places[feature][column.field.path]
    return None if at is None else at.astimezone(ZONE).strftime(WRITTEN[part])


def _sorted(lines: list[Line], shown: list[Column], sort: str) -> list[Line]:
    """Ordered by a column, ``-`` before its token for the greatest first; what is missing stands last."""
    token, backward = sort.removeprefix("-"), sort.startswith("-")
    place = next((n for n, column in enumerate(shown) if column.token == token), None)
    if place is None:
        return lines
    there = [line for line in lines if line.cells[place] is not None]
    return sorted(there, key=lambda line: line.cells[place], reverse=backward) + [
        line for line in lines if line.cells[place] is None
    ]


def _notes(wanted: list[Factor], shown: list[Column], lacking: bool) -> list[str]:
    notes = []
    statistics = {column.statistic for column in shown}
    if wanted:
        notes.append(_("只统计有效小时；最大、最小为有效小时内的最大、最小值。"))
    if statistics & {"mean"} and any(factor.weight is not None for factor in wanted):
        notes.append(_("有加权因子的平均值按其加权：浓度按流量，风向按风速。"))
    if "total" in statistics:
        notes.append(_("水量取设备累计量，没有累计量时为平均流量 × 1小时；负荷 = Σ(小时浓度 × 小时水量)。"))
    if "share" in statistics:
        notes.append(_("有效率 = 有效小时 ÷ 已过去的小时；设备审核启用之前不计。"))
    if lacking:
        notes.append(_("部分所选要素或列已不存在，或不在您的权限范围内，未列出。"))
    return notes


# Of several devices at a feature the one that sent a factor last is read.
_SENDING = """
select distinct on (d.feature, l.factor) d.feature, l.factor, d.approved_at
from telemetry_device d join telemetry_latest l on l.device = d.id
where d.feature = any(%(features)s) and l.factor = any(%(factors)s)
order by d.feature, l.factor, l.at desc"""


def _figures(by: str, weights: list[int]) -> str:
    """By feature and part, and of everything with neither; a weight that is nowhere above zero weighs nothing."""
    feature = "null::uuid" if by == Custom.By.TIME else "feature"
    part = "null::timestamptz" if by == Custom.By.FEATURE else "date_trunc(%(part)s, at, 'Asia/Shanghai')"
    # Beside each other by window: the planner knows too little of the hours to join them with themselves.
    beside = "".join(
        f", max(coalesce(volume, mean)) filter (where factor = %(weight_{n})s) over (partition by feature, at) as w{n}"
        for n in range(len(weights))
    )
    cases = "".join(f" when factor = any(%(weighted_{n})s) and w{n} >= 0 then w{n}" for n in range(len(weights)))
    weight = f"case{cases} end" if cases else "null::float8"
    x, y = (
        f"coalesce(sum(weight * {turn}(mean)) / nullif(sum(weight) filter (where mean is not null), 0),"
        f" avg({turn}(mean)))"
        for turn in ("sind", "cosd")
    )
    return f"""
with sending as (
    select distinct on (d.feature, l.factor) d.feature, l.factor, l.device
    from telemetry_device d join telemetry_latest l on l.device = d.id
    where d.feature = any(%(features)s) and l.factor = any(%(sent)s)
    order by d.feature, l.factor, l.at desc
), hours as (
    select s.feature, s.factor, r.at, r.valid, case when r.valid then r.mean end as mean,
        case when r.valid then r.low end as low, case when r.valid then r.high end as high, r.total,
        case when s.factor = any(%(flows)s)
            then coalesce(r.total, case when r.valid then r.mean * 3.6 end) end as volume
    from sending s join telemetry_rollup r on r.device = s.device and r.factor = s.factor and r.span = %(hour)s
        and r.at >= %(begin)s and r.at < %(end)s
), spread as (
    select {feature} as feature, {part} as part, factor, valid, mean, low, high, total, volume{beside} from hours
), lines as (
    select feature, part, factor, valid, mean, low, high, {weight} as weight, case
            when factor = any(%(counters)s) then total
            when factor = any(%(flows)s) then volume
            when factor = any(%(loads)s) then mean * {weight} / 1000
        end as total
    from spread where factor = any(%(factors)s)
), sums as (
    select grouping(feature, part) as whole, feature, part, factor, min(low) as low, max(high) as high,
        sum(total) as total, count(*) filter (where valid) as valid,
        10 * log(avg(power(10::float8, least(mean, 1000) / 10)) filter (where factor = any(%(energy)s))) as level,
        {x} as x, {y} as y,
        coalesce(sum(weight * mean) / nullif(sum(weight) filter (where mean is not null), 0), avg(mean)) as mean
    from lines group by grouping sets ((feature, part, factor), (factor))
)
select case when whole = 0 then feature end, case when whole = 0 then part end, factor, case
        when factor = any(%(counters)s) then null
        when factor = any(%(energy)s) then level
        when factor = any(%(directions)s) then
            case when sqrt(x * x + y * y) > 1e-9 then (atan2d(x, y) + 360)::numeric %% 360 end
        else mean
    end::float8, case when factor = any(%(directions)s) then null else low end,
    case when factor = any(%(directions)s) then null else high end, total, valid
from sums"""  # noqa: S608
