"""Simulated vehicles and people on foot: which features move, from where to where, and along which way."""

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from datetime import timedelta

from django.contrib.gis.db.models.functions import Centroid
from django.utils import timezone

from ingest.simulators.hj212 import Told
from ingest.simulators.jt808 import GEOD, Fault, Place, Route, Truck
from services.catalog.layer import Layer, registry
from services.positions.features import moving_layers
from services.telemetry.models import Device

USUAL: Mapping[int, frozenset[Fault]] = {
    4: frozenset({"outage"}), 7: frozenset({"jitter"}), 9: frozenset({"noise"}),
}  # fmt: skip
"""Every so manieth vehicle has this fault."""
FARTHEST = 15_000
"""Metres to a destination."""


def fleet(
    number: int, to: str, interval: float, told: Told, *, history: timedelta = timedelta(0), faulty: bool = True
) -> list[Truck]:
    """Vehicles for so many features that move, each with a terminal of its own, between its home and a destination.

    Home is the place of the feature that it belongs to, destinations are features of the layer ``to``.
    """
    goals = list(_places(registry.get(to))) if to else []
    trucks = []
    for place, (device, plate, home) in enumerate(_movers(number, interval, on_foot=False), 1):
        chance = random.Random(device.number)
        near = [goal for goal in goals if 1500 < GEOD.inv(*home, *goal)[2] < FARTHEST]
        goal = chance.choice(near) if near else _moved(home, chance.uniform(0, 360), chance.uniform(3000, 9000))
        route = Route(
            winding(home, goal, chance), chance.uniform(32, 48), (chance.uniform(240, 600), chance.uniform(400, 1100)),
            chance.uniform(0, 3600),
        )  # fmt: skip
        faults: frozenset[Fault] = frozenset()
        if faulty:
            faults = frozenset(itertools.chain.from_iterable(f for every, f in USUAL.items() if place % every == 0))
        version = (None, 1)[place % 2]
        trucks.append(
            Truck(
                device.number,
                plate,
                route,
                interval=interval,
                version=version,
                told=told,
                faults=faults,
                history=history,
            )
        )
    return trucks


def walkers(number: int, interval: float, told: Told, *, history: timedelta = timedelta(0)) -> list[Truck]:
    """Terminals of so many people, each of whom walks to and fro on the site and stands now and then."""
    found = []
    for device, code, home in _movers(number, interval, on_foot=True):
        chance = random.Random(device.number)
        begin, end = (_moved(home, chance.uniform(0, 360), chance.uniform(15, 60)) for _end in range(2))
        stands = (chance.uniform(60, 400), chance.uniform(60, 400))
        route = Route(winding(begin, end, chance, 15), chance.uniform(2.5, 4.5), stands, chance.uniform(0, 600))
        found.append(Truck(device.number, code, route, interval=interval, told=told, history=history))
    return found


def winding(start: Place, end: Place, chance: random.Random, leg: float = 400) -> list[Place]:
    """A line from one place to another that bends as a road does."""
    heading, _back, metres = GEOD.inv(*start, *end)
    steps = max(2, round(metres / leg))
    swing = metres * chance.uniform(0.04, 0.12) * chance.choice((-1, 1))
    line = [start]
    for n in range(1, steps):
        share = n / steps
        aside = swing * math.sin(math.pi * share) + chance.gauss(0, leg * 0.12)
        lon, lat, _back = GEOD.fwd(*start, heading, metres * share)
        line.append(_moved((lon, lat), heading + 90, aside))
    return [*line, end]


def _movers(number: int, interval: float, *, on_foot: bool) -> Iterator[tuple[Device, str, Place]]:
    """So many features that drive, or walk, with the terminal of each, registered where it has none, and its home.

    Who walks without belonging anywhere records with a phone and carries no terminal.
    """
    layers = [
        layer for layer in moving_layers()
        if layer.model.moves.on_foot == on_foot and not (on_foot and _home(layer) == layer.geom)  # type: ignore[attr-defined]
    ]  # fmt: skip
    return itertools.islice(itertools.chain.from_iterable(_of(layer, number, interval) for layer in layers), number)


def _of(layer: Layer, number: int, interval: float) -> Iterator[tuple[Device, str, Place]]:
    home = _home(layer)
    devices = {device.feature: device for device in Device.objects.filter(protocol=Device.Protocol.JT808)}
    for row in layer.rows().exclude(**{home: None}).order_by("pk").values("pk", "code", "name", home)[:number]:
        device = devices.get(row["pk"])
        if device is None:
            device = Device.objects.create(
                protocol=Device.Protocol.JT808, number=f"1480{row['pk'].int % 10**7:07}", name=row["name"][:100],
                feature=row["pk"], state=Device.State.ACTIVE, interval=max(1, round(interval)),
                approved_at=timezone.now(),
            )  # fmt: skip
        yield device, row["code"], (row[home].x, row[home].y)


def _home(layer: Layer) -> str:
    """The path to the place of the feature that a vehicle belongs to, else to its own."""
    for field in layer.model._meta.concrete_fields:
        owner = registry.of(field.related_model) if isinstance(field.related_model, type) else None
        if owner is not None and owner.geometry_type == "point" and owner.owns_geometry:
            return f"{field.name}__{owner.geom}"
    return layer.geom


def _places(layer: Layer | None) -> Iterator[Place]:
    if layer is not None:
        rows = layer.rows().exclude(**{layer.geom: None}).annotate(middle=Centroid(layer.geom)).order_by("pk")
        for place in rows.values_list("middle", flat=True)[:2000]:
            yield place.x, place.y


def _moved(place: Place, heading: float, metres: float) -> Place:
    lon, lat, _back = GEOD.fwd(*place, heading, metres)
    return lon, lat
