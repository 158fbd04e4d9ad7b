"""Enterprises, their qualifications and their credit."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.fields import PointField
from layers.enterprises.rules import validate_credit_code
from services.catalog.models import Feature, Record
from services.catalog.quantities import Money, Quantity


class Enterprise(Feature):
    """A firm or institution of the construction industry; its code is the unified social credit code."""

    class State(models.TextChoices):
        """Locking and unlocking follow DZ-025."""

        NORMAL = "normal", _("正常")
        LOCKED = "locked", _("锁定")
        CANCELLED = "cancelled", _("注销")

    class Kind(models.TextChoices):
        """The eight kinds of HZ-006, then the other responsible parties of LN-012."""

        DEVELOPER = "developer", _("房地产开发")
        CONSTRUCTION = "construction", _("建筑施工")
        SUPERVISION = "supervision", _("工程监理")
        COST = "cost", _("造价咨询")
        TENDER = "tender", _("招标代理")
        TESTING = "testing", _("检测机构")
        SURVEY_DESIGN = "survey_design", _("勘察设计")
        ENERGY = "energy", _("建筑节能")
        LABOUR = "labour", _("劳务分包")
        CONCRETE = "concrete", _("预拌混凝土")
        PREFABRICATION = "prefabrication", _("装配式构件")
        MACHINERY = "machinery", _("起重机械安装")
        OPERATION = "operation", _("设施运营")

    code = models.CharField(_("统一社会信用代码"), max_length=18, unique=True, validators=[validate_credit_code])
    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.NORMAL)
    kind = models.CharField(_("企业类型"), max_length=16, choices=Kind.choices)
    address = models.CharField(_("注册地址"), max_length=200, blank=True)
    legal_representative = models.CharField(_("法定代表人"), max_length=60, blank=True)
    phone = models.CharField(_("联系电话"), max_length=20, blank=True)
    registered_capital = Money(_("注册资本"), unit="万元", decimal_places=4)
    founded_on = models.DateField(_("成立日期"), null=True, blank=True)
    credit_score = Quantity(
        _("信用得分"),
        unit="分",
        validators=[MinValueValidator(0), MaxValueValidator(200)],
        help_text=_("0 至 200，初始 100"),
    )

    class Meta:
        verbose_name = _("企业")
        verbose_name_plural = pgettext_lazy("plural", "企业")
        indexes = [models.Index(fields=["kind", "state"], name="enterprise_kind_state")]


class Qualification(Record):
    """A qualification certificate or licence of an enterprise."""

    class Grade(models.TextChoices):
        SPECIAL = "special", _("特级")
        FIRST = "first", _("一级")
        SECOND = "second", _("二级")
        THIRD = "third", _("三级")
        NONE = "none", _("不分等级")

    of = "enterprise"

    enterprise = models.ForeignKey(Enterprise, models.CASCADE, verbose_name=_("企业"), related_name="qualifications")
    number = models.CharField(_("证书编号"), max_length=50)
    category = models.CharField(_("资质类别"), max_length=100)
    grade = models.CharField(_("等级"), max_length=8, choices=Grade.choices, default=Grade.NONE)
    issued_by = models.CharField(_("发证机关"), max_length=100)
    issued_on = models.DateField(_("发证日期"))
    valid_until = models.DateField(_("有效期至"), null=True, blank=True)

    class Meta:
        verbose_name = _("资质证书")
        verbose_name_plural = pgettext_lazy("plural", "资质证书")
        ordering = ["-issued_on"]
        constraints = [
            models.UniqueConstraint(fields=["enterprise", "number", "category"], name="qualification_once"),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gte=models.F("issued_on")),
                name="qualification_dates_in_order",
                violation_error_message=_("有效期不得早于发证日期。"),
            ),
        ]


class CreditEntry(Record):
    """Points that an authority added to or took from an enterprise's credit; they lapse on ``valid_until``."""

    class Kind(models.TextChoices):
        REWARD = "reward", _("良好行为加分")
        PENALTY = "penalty", _("不良行为扣分")

    of = "enterprise"

    enterprise = models.ForeignKey(Enterprise, models.CASCADE, verbose_name=_("企业"), related_name="credit_entries")
    project = models.CharField(_("涉及工程"), max_length=200, blank=True)
    kind = models.CharField(_("类别"), max_length=8, choices=Kind.choices)
    points = models.DecimalField(_("分值"), max_digits=5, decimal_places=1, validators=[MinValueValidator(0)])
    reason = models.CharField(_("事由"), max_length=300)
    decided_by = models.CharField(_("认定机关"), max_length=100)
    decided_on = models.DateField(_("认定日期"))
    valid_until = models.DateField(_("有效期至"), null=True, blank=True)

    class Meta:
        verbose_name = _("信用记录")
        verbose_name_plural = pgettext_lazy("plural", "信用记录")
        ordering = ["-decided_on"]
        constraints = [
            models.CheckConstraint(
                condition=Q(points__gt=0), name="credit_points_positive", violation_error_message=_("分值应大于零。")
            )
        ]
