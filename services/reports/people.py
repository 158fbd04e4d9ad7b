"""To whom a report may be sent: people who may see its layer and work where one works oneself."""

from collections.abc import Iterable
from uuid import UUID

from services.access.principal import Holding, Principal, principals
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.catalog.layer import Layer
from services.reports import reach


def recipients(principal: Principal, layer: Layer) -> list[User]:
    """Those whom a principal may choose, by name: nobody learns of people elsewhere or of other organisations."""
    held = Membership.objects.filter(user__is_active=True).exclude(role=Role.PUBLIC)
    known = principals(set(held.values_list("user", flat=True)))
    found = [
        pk for pk, other in known.items()
        if reach.sees(other, layer) and (principal.is_admin or _meet(principal.holdings, other.holdings))
    ]  # fmt: skip
    return sorted(User.objects.filter(pk__in=found), key=lambda user: (str(user), user.username))


def _meet(mine: Iterable[Holding], others: Iterable[Holding]) -> bool:
    return any(
        one.organisation == other.organisation
        and (one.region.startswith(other.region) or other.region.startswith(one.region))
        for one in mine
        for other in others
    )


def names(keys: Iterable[UUID]) -> list[str]:
    """The names of some people whose accounts are on."""
    return sorted(str(user) for user in User.objects.filter(pk__in=list(keys), is_active=True))
