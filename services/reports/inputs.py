"""What there was to make an edition of."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from services.telemetry.models import Device
from services.telemetry.reports import Period
from services.telemetry.spans import Span


def inputs(places: QuerySet[Any], begin: datetime, asked: Period) -> dict[str, Any]:
    """Devices at some places, their hours (of a long time their days) from ``begin`` to the end of the period, how many
    of them count or were changed, and when the last was computed.
    """
    devices = list(Device.objects.filter(feature__in=places.values("pk")).values_list("pk", flat=True))
    span = Span.HOUR if asked.kind in ("day", "week") else Span.DAY
    with connection.cursor() as cursor:
        cursor.execute(_INPUTS, {"devices": devices, "begin": begin, "end": asked.ends_at, "span": int(span)})
        sending, values, valid, revised, newest = cursor.fetchone()  # type: ignore[misc]
    return {
        "devices": len(devices), "sending": sending, "span": span.name.lower(), "values": values, "valid": valid,
        "revised": revised,
        "from": begin.isoformat(), "to": asked.ends_at.isoformat(),
        "computed_at": newest.isoformat() if newest else None,
    }  # fmt: skip


_INPUTS = """
select count(distinct device), count(*), count(*) filter (where valid), count(*) filter (where revised),
    max(computed_at)
from telemetry_rollup
where device = any(%(devices)s) and span = %(span)s and at >= %(begin)s and at < %(end)s"""
