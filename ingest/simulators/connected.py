"""The existing system of the demo city: it measures at a few features, and the platform pulls it like any other."""

import threading
from typing import Any

from django.utils import timezone

from ingest.simulators import existing
from services.access.principal import SYSTEM
from services.feeds import sources
from services.feeds.models import Source
from services.notify.models import Destination
from services.telemetry.devices import measured_layers
from services.telemetry.features import columns
from services.telemetry.models import Device

NAME = "现有在线监测系统（模拟）"
FLOW = "w00000"
FACTORS = [["cod", "w01018", "mg/L"], ["nh3n", "w21003", "mg/L"], ["flow", FLOW, "m³/h"], ["level", "level", ""]]
SETTINGS: dict[str, Any] = {
    "name": NAME, "note": "JSON，按时间增量，每分钟一次", "auth": "bearer", "every": 60, "list_path": "data.items",
    "ok_path": "code", "ok_value": "0", "cursor": "time", "paging": "page", "overlap": 5, "stale_minutes": 30,
    "parameters": "from={since}\npage={page}\nsize={size}",
    "mapping": {"device": "stationCode", "time": "monitorTime", "flag": "status", "good": "0", "factors": FACTORS},
}  # fmt: skip


def start(port: int, number: int) -> int:
    """Serve the system on a port, have it pulled, and return at how many features it measures."""
    codes = settle(port, number)
    if codes:
        server = existing.Server(port, existing.System(codes))
        threading.Thread(target=server.serve_forever, daemon=True, name="existing").start()
    return len(codes)


def settle(port: int, number: int) -> list[str]:
    """The codes at which it measures: as settled before, else of the features with the largest flow and no device."""
    Destination.objects.get_or_create(host="127.0.0.1", port=port, defaults={"internal": True, "note": NAME})
    url = f"http://127.0.0.1:{port}/api/values"
    source = Source.objects.filter(name=NAME).first()
    if source is not None:
        if source.url != url:
            sources.save(SYSTEM, source.pk, {"url": url}, existing.TOKEN)
        return [station.partition(":")[2] for station in sources.stations(source).values_list("number", flat=True)]
    found = _features(number)
    if not found:
        return []
    source = sources.save(SYSTEM, None, {**SETTINGS, "url": url}, existing.TOKEN)
    Device.objects.bulk_create(
        Device(
            protocol=Device.Protocol.FEED, number=source.number(feature.code), name=feature.name[:100],
            feature=feature.pk, state=Device.State.ACTIVE, interval=60, approved_at=timezone.now(),
        )
        for feature in found
    )  # fmt: skip
    sources.switch(SYSTEM, source.pk, True)
    return [feature.code for feature in found]


def _features(number: int) -> list[Any]:
    bound = Device.objects.filter(feature__isnull=False).values("feature")
    for layer in measured_layers():
        flow = columns(layer).get(FLOW)
        if flow is not None:
            rows = layer.rows().exclude(pk__in=bound).exclude(code="").exclude(**{flow.name: None})
            return list(rows.order_by(f"-{flow.name}")[:number])
    return []
