"""Noting what happened to an episode, telling those whom it concerns, and telling the live map: in one transaction."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from django.db.models import Q
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gis.models import code_prefix
from services.access import gate
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.alarms.models import Act, Deadline, Episode, Told
from services.alarms.places import Place
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.live.outbox import PLATFORM, tell
from services.live.outbox import Told as LiveTold
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
    given: Mapping[str, Any] | None = None,
    deadline: Deadline | None = None,
) -> Act:
    """Note an act, and tell: raised, worsened and overdue to the rule's people, the rest to who was told before.

    With ``given`` the text is one of gettext's, into which its values are put in the language of whoever reads it.
    """
    act = Act.objects.create(
        episode=episode, kind=kind, user=user, deadline=deadline, level=episode.level, value=value, text=text,
        given=None if given is None else dict(given),
    )  # fmt: skip
    if kind in KEYS:
        people = _people(episode, kind, user, deadline)
        if people:
            _notify(episode, act, people, place, user, deadline)
            Told.objects.bulk_create(Told(episode=episode, user=one, kind=kind) for one in people)
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
    if index is None and (episode.feature_id is not None or episode.device_id is not None):
        return
    payload: dict[str, Any] = {
        "id": str(episode.pk), "act": act.pk, "level": episode.level, "state": episode.state,
        "kind": Act.Kind(act.kind).value, "ended": episode.ended_at is not None,
    }  # fmt: skip
    if act.kind in ALERTING:
        payload["title"] = [episode.rule.name, *([index.title] if index else [])]
    tell(None, TOPIC, [LiveTold(index.layer, index.pk, payload) if index else LiveTold(PLATFORM, episode.pk, payload)])


def _people(episode: Episode, kind: Act.Kind, user: User | None, deadline: Deadline | None) -> list[User]:
    if kind == Act.Kind.OVERDUE:
        found = recipients(deadline.roles if deadline else (), episode)
    elif kind in ALERTING:
        named = episode.rule.users.filter(is_active=True)
        if episode.feature_id is None:
            named = named.filter(memberships__role=Role.ADMIN)
        found = [*recipients(episode.rule.roles, episode), *named]
    elif kind == Act.Kind.ASSIGNED:
        found = [episode.assignee] if episode.assignee else []
    else:
        found = list(User.objects.filter(pk__in=episode.told.values("user"), is_active=True))
    return [one for one in dict.fromkeys(found) if user is None or one.pk != user.pk or kind == Act.Kind.ASSIGNED]


def _due(deadline: Deadline) -> str:
    return _("%(step)s期限 %(minutes)d 分钟") % {"step": deadline.get_step_display(), "minutes": deadline.minutes}


def _where(episode: Episode, place: Place | None) -> tuple[Any, str]:
    """The name of the feature that it is about, and the code of its region."""
    if place is not None:
        return place.title, place.region
    index = FeatureIndex.objects.filter(pk__in=[episode.feature_id]).only("title", "region_code").first()
    if index is not None:
        return index.title, index.region_code
    return (gettext_lazy("平台"), "") if episode.device_id is None else ("", "")


def _said(episode: Episode, act: Act) -> str:
    """What an act says; where a module warns, with figures and advice: its wording has no place for them."""
    said = act.words
    if episode.device_id is not None or act.kind not in ALERTING:
        return said
    parts = [episode.irregularity, said]
    if episode.value is not None:
        parts.append(_("当前 %(value)s %(unit)s") % {"value": f"{episode.value:g}", "unit": episode.unit})
    if episode.limit is not None:
        parts.append(_("限值 %(limit)s %(unit)s") % {"limit": f"{episode.limit:g}", "unit": episode.unit})
    if episode.rule.advice:
        parts.append(_("建议：%s") % _(episode.rule.advice))
    return _("；").join(part.strip() for part in parts if part)


def _notify(
    episode: Episode, act: Act, people: list[User], place: Place | None, user: User | None, deadline: Deadline | None
) -> None:
    factor, digits = episode.factor, episode.factor.digits if episode.factor else 1
    # Who has it as a task must hear of it as urgently as of the alarm; that it is over may wait.
    level = episode.level if act.kind in (*ALERTING, Act.Kind.ASSIGNED) else NoticeLevel.NONE
    # What has a translation is handed on untranslated: each recipient reads it in their own language.
    name, region = _where(episode, place)
    variables: dict[str, Any] = {
        "title": episode.rule, "name": name, "region": region, "factor": factor or "", "unit": episode.unit,
        "value": None if episode.value is None else round(episode.value, digits), "limit": episode.limit,
        "time": episode.ended_at if act.kind == Act.Kind.ENDED else episode.last_at, "count": episode.count,
        "text": lazy(partial(_said, episode, act), str)(), "person": str(user) if user else "",
        "state": Episode.State(episode.state).label,
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
