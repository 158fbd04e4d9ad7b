"""The rule by which trips and stops are told apart, terminals, and the tables of positions and legs."""

from datetime import date

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gis.datums import Datum
from services.telemetry.models import Device

POSITIONING = (Device.Protocol.JT808, Device.Protocol.PHONE)
"""The protocols by which positions come."""
POSITIONING_SQL = f"({', '.join(repr(each.value) for each in POSITIONING)})"
"""The same in SQL."""
TABLES = ("positions_position",)
"""The tables with a partition a month."""


class Quality(models.IntegerChoices):
    """Why a position counts or does not; only good ones move anything on the map and count in trips."""

    GOOD = 0, _("有效")
    NOT_FIXED = 1, _("未定位")
    ZERO_ISLAND = 2, _("经纬度为零")
    OUT_OF_RANGE = 3, _("经纬度超出范围")
    SPEED = 4, _("速度不可能")
    HEADING = 5, _("航向不可能")


QUALITIES = {"" if each is Quality.GOOD else each.name.lower().replace("_", "-"): int(each) for each in Quality}
"""The code that a decoder gives → the stored number."""


class Rule(models.Model):
    """What makes a stop, a gap and a jump, from a day on."""

    stop_metres = models.FloatField(_("停留半径（米）"), default=100, validators=[MinValueValidator(1)])
    walking_stop_metres = models.FloatField(
        _("步行停留半径（米）"), default=25, db_default=25, validators=[MinValueValidator(1)],
        help_text=_("用于人员；工地不大，按车辆的半径会把走动算作停留。"),
    )  # fmt: skip
    stop_seconds = models.PositiveIntegerField(_("最短停留（秒）"), default=180, validators=[MinValueValidator(1)])
    gap_seconds = models.PositiveIntegerField(
        _("最长间断（秒）"), default=600, help_text=_("超过该时长没有定位，行程在此分段，间断部分不计里程。")
    )
    most_metres_a_second = models.FloatField(
        _("最大移动速度（米/秒）"), default=50, validators=[MinValueValidator(1)],
        help_text=_("两点之间超过该速度的定位视为跳点，不参与行程计算。"),
    )  # fmt: skip
    moving_kmh = models.FloatField(
        _("行驶速度下限（km/h）"), default=5, validators=[MinValueValidator(0)], help_text=_("低于该速度视为静止。")
    )
    walking_kmh = models.FloatField(
        _("步行速度下限（km/h）"), default=1, db_default=1, validators=[MinValueValidator(0)],
        help_text=_("人员定位终端低于该速度视为静止。"),
    )  # fmt: skip
    accuracy_metres = models.FloatField(
        _("手机定位误差上限（米）"), default=100, db_default=100, validators=[MinValueValidator(1)],
        help_text=_("误差更大的手机定位视为未定位。"),
    )  # fmt: skip
    arrival_metres = models.FloatField(
        _("到场距离（米）"), default=200, db_default=200, validators=[MinValueValidator(1)],
        help_text=_("与工程位置相距不超过该值才能签到。"),
    )  # fmt: skip
    valid_from = models.DateField(_("启用日期"), default=date(2000, 1, 1), unique=True)
    citation = models.CharField(_("依据"), max_length=200, default="JT/T 1076-2016；项目约定")

    class Meta:
        verbose_name = _("行程判定规则")
        verbose_name_plural = _("行程判定规则")
        ordering = ["valid_from"]
        constraints = [
            models.CheckConstraint(
                condition=Q(gap_seconds__gte=F("stop_seconds")), name="rule_gap_not_shorter_than_stop",
                violation_error_message=_("最长间断不得短于最短停留。"),
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.valid_from} {self.stop_metres:g} m {self.stop_seconds} s"

    @classmethod
    def of_today(cls) -> "Rule":
        """The rule that holds today."""
        found = cls.objects.filter(valid_from__lte=timezone.localdate()).order_by("-valid_from").first()
        return found or cls()


class Terminal(models.Model):
    """What a positioning terminal said of itself when it registered, and the datum that it sends."""

    device = models.OneToOneField(
        Device, models.CASCADE, verbose_name=_("设备"), primary_key=True, related_name="terminal"
    )
    maker = models.CharField(_("制造商"), max_length=11, blank=True)
    model = models.CharField(_("型号"), max_length=30, blank=True)
    number = models.CharField(_("终端编号"), max_length=30, blank=True)
    plate = models.CharField(_("车牌号"), max_length=20, blank=True)
    datum = models.CharField(_("坐标系"), max_length=8, choices=Datum.choices, default=Datum.WGS84)
    registered_at = models.DateTimeField(_("注册时间"), null=True)

    class Meta:
        verbose_name = _("定位终端")
        verbose_name_plural = _("定位终端")

    def __str__(self) -> str:
        return self.plate or self.number


class Located(models.Model):
    """Whose position, where and when: the columns that the tables of positions share. They are made by SQL."""

    device = models.ForeignKey(Device, models.DO_NOTHING, db_column="device", db_constraint=False, related_name="+")
    at = models.DateTimeField(_("定位时间"))
    received_at = models.DateTimeField(_("接收时间"))
    speed = models.FloatField(_("速度"))
    heading = models.SmallIntegerField(_("航向"))
    altitude = models.IntegerField(_("高程"))
    status = models.BigIntegerField(_("状态位"))
    alarm = models.BigIntegerField(_("报警位"))
    mileage = models.FloatField(_("里程表读数"), null=True)
    fuel = models.FloatField(_("油量"), null=True)

    class Meta:
        abstract = True
        managed = False

    def __str__(self) -> str:
        return f"{self.device_id} {self.at}"


class Position(Located):
    """A position; one table a month, keyed by device and time. SRID 4490; no place where the degrees are impossible."""

    pk = models.CompositePrimaryKey("device_id", "at")
    quality = models.SmallIntegerField(_("质量"), choices=Quality.choices)
    late = models.BooleanField(_("补传"))
    extras = models.JSONField(_("附加信息"), null=True)

    class Meta(Located.Meta):
        abstract = False
        db_table = "positions_position"


class LatestPosition(Located):
    """The newest good position of a device, by the time of the fix."""

    device = models.OneToOneField(
        Device, models.DO_NOTHING, db_column="device", db_constraint=False, related_name="+", primary_key=True
    )

    class Meta(Located.Meta):
        abstract = False
        db_table = "positions_latest"


class Leg(models.Model):
    """A trip or a stop; a trip runs from the last fix of a stop to the first of the next."""

    class Kind(models.IntegerChoices):
        TRIP = 0, _("行驶")
        STOP = 1, _("停留")

    pk = models.CompositePrimaryKey("device_id", "began_at")
    device = models.ForeignKey(Device, models.DO_NOTHING, db_column="device", db_constraint=False, related_name="+")
    began_at = models.DateTimeField(_("开始时间"))
    ended_at = models.DateTimeField(_("结束时间"))
    kind = models.SmallIntegerField(_("类型"), choices=Kind.choices)
    distance_m = models.FloatField(_("里程（米）"), help_text=_("椭球面上相邻定位点之间距离之和。"))
    fixes = models.IntegerField(_("定位点数"))
    top_speed = models.FloatField(_("最高速度"))

    class Meta:
        managed = False
        db_table = "positions_leg"

    def __str__(self) -> str:
        return f"{self.device_id} {self.began_at}"


class Aside(models.Model):
    """A position that was not taken: its clock is wrong, or it differs from the one kept for the same moment."""

    device = models.ForeignKey(Device, models.DO_NOTHING, db_column="device", db_constraint=False, related_name="+")
    said_at = models.CharField(_("终端所称时间"), max_length=32)
    lon = models.FloatField(_("经度"))
    lat = models.FloatField(_("纬度"))
    speed = models.FloatField(_("速度"))
    reason = models.CharField(_("原因"), max_length=8)
    received_at = models.DateTimeField(_("接收时间"))

    class Meta:
        verbose_name = _("未采用的定位")
        verbose_name_plural = _("未采用的定位")
        indexes = [models.Index(fields=["received_at"], name="aside_received")]
        constraints = [
            models.UniqueConstraint(fields=["device", "said_at", "lon", "lat", "speed", "reason"], name="aside_once")
        ]

    def __str__(self) -> str:
        return f"{self.device_id} {self.said_at}"
