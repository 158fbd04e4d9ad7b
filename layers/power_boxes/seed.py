"""Distribution boxes of the demo city's sites: a total box, a branch and switch boxes each, and checks."""

from datetime import timedelta
from typing import Any

from layers.power_boxes.models import PowerBox, PowerCheck, PowerMending
from layers.power_boxes.rules import LIMITS, judge
from services.catalog.demo import DemoCity

State, Kind, Verdict = PowerBox.State, PowerBox.Kind, PowerCheck.Verdict

NAMES = {Kind.TOTAL: "总配电箱", Kind.BRANCH: "分配电箱", Kind.SWITCH: "开关箱"}
SPOTS = {
    Kind.TOTAL: ("配电房", "变压器旁"),
    Kind.BRANCH: ("1号楼", "2号楼", "钢筋加工棚", "生活区", "办公区"),
    Kind.SWITCH: ("塔吊", "施工升降机", "电焊机", "钢筋切断机", "振捣器", "照明"),
}
RATINGS = {
    Kind.TOTAL: ((250, 400, 630), 150.0, 200.0),
    Kind.BRANCH: ((100, 160, 200), 75.0, 100.0),
    Kind.SWITCH: ((16, 32, 63), 30.0, 100.0),
}
"""Rated currents in A, rated residual current in mA and time in ms."""
USUAL = {Kind.TOTAL: 60.0, Kind.BRANCH: 35.0, Kind.SWITCH: 8.0}
"""Residual current in mA of a box in order."""
PLAN = (Kind.TOTAL, Kind.BRANCH, Kind.SWITCH, Kind.SWITCH)
FINDINGS = {
    "earthing": "重复接地电阻偏大，接地极锈蚀",
    "tripcurrent": "剩余电流保护器额定动作电流偏大",
    "triptime": "剩余电流保护器动作时间偏长",
    "seen": "箱门未上锁，电缆未架空，一闸多机",
}
MENDED = {
    "earthing": "已增打接地极，复测合格",
    "tripcurrent": "已更换保护器",
    "triptime": "已更换保护器，试跳合格",
    "seen": "已上锁并架空电缆，一机一闸",
}


def seed(city: DemoCity) -> None:
    """Boxes on sites under construction with electricians and checks, some of which failed and were mended."""
    people = PowerBox._meta.get_field("electrician").related_model
    trained = people._default_manager.filter(kind="special", trade="电工").order_by("pk")
    electricians = list(trained.values_list("pk", flat=True))
    boxes, checks, mendings = [], [], []
    sites = _sites(city)
    # The whole line of a site, and a second one of a large number.
    for n in range(len(PLAN) * city.count(40, bench=2_500)):
        site, kind = sites[n // len(PLAN) % len(sites)], PLAN[n % len(PLAN)]
        number = n // len(PLAN) // len(sites) * PLAN.count(kind) + PLAN[: n % len(PLAN) + 1].count(kind)
        place, key = city.near(site["place"], 140), city.new_id()
        state = city.pick({State.NORMAL: 84, State.ATTENTION: 11, State.OUT: 5})
        currents, residual, time = RATINGS[kind]
        heard = state != State.OUT and city.chance(0.7)
        boxes.append({
            "id": key, "code": f"PD{place.region[:6]}{n + 1:05}", "geom": place.geom, "region": place.region,
            "name": f"{site['name'][:20]}{number}号{NAMES[kind]}", "state": state, "kind": kind,
            "project": site["id"], "spot": city.pick(SPOTS[kind]), "rated_current": city.pick(currents),
            "electrician": city.pick(electricians) if electricians else None, "rated_residual": residual,
            "rated_time": time, "installed_on": city.day(-400, -40),
            "residual": round(USUAL[kind] * city.random.uniform(0.3, 1.4), 1) if heard else None,
            "cable_temperature": city.number(18, 46) if heard else None,
            "measured_at": city.moment(-0.2, 0) if heard else None,
        })  # fmt: skip
        for back in range(city.random.randint(1, 3), 0, -1):
            open_now = state == State.ATTENTION and back == 1
            check = _check(city, boxes[-1], 30 * back, open_now)
            work = check.pop("work", None)
            checks.append(check)
            if work:
                mendings.append({"box": key, "done_on": check["mended_on"], "done_by": city.person(), "work": work})
    city.load(PowerBox, boxes)
    city.load(PowerCheck, checks)
    city.load(PowerMending, mendings)


def _sites(city: DemoCity) -> list[dict[str, Any]]:
    """Sites under construction, one of each county first."""
    sites = city.features("projects.Project", state__in=["active", "rectifying", "suspended"])
    firsts = {site["place"].region[:6]: site for site in reversed(sites)}
    chosen = {site["id"] for site in firsts.values()}
    return [*firsts.values(), *(site for site in sites if site["id"] not in chosen)]


def _check(city: DemoCity, box: dict[str, Any], days: int, open_now: bool) -> dict[str, Any]:
    """A check about so many days ago; ``work`` is what was done about its findings, unless it is open."""
    done = city.day(-days, 6 - days)
    wrong = city.pick({"earthing": 3, "triptime": 2, "seen": 4}) if open_now or city.chance(0.12) else ""
    switch = box["kind"] == Kind.SWITCH
    measured = {
        "earthing": "working" if box["kind"] == Kind.TOTAL else "repeated",
        "earthing_resistance": city.number(11, 16) if wrong == "earthing" else city.number(1.2, 3.8),
        "insulation": city.number(2, 60), "trip_current": round(box["rated_residual"] * city.number(0.6, 0.9), 1),
        "trip_time": city.number(220, 300) if wrong == "triptime" else city.number(18, 60 if switch else 90),
    }  # fmt: skip
    beyond = judge(
        LIMITS, done, box["kind"], earthing=measured["earthing"], resistance=measured["earthing_resistance"],
        insulation=measured["insulation"], trip_current=measured["trip_current"], trip_time=measured["trip_time"],
        rated_current=box["rated_residual"], rated_time=box["rated_time"],
    )  # fmt: skip
    row = {
        "box": box["id"], "done_on": done, "kind": city.pick({"own": 6, "supervision": 3, "official": 2}),
        "inspector": city.person(), "verdict": Verdict.BEYOND if beyond else Verdict.WITHIN, **measured,
    }  # fmt: skip
    failed = wrong or (beyond and beyond[0].factor) or ""
    if not failed:
        return row | {"passed": True}
    row |= {"passed": False, "findings": FINDINGS[failed], "due_on": done + timedelta(days=7)}
    if open_now:
        return row
    mended = min(done + timedelta(days=city.random.randint(1, 7)), city.today)
    return row | {"mended_on": mended, "work": MENDED[failed]}
