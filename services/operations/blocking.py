"""Sessions of the database that keep others waiting: found, kept as records, ended by an administrator."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access.errors import Conflict, NotFound, Refused
from services.access.principal import Principal
from services.audit import trail
from services.audit.masking import masked
from services.limits.rows import day_of
from services.operations import working
from services.operations.models import Block, Policy

GRACE = timedelta(seconds=30)
"""A session whose transaction is still open is over as a block once nobody has waited for it so long: those who wait
give up after ten seconds and come again."""
KEPT = timedelta(days=400)
LONGEST_STATEMENT = 2_000

_SESSIONS = """
select a.pid, a.usename, a.application_name, coalesce(host(a.client_addr), ''), a.backend_start,
    coalesce(a.xact_start, a.query_start, a.backend_start), a.xact_start, a.query_start, a.state_change,
    coalesce(a.state, ''), coalesce(a.query, ''),
    coalesce(a.wait_event_type, ''), case when a.wait_event_type = 'Lock' then pg_blocking_pids(a.pid) else '{}' end
from pg_stat_activity a
where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
"""
# Of a row that is held only the transaction is waited for: its table is that of the row lock which the waiter holds.
_WANTED = """
select l.pid, min(l.waitstart),
    string_agg(distinct coalesce(l.relation, t.relation)::regclass::text, ', '), min(l.locktype), min(l.mode)
from pg_locks l left join pg_locks t on t.pid = l.pid and t.locktype = 'tuple' and t.granted
where not l.granted group by l.pid
"""


@dataclass
class Session:
    """A session as the database tells of it."""

    pid: int
    role: str
    program: str
    address: str
    session_at: datetime
    work_at: datetime
    transaction_at: datetime | None
    asked_at: datetime | None
    state_at: datetime | None
    state: str
    query: str
    waits_for: str
    blockers: list[int]
    waits_since: datetime | None = None
    table: str = ""
    lock: str = ""
    victims: list["Session"] = field(default_factory=list)

    @property
    def account(self) -> str:
        """The platform's account behind it, empty where there is none."""
        return working.account_of(self.query) if self.program.startswith("zhutu ") else ""

    @property
    def statement(self) -> str:
        """What it asked last, without secrets."""
        return masked(working.bare(self.query))[:LONGEST_STATEMENT]

    @property
    def blocks(self) -> bool:
        return bool(self.victims)


def sessions() -> list[Session]:
    """All sessions of clients, those that hold others up first, then those that wait, then by the age of their work."""
    with connection.cursor() as cursor:
        # Within a transaction the database would tell again what it told before.
        cursor.execute("select pg_stat_clear_snapshot()")
        cursor.execute(_SESSIONS)
        found = {row[0]: Session(*row) for row in cursor.fetchall()}
        if any(session.blockers for session in found.values()):
            cursor.execute(_WANTED)
            for pid, since, table, kind, mode in cursor.fetchall():
                if pid in found:
                    waiter = found[pid]
                    waiter.waits_since, waiter.table, waiter.lock = since, table or "", f"{kind} {mode}"
    for session in found.values():
        for root in _roots(session, found):
            root.victims.append(session)
    return sorted(found.values(), key=lambda each: (-len(each.victims), not each.blockers, each.work_at))


def look(now: datetime | None = None) -> tuple[list[Block], list[Block]]:
    """Bring the records up to what is: which blocks are new and which ended.

    A block is recorded once somebody has waited as long as the policy in force says.
    """
    there = sessions()
    moment = now or timezone.now()
    patience = timedelta(seconds=Policy.at(day_of(moment)).block_seconds)
    began, ended = [], []
    with transaction.atomic():
        known = {(b.pid, b.session_at, b.work_at): b for b in Block.objects.select_for_update().filter(ended_at=None)}
        alive = {(each.pid, each.session_at, each.work_at) for each in there}
        for session in there:
            since = min((v.waits_since for v in session.victims if v.waits_since), default=None)
            if since is None:
                continue
            block = known.get((session.pid, session.session_at, session.work_at))
            if block is None and moment - since < patience:
                continue
            if block is None:
                block = Block(
                    pid=session.pid, session_at=session.session_at, work_at=session.work_at, began_at=since,
                    role=session.role, program=session.program, address=session.address,
                )  # fmt: skip
                began.append(block)
            _tell(block, session, moment)
            block.save()
        for key, block in known.items():
            if key not in alive or moment - block.seen_at > GRACE:
                block.ended_at = max(block.seen_at, block.began_at) if key in alive else moment
                block.save(update_fields=["ended_at"])
                ended.append(block)
    return began, ended


def blocks(principal: Principal) -> QuerySet[Block]:
    """What was recorded; for administrators."""
    admitted(principal)
    return Block.objects.all()


def admitted(principal: Principal) -> None:
    """NotFound for who is no administrator without bounds."""
    if not principal.is_admin:
        raise NotFound(_("没有这个页面。"))


def end(principal: Principal, pid: int, session_at: datetime) -> None:
    """End a session, which rolls its transaction back; audited. Its begin says which one of that number is meant."""
    admitted(principal)
    session = next((each for each in sessions() if each.pid == pid and each.session_at == session_at), None)
    if session is None:
        raise Conflict(_("该会话已经结束。"))
    recorded = Block.objects.filter(pid=pid, session_at=session_at, ended_at=None)
    # Its last question may have been one of those that name nobody.
    account = session.account or recorded.values_list("account", flat=True).first() or ""
    trail.note(
        principal.id, principal.name, "end session", object_id=pid, address=principal.address,
        changes={
            "account": account, "role": session.role, "program": session.program,
            "statement": session.statement[:500], "blocked": [each.pid for each in session.victims],
        },
    )  # fmt: skip
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("select pg_terminate_backend(%s)", [pid])
    except DatabaseError as error:
        raise Refused(_("数据库不允许平台终止该会话：它属于数据库管理员。")) from error
    recorded.update(ended_by=principal.name)


def forget(now: datetime | None = None) -> int:
    """Take away old records."""
    return Block.objects.filter(ended_at__lt=(now or timezone.now()) - KEPT).delete()[0]


def _roots(session: Session, found: dict[int, Session]) -> list[Session]:
    """Who in the end keeps a session waiting: those at the begin of the chain that wait for nobody themselves."""
    seen: set[int] = {session.pid}
    roots, following = [], list(session.blockers)
    while following:
        pid = following.pop()
        if pid in seen or pid not in found:
            continue
        seen.add(pid)
        if found[pid].blockers:
            following += found[pid].blockers
        else:
            roots.append(found[pid])
    return roots


def _tell(block: Block, session: Session, moment: datetime) -> None:
    """Put what is seen of a session into its record."""
    block.seen_at = moment
    block.account, block.state, block.statement = session.account or block.account, session.state, session.statement
    tables: dict[str, None] = dict.fromkeys(filter(None, block.tables.split(", ")))
    tables |= dict.fromkeys(each.table for each in session.victims if each.table)
    block.tables = ", ".join(tables)[:300]
    block.waiting = [_waiter(each, moment) for each in session.victims]
    block.most = max(block.most, len(session.victims))
    block.longest = max([block.longest, *(each["seconds"] for each in block.waiting)])


def _waiter(session: Session, moment: datetime) -> dict[str, Any]:
    waited = (moment - session.waits_since).total_seconds() if session.waits_since else 0.0
    return {
        "pid": session.pid, "account": session.account, "role": session.role, "program": session.program,
        "statement": session.statement[:500], "table": session.table, "lock": session.lock, "seconds": round(waited, 1),
    }  # fmt: skip
