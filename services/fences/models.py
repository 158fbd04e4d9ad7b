"""A fence with what it watches for, and the events that it gave."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.fields import GeometryField
from gis.models import Region
from services.alarms.models import Level
from services.telemetry.models import Device


class Kind(models.TextChoices):
    """What a fence watches for."""

    ENTER = "enter", pgettext_lazy("fence", "进入")
    LEAVE = "leave", pgettext_lazy("fence", "离开")
    DWELL = "dwell", _("停留超时")
    DEVIATION = "deviation", _("偏离路线")


class Fence(models.Model):
    """An area on the ground: a polygon, a circle around a point, or a corridor along a line."""

    class Shape(models.TextChoices):
        POLYGON = "polygon", _("多边形")
        CIRCLE = "circle", _("圆形")
        CORRIDOR = "corridor", _("路线走廊")

    id = models.AutoField(primary_key=True)
    name = models.CharField(_("名称"), max_length=100)
    region = models.ForeignKey(Region, models.PROTECT, verbose_name=_("行政区"), related_name="+")
    shape = models.CharField(_("形状"), max_length=8, choices=Shape.choices, default=Shape.POLYGON)
    geom = GeometryField(_("范围"))
    metres = models.FloatField(
        _("半径或走廊半宽（米）"), default=0, validators=[MinValueValidator(0), MaxValueValidator(50_000)],
        help_text=_("圆形为半径，路线走廊为中线到两侧的距离，多边形不填。"),
    )  # fmt: skip
    kinds = ArrayField(models.CharField(max_length=9, choices=Kind.choices), verbose_name=_("监测事件"))
    layer = models.CharField(_("适用图层"), max_length=64)
    features = ArrayField(
        models.UUIDField(),
        verbose_name=_("适用车辆"),
        default=list,
        blank=True,
        help_text=_("不选则为图层内全部车辆。"),
    )
    fixes = models.PositiveSmallIntegerField(
        _("确认定位点数"), default=2, validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("连续这么多个定位点都在另一侧才算越界，避免边界处定位漂移误报。"),
    )  # fmt: skip
    seconds = models.PositiveIntegerField(_("确认时长（秒）"), default=0, validators=[MaxValueValidator(3600)])
    dwell_minutes = models.PositiveIntegerField(
        _("停留上限（分钟）"), default=30, validators=[MinValueValidator(1), MaxValueValidator(10_080)]
    )
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(), verbose_name=_("适用星期"), default=list, blank=True,
        help_text=_("1 为星期一，7 为星期日；不选则为每天。"),
    )  # fmt: skip
    from_time = models.TimeField(_("每日开始"), null=True, blank=True)
    to_time = models.TimeField(_("每日结束"), null=True, blank=True, help_text=_("早于开始时间则跨过零点。"))
    valid_from = models.DateField(_("启用日期"), null=True, blank=True)
    valid_to = models.DateField(_("停用日期"), null=True, blank=True)
    level = models.CharField(
        _("告警级别"), max_length=6, choices=Level.choices, blank=True, default="", db_default="",
        help_text=_("不选则只记录事件，不进入告警中心。"),
    )  # fmt: skip
    active = models.BooleanField(_("启用"), default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    changed_at = models.DateTimeField(_("修改时间"), auto_now=True)

    class Meta:
        verbose_name = _("电子围栏")
        verbose_name_plural = pgettext_lazy("plural", "电子围栏")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class Event(models.Model):
    """What a vehicle did at a fence; the same event is one row however often its positions come."""

    id = models.BigAutoField(primary_key=True)
    device = models.ForeignKey(Device, models.DO_NOTHING, db_column="device", db_constraint=False, related_name="+")
    fence = models.ForeignKey(Fence, models.CASCADE, db_column="fence", related_name="events")
    feature = models.UUIDField(_("车辆"))
    kind = models.CharField(_("事件"), max_length=9, choices=Kind.choices)
    at = models.DateTimeField(_("发生时间"))
    received_at = models.DateTimeField(_("接收时间"))
    late = models.BooleanField(_("补传"))
    lon = models.FloatField(_("经度"))
    lat = models.FloatField(_("纬度"))

    class Meta:
        managed = False
        db_table = "fences_event"
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.fence_id} {self.kind} {self.at}"


class Standing(models.Model):
    """A warning that stands because a vehicle is on the wrong side of a fence; its end is that it is not any more."""

    fence = models.ForeignKey(Fence, models.DO_NOTHING, db_constraint=False, related_name="+")
    device = models.IntegerField()
    feature = models.UUIDField()
    layer = models.CharField(max_length=64)
    subject = models.CharField(max_length=100)
    inside = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["fence", "feature"], name="fences_standing_once")]

    def __str__(self) -> str:
        return f"{self.fence_id} {self.feature}"


class Mark(models.Model):
    """How far the events have been looked at for warnings: one row."""

    place = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.place)
