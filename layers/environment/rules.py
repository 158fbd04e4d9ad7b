"""What monitors measure: plausible range, classes of the map, air quality index, limits and alarms with their sources.

A limit is a row in the database, of which these are the first; an office may end one and add another.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

from django.utils.translation import gettext_noop as _

from services.alarms.declared import Alarm, Detection
from services.limits.rows import DAY as DAYTIME
from services.limits.rows import NIGHT, YEAR, Limit, Scale, scale_at
from services.notify.models import Kind

PM10_BREAKS = (50, 120, 250, 350, 420)
"""PM10 in µg/m³ at IAQI 50, 100, 150, 200 and 300 (HJ 633-2026 table 1): the six classes from good to severe."""

MOST_PARTICLES = 20_000
"""µg/m³ above which a value is a fault of the device and not of the air."""

GOOD_PM10 = ((date(2013, 1, 1), 150, "HJ 633-2012"), (date(2026, 3, 1), 120, "HJ 633-2026"))
"""PM10 in µg/m³ up to which the air is good (IAQI 100), by the day that was measured."""


def good_pm10(day: date) -> int:
    """The upper end of good PM10 in force on a day, in µg/m³; before the first row that of the first."""
    return next((value for since, value, _source in reversed(GOOD_PM10) if since <= day), GOOD_PM10[0][1])


@dataclass(frozen=True)
class DustScore:
    """How a week of a site is scored (own rule; the requirement gives none): three parts that add up to 100."""

    concentration: int = 50
    best: int = 50
    worst: int = 250
    exceedance: int = 30
    validity: int = 20
    enough: float = 0.75
    """Share of valid hours below which a place in the ranking says little."""


DUST_SCORE = DustScore()


def dust_score(mean: float | None, over: float | None, share: float, rule: DustScore = DUST_SCORE) -> tuple[float, ...]:
    """Points for the mean of PM10 in µg/m³, for the share of hours over the good, and for the share of valid hours.

    Without a valid hour (None) the first two are 0.
    """
    near = 0.0 if mean is None else min(1.0, max(0.0, (rule.worst - mean) / (rule.worst - rule.best)))
    kept = 0.0 if over is None else 1 - over
    return rule.concentration * near, rule.exceedance * kept, rule.validity * min(1.0, share)


SO2, NO2, O3, CO, PM10, PM25, TSP = "a21026", "a21004", "a05024", "a21005", "a34002", "a34004", "a34001"
HOUR, EIGHT_HOURS, DAY = 60, 480, 1440
NEW_AIR, FINAL_AIR, OLD_AIR = date(2026, 3, 1), date(2031, 1, 1), date(2016, 1, 1)
NEW_NOISE, OLD_NOISE = date(2026, 1, 1), date(2012, 7, 1)


class Band(NamedTuple):
    """A class of air quality: up to which index, its name and its colour (HJ 633 table 2)."""

    most: int
    name: str
    color: str


BANDS = (
    Band(50, _("优"), "#00E400"),
    Band(100, _("良"), "#FFFF00"),
    Band(150, _("轻度污染"), "#FF7E00"),
    Band(200, _("中度污染"), "#FF0000"),
    Band(300, _("重度污染"), "#99004C"),
    Band(500, _("严重污染"), "#7E0023"),
)


class Quality(NamedTuple):
    """The air quality index of a moment: AQI, the band, each factor's own index, and what makes it so high."""

    aqi: int
    band: Band
    indices: dict[str, int]
    primary: tuple[str, ...]


def band_of(aqi: int) -> Band:
    """The band of an index; above the last point it is the last."""
    return next((band for band in BANDS if aqi <= band.most), BANDS[-1])


def air_quality(
    scales: Iterable[Scale], values: Mapping[tuple[str, int], Decimal | float | str | None], at: datetime
) -> Quality | None:
    """The index of values by (factor, minutes) measured at a moment, by the edition of HJ 633 in force then.

    A value beyond a scale that ends without an index (SO2 of an hour, O3 of eight hours in 2012) has none. The
    primary factors are those with the greatest index where it is above 50. None where no value has an index.
    """
    table = list(scales)
    indices: dict[str, int] = {}
    for (factor, minutes), value in values.items():
        scale = None if value is None else scale_at(table, factor, minutes, at)
        found = None if scale is None or value is None else scale.index(value)
        if found is not None:
            indices[factor] = max(found, indices.get(factor, 0))
    if not indices:
        return None
    aqi = max(indices.values())
    primary = tuple(sorted(factor for factor, index in indices.items() if index == aqi)) if aqi > 50 else ()
    return Quality(aqi, band_of(aqi), indices, primary)


INDICES = (0, 50, 100, 150, 200, 300, 400, 500)
OLD_SCALES = {
    (PM25, DAY): "0,35,75,115,150,250,350,500",
    (PM10, DAY): "0,50,150,250,350,420,500,600",
    (SO2, DAY): "0,50,150,475,800,1600,2100,2620",
    (SO2, HOUR): "0,150,500,650,800",
    (NO2, DAY): "0,40,80,180,280,565,750,940",
    (NO2, HOUR): "0,100,200,700,1200,2340,3090,3840",
    (CO, DAY): "0,2,4,14,24,36,48,60",
    (CO, HOUR): "0,5,10,35,60,90,120,150",
    (O3, HOUR): "0,160,200,300,400,800,1000,1200",
    (O3, EIGHT_HOURS): "0,100,160,215,265,800",
}
FINE, COARSE = "0,35,60,115,150,250,350,500", "0,50,120,250,350,420,500,600"
NEW_SCALES = {
    **OLD_SCALES, (PM25, DAY): FINE, (PM25, HOUR): FINE, (PM10, DAY): COARSE, (PM10, HOUR): COARSE,
}  # fmt: skip
"""Since 2026 the real-time index takes hourly particles by the points of the day."""


def _scale(factor: str, minutes: int, points: str, new: bool) -> Scale:
    split = tuple(points.split(","))
    short = len(split) < len(INDICES)
    beyond = {HOUR: 200, EIGHT_HOURS: 300}[minutes] if short and new else None if short else 500
    return Scale(
        "HJ 633", "2026" if new else "2012", factor, minutes, split, INDICES[: len(split)],
        NEW_AIR if new else OLD_AIR, "HJ 633-2026 表1" if new else "HJ 633-2012 表1", beyond,
        (1 if factor == CO else 0) if new else None, None if new else NEW_AIR,
    )  # fmt: skip


SCALES = (
    *(_scale(factor, minutes, points, False) for (factor, minutes), points in OLD_SCALES.items()),
    *(_scale(factor, minutes, points, True) for (factor, minutes), points in NEW_SCALES.items()),
)

_2012 = {
    SO2: {YEAR: (20, 60), DAY: (50, 150), HOUR: (150, 500)}, NO2: {YEAR: (40, 40), DAY: (80, 80), HOUR: (200, 200)},
    CO: {DAY: (4, 4), HOUR: (10, 10)}, O3: {EIGHT_HOURS: (100, 160), HOUR: (160, 200)},
    PM10: {YEAR: (40, 70), DAY: (50, 150)}, PM25: {YEAR: (15, 35), DAY: (35, 75)},
    TSP: {YEAR: (80, 200), DAY: (120, 300)},
}  # fmt: skip
_TRANSITION = {
    **_2012, PM25: {YEAR: (15, 30), DAY: (35, 60)}, PM10: {YEAR: (40, 60), DAY: (50, 120)},
}  # fmt: skip
_FINAL = {
    **_2012, PM25: {YEAR: (10, 25), DAY: (25, 50)}, PM10: {YEAR: (20, 50), DAY: (50, 100)},
    SO2: {YEAR: (20, 20), DAY: (50, 50), HOUR: (150, 150)}, NO2: {YEAR: (30, 30), DAY: (50, 50), HOUR: (200, 200)},
}  # fmt: skip
"""Factor → minutes → limits of class 1 and class 2."""


def _air(
    table: Mapping[str, Mapping[int, tuple[float, float]]], version: str, begin: date, end: date | None, citation: str
) -> Iterable[Limit]:
    for factor, spans in table.items():
        for minutes, values in spans.items():
            for grade, value in enumerate(values, 1):
                # Class 1 of 2012, and of 2026 what it leaves unsaid, was not read in a source.
                unread = grade == 1 and (table is _2012 or factor in (CO, O3, TSP))
                yield Limit(
                    "GB 3095", version, factor, minutes, value, begin, citation, end, grade=str(grade),
                    verified=not unread and not (factor == TSP and table is not _2012),
                )  # fmt: skip


def _noise(version: str, begin: date, end: date | None) -> Iterable[Limit]:
    citation = f"GB 12523-{version}：昼间70 dB(A)，夜间55 dB(A)"
    peak = f"GB 12523-{version}：夜间最大声级超过限值的幅度不得高于15 dB(A)"
    for factor in ("Leq", "LA"):
        for period, value in ((DAYTIME, 70), (NIGHT, 55)):
            yield Limit("GB 12523", version, factor, 20, value, begin, citation, end, period=period)
    # The margin was read in the edition of 2011 only.
    yield Limit("GB 12523", version, "LMx", 0, 70, begin, peak, end, period=NIGHT, verified=end is not None)


EARTH, BUILDING = _("拆除、土石方及回填"), _("其他施工阶段")
STAGES = {
    "earthwork": EARTH, "foundation": BUILDING, "structure": BUILDING, "fit_out": BUILDING, "handover": BUILDING,
}  # fmt: skip
"""The stage of a project → the stage as dust limits know it."""
DUST = (
    Limit(
        "DB13/2934", "2019", PM10, HOUR, 80, date(2019, 4, 1), "DB13/2934-2019：小时均值与县（市、区）背景值之差",
        region="13", allowed=2, over_background=True, verified=False,
    ),
    Limit(
        "DB21/2642", "2016", TSP, 5, 800, date(2016, 8, 1), "DB21/2642-2016：城市建成区5分钟均值0.8 mg/m³", region="21",
        stage=_("城市建成区"),
    ),
    Limit(
        "DB21/2642", "2016", TSP, 5, 1000, date(2016, 8, 1), "DB21/2642-2016：郊区5分钟均值1.0 mg/m³", region="21",
        stage=_("郊区及农村"),
    ),
    Limit(
        "DB61/1078", "2017", TSP, HOUR, 800, date(2017, 7, 1), "DB61/1078-2017：拆除、土方阶段小时均值0.8 mg/m³",
        region="61", stage=EARTH,
    ),
    Limit(
        "DB61/1078", "2017", TSP, HOUR, 700, date(2017, 7, 1), "DB61/1078-2017：基础、主体、装饰阶段小时均值0.7 mg/m³",
        region="61", stage=BUILDING,
    ),
    Limit(
        "DB31/964", "2016", TSP, 15, 2000, date(2016, 2, 1), "DB31/964-2016：15分钟均值，每日不超过1次", region="31",
        allowed=1, stage="2.0 mg/m³", verified=False,
    ),
    Limit(
        "DB31/964", "2016", TSP, 15, 1000, date(2016, 2, 1), "DB31/964-2016：15分钟均值，每日不超过6次", region="31",
        allowed=6, stage="1.0 mg/m³", verified=False,
    ),
    Limit(
        "DB51/2682", "2020", TSP, 15, 600, date(2020, 10, 1), "DB51/2682-2020（待核对）：拆除、土石方、回填阶段",
        region="51", stage=EARTH, verified=False,
    ),
    Limit(
        "DB51/2682", "2020", TSP, 15, 250, date(2020, 10, 1), "DB51/2682-2020（待核对）：其他阶段", region="51",
        stage=BUILDING, verified=False,
    ),
)  # fmt: skip
"""Dust of building sites is limited by provinces; where a start or a number was not read, it is to be checked."""

LIMITS = tuple(
    chain(
        _air(_2012, "2012", OLD_AIR, NEW_AIR, "GB 3095-2012 表1、表2"),
        _air(_TRANSITION, "2026", NEW_AIR, FINAL_AIR, "GB 3095-2026 过渡期浓度限值（至2030-12-31）"),
        _air(_FINAL, "2026", FINAL_AIR, None, "GB 3095-2026 浓度限值（自2031-01-01）"),
        _noise("2011", OLD_NOISE, NEW_NOISE),
        _noise("2025", NEW_NOISE, None),
        DUST,
    )
)

MONITORS = "monitors"
ALARMS = (
    Alarm(
        "noise", _("场界噪声超标"), MONITORS, "LA", window=20, standard="GB 12523", minutes=20,
        clear="value <= limit - 1.0", orange_when="value > limit + 5.0", red_when="value > limit + 10.0",
        clear_minutes=5, citation="GB 12523：20分钟等效声级，昼间70、夜间55 dB(A)",
    ),
    Alarm(
        "noise-peak", _("夜间突发噪声"), MONITORS, "LMx", standard="GB 12523", minutes=0, period=NIGHT,
        citation="GB 12523：夜间最大声级不得超过限值15 dB(A)以上",
    ),
    Alarm(
        "tsp", _("扬尘15分钟均值超标"), MONITORS, TSP, window=15, standard="DB51/2682", minutes=15, region="510000",
        clear="value <= limit * 0.9", orange_when="value > limit * 1.5", red_when="value > limit * 2.0",
        clear_minutes=5, citation="DB51/2682-2020（待核对）",
    ),
    Alarm(
        "tsp-shaanxi", _("扬尘小时均值超标"), MONITORS, TSP, span=2, standard="DB61/1078", minutes=HOUR,
        region="610000", orange_when="value > limit * 1.5", citation="DB61/1078-2017：按施工阶段",
    ),
    Alarm(
        "tsp-liaoning", _("扬尘5分钟均值超标"), MONITORS, TSP, window=5, standard="DB21/2642", minutes=5,
        region="210000", clear="value <= limit * 0.9", clear_minutes=5, citation="DB21/2642-2016",
    ),
    Alarm(
        "pm10-hebei", _("扬尘超出背景值"), MONITORS, PM10, span=2, standard="DB13/2934", minutes=HOUR, region="130000",
        condition="value > limit && n_today > allowed", clear="value <= limit",
        citation="DB13/2934-2019：小时均值与县（市、区）背景值之差，每日不超过2次",
    ),
    Alarm(
        "pm10-high", _("PM10浓度过高"), MONITORS, PM10, window=15, threshold=350, clear="value <= limit * 0.9",
        level="orange", red_when="value > limit * 1.5", clear_minutes=5, citation="HJ 633-2026：中度污染上限350 µg/m³",
    ),
    Alarm(
        "pm10-day", _("PM10日均值超标"), MONITORS, PM10, span=3, standard="GB 3095", minutes=DAY, grade="2",
        level="blue", citation="GB 3095 二级",
    ),
    Alarm(
        "pm25-day", _("PM2.5日均值超标"), MONITORS, PM25, span=3, standard="GB 3095", minutes=DAY, grade="2",
        level="blue", citation="GB 3095 二级",
    ),
    Alarm(
        "monitor-silent", _("监测设备离线"), MONITORS, kind="silence", for_minutes=30, level="yellow",
        citation="超过30分钟无数据",
    ),
    Alarm(
        "pm10-quality", _("PM10数据异常"), MONITORS, PM10, kind="quality", level="blue", condition="n_bad >= 5",
        clear="n_bad == 0", clear_minutes=5, citation="连续5个无效值：单位、量程或传感器需检查",
    ),
    Alarm(
        "noise-quality", _("噪声数据异常"), MONITORS, "LA", kind="quality", level="blue", condition="n_bad >= 5",
        clear="n_bad == 0", clear_minutes=5, citation="连续5个无效值：传感器需检查",
    ),
    Alarm("monitor-report", _("监测设备通信异常"), MONITORS, kind="report", level="yellow", for_minutes=10),
)  # fmt: skip
"""The first rules of alarms; an office edits, adds and switches off."""

DUE_DAYS = {"red": 1, "orange": 2, "yellow": 3, "blue": 7}
"""Days that an order gives by its level unless its writer says otherwise (own custom; no standard names any)."""

_ORDERS = {
    "issued": (
        ("请整改：{title}", "整改单 {code}，{person}签发：{text}。期限 {due}。"),
        ("To be remedied: {title}", "Order {code} by {person}: {text}. Due {due}."),
    ),
    "urged": (
        ("催办：{title}", "整改单 {code} 尚未回复，期限 {due}。{text}"),
        ("Reminder: {title}", "Order {code} has no answer yet; due {due}. {text}"),
    ),
    "replied": (
        ("已回复，待复查：{title}", "整改单 {code}，{person}：{text}"),
        ("Answered, to be checked: {title}", "Order {code}, {person}: {text}"),
    ),
    "returned": (
        ("退回整改：{title}", "整改单 {code}，{person}：{text}。期限 {due}。"),
        ("Sent back: {title}", "Order {code}, {person}: {text}. Due {due}."),
    ),
    "closed": (
        ("复查通过：{title}", "整改单 {code}，{person}：{text}"),
        ("Closed: {title}", "Order {code}, {person}: {text}"),
    ),
    "withdrawn": (
        ("已撤销：{title}", "整改单 {code}，{person}：{text}"),
        ("Withdrawn: {title}", "Order {code}, {person}: {text}"),
    ),
}
WORDINGS = (
    *(
        (f"remediation-{key}", Kind.IN_APP.value, language, *text)
        for key, texts in _ORDERS.items()
        for language, text in zip(("zh-hans", "en"), texts, strict=True)
    ),
    (
        "remediation-issued", Kind.SMS.value, "zh-hans", "{title}",
        "您单位收到整改单{code}：{text}，请于{due}前整改并回复。",
    ),
    (
        "remediation-issued", Kind.SMS.value, "en", "{title}",
        "Your unit has order {code}: {text}. Please remedy it and reply by {due}.",
    ),
)  # fmt: skip
"""How messages about orders are worded at first: key, kind of channel, language, subject, body."""

OWN = "项目约定：标准未规定，以现场数据核定"
DETECTORS = (
    Detection(TSP, flat_hours=4, spike=10, floor=500, step=300, citation=OWN),
    Detection(PM10, flat_hours=4, spike=10, floor=300, step=300, citation=OWN),
    Detection(PM25, flat_hours=4, spike=10, floor=200, step=300, citation=OWN),
    Detection("LA", flat_hours=2, spike=1.6, floor=90, citation=OWN),
)
"""Whole numbers of clean air may stay the same for hours; a sound level never does."""
