"""Greenways of the demo city."""

from datetime import timedelta

from layers.greenways.models import AnnualPlan, FundUse, Greenway, ProgressReport
from services.catalog.demo import DemoCity, line, short_name

State, Kind = Greenway.State, Greenway.Kind

NAMES = ("滨江", "环湖", "巴山", "凤凰", "莲花湖", "犀牛山", "州河", "田园", "古驿", "竹海", "花溪", "云顶")


def seed(city: DemoCity) -> None:
    """Greenways with plans, progress and money; about 6 km each, 2,000 km in the benchmark."""
    ways, plans, reports, funds = [], [], [], []
    for n, place in enumerate(city.places(city.count(40, bench=330), urban=0.7)):
        state = (
            list(State)[n % 4]
            if n < 8
            else city.pick({State.OPEN: 52, State.BUILDING: 26, State.PLANNED: 18, State.CLOSED: 4})
        )
        km = city.random.uniform(4.2, 8.2)
        key, year = city.new_id(), city.today.year
        started = (
            None
            if state == State.PLANNED
            else city.day(-500, -60)
            if state == State.BUILDING
            else city.day(-2600, -900)
        )
        opened = started + timedelta(days=400) if started and state in (State.OPEN, State.CLOSED) else None
        ways.append({
            "id": key, "code": f"LD{place.region[:6]}{n + 1:03}", "geom": line(city.walk(place, km)),
            "region": place.region,
            "name": f"{short_name(place.town or place.county)}{city.pick(NAMES)}绿道", "state": state,
            "kind": city.pick({Kind.CITY: 5, Kind.COMMUNITY: 3, Kind.REGIONAL: 2}),
            "width": city.pick((2.0, 2.5, 3.0, 4.0)),
            "surface": city.pick(("asphalt", "permeable", "concrete", "wood")), "manager": f"{place.county}城市管理局",
            "started_on": started, "opened_on": opened,
        })  # fmt: skip
        total = round(km * city.random.uniform(280, 520), 1)
        years = range(year - 1, year + 1) if state == State.BUILDING else [year if opened is None else opened.year]
        for planned in years:
            plans.append({
                "greenway": key, "year": planned, "planned_length": round(km / len(years), 2),
                "investment": total / len(years),
                "reported_on": city.day(0, 0).replace(year=planned, month=1, day=15),
            })  # fmt: skip
        if started is None:
            continue
        end, share = opened or city.today, 1.0 if opened else city.random.uniform(0.15, 0.9)
        for step in range(1, 5):
            day = started + (end - started) * step // 4
            done = share * step / 4
            reports.append({
                "greenway": key, "reported_on": day, "built_length": round(km * done, 2), "percent": round(done * 100),
            })  # fmt: skip
            funds.append({
                "greenway": key, "reported_on": day, "source": city.pick({"local": 6, "central": 3, "other": 1}),
                "planned": round(total / 4, 1), "used": round(total / 4 * share * city.random.uniform(0.7, 1), 1),
            })  # fmt: skip
    city.load(Greenway, ways)
    city.load(AnnualPlan, plans)
    city.load(ProgressReport, reports)
    city.load(FundUse, funds)
