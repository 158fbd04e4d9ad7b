"""Who may write rules, writing them, and what a rule would have found: rules are rows, and every change is audited."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access import gate
from services.access.errors import Invalid, NotFound, Refused
from services.access.principal import Principal
from services.accounts.models import User
from services.alarms.evaluate import replay
from services.alarms.models import Rule
from services.alarms.places import applies, places, texts
from services.audit import trail
from services.catalog.layer import Layer, registry
from services.telemetry.devices import measured_layers, present_layers, visible
from services.telemetry.models import Device

DRY_DAYS = 7
MOST_SECONDS = 4.0
"""How long a dry run may take; it says how many devices it got through."""


def rules(principal: Principal) -> list[Rule]:
    """The rules of the layers that a principal may see; for an administrator those of the platform, too."""
    keys = [layer.key for layer in registry if gate.may(principal, layer)]
    if principal.is_admin:
        keys.append("")
    return list(Rule.objects.filter(layer__in=keys).select_related("factor"))


def layers(principal: Principal) -> list[Layer]:
    """The layers for which a principal may write rules somewhere."""
    return [layer for layer in dict.fromkeys((*measured_layers(), *present_layers())) if _reach(principal, layer)]


def may_write(principal: Principal, layer: str, region: str) -> bool:
    """Whether a principal may write a rule for a layer in a region: who may change all its features there.

    Rules about the platform itself, of no layer, are for administrators.
    """
    if not layer:
        return principal.is_admin
    found = registry.get(layer)
    return found is not None and any(region.startswith(prefix) for prefix in _reach(principal, found))


def fetch(principal: Principal, pk: int) -> Rule:
    """A rule of a layer that the principal may see."""
    found = Rule.objects.select_related("factor").filter(pk=pk).first()
    layer = registry.get(found.layer) if found else None
    seen = gate.may(principal, layer) if layer else principal.is_admin and found is not None and not found.layer
    if found is None or not seen:
        raise NotFound(_("没有这条规则。"))
    return found


@transaction.atomic
def save(principal: Principal, rule: Rule, users: Iterable[User] | None = None) -> Rule:
    """Write a rule that was changed or is new; Refused outside one's reach, Invalid where it cannot be."""
    before: dict[str, Any] = {}
    if rule.pk is not None:
        stored = Rule.objects.select_for_update().get(pk=rule.pk)
        if not may_write(principal, stored.layer, stored.region):
            raise Refused(_("需要对该图层在该行政区内全部要素的修改权限。"))
        before, rule.version = texts(stored), stored.version + 1
    if not may_write(principal, rule.layer, rule.region):
        raise Refused(_("需要对该图层在该行政区内全部要素的修改权限。"))
    rule.trouble = ""
    try:
        rule.full_clean()
    except ValidationError as error:
        raise Invalid(_("填写的内容有误。"), error.message_dict) from error
    new = rule.pk is None
    rule.save()
    changes = {
        name: [_plain(before.get(name)), _plain(value)]
        for name, value in texts(rule).items()
        if new or before.get(name) != value
    }
    if users is not None:
        people = sorted(users, key=lambda user: user.username)
        earlier = sorted(rule.users.values_list("username", flat=True))
        if (names := [user.username for user in people]) != earlier:
            changes["users"] = [", ".join(earlier), ", ".join(names)]
            rule.users.set(people)
    trail.note(
        principal.id, principal.name, "create rule" if new else "change rule", layer="rule", object_id=rule.pk,
        changes=changes, address=principal.address,
    )  # fmt: skip
    return rule


def switch(principal: Principal, pk: int, on: bool) -> Rule:
    """Switch a rule on or off; its open alarms end with the next value."""
    rule = fetch(principal, pk)
    rule.enabled = on
    return save(principal, rule)


@dataclass(frozen=True)
class DryRun:
    """What a rule would have found in the last days."""

    episodes: int
    devices: int
    of: int
    """Devices to which it applies; fewer were gone through where time ran out."""
    days: int


def dry_run(principal: Principal, rule: Rule, now: datetime | None = None) -> DryRun:
    """How many episodes a rule would have raised at the devices that a principal sees; writes nothing."""
    if rule.kind not in (Rule.Kind.MEASURE, Rule.Kind.QUALITY):
        raise Invalid(_("只有监测值和数据质量的规则可以试算。"))
    end = now or timezone.now()
    begin = end - timedelta(days=DRY_DAYS)
    mine = visible(principal).filter(state=Device.State.ACTIVE).order_by("pk").values_list("pk", flat=True)
    wanted = [place.device for place in places(list(mine)).values() if applies(rule, place)]
    found = done = 0
    until = time.monotonic() + MOST_SECONDS
    for device in wanted:
        folded = replay(rule, [device], begin, end).values()
        if trouble := next((each.trouble for each in folded if each.trouble), ""):
            raise Invalid(_("条件不能计算：%s") % trouble)
        found += sum(len(each.runs) for each in folded)
        done += 1
        if time.monotonic() > until:
            break
    return DryRun(found, done, len(wanted), DRY_DAYS)


def _reach(principal: Principal, layer: Layer) -> list[str]:
    """The region prefixes within which a principal may change every feature of a layer."""
    return [
        holding.region
        for holding in principal.holdings
        if holding.by_region and gate.granted(layer, holding.role, "change")
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
