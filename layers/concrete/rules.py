"""How charges are judged: tolerances of batching and mixing time as dated limits, formulas, and what is warned of.

The table of GB/T 14902-2012 was written down from memory (three searches did not find its text; a water-works text
gives ±2 % for water and admixtures, as GB 50204-2002 did). Every row is marked as not verified until somebody compares
it with the printed text.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_noop as _

from services.alarms import conditions
from services.alarms.kinds import WarningKind
from services.limits.rows import Limit, limit_at

PLANTS = "mixing_plants"
STANDARD, VERSION = "GB/T 14902", "2012"
OWN = "预拌混凝土投料"
"""The standard of what no standard says and the platform starts with."""
SINCE = date(2013, 9, 1)
"""When GB/T 14902-2012 came into force."""

CHARGE, TOTAL, TIME, GRAVITY = "charge", "chargetotal", "mixtime", "chargelevel"
"""Codes of limits: per cent of one weighing, per cent of the batch so far, seconds, and how many times a tolerance."""
CODES = (CHARGE, TOTAL, TIME, GRAVITY)
BINDER, MINERAL, AGGREGATE, WATER, ADMIXTURE = _("水泥"), _("掺合料"), _("骨料"), _("水"), _("外加剂")
ORANGE, RED = _("橙色"), _("红色")

MATERIALS: Mapping[str, Any] = {
    "cement": gettext_lazy("水泥"), "fly_ash": gettext_lazy("粉煤灰"), "slag": gettext_lazy("矿渣粉"),
    "mineral": gettext_lazy("其他掺合料"), "sand": gettext_lazy("细骨料"), "stone": gettext_lazy("粗骨料"),
    "water": gettext_lazy("水"), "admixture": gettext_lazy("外加剂"),
}  # fmt: skip
CLASSES = {
    "cement": BINDER, "fly_ash": MINERAL, "slag": MINERAL, "mineral": MINERAL, "sand": AGGREGATE, "stone": AGGREGATE,
    "water": WATER, "admixture": ADMIXTURE,
}  # fmt: skip
"""Material → its class as limits name it."""

VARIABLES = {
    "deviation": gettext_lazy("偏差的绝对值（%）"),
    "signed": gettext_lazy("偏差（%），多为正、少为负"),
    "target": gettext_lazy("目标重量（kg）"),
    "actual": gettext_lazy("实际重量（kg）"),
    "seconds": gettext_lazy("搅拌时间（s）"),
    "limit": gettext_lazy("投料当时执行的允许偏差（%）或最短搅拌时间（s）"),
    "volume": gettext_lazy("本盘方量（m³）"),
}
"""What a formula may use."""
SAMPLES = (
    {"deviation": 1.5, "signed": -1.5, "target": 300.0, "actual": 295.5, "seconds": 45.0, "limit": 2.0, "volume": 2.0},
    {"deviation": 0.0, "signed": 0.0, "target": 3.2, "actual": 3.2, "seconds": 0.0, "limit": 30.0, "volume": 0.5},
)


def _limits() -> Iterator[Limit]:
    rows = ((BINDER, 2, 1), (MINERAL, 2, 1), (AGGREGATE, 3, 2), (WATER, 1, 1), (ADMIXTURE, 1, 1))
    for stage, single, total in rows:
        note = "；旧版与部分文本为±2%" if stage in (WATER, ADMIXTURE) else ""
        yield Limit(
            STANDARD, VERSION, CHARGE, 0, single, SINCE,
            f"GB/T 14902-2012 计量允许偏差：每盘±{single}%{note}", stage=stage, verified=False,
        )  # fmt: skip
        yield Limit(
            STANDARD, VERSION, TOTAL, 0, total, SINCE,
            f"GB/T 14902-2012 计量允许偏差：累计±{total}%{note}", stage=stage, verified=False,
        )  # fmt: skip
    yield Limit(
        STANDARD, VERSION, TIME, 0, None, SINCE, "GB/T 14902-2012：搅拌运输车运送时搅拌时间不少于30 s",
        low=30, verified=False,
    )  # fmt: skip
    for stage, times in ((ORANGE, 1.5), (RED, 2.5)):
        citation = f"本平台初始值：超过允许偏差的{times:g}倍为{stage}告警"
        yield Limit(OWN, "1", GRAVITY, 0, times, SINCE, citation, stage=stage, verified=False)


LIMITS = tuple(_limits())
"""The first rows of the limits; an office edits, adds and ends them."""


WARNINGS = (
    WarningKind(
        "concrete-charge", _("投料偏差超限"), PLANTS, unit="%", advice=_("核查该盘混凝土与计量设备，必要时停止出厂。"),
        citation="GB/T 14902-2012（待核对）",
    ),
    WarningKind(
        "concrete-total", _("累计投料偏差超限"), PLANTS, level="orange", unit="%",
        advice=_("校准计量设备，核查该批次已出厂的混凝土。"), citation="GB/T 14902-2012（待核对）",
    ),
    WarningKind(
        "concrete-time", _("搅拌时间不足"), PLANTS, unit="s", downward=True,
        advice=_("延长搅拌时间，核查拌合物均匀性。"), citation="GB/T 14902-2012（待核对）",
    ),
    WarningKind(
        "concrete-grade", _("生产强度等级与登记不符"), PLANTS, level="red",
        advice=_("停止出厂并核实该盘混凝土的去向。"),
    ),
    WarningKind(
        "concrete-unregistered", _("未登记即生产"), PLANTS, level="orange", advice=_("核查该搅拌站的生产登记。"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Weighed:
    """What one bin gave to a charge, in kg."""

    bin: str
    material: str
    target: float
    actual: float


class Judged(NamedTuple):
    """A weight beside its tolerance, both in per cent; None where there is no deviation or no limit."""

    deviation: float | None
    limit: float | None
    within: bool


class Table:
    """The limits and formulas in force at a moment in a region."""

    def __init__(self, rows: Iterable[Limit], formulas: Mapping[str, str], at: datetime, region: str = "") -> None:
        self._rows, self._formulas, self._at, self._region = list(rows), formulas, at, region

    def tolerance(self, code: str, material: str) -> float | None:
        """What is allowed of a material, in per cent: ``CHARGE`` of one weighing, ``TOTAL`` of the batch."""
        found = self._limit(code, CLASSES[material])
        return found.value if found is not None else None

    @property
    def seconds(self) -> float | None:
        """The shortest mixing time."""
        found = self._limit(TIME, "")
        return found.low if found is not None else None

    def weight(self, subject: str, material: str, target: float, actual: float, volume: float) -> Judged:
        """A weight judged; what nothing was to be of, and something is, does not comply."""
        limit = self.tolerance(CHARGE if subject == "charge" else TOTAL, material)
        signed = deviation(target, actual)
        if signed is None or limit is None:
            return Judged(signed, limit, actual == target or (limit is None and target != 0))
        given = {
            "deviation": abs(signed), "signed": signed, "target": float(target), "actual": float(actual),
            "limit": float(limit), "volume": float(volume), "seconds": 0.0,
        }  # fmt: skip
        return Judged(signed, limit, conditions.holds(self._formulas[subject], given))

    def time(self, seconds: float | None, volume: float) -> bool:
        """Whether a mixing time complies; one that nobody sent is not judged."""
        least = self.seconds
        if seconds is None or least is None:
            return True
        given = {
            "deviation": 0.0, "signed": 0.0, "target": 0.0, "actual": 0.0, "seconds": float(seconds),
            "limit": float(least), "volume": float(volume),
        }  # fmt: skip
        return conditions.holds(self._formulas["time"], given)

    def level(self, found: Judged) -> str:
        """How urgent a deviation is, by how many times its tolerance it is."""
        if found.deviation is None or not found.limit:
            return "red"
        times = abs(found.deviation) / found.limit
        for level, stage in (("red", RED), ("orange", ORANGE)):
            row = self._limit(GRAVITY, stage)
            if row is not None and row.value is not None and times > row.value:
                return level
        return "yellow"

    def _limit(self, code: str, stage: str) -> Limit | None:
        rows = [row for row in self._rows if row.stage in ("", stage)]
        return limit_at(rows, code, self._at, minutes=0, stage=stage, region=self._region)


def deviation(target: float, actual: float) -> float | None:
    """How far a weight is from its target, in per cent of it; None where nothing was to be weighed.

    Computed in decimals: 295.8 of 290 kg is 2 % and not a trace more.
    """
    if target == 0:
        return 0.0 if actual == 0 else None
    wanted = Decimal(str(target))
    share = (Decimal(str(actual)) - wanted) * 100 / wanted
    return float(share.quantize(Decimal("0.000001"), ROUND_HALF_EVEN))
