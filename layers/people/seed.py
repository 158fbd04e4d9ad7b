"""People of the demo city, and what some carry on site; identity numbers name an area that does not exist."""

from datetime import timedelta
from itertools import cycle, zip_longest
from typing import Any

from layers.people.flows import digest
from layers.people.models import (
    BlacklistEntry,
    BlacklistHit,
    BlacklistRule,
    Certificate,
    Handover,
    Locator,
    Person,
    Training,
)
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
    _teams(city, people)
    city.load(Person, people)
    city.load(Certificate, certificates)
    city.load(Training, trainings)
    for model, rows in carried.items():
        city.load(model, rows)
    _blacklist(city)


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


TEAMS = {"钢筋工": "钢筋班", "木工": "木工班", "混凝土工": "混凝土班", "砌筑工": "砌筑班", "抹灰工": "抹灰班"}
FAULTS = (
    "多次违反高处作业安全规定，经教育拒不改正", "冒用他人身份证进场", "伪造特种作业操作证上岗", "组织人员聚众斗殴",
    "盗窃施工材料", "酒后上岗并操作起重设备",
)  # fmt: skip


def _teams(city: DemoCity, people: list[dict[str, Any]]) -> None:
    """Labourers work in teams, some of each trade at an employer."""
    for row in people:
        if row["kind"] == Kind.LABOUR:
            row["team"] = f"{TEAMS[row['trade']]}{city.pick(('一', '二', '三'))}组"


def _blacklist(city: DemoCity) -> None:
    """Who is not to be engaged: persons, a team, an enterprise; in force, lifted, over; some met with at projects."""
    sites = city.features("projects.Project", "contractor_id", state="active")
    firms = city.features("enterprises.Enterprise", kind="labour") or city.features("enterprises.Enterprise")
    if not sites:
        return
    entries, hits = [], []
    for n in range(city.count(10, bench=200)):
        site, firm = sites[n % len(sites)], firms[n % len(firms)]
        subject = {3: "team", 7: "enterprise"}.get(n % 10, "person")
        begun = city.day(-500, -20)
        lifted, over = n % 10 == 4, n % 10 == 5
        name = {"person": city.person(), "team": "木工班一组", "enterprise": firm["name"]}[subject]
        key = city.new_id()
        entries.append({
            "id": key, "subject": subject, "name": name,
            "id_number": identity_number(city, 900 + n % 100) if subject == "person" else "",
            "enterprise": None if subject == "person" else firm["id"], "project": site["id"],
            "reason": FAULTS[n % len(FAULTS)] if subject != "enterprise" else "拖欠劳务人员工资且拒不执行处理决定",
            "authority": f"{site['name'][:20]}项目部" if n % 3 else f"{site['place'].county}住房和城乡建设局",
            "on_behalf": site["contractor_id"] if n % 3 else None, "region": site["place"].region[:6],
            "valid_from": begun, "valid_until": city.day(-15, -1) if over else city.day(60, 900) if n % 2 else None,
            "listed_at": city.now - (city.today - begun), "lifted_at": city.moment(-200, -20) if lifted else None,
            "lifted_by": city.person() if lifted else "",
            "lifted_why": "经核实身份登记有误，予以解除" if lifted else "",
        })  # fmt: skip
        if subject == "person" and not lifted and not over and n % 2 == 0:
            elsewhere = sites[(n + 3) % len(sites)]
            handling = ("pending", "refused", "admitted")[n // 2 % 3]
            at = city.moment(-400, -2)
            number = entries[-1]["id_number"]
            hits.append({
                "entry": key, "name": name, "id_masked": f"{number[:3]}{'*' * 11}{number[-4:]}",
                "digest": digest(Person(name=name, id_number=number)), "at": at, "person": city.person(),
                "enterprise": elsewhere["contractor_id"] or firm["id"], "project": elsewhere["id"], "times": 1,
                "handling": handling, "settled_at": None if handling == "pending" else at + timedelta(hours=2),
                "settled_by": "" if handling == "pending" else city.person(),
                "reason": {
                    "pending": "", "refused": "按公司规定不予录用",
                    "admitted": "已完成安全再教育并考核合格，经项目经理批准进场",
                }[handling],
            })  # fmt: skip
    city.load(BlacklistEntry, entries)
    city.load(BlacklistHit, hits)
    city.load(BlacklistRule, [
        {
            "enterprise": site["contractor_id"], "handling": "refuse", "valid_from": city.day(-400, -200),
            "citation": "《劳务用工管理办法》第十二条：列入黑名单的人员和队伍一律不得进场",
        }
        for site in {row["contractor_id"]: row for row in sites if row["contractor_id"]}.values()
        if city.chance(0.25)
    ])  # fmt: skip
