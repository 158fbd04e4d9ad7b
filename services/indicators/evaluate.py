"""Working indicators out for all features of their layers, keeping what changed, and warning of what is over."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from services.alarms import kinds
from services.alarms.kinds import WarningKind
from services.alarms.models import Episode, Rule
from services.alarms.raising import end_others, raise_warning
from services.alarms.resting import resting
from services.catalog.layer import Layer, registry
from services.indicators import formulas, numbers
from services.indicators.models import Color, Indicator, Light, Threshold
from services.limits.rows import day_of

LOCK = 7_304_000
"""Advisory lock of whoever evaluates."""
SAID = gettext_noop("%(advice)s")
"""In English the English advice."""
LIT = (Color.RED, Color.YELLOW)


@dataclass(frozen=True)
class Found:
    """The value of a feature and its light."""

    value: float | None
    color: Color
    limit: float | None


def evaluate(now: datetime | None = None, only: int | None = None) -> int:
    """Work out the indicators that are switched on; how many lights changed. What fails stands on its row alone."""
    moment, changed = now or timezone.now(), 0
    rows = Indicator.objects.prefetch_related("thresholds").order_by("pk")
    for indicator in rows.filter(pk=only) if only else rows:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("select pg_advisory_xact_lock(%s, %s)", [LOCK, indicator.pk])
            changed += _one(indicator, moment)
    return changed


def keep_kind(indicator: Indicator) -> None:
    """The kind of warning that comes of an indicator, as it is now called."""
    kinds.keep("indicators", WarningKind(
        indicator.warning, indicator.name, indicator.layer, unit=indicator.unit, downward=indicator.downward,
    ))  # fmt: skip


def _one(indicator: Indicator, now: datetime) -> int:
    layer, threshold = registry.get(indicator.layer), indicator.threshold(day_of(now))
    if layer is None or threshold is None or not indicator.enabled:
        Light.objects.filter(indicator=indicator, current=True).update(current=False)
        _end(indicator, set(), now)
        return 0
    try:
        # What fails in one formula stops no other, whatever it is.
        with transaction.atomic():
            found = _found(indicator, layer, threshold, now)
    except Exception as error:
        Indicator.objects.filter(pk=indicator.pk).update(trouble=str(error)[:300] or type(error).__name__)
        return 0
    changed = _keep(indicator, found, now)
    _warn(indicator, found, now)
    Indicator.objects.filter(pk=indicator.pk).update(trouble="", evaluated_at=now)
    return changed


def _found(indicator: Indicator, layer: Layer, threshold: Threshold, now: datetime) -> dict[UUID, Found]:
    used = formulas.names(indicator.formula)
    counted = {key: number for key, number in numbers.declared(layer.key).items() if key in used}
    stored = [name for name in numbers.own(layer) if name in used and name not in counted]
    if unknown := used - counted.keys() - set(stored):
        raise ValueError(f"{', '.join(sorted(unknown))}?")
    values = {key: number.values(now) for key, number in counted.items()}
    rows = layer.rows().exclude(resting(layer.model, now)).values_list("pk", *stored)
    found = {}
    for pk, *own in rows:
        given: dict[str, Any] = dict(zip(stored, own, strict=True))
        given |= {key: values[key].get(pk, number.otherwise) for key, number in counted.items()}
        given = {key: None if value is None else float(value) for key, value in given.items()}
        value = formulas.value(indicator.formula, given)
        color = Color.NONE if value is None else threshold.color(value, indicator.downward)
        found[pk] = Found(value, color, threshold.yellow if color == Color.YELLOW else threshold.red)
    return found


def _keep(indicator: Indicator, found: dict[UUID, Found], now: datetime) -> int:
    """A row for each value that is new; of the others only until when they were found."""
    before = {row.feature_id: row for row in Light.objects.filter(indicator=indicator, current=True)}
    same = [
        row.pk for pk, row in before.items()
        if pk in found and (row.value, row.color, row.limit) == (found[pk].value, found[pk].color, found[pk].limit)
    ]  # fmt: skip
    Light.objects.filter(pk__in=same).update(until=now)
    kept = set(same)
    Light.objects.filter(pk__in=[row.pk for row in before.values() if row.pk not in kept]).update(current=False)
    there = {pk for pk, row in before.items() if row.pk in kept}
    Light.objects.bulk_create(
        Light(
            indicator=indicator, feature_id=pk, value=one.value, limit=one.limit, color=one.color, since=now, until=now
        )
        for pk, one in found.items()
        if pk not in there
    )
    return sum(pk not in before or before[pk].color != one.color for pk, one in found.items())


def _warn(indicator: Indicator, found: dict[UUID, Found], now: datetime) -> None:
    """Raise and end warnings; those that stand already as they are to be are left alone."""
    rule = Rule.objects.filter(key=indicator.warning).first()
    if rule is None:
        keep_kind(indicator)
    lit = {pk: one for pk, one in found.items() if one.color in LIT}
    _end(indicator, set(lit), now)
    if rule is not None and not rule.enabled:
        return
    rows = Episode.objects.filter(rule__key=indicator.warning, device=None, ended_at=None)
    standing = {row.feature_id: row for row in rows}
    for pk, one in lit.items():
        there = standing.get(pk)
        if there is not None and (there.value, there.limit) == (one.value, one.limit):
            continue
        given = {name: indicator.advice(one.color, code) for name, code in (("advice", "zh"), ("advice_en", "en"))}
        raise_warning(
            indicator.warning, feature=pk, at=now, level=one.color.value, value=one.value, limit=one.limit, text=SAID,
            given=given,
        )  # fmt: skip


def _end(indicator: Indicator, lit: set[UUID], now: datetime) -> None:
    if Rule.objects.filter(key=indicator.warning).exists():
        end_others(indicator.warning, {("", pk) for pk in lit}, now)
