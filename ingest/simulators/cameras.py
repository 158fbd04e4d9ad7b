"""The simulated cameras and recorders of a city: which features they are, and what is behind what."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, get_args

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from ingest.protocols.gb28181 import numbers
from ingest.protocols.gb28181.errors import BodyError
from ingest.simulators.gb28181 import How, Unit
from ingest.simulators.hj212 import Told
from services.telemetry.devices import present_layers
from services.telemetry.models import Device

CHANNELS = 6
"""Cameras behind a recorder."""
FAILS = 5
"""Every so manieth unit disconnects now and then."""


def units(cameras: int, recorders: int, password: str, told: Told, *, steady: bool = False) -> list[Unit]:
    """So many cameras of their own and recorders with some cameras behind each, registered where they are not yet."""
    all_cameras = list(_features(is_camera=True))
    taken: set[Any] = set()
    found = []
    for place, row in enumerate(_features(is_camera=False)):
        if place >= recorders:
            break
        front = _device(row, password)
        near = sorted((each for each in all_cameras if each["pk"] not in taken), key=lambda each: _apart(each, row))
        behind = {each["code"]: each["name"] for each in near[:CHANNELS]}
        for each in near[:CHANNELS]:
            taken.add(each["pk"])
            _device(each, "", front)
        found.append(_unit(front, password, told, behind))
    alone = [each for each in all_cameras if each["pk"] not in taken][:cameras]
    found += [_unit(_device(each, password), password, told) for each in alone]
    for place, unit in enumerate(found, 1):
        # Half of them over TCP.
        unit.over_tcp = place % 2 == 0
        unit.fails = not steady and place % FAILS == 0
    return found


def outage(units: list[Unit], number: str, say: Callable[[str], object]) -> Callable[[], None] | None:
    """What disconnects a unit, the first where none is named, and with the next call brings it back.

    Each time it leaves in another way. None where there is no such unit.
    """
    chosen = next((unit for unit in units if number in ("", unit.number)), None)
    if chosen is None:
        return None
    ways: Iterator[How] = itertools.cycle(get_args(How.__value__))
    away = False

    def toggle() -> None:
        nonlocal away
        away = not away
        if away:
            chosen.leave(next(ways))
        else:
            chosen.come_back()
        say(f"{chosen.number} {'disconnects' if away else 'comes back'}")

    return toggle


def _unit(device: Device, password: str, told: Told, behind: dict[str, str] | None = None) -> Unit:
    return Unit(
        device.number, password, settings.GB28181_NUMBER, interval=device.interval, channels=behind, told=told
    )  # fmt: skip


def _device(row: dict[str, Any], password: str, front: Device | None = None) -> Device:
    given = {
        "name": row["name"][:100], "feature": row["pk"], "state": Device.State.ACTIVE, "password": password,
        "behind": front, "interval": 60,
    }  # fmt: skip
    return Device.objects.get_or_create(
        protocol=Device.Protocol.GB28181, number=row["code"], defaults=given | {"approved_at": timezone.now()}
    )[0]


def _features(*, is_camera: bool) -> Iterator[dict[str, Any]]:
    """Features that are online or offline and whose code is such a number, in a fixed order."""
    for layer in present_layers():
        rows: Any = layer.rows().exclude(**{layer.geom: None}).order_by("code")
        rows = rows.filter(state__in=layer.model.presence)  # type: ignore[attr-defined]
        for row in rows.values("pk", "code", "name", place=F(layer.geom))[:2000]:
            try:
                number = numbers.parse(row["code"])
            except BodyError:
                break
            if number.is_camera == is_camera and (is_camera or number.has_cameras):
                yield row


def _apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    return float((one["place"].x - other["place"].x) ** 2 + (one["place"].y - other["place"].y) ** 2)
