"""Rural houses and craftsmen of the demo city."""

from datetime import timedelta
from typing import Any

from layers.rural_houses.models import (
    Approval,
    Craftsman,
    CraftsmanCredit,
    CraftsmanTraining,
    HazardAppraisal,
    RuralHouse,
    Supervision,
    Treatment,
)
from services.catalog.demo import DemoCity, Place

State = RuralHouse.State

STATES = {State.EXISTING: 87, State.BUILDING: 5, State.DANGEROUS: 4, State.TREATING: 2, State.DEMOLISHED: 2}
STRUCTURES = {"masonry": 52, "concrete": 24, "brick_timber": 13, "earth": 6, "timber": 4, "steel": 1}
METHODS = {"repair": 50, "rebuild": 32, "relocate": 10, "vacate": 8}
REASONS = {
    "reward": ("诚信履约", "参加技能竞赛获奖"),
    "penalty": ("未签订施工合同", "施工质量投诉属实", "安全措施不到位"),
}


def seed(city: DemoCity) -> None:
    """Houses with approvals, supervision, appraisals and treatment; craftsmen with credit and training."""
    rows: dict[type, list] = {model: [] for model in (RuralHouse, Approval, Supervision, HazardAppraisal, Treatment)}
    states = list(STATES)
    for n, place in enumerate(city.places(city.count(3000, bench=300_000), urban=0.15)):
        state = states[n % 5] if n < 15 else city.pick(STATES)
        danger = state in (State.DANGEROUS, State.TREATING)
        grade = (
            city.pick({"C": 6, "D": 4})
            if danger
            else ""
            if state == State.BUILDING
            else city.pick({"A": 6, "B": 3, "": 2})
        )
        key = city.new_id()
        owner = city.person()
        structure = city.pick({"earth": 4, "brick_timber": 4, "timber": 2} if danger else STRUCTURES)
        method = city.pick(METHODS) if state == State.TREATING else ""
        rows[RuralHouse].append({
            "id": key, "code": f"NF{place.region:0<9}{n + 1:07}", "geom": place.geom, "region": place.region,
            "name": f"{place.town or place.county}{n % 38 + 1}组{n % 260 + 1}号", "state": state, "grade": grade,
            "structure": structure, "storeys": 1 if structure in ("earth", "timber") else city.pick((1, 2, 2, 3, 3)),
            "floor_area": city.number(60, 320, 0),
            "built_year": None if state == State.BUILDING else 2024 - int(city.random.expovariate(0.045)) % 64,
            "address": f"{place.address}{n % 38 + 1}组{n % 260 + 1}号", "householder": owner,
            "low_income": city.chance(0.35 if danger else 0.04), "rented": city.chance(0.05), "method": method,
        })  # fmt: skip
        _records(city, rows, key, place, state, grade, method)
    for model, loaded in rows.items():
        city.load(model, loaded)
    _craftsmen(city)


def _records(
    city: DemoCity, rows: dict[type, list], key: Any, place: Place, state: str, grade: str, method: str
) -> None:
    if state == State.BUILDING:
        day = city.day(-360, -60)
        for stage in ("application", "village", "town", "permit"):
            rows[Approval].append({
                "house": key, "stage": stage, "result": "passed", "decided_on": day,
                "decided_by": place.town + ("村民委员会" if stage in ("application", "village") else "人民政府"),
            })  # fmt: skip
            day += timedelta(days=city.random.randint(3, 14))
        for stage in ("set_out", "foundation", "construction")[: city.random.randint(1, 3)]:
            rows[Supervision].append({
                "house": key, "stage": stage, "done_on": day, "inspector": city.person(), "passed": city.chance(0.94),
            })  # fmt: skip
            day += timedelta(days=city.random.randint(3, 14))
    if grade in ("C", "D") or (grade and city.chance(0.03)):
        rows[HazardAppraisal].append({
            "house": key, "number": f"JD{len(rows[HazardAppraisal]) + 1:07}", "appraised_on": city.day(-900, -200),
            "agency": f"{place.county}房屋安全鉴定中心", "grade": grade,
            "conclusion": "承重构件存在险情，应尽快治理" if grade in ("C", "D") else "结构基本安全，正常使用",
        })  # fmt: skip
    treated = state == State.EXISTING and city.chance(0.02)
    if method or treated:
        started = city.day(-190, -20) if method else city.day(-900, -400)
        cost = round(city.random.uniform(8_000, 90_000), -2)
        rows[Treatment].append({
            "house": key, "method": method or city.pick(("repair", "rebuild")), "started_on": started, "cost": cost,
            "finished_on": None if method else started + timedelta(days=city.random.randint(20, 180)),
            "subsidy": round(cost * city.random.uniform(0.2, 0.6), 0),
        })  # fmt: skip


def _craftsmen(city: DemoCity) -> None:
    craftsmen, credits, trainings = [], [], []
    for n, place in enumerate(city.places(city.count(150, bench=2000), urban=0.2)):
        key = city.new_id()
        craftsmen.append({
            "id": key, "code": f"GJ{place.region[:6]}{n + 1:05}", "name": city.person(), "geom": place.geom,
            "region": place.region, "state": city.pick({"active": 92, "suspended": 5, "removed": 3}),
            "trade": city.pick({"mason": 5, "carpenter": 3, "steel": 3, "leader": 2}), "phone": city.phone(),
            "credit_score": round(city.random.gauss(96, 6), 1), "registered_on": city.day(-1500, -60),
        })  # fmt: skip
        for _event in range(city.pick({0: 5, 1: 4, 2: 1})):
            kind = city.pick(("reward", "penalty"))
            credits.append({
                "craftsman": key, "happened_on": city.day(-600, -5), "kind": kind, "points": city.pick((1, 2, 3, 5)),
                "reason": city.pick(REASONS[kind]),
            })  # fmt: skip
        for _course in range(city.random.randint(1, 2)):
            trainings.append({
                "craftsman": key, "held_on": city.day(-700, -10),
                "subject": city.pick(("农房抗震构造", "施工安全", "传统民居修缮")),
                "passed": city.chance(0.96),
            })  # fmt: skip
    city.load(Craftsman, craftsmen)
    city.load(CraftsmanCredit, credits)
    city.load(CraftsmanTraining, trainings)
