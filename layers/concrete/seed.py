"""Mixing plants and mixer trucks of the demo city, with their mixes, batches and what they charged."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from layers.concrete import rules
from layers.concrete.models import (
    Batch,
    BatchNumber,
    Charge,
    Grade,
    Mix,
    MixerTruck,
    MixingPlant,
    PlantInspection,
    Trip,
    TruckCheck,
    Weighing,
)
from services.catalog.demo import DemoCity, Place, short_name
from services.limits.rows import ZONE

PARTS = ("基础底板", "一层柱", "二层梁板", "五层墙柱", "屋面板", "承台", "路面", "挡土墙")
GRADES = {Grade.C30: 40, Grade.C35: 20, Grade.C25: 14, Grade.C40: 12, Grade.C20: 8, Grade.C50: 4, Grade.C15: 2}
FINDINGS = ("骨料含水率未及时检测", "外加剂台账不全", "料仓封闭不严", "计量设备校准过期")
ITEMS = ("制动系统", "灯光信号", "罐体封闭", "卫星定位终端", "轮胎")
MIXES: dict[Grade, dict[str, float]] = {
    Grade.C15: {"cement": 160, "fly_ash": 80, "slag": 60, "sand": 890, "stone": 1030, "water": 178, "admixture": 4.5},
    Grade.C20: {"cement": 190, "fly_ash": 75, "slag": 65, "sand": 860, "stone": 1040, "water": 175, "admixture": 5.3},
    Grade.C25: {"cement": 215, "fly_ash": 70, "slag": 70, "sand": 835, "stone": 1050, "water": 172, "admixture": 6.4},
    Grade.C30: {"cement": 245, "fly_ash": 65, "slag": 75, "sand": 800, "stone": 1060, "water": 168, "admixture": 7.7},
    Grade.C35: {"cement": 280, "fly_ash": 62, "slag": 78, "sand": 765, "stone": 1065, "water": 165, "admixture": 9.2},
    Grade.C40: {"cement": 315, "fly_ash": 60, "slag": 80, "sand": 730, "stone": 1070, "water": 162, "admixture": 10.9},
    Grade.C50: {"cement": 380, "fly_ash": 50, "slag": 85, "sand": 670, "stone": 1075, "water": 155, "admixture": 13.4},
}
"""kg/m³; ours, after what plants usually publish."""
BINS = {
    "cement": "1#水泥仓", "fly_ash": "3#粉煤灰仓", "slag": "4#矿粉仓", "sand": "1#砂仓", "stone": "3#石仓",
    "water": "水秤", "admixture": "1#外加剂罐",
}  # fmt: skip
SPREAD = {"cement": 0.5, "fly_ash": 0.6, "slag": 0.6, "sand": 0.9, "stone": 0.9, "water": 0.3, "admixture": 0.3}
"""Standard deviation of a weighing, in per cent."""
CHARGED_HOURS, CHARGED_BATCHES = 240, 400
"""Batches whose charges are there: the newest, and so many at most."""
FULL_CHARGE = 3.0
"""m³ that the mixer takes."""


@dataclass
class Site:
    """A plant as the seed sees it."""

    key: Any
    code: str
    home: Place
    batches: list[dict[str, Any]] = field(default_factory=list)


def seed(city: DemoCity) -> None:
    """Plants with mixes, batches, charges and inspections, trucks with trips and checks."""
    firms = city.features("enterprises.Enterprise", kind="concrete")
    sites = city.features("projects.Project", "supervision_number", state="active")
    trucks_wanted = city.count(60, bench=5000)
    rows: dict[type, list] = {
        model: []
        for model in (
            MixingPlant, Mix, MixerTruck, BatchNumber, Batch, Charge, Weighing, PlantInspection, Trip, TruckCheck,
        )
    }  # fmt: skip
    plants: list[Site] = []
    for n, place in enumerate(city.places(city.count(12, bench=200), urban=0.4)):
        plant, firm = Site(city.new_id(), f"JBZ{place.region[:6]}{n + 1:03}", place), firms[n % len(firms)]
        plants.append(plant)
        rows[MixingPlant].append({
            "id": plant.key, "code": plant.code, "geom": place.geom, "region": place.region,
            "name": f"{short_name(place.town or place.county)}{n + 1}号搅拌站", "enterprise": firm["id"],
            "state": city.pick({"running": 64, "idle": 20, "rectifying": 10, "stopped": 6}), "address": place.address,
            "lines": city.pick((1, 2, 2, 3)), "capacity": city.pick((120, 180, 240, 360)), "sealed": city.chance(0.8),
            "opened_on": city.day(-4000, -300),
        })  # fmt: skip
        for _check in range(city.random.randint(1, 4)):
            good = city.chance(0.7)
            rows[PlantInspection].append({
                "plant": plant.key, "done_on": city.day(-365, -2), "inspector": city.person(),
                "subject": "预拌混凝土质量抽查",
                "findings": "" if good else city.pick(FINDINGS), "result": "passed" if good else "rectify",
            })  # fmt: skip
        _mixes(city, rows, plant)
        _batches(city, rows, plant, sites, max(12, 4 * trucks_wanted // city.count(12, bench=200)))
    for n in range(trucks_wanted):
        _truck(city, rows, n, plants[n % len(plants)], sites)
    for plant in plants:
        for batch in plant.batches:
            recent = batch["made_at"] > city.now - timedelta(hours=CHARGED_HOURS)
            if recent and len(rows[Charge]) < 12 * CHARGED_BATCHES:
                _charges(city, rows, batch)
    for batch in rows[Batch]:
        batch.pop("trucks")
    for model, loaded in rows.items():
        city.load(model, loaded)


def _mixes(city: DemoCity, rows: dict, plant: Site) -> None:
    """A design and a production mix for each grade; production makes up for the water in the sand of the day."""
    for n, (grade, parts) in enumerate(MIXES.items(), 1):
        scale = city.random.uniform(0.97, 1.03)
        design = {name: round(value * scale, 1) for name, value in parts.items()}
        wet = city.number(0.03, 0.06, 3)
        production = design | {
            "sand": round(design["sand"] * (1 + wet), 1), "water": round(design["water"] - design["sand"] * wet, 1),
        }  # fmt: skip
        for kind, made, since in (("design", design, -400), ("production", production, -40)):
            rows[Mix].append({
                "plant": plant.key, "kind": kind, "number": f"{'SJ' if kind == 'design' else 'SC'}-{grade}-{n:02}",
                "grade": grade, "valid_from": city.day(since, since), **made,
            })  # fmt: skip


def _batches(city: DemoCity, rows: dict, plant: Site, sites: list[dict], count: int) -> None:
    near = city.random.sample(sites, min(6, len(sites)))
    # Some in every week, and two of today.
    width = 885 / (count - 2)
    spread = [city.moment(n * width - 900, (n + 1) * width - 900) for n in range(count - 2)]
    made = [*spread, city.moment(-9, -4), city.moment(-3, -2)]
    taken: dict[Any, int] = {}
    for at in made:
        registered = at - timedelta(minutes=city.random.randint(15, 120))
        day = registered.astimezone(ZONE).date()
        taken[day] = taken.get(day, 0) + 1
        site, grade = city.pick(near), city.pick(GRADES)
        n = list(MIXES).index(grade) + 1
        batch = {
            "id": city.new_id(), "plant": plant.key, "number": f"{plant.code}-{day:%Y%m%d}-{taken[day]:04}",
            "registered_at": registered, "made_at": at, "project": site["id"], "part": city.pick(PARTS),
            "supervision_number": site["supervision_number"], "grade": grade, "mix_number": f"SJ-{grade}-{n:02}",
            "production_number": f"SC-{grade}-{n:02}", "volume": float(city.random.randrange(12, 66, 6)),
            "slump": float(city.random.randrange(160, 230, 5)), "line": city.pick((1, 2)), "registrar": city.person(),
            "order": f"RW{registered:%y%m%d%H%M}{len(rows[Batch]) % 1000:03}", "state": "finished",
            "quality": "pending", "made": None, "trucks": [],
        }  # fmt: skip
        batch["made"] = batch["volume"]
        plant.batches.append(batch)
        rows[Batch].append(batch)
    for day, last in taken.items():
        rows[BatchNumber].append({"stem": plant.code[:17], "day": day, "last": last})


def _truck(city: DemoCity, rows: dict, n: int, plant: Site, sites: list[dict]) -> None:
    key, home = city.new_id(), plant.home
    state = city.pick({"driving": 34, "idle": 26, "pouring": 16, "loading": 12, "offline": 12})
    share = {"driving": city.random.uniform(0.1, 0.9), "pouring": 1.0}.get(state, 0.0)
    batches = city.random.sample(plant.batches, min(4, len(plant.batches)))
    where = {site["id"]: site["place"] for site in sites}
    site = where[batches[0]["project"]]
    lon, lat = (a + (b - a) * share for a, b in ((home.lon, site.lon), (home.lat, site.lat)))
    place = city.near(Place(lon, lat, home.region, home.county, home.town), 60 if share in (0.0, 1.0) else 900)
    plate = f"川S·演{n + 1:04}"
    rows[MixerTruck].append({
        "id": key, "code": plate, "name": f"{n + 1}号运输车", "geom": place.geom, "state": state,
        "plant": plant.key, "volume": city.pick((10, 12, 12, 15)), "heading": city.random.randrange(0, 360, 5),
        "speed": city.number(15, 62) if state == "driving" else 0.0, "driver": city.person(),
        "driver_phone": city.phone(),
        "located_at": city.moment(-90, -3) if state == "offline" else city.moment(-0.05, 0),
    })  # fmt: skip
    for batch in batches:
        departed = batch["made_at"] + timedelta(minutes=city.random.randint(4, 40))
        arrived = departed + timedelta(minutes=city.random.randint(18, 75))
        batch["trucks"].append((key, plate))
        rows[Trip].append({
            "truck": key, "batch": batch["id"], "project": batch["project"], "departed_at": departed,
            "arrived_at": arrived, "unloaded_at": arrived + timedelta(minutes=city.random.randint(15, 50)),
            "distance": city.number(3, 38),
        })  # fmt: skip
    for _check in range(city.random.randint(0, 2)):
        rows[TruckCheck].append({
            "truck": key, "done_on": city.day(-120, -1), "item": city.pick(ITEMS), "passed": city.chance(0.92),
            "note": "",
        })  # fmt: skip


def _charges(city: DemoCity, rows: dict, batch: dict[str, Any]) -> None:
    """The charges of a batch, judged as those that come in are; few are out of tolerance."""
    mix = next(
        row for row in rows[Mix]
        if (row["plant"], row["number"]) == (batch["plant"], batch["production_number"])
    )  # fmt: skip
    count = max(2, round(batch["volume"] / FULL_CHARGE))
    volume, drift = round(batch["volume"] / count, 2), city.pick({0.0: 12, 1.6: 1})
    faulty = {n for n in range(count) if city.chance(0.02)}
    formulas = dict.fromkeys(("charge", "total"), "deviation <= limit")
    table = rules.Table(rules.LIMITS, formulas, batch["made_at"])
    sums: dict[str, list[float]] = {}
    out = False
    for n, at in enumerate(_times(city, batch["made_at"], count)):
        key, truck = city.new_id(), batch["trucks"][n // 3 % len(batch["trucks"])] if batch["trucks"] else (None, "")
        faults = []
        for place, (material, label) in enumerate(BINS.items(), 1):
            target = round(mix[material] * volume, 2)
            error = city.random.gauss(drift if material == "water" else 0, SPREAD[material])
            # Scales and gates keep most weighings well inside what is allowed.
            allowed = table.tolerance(rules.CHARGE, material) or 2
            error = max(-0.9 * allowed, min(0.9 * allowed, error)) if not (drift and material == "water") else error
            if n in faulty and material == city.pick(("cement", "water", "admixture", "sand")):
                error = allowed * city.random.uniform(1.2, 2.8) * city.pick((-1, 1))
            actual = round(target * (1 + error / 100), 2)
            found = table.weight("charge", material, target, actual, volume)
            if not found.within:
                faults.append({"what": "charge", "bin": label})
            given = sums.setdefault(material, [0.0, 0.0])
            given[0], given[1] = given[0] + target, given[1] + actual
            rows[Weighing].append({
                "charge": key, "place": place, "bin": label, "material": material,
                "target": target, "actual": actual, "deviation": found.deviation, "limit": found.limit,
                "within": found.within, "total_limit": table.tolerance(rules.TOTAL, material),
            })  # fmt: skip
        out = out or bool(faults)
        number = f"{batch['number']}/{n + 1}"
        rows[Charge].append({
            "id": key, "plant": batch["plant"], "batch": batch["id"], "number": number,
            "serial": f"{batch['number']}-{n + 1:03}", "sequence": n + 1, "charged_at": at, "received_at": at,
            "volume": volume, "seconds": float(city.random.randint(35, 60)), "seconds_least": 30.0,
            "grade": batch["grade"], "truck": truck[0], "plate": truck[1], "ticket": f"CC{at:%y%m%d}{n // 3 + 1:02}",
            "verdict": "out" if faults else "within", "faults": json.dumps(faults), "revisions": "[]",
            "digest": hashlib.sha256(number.encode()).hexdigest(),
        })  # fmt: skip
        batch["made_at"] = at
    total = any(
        not table.weight("total", material, round(wanted, 2), round(given, 2), volume).within
        for material, (wanted, given) in sums.items()
    )
    batch["quality"] = "total" if total else "charge" if out else "within"


def _times(city: DemoCity, begin: datetime, count: int) -> Iterator[datetime]:
    at = begin
    for _n in range(count):
        yield at
        at += timedelta(seconds=city.random.randint(70, 190))
