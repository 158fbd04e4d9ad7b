"""Limits of temporary power on sites (JGJ 46, GB 50303), how a check is judged by them, and the first alarms.

Titles and dates of both editions of JGJ 46 were read in a source; every number was written down from memory and is
marked as not verified until somebody compares it with the printed text.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from typing import NamedTuple

from django.utils.translation import gettext_noop as _

from services.alarms.declared import Alarm
from services.limits.rows import ZONE, Limit, limit_at

BOXES = "power_boxes"
STANDARDS = ("JGJ 46", "GB 50303")
OLD, NEW = date(2005, 7, 1), date(2025, 1, 1)
"""When JGJ 46-2005 came into force, and when JGJ/T 46-2024 took its place."""

RESIDUAL, CABLE = "residual", "cable"
EARTHING, INSULATION = "earthing", "insulation"
TRIP_CURRENT, TRIP_TIME, TRIP_PRODUCT = "tripcurrent", "triptime", "tripproduct"
"""Codes: mA, ℃, Ω, MΩ, mA, ms, mA·s."""

TOTAL, BRANCH, SWITCH = _("总配电箱"), _("分配电箱"), _("开关箱")
PLACES = {"total": TOTAL, "branch": BRANCH, "switch": SWITCH}
"""The kind of a box → as limits name it."""
WORKING, REPEATED = _("工作接地"), _("重复接地")
EARTHINGS = {"working": WORKING, "repeated": REPEATED}
"""The kind of an earthing → as limits name it."""


def _limits(version: str, begin: date, end: date | None, clauses: Mapping[str, str]) -> Iterator[Limit]:
    """One edition of JGJ 46; the lower ends of a total box are to be exceeded, not just reached."""
    text = {name: f"JGJ{'/T' if end is None else ''} 46-{version} {clause}" for name, clause in clauses.items()}
    rows = (
        (EARTHING, WORKING, None, 4, f"{text['working']}：工作接地电阻不大于4 Ω（变压器容量超过100 kVA）"),
        (EARTHING, REPEATED, None, 10, f"{text['repeated']}：每一处重复接地电阻不大于10 Ω"),
        (TRIP_CURRENT, SWITCH, None, 30, f"{text['switch']}：开关箱额定剩余动作电流不大于30 mA"),
        (TRIP_TIME, SWITCH, None, 100, f"{text['switch']}：开关箱额定剩余动作时间不大于0.1 s"),
        (TRIP_CURRENT, TOTAL, 30, None, f"{text['total']}：总配电箱额定剩余动作电流大于30 mA"),
        (TRIP_TIME, TOTAL, 100, None, f"{text['total']}：总配电箱额定剩余动作时间大于0.1 s"),
        (TRIP_PRODUCT, TOTAL, None, 30, f"{text['total']}：总配电箱动作电流与动作时间的乘积不大于30 mA·s"),
        (RESIDUAL, SWITCH, None, 30, f"{text['switch']}：达到30 mA时开关箱应当跳闸"),
        (RESIDUAL, TOTAL, None, 300, f"{text['total']}：由30 mA·s与0.1 s得出，动作电流不超过300 mA"),
        (RESIDUAL, BRANCH, None, 300, "本平台初始值：标准未规定，暂与总配电箱相同"),
    )
    for factor, stage, low, value, citation in rows:
        yield Limit(
            "JGJ 46", version, factor, 0, value, begin, citation, end, low=low, stage=stage, verified=False,
        )  # fmt: skip


_CLAUSES = {"working": "第5.3.1条", "repeated": "第5.3.2条", "switch": "第8.2.10条", "total": "第8.2.11条"}
_SECTIONS = {"working": "第3.5节", "repeated": "第3.5节", "switch": "第3.3节", "total": "第3.3节"}
LIMITS = (
    *_limits("2005", OLD, NEW, _CLAUSES),
    *_limits("2024", NEW, None, _SECTIONS),
    Limit(
        "GB 50303", "2015", INSULATION, 0, None, date(2016, 8, 1), "GB 50303-2015：低压线路绝缘电阻不小于0.5 MΩ",
        low=0.5, verified=False,
    ),
)  # fmt: skip


class Excess(NamedTuple):
    """A value that a limit does not allow."""

    factor: str
    value: float
    limit: Limit


def limit_of(rows: Iterable[Limit], factor: str, stage: str, day: date) -> Limit | None:
    """The limit in force on a day for a kind of box or of earthing; None where there is none for that kind."""
    mine = [row for row in rows if row.stage in ("", stage)]
    return limit_at(mine, factor, datetime.combine(day, time(12), ZONE), minutes=0, stage=stage)


def judge(
    rows: Iterable[Limit], day: date, box: str, *, earthing: str = "", resistance: float | None = None,
    insulation: float | None = None, trip_current: float | None = None, trip_time: float | None = None,
    rated_current: float | None = None, rated_time: float | None = None,
) -> list[Excess]:  # fmt: skip
    """What a check of a day found beyond its limits: Ω, MΩ, mA, ms; None is not measured.

    Trips of a test are held against upper ends and against the device's own rating, ratings against both ends.
    """
    table, place = list(rows), PLACES[box]
    values = (
        (EARTHING, EARTHINGS.get(earthing, ""), resistance, True),
        (INSULATION, place, insulation, True),
        (TRIP_CURRENT, place, trip_current, False),
        (TRIP_TIME, place, trip_time, False),
        (TRIP_PRODUCT, place, _product(trip_current, trip_time), False),
        (TRIP_CURRENT, place, rated_current, True),
        (TRIP_TIME, place, rated_time, True),
        (TRIP_PRODUCT, place, _product(rated_current, rated_time), True),
    )
    found = []
    for factor, stage, value, both in values:
        limit = limit_of(table, factor, stage, day) if value is not None else None
        if value is not None and limit is not None and _beyond(limit, value, both):
            found.append(Excess(factor, value, limit))
    if trip_current is not None and rated_current is not None and trip_current > rated_current:
        own = Limit("", "", TRIP_CURRENT, 0, rated_current, day, "")
        found.append(Excess(TRIP_CURRENT, trip_current, own))
    return found


def _product(current: float | None, milliseconds: float | None) -> float | None:
    """mA·s."""
    return None if current is None or milliseconds is None else current * milliseconds / 1000


def _beyond(limit: Limit, value: float, both: bool) -> bool:
    if limit.value is not None and value > limit.value:
        return True
    if limit.low is None or not both:
        return False
    # "Greater than" for what a total box is rated for; "not below" for insulation.
    return value < limit.low or (value == limit.low and limit.factor in (TRIP_CURRENT, TRIP_TIME))


ALARMS = (
    Alarm(
        "power-residual", _("剩余电流超限"), BOXES, RESIDUAL, standard="JGJ 46", minutes=0, level="orange",
        clear="value <= limit * 0.8", red_when="value > limit * 2.0", clear_minutes=5,
        citation="JGJ/T 46-2024 第3.3节：按配电箱类别",
    ),
    Alarm(
        "power-cable", _("电缆温度过高"), BOXES, CABLE, threshold=70.0, n_least=2, clear="value <= limit - 5.0",
        level="yellow", orange_when="value > limit + 10.0", red_when="value > limit + 20.0", clear_minutes=5,
        citation="GB 50217-2018：聚氯乙烯绝缘电缆导体最高允许温度70 ℃（待核对）",
    ),
    Alarm("power-silent", _("配电箱监测离线"), BOXES, kind="silence", for_minutes=60, citation="超过60分钟无数据"),
)  # fmt: skip
"""The first rules of alarms; an office edits, adds and switches off."""
