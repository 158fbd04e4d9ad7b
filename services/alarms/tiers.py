"""Handling by level: what happens by itself to the alarms of each level, and until when what has to be done."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from services.access.errors import Invalid, Refused
from services.access.principal import Principal
from services.alarms import governing
from services.alarms.models import URGENCY, Deadline, Rule, Tier
from services.audit import trail


def tiers() -> list[Tier]:
    """The tiers, the most urgent first."""
    return sorted(Tier.objects.all(), key=lambda tier: URGENCY[tier.level])


def deadlines(level: str) -> list[Deadline]:
    """The deadlines of a level that hold for every rule without its own."""
    return list(Deadline.objects.filter(rule=None, level=level))


@transaction.atomic
def save(principal: Principal, tier: Tier, kept: Iterable[Deadline], gone: Iterable[Deadline]) -> None:
    """Write a tier with its deadlines; Refused to anybody but administrators, Invalid where something cannot be."""
    if not principal.is_admin:
        raise Refused(_("分级管控由系统管理员维护。"))
    before = _tier(Tier.objects.select_for_update().get(pk=tier.pk))
    _clean(tier)
    tier.save()
    changes = {name: [before[name], value] for name, value in _tier(tier).items() if before[name] != value}
    changes.update(_write(kept, gone, {"level": tier.level, "rule": None}))
    if changes:
        trail.note(
            principal.id, principal.name, "change tier", layer="tier", object_id=tier.level, changes=changes,
            address=principal.address,
        )  # fmt: skip


@transaction.atomic
def save_own(principal: Principal, rule: Rule, kept: Iterable[Deadline], gone: Iterable[Deadline]) -> None:
    """Write the deadlines of a rule, which then holds by these alone; Refused outside one's reach."""
    if not governing.may_write(principal, rule.layer, rule.region):
        raise Refused(_("需要对该图层在该行政区内全部要素的修改权限。"))
    changes = _write(kept, gone, {"rule": rule})
    if changes:
        trail.note(
            principal.id, principal.name, "change rule", layer="rule", object_id=rule.pk, changes=changes,
            address=principal.address,
        )  # fmt: skip


def _write(kept: Iterable[Deadline], gone: Iterable[Deadline], of: dict[str, Any]) -> dict[str, list[str]]:
    """Delete and write rows of what they belong to; what there was and is, for the audit trail."""
    before = _texts(of)
    for row in gone:
        row.delete()
    for row in kept:
        for name, value in of.items():
            setattr(row, name, value)
        _clean(row)
        if row.raise_to and URGENCY[row.raise_to] >= URGENCY[row.level]:
            raise Invalid(_("只能升级为更紧急的级别。"), {"raise_to": [_("只能升级为更紧急的级别。")]})
        row.save()
    after = _texts(of)
    return {} if before == after else {"deadlines": [before, after]}


def _texts(of: dict[str, Any]) -> str:
    return "；".join(
        f"{row} → {', '.join(row.roles)}{f' → {row.raise_to}' if row.raise_to else ''}"
        for row in Deadline.objects.filter(**of)
    )


def _clean(row: Tier | Deadline) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise Invalid(_("填写的内容有误。"), error.message_dict) from error


def _tier(tier: Tier) -> dict[str, Any]:
    return {
        "roles": ", ".join(tier.roles), "assign_role": tier.assign_role, "close_minutes": tier.close_minutes,
    }  # fmt: skip
