"""Cameras and recorders of the demo city."""

from datetime import timedelta

from layers.video.models import Camera, Fault, Maintenance, Recorder, RecorderOutage
from layers.video.rules import CONSTRUCTION
from services.catalog.demo import DemoCity

State, Kind, Spot = Camera.State, Camera.Kind, Camera.Spot

SPOTS = {Spot.GATE: "大门", Spot.WORK: "作业区", Spot.HAZARD: "塔吊", Spot.LIVING: "生活区", Spot.LABORATORY: "养护室"}
MAKERS = ("视界", "锐目", "川安")
WORK = ("清洁镜头", "更换电源适配器", "调整角度", "检查网络线路", "更换存储卡", "固件升级")


def seed(city: DemoCity) -> None:
    """Cameras on sites, with faults and maintenance, and the recorders of some sites."""
    sites = city.features("projects.Project", state__in=["active", "rectifying", "suspended"])
    cameras, faults, visits = [], [], []
    for n in range(city.count(320, bench=40_000)):
        site = sites[n % len(sites)]
        spot = city.pick({Spot.GATE: 35, Spot.WORK: 35, Spot.HAZARD: 15, Spot.LIVING: 12, Spot.LABORATORY: 3})
        kind = city.pick({Kind.BULLET: 45, Kind.SPEED_DOME: 35, Kind.DOME: 14, Kind.PANORAMIC: 6})
        state = city.pick({State.ONLINE: 82, State.OFFLINE: 11, State.FAULT: 5, State.RETIRED: 2})
        place = city.near(site["place"], 130)
        key = city.new_id()
        seen = city.moment(-0.03, 0) if state == State.ONLINE else city.moment(-600, -2)
        cameras.append({
            "id": key, "code": f"{place.region[:6]}00{CONSTRUCTION}1320{n + 1:06}", "geom": place.geom,
            "region": place.region,
            "name": f"{site['name'][:20]}{SPOTS[spot]}{n // len(sites) + 1}号", "state": state, "kind": kind,
            "spot": spot,
            "project": site["id"], "maker": city.pick(MAKERS), "model": f"IPC-{city.pick((2, 4, 8))}M{n % 7}",
            "can_turn": kind == Kind.SPEED_DOME, "bearing": city.random.randrange(0, 360, 5),
            "field_of_view": 360 if kind == Kind.PANORAMIC else city.pick((60, 75, 90, 110)),
            "sight": city.pick((30, 50, 80, 150)), "installed_on": city.day(-500, -20), "seen_at": seen,
        })  # fmt: skip
        if state in (State.OFFLINE, State.FAULT):
            cause = "offline" if state == State.OFFLINE else city.pick(("picture", "blocked", "recording"))
            faults.append({"camera": key, "kind": cause, "began_at": seen, "ended_at": None, "note": "待处理"})
        for _fault in range(city.pick({0: 6, 1: 3, 2: 1})):
            began = city.moment(-4000, -700)
            faults.append({
                "camera": key, "kind": city.pick(("offline", "power", "picture")), "began_at": began,
                "ended_at": began + timedelta(hours=city.random.randint(1, 60)), "note": "已恢复",
            })  # fmt: skip
        if city.chance(0.5):
            visits.append({
                "camera": key, "done_on": city.day(-200, -2), "work": city.pick(WORK), "worker": city.person(),
                "repaired": city.chance(0.93),
            })  # fmt: skip
    city.load(Camera, cameras)
    city.load(Fault, faults)
    city.load(Maintenance, visits)
    recorders, outages = [], []
    # The first site of every county before the others.
    first = {site["place"].county: site["id"] for site in reversed(sites)}
    ordered = sorted(sites, key=lambda site: site["id"] not in first.values())
    for n in range(min(max(city.count(12), len(first)), len(sites))):
        site = ordered[n]
        place = city.near(site["place"], 60)
        key, began = city.new_id(), city.moment(-900, -100)
        outages.append({
            "recorder": key, "began_at": began, "ended_at": began + timedelta(hours=city.random.randint(1, 9)),
            "note": "停电",
        })  # fmt: skip
        recorders.append({
            "id": key, "code": f"{place.region[:6]}00{CONSTRUCTION}1180{n + 1:06}", "geom": place.geom,
            "region": place.region, "name": f"{site['name'][:20]}录像机", "state": Recorder.State.OFFLINE,
            "project": site["id"], "maker": city.pick(MAKERS), "model": f"NVR-{city.pick((8, 16, 32))}",
            "installed_on": city.day(-500, -20), "seen_at": None,
        })  # fmt: skip
    city.load(Recorder, recorders)
    city.load(RecorderOutage, outages)
