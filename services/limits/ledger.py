"""The ledger of exceedances: which valid means of a time were over the limit in force when they were measured."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.catalog.models import Feature, FeatureIndex
from services.limits import standing
from services.limits.rows import ZONE, Limit, limit_at
from services.limits.tables import limits
from services.telemetry.models import Factor
from services.telemetry.reports import Heading, Line, Period, Report, Sheet
from services.telemetry.spans import Span

MOST = 2_000
"""Lines of one ledger; a shorter time shows the others."""


class Judged(NamedTuple):
    """Means of one factor and span that are held against the limits of a standard over ``minutes``."""

    factor: str
    span: Span
    standard: str
    minutes: int


class Exceedance(NamedTuple):
    """A mean that was over its limit; ``at`` is where its span begins."""

    feature: FeatureIndex
    at: datetime
    judged: Judged
    value: float
    limit: Limit


_SHIFTS = {Span.DAYTIME: timedelta(hours=12), Span.NIGHT: timedelta(hours=22)}
"""Day and night of noise are kept at midnight; their limits hold at noon and in the night that begins on the day."""


def exceedances(
    principal: Principal,
    layer: Layer,
    judged: Sequence[Judged],
    begin: datetime,
    end: datetime,
    grade: Callable[[FeatureIndex], str] = lambda feature: "",
    *,
    among: Collection[UUID] | None = None,
    most: int | None = MOST,
) -> list[Exceedance]:
    """The ``most`` newest, the newest first, of the features of a layer that the principal sees, or of some of them.

    The number of queries does not depend on how many there are.

    Only valid means count, a limit that is just reached is kept, and a value without a limit exceeds none.
    """  # fmt: skip
    standards = {name: limits(name) for name in {each.standard for each in judged}}
    index = gate.restrict_index(principal, [layer]).defer("geom", "text", "grams")
    features = {row.pk: row for row in (index if among is None else index.filter(pk__in=among))}
    regions = {feature.region_code for feature in features.values()}
    grades = {grade(feature) for feature in features.values()}
    rows = {
        each: [
            row
            for row in _rows(standards[each.standard], each, regions)
            if row.grade in ("", *grades) and _in_force(row, begin, end)
        ]
        for each in judged
    }
    least = {each: value for each, found in rows.items() if (value := standing.least(found)) is not None}
    places = list(least)
    keys: dict[str, Any] = {
        "features": list(features), "begin": begin, "end": end, "codes": [each.factor for each in places],
        "spans": [int(each.span) for each in places], "least": [least[each] for each in places],
        "places": list(range(len(places))),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_OVER, keys)
        found = cursor.fetchall()
        needed = sorted({row.given for some in rows.values() for row in some if row.given})
        known: dict[tuple[object, datetime, int], dict[str, float]] = {}
        if needed and found:
            cursor.execute(_GIVEN, keys | {"codes": needed})
            for feature, at, span, code, value in cursor.fetchall():
                known.setdefault((feature, at, span), {})[code] = value
    over = []
    standings = standing.standings(layer, {row[0] for row in found})
    around = standing.Backgrounds(layer.key)
    for each in places:
        hours = {at for _key, at, place, _value in found if places[place] == each}
        if hours and any(row.over_background for row in rows[each]):
            around.read(each.factor, regions, hours)
    for key, at, place, value in found:
        each, feature = places[place], features[key]
        when = at + _SHIFTS.get(each.span, timedelta(0))
        limit = limit_at(
            rows[each], each.factor, when, minutes=each.minutes, grade=grade(feature),
            stage=standings[key].stage(when), region=feature.region_code, given=known.get((key, at, int(each.span))),
        )  # fmt: skip
        limit = around.above(limit, key, feature.region_code, at, each.span)
        if limit is not None and limit.value is not None and value > limit.value:
            over.append(Exceedance(feature, at, each, value, limit))
            if len(over) == most:
                break
    return over


class Ledger(Report):
    """The report of what was over its limit in a layer: which means are judged, and as of what class each feature."""

    judged: ClassVar[Sequence[Judged]]

    def grade(self, principal: Principal) -> Callable[[FeatureIndex], str]:
        """The class of a standard by which a feature is judged."""
        return lambda feature: ""

    def sheet(self, principal: Principal, time: Period, feature: Feature | None) -> Sheet:
        return sheet(self.found(principal, time.begins_at, time.ends_at), time)

    def found(
        self, principal: Principal, begin: datetime, end: datetime, among: Collection[UUID] | None = None,
        most: int | None = MOST,
    ) -> list[Exceedance]:  # fmt: skip
        """What was over its limit between two moments."""
        return exceedances(principal, self.of, self.judged, begin, end, self.grade(principal), among=among, most=most)


def sheet(found: Iterable[Exceedance], time: Period) -> Sheet:
    """The ledger as a report: what, when, how much, which limit, and by how much."""
    factors = {factor.code: factor for factor in Factor.objects.all()}
    lines = []
    for each in found:
        factor = factors[each.judged.factor]
        limit = each.limit.value or 0.0
        lines.append(Line([
            _when(each), each.feature.title, str(factor), str(each.judged.span.label),
            f"{each.value:.{factor.digits}f}", f"{limit:g}", factor.unit, 100 * (each.value - limit) / limit,
            each.limit.citation,
        ], (each.feature.layer, each.feature.pk)))  # fmt: skip
    headings = [
        Heading(_("时间")), Heading(_("监测点")), Heading(_("监测因子")), Heading(_("时段")), Heading(_("监测值")),
        Heading(_("限值")), Heading(_("计量单位")), Heading(_("超出"), "%", 1), Heading(_("依据")),
    ]  # fmt: skip
    notes = [
        _("只判定有效的均值；按监测时施行的限值判定，刚好达到限值不算超标。"),
        _("夜间为当日22:00至次日06:00。"),
    ]
    if len(lines) == MOST:
        notes.append(_("只列出最近的%d条，请缩短报表周期。") % MOST)
    return Sheet(headings, lines, notes=notes)


def _rows(found: list[Limit], judged: Judged, regions: Iterable[str]) -> list[Limit]:
    """The limits that may hold in the regions; a background is known of hours, so one over it holds for hours only."""
    return [
        row
        for row in found
        if (row.factor, row.minutes) == (judged.factor, judged.minutes)
        and (not row.over_background or judged.span == Span.HOUR)
        and (not row.region or any(region.startswith(row.region) for region in regions))
    ]


def _in_force(row: Limit, begin: datetime, end: datetime) -> bool:
    """Whether a limit holds on some day between two moments."""
    first, last = (moment.astimezone(ZONE).date() for moment in (begin, end))
    return row.valid_from <= last and (row.valid_to is None or first < row.valid_to)


def _when(each: Exceedance) -> str:
    local = each.at.astimezone(ZONE)
    return f"{local:%Y-%m-%d %H:00}" if each.judged.span == Span.HOUR else f"{local:%Y-%m-%d}"


_OVER = """
select d.feature, r.at, j.place, r.mean
from unnest(%(codes)s::text[], %(spans)s::int2[], %(least)s::float8[], %(places)s::int4[]) j (code, span, least, place)
join telemetry_factor f on f.code = j.code
join telemetry_device d on d.feature = any(%(features)s)
join telemetry_rollup r on r.device = d.id and r.factor = f.id and r.span = j.span
where r.at >= %(begin)s and r.at < %(end)s and r.valid and r.mean > j.least
order by r.at desc, d.feature, j.place"""
_GIVEN = """
select d.feature, r.at, r.span, f.code, r.mean from telemetry_device d
join telemetry_rollup r on r.device = d.id join telemetry_factor f on f.id = r.factor and f.code = any(%(codes)s)
where d.feature = any(%(features)s) and r.span = any(%(spans)s) and r.at >= %(begin)s and r.at < %(end)s
    and r.mean is not null"""
