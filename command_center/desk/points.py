"""The features that a page about measured values shows: found by key within rights, with the factors they measure."""

from collections.abc import Iterable
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from command_center.desk.doors import signed_in, visitor
from services.access import gate
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.catalog.layer import Layer, registry
from services.catalog.models import FeatureIndex
from services.search.text import holding
from services.telemetry.devices import measured_layers, visible
from services.telemetry.features import columns

FOUND = 12


def resolve(principal: Principal, keys: Iterable[str]) -> list[FeatureIndex]:
    """The features with these keys in their order; NotFound where one is not there or not to be seen."""
    try:
        wanted = list(dict.fromkeys(UUID(key) for key in keys))
    except ValueError:
        raise NotFound(_("没有这个监测点。")) from None
    rows = gate.restrict_index(principal, measured_layers()).defer("geom", "text", "grams").filter(pk__in=wanted)
    found = {row.pk: row for row in rows} if wanted else {}
    if len(found) < len(wanted):
        raise NotFound(_("没有这个监测点。"))
    return [found[key] for key in wanted]


def layers_of(features: Iterable[FeatureIndex]) -> list[Layer]:
    """Their layers, each once."""
    keys = dict.fromkeys(feature.layer for feature in features)
    return [registry.by_key[key] for key in keys]


def factors(principal: Principal, layers: Iterable[Layer]) -> dict[str, str]:
    """Factor code → label of the measured columns of layers that the principal may read."""
    found: dict[str, str] = {}
    for layer in layers:
        readable = {f.name: f.label for f in gate.fields(principal, layer)}
        found |= {code: readable[field.name] for code, field in columns(layer).items() if field.name in readable}
    return found


def measuring(principal: Principal, code: str) -> Layer:
    """The layer that has a column for a factor; NotFound for who sees none."""
    for layer in measured_layers():
        if code in columns(layer) and gate.may(principal, layer):
            return layer
    raise NotFound(_("没有您可看的监测点。"))


def chosen(known: dict[str, str], asked: list[str], at_first: int) -> list[str]:
    """The factors asked for, or the first few; Invalid for one that is not among those known."""
    if unknown := [code for code in asked if code not in known]:
        raise Invalid(_("没有因子%s。") % ", ".join(unknown), {"factor": [", ".join(known)]})
    return asked or list(known)[:at_first]


def may_export(principal: Principal, features: Iterable[FeatureIndex]) -> bool:
    """Whether the principal may take the values of all these features along."""
    keys = [feature.pk for feature in features]
    allowed = gate.restrict_index(principal, measured_layers(), "export").filter(pk__in=keys)
    return bool(keys) and allowed.count() == len(keys)


@signed_in
def search(request: HttpRequest) -> HttpResponse:
    """Features with a device whose text holds what was typed."""
    principal = visitor(request)
    text = request.GET.get("q", "").strip()[:100]
    rows = gate.restrict_index(principal, measured_layers()).defer("geom", "text", "grams")
    rows = rows.filter(pk__in=visible(principal).filter(feature__isnull=False).values("feature"))
    if text:
        rows = rows.filter(holding(text))
    found = [(row.pk, row.title, row.code) for row in rows.order_by("title", "pk")[:FOUND]]
    return render(request, "desk/choices.html", {"found": found, "text": text})
