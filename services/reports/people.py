"""To whom a report may be sent: people who may see its layer and work where one works oneself."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q

from services.access import gate, holders
from services.access.principal import Principal
from services.accounts.models import User
from services.accounts.roles import Role
from services.catalog.layer import Layer


def recipients(principal: Principal, layer: Layer) -> list[User]:
    """Those whom a principal may choose, by name: nobody learns of people elsewhere or of other organisations."""
    wanted = [~Q(role=Role.PUBLIC), Q(role__in=[role for role in Role.values if gate.granted(layer, role, "view")])]
    if not principal.is_admin:
        wanted.append(holders.beside(principal.holdings))
    return sorted(holders.people(*wanted), key=lambda user: (str(user), user.username))


def names(keys: Iterable[UUID]) -> list[str]:
    """The names of some people whose accounts are on."""
    return sorted(str(user) for user in User.objects.filter(pk__in=list(keys), is_active=True))
