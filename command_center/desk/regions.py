"""The region drill: where the principal may look, the way down to the chosen region, and the next level."""

from dataclasses import dataclass

from django.db.models import Q

from gis.models import Region
from services.access.principal import Principal


@dataclass(frozen=True)
class Drill:
    """The chosen region, the regions above it and those one level below."""

    chosen: Region | None
    path: list[Region]
    below: list[Region]


def drill(principal: Principal, code: str = "") -> Drill:
    """The drill at a region code; the regions a principal is bound to are the top of it."""
    roots = bounds(principal)
    chosen = Region.objects.plain().filter(code=code).first() if code else None
    path: list[Region] = []
    step = chosen
    while step is not None:
        path.insert(0, step)
        step = Region.objects.plain().filter(pk=step.parent_id).first() if step.parent_id else None
    if roots:
        path = [region for region in path if any(region.code.startswith(root) for root in roots)]
    if chosen is not None:
        below = Region.objects.filter(parent=chosen).current()
    elif roots:
        matching = Q()
        for root in roots:
            matching |= Q(code=root.ljust(6, "0"))
        below = Region.objects.filter(matching)
    else:
        below = Region.objects.filter(parent=None).current()
    return Drill(chosen, path, list(below.plain().order_by("code")))


def bounds(principal: Principal) -> list[str]:
    """The code prefixes a principal is bound to; empty where any holding reaches everywhere."""
    prefixes = {holding.region for holding in principal.holdings}
    return [] if "" in prefixes else sorted(prefixes)


def named(text: str, limit: int = 8) -> list[Region]:
    """Regions in force whose name holds the text or whose code begins with it."""
    rows = Region.objects.current().plain("parent__name").select_related("parent")
    return list(rows.filter(Q(name__contains=text) | Q(code__startswith=text)).order_by("code")[:limit])
