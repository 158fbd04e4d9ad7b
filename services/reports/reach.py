"""Who may read the edition of a custom report: whoever may see all that its owner's rights put into it."""

from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import Layer, registry
from services.catalog.models import FeatureIndex
from services.reports.columns import columns
from services.reports.models import Edition


def sees(principal: Principal, layer: Layer | None, action: str = "view") -> bool:
    """Whether somebody sees anything of a layer, or may take it along with ``export``."""
    return layer is not None and not principal.is_public and gate.may(principal, layer, action)


def reaches(principal: Principal, edition: Edition, action: str = "view") -> bool:
    """Whether every feature and every column of an edition is within the rights that somebody has now.

    Of what is gone nobody can say whether they might see it: only its owner and administrators read on.
    """
    assert edition.custom is not None
    (key,) = edition.layers
    layer = registry.get(key)
    if layer is None or not sees(principal, layer, action):
        return False
    if len(columns(principal, layer, edition.columns)) < len(edition.columns):
        return False
    there = FeatureIndex.objects.filter(pk__in=edition.features).count()
    if there < len(edition.features) and not principal.is_admin and principal.id != edition.custom.owner_id:
        return False
    return gate.restrict_index(principal, [layer], action).filter(pk__in=edition.features).count() == there
