"""What the evaluator knows of devices and rules: which rule applies where, and with which limits."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.utils.functional import cached_property

from gis.models import code_prefix
from services.alarms.folding import Judge
from services.alarms.models import Rule
from services.alarms.resting import resting
from services.catalog.layer import registry
from services.limits import tables
from services.limits.rows import Limit, day_of, limit_at
from services.limits.standing import Backgrounds, Standing, standings
from services.telemetry.models import Factor
from services.telemetry.partitions import raw
from services.telemetry.spans import Span

SHORTEST_GAP = timedelta(minutes=10)
LENGTHS = {
    Span.HOUR: timedelta(hours=1), Span.DAY: timedelta(days=1), Span.DAYTIME: timedelta(days=1),
    Span.NIGHT: timedelta(days=1),
}  # fmt: skip
COMMIT = timedelta(seconds=60)
"""How long a reading may take from its receipt to its commit."""


class Place(NamedTuple):
    """A device, what it is bound to, and how often it sends."""

    device: int
    feature: UUID | None
    layer: str
    title: str
    region: str
    interval: int
    minute_span: int
    areas: frozenset[UUID] = frozenset()
    """Of the areas that rules name, those that it lies in."""
    standing: Standing = Standing()

    def step(self, span: Span) -> timedelta:
        """The usual time from one value of a span to the next."""
        own = {Span.REAL: self.interval, Span.MINUTE: 60 * self.minute_span}
        return LENGTHS.get(span) or timedelta(seconds=own[span])

    def grace(self, span: Span) -> timedelta:
        """How old a value may be that is not late yet; what comes later is judged apart."""
        return 3 * self.step(span) + COMMIT


def places(devices: Iterable[int]) -> dict[int, Place]:
    """The active devices with the features they are bound to; without those whose features rest."""
    rows = raw().execute(_PLACES, [list(devices)]).fetchall()
    found = {row[0]: Place._make((*row[:-1], frozenset(row[-1]), Standing())) for row in rows}
    by_layer: dict[str, list[Place]] = defaultdict(list)
    for place in found.values():
        by_layer[place.layer].append(place)
    for key, some in by_layer.items():
        layer = registry.get(key)
        if layer is None:
            continue
        known = standings(layer, {p.feature for p in some if p.feature})
        found.update((p.device, p._replace(standing=known[p.feature])) for p in some if p.feature)
        off = layer.rows().filter(resting(layer.model), pk__in=[p.feature for p in some])
        resting_now = set(off.values_list("pk", flat=True))
        for place in some:
            if place.feature in resting_now:
                del found[place.device]
    return found


def applies(rule: Rule, place: Place) -> bool:
    """Whether a rule holds where a device is."""
    return (
        rule.layer == place.layer
        and place.region.startswith(code_prefix(rule.region))
        and (not rule.features or place.feature in rule.features)
        and (rule.within is None or rule.within in place.areas)
    )


@dataclass
class Rules:
    """The rules of now, read once for a pass."""

    now: datetime
    only: Iterable[Rule] | None = None
    _limits: dict[str, list[Limit]] = field(default_factory=dict)
    _around: dict[str, Backgrounds] = field(default_factory=dict)

    @cached_property
    def all(self) -> list[Rule]:
        """Those that are switched on."""
        if self.only is not None:
            return list(self.only)
        return list(Rule.objects.filter(enabled=True).order_by("pk"))

    @cached_property
    def factors(self) -> dict[int, tuple[str, str]]:
        """Number of a factor → its code and how it is averaged."""
        return {pk: (code, kind) for pk, code, kind in Factor.objects.values_list("pk", "code", "averaging")}

    def at(self, place: Place, kinds: Iterable[str], span: Span | None = None) -> list[Rule]:
        """The rules of some kinds that apply to a device."""
        return [
            rule
            for rule in self.all
            if rule.kind in kinds and (span is None or rule.span == span) and applies(rule, place)
        ]

    def judge(self, rule: Rule, place: Place, given: Callable[[datetime], dict[str, float]]) -> Judge:
        """A rule made ready for a device; ``given`` tells what else was measured there at a moment."""
        code, averaging = self.factors.get(rule.factor_id or 0, ("", ""))
        step = place.step(Span(rule.span))
        window = timedelta(minutes=rule.window)
        texts = (("red", rule.red_when), ("orange", rule.orange_when), ("yellow", rule.yellow_when))
        return Judge(
            rule.condition, rule.clear, rule.level, tuple((level, text) for level, text in texts if text),
            timedelta(minutes=rule.for_minutes), max(1, rule.n_least), timedelta(minutes=rule.clear_minutes), window,
            window / step if window else 1.0, averaging == Factor.Averaging.ENERGY, rule.downward,
            rule.kind == Rule.Kind.QUALITY, rule.period, rule.weekdays, max(SHORTEST_GAP, 3 * step),
            self._limit(rule, place, code, given),
        )  # fmt: skip

    def givens(self, rule: Rule) -> set[str]:
        """Codes of the factors on which the rule's limits depend."""
        return {row.given for row in self.rows(rule.standard) if row.given} if rule.standard else set()

    def rows(self, standard: str) -> list[Limit]:
        """The limits of a standard."""
        if standard not in self._limits:
            self._limits[standard] = tables.limits(standard)
        return self._limits[standard]

    def _limit(
        self, rule: Rule, place: Place, code: str, given: Callable[[datetime], dict[str, float]]
    ) -> Callable[[datetime], Limit | None]:
        def in_force(at: datetime) -> bool:
            day = day_of(at)
            return rule.valid_from <= day and (rule.valid_to is None or day < rule.valid_to)

        if not rule.standard:
            fixed = Limit("", "", code, 0, rule.threshold, rule.valid_from, "")
            return lambda at: fixed if rule.threshold is not None and in_force(at) else None

        rows = [row for row in self.rows(rule.standard) if row.factor == code]
        around = self._around.setdefault(place.layer, Backgrounds(place.layer))

        def limit(at: datetime) -> Limit | None:
            if not in_force(at):
                return None
            row = limit_at(
                rows, code, at, minutes=rule.minutes, grade=rule.grade or place.standing.grade,
                stage=rule.stage or place.standing.stage(at), region=place.region, given=given(at),
            )  # fmt: skip
            return around.above(row, place.feature, place.region, at, Span(rule.span))

        return limit


def texts(rule: Rule) -> dict[str, Any]:
    """What a rule says, for the audit trail."""
    skipped = ("id", "version", "trouble", "updated_at")
    return {f.name: getattr(rule, f.attname) for f in rule._meta.concrete_fields if f.name not in skipped}


_PLACES = """
select d.id, d.feature, coalesce(i.layer, ''), coalesce(i.title, ''), coalesce(i.region_code, ''), d.interval,
    d.minute_span, array(
        select a.id from catalog_featureindex a
        where a.id in (select r.within from alarms_rule r where r.within is not null) and ST_Covers(a.geom, i.geom)
    )
from telemetry_device d left join catalog_featureindex i on i.id = d.feature
where d.id = any(%s) and d.state = 'active'"""
