"""Sewage works that are not there: what of them is known, the devices at both ends, and the one of their machines."""

import itertools
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import timezone

from ingest.protocols.hj212.machines import CN
from ingest.protocols.hj212.packets import encode
from ingest.protocols.hj212.replies import DEVICE_TIME
from ingest.simulators.hj212 import Fault, Instrument, Source, Told
from ingest.simulators.water import Water, Works
from services.catalog.layer import Layer
from services.telemetry.devices import measured_layers
from services.telemetry.features import SCALES, columns
from services.telemetry.machines import watched
from services.telemetry.models import Device
from services.telemetry.units import FACTORS

COD, FLOW, LEVEL = "w01018", "w00000", "level"
WATER, PROCESS = "32", "52"
"""ST: source of water pollution, process of sewage treatment."""
UNITS = {FLOW: FACTORS[FLOW].unit}
USUAL: Mapping[int, frozenset[Fault]] = {
    4: frozenset({"upset"}), 5: frozenset({"trip"}), 7: frozenset({"outage"}),
}  # fmt: skip
"""Every so manieth works has this fault."""


class Point(NamedTuple):
    """A device of a works: its number, the feature it is bound to, its ST, what there is to measure."""

    number: str
    feature: Any
    name: str
    st: str
    source: Water | Works
    faults: frozenset[Fault]


class Process(Instrument):
    """The device of the machines: it also sends their states, with every real-time packet."""

    def __init__(self, mn: str, password: str, works: Works, **more: Any) -> None:
        super().__init__(mn, password, source=works, st=PROCESS, **more)
        self.works = works

    def measure(self, at: datetime, *, sent: bool = True) -> None:
        """Measure, and say what the machines do."""
        super().measure(at, sent=sent)
        said = [f"{signal}-RS={state}" for signal, state in self.works.states(at).items()]
        if sent and said:
            cp = ";".join([f"DataTime={at.astimezone(DEVICE_TIME):%Y%m%d%H%M%S}", *said])
            packet = self._packet(CN, cp, at)
            self.unacknowledged.append((packet.qn, encode(packet, self.profile)))


def points(most: int, faults: Collection[Fault] | None = None) -> list[Point]:
    """The devices of so many works, those with code and flow: one a layer that measures water, one for its machines.

    What is bound to limits is treated water; features that belong to another are of the same works as that one.
    """
    found = []
    for layer in measured_layers():
        if COD in columns(layer) and FLOW in columns(layer):
            found += _of(layer, most, faults)
    return found


def _of(layer: Layer, most: int, faults: Collection[Fault] | None) -> list[Point]:
    model = layer.model
    field = columns(layer)[FLOW]
    owner = model._meta.get_field(model.of).attname if model.of else "pk"  # type: ignore[union-attr]
    treated = bool(getattr(model, "limited_by", ""))
    scale = SCALES.get((getattr(field, "unit", ""), FACTORS[FLOW].unit), 1.0)
    rows = layer.rows().exclude(code="").filter(**{f"{field.name}__gt": 0}).order_by(owner)
    signals = _signals(layer)
    found = []
    for place, row in enumerate(rows.values("pk", "code", "name", field.name, owner)[:most], 1):
        seed, flow = str(row[owner]), row[field.name] * scale
        usual = itertools.chain.from_iterable(some for every, some in USUAL.items() if place % every == 0)
        wrong = frozenset(usual if faults is None else faults)
        found.append(
            Point(
                f"{row['code']}01",
                row["pk"],
                row["name"],
                WATER,
                Water(seed, flow, treated=treated, faults=wrong),
                wrong,
            )
        )
        if LEVEL in columns(layer):
            works = Works(seed, flow, signals.get(row["pk"], ()), faults=wrong)
            found.append(Point(f"{row['code']}02", row["pk"], row["name"], PROCESS, works, wrong))
    return found


def register(some: list[Point], password: str, interval: float) -> dict[int, Source]:
    """Make devices for points that have none; device → what it measures, of those that were made."""
    known = set(Device.objects.filter(protocol=Device.Protocol.HJ212).values_list("number", flat=True))
    made = Device.objects.bulk_create(
        Device(
            protocol=Device.Protocol.HJ212, number=point.number, name=point.name[:100], feature=point.feature,
            state=Device.State.ACTIVE, password=password, interval=max(1, round(interval)), units=UNITS,
            approved_at=timezone.now(),
        )
        for point in some
        if point.number not in known
    )  # fmt: skip
    sources = {point.number: point.source for point in some}
    return {device.pk: sources[device.number] for device in made}


def instruments(some: list[Point], password: str, interval: float, told: Told) -> list[Instrument]:
    """The points as devices that speak, of either edition in turn."""
    found: list[Instrument] = []
    for place, point in enumerate(some):
        given: dict[str, Any] = {
            "version": (2017, 2025)[place % 2], "interval": interval, "told": told, "faults": point.faults,
        }  # fmt: skip
        if isinstance(point.source, Works):
            found.append(Process(point.number, password, point.source, **given))
        else:
            found.append(Instrument(point.number, password, source=point.source, st=point.st, **given))
    return found


def _signals(layer: Layer) -> dict[Any, list[str]]:
    """Feature → the signals of its machines."""
    found: dict[Any, list[str]] = {}
    for model in watched(layer):
        signal = model.watched.signal  # type: ignore[attr-defined]
        rows = model._default_manager.exclude(**{signal: ""}).order_by("pk").values_list(f"{model.of}_id", signal)
        for feature, name in rows:
            found.setdefault(feature, []).append(name)
    return found
