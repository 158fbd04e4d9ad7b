"""Integrity: conduct recorded by items of the standard, published, objected to, upheld or withdrawn; assessments.

An authority that may add to an enterprise's records records and decides; the enterprise itself applies for points it
has a proof for and objects to what was published. Periods that are over are assessed by schedule, and again on demand.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from layers.enterprises.models import CreditAssessment, CreditEntry, CreditItem, CreditStep, Enterprise
from layers.enterprises.reports import RANKED, layer, refresh
from layers.enterprises.rules import counts_until
from services.access import gate
from services.access.errors import Conflict, Invalid, NotFound, Refused
from services.access.principal import SYSTEM, Principal
from services.accounts.models import User
from services.audit import trail
from services.catalog.layer import RECORD
from services.files import attachments
from services.telemetry.reports import Period, period

STATE, STEP = CreditEntry.State, CreditStep.Kind
MOST_FILES = 9
MOST_WORDS = 1000
AT_ONCE = 1000
"""Scores that one run of the schedule writes: other periodic work waits for it."""


@dataclass(frozen=True)
class Move:
    """What may be done to an entry: from which states, to which; whether it is the enterprise's own, needs words."""

    kind: CreditStep.Kind
    before: tuple[str, ...]
    after: str
    own: bool = False
    words: bool = False


MOVES = {
    "publish": Move(STEP.PUBLISHED, (STATE.PROPOSED,), STATE.PUBLISHED),
    "reject": Move(STEP.REJECTED, (STATE.PROPOSED,), STATE.REJECTED, words=True),
    "object": Move(STEP.OBJECTED, (STATE.PUBLISHED,), STATE.OBJECTED, own=True, words=True),
    "uphold": Move(STEP.UPHELD, (STATE.OBJECTED,), STATE.PUBLISHED, words=True),
    "withdraw": Move(STEP.WITHDRAWN, CreditEntry.COUNTING, STATE.WITHDRAWN, words=True),
}


def rights(principal: Principal, enterprise: UUID) -> tuple[bool, bool]:
    """Whether a principal decides on the integrity of an enterprise, and whether they belong to it."""
    decides = gate.restrict(principal, layer(), RECORD).filter(pk=enterprise).exists()
    own = replace(principal, holdings=tuple(h for h in principal.holdings if h.organisation == enterprise))
    return decides, gate.restrict(own, layer()).filter(pk=enterprise).exists()


def items(enterprise: Enterprise, day: date, *, kind: str = "") -> QuerySet[CreditItem]:
    """The items of the standard for an enterprise of its type on a day."""
    found = CreditItem.objects.filter(
        Q(valid_to=None) | Q(valid_to__gt=day), valid_from__lte=day, enterprise_kind__in=["", enterprise.kind]
    )
    return found.filter(kind=kind) if kind else found


@transaction.atomic
def record(
    principal: Principal, enterprise: UUID, *, item: int | None, reason: str, decided_by: str, decided_on: date,
    document: str = "", project: str = "", files: Sequence[tuple[str, Iterable[bytes]]] = (),
    now: datetime | None = None,
) -> CreditEntry:  # fmt: skip
    """Record a conduct; its kind, points and length are the item's. It counts once it is published.

    NotFound for a foreign enterprise, Refused without the right, Invalid where the item does not hold for it that day.
    """
    now = now or timezone.now()
    about: Any = gate.fetch(principal, layer(), enterprise)
    decides, own = rights(principal, about.pk)
    if not (decides or own):
        raise Refused(_("需要对企业添加记录的权限，或者是该企业的账号。"))
    chosen = items(about, decided_on).filter(pk=item).first() if item else None
    wrong: dict[str, list[str]] = {}
    if chosen is None:
        wrong["item"] = [_("请选择认定当日适用于该类企业的评价条目。")]
    elif not decides and chosen.kind != CreditItem.Kind.REWARD:
        raise Refused(_("企业只能申请加分，扣分由主管部门登记。"))
    if decided_on > timezone.localdate(now):
        wrong["decided_on"] = [_("认定日期不得晚于今天。")]
    if not decides and not files:
        wrong["files"] = [_("申请加分请附证明材料。")]
    if len(files) > MOST_FILES:
        wrong["files"] = [_("一次最多 %d 个文件。") % MOST_FILES]
    if wrong or chosen is None:
        raise Invalid(_("填写的内容有误。"), wrong)
    entry = CreditEntry(
        enterprise=about, item=chosen, kind=chosen.kind, points=chosen.points, reason=reason.strip(),
        decided_by=decided_by.strip(), decided_on=decided_on, document=document.strip(), project=project.strip(),
        effective_from=decided_on, valid_until=counts_until(decided_on, chosen.months),
    )  # fmt: skip
    try:
        entry.full_clean()
    except ValidationError as error:
        raise Invalid(_("填写的内容有误。"), error.message_dict) from error
    entry.save()
    _note(principal, entry, STEP.RECORDED if decides else STEP.APPLIED, entry.reason, now, files)
    _audit(principal, "record credit", about.pk, {"item": [None, str(chosen)], "points": [None, str(chosen.points)]})
    return entry


def entries(principal: Principal) -> QuerySet[CreditEntry]:
    """The entries of the enterprises in reach."""
    rows = CreditEntry.objects.select_related("enterprise", "item")
    bound = gate.condition(principal, layer(), along="enterprise__")
    return rows if bound is None else rows.filter(bound)


def fetch(principal: Principal, pk: UUID) -> CreditEntry:
    """One of them; NotFound where it is not there or foreign."""
    found = entries(principal).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("没有这条诚信行为记录。"))
    return found


def allowed(principal: Principal, entry: CreditEntry) -> list[str]:
    """What a principal may do with an entry as it stands now."""
    decides, own = rights(principal, entry.enterprise_id)
    return [name for name, move in MOVES.items() if entry.state in move.before and (own if move.own else decides)]


@transaction.atomic
def act(
    principal: Principal, pk: UUID, name: str, text: str = "", files: Sequence[tuple[str, Iterable[bytes]]] = (),
    now: datetime | None = None,
) -> CreditEntry:  # fmt: skip
    """Do one thing with an entry; the score follows at once.

    NotFound for a foreign one, Refused without the right, Conflict where its state does not allow it, Invalid where
    words are missing: then nothing is done.
    """
    now = now or timezone.now()
    move = MOVES.get(name)
    if move is None:
        raise NotFound(_("没有这个操作。"))
    fetch(principal, pk)
    entry = CreditEntry.objects.select_for_update(of=("self",)).select_related("enterprise").get(pk=pk)
    decides, own = rights(principal, entry.enterprise_id)
    if not (own if move.own else decides):
        raise Refused(_("只有该企业可以提出异议，只有主管部门可以审核、维持和撤销。"))
    if entry.state not in move.before:
        raise Conflict(_("该记录当前为“%s”，不能进行此操作；请刷新后重试。") % entry.get_state_display())
    text = text.strip()[:MOST_WORDS]
    if move.words and not text:
        raise Invalid(_("请填写说明。"), {"text": [_("请填写说明。")]})
    if len(files) > MOST_FILES:
        raise Invalid(_("填写的内容有误。"), {"files": [_("一次最多 %d 个文件。") % MOST_FILES]})
    before, entry.state = entry.state, move.after
    if name == "publish":
        entry.published_at = now
    elif name == "withdraw":
        entry.withdrawn_at = now
    entry.save()
    _note(principal, entry, move.kind, text, now, files)
    refresh(entry.enterprise)
    _audit(principal, f"{name} credit", entry.enterprise_id, {"state": [before, entry.state], "text": [None, text]})
    return entry


def over(today: date) -> list[Period]:
    """The quarter and the year that ended last."""
    return [period(kind, today).before for kind in CreditAssessment.Period.values]


@transaction.atomic
def assess(
    principal: Principal, time: Period, enterprise: UUID | None = None, *, reason: str = "", now: datetime | None = None
) -> int:
    """Assess a period that is over; returns how many assessments were made.

    Without an enterprise all those that were there and have no assessment of the period get one. With one, its
    assessment is made again as a further version, if anything changed since: Conflict otherwise.
    """
    now = now or timezone.now()
    last = time.end - timedelta(days=1)
    if time.kind not in CreditAssessment.Period.values or timezone.localdate(now) <= last:
        raise Invalid(_("只能考评已经结束的季度或年度。"), {"period": [time.label]})
    if enterprise is None:
        if principal is not SYSTEM and not principal.is_admin:
            raise Refused(_("只有系统管理员可以考评全部企业。"))
    else:
        gate.fetch(principal, layer(), enterprise, RECORD)
        if not reason.strip():
            raise Invalid(_("请填写更正原因。"), {"reason": [_("请填写更正原因。")]})
    given = {
        "day": last, "known": now, "kinds": Enterprise.Kind.values, "kind": "", "one": enterprise, "period": time.kind,
        "first": time.first, "last": last, "person": _who(principal), "reason": reason.strip()[:300],
    }  # fmt: skip
    with connection.cursor() as cursor:
        # One maker at a time: two would both find that there is no version yet.
        cursor.execute("select pg_advisory_xact_lock(hashtext('credit assessment'))")
        if enterprise is not None:
            cursor.execute(f"{RANKED}, {_CLOSED}", given)
        cursor.execute(f"{RANKED}, {_MADE}", given)
        made = cursor.rowcount
    if enterprise is not None:
        if not made:
            raise Conflict(_("考评所依据的记录没有变化，不需要更正。"))
        _audit(principal, "assess credit", enterprise, {"period": [None, time.label], "reason": [None, reason]})
    elif made:
        _audit(principal, "assess credit", "", {"period": [None, time.label], "made": [None, made]})
    return made


def daily() -> int:
    """What the calendar brings: points that lapse leave the column of scores, periods that ended are assessed."""
    refresh(most=AT_ONCE)
    return sum(assess(SYSTEM, time) for time in over(timezone.localdate()))


WORK = {"credit": daily}
EVERY = {"credit": 600}
"""Seconds from one run to the next: a day that begins is seen within ten minutes."""


def _note(
    principal: Principal, entry: CreditEntry, kind: CreditStep.Kind, text: str, now: datetime,
    files: Sequence[tuple[str, Iterable[bytes]]],
) -> None:  # fmt: skip
    kept = [
        str(attachments.add(principal, layer(), entry.enterprise_id, name, chunks, entry.reason, action="view").pk)
        for name, chunks in files
    ]
    CreditStep.objects.create(
        entry=entry, kind=kind, at=now, user_id=principal.id, person=_who(principal), text=text, files=kept
    )


def _who(principal: Principal) -> str:
    user = User.objects.filter(pk=principal.id).first() if principal.id else None
    return str(user or principal.name)[:60]


def _audit(principal: Principal, action: str, enterprise: object, changes: dict[str, Any]) -> None:
    trail.note(
        principal.id, principal.name, action, layer=layer().key, object_id=enterprise, changes=changes,
        address=principal.address,
    )  # fmt: skip


_STANDING = """wanted as (
    select s.*, e.founded_on, e.created_at, coalesce((
        select jsonb_agg(jsonb_build_object(
            'entry', c.id, 'item', i.code, 'kind', c.kind, 'points', c.points, 'reason', c.reason,
            'decided_by', c.decided_by, 'decided_on', c.decided_on, 'valid_until', c.valid_until
        ) order by c.decided_on, c.id)
        from enterprises_creditentry c left join enterprises_credititem i on i.id = c.item_id
        where c.enterprise_id = s.id and c.published_at <= %(known)s
            and (c.withdrawn_at is null or c.withdrawn_at > %(known)s)
            and c.effective_from <= %(day)s and (c.valid_until is null or c.valid_until >= %(day)s)
    ), '[]'::jsonb) as inputs
    from ranked s join enterprises_enterprise e on e.id = s.id where %(one)s::uuid is null or s.id = %(one)s
)"""
_CLOSED = f"""{_STANDING}
update enterprises_creditassessment a set superseded_at = %(known)s from wanted w
where a.enterprise_id = w.id and a.period = %(period)s and a.first = %(first)s and a.superseded_at is null
    and (a.inputs, a.score, a.rule_version) is distinct from (w.inputs, w.score, w.rule)"""  # noqa: S608
_MADE = f"""{_STANDING}
insert into enterprises_creditassessment (
    enterprise_id, period, first, last, version, enterprise_kind, rule_id, rule_version, base, gained, lost, score,
    grade, rank, ranked, inputs, made_at, made_by, reason
)
select w.id, %(period)s, %(first)s, %(last)s, coalesce((
        select max(a.version) from enterprises_creditassessment a
        where a.enterprise_id = w.id and a.period = %(period)s and a.first = %(first)s
    ), 0) + 1, w.kind, w.rule_id, w.rule, w.base, w.gained, w.lost, w.score, w.grade, w.rank, w.ranked, w.inputs,
    %(known)s, %(person)s, %(reason)s
from wanted w
where not exists (
    select from enterprises_creditassessment a where a.enterprise_id = w.id and a.period = %(period)s
        and a.first = %(first)s and a.superseded_at is null
) and (%(one)s::uuid is not null or coalesce(w.founded_on, w.created_at::date) <= %(last)s)"""  # noqa: S608
