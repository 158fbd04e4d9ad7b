"""Enterprises of the demo city; their credit codes name an area that does not exist."""

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from layers.enterprises import flows
from layers.enterprises.models import CreditEntry, CreditItem, CreditStep, Enterprise, Qualification
from layers.enterprises.reports import refresh
from layers.enterprises.rules import check_character, counts_until
from services.access.principal import SYSTEM
from services.catalog.demo import DemoCity
from services.telemetry.reports import Period, period
from services.telemetry.spans import ZONE

Kind, State = Enterprise.Kind, Enterprise.State
Entry, Step = CreditEntry.State, CreditStep.Kind

WEIGHTS = {
    Kind.CONSTRUCTION: 30, Kind.DEVELOPER: 16, Kind.SUPERVISION: 12, Kind.CONCRETE: 12, Kind.LABOUR: 10,
    Kind.SURVEY_DESIGN: 8, Kind.TESTING: 7, Kind.COST: 6, Kind.TENDER: 5, Kind.MACHINERY: 5, Kind.OPERATION: 6,
    Kind.ENERGY: 3, Kind.PREFABRICATION: 3,
}  # fmt: skip
NAMES = {
    Kind.DEVELOPER: "房地产开发有限公司", Kind.CONSTRUCTION: "建筑工程有限公司", Kind.SUPERVISION: "工程监理有限公司",
    Kind.COST: "工程造价咨询有限公司", Kind.TENDER: "招标代理有限公司", Kind.TESTING: "建设工程检测有限公司",
    Kind.SURVEY_DESIGN: "勘察设计有限公司", Kind.ENERGY: "建筑节能科技有限公司", Kind.LABOUR: "建筑劳务有限公司",
    Kind.CONCRETE: "混凝土有限公司", Kind.PREFABRICATION: "装配式建筑有限公司", Kind.MACHINERY: "机械设备安装有限公司",
    Kind.OPERATION: "水务运营有限公司",
}  # fmt: skip
CATEGORIES = {
    Kind.CONSTRUCTION: ("建筑工程施工总承包", "市政公用工程施工总承包", "钢结构工程专业承包"),
    Kind.SUPERVISION: ("房屋建筑工程监理", "市政公用工程监理"),
    Kind.SURVEY_DESIGN: ("建筑行业（建筑工程）设计", "岩土工程勘察"),
    Kind.TESTING: ("见证取样检测", "主体结构工程现场检测", "地基基础工程检测"),
    Kind.CONCRETE: ("预拌混凝土专业承包",),
    Kind.MACHINERY: ("起重设备安装工程专业承包",),
    Kind.LABOUR: ("施工劳务",),
}
FIRST, SECOND = "宏鑫恒华瑞巴川凤渠明永金嘉锦天", "安泰信盛达隆景源诚业基远和筑昌"
FACTS = {
    "K103": "巡查发现裸土未覆盖、围挡喷淋未开启", "K102": "抽查时项目负责人、专职安全员不在岗",
    "K101": "脚手架搭设与经审批的专项方案不符", "K903": "整改通知书逾期未回复", "K901": "未按月足额支付劳务人员工资",
    "K902": "现场人员未全部纳入实名制管理", "K202": "关键工序监理人员未旁站", "K302": "检测原始记录缺失",
    "K401": "抽检混凝土28天强度不满足设计要求", "J901": "防汛抢险中出动人员和设备受到表彰",
    "J902": "质量管理标准化做法受到通报表扬",
}  # fmt: skip
"""What the demo city says happened, by item; of other items their own words."""
COMMON = {"K103": 8, "K102": 6, "K903": 5, "K902": 5, "K101": 3, "K202": 5, "K302": 3, "K901": 2, "K401": 2, "J105": 5,
          "J103": 4, "J902": 4, "J901": 2, "J104": 2, "J301": 4, "J401": 3}  # fmt: skip
"""How often an item is met with; the others are rare."""
RARE = 0.15


def credit_code(serial: int) -> str:
    """A well-formed code of nobody: area 990000 is not assigned."""
    body = f"91990000DM{serial:06}X"
    return body + check_character(body)


def seed(city: DemoCity) -> None:
    """Enterprises with qualifications and credit entries."""
    kinds = list(Kind)
    enterprises, qualifications = [], []
    entries: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    names: set[str] = set()
    for n, place in enumerate(city.places(max(city.count(120, bench=2000), len(kinds)), urban=1.3)):
        # The first ones cover the kinds, the ones that the other domains cannot do without in front.
        kind = kinds[n] if n < len(kinds) else city.pick(WEIGHTS)
        name = city.short + city.pick(FIRST) + city.pick(SECOND) + NAMES[kind]
        while name in names:
            name = city.short + city.pick(FIRST) + city.pick(SECOND) + city.pick(SECOND) + NAMES[kind]
        names.add(name)
        key, founded = city.new_id(), city.day(-9000, -400)
        enterprises.append({
            "id": key, "code": credit_code(n + 1), "name": name, "geom": place.geom, "region": place.region,
            "state": city.pick({State.NORMAL: 92, State.LOCKED: 5, State.CANCELLED: 3}), "kind": kind,
            "address": f"{place.address}{city.pick(FIRST)}{city.pick(SECOND)}路{city.random.randint(1, 400)}号",
            "legal_representative": city.person(), "phone": city.phone(), "founded_on": founded,
            "registered_capital": city.pick((200, 500, 800, 1000, 2000, 5000, 10000)),
        })  # fmt: skip
        for category in CATEGORIES.get(kind, ())[: city.random.randint(1, 3)]:
            issued = city.day(-1500, -200)
            qualifications.append({
                "enterprise": key, "number": f"D{city.random.randrange(10**9):09}", "category": category,
                "grade": city.pick({"first": 3, "second": 5, "third": 4, "none": 1}),
                "issued_by": "四川省住房和城乡建设厅", "issued_on": issued,
                "valid_until": issued.replace(day=1, year=issued.year + 5),
            })  # fmt: skip
        entries += _entries(city, key, kind, place.county)
    city.load(Enterprise, enterprises)
    city.load(Qualification, qualifications)
    city.load(CreditEntry, [row for row, _steps in entries])
    city.load(CreditStep, [step for _row, steps in entries for step in steps])
    # Bench data are for maps and lists: their history would only take time.
    if not city.bench:
        for past in _past(city):
            flows.assess(SYSTEM, past, now=past.ends_at + timedelta(minutes=30))
    refresh()


def _past(city: DemoCity) -> list[Period]:
    """The last six quarters and two years, the earliest first."""
    found = []
    for kind, number in (("quarter", 6), ("year", 2)):
        past = period(kind, city.today)
        for _each in range(number):
            past = past.before
            found.append(past)
    return sorted(found, key=lambda past: past.end)


def _entries(
    city: DemoCity, enterprise: UUID, kind: str, county: str
) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Records of conduct of an enterprise with what was done about each."""
    known = {row.code: row for row in CreditItem.objects.filter(enterprise_kind__in=["", kind])}
    office = f"{county}住房和城乡建设局"
    found = []
    for _entry in range(city.pick({0: 4, 1: 4, 2: 3, 3: 2, 5: 1})):
        item = known[city.pick({code: COMMON.get(code, RARE) for code in known})]
        key, decided = city.new_id(), city.day(-900, -6)
        recorded = datetime.combine(decided, time(10, 20), ZONE) + timedelta(days=1)
        published = recorded + timedelta(days=city.random.randint(1, 3), hours=city.random.randint(0, 6))
        steps = [(Step.RECORDED, recorded, city.person(), FACTS.get(item.code, item.title))]
        state = city.pick({Entry.PUBLISHED: 84, Entry.PROPOSED: 5, Entry.OBJECTED: 5, Entry.WITHDRAWN: 4,
                           Entry.REJECTED: 2})  # fmt: skip
        if item.kind == "reward" and state in (Entry.OBJECTED, Entry.WITHDRAWN):
            state = Entry.PUBLISHED
        if state in (Entry.PROPOSED, Entry.REJECTED):
            # What still waits was recorded of late.
            decided = city.today - timedelta(days=city.random.randint(3, 9))
            steps[0] = (Step.RECORDED, city.now - timedelta(hours=30), steps[0][2], steps[0][3])
        published_at = None if state in (Entry.PROPOSED, Entry.REJECTED) else min(published, city.now)
        if published_at:
            steps.append((Step.PUBLISHED, published_at, city.person(), ""))
        later = min((published_at or city.now) + timedelta(days=9), city.now)
        if state in (Entry.OBJECTED, Entry.WITHDRAWN):
            steps.append((Step.OBJECTED, later, city.person(), "企业认为事实认定有误，已提交现场影像和整改回复。"))
        if state == Entry.WITHDRAWN:
            later = min(later + timedelta(days=6), city.now)
            steps.append((Step.WITHDRAWN, later, city.person(), "经复核，所涉区域属另一施工单位承包范围，予以撤销。"))
        if state == Entry.REJECTED:
            steps.append((Step.REJECTED, city.now - timedelta(hours=4), city.person(), "证据不足，补充后重新登记。"))
        found.append((
            {
                "id": key, "enterprise": enterprise, "item": item.pk, "kind": item.kind, "points": item.points,
                "reason": FACTS.get(item.code, item.title), "decided_by": office, "decided_on": decided,
                "document": f"{county[:1]}住建{'奖' if item.kind == 'reward' else '罚'}〔{decided.year}〕"
                            f"{city.random.randint(1, 180)}号",
                "effective_from": decided, "valid_until": counts_until(decided, item.months), "state": state,
                "published_at": published_at, "withdrawn_at": later if state == Entry.WITHDRAWN else None,
            },
            [{"entry": key, "kind": kind, "at": at, "person": person, "text": text, "files": "[]"}
             for kind, at, person, text in steps],
        ))  # fmt: skip
    return found
