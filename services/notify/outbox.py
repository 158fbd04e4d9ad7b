"""The outbox: messages are written in the caller's transaction and sent by workers afterwards.

What is rolled back never goes out. A worker holds one row at a time under a lease; when it is killed, the row is due
again after the lease, and the one message that it was handing over may arrive twice: between the other side's taking
it and our noting so, nobody can know. Such a repeat carries the same Message-ID or Idempotency-Key.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from services.accounts.models import User
from services.notify import absence, jobs
from services.notify.channels import ADAPTERS, adapter_of
from services.notify.errors import ChannelError, Refused, Unreachable
from services.notify.models import PERSONAL, Channel, Contact, Delivery, Kind, Level, Message, Template
from services.notify.wording import SUBJECT_LIMIT, check_variables, plain, worded

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=120)
"""How long a worker may hold a row before another one takes it (F03); a send takes 30 to 90 seconds at worst."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
TRIES = 10
"""With these pauses, about three hours."""

REST = timedelta(seconds=60)
"""How long a channel is left alone that does not answer, so that one dead server does not hold up the others."""

MINUTE = timedelta(seconds=60)
Text = dict[tuple[str, str], Template]


@transaction.atomic
def notify(
    recipients: Iterable[User | Channel],
    template_key: str,
    variables: Mapping[str, Any],
    level: str = Level.NONE,
    link: str = "",
    dedupe_key: str = "",
) -> list[Message]:
    """Write a message for each recipient, and its deliveries, in the caller's transaction; return the new messages.

    A recipient is a user, who gets it in the product and by the ways of the contact, or a channel of a group. Of who is
    off duty the deputy gets it, too, and by the ways of the contact only they. ``link`` is a path of the product. A
    recipient who has a message with this ``dedupe_key`` gets no second one. Raises ValueError for an unknown variable,
    level or a link elsewhere; a message that has no template is sent unworded. Variables whose words have translations
    (lazy ones, models) come out in the language of each recipient.
    """
    check_variables(variables)
    if level not in Level.values:
        raise ValueError(f"no level {level!r}; the levels are: {', '.join(Level.values)}")
    if link and (not link.startswith("/") or link[1:2] in ("/", "\\") or len(link) > 500):
        raise ValueError(f"the link {link!r} is not a path of the product")
    # In one order, so that two callers with the same key wait for each other and never deadlock.
    everybody = sorted(set(recipients), key=lambda one: str(one.pk))
    users = [one for one in everybody if isinstance(one, User) and one.is_active]
    users, instead, stands_for = _with_deputies(users)
    groups = [one for one in everybody if isinstance(one, Channel)]
    kept = {row.user_id: row for row in Contact.objects.filter(user__in=users).select_related("user")}
    contacts = {user.pk: kept.get(user.pk) or Contact(user=user) for user in users}
    texts: Text = {(row.channel, row.language): row for row in Template.objects.filter(key=template_key)}
    variables = {**variables, "link": _absolute(link)}

    messages = []
    for user in users:
        said = _text(texts, template_key, Kind.IN_APP, contacts[user.pk].language, level, variables)
        said = _for(stands_for, user, contacts[user.pk].language, said)
        messages.append(_message(said, level, link, dedupe_key, user=user))
    for group in groups:
        said = _text(texts, template_key, group.kind, group.language, level, variables)
        messages.append(_message(said, level, link, dedupe_key, group=group))
    Message.objects.bulk_create(messages, ignore_conflicts=True)
    if dedupe_key:
        written = set(Message.objects.filter(pk__in=[m.pk for m in messages]).values_list("pk", flat=True))
        messages = [m for m in messages if m.pk in written]

    now = timezone.now()
    ways = _ways()
    rows: list[Delivery] = []
    for message in messages:
        if message.group is not None:
            rows.append(_row(message, message.group, message.group.name, (message.subject, message.body), now))
            continue
        assert message.user is not None
        if message.user.pk in instead:
            continue  # off duty: it waits in the product, and the deputy is told
        contact = contacts[message.user.pk]
        for kind in PERSONAL:
            address = contact.address(kind)
            if kind in contact.ways.get(level, ()) and kind in ways and address:
                said = _text(texts, template_key, kind, contact.language, level, variables)
                said = _for(stands_for, message.user, contact.language, said)
                rows.append(_row(message, ways[kind], address, said, contact.not_before(level, now)))
    Delivery.objects.bulk_create(rows, ignore_conflicts=True)
    if rows:
        wake()
    return messages


def wake() -> None:
    """Wake a worker once the caller's transaction has committed; what a lost wake-up leaves, the sweep finds."""
    transaction.on_commit(_call_worker, robust=True)


def _call_worker() -> None:
    # Whoever writes a message does not wait for a Redis that is away: Celery's own connection would try for seconds.
    with current_app.connection_for_write(transport_options={"max_retries": 0}) as link:
        jobs.deliver.apply_async(connection=link, retry=False)


def deliver(limit: int | None = None) -> int:
    """Send what is due, the most urgent first, until nothing is or ``limit`` were tried; how many were tried.

    Any number of workers may do this at once. Call it outside a transaction.
    """
    count = 0
    while limit is None or count < limit:
        row = take()
        if row is None:
            break
        attempt(row)
        count += 1
    return count


def take() -> Delivery | None:
    """The most urgent delivery that is due, held for the lease by this worker; None where there is nothing to do."""
    while True:
        with transaction.atomic():
            now = timezone.now()
            open_channels = Channel.objects.filter(Q(rests_until=None) | Q(rests_until__lte=now), enabled=True)
            due = Delivery.objects.filter(
                state=Delivery.State.QUEUED, next_try_at__lte=now, channel__in=open_channels.values("pk")
            )
            row = (
                due.order_by("urgency", "next_try_at")
                .select_for_update(skip_locked=True, of=("self",))
                .select_related("message__user__contact", "channel")
                .first()
            )
            if row is None:
                return None
            if _may_send(row.channel, now) and not _defer(row, now):
                row.attempts += 1
                row.tried_at, row.next_try_at = now, now + LEASE
                row.save(update_fields=["attempts", "tried_at", "next_try_at"])
                return row


def attempt(row: Delivery) -> None:
    """Send a row that was taken and note what came of it; between taking and noting no transaction is open."""
    now = timezone.now
    try:
        try:
            adapter = adapter_of(row.channel)
        except Refused as error:  # an administrator can mend the settings: the message waits for it
            raise Unreachable(str(error)) from error
        receipt = adapter.send(row)
        _note(row, state=Delivery.State.SENT, done_at=now(), receipt=receipt, error="")
    except Refused as error:
        log.warning("delivery %s by %s was refused: %s", row.pk, row.channel_id, error)
        _note(row, state=Delivery.State.FAILED, done_at=now(), error=str(error)[:300])
    except ChannelError as error:
        if isinstance(error, Unreachable):
            Channel.objects.filter(pk=row.channel_id).update(rests_until=now() + REST)
        _later(row, str(error))
    except Exception as error:
        # Its text could hold what was being sent; the traceback's lines hold none of it.
        log.error("delivery %s by %s failed: %s", row.pk, row.channel_id, type(error).__name__)
        _later(row, type(error).__name__)


def again(rows: Iterable[Delivery]) -> int:
    """Put given-up deliveries back into the queue; how many."""
    given_up = Delivery.objects.filter(
        pk__in=[row.pk for row in rows], state__in=(Delivery.State.DEAD, Delivery.State.FAILED)
    )
    count = given_up.update(state=Delivery.State.QUEUED, attempts=0, next_try_at=timezone.now(), done_at=None)
    wake()
    return count


def _later(row: Delivery, error: str) -> None:
    if row.attempts >= TRIES:
        log.error("delivery %s by %s is given up after %d tries: %s", row.pk, row.channel_id, row.attempts, error)
        _note(row, state=Delivery.State.DEAD, done_at=timezone.now(), error=error[:300])
    else:
        pause = min(FIRST_PAUSE * 2 ** (row.attempts - 1), LONGEST_PAUSE)
        _note(row, next_try_at=timezone.now() + pause, error=error[:300])


def _note(row: Delivery, **values: Any) -> None:
    """Note it unless another worker took the row after our lease ran out; a receipt that came first stands."""
    Delivery.objects.filter(pk=row.pk, attempts=row.attempts, state=Delivery.State.QUEUED).update(**values)


def _may_send(channel: Channel, now: datetime) -> bool:
    """Whether the other side's rate allows one more; else the channel rests until it does."""
    rate = ADAPTERS[channel.kind].PER_MINUTE
    if rate is None:
        return True
    # The row's lock makes two workers count one after the other.
    Channel.objects.select_for_update().get(pk=channel.pk)
    tried = Delivery.objects.filter(channel=channel, tried_at__gt=now - MINUTE).order_by("-tried_at")
    oldest = tried.values_list("tried_at", flat=True)[rate - 1 : rate].first()
    if oldest is None:
        return True
    Channel.objects.filter(pk=channel.pk).update(rests_until=oldest + MINUTE)
    return False


def _defer(row: Delivery, now: datetime) -> bool:
    """Put a row off whose time has come within its user's quiet hours, as after a failed try in the evening."""
    user = row.message.user
    contact = getattr(user, "contact", None) if user is not None else None
    start = contact.not_before(row.message.level, now) if contact is not None else now
    if start > now:
        row.next_try_at = start
        row.save(update_fields=["next_try_at"])
    return start > now


def _with_deputies(users: list[User]) -> tuple[list[User], set[UUID], dict[UUID, User]]:
    """The users and the deputies of those off duty, in one order; who has a deputy; deputy → for whom they stand in."""
    instead = absence.deputies(user.pk for user in users)
    known = {user.pk: user for user in users}
    stands_for = {deputy.pk: known[pk] for pk, deputy in instead.items() if deputy.pk not in known}
    more = {deputy.pk: deputy for deputy in instead.values() if deputy.pk in stands_for}
    return sorted([*users, *more.values()], key=lambda one: str(one.pk)), set(instead), stands_for


def _for(stands_for: Mapping[UUID, User], user: User, language: str, said: tuple[str, str]) -> tuple[str, str]:
    """The words for somebody who gets them as a deputy say in whose place."""
    if user.pk not in stands_for:
        return said
    with translation.override(language):
        return (_("（代%s）") % stands_for[user.pk] + said[0])[:SUBJECT_LIMIT], said[1]


def _ways() -> dict[str, Channel]:
    """The channel that serves each personal kind: the first that is enabled."""
    rows = Channel.objects.filter(kind__in=PERSONAL, enabled=True).order_by("-pk")
    return {row.kind: row for row in rows}


def _message(said: tuple[str, str], level: str, link: str, dedupe_key: str, **to: Any) -> Message:
    return Message(subject=said[0], body=said[1], level=level, link=link, dedupe_key=dedupe_key, **to)


def _row(message: Message, channel: Channel, address: str, said: tuple[str, str], due: datetime) -> Delivery:
    return Delivery(
        message=message, channel=channel, address=address, subject=said[0], body=said[1],
        urgency=Level.values.index(message.level), next_try_at=due,
    )  # fmt: skip


def _text(texts: Text, key: str, kind: str, language: str, level: str, variables: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and body in the best wording there is: this kind's, else the product's; this language's, else Chinese.

    Texts among the variables that are translated when they are read come in the language of the wording.
    """
    filled = {**variables, "level": Level(level).label}
    for where in (kind, Kind.IN_APP):
        for tongue in (language, settings.LANGUAGE_CODE):
            row = texts.get((where, tongue))
            if row is not None:
                with translation.override(tongue):
                    return worded(row.subject, row.body, filled)
    with translation.override(language):
        # On screen the level and the link stand beside the text.
        aside = {"level", "link"} if kind == Kind.IN_APP else {"level"} if level == Level.NONE else set()
        return plain(key, {name: value for name, value in filled.items() if name not in aside})


def _absolute(link: str) -> str:
    """A path of the product as other programs can open it: under its first outside address; empty where it has none."""
    return settings.CSRF_TRUSTED_ORIGINS[0].rstrip("/") + link if settings.CSRF_TRUSTED_ORIGINS and link else ""
