"""Greenways, their yearly plans, their progress and their money."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.fields import LineStringField
from services.catalog.models import Feature, Record
from services.catalog.quantities import Money, Quantity, length


class Greenway(Feature):
    """A section of a greenway."""

    class State(models.TextChoices):
        PLANNED = "planned", _("规划")
        BUILDING = "building", _("在建")
        OPEN = "open", _("建成开放")
        CLOSED = "closed", _("封闭维修")

    class Kind(models.TextChoices):
        """Classes of the national greenway guidelines of 2016."""

        REGIONAL = "regional", _("区域（省）级")
        CITY = "city", _("市（县）级")
        COMMUNITY = "community", _("社区级")

    class Surface(models.TextChoices):
        ASPHALT = "asphalt", _("沥青")
        CONCRETE = "concrete", _("混凝土")
        PERMEABLE = "permeable", _("透水铺装")
        WOOD = "wood", _("木栈道")
        GRAVEL = "gravel", _("砂石")

    geom = LineStringField(_("线路"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.PLANNED)
    kind = models.CharField(_("绿道级别"), max_length=12, choices=Kind.choices, default=Kind.CITY)
    length = length(_("长度"), unit="km")
    width = Quantity(_("宽度"), unit="m", validators=[MinValueValidator(0)])
    surface = models.CharField(_("铺装"), max_length=12, choices=Surface.choices, blank=True)
    manager = models.CharField(_("管养单位"), max_length=100, blank=True)
    started_on = models.DateField(_("开工日期"), null=True, blank=True, db_index=True)
    opened_on = models.DateField(_("开放日期"), null=True, blank=True)

    class Meta:
        verbose_name = _("绿道")
        verbose_name_plural = pgettext_lazy("plural", "绿道")
        constraints = [
            models.CheckConstraint(
                condition=Q(opened_on=None) | Q(started_on=None) | Q(opened_on__gte=F("started_on")),
                name="greenway_dates_in_order",
                violation_error_message=_("开放日期不得早于开工日期。"),
            )
        ]


class AnnualPlan(Record):
    """What is to be built of a greenway in a year, and for how much (HZ-212)."""

    of = "greenway"

    greenway = models.ForeignKey(Greenway, models.CASCADE, verbose_name=_("绿道"), related_name="plans")
    year = models.PositiveSmallIntegerField(_("年度"), validators=[MinValueValidator(2000), MaxValueValidator(2100)])
    planned_length = Quantity(
        _("计划长度"), unit="km", summed=True, null=False, blank=False, validators=[MinValueValidator(0)]
    )
    investment = Money(_("计划投资"), unit="万元", decimal_places=4)
    reported_on = models.DateField(_("上报日期"), db_index=True)
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("年度计划")
        verbose_name_plural = pgettext_lazy("plural", "年度计划")
        ordering = ["-year"]
        constraints = [
            models.UniqueConstraint(
                fields=["greenway", "year"], name="greenway_plan_once_a_year",
                violation_error_message=_("该绿道本年度计划已上报。"),
            )
        ]  # fmt: skip


class ProgressReport(Record):
    """How much of a greenway is built (HZ-213)."""

    of = "greenway"

    greenway = models.ForeignKey(Greenway, models.CASCADE, verbose_name=_("绿道"), related_name="progress_reports")
    reported_on = models.DateField(_("上报日期"), db_index=True)
    built_length = Quantity(
        _("累计建成长度"), unit="km", summed=None, null=False, blank=False, validators=[MinValueValidator(0)]
    )
    percent = models.PositiveSmallIntegerField(
        _("完成比例"), validators=[MaxValueValidator(100)], help_text=_("百分比，0 至 100")
    )
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("进度上报")
        verbose_name_plural = pgettext_lazy("plural", "进度上报")
        ordering = ["-reported_on"]


class FundUse(Record):
    """How much money was spent on a greenway (HZ-214)."""

    class Source(models.TextChoices):
        CENTRAL = "central", _("中央及省级补助")
        LOCAL = "local", _("市县财政")
        OTHER = "other", _("社会资金")

    of = "greenway"

    greenway = models.ForeignKey(Greenway, models.CASCADE, verbose_name=_("绿道"), related_name="fund_uses")
    reported_on = models.DateField(_("上报日期"), db_index=True)
    source = models.CharField(_("资金来源"), max_length=8, choices=Source.choices)
    planned = Money(_("计划资金"), unit="万元", decimal_places=4, summed=None, validators=[MinValueValidator(0)])
    used = Money(_("已使用资金"), unit="万元", decimal_places=4, summed=None, validators=[MinValueValidator(0)])

    class Meta:
        verbose_name = _("资金使用")
        verbose_name_plural = pgettext_lazy("plural", "资金使用")
        ordering = ["-reported_on"]
