"""Who may see which surfaces: those of regions that lie wholly within somebody's own, and nobody else's stations."""

from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from gis.models import Region
from services.access import gate
from services.access.errors import LogInNeeded, NotFound
from services.access.principal import Principal
from services.catalog.models import FeatureIndex
from services.surfaces.models import Run, Surface
from services.telemetry.devices import measured_layers


def prefixes(principal: Principal) -> list[str]:
    """The region prefixes within which a principal sees surfaces: an empty one for everywhere, none for nothing.

    Whoever is bound to an organisation or to named features sees single features and no areas; the public sees nothing.
    """
    if principal.is_public:
        return []
    layers = measured_layers()
    found = {
        holding.region
        for holding in principal.holdings
        if holding.by_region and any(gate.granted(layer, holding.role, "view") for layer in layers)
    }
    return [""] if "" in found else sorted(found)


def regions(principal: Principal, *, along: str = "code") -> Q:
    """The condition on a region's code, along an ORM path, that keeps to what the principal sees."""
    found = prefixes(principal)
    if not found:
        return gate.NOTHING
    condition = Q()
    for prefix in found:
        if prefix:
            condition |= Q(**{f"{along}__startswith": prefix})
    return condition


def runs(principal: Principal) -> QuerySet[Run]:
    """The runs that a principal may see."""
    return Run.objects.filter(regions(principal, along="region__code"))


def region_for(principal: Principal, code: str) -> Region:
    """A region whose surfaces a principal may see; NotFound where there is none such."""
    found = Region.objects.filter(regions(principal), code=code, geom__isnull=False).first()
    if found is None:
        raise NotFound(_("没有这个行政区，或不在您的辖区之内。"))
    return found


def surface_for(principal: Principal, key: str) -> Surface:
    """A surface by its key; NotFound where the principal sees no surfaces at all."""
    found = Surface.objects.select_related("factor").filter(key=key, active=True).first()
    if found is None or not prefixes(principal):
        raise NotFound(_("没有这个空间分布。"))
    return found


def run_for(principal: Principal, pk: UUID | str, *related: str) -> Run:
    """A run; NotFound where it is foreign."""
    try:
        key = UUID(str(pk))
    except ValueError:
        raise NotFound(_("没有这次计算。")) from None
    found = runs(principal).select_related("surface__factor", *related).filter(pk=key).first()
    if found is None:
        raise NotFound(_("没有这次计算。"))
    return found


def signed_in(principal: Principal) -> None:
    """Raise LogInNeeded for the public."""
    if principal.is_public:
        raise LogInNeeded(_("请先登录。"))


def titles(principal: Principal, features: list[UUID]) -> dict[UUID, FeatureIndex]:
    """Those of the features that the principal may see, by id: the only stations to be named and valued to them."""
    rows = gate.restrict_index(principal).filter(pk__in=features)
    return {row.pk: row for row in rows.only("id", "layer", "title", "code", "region_code")}
