"""Submitting and running jobs. A kind of job is a function registered under a name by the engine that does it."""

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access.errors import AccessError, Conflict, NotFound
from services.access.principal import SYSTEM, Principal, principal_of
from services.operations.models import Job
from services.operations.queues import INTERACTIVE
from services.operations.working import working

log = logging.getLogger(__name__)

Work = Callable[["Run"], dict[str, Any] | None]
kinds: dict[str, Work] = {}


class Dismissed(Exception):
    """The job was cancelled while it ran."""


class Run:
    """A running job, as its function sees it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.inputs: dict[str, Any] = job.inputs
        self.principal: Principal = principal_of(job.user) if job.user_id else SYSTEM

    def progress(self, percent: float, message: str = "") -> None:
        """Say how far the work is; raises Dismissed when somebody cancelled it. Call it outside a transaction."""
        values = {"progress": max(0, min(99, int(percent)))} | ({"message": message} if message else {})
        if not Job.objects.filter(pk=self.job.pk, state=Job.State.RUNNING).update(**values):
            raise Dismissed


def job(kind: str) -> Callable[[Work], Work]:
    """Register a function as the work of a kind of job."""

    def keep(work: Work) -> Work:
        kinds[kind] = work
        return work

    return keep


def submit(kind: str, title: str, principal: Principal, inputs: dict[str, Any]) -> Job:
    """Remember the work and wake a worker after the caller's transaction commits."""
    if kind not in kinds:
        raise ValueError(f"no job kind {kind!r}; the kinds are: {', '.join(sorted(kinds))}")
    row = Job.objects.create(kind=kind, title=title, user_id=principal.id, inputs=inputs)
    transaction.on_commit(lambda: run.delay(str(row.pk)))
    return row


def mine(principal: Principal, pk: str | UUID) -> Job:
    """A job of the principal's own; an administrator sees all."""
    rows = Job.objects.all() if principal.is_admin else Job.objects.filter(user_id=principal.id or UUID(int=0))
    try:
        return rows.get(pk=UUID(str(pk)))
    except (Job.DoesNotExist, ValueError):
        raise NotFound(_("没有这个任务。")) from None


def dismiss(principal: Principal, pk: str | UUID) -> Job:
    """Cancel a job that has not finished."""
    row = mine(principal, pk)
    open_states = [Job.State.ACCEPTED, Job.State.RUNNING]
    changed = Job.objects.filter(pk=row.pk, state__in=open_states).update(
        state=Job.State.DISMISSED, finished_at=timezone.now()
    )
    if not changed:
        raise Conflict(_("任务已经结束。"))
    row.refresh_from_db()
    return row


@shared_task(name="operations.run", queue=INTERACTIVE, acks_late=True, reject_on_worker_lost=True)
def run(pk: str) -> None:
    """Do a job once: a second delivery finds it started and leaves it."""
    now = timezone.now()
    if not Job.objects.filter(pk=pk, state=Job.State.ACCEPTED).update(state=Job.State.RUNNING, started_at=now):
        return
    row = Job.objects.select_related("user").get(pk=pk)
    # The database and the log hear whose work it is.
    with working(row.user.username if row.user else "", request=f"job {row.kind}"):
        _do(row)


def _do(row: Job) -> None:
    pk = str(row.pk)
    try:
        result = kinds[row.kind](Run(row))
        _finish(pk, Job.State.SUCCESSFUL, progress=100, result=result)
    except Dismissed:
        log.info("job %s was dismissed", pk)
    except AccessError as error:
        _finish(pk, Job.State.FAILED, message=error.message)
    except Exception:
        log.exception("job %s (%s) failed", pk, row.kind)
        _finish(pk, Job.State.FAILED, message=_("任务执行出错，管理员可在日志中查看原因。"))


def _finish(pk: str, state: str, **values: Any) -> None:
    Job.objects.filter(pk=pk, state=Job.State.RUNNING).update(state=state, finished_at=timezone.now(), **values)
