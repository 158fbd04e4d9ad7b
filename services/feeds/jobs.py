"""The periodic work of sources: waking the worker that pulls, noticing silence, forgetting old runs."""

import logging
from datetime import timedelta
from typing import Any

from celery import current_app
from django.db import transaction
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy

from services.accounts.models import User
from services.accounts.roles import Role
from services.feeds.models import Run, Source
from services.notify.models import Level

log = logging.getLogger(__name__)

PULL = "feeds.pull"
"""The task that pulls whatever is due; the floor above has it, as it knows how to read."""
CLEAN_KEPT, KEPT = timedelta(days=14), timedelta(days=90)
"""How long runs without and with problems are remembered."""
MINUTE = timedelta(minutes=1)


def due() -> QuerySet[Source]:
    """The sources whose time has come, the longest overdue first."""
    return Source.objects.filter(enabled=True, mode=Source.Mode.PULL, next_at__lte=timezone.now()).order_by("next_at")


def wake() -> bool:
    """Wake the worker where a source is due; whether one was."""
    if not due().exists():
        return False
    try:
        _call()
    except Exception as error:  # whatever the broker's client raises: the other periodic work goes on without it
        log.warning("no worker can be woken to pull: %s", type(error).__name__)
    return True


def wake_soon() -> None:
    """Wake the worker once the caller's transaction has committed; a lost wake-up is made up for within seconds."""
    transaction.on_commit(_call, robust=True)


def _call() -> None:
    # A wake-up that nobody took is worth nothing: others follow, and a worker that comes back finds no heap of them.
    with current_app.connection_for_write(transport_options={"max_retries": 0}) as link:
        current_app.send_task(PULL, connection=link, retry=False, expires=EVERY["wake"] * 4, ignore_result=True)


def stale() -> list[Source]:
    """Note and tell which sources have brought nothing for longer than they may, and which do again; the former."""
    now = timezone.now()
    waited = ExpressionWrapper(F("stale_minutes") * Value(MINUTE), output_field=DurationField())
    latest = Coalesce(Greatest("success_at", "enabled_at"), "created_at")
    rows = Source.objects.filter(enabled=True, stale_minutes__gt=0).annotate(
        latest=latest, until=ExpressionWrapper(latest + waited, output_field=DateTimeField())
    )
    silent: list[Source] = []
    for row in rows.filter(stale_since=None, until__lt=now):
        with transaction.atomic():
            if Source.objects.filter(pk=row.pk, stale_since=None).update(stale_since=now):
                _tell(row, gettext_lazy("数据接口中断"), Level.ORANGE, f"stale:{row.latest.isoformat()}")  # type: ignore[attr-defined]
                silent.append(row)
    for row in rows.filter(stale_since__isnull=False, until__gte=now):
        with transaction.atomic():
            if Source.objects.filter(pk=row.pk, stale_since=row.stale_since).update(stale_since=None):
                _tell(row, gettext_lazy("数据接口已恢复"), Level.NONE, f"back:{row.stale_since.isoformat()}")  # type: ignore[union-attr]
    return silent


def _tell(source: Source, title: Any, level: str, key: str) -> None:
    """A message to every administrator."""
    from services.notify import outbox  # a gateway that loads these jobs tells nobody anything

    people = User.objects.filter(
        Q(memberships__role=Role.ADMIN, memberships__region=None, memberships__organisation=None), is_active=True
    ).distinct()
    text = lazy(lambda: source.said, str)()
    outbox.notify(
        people, "feed", {"title": title, "name": source.name, "time": source.success_at, "text": text},
        level=level, link=f"/desk/feeds/{source.pk}", dedupe_key=f"feed:{source.pk}:{key}",
    )  # fmt: skip


def housekeeping() -> int:
    """Forget old runs; how many."""
    now = timezone.now()
    old = Q(started_at__lt=now - KEPT) | Q(started_at__lt=now - CLEAN_KEPT, state=Run.State.DONE)
    return Run.objects.filter(old).delete()[0]


EVERY = {"wake": 5.0, "stale": 60.0, "housekeeping": 3600.0}
"""Seconds from one run of each to its next."""
WORK = {"wake": wake, "stale": stale, "housekeeping": housekeeping}
