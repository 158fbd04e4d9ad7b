"""Who holds what, asked of the database: people found by their memberships, however many members there are."""

from collections.abc import Iterable

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from gis.models import code_prefix
from services.access.principal import Holding
from services.accounts.models import Membership, Named, User
from services.accounts.roles import Role

EVERYTHING = Q(role=Role.ADMIN, region=None, organisation=None, named_only=False)
"""Memberships of administrators without bounds."""


def people(*wanted: Q) -> QuerySet[User]:
    """Users whose accounts are on and who have, for each condition, a membership that meets it."""
    found = User.objects.filter(is_active=True)
    for condition in wanted:
        found = found.filter(Exists(Membership.objects.filter(condition, user=OuterRef("pk"))))
    return found


def with_all_of(holdings: Iterable[Holding]) -> QuerySet[User]:
    """The people who hold at least each of some holdings; nobody holds at least nothing."""
    codes, some = _codes(), list(holdings)
    return people(*(EVERYTHING | _at_least(holding, codes) for holding in some)) if some else User.objects.none()


def beside(holdings: Iterable[Holding]) -> Q:
    """Memberships in the same organisation, or likewise in none, and in a region above or below, as one of some."""
    codes, found = _codes(), Q(pk__in=[])
    for holding in holdings:
        near = [
            code for code, prefix in codes.items()
            if holding.region.startswith(prefix) or prefix.startswith(holding.region)
        ]  # fmt: skip
        found |= Q(organisation=holding.organisation) & (Q(region=None) | Q(region__in=near))
    return found


def _at_least(holding: Holding, codes: dict[str, str]) -> Q:
    """Memberships that have all of a holding."""
    above = [code for code, prefix in codes.items() if holding.region.startswith(prefix)]
    found = Q(role=holding.role) & (Q(region=None) | Q(region__in=above))
    found &= Q(organisation=None) | Q(organisation=holding.organisation)
    if holding.features is None:
        return found & Q(named_only=False)
    if not holding.features:
        return found
    named = Named.objects.filter(feature__in=holding.features).values("membership")
    every = named.annotate(n=Count("pk")).filter(n=len(holding.features)).values("membership")
    return found & (Q(named_only=False) | Q(pk__in=every))


def _codes() -> dict[str, str]:
    """The regions in which somebody holds something, with what the codes below each begin with."""
    codes = Membership.objects.filter(region__isnull=False).order_by().values_list("region", flat=True).distinct()
    return {code: code_prefix(code) for code in codes}
