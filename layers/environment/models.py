"""Dust and noise monitors with their latest values, areas under control, and orders to remedy what was exceeded."""

from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.fields import MultiPolygonField, PointField
from layers.environment.rules import EARTH, MOST_PARTICLES, STAGES
from services.alarms.models import Level
from services.catalog.models import Feature, Record
from services.catalog.quantities import Quantity
from services.limits.standing import Stages

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
    rested_by = "off_duty"
    rested_until = "off_duty_until"

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
    installed_on = models.DateField(_("安装日期"), null=True, blank=True, db_index=True)
    off_duty = models.BooleanField(
        _("停止值守"),
        default=False,
        db_default=False,
        help_text=_("停止值守期间照常接收数据，不产生告警；须写明原因。"),
    )
    off_duty_reason = models.CharField(_("停止值守原因"), max_length=200, blank=True, db_default="")
    off_duty_until = models.DateTimeField(
        _("停止值守至"), null=True, blank=True, help_text=_("到时自动恢复值守；留空则一直停止值守，直到人工恢复。")
    )

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

    def clean(self) -> None:
        if self.off_duty and not self.off_duty_reason.strip():
            raise ValidationError({"off_duty_reason": _("请填写停止值守的原因。")})
        until = self.off_duty_until
        if self.off_duty and isinstance(until, datetime):
            if timezone.is_naive(until):
                raise ValidationError({"off_duty_until": _("请写明时区。")})
            if until <= timezone.now():
                # What ended by itself since it was stored is no mistake of whoever changes another value now.
                if not type(self).objects.filter(pk=self.pk, off_duty=True, off_duty_until=until).exists():
                    raise ValidationError({"off_duty_until": _("应晚于现在。")})
                self.off_duty = False
        if not self.off_duty:
            self.off_duty_reason, self.off_duty_until = "", None

    @property
    def resting(self) -> bool:
        """Whether it is off duty now: what has an end ends by itself."""
        return self.off_duty and (self.off_duty_until is None or self.off_duty_until > timezone.now())

    @classmethod
    def limit_stages(cls, features: Collection[UUID]) -> dict[UUID, Stages]:
        """From which day on which stage, as dust limits know it, was reported of each monitor's project.

        A demolition is one all the time. Before the first report, and where nothing is known, there is none.
        """
        found: dict[UUID, Stages] = {}
        mine = cls.objects.filter(pk__in=features, project__isnull=False)
        for pk, kind, stage, begun in mine.values_list("pk", "project__kind", "project__stage", "project__start_date"):
            if kind == "demolition" or stage in STAGES:
                since = date.min if kind == "demolition" else begun or date.min
                found[pk] = [(since, EARTH if kind == "demolition" else STAGES[stage])]
        reported = mine.exclude(project__kind="demolition").filter(project__progress_reports__stage__in=STAGES)
        names = ("pk", "project__progress_reports__reported_on", "project__progress_reports__stage")
        dated: dict[UUID, Stages] = defaultdict(list)
        for pk, day, stage in reported.order_by("project__progress_reports__reported_on").values_list(*names):
            dated[pk].append((day, STAGES[stage]))
        return found | dated


class Calibration(Record):
    """A calibration of one factor against a reference."""

    class Factor(models.TextChoices):
        PM10 = "pm10", "PM10"
        PM25 = "pm25", "PM2.5"
        TSP = "tsp", "TSP"
        NOISE = "noise", _("噪声")

    of = "monitor"

    monitor = models.ForeignKey(Monitor, models.CASCADE, verbose_name=_("监测设备"), related_name="calibrations")
    done_on = models.DateField(_("校准日期"), db_index=True)
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
    began_at = models.DateTimeField(_("发生时间"), db_index=True)
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


class ControlArea(Feature):
    """An area under control: who answers for it, and which class of air its people are entitled to."""

    class Kind(models.TextChoices):
        """Why it is under control."""

        KEY = "key", _("重点管控区")
        HOMES = "homes", _("居民集中区")
        SENSITIVE = "sensitive", _("学校医院等敏感区")
        DEVELOPMENT = "development", _("集中开发区")
        OTHER = "other", _("其他区域")

    class Grade(models.TextChoices):
        """Classes of GB 3095."""

        FIRST = "1", _("一类区")
        SECOND = "2", _("二类区")

    code = models.CharField(_("区域编号"), max_length=32, unique=True)
    geom = MultiPolygonField(_("范围"), null=True, blank=True)
    kind = models.CharField(_("区域类别"), max_length=12, choices=Kind.choices, default=Kind.KEY)
    grade = models.CharField(_("空气质量功能区"), max_length=1, choices=Grade.choices, default=Grade.SECOND)
    responsible = models.ForeignKey(
        "enterprises.Enterprise", models.SET_NULL, verbose_name=_("责任单位"), null=True, blank=True,
        related_name="control_areas",
    )  # fmt: skip
    authority = models.CharField(_("主管部门"), max_length=100, blank=True)
    person = models.CharField(_("责任人"), max_length=60, blank=True)
    phone = models.CharField(_("责任人电话"), max_length=20, blank=True)
    since = models.DateField(_("划定日期"), null=True, blank=True, db_index=True)
    basis = models.CharField(_("划定依据"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("管控区域")
        verbose_name_plural = pgettext_lazy("plural", "管控区域")


class Patrol(Record):
    """A visit of those who answer for an area."""

    of = "area"

    area = models.ForeignKey(ControlArea, models.CASCADE, verbose_name=_("管控区域"), related_name="patrols")
    done_on = models.DateField(_("巡查日期"), db_index=True)
    done_by = models.CharField(_("巡查人"), max_length=60)
    finding = models.CharField(_("巡查情况"), max_length=300, blank=True)
    passed = models.BooleanField(_("符合要求"), default=True)

    class Meta:
        verbose_name = _("巡查记录")
        verbose_name_plural = pgettext_lazy("plural", "巡查记录")
        ordering = ["-done_on"]


class RemediationOrder(Feature):
    """An order to the unit in charge to remedy what a monitor found; it stands where the monitor stands."""

    class State(models.TextChoices):
        """How far it is; that it is overdue is derived from its deadline."""

        ISSUED = "issued", _("待整改")
        REPLIED = "replied", _("待复查")
        RETURNED = "returned", _("退回整改")
        CLOSED = "closed", _("已办结")
        WITHDRAWN = "withdrawn", _("已撤销")

    of = "monitor"
    topic = "remediation"
    WAITING = (State.ISSUED, State.RETURNED)
    """For the unit in charge."""
    OPEN = (*WAITING, State.REPLIED)

    code = models.CharField(_("整改单号"), max_length=32, unique=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.ISSUED)
    level = models.CharField(_("级别"), max_length=6, choices=Level.choices, default=Level.YELLOW)
    monitor = models.ForeignKey(Monitor, models.PROTECT, verbose_name=_("监测设备"), related_name="orders")
    unit = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, verbose_name=_("责任单位"), related_name="remediation_orders"
    )
    # No foreign key: alarms of many years may be archived before the orders that came of them.
    alarm = models.UUIDField(_("来源告警"), null=True, blank=True)
    finding = models.CharField(_("存在问题"), max_length=300)
    requirement = models.TextField(_("整改要求"), max_length=2000)
    issuer = models.CharField(_("签发人"), max_length=60, blank=True)
    issued_at = models.DateTimeField(_("签发时间"), db_index=True)
    due_at = models.DateTimeField(_("整改期限"))
    replied_at = models.DateTimeField(_("首次回复时间"), null=True, blank=True)
    late = models.BooleanField(_("逾期回复"), default=False, help_text=_("首次回复晚于当时的期限。"))
    closed_at = models.DateTimeField(_("办结时间"), null=True, blank=True)
    returns = models.PositiveSmallIntegerField(_("退回次数"), default=0)

    class Meta:
        verbose_name = _("整改单")
        verbose_name_plural = pgettext_lazy("plural", "整改单")
        indexes = [models.Index(fields=["state", "due_at"], name="order_state_due")]
        constraints = [
            models.CheckConstraint(
                condition=Q(due_at__gt=F("issued_at")), name="order_due_after_issue",
                violation_error_message=_("整改期限应晚于签发时间。"),
            ),
            models.UniqueConstraint(
                fields=["alarm", "unit"], name="order_once_an_alarm",
                condition=Q(alarm__isnull=False) & ~Q(state="withdrawn"),
                violation_error_message=_("该告警已向这个单位签发过整改单。"),
            ),
        ]  # fmt: skip


class OrderStep(Record):
    """One thing that was done about an order, by whom, with the photographs that belong to it."""

    class Kind(models.TextChoices):
        """What was done."""

        ISSUED = "issued", _("签发")
        URGED = "urged", _("催办")
        REPLIED = "replied", _("回复整改")
        RETURNED = "returned", _("退回整改")
        CLOSED = "closed", _("复查通过")
        WITHDRAWN = "withdrawn", _("撤销")

    of = "order"

    order = models.ForeignKey(RemediationOrder, models.CASCADE, verbose_name=_("整改单"), related_name="steps")
    kind = models.CharField(_("环节"), max_length=12, choices=Kind.choices)
    at = models.DateTimeField(_("时间"), db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("人员"), null=True, blank=True, related_name="+"
    )
    person = models.CharField(_("经办人"), max_length=60, blank=True)
    text = models.CharField(_("说明"), max_length=1000, blank=True)
    files = models.JSONField(_("照片"), default=list, blank=True, editable=False)

    class Meta:
        verbose_name = _("整改经过")
        verbose_name_plural = pgettext_lazy("plural", "整改经过")
        ordering = ["at", "id"]
