"""Cameras and recorders, the faults of cameras and their maintenance."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.fields import PointField
from layers.video.rules import validate_camera_number, validate_recorder_number
from services.catalog.models import Feature, Record
from services.catalog.quantities import Quantity
from services.catalog.watched import Absence


def _is_retired() -> models.GeneratedField:
    """What is out of use raises no alarm."""
    return models.GeneratedField(
        expression=models.ExpressionWrapper(Q(state="retired"), models.BooleanField()),
        output_field=models.BooleanField(), db_persist=True, verbose_name=_("停止值守"),
    )  # fmt: skip


class Camera(Feature):
    """A camera; its code is the device number of GB/T 28181, its state whether it is heard."""

    class State(models.TextChoices):
        ONLINE = "online", _("在线")
        OFFLINE = "offline", _("离线")
        FAULT = "fault", _("故障")
        RETIRED = "retired", _("停用")

    class Kind(models.TextChoices):
        BULLET = "bullet", _("枪机")
        DOME = "dome", _("半球")
        SPEED_DOME = "speed_dome", _("球机")
        PANORAMIC = "panoramic", _("全景")

    class Spot(models.TextChoices):
        """The four kinds of place that LN-325 wants watched, and the others that occur."""

        GATE = "gate", _("施工现场出入口")
        LIVING = "living", _("生活区出入口")
        WORK = "work", _("重点作业区")
        HAZARD = "hazard", _("危大工程作业面")
        LABORATORY = "laboratory", _("检测与养护室")
        OTHER = "other", _("其他部位")

    of = "project"
    topic = "video"
    presence = (State.ONLINE, State.OFFLINE)
    rested_by = "resting"

    code = models.CharField(_("国标编码"), max_length=20, unique=True, validators=[validate_camera_number])
    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.OFFLINE)
    kind = models.CharField(_("类型"), max_length=12, choices=Kind.choices, default=Kind.BULLET)
    spot = models.CharField(_("安装部位"), max_length=12, choices=Spot.choices, default=Spot.OTHER)
    project = models.ForeignKey(
        "projects.Project", models.SET_NULL, verbose_name=_("所属工程"), null=True, blank=True, related_name="cameras"
    )
    maker = models.CharField(_("厂家"), max_length=60, blank=True)
    model = models.CharField(_("型号"), max_length=60, blank=True)
    can_turn = models.BooleanField(_("支持云台"), default=False)
    bearing = Quantity(
        _("朝向"), unit="°", validators=[MinValueValidator(0), MaxValueValidator(360)], help_text=_("自正北顺时针")
    )
    field_of_view = Quantity(_("视场角"), unit="°", validators=[MinValueValidator(0), MaxValueValidator(360)])
    sight = Quantity(_("可视距离"), unit="m", validators=[MinValueValidator(0)])
    installed_on = models.DateField(_("安装日期"), null=True, blank=True, db_index=True)
    seen_at = models.DateTimeField(_("最近心跳"), null=True, blank=True)
    resting = _is_retired()

    class Meta:
        verbose_name = _("摄像机")
        verbose_name_plural = pgettext_lazy("plural", "摄像机")
        indexes = [models.Index(fields=["state"], name="camera_state")]
        constraints = [
            models.CheckConstraint(
                condition=(Q(bearing=None) | Q(bearing__range=(0, 360)))
                & (Q(field_of_view=None) | Q(field_of_view__range=(0, 360))),
                name="camera_angles_in_circle",
                violation_error_message=_("朝向与视场角应在 0° 至 360° 之间。"),
            )
        ]


class Recorder(Feature):
    """A recorder or a video platform that speaks for the cameras behind it."""

    class State(models.TextChoices):
        ONLINE = "online", _("在线")
        OFFLINE = "offline", _("离线")
        RETIRED = "retired", _("停用")

    of = "project"
    topic = "video"
    presence = (State.ONLINE, State.OFFLINE)
    rested_by = "resting"

    code = models.CharField(_("国标编码"), max_length=20, unique=True, validators=[validate_recorder_number])
    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.OFFLINE)
    project = models.ForeignKey(
        "projects.Project", models.SET_NULL, verbose_name=_("所属工程"), null=True, blank=True, related_name="recorders"
    )
    maker = models.CharField(_("厂家"), max_length=60, blank=True)
    model = models.CharField(_("型号"), max_length=60, blank=True)
    installed_on = models.DateField(_("安装日期"), null=True, blank=True, db_index=True)
    seen_at = models.DateTimeField(_("最近心跳"), null=True, blank=True)
    resting = _is_retired()

    class Meta:
        verbose_name = _("录像机")
        verbose_name_plural = pgettext_lazy("plural", "录像机")
        indexes = [models.Index(fields=["state"], name="recorder_state")]


class Fault(Record):
    """A time in which a camera did not work."""

    class Kind(models.TextChoices):
        OFFLINE = "offline", _("断线")
        PICTURE = "picture", _("画面异常")
        BLOCKED = "blocked", _("镜头遮挡")
        RECORDING = "recording", _("录像缺失")
        POWER = "power", _("供电故障")

    of = "camera"
    absence = Absence("began_at", "ended_at", {"kind": Kind.OFFLINE})

    camera = models.ForeignKey(Camera, models.CASCADE, verbose_name=_("摄像机"), related_name="faults")
    kind = models.CharField(_("故障类型"), max_length=12, choices=Kind.choices)
    began_at = models.DateTimeField(_("发生时间"), db_index=True)
    ended_at = models.DateTimeField(_("恢复时间"), null=True, blank=True)
    note = models.CharField(_("说明"), max_length=300, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("故障记录")
        verbose_name_plural = pgettext_lazy("plural", "故障记录")
        ordering = ["-began_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("began_at")),
                name="camera_fault_times_in_order",
                violation_error_message=_("恢复时间不得早于发生时间。"),
            )
        ]


class Maintenance(Record):
    """A visit of a technician to a camera."""

    of = "camera"

    camera = models.ForeignKey(Camera, models.CASCADE, verbose_name=_("摄像机"), related_name="maintenances")
    done_on = models.DateField(_("维护日期"), db_index=True)
    work = models.CharField(_("维护内容"), max_length=200)
    worker = models.CharField(_("维护人员"), max_length=60, blank=True)
    repaired = models.BooleanField(_("已恢复正常"), default=True)

    class Meta:
        verbose_name = _("维护记录")
        verbose_name_plural = pgettext_lazy("plural", "维护记录")
        ordering = ["-done_on"]


class RecorderOutage(Record):
    """A time in which nothing was heard of a recorder."""

    of = "recorder"
    absence = Absence("began_at", "ended_at")

    recorder = models.ForeignKey(Recorder, models.CASCADE, verbose_name=_("录像机"), related_name="outages")
    began_at = models.DateTimeField(_("离线时间"), db_index=True)
    ended_at = models.DateTimeField(_("恢复时间"), null=True, blank=True)
    note = models.CharField(_("说明"), max_length=300, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("录像机离线记录")
        verbose_name_plural = pgettext_lazy("plural", "录像机离线记录")
        ordering = ["-began_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("began_at")),
                name="recorder_outage_times_in_order",
                violation_error_message=_("恢复时间不得早于发生时间。"),
            )
        ]
