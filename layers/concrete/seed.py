"""Mixing plants and mixer trucks of the demo city."""

from datetime import timedelta

from layers.concrete.models import Batch, Grade, MixerTruck, MixingPlant, PlantInspection, Trip, TruckCheck
from services.catalog.demo import DemoCity, Place, short_name

PARTS = ("基础底板", "一层柱", "二层梁板", "五层墙柱", "屋面板", "承台", "路面", "挡土墙")
GRADES = {Grade.C30: 40, Grade.C35: 20, Grade.C25: 14, Grade.C40: 12, Grade.C20: 8, Grade.C50: 4, Grade.C15: 2}
FINDINGS = ("骨料含水率未及时检测", "外加剂台账不全", "料仓封闭不严", "计量设备校准过期")
ITEMS = ("制动系统", "灯光信号", "罐体封闭", "卫星定位终端", "轮胎")


def seed(city: DemoCity) -> None:
    """Plants with batches and inspections, trucks with trips and checks."""
    firms = city.features("enterprises.Enterprise", kind="concrete")
    sites = city.features("projects.Project", state="active")
    trucks_wanted = city.count(60, bench=5000)
    rows: dict[type, list] = {
        model: [] for model in (MixingPlant, MixerTruck, Batch, PlantInspection, Trip, TruckCheck)
    }
    plants: list[tuple] = []
    for n, place in enumerate(city.places(city.count(12, bench=200), urban=0.4)):
        key, firm = city.new_id(), firms[n % len(firms)]
        plants.append((key, place))
        rows[MixingPlant].append({
            "id": key, "code": f"JBZ{place.region[:6]}{n + 1:03}", "geom": place.geom, "region": place.region,
            "name": f"{short_name(place.town or place.county)}{n + 1}号搅拌站", "enterprise": firm["id"],
            "state": city.pick({"running": 64, "idle": 20, "rectifying": 10, "stopped": 6}), "address": place.address,
            "lines": city.pick((1, 2, 2, 3)), "capacity": city.pick((120, 180, 240, 360)), "sealed": city.chance(0.8),
            "opened_on": city.day(-4000, -300),
        })  # fmt: skip
        for _check in range(city.random.randint(1, 4)):
            good = city.chance(0.7)
            rows[PlantInspection].append({
                "plant": key, "done_on": city.day(-365, -2), "inspector": city.person(),
                "subject": "预拌混凝土质量抽查",
                "findings": "" if good else city.pick(FINDINGS), "result": "passed" if good else "rectify",
            })  # fmt: skip
    for n in range(trucks_wanted):
        plant, home = plants[n % len(plants)]
        _truck(city, rows, n, plant, home, city.random.sample(sites, min(4, len(sites))))
    for model, loaded in rows.items():
        city.load(model, loaded)


def _truck(city: DemoCity, rows: dict, n: int, plant: object, home: Place, sites: list[dict]) -> None:
    key = city.new_id()
    state = city.pick({"driving": 34, "idle": 26, "pouring": 16, "loading": 12, "offline": 12})
    share = {"driving": city.random.uniform(0.1, 0.9), "pouring": 1.0}.get(state, 0.0)
    site = sites[0]["place"]
    lon, lat = (a + (b - a) * share for a, b in ((home.lon, site.lon), (home.lat, site.lat)))
    place = city.near(Place(lon, lat, home.region, home.county, home.town), 60 if share in (0.0, 1.0) else 900)
    rows[MixerTruck].append({
        "id": key, "code": f"川S·演{n + 1:04}", "name": f"{n + 1}号运输车", "geom": place.geom, "state": state,
        "plant": plant, "volume": city.pick((10, 12, 12, 15)), "heading": city.random.randrange(0, 360, 5),
        "speed": city.number(15, 62) if state == "driving" else 0.0, "driver": city.person(),
        "driver_phone": city.phone(),
        "located_at": city.moment(-90, -3) if state == "offline" else city.moment(-0.05, 0),
    })  # fmt: skip
    for site in sites:
        made = city.moment(-900, -3)
        batch = city.new_id()
        volume = city.number(6, 12)
        rows[Batch].append({
            "id": batch, "plant": plant, "number": f"P{made:%Y%m%d}{n:05}{len(rows[Batch]):06}", "made_at": made,
            "project": site["id"], "part": city.pick(PARTS), "grade": city.pick(GRADES),
            "mix_number": f"PHB-{city.random.randint(1, 60):03}", "volume": volume,
            "slump": float(city.random.randrange(160, 230, 5)), "truck": key,
        })  # fmt: skip
        arrived = made + timedelta(minutes=city.random.randint(18, 75))
        rows[Trip].append({
            "truck": key, "batch": batch, "project": site["id"], "departed_at": made, "arrived_at": arrived,
            "unloaded_at": arrived + timedelta(minutes=city.random.randint(15, 50)), "distance": city.number(3, 38),
        })  # fmt: skip
    for _check in range(city.random.randint(0, 2)):
        rows[TruckCheck].append({
            "truck": key, "done_on": city.day(-120, -1), "item": city.pick(ITEMS), "passed": city.chance(0.92),
            "note": "",
        })  # fmt: skip
