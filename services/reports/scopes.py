"""Of whom an edition is, and who may read it: one feature, or a region that lies wholly within the reader's own."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from gis.models import Region, code_prefix
from services.access import gate
from services.access.principal import SYSTEM, Holding, Principal
from services.accounts.roles import Role
from services.catalog.layer import Layer, registry
from services.catalog.models import FeatureIndex
from services.reports import custom
from services.reports.models import Edition
from services.telemetry.models import Device
from services.telemetry.reports import REPORTS, Report


class Scope(NamedTuple):
    """A region, by its code, or one feature; neither stands for everything."""

    region: str = ""
    feature: UUID | None = None


def scopes(report: Report, before: datetime) -> list[Scope]:
    """Those of which a report is made: what had a device before a moment, or holds something that had."""
    devices = Device.objects.filter(state=Device.State.ACTIVE, created_at__lt=before, feature__isnull=False)
    measured = FeatureIndex.objects.filter(layer=report.layer, pk__in=devices.values("feature"))
    if report.of_feature:
        return [Scope(feature=pk) for pk in measured.order_by("pk").values_list("pk", flat=True)]
    codes = set(measured.values_list("region_code", flat=True))
    return [Scope(region=code) for code in _regions(report.of, codes)]


def touched(report: Report, features: Iterable[FeatureIndex]) -> set[Scope]:
    """Those in which some features of the report's layer are."""
    mine = [feature for feature in features if feature.layer == report.layer]
    if report.of_feature:
        return {Scope(feature=feature.pk) for feature in mine}
    return {Scope(region=code) for code in _regions(report.of, {feature.region_code for feature in mine})}


def within(scope: Scope) -> Principal:
    """Who sees everything of a scope and nothing beyond it."""
    if not scope.region:
        return SYSTEM
    return Principal(None, SYSTEM.name, (Holding(Role.ADMIN, prefix(scope)),))


def prefix(scope: Scope) -> str:
    """What the codes of all regions of a scope begin with."""
    return code_prefix(scope.region)


def readable(principal: Principal, action: str = "view") -> QuerySet[Edition]:
    """The editions that a principal may read, or take along with ``export``.

    Of a feature whoever may do so with the feature. Of a region whoever may do so with all of it, in every layer that
    the edition shows: who sees less opens the report itself and gets their own rows. Of a custom report whoever has
    that report may see that there is one; ``editions.fetch`` asks besides whether all in it is within their rights.
    """
    reachable = gate.NOTHING
    for key in {report.layer for report in REPORTS.values() if report.of_feature}:
        layer = registry.get(key)
        if layer is not None and gate.may(principal, layer, action):
            mine = gate.restrict_index(principal, [layer], action).values("pk")
            reachable |= Q(feature__in=mine, layers__contained_by=[key])
    for own in {holding.region for holding in principal.holdings if holding.by_region}:
        whole = [layer.key for layer in registry if _whole(principal, layer, own, action)]
        if whole:
            place = Q(region__startswith=own) if own else Q()
            reachable |= Q(feature=None, layers__contained_by=whole) & place
    declared = Q(reachable, report__in=list(REPORTS))
    return Edition.objects.filter(declared | Q(custom__in=custom.visible(principal).values("pk")))


def _whole(principal: Principal, layer: Layer, own: str, action: str) -> bool:
    """Whether some holding reaches everything of the layer below a region prefix."""
    return any(
        holding.by_region and own.startswith(holding.region)
        and (not holding.region or layer.scope.region) and gate.granted(layer, holding.role, action)
        for holding in principal.holdings
    )  # fmt: skip


def _regions(layer: Layer, codes: set[str]) -> list[str]:
    """The product's regions down to the county in which something with one of these codes lies."""
    if not layer.scope.region:
        return [""] if codes else []
    level = Region.Level
    rows = Region.objects.current().filter(level__in=(level.PROVINCE, level.CITY, level.COUNTY))
    known = rows.filter(code__startswith=code_prefix(settings.PRODUCT_REGION)).order_by("code")
    return [
        code for code in known.values_list("code", flat=True)
        if any(each and each.startswith(code_prefix(code)) for each in codes)
    ]  # fmt: skip
