"""Enterprises, their qualifications, and their integrity: the standard, what was recorded by it, assessments."""

from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.fields import PointField
from layers.enterprises.rules import validate_credit_code
from services.catalog.ids import UUID7, uuid7
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
    founded_on = models.DateField(_("成立日期"), null=True, blank=True, db_index=True)
    credit_score = Quantity(
        _("信用得分"),
        unit="分",
        validators=[MinValueValidator(0), MaxValueValidator(200)],
        help_text=_("按诚信评价标准算得，供地图、列表和接口使用；不能填写。"),
        editable=False,
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
    issued_on = models.DateField(_("发证日期"), db_index=True)
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


class Dated(models.Model):
    """A row of the standard of integrity: for one type of enterprise or all, from one day to before another."""

    enterprise_kind = models.CharField(
        _("适用企业类型"),
        max_length=16,
        choices=Enterprise.Kind.choices,
        blank=True,
        help_text=_("留空适用于各类企业。"),
    )
    valid_from = models.DateField(_("启用日期"))
    valid_to = models.DateField(_("失效日期"), null=True, blank=True, help_text=_("自当日起不再适用。"))
    citation = models.CharField(_("依据"), max_length=200)

    class Meta:
        abstract = True

    def clean(self) -> None:
        if self.valid_to is not None and self.valid_from is not None and self.valid_to <= self.valid_from:
            raise ValidationError({"valid_to": _("失效日期应晚于启用日期。")})


class CreditRule(Dated):
    """How points make a score and a score a grade; a rule of one type goes before that of all, the newer first."""

    version = models.CharField(_("版本"), max_length=20)
    base = models.DecimalField(_("基础分"), max_digits=6, decimal_places=1)
    least = models.DecimalField(_("最低分"), max_digits=6, decimal_places=1)
    most = models.DecimalField(_("最高分"), max_digits=6, decimal_places=1)
    a_from = models.DecimalField(_("A级起点"), max_digits=6, decimal_places=1)
    b_from = models.DecimalField(_("B级起点"), max_digits=6, decimal_places=1)
    c_from = models.DecimalField(_("C级起点"), max_digits=6, decimal_places=1, help_text=_("低于此分为D级。"))

    class Meta:
        verbose_name = _("计分规则")
        verbose_name_plural = pgettext_lazy("plural", "计分规则")
        ordering = ["enterprise_kind", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["enterprise_kind", "valid_from"], name="credit_rule_once"),
            models.CheckConstraint(
                condition=Q(least__lte=F("c_from")) & Q(c_from__lte=F("b_from")) & Q(b_from__lte=F("a_from"))
                & Q(a_from__lte=F("most")) & Q(base__gte=F("least")) & Q(base__lte=F("most")),
                name="credit_rule_in_order",
                violation_error_message=_("应依次：最低分 ≤ C级 ≤ B级 ≤ A级 ≤ 最高分，基础分在最低分与最高分之间。"),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.version


class CreditItem(Dated):
    """A conduct for which points are given or taken, how many, and for how many months they count."""

    class Kind(models.TextChoices):
        REWARD = "reward", _("良好行为加分")
        PENALTY = "penalty", _("不良行为扣分")

    class Topic(models.TextChoices):
        HONOUR = "honour", _("表彰奖励")
        QUALITY = "quality", _("质量安全")
        MARKET = "market", _("市场行为")
        SITE = "site", _("文明施工")
        LABOUR = "labour", _("劳务用工")

    code = models.CharField(_("条目编号"), max_length=16)
    kind = models.CharField(_("类别"), max_length=8, choices=Kind.choices)
    topic = models.CharField(_("行为分类"), max_length=8, choices=Topic.choices)
    title = models.CharField(_("行为"), max_length=120)
    points = models.DecimalField(
        _("分值"), max_digits=5, decimal_places=1, validators=[MinValueValidator(Decimal("0.1"))]
    )
    months = models.PositiveSmallIntegerField(
        _("有效期（月）"), validators=[MinValueValidator(1), MaxValueValidator(120)],
        help_text=_("自认定之日起计分的月数，期满自动失效。"),
    )  # fmt: skip

    class Meta:
        verbose_name = _("诚信评价条目")
        verbose_name_plural = pgettext_lazy("plural", "诚信评价条目")
        ordering = ["kind", "code", "-valid_from"]
        constraints = [models.UniqueConstraint(fields=["code", "valid_from"], name="credit_item_once")]

    def __str__(self) -> str:
        return f"{self.code} {self.title}"


class CreditEntry(Record):
    """A conduct of an enterprise by an item of the standard; its points count while it is published and in force.

    When it was published and withdrawn is kept, so that the score of any past moment is what was known then.
    """

    class State(models.TextChoices):
        """An objection does not stop the points: only withdrawing does."""

        PROPOSED = "proposed", _("待审核")
        PUBLISHED = "published", _("已公布")
        OBJECTED = "objected", _("异议中")
        WITHDRAWN = "withdrawn", _("已撤销")
        REJECTED = "rejected", _("不予采纳")

    Kind = CreditItem.Kind
    of = "enterprise"
    by_flow = True
    COUNTING = (State.PUBLISHED, State.OBJECTED)

    enterprise = models.ForeignKey(Enterprise, models.CASCADE, verbose_name=_("企业"), related_name="credit_entries")
    project = models.CharField(_("涉及工程"), max_length=200, blank=True)
    # Entries from before there was a standard name no item.
    item = models.ForeignKey(
        CreditItem, models.PROTECT, verbose_name=_("评价条目"), null=True, blank=True, related_name="entries"
    )
    kind = models.CharField(_("类别"), max_length=8, choices=CreditItem.Kind.choices)
    points = models.DecimalField(_("分值"), max_digits=5, decimal_places=1, validators=[MinValueValidator(0)])
    reason = models.CharField(_("事由"), max_length=300)
    document = models.CharField(_("文书编号"), max_length=100, blank=True, default="", db_default="")
    decided_by = models.CharField(_("认定机关"), max_length=100)
    decided_on = models.DateField(_("认定日期"), db_index=True)
    effective_from = models.DateField(_("生效日期"), null=True, blank=True)
    valid_until = models.DateField(_("有效期至"), null=True, blank=True, help_text=_("含当日。"))
    state = models.CharField(
        _("状态"), max_length=10, choices=State.choices, default=State.PROPOSED, db_default=State.PROPOSED
    )
    published_at = models.DateTimeField(_("公布时间"), null=True, blank=True)
    withdrawn_at = models.DateTimeField(_("撤销时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("诚信行为记录")
        verbose_name_plural = pgettext_lazy("plural", "诚信行为记录")
        ordering = ["-decided_on", "-id"]
        indexes = [
            # What the score of one enterprise adds up, without reading the table.
            models.Index(
                fields=["enterprise", "effective_from", "valid_until"], name="credit_in_force",
                include=["kind", "points", "published_at", "withdrawn_at"], condition=Q(published_at__isnull=False),
            ),
            models.Index(fields=["state", "decided_on"], name="credit_state"),
        ]  # fmt: skip
        constraints = [
            models.CheckConstraint(
                condition=Q(points__gt=0), name="credit_points_positive", violation_error_message=_("分值应大于零。")
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["published", "objected"])
                | Q(published_at__isnull=False, effective_from__isnull=False, withdrawn_at=None),
                name="credit_published_whole",
            ),
            models.CheckConstraint(
                condition=~Q(state="withdrawn") | Q(withdrawn_at__isnull=False), name="credit_withdrawn_whole"
            ),
        ]


class CreditStep(models.Model):
    """One thing that was done about an entry, by whom, with the files that prove it."""

    class Kind(models.TextChoices):
        RECORDED = "recorded", _("登记")
        APPLIED = "applied", _("企业申请加分")
        PUBLISHED = "published", _("审核公布")
        REJECTED = "rejected", _("不予采纳")
        OBJECTED = "objected", _("提出异议")
        UPHELD = "upheld", _("维持原认定")
        WITHDRAWN = "withdrawn", _("撤销")

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    entry = models.ForeignKey(CreditEntry, models.CASCADE, verbose_name=_("诚信行为记录"), related_name="steps")
    kind = models.CharField(_("环节"), max_length=10, choices=Kind.choices)
    at = models.DateTimeField(_("时间"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("人员"), null=True, blank=True, related_name="+"
    )
    person = models.CharField(_("经办人"), max_length=60, blank=True)
    text = models.CharField(_("说明"), max_length=1000, blank=True)
    files = models.JSONField(_("附件"), default=list, blank=True)

    class Meta:
        verbose_name = _("诚信行为办理经过")
        verbose_name_plural = pgettext_lazy("plural", "诚信行为办理经过")
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.at:%Y-%m-%d %H:%M}"


class CreditAssessment(Record):
    """The assessment of an enterprise over a quarter or a year, frozen with what it was made of.

    A correction is a further version; the database refuses to change a version that is there.
    """

    class Period(models.TextChoices):
        QUARTER = "quarter", _("季度考评")
        YEAR = "year", _("年度考评")

    class Grade(models.TextChoices):
        A = "A", _("A级")
        B = "B", _("B级")
        C = "C", _("C级")
        D = "D", _("D级")

    of = "enterprise"
    by_flow = True

    enterprise = models.ForeignKey(
        Enterprise, models.CASCADE, verbose_name=_("企业"), related_name="credit_assessments"
    )
    period = models.CharField(_("考评周期"), max_length=8, choices=Period.choices)
    first = models.DateField(_("起始日期"))
    last = models.DateField(_("截止日期"), db_index=True)
    version = models.PositiveSmallIntegerField(_("版本"), default=1)
    enterprise_kind = models.CharField(_("当时企业类型"), max_length=16, choices=Enterprise.Kind.choices)
    rule = models.ForeignKey(CreditRule, models.PROTECT, verbose_name=_("计分规则"), related_name="+")
    rule_version = models.CharField(_("规则版本"), max_length=20)
    base = models.DecimalField(_("基础分"), max_digits=6, decimal_places=1)
    gained = models.DecimalField(_("加分"), max_digits=7, decimal_places=1)
    lost = models.DecimalField(_("扣分"), max_digits=7, decimal_places=1)
    score = models.DecimalField(_("考评得分"), max_digits=6, decimal_places=1)
    grade = models.CharField(_("等级"), max_length=1, choices=Grade.choices)
    rank = models.PositiveIntegerField(_("同类排名"), null=True, blank=True)
    ranked = models.PositiveIntegerField(_("同类企业数"), null=True, blank=True)
    inputs = models.JSONField(_("计分明细"), default=list)
    made_at = models.DateTimeField(_("考评时间"))
    made_by = models.CharField(_("考评人"), max_length=60, blank=True)
    reason = models.CharField(_("更正原因"), max_length=300, blank=True)
    superseded_at = models.DateTimeField(_("被更正时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("诚信考评")
        verbose_name_plural = pgettext_lazy("plural", "诚信考评")
        ordering = ["-last", "period", "-version"]
        indexes = [
            models.Index(
                fields=["period", "first", "enterprise_kind", "rank"], name="assessment_of_period",
                condition=Q(superseded_at=None),
            )
        ]  # fmt: skip
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "period", "first", "version"], name="assessment_version_once"
            ),
            models.UniqueConstraint(
                fields=["enterprise", "period", "first"], condition=Q(superseded_at=None), name="assessment_holds_once"
            ),
        ]
