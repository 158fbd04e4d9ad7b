"""Dust and noise monitors with their latest values, their calibrations and their faults."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.fields import PointField
from layers.environment.rules import MOST_PARTICLES
from services.catalog.models import Feature, Record
from services.catalog.quantities import Quantity

NOT_NEGATIVE = [MinValueValidator(0)]
PARTICLES = [MinValueValidator(0), MaxValueValidator(MOST_PARTICLES)]


class Monitor(Feature):
    """A dust and noise monitor; its code is the device number (MN) of HJ 212, its values are the latest ones."""

    class State(models.TextChoices):
        ONLINE = "online", _("在线")
        OFFLINE = "offline", _("离线")
        FAULT = "fault", _("故障")
        CALIBRATING = "calibrating", _("校准中")

    class Spot(models.TextChoices):
        GATE = "gate", _("车辆出入口")
        BOUNDARY = "boundary", _("场界")
        WORK = "work", _("作业区")
        SENSITIVE = "sensitive", _("敏感点")

    of = "project"
    topic = "dust"
    presence = (State.ONLINE, State.OFFLINE)

    code = models.CharField(_("设备编号（MN）"), max_length=32, unique=True)
    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.OFFLINE)
    spot = models.CharField(_("安装部位"), max_length=12, choices=Spot.choices, default=Spot.BOUNDARY)
    project = models.ForeignKey(
        "projects.Project", models.SET_NULL, verbose_name=_("所属工程"), null=True, blank=True, related_name="monitors"
    )
    maker = models.CharField(_("厂家"), max_length=60, blank=True)
    pm10 = Quantity("PM10", unit="µg/m³", factor="a34002", validators=PARTICLES)
    pm25 = Quantity("PM2.5", unit="µg/m³", factor="a34004", validators=PARTICLES)
    tsp = Quantity("TSP", unit="µg/m³", factor="a34001", validators=PARTICLES)
    noise = Quantity(_("噪声"), unit="dB(A)", factor="LA", validators=[MinValueValidator(0), MaxValueValidator(200)])
    temperature = Quantity(_("气温"), unit="℃", factor="a01001")
    humidity = Quantity(_("湿度"), unit="%", factor="a01002", validators=[MinValueValidator(0), MaxValueValidator(100)])
    pressure = Quantity(_("气压"), unit="kPa", factor="a01006", validators=NOT_NEGATIVE)
    wind_speed = Quantity(_("风速"), unit="m/s", factor="a01007", validators=NOT_NEGATIVE)
    wind_direction = Quantity(
        _("风向"), unit="°", factor="a01008", validators=[MinValueValidator(0), MaxValueValidator(360)]
    )
    so2 = Quantity(_("二氧化硫"), unit="µg/m³", factor="a21026", validators=NOT_NEGATIVE)
    no2 = Quantity(_("二氧化氮"), unit="µg/m³", factor="a21004", validators=NOT_NEGATIVE)
    o3 = Quantity(_("臭氧"), unit="µg/m³", factor="a05024", validators=NOT_NEGATIVE)
    co = Quantity(_("一氧化碳"), unit="mg/m³", factor="a21005", validators=NOT_NEGATIVE)
    measured_at = models.DateTimeField(_("监测时间"), null=True, blank=True)
    installed_on = models.DateField(_("安装日期"), null=True, blank=True)

    class Meta:
        verbose_name = _("扬尘噪声监测设备")
        verbose_name_plural = pgettext_lazy("plural", "扬尘噪声监测设备")
        indexes = [models.Index(fields=["state"], name="monitor_state")]
        constraints = [
            models.CheckConstraint(
                condition=(Q(pm10=None) | Q(pm10__gte=0))
                & (Q(pm25=None) | Q(pm25__gte=0))
                & (Q(tsp=None) | Q(tsp__gte=0)),
                name="monitor_particles_not_negative",
                violation_error_message=_("颗粒物浓度不得为负。"),
            )
        ]


class Calibration(Record):
    """A calibration of one factor against a reference."""

    class Factor(models.TextChoices):
        PM10 = "pm10", "PM10"
        PM25 = "pm25", "PM2.5"
        TSP = "tsp", "TSP"
        NOISE = "noise", _("噪声")

    of = "monitor"

    monitor = models.ForeignKey(Monitor, models.CASCADE, verbose_name=_("监测设备"), related_name="calibrations")
    done_on = models.DateField(_("校准日期"))
    factor = models.CharField(_("因子"), max_length=8, choices=Factor.choices)
    shown = models.FloatField(_("示值"))
    reference = models.FloatField(_("标准值"))
    passed = models.BooleanField(_("合格"))
    done_by = models.CharField(_("校准单位"), max_length=100, blank=True)

    class Meta:
        verbose_name = _("校准记录")
        verbose_name_plural = pgettext_lazy("plural", "校准记录")
        ordering = ["-done_on"]


class Fault(Record):
    """A time in which a monitor gave no valid values."""

    class Kind(models.TextChoices):
        OFFLINE = "offline", _("断线")
        SENSOR = "sensor", _("传感器故障")
        POWER = "power", _("供电故障")
        TAMPER = "tamper", _("疑似干扰")

    of = "monitor"

    monitor = models.ForeignKey(Monitor, models.CASCADE, verbose_name=_("监测设备"), related_name="faults")
    kind = models.CharField(_("故障类型"), max_length=12, choices=Kind.choices)
    began_at = models.DateTimeField(_("发生时间"))
    ended_at = models.DateTimeField(_("恢复时间"), null=True, blank=True)
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("故障记录")
        verbose_name_plural = pgettext_lazy("plural", "故障记录")
        ordering = ["-began_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("began_at")),
                name="monitor_fault_times_in_order",
                violation_error_message=_("恢复时间不得早于发生时间。"),
            )
        ]
