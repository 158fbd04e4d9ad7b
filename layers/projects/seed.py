"""Projects of the demo city."""

from collections import Counter
from datetime import date, timedelta
from uuid import UUID

from layers.projects.models import (
    GreenReview,
    Merit,
    NightPermit,
    Participation,
    Permit,
    ProgressReport,
    Project,
)
from services.catalog.demo import DemoCity, Place

State, Kind, Stage = Project.State, Project.Kind, Project.Stage

STATES = {State.ACTIVE: 56, State.COMPLETED: 18, State.PLANNED: 12, State.RECTIFYING: 9, State.SUSPENDED: 5}
STAGES = tuple(Stage)
PROBLEMS = {
    State.ACTIVE: {0: 7, 1: 2, 2: 1},
    State.RECTIFYING: {1: 3, 2: 3, 4: 2, 7: 1},
    State.SUSPENDED: {2: 2, 5: 2, 9: 1},
}
HOUSING = (
    "云锦",
    "江畔",
    "翠屏",
    "凤鸣",
    "滨江",
    "望山",
    "锦绣",
    "书香",
    "金科",
    "天府",
    "和悦",
    "棠湖",
    "莲花",
    "南城",
    "龙泉",
)
ENDINGS = ("华庭", "花园", "名苑", "府邸", "新城", "公馆", "家园", "安置房", "人才公寓")
PUBLIC = (
    "中心小学教学楼", "人民医院门诊综合楼", "实验中学迁建", "养老服务中心", "文化活动中心", "农贸市场改造",
    "标准化厂房", "冷链物流园", "老旧小区改造", "体育馆",
)  # fmt: skip
MUNICIPAL = ("大道", "滨河路", "跨江大桥", "雨污分流管网", "污水处理厂扩建", "城市公园", "地下停车场", "道路黑化")
AWARDS = ("安全生产文明施工标准化工地", "优质结构工程", "智慧工地示范项目")
PENALTIES = ("未采取扬尘防治措施", "未取得许可夜间施工", "高处作业防护不到位", "未按图施工")
NIGHT = ("混凝土连续浇筑", "大体积基础底板浇筑", "渣土外运", "道路占用限时施工")


def seed(city: DemoCity) -> None:
    """Projects with their parties, permits, progress, night permits, green reviews and merits."""
    firms: dict[str, list] = {}
    for firm in city.features("enterprises.Enterprise", "kind"):
        firms.setdefault(firm["kind"], []).append(firm["id"])
    rows: dict[type, list] = {
        model: [] for model in (Project, Participation, Permit, ProgressReport, NightPermit, GreenReview, Merit)
    }
    permits: Counter = Counter()
    for n, place in enumerate(city.places(city.count(160, bench=4600), urban=1.0)):
        state = list(STATES)[n % 5] if n < 10 else city.pick(STATES)
        kind = city.pick({Kind.BUILDING: 74, Kind.MUNICIPAL: 22, Kind.DEMOLITION: 4})
        begun = state != State.PLANNED
        start = (
            city.day(20, 200)
            if not begun
            else city.day(-1300, -700)
            if state == State.COMPLETED
            else city.day(-640, -20)
        )
        finish = start + timedelta(days=city.random.randint(400, 760))
        if state == State.COMPLETED:
            finish = min(finish, city.day(-90, -10))
        done = 100 if state == State.COMPLETED else 0
        if begun and not done:
            done = max(2, min(97, round(100 * (city.today - start) / (finish - start)) + city.random.randint(-8, 4)))
        stage = STAGES[min(4, done * 5 // 100)] if begun else ""
        owner, contractor = (city.pick(firms[key]) for key in ("developer", "construction"))
        area = None if kind == Kind.MUNICIPAL else city.number(3000, 160000, 0)
        key = city.new_id()
        rows[Project].append({
            "id": key, "code": f"{start.year}-{place.region[:6]}-47-{city.random.randint(1, 3):02}-{100000 + n}",
            "name": _name(city, place, kind, n), "geom": place.geom, "region": place.region, "state": state,
            "kind": kind, "stage": stage,
            "address": f"{place.address}{city.pick(HOUSING)}路{city.random.randint(1, 300)}号",
            "supervision_number": f"BJ{place.region[:6]}{start.year}{n:05}" if begun else "",
            "summary": f"位于{place.address}，计划工期{(finish - start).days}天。", "floor_area": area,
            "contract_price": round((area or city.random.uniform(4000, 60000)) * city.random.uniform(0.18, 0.42), 2),
            "progress": done, "start_date": start, "finish_date": finish, "owner": owner, "contractor": contractor,
            "open_problems": city.pick(PROBLEMS.get(state, {0: 1})),
        })  # fmt: skip
        parties = (
            ("owner", owner), ("contractor", contractor), ("supervision", city.pick(firms["supervision"])),
            ("design", city.pick(firms["survey_design"])), ("testing", city.pick(firms["testing"])),
        )  # fmt: skip
        for capacity, firm in parties:
            rows[Participation].append(
                {"project": key, "enterprise": firm, "capacity": capacity, "manager": city.person()}
            )
        authority = f"{place.county}住房和城乡建设局"
        if not begun:
            continue
        issued = start - timedelta(days=city.random.randint(3, 40))
        permits[place.region[:6], issued] += 1
        serial = f"{permits[place.region[:6], issued]:02}{'18' if area is None else '01'}"
        rows[Permit].append({
            "project": key, "issued_on": issued, "issued_by": authority, "scope": "全部单位工程",
            "number": f"{place.region[:6]}{issued:%Y%m%d}{serial}",
        })  # fmt: skip
        _records(city, rows, key, n, start, min(finish, city.today), done, authority)
    for model, loaded in rows.items():
        city.load(model, loaded)


def _records(
    city: DemoCity, rows: dict[type, list], key: UUID, n: int, start: date, end: date, done: int, authority: str
) -> None:
    steps = max(1, min(12, (end - start).days // 45))
    for step in range(1, steps + 1):
        percent = round(done * step / steps)
        rows[ProgressReport].append({
            "project": key, "reported_on": start + (end - start) * step // steps, "percent": percent,
            "stage": STAGES[min(4, percent * 5 // 100)], "note": "按计划推进" if step % 4 else "受降雨影响略有滞后",
        })  # fmt: skip
    for permit in range(city.pick({0: 6, 1: 3, 2: 1})):
        begins = city.moment(-2000, 48).replace(hour=14, minute=0)
        rows[NightPermit].append({
            "project": key, "number": f"YJ{begins:%Y%m}{n:05}{permit}", "begins_at": begins,
            "ends_at": begins + timedelta(hours=8), "reason": city.pick(NIGHT), "issued_by": authority,
        })  # fmt: skip
    measures = ("enclosed", "covered", "wet_work", "paved", "washed", "closed_transport")
    for _review in range(city.random.randint(0, 3)):
        rows[GreenReview].append(
            {"project": key, "reviewed_on": city.day(-300, -1), "reviewer": city.person()}
            | {measure: city.chance(0.88) for measure in measures}
        )
    if city.chance(0.2):
        good = city.chance(0.45)
        rows[Merit].append({
            "project": key, "decided_on": city.day(-400, -5), "kind": "award" if good else "penalty",
            "title": city.pick(AWARDS if good else PENALTIES), "decided_by": authority,
            "document": f"住建{'奖' if good else '罚'}〔{city.today.year}〕{city.random.randint(1, 300)}号",
        })  # fmt: skip


def _name(city: DemoCity, place: Place, kind: str, n: int) -> str:
    phase = city.pick(("一期", "二期", "三期", ""))
    if kind == Kind.MUNICIPAL:
        return f"{place.town or place.county}{city.pick(HOUSING)}{city.pick(MUNICIPAL)}工程{phase}"
    if kind == Kind.DEMOLITION:
        return f"{place.town or place.county}{city.pick(HOUSING)}片区房屋拆除工程"
    if city.chance(0.3):
        return f"{place.town or place.county}{city.pick(PUBLIC)}项目{phase}"
    return f"{city.pick(HOUSING)}{city.pick(ENDINGS)}{phase}{n % 12 + 1}号地块"
