"""Noting what happened to an episode, telling those whom it concerns, and telling the live map: in one transaction."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import Count, Q
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from gis.models import code_prefix
from services.access import gate
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.alarms.models import NOT_HEARD, SUBJECTS, Act, Deadline, Episode, Rule, Tier, Told
from services.alarms.places import Place
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.live.outbox import PLATFORM, tell
from services.live.outbox import Told as LiveTold
from services.notify import absence
from services.notify.models import Level as NoticeLevel
from services.notify.outbox import notify
from services.notify.wording import shown

TOPIC = "alarms"
"""Of live events; only what is alerting has a title, which the desk shows."""
ALERTING = (Act.Kind.RAISED, Act.Kind.WORSENED, Act.Kind.OVERDUE)
WORDED = (Act.Kind.RAISED, Act.Kind.WORSENED)
"""Of warnings: these say what is warned of."""
FOR_ASSIGNEE = (Act.Kind.ASSIGNED, Act.Kind.RECTIFIED)
KEYS = {
    Act.Kind.RAISED: "raised", Act.Kind.WORSENED: "worsened", Act.Kind.ENDED: "ended", Act.Kind.OVERDUE: "overdue",
    Act.Kind.ASSIGNED: "assigned", Act.Kind.HANDLED: "handled", Act.Kind.REOPENED: "reopened",
    Act.Kind.CLOSED: "closed", Act.Kind.RECTIFIED: "rectify", Act.Kind.FALSE: "false",
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
    if kind in ALERTING:
        _assign(episode, place)
    return act


def _assign(episode: Episode, place: Place | None) -> None:
    """Give it to whom the level names where it lies, as the tier wants; it still waits to be acknowledged."""
    role = Tier.objects.filter(level=episode.level).values_list("assign_role", flat=True).first()
    if not role or episode.assignee_id is not None or episode.feature_id is None or episode.state != Episode.State.OPEN:
        return
    person = responsible(role, episode)
    if person is not None:
        episode.assignee = person
        episode.save(update_fields=["assignee"])
        told_of(episode, Act.Kind.ASSIGNED, place)


def responsible(role: str, episode: Episode) -> User | None:
    """Who of a role is in charge of a feature: the narrowest reach first, on duty, with the fewest alarms in hand."""
    held = {row.user_id: row for row in sorted(_held([role], episode), key=_reach, reverse=True)}
    off = absence.current(held)
    busy = dict(
        Episode.objects.filter(assignee__in=held, state__in=Episode.UNDONE)
        .values_list("assignee").annotate(n=Count("pk")).order_by()
    )  # fmt: skip
    some = sorted(held.values(), key=lambda row: (row.user_id in off, *_reach(row), busy.get(row.user_id, 0), row.pk))
    return some[0].user if some else None


def _reach(held: Membership) -> tuple[bool, bool, int]:
    """Smaller is narrower: named features, one organisation, then the longer prefix of a region."""
    return not held.named_only, held.organisation_id is None, -len(code_prefix(held.region_id or ""))


def recipients(roles: Iterable[str], episode: Episode) -> list[User]:
    """The people who hold one of these roles where the episode's feature lies, and may see it."""
    if episode.feature_id is None or not FeatureIndex.objects.filter(pk=episode.feature_id).exists():
        return list(User.objects.filter(is_active=True, memberships__role=Role.ADMIN).distinct())
    return list({row.user_id: row.user for row in _held(roles, episode)}.values())


def _held(roles: Iterable[str], episode: Episode) -> list[Membership]:
    """The memberships by which people have one of these roles at the episode's feature."""
    feature = FeatureIndex.objects.filter(pk__in=[episode.feature_id]).first()
    if feature is None:
        return []
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
    return [row for row in held if not row.region_id or feature.region_code.startswith(code_prefix(row.region_id))]


def _live(episode: Episode, act: Act) -> None:
    index = FeatureIndex.objects.filter(pk__in=[episode.feature_id]).only("layer", "title").first()
    if index is None and (episode.feature_id is not None or episode.device_id is not None):
        return
    payload: dict[str, Any] = {
        "id": str(episode.pk), "act": act.pk, "level": episode.level, "state": episode.state,
        "kind": Act.Kind(act.kind).value, "ended": episode.ended_at is not None, "began": episode.began_at.isoformat(),
    }  # fmt: skip
    if act.kind in ALERTING:
        payload["title"] = [episode.rule.name, *([index.title] if index else [])]
    tell(None, TOPIC, [LiveTold(index.layer, index.pk, payload) if index else LiveTold(PLATFORM, episode.pk, payload)])


def _people(episode: Episode, kind: Act.Kind, user: User | None, deadline: Deadline | None) -> list[User]:
    if kind == Act.Kind.OVERDUE:
        # Past the day until which it was to be rectified nothing but the level says who is told.
        roles = deadline.roles if deadline else late_roles(episode)
        if deadline and deadline.raise_to:
            roles = [*roles, *_tier_roles(episode)]
        found = [*recipients(roles, episode), *([episode.assignee] if episode.assignee and not deadline else [])]
    elif kind in ALERTING:
        named = episode.rule.users.filter(is_active=True)
        if episode.feature_id is None:
            named = named.filter(memberships__role=Role.ADMIN)
        found = [*recipients([*episode.rule.roles, *_tier_roles(episode)], episode), *named]
    elif kind in FOR_ASSIGNEE:
        found = [episode.assignee] if episode.assignee else []
    else:
        found = list(User.objects.filter(pk__in=episode.told.values("user"), is_active=True))
    return [one for one in dict.fromkeys(found) if user is None or one.pk != user.pk or kind in FOR_ASSIGNEE]


def _tier_roles(episode: Episode) -> list[str]:
    """Whom its level tells beside those of its rule."""
    return Tier.objects.filter(level=episode.level).values_list("roles", flat=True).first() or []


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


def _number(episode: Episode) -> str:
    """The number of the device that is silent; where values are told, nobody asks for it."""
    return episode.device.number if episode.device and episode.rule.kind == Rule.Kind.SILENCE else ""


def _said(episode: Episode, act: Act) -> str:
    """What an act says; where a module warns, with figures and advice: its wording has no place for them."""
    if episode.device_id is not None or act.kind not in (*ALERTING, Act.Kind.ASSIGNED):
        return act.words
    parts = [act.words, episode.irregularity]
    if act.kind not in WORDED and (worded := episode.acts.filter(kind__in=WORDED).last()):
        parts.append(worded.words)
    if episode.value is not None:
        parts.append(_("当前 %(value)s %(unit)s") % {"value": f"{episode.value:g}", "unit": episode.unit})
    if episode.limit is not None:
        parts.append(_("限值 %(limit)s %(unit)s") % {"limit": f"{episode.limit:g}", "unit": episode.unit})
    if episode.rule.advice:
        parts.append(_("建议：%s") % _(episode.rule.advice))
    return _("；").join(part.strip() for part in parts if part)


def _rectify_by(at: datetime) -> str:
    return _("整改期限 %s") % shown(at)


def late_roles(episode: Episode) -> list[str]:
    """Who is told that an alarm was not rectified in time: those whom its level tells of what is not handled."""
    own = Deadline.objects.filter(level=episode.level, step=Deadline.Step.HANDLE)
    rows = own.filter(rule=episode.rule_id) or own.filter(rule=None)
    return sorted({role for row in rows for role in row.roles})


def _notify(
    episode: Episode, act: Act, people: list[User], place: Place | None, user: User | None, deadline: Deadline | None
) -> None:
    factor, digits = episode.factor, episode.factor.digits if episode.factor else 1
    # Who has it as a task must hear of it as urgently as of the alarm; that it is over may wait.
    level = episode.level if act.kind in (*ALERTING, *FOR_ASSIGNEE) else NoticeLevel.NONE
    # What has a translation is handed on untranslated: each recipient reads it in their own language.
    name, region = _where(episode, place)
    variables: dict[str, Any] = {
        "title": episode.rule, "name": name, "region": region, "factor": factor or "", "unit": episode.unit,
        "value": None if episode.value is None else round(episode.value, digits), "limit": episode.limit,
        "time": episode.ended_at if act.kind == Act.Kind.ENDED else episode.last_at, "count": episode.count,
        "began": episode.began_at, "code": _number(episode),
        "reason": SUBJECTS.get(episode.subject, NOT_HEARD),
        "text": lazy(partial(_said, episode, act), str)(), "person": user or pgettext_lazy("actor", "系统"),
        "state": Episode.State(episode.state).label,
    }  # fmt: skip
    if deadline is not None:
        variables["due"] = lazy(partial(_due, deadline), str)()
    elif episode.rectify_by is not None:
        variables["due"] = lazy(partial(_rectify_by, episode.rectify_by), str)()
    notify(
        people,
        f"{episode.rule.template}-{KEYS[Act.Kind(act.kind)]}",
        variables,
        level=level,
        link=f"/desk/alarms/{episode.pk}",
        dedupe_key=f"alarm:{episode.pk}:{act.pk}",
    )
