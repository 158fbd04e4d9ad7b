"""People of the demo city, and what some carry on site; identity numbers name an area that does not exist."""

from itertools import cycle, zip_longest
from typing import Any

from layers.people.models import Certificate, Handover, Locator, Person, Training
from layers.people.rules import check_digit
from services.catalog.demo import DemoCity

Kind, State, Title = Person.Kind, Person.State, Person.Title

WEIGHTS = {
    Kind.LABOUR: 30, Kind.SITE: 18, Kind.SPECIAL: 14, Kind.SAFETY: 10, Kind.PROJECT_HEAD: 9, Kind.SUPERVISION: 8,
    Kind.TESTING: 5, Kind.REGISTERED: 4, Kind.HEAD: 2,
}  # fmt: skip
CERTIFICATES = {
    Kind.HEAD: "安全生产考核合格证（A证）",
    Kind.PROJECT_HEAD: "安全生产考核合格证（B证）",
    Kind.SAFETY: "安全生产考核合格证（C证）",
    Kind.REGISTERED: "注册建造师执业证书",
    Kind.SUPERVISION: "监理工程师注册证书",
    Kind.TESTING: "检测人员岗位证书",
    Kind.SPECIAL: "特种作业操作资格证",
    Kind.SITE: "施工现场专业人员职业培训合格证",
}
TITLES = {Title.NONE: 5, Title.ASSISTANT: 3, Title.ENGINEER: 3, Title.SENIOR: 1, Title.TECHNICIAN: 1}
TRADES = {
    Kind.LABOUR: ("钢筋工", "木工", "混凝土工", "砌筑工", "抹灰工"),
    Kind.SPECIAL: ("塔吊司机", "施工升降机司机", "架子工", "电工", "信号司索工"),
    Kind.SITE: ("施工员", "质量员", "材料员", "资料员"),
    Kind.TESTING: ("见证取样", "主体结构", "地基基础"),
}
ON_SITE = {Kind.LABOUR, Kind.SPECIAL, Kind.SITE, Kind.SAFETY, Kind.PROJECT_HEAD}
SUBJECTS = ("三级安全教育", "高处作业安全专题", "扬尘防治专题", "质量通病防治", "应急救援演练", "消防安全")


def identity_number(city: DemoCity, serial: int) -> str:
    """A well-formed number of nobody: area 990000 is not assigned."""
    born = city.day(-21000, -8000)
    body = f"990000{born:%Y%m%d}{serial % 1000:03}"
    return body + check_digit(body)


def seed(city: DemoCity) -> None:
    """People with certificates and trainings."""
    employers = [row["id"] for row in city.features("enterprises.Enterprise")]
    projects = [row["id"] for row in city.features("projects.Project", state="active")]
    people, certificates, trainings, numbers = [], [], [], set()
    kinds = list(Kind)
    for n in range(city.count(400, bench=8000)):
        kind = kinds[n] if n < len(kinds) else city.pick(WEIGHTS)
        number = identity_number(city, n)
        while number in numbers:
            number = identity_number(city, n)
        numbers.add(number)
        key = city.new_id()
        people.append({
            "id": key, "code": f"RY{n + 1:06}", "name": city.person(), "kind": kind,
            "state": city.pick({State.ACTIVE: 88, State.LEFT: 10, State.LOCKED: 2}),
            "title": city.pick(TITLES),
            "trade": city.pick(TRADES.get(kind, ("建筑工程", "市政公用工程"))),
            "enterprise": employers[n % len(employers)],
            "project": city.pick(projects) if projects and city.chance(0.7) else None, "id_number": number,
            "phone": city.phone(), "employed_on": city.day(-2500, -30),
        })  # fmt: skip
        if kind in CERTIFICATES:
            issued = city.day(-900, -60)
            certificates.append({
                "person": key, "kind": CERTIFICATES[kind], "number": f"川建{n:07}", "issued_on": issued,
                "issued_by": "四川省住房和城乡建设厅", "valid_until": issued.replace(day=1, year=issued.year + 3),
            })  # fmt: skip
        for _training in range(city.pick({0: 2, 1: 4, 2: 3, 3: 1})):
            trainings.append({
                "person": key, "subject": city.pick(SUBJECTS), "held_on": city.day(-500, -3),
                "hours": city.pick((2, 4, 8, 24)),
                "held_by": "企业安全教育培训中心", "result": city.pick({"passed": 90, "failed": 4, "pending": 6}),
            })  # fmt: skip
    carried = _locators(city, people)
    city.load(Person, people)
    city.load(Certificate, certificates)
    city.load(Training, trainings)
    for model, rows in carried.items():
        city.load(model, rows)


def _locators(city: DemoCity, people: list[dict[str, Any]]) -> dict[type, list[dict[str, Any]]]:
    """What workers carry who are sent to sites of every county; they were on none before."""
    by_county: dict[str, list[dict[str, Any]]] = {}
    for site in city.features("projects.Project", "state"):
        by_county.setdefault(site["place"].region[:6], []).append(site)
    # Where nothing is being built somebody looks after a site.
    sites = [[site for site in some if site["state"] == "active"] or some[:1] for some in by_county.values()]
    in_turn = cycle([site for turn in zip_longest(*sites) for site in turn if site])
    free = [row for row in people if row["project"] is None and row["kind"] in ON_SITE]
    locators, handovers = [], []
    for n, (row, site) in enumerate(zip(free[: city.count(40, bench=2000)], in_turn, strict=False)):
        key, taken = city.new_id(), city.moment(-900, -72)
        offline = city.chance(0.15)
        kind = city.pick({Locator.Kind.HELMET: 6, Locator.Kind.BADGE: 3, Locator.Kind.HANDHELD: 1})
        row["project"] = site["id"]
        locators.append({
            "id": key, "code": f"DW{n + 1:06}", "name": f"{n + 1}号定位终端", "kind": kind, "person": row["id"],
            "project": site["id"], "geom": city.near(site["place"], 60).geom,
            "state": Locator.State.OFFLINE if offline else Locator.State.STILL, "worn_since": taken.date(),
            "speed": 0.0, "heading": city.random.randrange(0, 360, 5),
            "located_at": city.moment(-3, -1) if offline else city.moment(-0.05, 0),
        })  # fmt: skip
        handovers.append({"locator": key, "person": row["id"], "taken_at": taken, "note": ""})
    return {Locator: locators, Handover: handovers}
