"""The door by which any module puts a warning into the alarm centre and takes it back when it is over.

One warning stands for a kind, a feature and a subject, however often and from however many processes it is raised.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import IntegrityError, transaction
from django.utils import timezone

from gis.models import code_prefix
from services.alarms import telling
from services.alarms.models import URGENCY, Act, Episode, Level, Rule
from services.alarms.resting import resting
from services.alarms.sweeps import in_force
from services.alarms.words import filled
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex


@transaction.atomic
def raise_warning(
    key: str,
    subject: str = "",
    *,
    feature: UUID | None = None,
    at: datetime | None = None,
    level: str | None = None,
    text: str = "",
    given: Mapping[str, Any] | None = None,
    value: float | None = None,
    limit: float | None = None,
) -> Episode | None:
    """Warn of something, or say that it is still so; what comes again adds to the warning that stands.

    ``subject`` tells apart what is warned of at one feature (at most 100 characters), ``text`` is a text of gettext
    into which ``given`` is put (``words.word`` marks what of it is translated, too), ``level`` the rule's own where it
    is None. A level only rises while the warning stands. None where the office has switched the kind off, or not on for
    this region, feature, weekday or hour: one that stands ends with that. LookupError for a kind nobody declared,
    ValueError for a text that ``given`` does not fit, a level that is none, or a feature the kind does not concern.
    """
    moment = at or timezone.now()
    rule = _rule(key)
    if level is not None and level not in Level.values:
        raise ValueError(f"no level {level!r}; the levels are: {', '.join(Level.values)}")
    subject, level, text, values = subject[:100], level or rule.level, text[:1000], dict(given or {})
    _check(text, values)
    wanted, standing = _holds(rule, feature, moment), _standing(rule, subject, feature)
    if not wanted:
        if standing is not None:
            _end(standing, moment)
        return None
    if standing is None:
        made = Episode(
            rule=rule, feature_id=feature, subject=subject, level=level, began_at=moment, last_at=moment, count=1,
            value=value, peak=value, peak_at=None if value is None else moment, limit=limit,
        )  # fmt: skip
        try:
            with transaction.atomic():
                made.save(force_insert=True)
        except IntegrityError:
            # Somebody else raised it at the same moment.
            standing = _standing(rule, subject, feature)
            if standing is None:
                raise
        else:
            telling.told_of(made, Act.Kind.RAISED, value=value, text=text, given=values)
            return made
    _again(standing, moment, value, limit)
    if URGENCY[level] < URGENCY[standing.level]:
        standing.level = level
        standing.save(update_fields=["level"])
        telling.told_of(standing, Act.Kind.WORSENED, value=value, text=text, given=values)
    return standing


@transaction.atomic
def end_warning(key: str, subject: str = "", *, feature: UUID | None = None, at: datetime | None = None) -> bool:
    """Say that what was warned of is over; False where none stands. What people have to do stays to be done."""
    standing = _standing(_rule(key), subject[:100], feature)
    if standing is None:
        return False
    _end(standing, at or timezone.now())
    return True


@transaction.atomic
def end_others(key: str, still: Collection[tuple[str, UUID | None]], at: datetime | None = None) -> int:
    """End the warnings of a kind other than those of these subjects and features; how many.

    For whoever looks at everything at once and knows what is still so.
    """
    moment, kept, ended = at or timezone.now(), set(still), 0
    rows = Episode.objects.filter(rule=_rule(key), device=None, ended_at=None, late=False)
    for standing in rows.select_for_update(of=("self",)).select_related("rule").order_by("pk"):
        if (standing.subject, standing.feature_id) not in kept:
            _end(standing, moment)
            ended += 1
    return ended


araise_warning = sync_to_async(raise_warning)
"""The same for a program of asyncio."""
aend_warning = sync_to_async(end_warning)
aend_others = sync_to_async(end_others)


def _check(text: str, given: Mapping[str, Any]) -> None:
    try:
        filled(text, given)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{text!r} does not fit what was given: {error}") from error


def _rule(key: str) -> Rule:
    found = Rule.objects.filter(key=key, kind=Rule.Kind.MODULE).first()
    if found is None:
        raise LookupError(f"no kind of warning {key!r}: declare it in WARNINGS and migrate")
    return found


def _holds(rule: Rule, feature: UUID | None, at: datetime) -> bool:
    """Whether the office wants warnings of a rule at a feature at a moment; of what is gone or off duty never."""
    if (feature is None) != (rule.layer == ""):
        raise ValueError(f"{rule.key} is about {f'features of {rule.layer}' if rule.layer else 'the platform'}")
    if not rule.enabled or not in_force(rule, at):
        return False
    if feature is None:
        return True
    index = FeatureIndex.objects.filter(pk=feature).only("layer", "region_code").first()
    if index is None:
        return False
    if index.layer != rule.layer:
        raise ValueError(f"{rule.key} is about features of {rule.layer}, not of {index.layer}")
    if not index.region_code.startswith(code_prefix(rule.region)) or (rule.features and feature not in rule.features):
        return False
    layer = registry.by_key[rule.layer]
    return not layer.rows().filter(resting(layer.model, at), pk=feature).exists()


def _standing(rule: Rule, subject: str, feature: UUID | None) -> Episode | None:
    rows = Episode.objects.filter(
        rule=rule, device=None, feature=feature, subject=subject, ended_at=None, late=False
    )  # fmt: skip
    return rows.select_for_update(of=("self",)).select_related("rule").first()


def _again(standing: Episode, at: datetime, value: float | None, limit: float | None) -> None:
    standing.last_at, standing.count = max(standing.last_at, at), standing.count + 1
    if value is not None:
        standing.value = value
        worse = standing.peak is None or (value < standing.peak if standing.rule.downward else value > standing.peak)
        if worse:
            standing.peak, standing.peak_at = value, at
    if limit is not None:
        standing.limit = limit
    standing.save(update_fields=["last_at", "count", "value", "peak", "peak_at", "limit"])


def _end(standing: Episode, at: datetime) -> None:
    standing.ended_at = max(at, standing.began_at)
    standing.save(update_fields=["ended_at"])
    telling.told_of(standing, Act.Kind.ENDED)
