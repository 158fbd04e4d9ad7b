"""Mixing plants and mixer trucks; batches, inspections, trips and checks."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.fields import PointField
from services.catalog.models import Feature, Record
from services.catalog.moves import Moves
from services.catalog.quantities import Quantity


class Grade(models.TextChoices):
    """Strength grades of GB 50010."""

    C15 = "C15", "C15"
    C20 = "C20", "C20"
    C25 = "C25", "C25"
    C30 = "C30", "C30"
    C35 = "C35", "C35"
    C40 = "C40", "C40"
    C45 = "C45", "C45"
    C50 = "C50", "C50"
    C55 = "C55", "C55"
    C60 = "C60", "C60"


class MixingPlant(Feature):
    """A plant that makes ready-mixed concrete."""

    class State(models.TextChoices):
        RUNNING = "running", _("生产")
        IDLE = "idle", _("待机")
        RECTIFYING = "rectifying", _("整改")
        STOPPED = "stopped", _("停产")

    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.IDLE)
    enterprise = models.ForeignKey(
        "enterprises.Enterprise",
        models.PROTECT,
        verbose_name=_("所属企业"),
        null=True,
        blank=True,
        related_name="plants",
    )
    address = models.CharField(_("地址"), max_length=200, blank=True)
    lines = models.PositiveSmallIntegerField(_("生产线数"), default=1)
    capacity = Quantity(_("设计产能"), unit="m³/h", validators=[MinValueValidator(0)])
    sealed = models.BooleanField(_("封闭式料仓"), default=False)
    opened_on = models.DateField(_("投产日期"), null=True, blank=True)

    class Meta:
        verbose_name = _("搅拌站")
        verbose_name_plural = pgettext_lazy("plural", "搅拌站")


class MixerTruck(Feature):
    """A mixer truck at its latest position; its code is the number plate."""

    class State(models.TextChoices):
        IDLE = "idle", _("空闲")
        LOADING = "loading", _("装料")
        DRIVING = "driving", _("运输")
        POURING = "pouring", _("卸料")
        OFFLINE = "offline", _("离线")

    moves = Moves("speed", "heading", driving=State.DRIVING, standing=State.IDLE, offline=State.OFFLINE)

    # A truck belongs to its plant's region, wherever it drives.
    region = None

    code = models.CharField(_("车牌号"), max_length=16, unique=True)
    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.OFFLINE)
    plant = models.ForeignKey(MixingPlant, models.PROTECT, verbose_name=_("所属搅拌站"), related_name="trucks")
    volume = Quantity(_("搅动容量"), unit="m³", validators=[MinValueValidator(0)])
    speed = Quantity(_("速度"), unit="km/h", validators=[MinValueValidator(0)])
    heading = Quantity(_("航向"), unit="°", validators=[MinValueValidator(0), MaxValueValidator(360)])
    located_at = models.DateTimeField(_("定位时间"), null=True, blank=True)
    driver = models.CharField(_("驾驶员"), max_length=60, blank=True)
    driver_phone = models.CharField(_("驾驶员电话"), max_length=20, blank=True)

    class Meta:
        verbose_name = _("混凝土运输车")
        verbose_name_plural = pgettext_lazy("plural", "混凝土运输车")
        indexes = [models.Index(fields=["state"], name="mixer_truck_state")]
        constraints = [
            models.CheckConstraint(
                condition=(Q(heading=None) | Q(heading__range=(0, 360))) & (Q(speed=None) | Q(speed__gte=0)),
                name="mixer_truck_motion_possible",
                violation_error_message=_("航向应在 0° 至 360° 之间，速度不得为负。"),
            )
        ]


class Batch(Record):
    """One truckload of concrete with its delivery ticket (出厂单)."""

    of = "plant"

    plant = models.ForeignKey(MixingPlant, models.CASCADE, verbose_name=_("搅拌站"), related_name="batches")
    number = models.CharField(_("批次号"), max_length=32, unique=True)
    made_at = models.DateTimeField(_("出厂时间"))
    project = models.ForeignKey(
        "projects.Project", models.SET_NULL, verbose_name=_("供应工程"), null=True, blank=True, related_name="batches"
    )
    part = models.CharField(_("浇筑部位"), max_length=100, blank=True)
    grade = models.CharField(_("强度等级"), max_length=4, choices=Grade.choices)
    mix_number = models.CharField(_("设计配合比编号"), max_length=50, blank=True)
    volume = Quantity(_("方量"), unit="m³", summed=True, null=False, blank=False, validators=[MinValueValidator(0)])
    slump = Quantity(_("坍落度"), unit="mm", validators=[MinValueValidator(0)])
    truck = models.ForeignKey(
        MixerTruck, models.SET_NULL, verbose_name=_("运输车"), null=True, blank=True, related_name="batches"
    )

    class Meta:
        verbose_name = _("生产批次")
        verbose_name_plural = pgettext_lazy("plural", "生产批次")
        ordering = ["-made_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(volume__gt=0), name="batch_volume_positive", violation_error_message=_("方量应大于零。")
            )
        ]

    def __str__(self) -> str:
        return self.number


class PlantInspection(Record):
    """A check of a plant by the authority."""

    class Result(models.TextChoices):
        PASSED = "passed", _("合格")
        RECTIFY = "rectify", _("责令改正")
        STOPPED = "stopped", _("责令停产")

    of = "plant"

    plant = models.ForeignKey(MixingPlant, models.CASCADE, verbose_name=_("搅拌站"), related_name="inspections")
    done_on = models.DateField(_("检查日期"))
    inspector = models.CharField(_("检查人"), max_length=60)
    subject = models.CharField(_("检查内容"), max_length=200)
    findings = models.CharField(_("发现问题"), max_length=300, blank=True)
    result = models.CharField(_("检查结论"), max_length=8, choices=Result.choices)

    class Meta:
        verbose_name = _("监督检查")
        verbose_name_plural = pgettext_lazy("plural", "监督检查")
        ordering = ["-done_on"]


class Trip(Record):
    """A drive of a truck from its plant to a site."""

    of = "truck"

    truck = models.ForeignKey(MixerTruck, models.CASCADE, verbose_name=_("运输车"), related_name="trips")
    batch = models.ForeignKey(
        Batch, models.SET_NULL, verbose_name=_("生产批次"), null=True, blank=True, related_name="trips"
    )
    project = models.ForeignKey(
        "projects.Project", models.SET_NULL, verbose_name=_("目的工程"), null=True, blank=True, related_name="+"
    )
    departed_at = models.DateTimeField(_("出站时间"))
    arrived_at = models.DateTimeField(_("到场时间"), null=True, blank=True)
    unloaded_at = models.DateTimeField(_("卸料完成时间"), null=True, blank=True)
    distance = Quantity(_("行驶里程"), unit="km", summed=True, validators=[MinValueValidator(0)])

    class Meta:
        verbose_name = _("运输行程")
        verbose_name_plural = pgettext_lazy("plural", "运输行程")
        ordering = ["-departed_at"]
        constraints = [
            models.CheckConstraint(
                condition=(Q(arrived_at=None) | Q(arrived_at__gte=F("departed_at")))
                & (Q(unloaded_at=None) | Q(unloaded_at__gte=F("arrived_at"))),
                name="trip_times_in_order",
                violation_error_message=_("出站、到场、卸料时间应依次先后。"),
            )
        ]


class TruckCheck(Record):
    """A safety check of a truck before it leaves."""

    of = "truck"

    truck = models.ForeignKey(MixerTruck, models.CASCADE, verbose_name=_("运输车"), related_name="checks")
    done_on = models.DateField(_("检查日期"))
    item = models.CharField(_("检查项目"), max_length=100)
    passed = models.BooleanField(_("合格"))
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("车辆检查")
        verbose_name_plural = pgettext_lazy("plural", "车辆检查")
        ordering = ["-done_on"]
