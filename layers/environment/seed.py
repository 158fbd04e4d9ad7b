"""Dust and noise monitors of the demo city, areas under control and orders to remedy."""

from collections import Counter
from datetime import timedelta
from math import cos, exp, pi, radians, sin
from typing import Any

import shapely

from gis.fields import STORAGE_SRID
from layers.environment.models import (
    Calibration,
    ControlArea,
    Fault,
    Monitor,
    OrderStep,
    Patrol,
    RemediationOrder,
)
from layers.environment.rules import DUE_DAYS
from services.catalog.demo import KM, DemoCity, Place, short_name

State, Spot = Monitor.State, Monitor.Spot
Kind, Order, Step = ControlArea.Kind, RemediationOrder.State, OrderStep.Kind

SPOTS = {Spot.BOUNDARY: "场界", Spot.GATE: "出入口", Spot.WORK: "作业区", Spot.SENSITIVE: "敏感点"}


def values(city: DemoCity) -> dict[str, float]:
    """One reading of all factors, in keeping with each other: PM2.5 below PM10 below TSP."""
    pm10 = round(min(900.0, exp(city.random.gauss(4.25, 0.55))), 1)
    return {
        "pm10": pm10, "pm25": round(pm10 * city.random.uniform(0.4, 0.7), 1),
        "tsp": round(pm10 * city.random.uniform(1.3, 2.2), 1), "noise": round(city.random.gauss(61, 6), 1),
        "temperature": city.number(8, 19), "humidity": city.number(55, 92), "pressure": city.number(96.5, 98.5),
        "wind_speed": round(abs(city.random.gauss(1.2, 0.8)), 1), "wind_direction": city.random.randrange(0, 360, 5),
        "so2": city.number(4, 18), "no2": city.number(12, 60), "o3": city.number(20, 140), "co": city.number(0.3, 1.2),
    }  # fmt: skip


def seed(city: DemoCity) -> None:
    """Monitors on sites with calibrations and faults, areas around some sites, orders to those who build there."""
    monitors = _monitors(city)
    _areas(city)
    _orders(city, monitors)


def _monitors(city: DemoCity) -> list[dict[str, Any]]:
    # By turns in every county: a surface of a county needs three of them.
    groups: dict[str, list[dict[str, Any]]] = {}
    for site in city.features("projects.Project", state__in=["active", "rectifying", "suspended"]):
        groups.setdefault(site["place"].county, []).append(site)
    counties, placed = list(groups.values()), Counter[str]()
    monitors, calibrations, faults = [], [], []
    for n in range(city.count(120, bench=10_000)):
        around, sites = n // len(counties), counties[n % len(counties)]
        site = sites[around % len(sites)]
        spot = city.pick({Spot.BOUNDARY: 50, Spot.GATE: 28, Spot.WORK: 14, Spot.SENSITIVE: 8})
        state = city.pick({State.ONLINE: 86, State.OFFLINE: 8, State.FAULT: 4, State.CALIBRATING: 2})
        place = city.near(site["place"], 150)
        key = city.new_id()
        measured = city.moment(-0.1, 0) if state == State.ONLINE else city.moment(-300, -3)
        name = f"{site['name'][:20]}{SPOTS[spot]}监测点"
        placed[name] += 1
        monitors.append({
            "id": key, "code": f"ZT{place.region[:6]}{n + 1:016}", "geom": place.geom, "region": place.region,
            "name": f"{name}{placed[name]}号" if placed[name] > 1 else name, "state": state, "spot": spot,
            "project": site["id"],
            "maker": city.pick(("清源环境", "蓝盾仪器")), "measured_at": measured, "installed_on": city.day(-600, -30),
            # A faulty device has no values; one that is cut off shows the last ones it sent.
            **(values(city) if state != State.FAULT else dict.fromkeys(values(city))),
        })  # fmt: skip
        for factor in city.random.sample(("pm10", "pm25", "tsp", "noise"), city.random.randint(0, 2)):
            reference = city.pick((100, 150, 200)) if factor != "noise" else 94.0
            shown = round(reference * city.random.gauss(1, 0.05 if factor != "noise" else 0.004), 1)
            calibrations.append({
                "monitor": key, "done_on": city.day(-330, -3), "factor": factor, "shown": shown, "reference": reference,
                "passed": abs(shown / reference - 1) <= (0.1 if factor != "noise" else 0.006),
                "done_by": "市计量检定所",
            })  # fmt: skip
        if state in (State.OFFLINE, State.FAULT) or city.chance(0.25):
            gone = state in (State.OFFLINE, State.FAULT)
            began = measured if gone else city.moment(-3000, -400)
            faults.append({
                "monitor": key, "kind": "sensor" if state == State.FAULT else city.pick(("offline", "power", "tamper")),
                "began_at": began, "ended_at": None if gone else began + timedelta(hours=city.random.randint(1, 30)),
                "note": "" if gone else "已恢复",
            })  # fmt: skip
    city.load(Monitor, monitors)
    city.load(Calibration, calibrations)
    city.load(Fault, faults)
    return monitors


KINDS = {Kind.KEY: "重点管控区", Kind.HOMES: "居住片区", Kind.SENSITIVE: "文教片区", Kind.DEVELOPMENT: "开发片区"}
VISITS = (
    "围挡、喷淋运行正常",
    "出入口冲洗到位",
    "裸土覆盖不全，已要求当日整改",
    "渣土车辆密闭良好",
    "夜间施工噪声偏高",
)


def _areas(city: DemoCity) -> None:
    sites = city.features("projects.Project", "contractor", state__in=["active", "rectifying", "suspended"])
    by_county: dict[str, list[dict[str, Any]]] = {}
    for site in sites:
        by_county.setdefault(site["place"].region[:6], []).append(site)
    areas, patrols = [], []
    names = {county.code: short_name(county.name) for county in city.counties}
    for n in range(city.count(16)):
        county = city.counties[n % len(city.counties)].code
        if county not in by_county:
            continue
        site = by_county[county][(n // len(city.counties)) % len(by_county[county])]
        kind = list(KINDS)[(n + 2 * (n // len(city.counties))) % len(KINDS)]
        key = city.new_id()
        areas.append({
            "id": key, "code": f"GK{county}{n + 1:03}", "region": county, "kind": kind, "grade": "2",
            "name": f"{names[county]}{short_name(site['place'].town)}{KINDS[kind]}",
            "geom": _around(city, site["place"], city.number(0.9, 1.8)), "responsible": site["contractor"],
            "authority": f"{site['place'].county}住房和城乡建设局", "person": city.person(),
            "phone": f"0818-{city.random.randint(2100000, 2999999)}", "since": city.day(-700, -60),
            "basis": "扬尘污染防治工作方案",
        })  # fmt: skip
        for _visit in range(city.random.randint(1, 4)):
            finding = city.pick(VISITS)
            patrols.append({
                "area": key, "done_on": city.day(-120, -1), "done_by": city.person(), "finding": finding,
                "passed": "要求" not in finding and "偏高" not in finding,
            })  # fmt: skip
    city.load(ControlArea, areas)
    city.load(Patrol, patrols)


def _around(city: DemoCity, place: Place, km: float) -> str:
    """An area with an uneven edge around a place, as PostGIS reads it."""
    corners = []
    for n in range(18):
        way, angle = km * city.random.uniform(0.8, 1.15), 2 * pi * n / 18
        corners.append((
            round(place.lon + way * sin(angle) / (KM * cos(radians(place.lat))), 6),
            round(place.lat + way * cos(angle) / KM, 6),
        ))  # fmt: skip
    shape = shapely.set_srid(shapely.MultiPolygon([shapely.Polygon(corners)]), STORAGE_SRID)
    return str(shapely.to_wkb(shape, hex=True, include_srid=True))


FINDINGS = (
    ("TSP 15分钟均值超标", "落实裸土覆盖和喷淋降尘，清扫出入口道路，整改后上传现场照片。"),
    ("夜间场界噪声超标", "停止夜间产生噪声的作业；确需施工的，先取得夜间施工许可并公告。"),
    ("PM10浓度过高", "增加雾炮和洒水频次，土方作业暂停至数值恢复。"),
    ("监测设备断线超过24小时", "检查供电和网络，恢复在线监测并说明原因。"),
)
REPLIES = (
    "已覆盖裸土并加开喷淋，照片附后。",
    "已停止夜间作业，对班组进行交底。",
    "设备电源已更换，数据恢复。",
    "道路已清扫冲洗，雾炮全天开启。",
)
STATES = {Order.CLOSED: 46, Order.ISSUED: 22, Order.REPLIED: 18, Order.RETURNED: 9, Order.WITHDRAWN: 5}


def _orders(city: DemoCity, monitors: list[dict[str, Any]]) -> None:
    sites = city.features("projects.Project", "contractor")
    builders = {site["id"]: site["contractor"] for site in sites}
    built = [monitor for monitor in monitors if builders.get(monitor["project"])]
    counties = {monitor["region"][:6]: monitor for monitor in reversed(built)}
    chosen = [*counties.values(), *city.random.sample(built, min(len(built), city.count(40)))]
    orders, steps = [], []
    for n, monitor in enumerate(chosen):
        state, level = city.pick(STATES), city.pick({"yellow": 5, "orange": 3, "blue": 3, "red": 1})
        open_now = state in RemediationOrder.OPEN
        issued = city.moment(-120, -8) if open_now else city.moment(-1800, -200)
        # Overdue, where nobody answered for longer than the level allows.
        due_at = (issued + timedelta(days=DUE_DAYS[level])).replace(hour=10, minute=0, second=0)
        finding, requirement = city.pick(FINDINGS)
        supervisor, builder = city.person(), city.person()
        key, row = city.new_id(), {
            "code": f"ZG{issued:%Y%m%d}{n + 1:04}", "region": monitor["region"], "level": level, "state": state,
            "name": f"{monitor['name']}整改", "monitor": monitor["id"], "unit": builders[monitor["project"]],
            "finding": finding, "requirement": requirement, "issuer": supervisor, "issued_at": issued,
            "due_at": max(due_at, issued + timedelta(hours=6)), "returns": 0,
        }  # fmt: skip

        def note(kind: Step, at: Any, person: str, text: str = "", key: Any = key) -> None:
            steps.append({"order": key, "kind": kind, "at": at, "person": person, "text": text})

        note(Step.ISSUED, issued, supervisor, finding)
        answered = (
            issued + (city.now - issued) * city.random.uniform(0.2, 0.5)
            if open_now
            else issued + timedelta(hours=city.random.uniform(3, 60))
        )
        if state == Order.WITHDRAWN:
            note(Step.WITHDRAWN, answered, supervisor, "复核为监测设备故障")
        elif state != Order.ISSUED:
            row |= {"replied_at": answered, "late": answered > row["due_at"]}
            note(Step.REPLIED, answered, builder, city.pick(REPLIES))
        checked = (
            answered + (city.now - answered) * 0.4
            if open_now
            else answered + timedelta(hours=city.random.uniform(2, 40))
        )
        if state == Order.RETURNED:
            row["returns"] = 1
            row["due_at"] = max(row["due_at"], checked + timedelta(days=1))
            note(Step.RETURNED, checked, supervisor, "照片未反映覆盖情况，请补充。")
        elif state == Order.CLOSED:
            row["closed_at"] = checked
            note(Step.CLOSED, checked, supervisor, "现场复查，已落实。")
        orders.append({"id": key, **row})
    city.load(RemediationOrder, orders)
    city.load(OrderStep, steps)
