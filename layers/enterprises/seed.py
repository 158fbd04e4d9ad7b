"""Enterprises of the demo city; their credit codes name an area that does not exist."""

from layers.enterprises.models import CreditEntry, Enterprise, Qualification
from layers.enterprises.rules import check_character
from services.catalog.demo import DemoCity

Kind, State = Enterprise.Kind, Enterprise.State

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
REWARDS = ("获评市级优质工程", "获评安全文明标准化工地", "参与抢险救灾受到表彰", "质量管理标准化示范")
PENALTIES = (
    "扬尘防治措施不到位",
    "未按方案搭设脚手架",
    "关键岗位人员到岗率不足",
    "未按期整改质量问题",
    "拖欠劳务人员工资",
)


def credit_code(serial: int) -> str:
    """A well-formed code of nobody: area 990000 is not assigned."""
    body = f"91990000DM{serial:06}X"
    return body + check_character(body)


def seed(city: DemoCity) -> None:
    """Enterprises with qualifications and credit entries."""
    kinds = list(Kind)
    enterprises, qualifications, entries = [], [], []
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
            "credit_score": round(min(130.0, max(60.0, city.random.gauss(100, 9))), 1),
        })  # fmt: skip
        for category in CATEGORIES.get(kind, ())[: city.random.randint(1, 3)]:
            issued = city.day(-1500, -200)
            qualifications.append({
                "enterprise": key, "number": f"D{city.random.randrange(10**9):09}", "category": category,
                "grade": city.pick({"first": 3, "second": 5, "third": 4, "none": 1}),
                "issued_by": "四川省住房和城乡建设厅", "issued_on": issued,
                "valid_until": issued.replace(day=1, year=issued.year + 5),
            })  # fmt: skip
        for _entry in range(city.pick({0: 5, 1: 3, 2: 2, 3: 1})):
            good = city.chance(0.4)
            entries.append({
                "enterprise": key, "kind": "reward" if good else "penalty", "points": city.number(0.5, 5),
                "reason": city.pick(REWARDS if good else PENALTIES), "decided_by": f"{place.county}住房和城乡建设局",
                "decided_on": city.day(-700, -5), "valid_until": city.day(10, 700),
            })  # fmt: skip
    city.load(Enterprise, enterprises)
    city.load(Qualification, qualifications)
    city.load(CreditEntry, entries)
