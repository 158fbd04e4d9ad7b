"""The gate: which rows and which fields of a layer a principal may read or change. Every door goes through it."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from services.access.errors import LogInNeeded, NotFound, Refused
from services.access.principal import Holding, Principal
from services.accounts.roles import Role
from services.catalog.describe import Described
from services.catalog.layer import RECORD, Layer, Tab, registry
from services.catalog.models import Feature, FeatureIndex, Record

NOTHING = Q(pk__in=[])
MOST_ABOVE = 4
"""Features in a line of those that belong to each other."""


def granted(layer: Layer, role: str, action: str) -> bool:
    """Whether a role is granted an action on a layer at all, before any bounds."""
    given = layer.grants.get(role, "").split()
    return role == Role.ADMIN or action in given or (action == RECORD and "change" in given)


def may(principal: Principal, layer: Layer, action: str = "view") -> bool:
    """Whether a principal may do this on some row of the layer."""
    return any(granted(layer, role, action) for role in principal.roles)


def condition(principal: Principal, layer: Layer, action: str = "view", *, along: str = "") -> Q | None:
    """The rows of a layer on which a principal may act: None for all of them, else a condition.

    ``along`` prefixes the paths, for rows that belong to the layer's features (records).
    """
    rules = [holding for holding in principal.holdings if granted(layer, holding.role, action)]
    if not rules:
        return NOTHING
    result = Q()
    for holding in rules:
        bound = _bounds(layer, holding, along)
        if bound is None:
            return None
        result |= bound
    return result


def restrict(principal: Principal, layer: Layer, action: str = "view") -> QuerySet[Feature]:
    """The features of a layer on which a principal may act."""
    bound = condition(principal, layer, action)
    return layer.rows() if bound is None else layer.rows().filter(bound)


def restrict_records(principal: Principal, layer: Layer, tab: Tab, action: str = "view") -> QuerySet[Record]:
    """The records of a tab on whose features a principal may act."""
    rows: QuerySet[Record] = tab.model._default_manager.all()
    bound = condition(principal, layer, action, along=f"{tab.of}__")
    return rows if bound is None else rows.filter(bound)


def fetch(principal: Principal, layer: Layer, pk: str | UUID, action: str = "view") -> Feature:
    """One feature; NotFound where it is not there or not to be seen, Refused where it may only be seen."""
    try:
        key = UUID(str(pk))
    except ValueError:
        raise _missing(layer) from None
    feature = restrict(principal, layer).filter(pk=key).first()
    if feature is None:
        raise _missing(layer)
    if action != "view" and not restrict(principal, layer, action).filter(pk=key).exists():
        raise _refusal(principal, layer, action)
    return feature


def require(principal: Principal, layer: Layer, action: str) -> None:
    """Raise unless the principal may do this on some row of the layer."""
    if not may(principal, layer):
        raise NotFound(_("没有图层“%s”。") % layer.key)
    if not may(principal, layer, action):
        raise _refusal(principal, layer, action)


def restrict_index(
    principal: Principal, among: Iterable[Layer] | None = None, action: str = "view"
) -> QuerySet[FeatureIndex]:
    """The rows of the feature index on which a principal may act, of some layers or of all.

    Bounds by region are read from the index's own column; only those by organisation or name ask the layer's rows.
    """
    everywhere: list[str] = []
    by_region: dict[str, list[str]] = {}
    reachable = NOTHING
    open_layers = layers(principal, action)
    for layer in open_layers if among is None else [layer for layer in among if layer in open_layers]:
        rules = [holding for holding in principal.holdings if granted(layer, holding.role, action)]
        if any(not holding.region and holding.by_region for holding in rules):
            everywhere.append(layer.key)
            continue
        for holding in rules:
            if not holding.by_region:
                mine = layer.rows().filter(_bounds(layer, holding, "") or Q()).values("pk")
                reachable |= Q(layer=layer.key, pk__in=mine)
            elif layer.scope.region:
                by_region.setdefault(holding.region, []).append(layer.key)
    if everywhere:
        reachable |= Q(layer__in=everywhere)
    for prefix, keys in by_region.items():
        reachable |= Q(region_code__startswith=prefix, layer__in=keys)
    return FeatureIndex.objects.filter(reachable)


def targets(principal: Principal, model: type[Model]) -> QuerySet[Any]:
    """The rows a principal may point a foreign key at: of a layer's features only those they may see."""
    layer = registry.of(model)
    return restrict(principal, layer) if layer else model._default_manager.all()


def layers(principal: Principal, action: str = "view") -> list[Layer]:
    """The layers of which a principal may see something."""
    return [layer for layer in registry if may(principal, layer, action)]


def layer_for(principal: Principal, key: str, action: str = "view") -> Layer:
    """The layer with this key; NotFound where the principal may not see it."""
    layer = registry.get(key)
    if layer is None or not may(principal, layer):
        raise NotFound(_("没有图层“%s”。") % key)
    require(principal, layer, action)
    return layer


def fields(principal: Principal, layer: Layer) -> tuple[Described, ...]:
    """The fields of a layer a principal may read: private ones only with the right ``private``."""
    if not layer.private or reads_private(principal, layer):
        return layer.fields
    return tuple(f for f in layer.fields if f.name not in layer.private)


def reads_private(principal: Principal, layer: Layer) -> bool:
    """Whether private fields are open on every row the principal sees: one weaker holding closes them."""
    viewing = [h.role for h in principal.holdings if granted(layer, h.role, "view")]
    return bool(viewing) and all(granted(layer, role, "private") for role in viewing)


def scope_key(principal: Principal, layer: Layer) -> str:
    """What a cached output of this layer depends on besides the data: who sees which rows and fields."""
    return "all" if condition(principal, layer) is None and reads_private(principal, layer) else principal.scope_key


def _missing(layer: Layer) -> NotFound:
    return NotFound(_("没有这个%s。") % layer.singular)


def _refusal(principal: Principal, layer: Layer, action: str) -> LogInNeeded | Refused:
    message = _("需要对“%(layer)s”的“%(action)s”权限。") % {"layer": layer.title, "action": action}
    return LogInNeeded(message) if principal.is_public else Refused(message)


def _bounds(layer: Layer, holding: Holding, along: str) -> Q | None:
    """The rows a holding reaches: None for all, nothing where the layer has no such path to bound by."""
    bound = Q()
    if holding.region:
        if not layer.scope.region:
            return NOTHING
        bound &= Q(**{f"{along}{layer.scope.region}__code__startswith": holding.region})
    if holding.organisation is not None:
        if not layer.scope.organisation:
            return NOTHING
        # A subquery, not a join: a feature with several parties must not appear several times.
        mine = layer.rows().filter(**{layer.scope.organisation: holding.organisation}).values("pk")
        bound &= Q(**{f"{along}pk__in": mine})
    if holding.features is not None:
        named = Q(**{f"{along}pk__in": []})
        for path in lineage(layer):
            named |= Q(**{f"{along}{path}__in": holding.features})
        bound &= named
    return bound or None


def lineage(layer: Layer) -> tuple[str, ...]:
    """The ORM paths to the keys of a feature and of those it belongs to: who is given a site has its devices."""
    paths, model, along = ["pk"], layer.model, ""
    while issubclass(model, Feature) and model.of and len(paths) < MOST_ABOVE:
        along += f"{model.of}__"
        model = model._meta.get_field(model.of).related_model  # type: ignore[assignment]
        paths.append(f"{along}pk")
    return tuple(paths)
