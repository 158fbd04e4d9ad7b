"""Noting what happened to an episode, telling those whom it concerns, and telling the live map: in one transaction."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.db.models import Q
from django.utils.functional import lazy
from django.utils.translation import gettext as _

from gis.models import code_prefix
from services.access import gate
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.alarms.models import Act, Deadline, Episode, Told
from services.alarms.places import Place, places
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.live.outbox import Told as LiveTold
from services.live.outbox import tell
from services.notify.models import Level as NoticeLevel
from services.notify.outbox import notify

TOPIC = "alarms"
"""Of live events; only what is alerting has a title, which the desk shows."""
ALERTING = (Act.Kind.RAISED, Act.Kind.WORSENED, Act.Kind.OVERDUE)
KEYS = {
    Act.Kind.RAISED: "raised", Act.Kind.WORSENED: "worsened", Act.Kind.ENDED: "ended", Act.Kind.OVERDUE: "overdue",
    Act.Kind.ASSIGNED: "assigned", Act.Kind.HANDLED: "handled", Act.Kind.REOPENED: "reopened",
    Act.Kind.CLOSED: "closed", Act.Kind.FALSE: "false",
}  # fmt: skip
"""Kind of act → the second half of the key of its wording."""


def told_of(
    episode: Episode,
    kind: Act.Kind,
    place: Place | None = None,
    *,
    value: float | None = None,
    user: User | None = None,
    text: str = "",
    deadline: Deadline | None = None,
) -> Act:
    """Note an act, and tell: raised, worsened and overdue to the rule's people, the rest to who was told before."""
    act = Act.objects.create(
        episode=episode, kind=kind, user=user, deadline=deadline, level=episode.level, value=value, text=text
    )
    if kind in KEYS:
        people = _people(episode, kind, user, deadline)
        if people:
            place = place or places([episode.device_id]).get(episode.device_id)
            _notify(episode, act, people, place, user, deadline)
            Told.objects.bulk_create(Told(episode=episode, user=one, kind=kind) for one in people)
    if episode.feature_id is not None:
        _live(episode, act)
    return act


def recipients(roles: Iterable[str], episode: Episode) -> list[User]:
    """The people who hold one of these roles where the episode's feature lies, and may see it."""
    feature = episode.feature_id and FeatureIndex.objects.filter(pk=episode.feature_id).first()
    if not feature:
        return list(User.objects.filter(is_active=True, memberships__role=Role.ADMIN).distinct())
    layer = registry.get(feature.layer)
    allowed = [role for role in roles if layer is not None and gate.granted(layer, role, "view")]
    if layer is None or not allowed:
        return []
    theirs = set()
    if layer.scope.organisation:
        theirs = set(layer.rows().filter(pk=feature.pk).values_list(layer.scope.organisation, flat=True))
    above = layer.rows().filter(pk=feature.pk).values_list(*gate.lineage(layer)).first() or ()
    held = Membership.objects.filter(
        Q(organisation=None) | Q(organisation__in=theirs - {None}),
        Q(named_only=False) | Q(named__feature__in=[key for key in above if key is not None]),
        role__in=allowed,
        user__is_active=True,
    ).select_related("user")
    return list(
        {
            row.user_id: row.user
            for row in held
            if not row.region_id or feature.region_code.startswith(code_prefix(row.region_id))
        }.values()
    )


def _live(episode: Episode, act: Act) -> None:
    index = FeatureIndex.objects.filter(pk__in=[episode.feature_id]).only("layer", "title").first()
    if index is None:
        return
    payload: dict[str, Any] = {
        "id": str(episode.pk), "act": act.pk, "level": episode.level, "state": episode.state,
        "kind": Act.Kind(act.kind).value, "ended": episode.ended_at is not None,
    }  # fmt: skip
    if act.kind in ALERTING:
        payload["title"] = [episode.rule.name, index.title]
    tell(None, TOPIC, [LiveTold(index.layer, index.pk, payload)])


def _people(episode: Episode, kind: Act.Kind, user: User | None, deadline: Deadline | None) -> list[User]:
    if kind == Act.Kind.OVERDUE:
        found = recipients(deadline.roles if deadline else (), episode)
    elif kind in ALERTING:
        found = [*recipients(episode.rule.roles, episode), *episode.rule.users.filter(is_active=True)]
    elif kind == Act.Kind.ASSIGNED:
        found = [episode.assignee] if episode.assignee else []
    else:
        found = list(User.objects.filter(pk__in=episode.told.values("user"), is_active=True))
    return [one for one in dict.fromkeys(found) if user is None or one.pk != user.pk or kind == Act.Kind.ASSIGNED]


def _due(deadline: Deadline) -> str:
    return _("%(step)s期限 %(minutes)d 分钟") % {"step": deadline.get_step_display(), "minutes": deadline.minutes}


def _notify(
    episode: Episode, act: Act, people: list[User], place: Place | None, user: User | None, deadline: Deadline | None
) -> None:
    factor, digits = episode.factor, episode.factor.digits if episode.factor else 1
    # Who has it as a task must hear of it as urgently as of the alarm; that it is over may wait.
    level = episode.level if act.kind in (*ALERTING, Act.Kind.ASSIGNED) else NoticeLevel.NONE
    # What has a translation is handed on untranslated: each recipient reads it in their own language.
    variables: dict[str, Any] = {
        "title": episode.rule, "name": place.title if place else "", "region": place.region if place else "",
        "factor": factor or "", "unit": factor.unit if factor else "",
        "value": None if episode.value is None else round(episode.value, digits), "limit": episode.limit,
        "time": episode.ended_at if act.kind == Act.Kind.ENDED else episode.last_at, "count": episode.count,
        "text": act.text, "person": str(user) if user else "", "state": Episode.State(episode.state).label,
    }  # fmt: skip
    if deadline is not None:
        variables["due"] = lazy(partial(_due, deadline), str)()
    notify(
        people,
        f"{episode.rule.template}-{KEYS[Act.Kind(act.kind)]}",
        variables,
        level=level,
        link=f"/desk/alarms/{episode.pk}",
        dedupe_key=f"alarm:{episode.pk}:{act.pk}",
    )
