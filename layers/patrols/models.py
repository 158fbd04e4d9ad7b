"""People who supervise sites, where their phone says they are, and their visits."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.fields import PointField
from services.catalog.models import Feature, Record
from services.catalog.moves import Moves
from services.catalog.quantities import Quantity


class Officer(Feature):
    """Somebody who supervises sites, at the latest position that their phone recorded while on patrol."""

    class State(models.TextChoices):
        MOVING = "moving", _("移动")
        STILL = "still", _("停留中")
        OFF = "off", _("未在巡查")

    moves = Moves("speed", "heading", driving=State.MOVING, standing=State.STILL, offline=State.OFF, on_foot=True)

    code = models.CharField(_("工号"), max_length=30, unique=True)
    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.OFF)
    unit = models.CharField(_("所在单位"), max_length=100, blank=True)
    duty = models.CharField(_("职务"), max_length=60, blank=True)
    # A name and no key: accounts are not the business of domains, and a patrol outlives its account.
    account = models.CharField(
        _("登录账号"), max_length=150, blank=True, help_text=_("用该账号登录的手机记录此人的巡查轨迹。")
    )
    speed = Quantity(_("速度"), unit="km/h", validators=[MinValueValidator(0)])
    heading = Quantity(_("航向"), unit="°", validators=[MinValueValidator(0), MaxValueValidator(360)])
    located_at = models.DateTimeField(_("定位时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("巡查人员")
        verbose_name_plural = pgettext_lazy("plural", "巡查人员")
        indexes = [
            models.Index(fields=["state"], name="officer_state"),
            models.Index(fields=["created_at"], name="officer_entered"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account"], name="officer_account_once", condition=~Q(account=""),
                violation_error_message=_("该账号已登记给另一名巡查人员。"),
            ),
            models.CheckConstraint(
                condition=(Q(heading=None) | Q(heading__range=(0, 360))) & (Q(speed=None) | Q(speed__gte=0)),
                name="officer_motion_possible",
                violation_error_message=_("航向应在 0° 至 360° 之间，速度不得为负。"),
            ),
        ]  # fmt: skip


class Visit(Record):
    """An arrival at a site, proved by where the phone was."""

    class Purpose(models.TextChoices):
        ROUTINE = "routine", _("日常检查")
        SPECIAL = "special", _("专项检查")
        RECHECK = "recheck", _("整改复查")
        OTHER = "other", _("其他")

    of = "officer"

    officer = models.ForeignKey(Officer, models.CASCADE, verbose_name=_("巡查人员"), related_name="visits")
    project = models.ForeignKey("projects.Project", models.CASCADE, verbose_name=_("工程"), related_name="visits")
    arrived_at = models.DateTimeField(_("到场时间"), db_index=True)
    purpose = models.CharField(_("到场事由"), max_length=12, choices=Purpose.choices, default=Purpose.ROUTINE)
    distance = Quantity(_("与工程位置相距"), unit="m", validators=[MinValueValidator(0)])
    accuracy = Quantity(_("定位误差"), unit="m", validators=[MinValueValidator(0)])
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("到场签到")
        verbose_name_plural = pgettext_lazy("plural", "到场签到")
        ordering = ["-arrived_at"]
        indexes = [models.Index(fields=["officer", "-arrived_at"], name="visit_newest")]
