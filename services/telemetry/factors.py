"""The factors that platforms of construction bureaus meet, and the bars of validity, as the first rows of their tables.

Codes of HJ 212 annex B; those without a hyphen-free code of their own (truck, plant, temporary power) are short words.
"""

from datetime import date
from typing import NamedTuple

from django.utils.translation import gettext_noop as _

from services.telemetry.models import Bar, Factor
from services.telemetry.spans import Span
from services.telemetry.states import FAULTS

MEAN, ENERGY, DIRECTION, TOTAL, _STATE = Factor.Averaging


class Standard(NamedTuple):
    """One factor; ``weight`` is the code of the factor that weights its mean."""

    code: str
    name: str
    unit: str
    digits: int = 1
    averaging: str = MEAN
    weight: str = ""


FACTORS = (
    Standard("a34001", "TSP", "µg/m³", 0),
    Standard("a34002", "PM10", "µg/m³", 0),
    Standard("a34004", "PM2.5", "µg/m³", 0),
    Standard("a34005", "PM1.0", "µg/m³", 0),
    Standard("a34013", _("烟尘"), "mg/m³"),
    Standard("a21026", _("二氧化硫"), "µg/m³", 0),
    Standard("a21004", _("二氧化氮"), "µg/m³", 0),
    Standard("a05024", _("臭氧"), "µg/m³", 0),
    Standard("a21005", _("一氧化碳"), "mg/m³"),
    Standard("a01001", _("气温"), "℃"),
    Standard("a01002", _("湿度"), "%"),
    Standard("a01006", _("气压"), "kPa", 2),
    Standard("a01007", _("风速"), "m/s"),
    Standard("a01008", _("风向"), "°", 0, DIRECTION, "a01007"),
    Standard("LA", _("噪声"), "dB(A)", 1, ENERGY),
    Standard("Leq", _("等效声级"), "dB(A)", 1, ENERGY),
    Standard("LMx", _("最大声级"), "dB(A)"),
    Standard("LMn", _("最小声级"), "dB(A)"),
    *(Standard(code, code, "dB(A)") for code in ("L5", "L10", "L50", "L90", "L95")),
    *(Standard(code, code, "dB(A)", 1, ENERGY) for code in ("Ld", "Ln", "Ldn")),
    Standard("w00000", _("污水流量"), "L/s", 2),
    Standard("w01001", "pH", "pH", 2),
    Standard("w01009", _("溶解氧"), "mg/L", 2),
    Standard("w01010", _("水温"), "℃"),
    Standard("w01012", _("悬浮物"), "mg/L", 1, MEAN, "w00000"),
    Standard("w01014", _("电导率"), "µS/cm", 0),
    Standard("w01017", _("五日生化需氧量"), "mg/L", 1, MEAN, "w00000"),
    Standard("w01018", _("化学需氧量"), "mg/L", 1, MEAN, "w00000"),
    Standard("w01019", _("高锰酸盐指数"), "mg/L", 1, MEAN, "w00000"),
    Standard("w21001", _("总氮"), "mg/L", 2, MEAN, "w00000"),
    Standard("w21003", _("氨氮"), "mg/L", 2, MEAN, "w00000"),
    Standard("w21011", _("总磷"), "mg/L", 3, MEAN, "w00000"),
    Standard("level", _("液位"), "m", 2),
    Standard("energy", _("用电量"), "kWh", 1, TOTAL),
    Standard("power", _("功率"), "kW", 2),
    Standard(FAULTS, _("故障设备数"), "", 0),
    Standard("residual", _("剩余电流"), "mA"),
    Standard("cable", _("电缆温度"), "℃"),
    Standard("earthing", _("接地电阻"), "Ω", 2),
    Standard("insulation", _("绝缘电阻"), "MΩ", 2),
    Standard("tripcurrent", _("剩余动作电流"), "mA"),
    Standard("triptime", _("剩余动作时间"), "ms", 0),
    Standard("tripproduct", _("动作电流与时间之积"), "mA·s"),
    Standard("charge", _("单盘计量偏差"), "%", 2),
    Standard("chargetotal", _("累计计量偏差"), "%", 2),
    Standard("chargelevel", _("超过允许偏差的倍数"), "", 2),
    Standard("mixtime", _("搅拌时间"), "s", 0),
    Standard("speed", _("车速"), "km/h", 0),
    Standard("mileage", _("里程"), "km", 1, TOTAL),
    Standard("fuel", _("油量"), "L"),
    Standard("drum", _("搅拌筒转速"), "r/min"),
)

SINCE = date(1996, 1, 1)
BARS = (
    # The figure of the hour was not found in the printed text; an administrator may change it.
    Bar(span=Span.HOUR, least=45, valid_from=SINCE, citation="GB 3095 表4：每小时至少45分钟采样"),
    Bar(span=Span.DAY, least=20, valid_from=SINCE, citation="GB 3095 表4：每日至少20个小时平均值"),
    Bar(
        span=Span.MONTH, least=27, february=25, valid_from=SINCE,
        citation="GB 3095 表4：每月至少27个日平均值（二月至少25个）",
    ),
    # Of its 16 and 8 hours the same share that a day needs of its 24.
    Bar(span=Span.DAYTIME, least=14, valid_from=SINCE, citation="按日有效性同比例：16小时中至少14小时"),
    Bar(span=Span.NIGHT, least=7, valid_from=SINCE, citation="按日有效性同比例：8小时中至少7小时"),
)  # fmt: skip


def write(using: str = "default") -> None:
    """Add the standard factors and bars that are not there; rows that somebody edited stay as they are."""
    known = set(Factor.objects.using(using).values_list("code", flat=True))
    missing = [row for row in FACTORS if row.code not in known]
    Factor.objects.using(using).bulk_create(
        Factor(code=row.code, name=row.name, unit=row.unit, digits=row.digits, averaging=row.averaging)
        for row in missing
    )
    ids = dict(Factor.objects.using(using).values_list("code", "pk"))
    for row in missing:
        if row.weight:
            Factor.objects.using(using).filter(code=row.code).update(weight=ids[row.weight])
    spans = set(Bar.objects.using(using).values_list("span", flat=True))
    for bar in BARS:
        if bar.span not in spans:
            Bar.objects.using(using).create(
                span=bar.span, least=bar.least, february=bar.february, valid_from=bar.valid_from, citation=bar.citation
            )
