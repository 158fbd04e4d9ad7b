"""Dust and noise monitors of the demo city."""

from datetime import timedelta
from math import exp

from layers.environment.models import Calibration, Fault, Monitor
from services.catalog.demo import DemoCity

State, Spot = Monitor.State, Monitor.Spot

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
    """Monitors on sites, with calibrations and faults."""
    sites = city.features("projects.Project", state__in=["active", "rectifying", "suspended"])
    monitors, calibrations, faults = [], [], []
    for n in range(city.count(120, bench=10_000)):
        site = sites[n % len(sites)]
        spot = city.pick({Spot.BOUNDARY: 50, Spot.GATE: 28, Spot.WORK: 14, Spot.SENSITIVE: 8})
        state = city.pick({State.ONLINE: 86, State.OFFLINE: 8, State.FAULT: 4, State.CALIBRATING: 2})
        place = city.near(site["place"], 150)
        key = city.new_id()
        measured = city.moment(-0.1, 0) if state == State.ONLINE else city.moment(-300, -3)
        monitors.append({
            "id": key, "code": f"ZT{place.region[:6]}{n + 1:016}", "geom": place.geom, "region": place.region,
            "name": f"{site['name'][:20]}{SPOTS[spot]}监测点", "state": state, "spot": spot, "project": site["id"],
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
