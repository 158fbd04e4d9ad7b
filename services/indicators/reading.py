"""Reading lights under the rights on their features, and changing indicators with thresholds, audited."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from services.access import gate
from services.access.errors import Invalid, NotFound, Refused
from services.access.principal import Principal
from services.audit import trail
from services.catalog.layer import registry
from services.indicators import formulas, numbers
from services.indicators.evaluate import evaluate, keep_kind
from services.indicators.models import Color, Indicator, Light, Threshold


def indicators(principal: Principal) -> list[Indicator]:
    """The indicators of the layers that a principal may see, with their thresholds."""
    keys = [layer.key for layer in registry if gate.may(principal, layer)] if not principal.is_public else []
    return list(Indicator.objects.filter(layer__in=keys).prefetch_related("thresholds"))


def fetch(principal: Principal, pk: int) -> Indicator:
    """One of them; NotFound where it is not there or foreign."""
    found = next((one for one in indicators(principal) if one.pk == pk), None)
    if found is None:
        raise NotFound(_("没有这个指标。"))
    return found


def lights(principal: Principal) -> QuerySet[Light]:
    """The lights of now at features that a principal may see."""
    rows = Light.objects.filter(current=True, indicator__enabled=True)
    if principal.is_public:
        return rows.none()
    return rows.filter(feature__in=gate.restrict_index(principal).values("pk"))


def counts(principal: Principal) -> dict[int, dict[str, int]]:
    """Indicator → colour → how many features, in one query."""
    found: dict[int, dict[str, int]] = {}
    rows = lights(principal).values_list("indicator", "color").annotate(n=Count("pk")).order_by()
    for indicator, color, n in rows:
        found.setdefault(indicator, dict.fromkeys(Color.values, 0))[color] = n
    return found


def watched(layer: str) -> bool:
    """Whether some indicator looks at the features of a layer."""
    return Indicator.objects.filter(layer=layer, enabled=True).exists()


def of_feature(principal: Principal, feature: UUID) -> list[Light]:
    """The lights of one feature, the worst first."""
    order = {color: n for n, color in enumerate(Color.values)}
    rows = lights(principal).filter(feature=feature).select_related("indicator")
    return sorted(rows, key=lambda row: (order[row.color], row.indicator_id))


@transaction.atomic
def save(principal: Principal, indicator: Indicator, kept: Iterable[Threshold], gone: Iterable[Threshold]) -> Indicator:
    """Write an indicator with its thresholds and work it out at once; Refused to all but administrators."""
    if not principal.is_admin:
        raise Refused(_("指标与阈值由系统管理员维护。"))
    new = indicator.pk is None
    before = {} if new else _texts(Indicator.objects.get(pk=indicator.pk))
    _clean(indicator)
    indicator.trouble = ""
    indicator.save()
    for row in gone:
        row.delete()
    for row in kept:
        row.indicator = indicator
        _clean(row)
        if (row.yellow < row.red) if indicator.downward else (row.yellow > row.red):
            raise Invalid(_("黄灯阈值应先于红灯阈值到达。"), {"yellow": [_("黄灯阈值应先于红灯阈值到达。")]})
        row.save()
    after = _texts(Indicator.objects.get(pk=indicator.pk))
    changes = {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}
    trail.note(
        principal.id, principal.name, "create indicator" if new else "change indicator", layer="indicator",
        object_id=indicator.pk, changes=changes, address=principal.address,
    )  # fmt: skip
    keep_kind(indicator)
    evaluate(only=indicator.pk)
    return indicator


def again(principal: Principal) -> int:
    """Work all indicators out now; how many lights changed."""
    if not principal.is_admin:
        raise Refused(_("指标与阈值由系统管理员维护。"))
    return evaluate()


def known(layer: str) -> dict[str, Any]:
    """The names that a formula about a layer may use, with their meaning."""
    found = registry.get(layer)
    return numbers.known(found) if found else {}


def used(indicator: Indicator) -> list[Any]:
    """What the numbers in a formula mean."""
    meanings = known(indicator.layer)
    try:
        return [meanings[name] for name in sorted(formulas.names(indicator.formula)) if name in meanings]
    except ValueError:
        return []


def _texts(indicator: Indicator) -> dict[str, Any]:
    """What an indicator says, for the audit trail."""
    skipped = ("id", "trouble", "evaluated_at")
    found = {f.name: getattr(indicator, f.attname) for f in indicator._meta.concrete_fields if f.name not in skipped}
    return {**found, "thresholds": "; ".join(f"{row} {row.citation}" for row in indicator.thresholds.all())}


def _clean(row: Indicator | Threshold) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise Invalid(_("填写的内容有误。"), error.message_dict) from error
