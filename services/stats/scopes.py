"""What statistics are about: one feature with all that hangs at it, a region with all below it, or all one may see."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from gis.models import Region
from services.access import gate
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.catalog.layer import Layer, registry
from services.catalog.models import Feature, FeatureIndex
from services.stats.frames import Frame, Window
from services.stats.kinds import Kind, kinds, reach
from services.telemetry.models import Device


@dataclass(frozen=True)
class Scope:
    """A feature, a region, or with neither everything."""

    layer: Layer | None = None
    feature: Feature | None = None
    region: Region | None = None

    @property
    def title(self) -> str:
        if self.feature is not None:
            return str(self.feature)
        return self.region.name if self.region is not None else _("全部辖区")


def scope(principal: Principal, feature: str = "", region: str = "") -> Scope:
    """The feature or the region that was asked for; NotFound for a feature the principal does not see."""
    if feature:
        layer, key = _layer_of(feature)
        return Scope(layer, gate.fetch(principal, layer, key))
    if region:
        found = Region.objects.plain().filter(pk=region[:12]).first()
        if found is None:
            raise Invalid(_("没有这个行政区。"), {"region": [_("应为行政区划代码，例如 511702。")]})
        return Scope(region=found)
    return Scope()


def _layer_of(feature: str) -> tuple[Layer, UUID]:
    try:
        key = UUID(feature)
    except ValueError:
        raise Invalid(_("没有这个要素。"), {"feature": [_("应为标识。")]}) from None
    name = FeatureIndex.objects.filter(pk=key).values_list("layer", flat=True).first()
    layer = registry.get(name or "")
    if layer is None:
        raise NotFound(_("没有这个要素。"))
    return layer, key


@dataclass(frozen=True)
class Asked:
    """Who asks for statistics of what over which time; ``action`` is ``export`` for what is taken along."""

    principal: Principal
    scope: Scope
    frame: Frame
    action: str = "view"

    @cached_property
    def kinds(self) -> list[Kind]:
        """The kinds of which rows can be in the scope."""
        return [kind for kind in kinds(self.principal, self.action) if self._place(kind) is not gate.NOTHING]

    def rows(self, kind: Kind) -> QuerySet[Any]:
        """The rows of a kind in the scope that the principal may see, of all times."""
        if kind.key not in self._rows:
            self._rows[kind.key] = self._allowed(kind)
        return self._rows[kind.key].all()

    @cached_property
    def _rows(self) -> dict[str, QuerySet[Any]]:
        """What was put together before: every kind is asked for its rows several times."""
        return {}

    def _allowed(self, kind: Kind) -> QuerySet[Any]:
        rows: QuerySet[Any] = kind.model._default_manager.filter(kind.condition).order_by()
        place = self._place(kind)
        if kind.layer is not None:
            bound = gate.condition(self.principal, kind.layer, self.action, along=kind.along)
            place = place if bound is None else place & bound
        return rows.filter(place) if place else rows

    def _place(self, kind: Kind) -> Q:
        """The condition that rows are in the scope; NOTHING where they cannot be."""
        if kind.layer is None:
            if isinstance(self.features, list) and not self.features:
                return gate.NOTHING
            return Q() if self.features is None else Q(**{f"{kind.feature}__in": self.features})
        if self.scope.region is not None:
            path = kind.layer.scope.region
            return Q(**{f"{kind.along}{path}__code__startswith": self.scope.region.prefix}) if path else gate.NOTHING
        if self.scope.layer is None or self.scope.feature is None:
            return Q()
        found = Q()
        for path in reach(kind.model, self.scope.layer.model):
            found |= Q(**{path: self.scope.feature.pk})
        return found or gate.NOTHING

    @cached_property
    def features(self) -> Any:
        """The keys of the features in the scope, as a list or a query; None where all rows count, whatever of."""
        if self.scope.feature is not None:
            return self._hanging()
        if self.scope.region is None and self.principal.is_admin:
            return None
        rows = gate.restrict_index(self.principal, action=self.action)
        if self.scope.region is not None:
            rows = rows.filter(region_code__startswith=self.scope.region.prefix)
        return rows.values("pk")

    @cached_property
    def devices(self) -> list[int]:
        """The devices in the scope that take part in what is measured."""
        rows = Device.objects.filter(state=Device.State.ACTIVE, feature__isnull=False)
        if self.features is not None:
            rows = rows.filter(feature__in=self.features)
        return list(rows.order_by("pk").values_list("pk", flat=True))

    def _hanging(self) -> list[UUID]:
        """The feature and those that hang at it, as far as the principal may see them."""
        assert self.scope.layer is not None and self.scope.feature is not None
        found: list[QuerySet[Any]] = []
        for layer in gate.layers(self.principal, self.action):
            place = Q()
            for path in reach(layer.model, self.scope.layer.model):
                place |= Q(**{path: self.scope.feature.pk})
            if place:
                rows = gate.restrict(self.principal, layer, self.action).filter(place).order_by()
                found.append(rows.values_list("pk", flat=True))
        return list(found[0].union(*found[1:], all=True)) if found else []


def within(kind: Kind, window: Window) -> Q:
    """The rows of a kind in some days: of moments from midnight to midnight in China."""
    first, end = (window.first, window.end) if kind.by_day else (window.begins_at, window.ends_at)
    return Q(**{f"{kind.time.path}__gte": first, f"{kind.time.path}__lt": end})
