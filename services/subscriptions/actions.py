"""What an administrator does with subscriptions: settle, switch, try, send again, take away. All audited."""

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.audit import trail
from services.audit.models import Entry
from services.catalog.sealed import HIDDEN
from services.notify.errors import ChannelError
from services.notify.outbound import listed, split
from services.subscriptions import delivering, events, warnings
from services.subscriptions.models import Delivery, Subscription

EDITED = ("name", "note", "url", "user", "level", "layers", "acts", "language")
KIND = "subscription"
"""How the audit trail calls one."""


def require(principal: Principal) -> None:
    """Raise NotFound for everybody but administrators: who hears of alarms elsewhere is nobody else's business."""
    if not principal.is_admin:
        raise NotFound(_("没有这个页面。"))


def visible(principal: Principal) -> QuerySet[Subscription]:
    """The subscriptions with what waits, was refused and was given up."""
    require(principal)
    numbers = {state: Count("deliveries", filter=Q(deliveries__state=state)) for state in ("due", "refused", "expired")}
    return Subscription.objects.select_related("user").annotate(**numbers)


def fetch(principal: Principal, pk: int) -> Subscription:
    """A subscription; NotFound where it is not there or not for this principal."""
    found = visible(principal).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("没有这个告警推送。"))
    return found


@transaction.atomic
def save(principal: Principal, pk: int | None, values: dict[str, Any]) -> tuple[Subscription, str]:
    """Create or change one; the second part is the new one's signing key, which is shown only now.

    Invalid names each field that cannot be, among them an address whose host is not listed.
    """
    require(principal)
    row = Subscription() if pk is None else _locked(principal, pk)
    before = {name: _plain(getattr(row, name, None)) for name in values} if pk is not None else {}
    for name in EDITED:
        if name in values:
            setattr(row, name, values[name])
    _check(row)
    key = "" if row.secret else events.new_secret()
    row.secret = row.secret or key
    # What was wrong may be mended: nobody should wait for the next try.
    row.failures, row.next_at = 0, None
    row.save()
    warnings.recovered()
    changes = {name: [before.get(name), _plain(getattr(row, name))] for name in values}
    _note(
        principal,
        f"{'create' if pk is None else 'change'} {KIND}",
        row,
        {n: c for n, c in changes.items() if c[0] != c[1]},
    )
    return row, key


@transaction.atomic
def switch(principal: Principal, pk: int, on: bool) -> Subscription:
    """Switch one on or off. While it is off, nothing is gathered for it; what waited goes out when it is on again."""
    row = _locked(principal, pk)
    if row.enabled != on:
        row.enabled, row.failures, row.trouble, row.next_at = on, 0, "", None
        row.save(update_fields=["enabled", "failures", "trouble", "next_at"])
        warnings.recovered()
        _note(principal, f"switch {KIND}", row, {"enabled": [not on, on]})
    return row


@transaction.atomic
def new_secret(principal: Principal, pk: int) -> str:
    """A new signing key; the one before it no longer signs. It is shown only now."""
    row = _locked(principal, pk)
    row.secret = events.new_secret()
    row.save(update_fields=["secret"])
    _note(principal, f"new key of {KIND}", row, {"secret": [HIDDEN, HIDDEN]})
    return row.secret


def trial(principal: Principal, pk: int) -> tuple[bool, str]:
    """Send an event that tells nothing; whether the other side took it, and what it said."""
    row = fetch(principal, pk)
    identifier = f"ping-{secrets.token_hex(8)}"
    try:
        body = events.encoded(events.ping(identifier, timezone.now()))
        answer = delivering.post(row, body, identifier)
    except ChannelError as error:
        return False, str(error)
    return 200 <= answer.status < 300, delivering.said(answer)


@transaction.atomic
def again(principal: Principal, pk: int) -> int:
    """Send at once what waits, and once more what was refused or given up; how many events those are."""
    row = _locked(principal, pk)
    lost = [Delivery.State.REFUSED, Delivery.State.EXPIRED]
    Delivery.objects.filter(subscription=row, state__in=lost).update(
        state=Delivery.State.DUE, done_at=None, created_at=timezone.now()
    )
    Subscription.objects.filter(pk=pk).update(next_at=None, failures=0)
    number = Delivery.objects.filter(subscription=row, state=Delivery.State.DUE).count()
    _note(principal, f"send {KIND} again", row, {"deliveries": [None, number]})
    return number


@transaction.atomic
def delete(principal: Principal, pk: int) -> None:
    """Take one away with what waits for it."""
    row = _locked(principal, pk)
    _note(principal, f"delete {KIND}", row, {"name": [row.name, None], "url": [row.url, None]})
    row.delete()
    warnings.recovered()


def history(row: Subscription, most: int = 20) -> list[Entry]:
    """The latest entries of the audit trail about one."""
    return list(Entry.objects.filter(layer=KIND, object_id=str(row.pk))[:most])


def _check(row: Subscription) -> None:
    problems: dict[str, list[str]] = {}
    try:
        row.full_clean(exclude=["secret"])
    except ValidationError as error:
        problems = error.message_dict
    if "url" not in problems and not _is_listed(row.url):
        problems["url"] = [_("该主机不在允许的外部主机名单中。")]
    if problems:
        raise Invalid(_("填写的内容有误。"), problems)


def _is_listed(url: str) -> bool:
    try:
        host, port, _path = split(url, plain=True)
        listed(host, port)
    except ChannelError:
        return False
    return True


def _locked(principal: Principal, pk: int) -> Subscription:
    require(principal)
    row = Subscription.objects.select_for_update().filter(pk=pk).first()
    if row is None:
        raise NotFound(_("没有这个告警推送。"))
    return row


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, list, type(None))) else str(value)


def _note(principal: Principal, action: str, row: Subscription, changes: dict[str, Any]) -> None:
    trail.note(principal.id, principal.name, action, layer=KIND, object_id=row.pk, changes=changes)
