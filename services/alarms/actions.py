"""What people do about an alarm: each act checks the right, changes, notes, audits and tells, whoever calls it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access import gate
from services.access.errors import Conflict, Invalid, NotFound, Refused
from services.access.principal import Principal
from services.accounts.models import User
from services.alarms import telling
from services.alarms.models import Act, Episode, Told
from services.audit import trail

STATE = Episode.State
OPEN, ACKNOWLEDGED, ASSIGNED, RECTIFYING, HANDLED, CLOSED, FALSE = STATE
MOST_AT_ONCE = 500


@dataclass(frozen=True)
class Move:
    """An act: from which states, to which; whether it needs words, and whether only who may change the feature may."""

    kind: Act.Kind
    before: tuple[str, ...]
    after: str = ""
    words: bool = False
    change: bool = True


MOVES = {
    "acknowledge": Move(Act.Kind.ACKNOWLEDGED, (OPEN,), ACKNOWLEDGED, change=False),
    "assign": Move(Act.Kind.ASSIGNED, (OPEN, ACKNOWLEDGED, ASSIGNED), ASSIGNED),
    "rectify": Move(Act.Kind.RECTIFIED, (OPEN, ACKNOWLEDGED, ASSIGNED, RECTIFYING, HANDLED), RECTIFYING, words=True),
    "handle": Move(Act.Kind.HANDLED, Episode.UNDONE, HANDLED, words=True, change=False),
    "reopen": Move(Act.Kind.REOPENED, (HANDLED, CLOSED, FALSE), ASSIGNED, words=True),
    "close": Move(Act.Kind.CLOSED, (ACKNOWLEDGED, ASSIGNED, RECTIFYING, HANDLED), CLOSED),
    "false": Move(Act.Kind.FALSE, (*Episode.UNDONE, HANDLED), FALSE, words=True),
    "comment": Move(Act.Kind.COMMENTED, tuple(STATE.values), words=True, change=False),
}


def episodes(principal: Principal, *, withdrawn: bool = False) -> QuerySet[Episode]:
    """The episodes of features that a principal may see; an administrator sees those of no feature, too."""
    rows = Episode.objects.all() if withdrawn else Episode.objects.filter(withdrawn=False)
    if principal.is_public:
        return rows.none()
    if principal.is_admin:
        return rows
    return rows.filter(feature__in=gate.restrict_index(principal).values("pk"))


def counts(
    principal: Principal, begin: datetime, end: datetime, features: Iterable[UUID] | None = None
) -> dict[UUID, dict[str, int]]:
    """Feature → level → how many episodes began between two moments, late ones included; for maps and grids of risk."""
    rows = episodes(principal).filter(began_at__gte=begin, began_at__lt=end, feature__isnull=False)
    rows = rows.exclude(state=FALSE)
    if features is not None:
        rows = rows.filter(feature__in=list(features))
    found: dict[UUID, dict[str, int]] = {}
    for feature, level, number in rows.values_list("feature", "level").annotate(n=Count("pk")).order_by():
        found.setdefault(feature, {})[level] = number
    return found


def fetch(principal: Principal, pk: UUID) -> Episode:
    """One episode; NotFound where it is not there or foreign."""
    rows = episodes(principal, withdrawn=True).select_related("rule", "factor", "assignee", "device", "feature")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotFound(_("没有这条告警。"))
    return found


def allowed(principal: Principal, episode: Episode) -> list[str]:
    """What a principal may do with an episode as it stands now."""
    return allowed_of(principal, [episode])[episode.pk]


def allowed_of(principal: Principal, some: list[Episode]) -> dict[UUID, list[str]]:
    """Episode → what a principal may do with it as it stands now."""
    rights = _rights(principal, some)
    return {episode.pk: [name for name in MOVES if _may(name, episode, *rights[episode.pk])] for episode in some}


def _may(name: str, episode: Episode, change: bool, concerned: bool) -> bool:
    move = MOVES[name]
    return (
        episode.state in move.before
        and not (episode.withdrawn and name != "comment")
        and (change or (concerned and not move.change))
    )


def act(
    principal: Principal,
    pk: UUID,
    name: str,
    text: str = "",
    *,
    assignee: UUID | None = None,
    disposition: str = "",
    due: datetime | None = None,
    now: datetime | None = None,
) -> Episode:
    """Do one thing with an episode; ``due`` is by when it is to be rectified, in the way that the text says.

    NotFound for a foreign one, Refused without the right, Conflict where it is not possible in this state, Invalid
    where words, the person or the deadline are missing.
    """
    move = MOVES.get(name)
    if move is None:
        raise NotFound(_("没有这个操作。"))
    text = text.strip()[:1000]
    with transaction.atomic():
        fetch(principal, pk)
        episode = Episode.objects.select_for_update(of=("self",)).select_related("rule", "factor").get(pk=pk)
        change, concerned = _rights(principal, [episode]).get(episode.pk, (False, False))
        if not (change or (concerned and not move.change)):
            raise Refused(_("需要对该要素的修改权限，或者是该告警的通知对象。"))
        if episode.state not in move.before or (episode.withdrawn and name != "comment"):
            raise Conflict(_("该告警当前为“%s”，不能进行此操作；请刷新后重试。") % episode.get_state_display())
        if move.words and not text:
            raise Invalid(_("请填写说明。"), {"text": [_("请填写说明。")]})
        if disposition and disposition not in Episode.Disposition.values:
            raise Invalid(_("没有这个处置说明。"), {"disposition": [", ".join(Episode.Disposition.values)]})
        user = User.objects.filter(pk=principal.id).first() if principal.id else None
        moment, before = now or timezone.now(), _facts(episode)
        if name == "assign":
            episode.assignee = _assignable(episode, assignee)
        elif name == "rectify":
            episode.assignee = _assignable(episode, assignee) if assignee else episode.assignee
            episode.measure, episode.rectify_by = text, _later(due, moment)
        elif name == "reopen":
            episode.assignee = episode.assignee or user
            episode.rectify_by = _later(due, moment) if due else None
        _set(episode, move, disposition, moment)
        telling.told_of(episode, move.kind, user=user, text=text)
        after = _facts(episode)
        changes: dict[str, Any] = {
            key: [_plain(before[key]), _plain(after[key])] for key in before if before[key] != after[key]
        }
        if text:
            changes["text"] = [None, text]
        trail.note(
            principal.id, principal.name, f"{name} alarm", layer="alarm", object_id=episode.pk, changes=changes,
            address=principal.address,
        )  # fmt: skip
    return episode


def acknowledge_all(principal: Principal, pks: Iterable[UUID]) -> tuple[int, int]:
    """Acknowledge those of some episodes that can be; how many were, and how many were left as they are."""
    wanted = list(dict.fromkeys(pks))[:MOST_AT_ONCE]
    done = 0
    for pk in wanted:
        try:
            act(principal, pk, "acknowledge")
            done += 1
        except (Conflict, Refused, NotFound):
            continue
    return done, len(wanted) - done


def assignees(episode: Episode) -> list[User]:
    """The people to whom an episode can be given: who may see its feature, and is told of alarms by a role there."""
    return sorted(telling.recipients(ROLES, episode), key=str)


ROLES = ("supervisor", "inspector", "contractor", "operator")
"""Roles whose people handle alarms."""


def _assignable(episode: Episode, assignee: UUID | None) -> User:
    found = next((user for user in assignees(episode) if user.pk == assignee), None)
    if found is None:
        raise Invalid(_("请选择责任人。"), {"assignee": [_("责任人应能查看该要素。")]})
    return found


def _later(due: datetime | None, now: datetime) -> datetime:
    if due is None or due <= now:
        raise Invalid(_("整改期限应晚于现在。"), {"due": [_("整改期限应晚于现在。")]})
    return due


def _facts(episode: Episode) -> dict[str, Any]:
    """What acts change, for the audit trail."""
    return {
        "state": episode.state, "assignee": episode.assignee_id, "disposition": episode.disposition,
        "rectify_by": episode.rectify_by,
    }  # fmt: skip


def _set(episode: Episode, move: Move, disposition: str, now: datetime) -> None:
    if move.after:
        again = move.kind == Act.Kind.REOPENED and episode.rectify_by is not None
        episode.state = RECTIFYING if again else move.after
    if disposition:
        episode.disposition = disposition
    if move.kind in (Act.Kind.REOPENED, Act.Kind.RECTIFIED):
        episode.handled_at = episode.closed_at = None
    elif move.kind in (Act.Kind.ACKNOWLEDGED, Act.Kind.ASSIGNED, Act.Kind.RECTIFIED, Act.Kind.HANDLED):
        # Who handles or assigns it has seen it.
        episode.acknowledged_at = episode.acknowledged_at or now
    if move.kind == Act.Kind.HANDLED:
        episode.handled_at = now
    if move.after in (CLOSED, FALSE):
        episode.closed_at = now
    episode.save(
        update_fields=["state", "assignee", "disposition", "measure", "rectify_by", "acknowledged_at", "handled_at",
                       "closed_at"]
    )  # fmt: skip


def _rights(principal: Principal, some: list[Episode]) -> dict[UUID, tuple[bool, bool]]:
    """Episode → whether the principal may change its feature, and whether it concerns them: told, or theirs to do."""
    if principal.is_admin:
        return {episode.pk: (True, True) for episode in some}
    features = [episode.feature_id for episode in some if episode.feature_id]
    mine = set(gate.restrict_index(principal, action="change").filter(pk__in=features).values_list("pk", flat=True))
    told = set(Told.objects.filter(user=principal.id, episode__in=some).values_list("episode", flat=True))
    return {
        e.pk: (e.feature_id in mine, e.feature_id in mine or e.pk in told or e.assignee_id == principal.id)
        for e in some
    }


def _plain(value: Any) -> Any:
    return None if value in (None, "") else str(value)
