"""Being off duty, from a time to a time, and the deputy who gets one's messages meanwhile; it ends by itself.

A deputy holds at least what the absent person holds, also at the moment of each message: nobody reads by way of a
deputyship what is not theirs to know. Where there is no such deputy the messages go their usual way, and none is lost.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access import holders
from services.access.errors import Invalid, NotFound
from services.access.principal import Holding, Principal, principals
from services.accounts.models import User
from services.accounts.roles import Role
from services.audit import trail
from services.notify.models import Absence

ADMIN = Holding(Role.ADMIN)


def current(users: Iterable[UUID], now: datetime | None = None) -> dict[UUID, Absence]:
    """Of some people those who are off duty, with their absence."""
    moment = now or timezone.now()
    rows = Absence.objects.filter(user__in=list(users), since__lte=moment, until__gt=moment)
    return {row.user_id: row for row in rows.select_related("user", "deputy").order_by("since")}


def deputies(users: Iterable[UUID], now: datetime | None = None) -> dict[UUID, User]:
    """Who gets the messages of those who are off duty: the deputy, or the deputy's where they are off duty, too."""
    asked = set(users)
    away = current(asked, now)
    if not away:
        return {}
    fresh = set(away)
    while fresh := {away[pk].deputy_id for pk in fresh} - set(away):
        more = current(fresh, now)
        away |= more
        fresh &= set(more)
    people = {row.deputy_id: row.deputy for row in away.values()}
    known = principals({*asked, *people})
    found: dict[UUID, User] = {}
    for pk in asked & set(away):
        end = _end(pk, away)
        if end is not None and pk in known and end in known and covers(known[end], known[pk]):
            found[pk] = people[end]
    return found


def covers(deputy: Principal, absent: Principal) -> bool:
    """Whether a deputy holds at least what somebody holds, who holds something."""
    return bool(absent.holdings) and all(
        any(_within(held, other) for other in deputy.holdings) for held in absent.holdings
    )


def candidates(principal: Principal) -> list[User]:
    """Those who can be one's deputy, by name."""
    found = holders.with_all_of(principal.holdings).exclude(pk__in=[principal.id])
    return sorted(found, key=lambda user: (str(user), user.username))


def mine(principal: Principal) -> QuerySet[Absence]:
    """One's own absences that run or are to come, the next first."""
    rows = Absence.objects.filter(user=principal.id or UUID(int=0), until__gt=timezone.now())
    return rows.select_related("deputy").order_by("since")


@transaction.atomic
def settle(principal: Principal, since: datetime | None, until: datetime | None, deputy: UUID | None) -> Absence:
    """Be off duty for a time; Invalid names what has to be mended."""
    wrong = {name: [_("必填")] for name, value in (("since", since), ("until", until)) if value is None}
    user = next((user for user in candidates(principal) if user.pk == deputy), None)
    if user is None:
        wrong["deputy"] = [_("请从列表中选择。")]
    if wrong or since is None or until is None:
        raise Invalid(_("填写的内容有误。"), wrong)
    # One after the other: two absences of a person do not overlap.
    absent = User.objects.select_for_update().get(pk__in=[principal.id])
    row = Absence(user=absent, since=since, until=until, deputy=user)
    try:
        row.full_clean(exclude=["user", "deputy"], validate_constraints=False)
    except ValidationError as error:
        fields = {name: [str(text) for text in texts] for name, texts in error.message_dict.items()}
        raise Invalid(_("填写的内容有误。"), fields) from None
    row.save()
    said = {"since": [None, since.isoformat()], "until": [None, until.isoformat()], "deputy": [None, str(user)]}
    trail.note(
        principal.id, principal.name, "set absence", object_id=row.pk, address=principal.address, changes=said
    )  # fmt: skip
    return row


@transaction.atomic
def end(principal: Principal, pk: int) -> None:
    """Be on duty again before the time, or take back what is to come; NotFound for another's."""
    row = mine(principal).select_for_update(of=("self",)).filter(pk=pk).first()
    if row is None:
        raise NotFound(_("没有这条不在岗安排。"))
    now = timezone.now()
    trail.note(
        principal.id, principal.name, "end absence", object_id=row.pk, address=principal.address,
        changes={"until": [row.until.isoformat(), now.isoformat()]},
    )  # fmt: skip
    if row.since >= now:
        row.delete()
    else:
        Absence.objects.filter(pk=pk).update(until=now)


def _end(pk: UUID, away: dict[UUID, Absence]) -> UUID | None:
    """Where the chain of deputies ends; None where it goes round."""
    seen, at = {pk}, pk
    while at in away:
        at = away[at].deputy_id
        if at in seen:
            return None
        seen.add(at)
    return at


def _within(held: Holding, other: Holding) -> bool:
    """Whether whoever has the other holding has all of this one."""
    if other == ADMIN:
        return True
    return (
        held.role == other.role
        and held.region.startswith(other.region)
        and other.organisation in (None, held.organisation)
        and (other.features is None or (held.features is not None and held.features <= other.features))
    )
