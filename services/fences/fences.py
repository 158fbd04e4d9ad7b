"""Fences: who may see, make and change them; and their events, to look at and to read on from."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.gis.geos import GEOSGeometry
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from services.access import gate
from services.access.errors import Invalid, NotFound, Refused
from services.access.principal import Principal
from services.audit import trail
from services.catalog.layer import Layer
from services.fences.models import Event, Fence
from services.positions.features import moving_layers

EDITED = (
    "name", "region", "shape", "geom", "metres", "kinds", "layer", "features", "fixes", "seconds", "dwell_minutes",
    "weekdays", "from_time", "to_time", "valid_from", "valid_to", "level", "active",
)  # fmt: skip
"""What a person sets of a fence."""
MOST_POINTS = 10_000
LOCK = 7_304_000
"""Advisory lock of whoever gives events their places."""
PLACES = {"polygon": ("Polygon", "MultiPolygon"), "circle": ("Point",), "corridor": ("LineString", "MultiLineString")}
"""Shape → what may be drawn for it."""


class Happened(NamedTuple):
    """An event as another engine reads it; ``mark`` is its place in the order of reading."""

    mark: int
    id: int
    fence: int
    fence_name: str
    feature: UUID
    device: int
    kind: str
    at: datetime
    late: bool
    lon: float
    lat: float


def since(mark: int = 0, limit: int = 1000) -> list[Happened]:
    """The events after those already read, in an order that misses none; hand back the last one's mark.

    Late events, of positions that came long after they were fixed, are among them: whoever raises live alarms leaves
    them out. Call it outside a transaction.
    """
    number()
    with connection.cursor() as cursor:
        cursor.execute(_SINCE, [mark, limit])
        return [Happened(*row) for row in cursor.fetchall()]


def number() -> int:
    """Give committed events their places, each after those that committed before it; returns how many.

    Whoever writes one cannot: the one that begins first may commit last. One reader at a time does it for all.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        # In a statement of its own: so what the last one who numbered committed is seen.
        cursor.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute(_NUMBER)
        return cursor.rowcount


def layers(principal: Principal, action: str = "view") -> list[Layer]:
    """The layers whose features move and that a principal may see, or change."""
    return [layer for layer in moving_layers() if gate.may(principal, layer, action)]


def visible(principal: Principal, action: str = "view") -> QuerySet[Fence]:
    """The fences in whose regions a principal may see, or change, the features that the fence watches."""
    reach = Q(pk__in=[])
    for layer in layers(principal, action):
        for holding in principal.holdings:
            if not gate.granted(layer, holding.role, action):
                continue
            if holding.by_region:
                reach |= Q(layer=layer.key, region__code__startswith=holding.region)
    return Fence.objects.filter(reach).select_related("region")


def fetch(principal: Principal, pk: int, action: str = "view") -> Fence:
    """One fence; NotFound where it is not to be seen, Refused where it may only be seen."""
    fence = visible(principal).filter(pk=pk).first()
    if fence is None:
        raise NotFound(_("没有这个电子围栏。"))
    if action != "view" and not visible(principal, action).filter(pk=pk).exists():
        raise Refused(_("需要对围栏所属图层和行政区的修改权限。"))
    return fence


@transaction.atomic
def save(principal: Principal, fence: Fence, values: dict[str, Any]) -> Fence:
    """Make or change a fence; Invalid where it cannot be, Refused outside the principal's reach."""
    fresh = fence.pk is None
    before = {} if fresh else {name: _shown(getattr(fence, name)) for name in EDITED}
    for name in EDITED:
        if name in values:
            setattr(fence, name, values[name])
    if fresh:
        fence.created_by_id = principal.id
    try:
        fence.full_clean()
    except ValidationError as error:
        raise Invalid(_("填写的内容有误。"), error.message_dict) from error
    if problem := _unfit(fence.shape, fence.geom, fence.metres):
        raise Invalid(_("填写的内容有误。"), problem)
    if fence.layer not in {layer.key for layer in layers(principal, "change")}:
        raise Refused(_("需要对围栏所属图层和行政区的修改权限。"))
    fence.save()
    # What it now reaches is known only where it stands.
    if not visible(principal, "change").filter(pk=fence.pk).exists():
        raise Refused(_("需要对围栏所属图层和行政区的修改权限。"))
    now = {name: _shown(getattr(fence, name)) for name in EDITED}
    changes = {name: [before.get(name), value] for name, value in now.items() if before.get(name) != value}
    if {"shape", "geom", "metres", "layer", "features", "active"} & changes.keys():
        # Who is inside is found out anew, by the position before the next one.
        with connection.cursor() as cursor:
            cursor.execute("delete from fences_state where fence = %s", [fence.pk])
    trail.note(
        principal.id, principal.name, "create fence" if fresh else "change fence", layer="fence",
        object_id=str(fence.pk), changes=changes, address=principal.address,
    )  # fmt: skip
    return fence


@transaction.atomic
def delete(principal: Principal, pk: int) -> None:
    """Take a fence away, its events with it."""
    fence = fetch(principal, pk, "change")
    trail.note(
        principal.id, principal.name, "delete fence", layer="fence", object_id=str(pk),
        changes={"name": [fence.name, None]}, address=principal.address,
    )  # fmt: skip
    fence.delete()


def events(
    principal: Principal, *, feature: UUID | None = None, fence: int | None = None,
    begin: datetime | None = None, end: datetime | None = None,
) -> QuerySet[Event]:  # fmt: skip
    """The events of fences and features that a principal may see, the latest first."""
    rows = Event.objects.filter(fence__in=visible(principal).values("pk")).select_related("fence")
    rows = rows.filter(feature__in=gate.restrict_index(principal, layers(principal)).values("pk"))
    given: Iterable[tuple[str, Any]] = (("feature", feature), ("fence", fence), ("at__gte", begin), ("at__lt", end))
    return rows.filter(**{name: value for name, value in given if value is not None})


def _unfit(shape: str, geom: GEOSGeometry, metres: float) -> dict[str, list[str]]:
    """Why what was drawn is no fence of this shape; empty where it is one."""
    if geom.geom_type not in PLACES[shape]:
        return {"geom": [_("多边形围栏请画面，圆形围栏请点圆心，路线走廊请画线。")]}
    if geom.empty or not geom.valid:
        return {"geom": [_("图形无效：%s。请检查是否自相交。") % geom.valid_reason]}
    if geom.num_coords > MOST_POINTS:
        return {"geom": [_("图形顶点过多，最多 %d 个。") % MOST_POINTS]}
    if shape != Fence.Shape.POLYGON and metres <= 0:
        return {"metres": [_("请填写半径或走廊半宽。")]}
    return {}


def _shown(value: Any) -> Any:
    if isinstance(value, GEOSGeometry):
        return value.wkt[:200]
    if isinstance(value, list):
        return [str(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


_NUMBER = """
update fences_event e set place = n.place
from (select id, nextval('fences_place') as place from (
    select id from fences_event where place is null order by id
) w) n
where e.id = n.id"""
_SINCE = """
select e.place, e.id, e.fence, f.name, e.feature, e.device, e.kind, e.at, e.late, e.lon, e.lat
from fences_event e join fences_fence f on f.id = e.fence
where e.place > %s order by e.place limit %s"""
