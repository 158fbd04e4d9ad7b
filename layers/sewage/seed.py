"""Sewage plants, inlets, outfalls and sewers of the demo city."""

from datetime import timedelta
from itertools import pairwise

from layers.sewage.models import (
    DailyReport,
    Dredging,
    Equipment,
    Inlet,
    Outfall,
    OutfallInspection,
    PipeInspection,
    Sample,
    SewagePlant,
    SewerPipe,
    Upkeep,
)
from layers.sewage.rules import exceeded
from services.catalog.demo import DemoCity, Place, line, short_name

MACHINES = (
    ("提升泵", "lift", 37.0), ("鼓风机", "biology", 75.0), ("污泥脱水机", "sludge", 22.0),
    ("紫外消毒装置", "disinfect", 15.0), ("粗格栅", "pre", 2.2),
)  # fmt: skip
"""Name, where it stands, kW."""
RIVERS = ("州河", "巴河", "渠江", "明月江", "前河", "后河", "铜钵河")
MODELS = (
    SewagePlant, Equipment, DailyReport, Inlet, Upkeep, Outfall, OutfallInspection, Sample, SewerPipe, PipeInspection,
    Dredging,
)  # fmt: skip
USUAL = 20_000
"""m³ a day of a plant for which the machines have their power as listed."""


def quality(city: DemoCity, dirty: float = 1.0) -> dict[str, float]:
    """Effluent in mg/L, usually within class 1A."""
    return {
        "cod": round(city.random.uniform(12, 38) * dirty, 1),
        "ammonia": round(city.random.uniform(0.3, 3.4) * dirty, 2),
        "nitrogen": round(city.random.uniform(5, 12.5) * dirty, 2),
        "phosphorus": round(city.random.uniform(0.08, 0.4) * dirty, 2),
    }  # fmt: skip


def seed(city: DemoCity) -> None:
    """Plants with equipment and daily reports, their outfalls, and the sewers that lead to them."""
    firms = city.features("enterprises.Enterprise", kind="operation")
    rows: dict[type, list] = {model: [] for model in MODELS}
    for n, place in enumerate(city.places(city.count(15), urban=0.6)):
        urban, key = n < 10, city.new_id()
        state = city.pick({"running": 80, "repair": 12, "stopped": 8})
        now = quality(city, 2.2 if n == 3 else 1.0)
        standard = "1A" if urban else "1B"
        if state == "running" and exceeded(now, standard, city.today):
            state = "exceeding"
        capacity = city.pick((20_000, 30_000, 50_000, 80_000)) if urban else city.pick((300, 500, 1000, 2000))
        rows[SewagePlant].append({
            "id": key, "code": f"WS{place.region[:6]}{n + 1:03}", "geom": place.geom, "region": place.region,
            "name": f"{short_name(place.town or place.county)}污水处理{'厂' if urban else '站'}", "state": state,
            "kind": "urban" if urban else "rural", "enterprise": firms[n % len(firms)]["id"], "address": place.address,
            "standard": standard, "process": city.pick(("A²/O", "氧化沟", "CASS", "MBR")), "capacity": capacity,
            "flow": 0.0 if state == "stopped" else round(capacity / 24 * city.random.uniform(0.6, 0.95), 1),
            "measured_at": city.moment(-0.2, 0), "opened_on": city.day(-5000, -500), **now,
            "ph": city.number(6.9, 7.4, 2), "temperature": city.number(12.5, 18), "level": city.number(2.6, 3.7, 2),
        })  # fmt: skip
        _plant_records(city, rows, key, capacity)
        _inlet(city, rows, rows[SewagePlant][-1], place)
        _outfalls(city, rows, key, place, n)
        _pipes(city, rows, key, place, n)
    for model, loaded in rows.items():
        city.load(model, loaded)


def _plant_records(city: DemoCity, rows: dict, plant: object, capacity: float) -> None:
    for back in range(1, 31):
        volume = capacity * city.random.uniform(0.6, 0.95)
        rows[DailyReport].append({
            "plant": plant, "day": city.today - timedelta(days=back), "volume": round(volume),
            "temperature": city.number(13, 19),
            "energy": round(volume * city.random.uniform(0.25, 0.4)), **quality(city),
        })  # fmt: skip
    for number, (title, stage, power) in enumerate(MACHINES * 2, 1):
        rows[Equipment].append({
            "plant": plant, "number": f"SB-{number:03}", "title": f"{number}号{title}", "signal": f"SB{number}",
            "stage": stage, "power": max(0.4, round(power * capacity / USUAL, 1)),
            "maker": city.pick(("蓝川环保", "巴山机械")),
            "made_on": city.day(-4000, -600), "state": city.pick({"running": 80, "standby": 15, "fault": 5}),
        })  # fmt: skip


def _inlet(city: DemoCity, rows: dict, plant: dict, home: Place) -> None:
    key, place = city.new_id(), city.near(home, 120)
    rows[Inlet].append({
        "id": key, "code": plant["code"].replace("WS", "JS"), "geom": place.geom, "region": place.region,
        "name": f"{plant['name']}进水口", "plant": plant["id"], "state": "online" if plant["flow"] else "offline",
        "flow": round(plant["flow"] * 1.02, 1), "measured_at": plant["measured_at"], "cod": city.number(180, 340),
        "ammonia": city.number(18, 36), "nitrogen": city.number(28, 48), "phosphorus": city.number(2.4, 5.2),
        "ph": city.number(7.1, 7.7, 2), "temperature": city.number(11, 18),
    })  # fmt: skip
    for kind in ("cleaning", "reagent", "calibration", "comparison"):
        rows[Upkeep].append({
            "inlet": key, "done_on": city.day(-40, -1), "kind": kind, "done_by": city.pick(("清源环境", "蓝盾仪器")),
        })  # fmt: skip


def _outfalls(city: DemoCity, rows: dict, plant: object, home: Place, n: int) -> None:
    for k, kind in enumerate(("plant", "rain", "combined")):
        key, place = city.new_id(), city.near(home, 300 if k == 0 else 1800)
        rows[Outfall].append({
            "id": key, "code": f"PK{place.region[:6]}{n + 1:03}{k + 1}", "geom": place.geom, "region": place.region,
            "name": f"{short_name(place.town or place.county)}{k + 1}号排口", "kind": kind, "plant": plant,
            "water": city.pick(RIVERS),
            "state": city.pick({"normal": 80, "abnormal": 8, "rectifying": 8, "closed": 4}),
            "diameter": city.pick((600, 800, 1000, 1200)),
        })  # fmt: skip
        for _visit in range(city.random.randint(1, 4)):
            flowing = city.chance(0.15)
            rows[OutfallInspection].append({
                "outfall": key, "done_on": city.day(-180, -1), "inspector": city.person(), "flowing": flowing,
                "findings": "晴天有水流出，疑似混接" if flowing else "",
            })  # fmt: skip
        for _sample in range(city.random.randint(1, 3)):
            sample = quality(city, 1.3)
            del sample["nitrogen"]
            rows[Sample].append(
                {"outfall": key, "taken_at": city.moment(-3000, -20), "laboratory": "市排水监测站"} | sample
            )


def _pipes(city: DemoCity, rows: dict, plant: object, home: Place, n: int) -> None:
    for trunk in range(3):
        route = city.walk(home, 1.6, step=0.1, wiggle=0.12)
        for k, (start, end) in enumerate(pairwise(route), 1):
            key = city.new_id()
            state = city.pick({"normal": 84, "blocked": 7, "damaged": 5, "building": 4})
            rows[SewerPipe].append({
                "id": key, "code": f"GX{home.region[:6]}{n + 1:03}{trunk + 1}{k:03}", "geom": line((start, end)),
                "region": home.region, "name": f"W{n + 1}-{trunk + 1}-{k}—W{n + 1}-{trunk + 1}-{k + 1}", "state": state,
                "kind": city.pick({"sewage": 7, "combined": 2, "rain": 1}), "plant": plant,
                "material": city.pick(("concrete", "hdpe", "iron")), "diameter": max(300.0, 1000.0 - 40 * k),
                "depth": city.number(1.2, 4.5), "laid_on": city.day(-6000, -300),
            })  # fmt: skip
            if city.chance(0.5):
                bad = state in ("blocked", "damaged")
                rows[PipeInspection].append({
                    "pipe": key, "done_on": city.day(-700, -5), "method": city.pick(("cctv", "mirror")),
                    "defect": city.pick(("2", "3", "4") if bad else ("0", "1")), "note": "",
                })  # fmt: skip
            if city.chance(0.4):
                rows[Dredging].append({
                    "pipe": key, "done_on": city.day(-500, -5), "volume": city.number(0.2, 4),
                    "done_by": "市政养护中心",
                })  # fmt: skip
