"""Orders to remedy an exceedance: issued to the unit in charge, answered with photographs, checked, closed or returned.

The alarm that an order came of follows it: who issues takes the alarm in hand, a reply handles it, a check closes it or
sends it back, each as far as the alarm's own state allows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from layers.environment.models import Monitor, OrderStep, RemediationOrder
from layers.environment.rules import DUE_DAYS
from services.access import gate
from services.access.errors import AccessError, Conflict, Invalid, NotFound, Refused
from services.access.principal import Principal
from services.accounts.models import User
from services.alarms import actions as alarms
from services.alarms.models import Episode, Level
from services.audit import trail
from services.catalog.layer import Layer, registry
from services.catalog.models import FeatureIndex
from services.files import attachments
from services.notify.models import Level as NoticeLevel
from services.notify.outbox import notify

STATE, KIND = RemediationOrder.State, OrderStep.Kind
MOST_PHOTOS = 9
MOST_WORDS = 1000


@dataclass(frozen=True)
class Move:
    """An act: from which states, to which; whether it is the unit's, needs words, and what it does to the alarm."""

    kind: OrderStep.Kind
    before: tuple[str, ...]
    after: str = ""
    of_unit: bool = False
    words: bool = False
    alarm: str = ""


MOVES = {
    "reply": Move(KIND.REPLIED, RemediationOrder.WAITING, STATE.REPLIED, of_unit=True, words=True, alarm="handle"),
    "close": Move(KIND.CLOSED, (STATE.REPLIED,), STATE.CLOSED, alarm="close"),
    "return": Move(KIND.RETURNED, (STATE.REPLIED,), STATE.RETURNED, words=True, alarm="reopen"),
    "urge": Move(KIND.URGED, RemediationOrder.WAITING),
    "withdraw": Move(KIND.WITHDRAWN, RemediationOrder.OPEN, STATE.WITHDRAWN, words=True),
}


def monitors() -> Layer:
    """The layer of what orders are about."""
    return registry.by_key["monitors"]


def layer() -> Layer:
    """The layer of the orders."""
    return registry.by_key["remediation_orders"]


def orders(principal: Principal) -> QuerySet[RemediationOrder]:
    """The orders that a principal may see: a supervisor those of the county, a unit its own."""
    rows: Any = gate.restrict(principal, layer())
    return rows.select_related("unit", "monitor", "region")  # type: ignore[no-any-return]


def fetch(principal: Principal, pk: UUID) -> RemediationOrder:
    """One of them; NotFound where it is not there or foreign."""
    found = orders(principal).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("没有这张整改单。"))
    return found


def may_issue(principal: Principal) -> bool:
    """Whether a principal may write an order about some monitor."""
    return gate.may(principal, monitors(), "change")


def overdue(order: RemediationOrder, now: datetime) -> bool:
    """Whether the unit let a deadline pass: it does now, or its first answer came too late."""
    return order.state != STATE.WITHDRAWN and (
        order.late or (order.state in RemediationOrder.WAITING and now > order.due_at)
    )


def units(monitor: Monitor) -> list[tuple[UUID, str, str]]:
    """Whom an order about a monitor can go to: key, name and capacity, the contractor of its site first."""
    project: Any = monitor.project
    if project is None:
        return []
    rows = project.participations.select_related("enterprise")
    found = [(row.enterprise_id, row.enterprise.name, str(row.get_capacity_display()), row.capacity) for row in rows]
    found.sort(key=lambda row: (row[3] != "contractor", row[3] != "owner", row[1]))
    return [row[:3] for row in found]


def proposal(episode: Episode) -> dict[str, Any]:
    """What an order that comes of an alarm says unless somebody writes otherwise."""
    level, factor = episode.level, episode.factor
    digits = factor.digits if factor else 1
    finding = str(episode.rule)
    if factor is not None and episode.peak is not None:
        finding += _("：%(factor)s峰值 %(peak)s %(unit)s") % {
            "factor": factor, "peak": f"{episode.peak:.{digits}f}", "unit": factor.unit,
        }  # fmt: skip
        if episode.limit is not None:
            finding += _("，限值 %(limit)s") % {"limit": f"{episode.limit:.{digits}f}"}
    return {"level": level, "finding": finding[:300], "due_at": due(level, timezone.now())}


def due(level: str, now: datetime) -> datetime:
    """The end of the working day so many days after, by the level."""
    day = timezone.localtime(now) + timedelta(days=DUE_DAYS[level])
    return day.replace(hour=18, minute=0, second=0, microsecond=0)


@transaction.atomic
def issue(
    principal: Principal, monitor: UUID, *, unit: UUID | None, finding: str, requirement: str, due_at: datetime,
    level: str = Level.YELLOW, alarm: UUID | None = None, now: datetime | None = None,
) -> RemediationOrder:  # fmt: skip
    """Write an order and tell the unit; Invalid where something is missing, Refused outside the principal's reach."""
    now = now or timezone.now()
    about: Any = gate.fetch(principal, monitors(), monitor, "change")
    episode = _episode(principal, alarm, about)
    wrong: dict[str, list[str]] = {}
    if unit not in {key for key, _name, _capacity in units(about)}:
        wrong["unit"] = [_("请选择监测设备所在工地的参建单位。")]
    if due_at <= now:
        wrong["due_at"] = [_("整改期限应晚于现在。")]
    if wrong:
        raise Invalid(_("填写的内容有误。"), wrong)
    order = RemediationOrder(
        code=_number(now), name=_("%(name)s整改") % {"name": about.name}, region_id=about.region_id, level=level,
        monitor=about, unit_id=unit, alarm=episode.pk if episode else None, finding=finding.strip()[:300],
        requirement=requirement.strip(), issuer=_who(principal), issued_at=now, due_at=due_at,
    )  # fmt: skip
    order.name = order.name[:200]
    try:
        order.full_clean()
    except ValidationError as error:
        raise Invalid(_("填写的内容有误。"), error.message_dict) from error
    order.save()
    step = _note(principal, order, KIND.ISSUED, order.finding, now)
    if episode is not None:
        _take_in_hand(principal, episode, order)
    _tell(order, step, _people_of_unit(order))
    _audit(principal, "issue", order, {"unit": [None, str(unit)], "due_at": [None, due_at.isoformat()]})
    return order


def allowed(principal: Principal, order: RemediationOrder) -> list[str]:
    """What a principal may do with an order as it stands now."""
    supervises, answers = _rights(principal, order)
    return [
        name
        for name, move in MOVES.items()
        if order.state in move.before and (supervises or (answers and move.of_unit))
    ]


@transaction.atomic
def act(
    principal: Principal, pk: UUID, name: str, text: str = "", photos: Sequence[tuple[str, Iterable[bytes]]] = (),
    *, due_at: datetime | None = None, now: datetime | None = None,
) -> RemediationOrder:  # fmt: skip
    """Do one thing with an order; ``due_at`` gives a returned one a new deadline.

    NotFound for a foreign one, Refused without the right, Conflict where it is not possible in this state, Invalid
    where words are missing or a photograph cannot be kept: then nothing is done.
    """
    now = now or timezone.now()
    move = MOVES.get(name)
    if move is None:
        raise NotFound(_("没有这个操作。"))
    fetch(principal, pk)
    order = RemediationOrder.objects.select_for_update(of=("self",)).select_related("unit", "monitor").get(pk=pk)
    supervises, answers = _rights(principal, order)
    if not (supervises or (answers and move.of_unit)):
        raise Refused(_("需要对监测设备的修改权限，或者是被整改的责任单位。"))
    if order.state not in move.before:
        raise Conflict(_("该整改单当前为“%s”，不能进行此操作；请刷新后重试。") % order.get_state_display())
    text = text.strip()[:MOST_WORDS]
    if move.words and not text:
        raise Invalid(_("请填写说明。"), {"text": [_("请填写说明。")]})
    if len(photos) > MOST_PHOTOS:
        raise Invalid(_("填写的内容有误。"), {"photo": [_("一次最多 %d 个文件。") % MOST_PHOTOS]})
    before = order.state
    if move.after:
        order.state = move.after
    if move.kind == KIND.REPLIED:
        order.late = order.late or (order.replied_at is None and now > order.due_at)
        order.replied_at = order.replied_at or now
    elif move.kind == KIND.CLOSED:
        order.closed_at = now
    elif move.kind == KIND.RETURNED:
        order.returns += 1
        if due_at is not None and due_at <= now:
            raise Invalid(_("填写的内容有误。"), {"due_at": [_("整改期限应晚于现在。")]})
        order.due_at = due_at or max(order.due_at, due(order.level, now))
    order.save()
    kept = [
        str(attachments.add(principal, layer(), order.pk, title, chunks, str(move.kind.label), action="view").pk)
        for title, chunks in photos
    ]
    step = _note(principal, order, move.kind, text, now, kept)
    if move.alarm:
        _follow(principal, order, move.alarm, text)
    _tell(order, step, _people_of_unit(order) if not move.of_unit else _issuers(order))
    _audit(principal, name, order, {"state": [before, order.state], "text": [None, text], "files": [None, len(kept)]})
    return order


def _rights(principal: Principal, order: RemediationOrder) -> tuple[bool, bool]:
    """Whether a principal may change what the order is about, and whether they belong to the unit it went to."""
    supervises = gate.restrict(principal, monitors(), "change").filter(pk=order.monitor_id).exists()
    # Seen as one of the unit, and not as somebody who may also look.
    as_unit = tuple(h for h in principal.holdings if order.unit_id and h.organisation == order.unit_id)
    answers = gate.restrict(replace(principal, holdings=as_unit), layer()).filter(pk=order.pk).exists()
    return supervises, answers


def _episode(principal: Principal, alarm: UUID | None, monitor: Monitor) -> Episode | None:
    if alarm is None:
        return None
    found = alarms.fetch(principal, alarm)
    if found.feature_id != monitor.pk:
        raise Invalid(_("填写的内容有误。"), {"alarm": [_("该告警不属于这台监测设备。")]})
    return found


def _number(now: datetime) -> str:
    """The next number of the day."""
    start = f"ZG{timezone.localtime(now):%Y%m%d}"
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtext(%s))", [start])
    last = RemediationOrder.objects.filter(code__startswith=start).order_by("-code").values_list("code", flat=True)
    return f"{start}{int((last.first() or '0')[-4:]) + 1:04}"


def _take_in_hand(principal: Principal, episode: Episode, order: RemediationOrder) -> None:
    """The alarm is to be rectified as the order says, by somebody of the unit where there is one who may have it."""
    text = _("整改单 %(code)s：%(text)s") % {"code": order.code, "text": order.requirement}
    theirs = {user.pk for user in _people_of_unit(order)}
    someone = next((user for user in alarms.assignees(episode) if user.pk in theirs), None)
    possible = alarms.allowed(principal, episode)
    if "rectify" in possible:
        to = someone.pk if someone else None
        alarms.act(principal, episode.pk, "rectify", text, assignee=to, due=order.due_at, now=order.issued_at)
    elif "acknowledge" in possible:
        alarms.act(principal, episode.pk, "acknowledge", text)


def _follow(principal: Principal, order: RemediationOrder, name: str, text: str) -> None:
    """Do the same with the alarm, as far as its state and the principal's rights there allow."""
    if order.alarm is None:
        return
    try:
        episode = alarms.fetch(principal, order.alarm)
    except NotFound:
        return
    if name in alarms.allowed(principal, episode):
        words = _("整改单 %(code)s：%(text)s") % {"code": order.code, "text": text or order.get_state_display()}
        disposition = Episode.Disposition.MEASURES if name == "handle" else ""
        try:
            with transaction.atomic():
                due = order.due_at if name == "reopen" else None
                alarms.act(principal, episode.pk, name, words, disposition=disposition, due=due)
        except AccessError:
            return


def _note(
    principal: Principal, order: RemediationOrder, kind: OrderStep.Kind, text: str, now: datetime,
    files: list[str] | None = None,
) -> OrderStep:  # fmt: skip
    return OrderStep.objects.create(
        order=order, kind=kind, at=now, user_id=principal.id, person=_who(principal), text=text, files=files or []
    )


def _who(principal: Principal) -> str:
    user = User.objects.filter(pk=principal.id).first() if principal.id else None
    return str(user or principal.name)[:60]


def _people_of_unit(order: RemediationOrder) -> list[User]:
    """The accounts of the unit that may see the order."""
    roles = [role for role, actions in layer().grants.items() if "view" in actions.split()]
    rows = User.objects.filter(
        is_active=True, memberships__organisation=order.unit_id, memberships__role__in=roles
    ).distinct()
    return list(rows)


def _issuers(order: RemediationOrder) -> list[User]:
    """Those who have issued, urged, returned so far: who waits for the answer."""
    asked = order.steps.exclude(kind=KIND.REPLIED).values("user")
    return list(User.objects.filter(pk__in=asked, is_active=True))


def _tell(order: RemediationOrder, step: OrderStep, people: list[User]) -> None:
    others = [user for user in people if user.pk != step.user_id]
    if not others:
        return
    place = FeatureIndex.objects.filter(pk=order.monitor_id).only("title", "region_code").first()
    urgent = step.kind in (KIND.ISSUED, KIND.URGED, KIND.RETURNED)
    notify(
        others,
        f"remediation-{step.kind}",
        {
            "title": order.name, "code": order.code, "name": place.title if place else "", "text": step.text,
            "person": step.person, "due": f"{timezone.localtime(order.due_at):%Y-%m-%d %H:%M}", "time": step.at,
            "state": RemediationOrder.State(order.state).label, "unit": "",
        },
        level=order.level if urgent else NoticeLevel.NONE,
        link=f"/desk/remediation/{order.pk}",
        dedupe_key=f"remediation:{step.pk}",
    )  # fmt: skip


def _audit(principal: Principal, action: str, order: RemediationOrder, changes: dict[str, Any]) -> None:
    trail.note(
        principal.id, principal.name, f"{action} order", layer=layer().key, object_id=order.pk, changes=changes,
        address=principal.address,
    )  # fmt: skip
