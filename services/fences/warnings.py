"""Events of fences in the alarm centre: a fence with a level warns of who is on its wrong side until they are not."""

from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from services.alarms.kinds import WarningKind
from services.alarms.raising import end_warning, raise_warning
from services.fences import fences
from services.fences.models import Fence, Kind, Mark, Standing
from services.positions.features import moving_layers

MOST = 500
"""Events looked at in one transaction."""

WARNINGS = tuple(
    WarningKind(
        kind_of, _("电子围栏报警"), layer,
        advice=_("核实车辆或人员去向，通知其离开禁入范围或回到规定范围、路线。"),
    )
    for layer, kind_of in ((each.key, f"fence-{each.key}") for each in moving_layers())
)  # fmt: skip
TEXTS = {
    Kind.ENTER: _("进入围栏“%(fence)s”"),
    Kind.LEAVE: _("离开围栏“%(fence)s”"),
    Kind.DWELL: _("在围栏“%(fence)s”内停留超过 %(minutes)d 分钟"),
    Kind.DEVIATION: _("偏离路线“%(fence)s”"),
}
INSIDE = (Kind.ENTER, Kind.DWELL)
"""The kinds whose wrong side is the inside."""


def warn() -> int:
    """Warn of new events of fences that have a level, and end what is over; how many warnings were raised.

    Events of positions that came late warn of nothing: whoever they are about is elsewhere by now.
    """
    fences.number()
    mark, _made = Mark.objects.get_or_create(pk=1, defaults={"place": _latest()})
    raised = 0
    while found := fences.since(mark.place, MOST):
        with transaction.atomic():
            mark = Mark.objects.select_for_update().get(pk=1)
            levelled = Fence.objects.exclude(level="").in_bulk({event.fence for event in found})
            for event in found:
                if event.mark > mark.place and not event.late and event.fence in levelled:
                    raised += _raise(levelled[event.fence], event)
            mark.place = max(mark.place, found[-1].mark)
            mark.save(update_fields=["place"])
    _end()
    return raised


def _raise(fence: Fence, event: fences.Happened) -> bool:
    subject, kind = fence.name[:100], Kind(event.kind)
    given = {"fence": fence.name, "minutes": fence.dwell_minutes}
    key = f"fence-{fence.layer}"
    if raise_warning(
        key, subject, feature=event.feature, at=event.at, level=fence.level, text=TEXTS[kind], given=given
    ) is None:  # fmt: skip
        return False
    side = {"device": event.device, "layer": fence.layer, "subject": subject, "inside": kind in INSIDE}
    Standing.objects.update_or_create(fence=fence, feature=event.feature, defaults=side)
    return True


def _end() -> None:
    """End the warnings of those who are on the right side again, and of fences that are gone or watch no more."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_OVER)
        for layer, subject, feature in cursor.fetchall():
            if Standing.objects.filter(layer=layer, subject=subject, feature=feature).exists():
                continue  # another fence of that name still warns of it
            end_warning(f"fence-{layer}", subject, feature=feature)


def _latest() -> int:
    """Where the events end now: what happened before anybody looked is past."""
    with connection.cursor() as cursor:
        cursor.execute("select coalesce(max(place), 0) from fences_event")
        return int(cursor.fetchone()[0])


_OVER = """
delete from fences_standing s using (
    select s.id from fences_standing s
    left join fences_fence f on f.id = s.fence_id
    left join fences_state t on t.device = s.device and t.fence = s.fence_id
    where f.active is not true or f.level = '' or coalesce(t.inside, not s.inside) <> s.inside
    for update of s skip locked
) over where over.id = s.id
returning s.layer, s.subject, s.feature"""
