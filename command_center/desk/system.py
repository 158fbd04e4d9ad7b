"""The platform's own state for administrators: sessions of the database, who blocks whom, and the database audit."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from command_center.desk.doors import fragment, signed_in, visitor
from command_center.desk.times import Period, period
from services.access.errors import Invalid
from services.audit import watching
from services.audit.models import Finding, Kind, Reading, Rule, Severity
from services.operations import blocking
from services.operations.blocking import Session
from services.operations.models import Block

SIZE = 50
LATE = timedelta(minutes=2)
"""After which the watching program is said to be still."""


@signed_in
def sessions(request: HttpRequest) -> HttpResponse:
    """All sessions, those that block first, and what was recorded of blocks."""
    recorded = blocking.blocks(visitor(request))
    now = timezone.now()
    lines = blocking.sessions()
    known = {(block.pid, block.session_at): block for block in recorded.filter(ended_at=None)}
    context: dict[str, Any] = {
        "now": now,
        "lines": [_line(session, known.get((session.pid, session.session_at)), now) for session in lines],
        "figures": [
            (_("会话"), len(lines), ""),
            (_("执行中"), sum(each.state == "active" for each in lines), ""),
            (_("事务未结束"), sum(each.state.startswith("idle in transaction") for each in lines), ""),
            (_("等待锁"), sum(bool(each.blockers) for each in lines), "warn"),
            (_("阻塞他人"), sum(each.blocks for each in lines), "bad"),
        ],
        "blocks": [(block, timedelta(seconds=block.lasted(now))) for block in recorded[:SIZE]],
    }
    return render(request, "desk/sessions_body.html" if fragment(request) else "desk/sessions.html", context)


@require_POST
@signed_in
def end(request: HttpRequest, pid: int) -> HttpResponse:
    """End a session; ``since`` tells it from a later one of the same number."""
    try:
        since = datetime.fromisoformat(request.POST.get("since", ""))
    except ValueError:
        blocking.admitted(visitor(request))
        raise Invalid(_("时间格式有误。"), {"since": [_("必填")]}) from None
    blocking.end(visitor(request), pid, since)
    messages.success(request, _("已终止会话 %d，其未提交的修改已撤销。") % pid)
    return HttpResponseRedirect("/desk/system/sessions")


@signed_in
def database(request: HttpRequest) -> HttpResponse:
    """Abnormal operations on the database: ``kind``, ``level``, ``q``, a time."""
    blocking.admitted(visitor(request))
    time = period(request.GET, "30d")
    rows = _findings(request, time)
    counted = dict(rows.order_by().values_list("kind").annotate(n=Count("*")))
    kind = request.GET.get("kind", "")
    if kind in Kind.values:
        rows = rows.filter(kind=kind)
    total = rows.count()
    pages = max(1, -(-total // SIZE))
    asked = request.GET.get("page", "1")
    number = min(max(1, int(asked)), pages) if asked.isdecimal() and len(asked) < 7 else 1
    now = timezone.now()
    reading = Reading.objects.filter(pk=1).first()
    context = {
        "now": now, "time": time, "ranges": time.ranges("24h", "7d", "30d", "1y"),
        "text": request.GET.get("q", "").strip()[:100], "level": request.GET.get("level", ""), "kind": kind,
        "levels": Severity.choices, "total": total,
        "figures": [(value, label, counted.get(value, 0), value == kind) for value, label in Kind.choices],
        "at": {"page": number, "pages": pages}, "around": {"previous": number - 1, "next": number + 1},
        "lines": rows[(number - 1) * SIZE : number * SIZE], "reading": reading,
        "still": reading is None or reading.read_at is None or now - reading.read_at > LATE,
        "rules": _rules(now),
    }  # fmt: skip
    return render(request, "desk/database_audit.html", context)


def _findings(request: HttpRequest, time: Period) -> Any:
    rows = watching.identified(Finding.objects.filter(at__gte=time.begin, at__lt=time.end))
    if request.GET.get("level") in Severity.values:
        rows = rows.filter(level=request.GET["level"])
    for word in request.GET.get("q", "").strip()[:100].split():
        rows = rows.filter(
            Q(who__icontains=word) | Q(role__icontains=word) | Q(program__icontains=word) | Q(rule__icontains=word)
            | Q(address__icontains=word) | Q(tables__icontains=word) | Q(statement__icontains=word)
        )  # fmt: skip
    return rows


def _rules(now: datetime) -> list[Rule]:
    day = timezone.localdate(now)
    rows = Rule.objects.filter(Q(valid_to=None) | Q(valid_to__gt=day), valid_from__lte=day)
    order = {level: n for n, level in enumerate(Severity.values)}
    return sorted(rows, key=lambda rule: (not rule.enabled, rule.kind, order[rule.level]))


def _line(session: Session, block: Block | None, now: datetime) -> dict[str, Any]:
    return {
        "session": session,
        "account": session.account or (block.account if block else ""),
        "state": _state(session.state),
        "age": now - (session.transaction_at or session.state_at or session.session_at),
        "in_transaction": session.transaction_at is not None,
        "waited": now - session.waits_since if session.waits_since else None,
        "since": session.session_at.isoformat(),
        "tables": ", ".join(sorted({each.table for each in session.victims if each.table})),
    }


def _state(state: str) -> str:
    """The state of a session in words."""
    return {
        "active": _("执行中"), "idle": _("空闲"), "idle in transaction": _("事务未结束"),
        "idle in transaction (aborted)": _("事务已失败"), "fastpath function call": _("执行中"),
    }.get(state, state)  # fmt: skip
