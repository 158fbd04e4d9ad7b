"""The spans of time that a value stands for, and the judgement of a reading."""

from zoneinfo import ZoneInfo

from django.db import models
from django.utils.translation import gettext_lazy as _

ZONE = ZoneInfo("Asia/Shanghai")
"""Days and months are those of the calendar in China; hours are the same everywhere that matters."""


class Span(models.IntegerChoices):
    """Devices send the first four; roll-ups have hour and longer, and the parts of a noise day."""

    REAL = 0, _("实时")
    MINUTE = 1, _("分钟")
    HOUR = 2, _("小时")
    DAY = 3, _("日")
    MONTH = 4, _("月")
    DAYTIME = 5, _("昼间")
    NIGHT = 6, _("夜间")
    LDN = 7, _("昼夜等效")


class Quality(models.IntegerChoices):
    """Why a reading counts or does not; only good ones count in means, limits and alarms."""

    GOOD = 0, _("有效")
    MISSING = 1, _("缺失")
    NUMBER = 2, _("不是数值")
    KEY = 3, _("名称无法识别")
    REPEAT = 4, _("同包重复且不一致")
    FLAG = 5, _("设备标记为非正常")
    LETTER = 6, _("标记无法识别")
    RANGE = 7, _("超出合理范围")
    ORDER = 8, _("与相关因子矛盾")
    UNIT = 9, _("单位未确认")
    FLAT = 10, _("长时间不变")
    SPIKE = 11, _("孤立尖峰")
    DEAD = 12, _("通道无信号")


QUALITIES = {"" if quality is Quality.GOOD else quality.name.lower(): int(quality) for quality in Quality}
"""The code that a decoder gives → the stored number."""
SPANS = {span.name.lower(): int(span) for span in (Span.REAL, Span.MINUTE, Span.HOUR, Span.DAY)}
"""The name of a span that a device may send → the stored number."""
