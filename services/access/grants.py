"""Limiting memberships to devices, sites and other features that are named one by one: administrators do, audited."""

from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from services.access.errors import NotFound
from services.access.principal import Principal
from services.accounts.models import Membership, Named
from services.audit import trail
from services.catalog.models import FeatureIndex


def grants(principal: Principal) -> QuerySet[Membership]:
    """All memberships with how many features each names; NotFound for who is no administrator without bounds."""
    if not principal.is_admin:
        raise NotFound(_("没有这个页面。"))
    return Membership.objects.select_related("user", "region", "organisation").annotate(n=Count("named"))


def fetch(principal: Principal, pk: int) -> Membership:
    """One of them."""
    found = grants(principal).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("没有这个授权。"))
    return found


@transaction.atomic
def limit(principal: Principal, pk: int, only: bool) -> Membership:
    """Limit a membership to what it names, or lift that; what is named stays."""
    grant = fetch(principal, pk)
    before, grant.named_only = grant.named_only, only
    grant.save(update_fields=["named_only"])
    _note(principal, "limit grant", grant, {"named_only": [before, only]})
    return grant


@transaction.atomic
def give(principal: Principal, pk: int, feature: UUID) -> None:
    """Name a feature: with it goes what belongs to it, such as the devices of a site."""
    grant = fetch(principal, pk)
    found = FeatureIndex.objects.filter(pk=feature).only("title").first()
    if found is None:
        raise NotFound(_("没有这个要素。"))
    _row, new = Named.objects.get_or_create(membership=grant, feature=feature)
    if new:
        _note(principal, "give", grant, {"feature": [None, str(feature)], "title": [None, found.title]})


@transaction.atomic
def take(principal: Principal, pk: int, feature: UUID) -> None:
    """Name a feature no longer."""
    grant = fetch(principal, pk)
    if Named.objects.filter(membership=grant, feature=feature).delete()[0]:
        _note(principal, "take", grant, {"feature": [str(feature), None]})


def _note(principal: Principal, action: str, grant: Membership, changes: dict[str, object]) -> None:
    trail.note(
        principal.id, principal.name, action, layer="grant", object_id=grant.pk,
        changes={"user": grant.user.username, **changes}, address=principal.address,
    )  # fmt: skip
