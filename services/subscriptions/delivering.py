"""Sending what is due to each system: in order, one at a time for each, again until it is taken.

A repeat is possible where we are killed between the other side's taking an event and our noting so; it carries the same
id. A system that does not answer waits longer and longer, and holds up nobody but itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from services.access.principal import principals
from services.alarms.actions import episodes
from services.alarms.models import URGENCY
from services.audit import trail
from services.catalog.sealed import CannotOpen, opened
from services.notify.errors import ChannelError
from services.notify.outbound import Answer, exchange
from services.subscriptions import warnings
from services.subscriptions.events import encoded, event, headers
from services.subscriptions.models import Delivery, Subscription

LOCK = 0x7A687375
"""First key of the advisory locks; the second is the subscription. The connection's end frees it."""
BATCH = 100
FIRST, LONGEST = 5, 600
"""Seconds until the first repeat, which double up to the longest."""
KEPT = timedelta(days=7)
"""How long an event waits for a system that does not take it."""
REMEMBERED = timedelta(days=30)
"""How long it stays in the list afterwards."""
NOT_THIS = {400, 409, 413, 415, 422}
"""The other side understood and does not want this event: the next ones go on."""
GONE = 410
"""The other side wants no more."""


def waiting() -> list[int]:
    """The subscriptions that have something to send now."""
    due = Delivery.objects.filter(subscription=OuterRef("pk"), state=Delivery.State.DUE)
    rows = Subscription.objects.filter(Q(next_at=None) | Q(next_at__lte=timezone.now()), Exists(due), enabled=True)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def deliver(pk: int) -> int:
    """Send to one system what is due until nothing is, or until it does not answer; how many events it took."""
    taken = 0
    with _alone(pk) as mine:
        while mine and (subscription := _ready(pk)) is not None:
            rows = list(_due(subscription)[:BATCH])
            if not rows:
                break
            wanted = _wanted(subscription, rows)
            for row in rows:
                if row.pk not in wanted:
                    row.delete()
                elif _sent(subscription, row):
                    taken += row.state == Delivery.State.DELIVERED
                else:
                    return taken
    return taken


def post(subscription: Subscription, body: bytes, identifier: str) -> Answer:
    """Post one signed event; raises ChannelError where it cannot be handed over at all."""
    try:
        secret = opened(subscription.secret)
    except CannotOpen as error:
        raise ChannelError("the signing key cannot be opened: make a new one") from error
    return exchange("POST", subscription.url, body, headers(secret, identifier, body, timezone.now()), plain=True)


def said(answer: Answer) -> str:
    """An answer in a line."""
    text = answer.body[:200].decode("utf-8", "replace").strip()
    return f"HTTP {answer.status}{f': {text}' if text and not 200 <= answer.status < 300 else ''}"[:300]


def sweep() -> None:
    """Give up what nobody took for a week, and forget what is long done."""
    now = timezone.now()
    Delivery.objects.filter(state=Delivery.State.DUE, created_at__lt=now - KEPT).update(
        state=Delivery.State.EXPIRED, done_at=now
    )
    Delivery.objects.exclude(state=Delivery.State.DUE).filter(created_at__lt=now - REMEMBERED).delete()


@contextmanager
def _alone(pk: int) -> Iterator[bool]:
    """Whether this connection alone sends to a system, and keeps it so."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s, %s)", [LOCK, pk])
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("select pg_advisory_unlock(%s, %s)", [LOCK, pk])


def _ready(pk: int) -> Subscription | None:
    """The subscription as it is now, where it may send."""
    row = Subscription.objects.filter(pk=pk, enabled=True).first()
    return row if row is not None and (row.next_at is None or row.next_at <= timezone.now()) else None


def _due(subscription: Subscription) -> QuerySet[Delivery]:
    rows = Delivery.objects.filter(subscription=subscription, state=Delivery.State.DUE).order_by("id")
    return rows.select_related("act", *(f"act__episode__{name}" for name in ("rule", "factor", "feature")))


def _wanted(subscription: Subscription, rows: list[Delivery]) -> set[int]:
    """Those that the account may see now, and that the subscription is about."""
    principal = principals([subscription.user_id]).get(subscription.user_id)
    if principal is None:
        return set()
    seen = episodes(principal, withdrawn=True).filter(pk__in={row.act.episode_id for row in rows})
    if subscription.layers:
        seen = seen.filter(feature__layer__in=subscription.layers)
    keys = set(seen.values_list("pk", flat=True))
    least = URGENCY[subscription.level]
    return {row.pk for row in rows if row.act.episode_id in keys and URGENCY[row.act.level] <= least}


def _sent(subscription: Subscription, row: Delivery) -> bool:
    """Send one event and note what came of it; whether the next may follow."""
    row.attempts += 1
    body = encoded(event(row.act, subscription.language))
    try:
        answer = post(subscription, body, str(row.act_id))
    except ChannelError as error:
        return _held(subscription, row, str(error))
    row.answer = said(answer)
    if 200 <= answer.status < 300:
        return _done(subscription, row, Delivery.State.DELIVERED)
    if answer.status in NOT_THIS:
        return _done(subscription, row, Delivery.State.REFUSED)
    if answer.status == GONE:
        row.save(update_fields=["attempts", "answer"])
        Subscription.objects.filter(pk=subscription.pk).update(enabled=False, trouble=row.answer, failures=0)
        trail.note(None, "", "gone subscription", layer="subscription", object_id=subscription.pk)
        warnings.recovered()
        return False
    return _held(subscription, row, row.answer)


def _done(subscription: Subscription, row: Delivery, state: str) -> bool:
    now = timezone.now()
    row.state, row.done_at = state, now
    row.save(update_fields=["state", "attempts", "answer", "done_at"])
    Subscription.objects.filter(pk=row.subscription_id).update(success_at=now, failures=0, trouble="", next_at=None)
    if subscription.failures:
        warnings.recovered()
        subscription.failures = 0
    return True


def _held(subscription: Subscription, row: Delivery, text: str) -> bool:
    """The system does not take events now: this one and those behind it wait."""
    row.answer = text[:300]
    row.save(update_fields=["attempts", "answer"])
    wait = min(LONGEST, FIRST * 2 ** min(subscription.failures, 10))
    Subscription.objects.filter(pk=subscription.pk).update(
        failures=F("failures") + 1, trouble=row.answer, next_at=timezone.now() + timedelta(seconds=wait)
    )
    warnings.failing(subscription, subscription.failures + 1, row.answer)
    return False
