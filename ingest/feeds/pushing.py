"""Pushing: another system sends a batch, proves itself by its token, and hears what became of it after the commit."""

from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from ingest.feeds import formats
from ingest.feeds.intakes import intake_of
from ingest.feeds.outcome import Outcome
from ingest.feeds.pulling import KEPT_PROBLEMS, LOCK, TAKEN_BACK
from services.access.errors import AccessError, Invalid, LogInNeeded, Refused
from services.feeds.faults import Fault, other
from services.feeds.models import Run, Source
from services.telemetry import tokens

A_MINUTE = 120
"""Batches of one source in a minute; more are refused with 429 (F21)."""


def admitted(pk: int, token: str, address: str) -> Source:
    """The source that a token opens; LogInNeeded for a wrong token as for a source that is not there."""
    source = Source.objects.filter(pk=pk, mode=Source.Mode.PUSH).first()
    if not tokens.fits(token, source.token_digest if source is not None else "") or source is None:
        if source is not None:
            Source.objects.filter(pk=pk).update(refusals=F("refusals") + 1, refused_at=timezone.now())
        raise LogInNeeded(_("接口不存在，或推送令牌有误。"))
    if not source.enabled:
        raise Refused(_("接口已停用。"))
    recent = Run.objects.filter(source=source, started_at__gt=timezone.now() - timedelta(minutes=1))
    if recent.count() >= A_MINUTE:
        raise AccessError(_("一分钟内的推送超过 %d 批，请合并后再发。") % A_MINUTE, status=429)
    return source


def take(source: Source, body: bytes, encoding: str, address: str) -> Run:
    """Store a batch in one transaction and return its run; Invalid where nothing of it was stored, and why."""
    run = Run(source=source, cause=Run.Cause.PUSH, started_at=timezone.now(), address=address[:45], pages=1)
    run.size = len(body)
    try:
        page = formats.read(formats.unpacked(body, encoding), source)
        outcome = _stored(source, page.rows, run)
    except Fault as fault:
        _finish(run, Run.State.FAILED, fault.kept)
        raise Invalid(str(fault), {"body": [str(fault)]}) from fault
    except AccessError as error:
        _finish(run, Run.State.FAILED, other(error.message))
        raise
    if outcome.refused and source.policy == Source.Policy.ALL:
        run.counts = {"rows": outcome.counts["rows"], "refused": len(outcome.refused)}
        taken_back = Fault(TAKEN_BACK, n=len(outcome.refused))
        _finish(run, Run.State.FAILED, taken_back.kept)
        raise Invalid(str(taken_back), {f"row {row}": [f"{field}: {message}"] for row, field, message in run.told})
    return run


def receipt(run: Run) -> dict[str, Any]:
    """What the sender hears."""
    return {
        "run": run.pk, "state": run.state, "counts": run.counts,
        "problems": [{"row": row, "field": field, "message": message} for row, field, message in run.told],
    }  # fmt: skip


def _stored(source: Source, rows: list[dict[str, Any]], run: Run) -> Outcome:
    with transaction.atomic():
        # One batch of a source after the other: two that bring the same new thing would both create it.
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(%s, %s)", [LOCK, source.pk])
        intake = intake_of(source)
        outcome = intake.write(rows)
        run.counts = {**+outcome.counts, "refused": len(outcome.refused)}
        run.problems = outcome.problems[:KEPT_PROBLEMS]
        if outcome.refused and source.policy == Source.Policy.ALL:
            transaction.set_rollback(True)
        else:
            _finish(run, Run.State.PARTLY if outcome.problems else Run.State.DONE)
    if outcome.refused and source.policy == Source.Policy.ALL:
        intake.taken_back()
    return outcome


def _finish(run: Run, state: str, error: dict[str, Any] | None = None) -> None:
    run.state, run.error, run.finished_at = state, error, timezone.now()
    with transaction.atomic():
        run.save()
        now = {"success_at": run.finished_at, "failures": 0} if error is None else {"failures": F("failures") + 1}
        Source.objects.filter(pk=run.source_id).update(error=error, **now)
