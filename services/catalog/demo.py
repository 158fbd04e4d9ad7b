"""The demo city: where believable rows are, what things are called and when they happened; one seed, one city."""

import csv
import random
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from graphlib import TopologicalSorter
from importlib import import_module
from importlib.util import find_spec
from math import cos, pi, radians, sin
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from django.apps import AppConfig, apps
from django.db import connection, models, transaction
from django.utils import timezone

from gis.fields import STORAGE_SRID
from gis.models import Region

SEATS = Path(__file__).resolve().parents[2] / "data" / "demo" / "seats.csv"
KM = 111.32
"""Kilometres in a degree of latitude."""

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
GIVEN = "伟芳娜敏静强磊军洋勇艳杰娟涛明超兰霞平刚桂文辉建国华志春红玉梅晓东海燕学成林永生德清安宁宏远立新光荣"
SUFFIXES = ("自治县", "自治州", "地区", "街道", "省", "市", "区", "县", "镇", "乡")


@dataclass(frozen=True, slots=True)
class Place:
    """A point in a town of the city."""

    lon: float
    lat: float
    region: str
    county: str
    town: str

    @property
    def geom(self) -> str:
        """The point as PostGIS reads it (EWKB in hexadecimal)."""
        return struct.pack("<BIIdd", 1, 0x20000001, STORAGE_SRID, self.lon, self.lat).hex()

    @property
    def address(self) -> str:
        """County and town."""
        return self.county + self.town


@dataclass(frozen=True, slots=True)
class Town:
    """A town with a made-up centre: the regions give towns a name and no place."""

    place: Place
    shape: shapely.Geometry
    spread: float
    weight: float


class DemoCity:
    """Random but repeatable places, names, dates and numbers for ``seed(city)`` of every domain.

    ``scale`` multiplies the usual numbers of rows; ``bench`` takes the numbers of the benchmark instead.
    """

    def __init__(self, region: str, scale: float = 1.0, bench: bool = False, seed: int = 20260101) -> None:
        self.region = Region.objects.get(pk=region)
        self.scale, self.bench, self.seed = scale, bench, seed
        self.begin("")
        self.now: datetime = timezone.now().replace(minute=0, second=0, microsecond=0)
        self.today: date = timezone.localdate(self.now)

    def begin(self, label: str) -> None:
        """Start the random numbers of a domain: its rows do not depend on which domains came before."""
        self.random = random.Random(f"{self.seed} {label}")
        self.numbers = np.random.default_rng(self.random.getrandbits(64))
        self._serial = 0

    @property
    def short(self) -> str:
        """The city's name as people say it: 达州 for 达州市."""
        return short_name(self.region.name)

    # Numbers, chances, dates

    def count(self, usual: int, bench: int | None = None) -> int:
        """How many rows to make: never fewer than there are counties, so that each has some."""
        wanted = bench if self.bench and bench is not None else round(usual * self.scale)
        return max(wanted, len(self.counties))

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick[T](self, weights: Mapping[T, float] | Sequence[T]) -> T:
        """One of a sequence, or one of a mapping's keys by its weights."""
        if isinstance(weights, Mapping):
            return self.random.choices(list(weights), list(weights.values()))[0]
        return self.random.choice(weights)

    def number(self, low: float, high: float, digits: int = 1) -> float:
        """A number between two others."""
        return round(self.random.uniform(low, high), digits)

    def day(self, first: int, last: int) -> date:
        """A day, counted from today: ``day(-30, 0)`` lies in the last month."""
        return self.today + timedelta(days=self.random.randint(first, last))

    def moment(self, first: float, last: float) -> datetime:
        """A time, counted in hours from now."""
        return self.now + timedelta(minutes=round(self.random.uniform(first, last) * 60))

    def person(self) -> str:
        """A made-up person's name."""
        return self.random.choice(SURNAMES) + "".join(self.random.sample(GIVEN, self.random.choice((1, 2, 2))))

    def phone(self) -> str:
        """A telephone number that nobody has: no mobile number in China starts with 12."""
        return f"12{self.random.randrange(10**9):09}"

    def new_id(self) -> UUID:
        """An identifier shaped like UUID version 7, repeatable and rising."""
        self._serial += 1
        time = int(datetime(2026, 1, 1).timestamp() * 1000) + self._serial // 4096
        tail = self.random.getrandbits(62)
        return UUID(int=time << 80 | 7 << 76 | self._serial % 4096 << 64 | 2 << 62 | tail)

    # Places

    @cached_property
    def counties(self) -> tuple[Region, ...]:
        """The counties with a boundary; the city itself where it has none."""
        found = Region.objects.current().filter(parent=self.region, geom__isnull=False).order_by("code")
        return tuple(found) or (self.region,)

    @cached_property
    def towns(self) -> Mapping[str, tuple[Town, ...]]:
        """The towns of each county by its code, each with a made-up centre in that county."""
        with SEATS.open(encoding="utf-8", newline="") as lines:
            seats = {row["code"]: (float(row["lon"]), float(row["lat"])) for row in csv.DictReader(lines)}
        return {county.code: tuple(self._towns(county, seats.get(county.code))) for county in self.counties}

    def _towns(self, county: Region, seat: tuple[float, float] | None) -> Iterator[Town]:
        assert county.geom is not None
        shape = shapely.from_wkb(bytes(county.geom.wkb))
        shapely.prepare(shape)
        centre = np.array(seat or shape.representative_point().coords[0])
        rng = np.random.default_rng(int(county.code))
        listed = list(Region.objects.current().filter(parent=county).order_by("code").values_list("code", "name"))
        taken = [centre]
        for code, name in listed or [(county.code, "")]:
            urban = not name or name.endswith("街道") or len(taken) == 1
            point = _scatter(rng, shape, centre, 1, 1.8)[0] if urban else _apart(rng, shape, taken)
            taken.append(point)
            place = Place(*_rounded(point), code, county.name, name)
            weight = 10.0 if urban else 2.0 if name.endswith("镇") else 1.0
            yield Town(place, shape, 1.3 if urban else 2.2, weight)

    def places(self, count: int, *, county: str | None = None, urban: float = 1.0) -> list[Place]:
        """Points in the city or one county; ``urban`` from 0 (spread evenly over towns) to 1 (mostly in centres).

        The first ones lie in one county each, so that every county has some.
        """
        groups = [self.towns[county]] if county else list(self.towns.values())
        towns = [town for group in groups for town in group]
        weights = np.array([town.weight**urban for town in towns])
        firsts = [towns.index(group[0 if urban >= 0.5 else -1]) for group in groups][:count]
        rest = self.numbers.choice(len(towns), max(0, count - len(firsts)), p=weights / weights.sum())
        chosen = np.concatenate((np.array(firsts, dtype=int), rest))
        result: list[Any] = [None] * count
        for n in np.unique(chosen):
            town, slots = towns[n], np.flatnonzero(chosen == n)
            home = town.place
            points = _scatter(self.numbers, town.shape, np.array((home.lon, home.lat)), len(slots), town.spread)
            for slot, point in zip(slots, points, strict=True):
                result[slot] = Place(*_rounded(point), home.region, home.county, home.town)
        return result

    def near(self, place: Place, metres: float) -> Place:
        """A point within so many metres of another, in the same town."""
        angle, way = self.random.uniform(0, 2 * pi), self.random.uniform(0.2, 1) * metres / 1000
        lon, lat = _moved((place.lon, place.lat), angle, way)
        return Place(round(lon, 6), round(lat, 6), place.region, place.county, place.town)

    def walk(self, start: Place, km: float, *, step: float = 0.12, wiggle: float = 0.3) -> list[tuple[float, float]]:
        """The vertices of a winding line from a place; it turns back from the county's border."""
        shape = next(t.shape for group in self.towns.values() for t in group if t.place.region == start.region)
        points, angle = [(start.lon, start.lat)], self.random.uniform(0, 2 * pi)
        for _step in range(max(1, round(km / step))):
            angle += self.random.gauss(0, wiggle)
            for _turn in range(8):
                lon, lat = _moved(points[-1], angle, step)
                if shapely.contains_xy(shape, lon, lat):
                    break
                angle += pi / 4
            points.append((round(lon, 6), round(lat, 6)))
        return points

    # Rows

    def features(self, label: str, *fields: str, **where: Any) -> list[dict[str, Any]]:
        """Rows of a domain seeded before, in their order: ``id``, ``name``, ``place`` and the fields asked for."""
        rows = apps.get_model(label)._default_manager.filter(**where).order_by("pk")
        names = {town.place.region: town.place for group in self.towns.values() for town in group}
        found = []
        for row in rows.values("id", "name", "geom", "region_id", *fields):
            point, home = row.pop("geom"), names.get(row.pop("region_id"))
            if point is not None and home is not None:
                row["place"] = Place(point.x, point.y, home.region, home.county, home.town)
                found.append(row)
        return found

    def load(self, model: type[models.Model], rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows by COPY, values as they are; what a row leaves out gets the model's default, or the table's."""
        rows = list(rows)
        given = {name for row in rows for name in row}
        fields = [f for f in model._meta.concrete_fields if not f.generated]
        if unknown := given - {f.name for f in fields}:
            raise ValueError(f"{model.__name__} has no field {', '.join(sorted(unknown))}")
        filled = [f for f in fields if f.has_db_default() or isinstance(f, models.AutoField)]
        fields = [f for f in fields if f.name in given or f not in filled]
        quoted = ", ".join(connection.ops.quote_name(str(f.column)) for f in fields)
        table = connection.ops.quote_name(model._meta.db_table)
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({quoted}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([_plain(row[f.name] if f.name in row else f.get_default()) for f in fields])


Seed = Callable[[DemoCity], None]


def line(points: Sequence[tuple[float, float]]) -> str:
    """A line as PostGIS reads it (EWKB in hexadecimal)."""
    flat = [value for point in points for value in point]
    return struct.pack(f"<BIII{len(flat)}d", 1, 0x20000002, STORAGE_SRID, len(points), *flat).hex()


def short_name(name: str) -> str:
    """A region's name without the word for its rank."""
    for suffix in SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix) + 1:
            return name.removesuffix(suffix)
    return name


def seeds() -> dict[str, Seed]:
    """The ``seed`` function of every app that has one, by label; what a domain points at comes before it."""
    found = {app.label: app for app in apps.get_app_configs() if find_spec(f"{app.name}.seed")}
    graph = {label: sorted(_pointed_at(app) & (found.keys() - {label})) for label, app in found.items()}
    return {label: import_module(f"{found[label].name}.seed").seed for label in TopologicalSorter(graph).static_order()}


def sow(city: DemoCity, label: str, seed: Seed) -> bool:
    """Seed a domain unless it has features; True when it was seeded. All of it, or nothing."""
    from services.catalog.layer import registry

    if any(layer.rows().exists() for layer in registry if layer.domain == label):
        return False
    city.begin(label)
    with transaction.atomic():
        seed(city)
    return True


def _pointed_at(app: AppConfig) -> set[str]:
    """The apps whose rows the rows of this one point at."""
    return {
        field.remote_field.model._meta.app_label
        for model in app.get_models()
        for field in (*model._meta.concrete_fields, *model._meta.many_to_many)
        if field.remote_field is not None
    }


def _scatter(rng: np.random.Generator, shape: Any, centre: Any, count: int, spread: float) -> Any:
    """Points around a centre, denser towards it, inside the shape; ``spread`` in km."""
    scale = np.array((spread / (KM * cos(radians(centre[1]))), spread / KM))
    points = np.repeat(centre[None, :], count, axis=0)
    missing = np.arange(count)
    for _round in range(12):
        tried = centre + rng.normal(size=(len(missing), 2)) * scale
        inside = shapely.contains_xy(shape, tried[:, 0], tried[:, 1])
        points[missing[inside]] = tried[inside]
        missing = missing[~inside]
        if not len(missing):
            break
    return points


def _apart(rng: np.random.Generator, shape: Any, taken: Sequence[Any]) -> Any:
    """The one of some random points in the shape that is farthest from those taken."""
    west, south, east, north = shape.bounds
    tried = rng.uniform((west, south), (east, north), size=(120, 2))
    tried = tried[shapely.contains_xy(shape, tried[:, 0], tried[:, 1])][:12]
    if not len(tried):
        return np.array(shape.representative_point().coords[0])
    gaps = np.linalg.norm(tried[:, None, :] - np.array(taken)[None, :, :], axis=2).min(axis=1)
    return tried[gaps.argmax()]


def _moved(point: tuple[float, float], angle: float, km: float) -> tuple[float, float]:
    lon, lat = point
    return lon + km * sin(angle) / (KM * cos(radians(lat))), lat + km * cos(angle) / KM


def _rounded(point: Any) -> tuple[float, float]:
    return round(float(point[0]), 6), round(float(point[1]), 6)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, models.Choices) else value
