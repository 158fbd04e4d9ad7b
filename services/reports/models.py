"""Reports that people saved, the editions that were made of reports, and what is still to be made."""

from datetime import date

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from services.accounts.roles import Role
from services.catalog.ids import UUID7, uuid7
from services.telemetry.reports import FREE, KINDS, Period, period

CUSTOM = "custom:"
"""What the key of a custom report begins with; that of a declared one holds no colon."""


class Custom(models.Model):
    """A report that somebody put together: of which features, what, over which time, in which columns."""

    class Choice(models.TextChoices):
        """Which features of the layer; what the reader may not see is left out whatever was chosen."""

        ALL = "all", _("权限内全部")
        REGION = "region", _("按行政区")
        UNDER = "under", _("按所属")
        CHOSEN = "chosen", _("指定的要素")

    class By(models.TextChoices):
        """What a line is."""

        FEATURE = "feature", _("每个要素一行")
        TIME = "time", _("每个时段一行")
        BOTH = "both", _("每个要素的每个时段一行")

    class Part(models.TextChoices):
        """How long a part of the time is."""

        HOUR = "hour", _("小时")
        DAY = "day", _("日")
        MONTH = "month", _("月")

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    name = models.CharField(_("报表名称"), max_length=100)
    about = models.CharField(_("说明"), max_length=200, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("创建人"), related_name="+", editable=False
    )
    roles = ArrayField(
        models.CharField(max_length=20, choices=[choice for choice in Role.choices if choice[0] != Role.PUBLIC]),
        verbose_name=_("共享给"), default=list, blank=True,
    )  # fmt: skip
    layer = models.CharField(_("图层"), max_length=64)
    choice = models.CharField(_("要素范围"), max_length=7, choices=Choice.choices, default=Choice.ALL)
    region = models.CharField(_("行政区"), max_length=12, blank=True)
    along = models.CharField(_("所属关系"), max_length=64, blank=True)
    under = models.UUIDField(_("所属对象"), null=True, blank=True)
    features = ArrayField(models.UUIDField(), verbose_name=pgettext_lazy("plural", "要素"), default=list, blank=True)
    period = models.CharField(
        _("报表周期"), max_length=7, choices=[*KINDS.items(), (FREE, _("自定时间"))], default="month"
    )
    first = models.DateField(_("开始日期"), null=True, blank=True)
    last = models.DateField(_("结束日期"), null=True, blank=True)
    by = models.CharField(_("每行内容"), max_length=7, choices=By.choices, default=By.FEATURE)
    part = models.CharField(_("时段长度"), max_length=5, choices=Part.choices, default=Part.DAY)
    columns = ArrayField(models.CharField(max_length=100), verbose_name=_("列"), default=list)
    sort = models.CharField(_("排序"), max_length=101, blank=True)
    repeat = models.CharField(
        _("自动生成"), max_length=7, choices=[*KINDS.items()], blank=True, default="", db_default=""
    )
    hour = models.PositiveSmallIntegerField(
        _("生成时间"), default=8, db_default=8, validators=[MaxValueValidator(23)]
    )  # fmt: skip
    recipients = ArrayField(models.UUIDField(), verbose_name=_("接收人"), default=list, blank=True)
    upto = models.DateField(_("已安排至"), null=True, editable=False)
    """Every period that ended by this day was asked for; None where it does not make itself."""
    created_at = models.DateTimeField(_("创建时间"), auto_now_add=True)
    updated_at = models.DateTimeField(_("更新时间"), auto_now=True)

    class Meta:
        verbose_name = _("自定义报表")
        verbose_name_plural = _("自定义报表")
        ordering = ["name", "id"]
        indexes = [models.Index(fields=["owner"], name="custom_of_owner")]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(period=FREE) | models.Q(first__isnull=False, last__gte=models.F("first")),
                name="custom_free_time",
            ),
            models.CheckConstraint(condition=models.Q(hour__lte=23), name="custom_hour"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """Its name among those of the declared reports, in editions and what is due."""
        return f"{CUSTOM}{self.pk}"

    def time(self, day: date, kind: str = "") -> Period:
        """The period in which a day lies, of another kind where one is named; a time that was chosen is always that."""
        if self.period == FREE and self.first is not None and self.last is not None:
            return Period(FREE, self.first, date.fromordinal(self.last.toordinal() + 1))
        return period(kind or self.period, day)


class Edition(models.Model):
    """One version of a report over a period that is over, of a region, of one feature or as its owner put it together;
    never changed.
    """

    class Reason(models.TextChoices):
        """Why it was made."""

        PERIOD = "period", _("周期结束")
        LATE = "late", _("补传数据")

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    report = models.CharField(_("报表"), max_length=64)
    kind = models.CharField(_("报表周期"), max_length=7, choices=[*KINDS.items()])
    first = models.DateField(_("开始日期"))
    region = models.CharField(_("行政区"), max_length=12, blank=True)
    # No foreign key: features are rows of any layer, and a report outlives the feature it was about.
    feature = models.UUIDField(_("要素"), null=True)
    subject = models.CharField(_("对象"), max_length=200, blank=True)
    custom = models.ForeignKey(Custom, models.CASCADE, verbose_name=_("自定义报表"), null=True, related_name="editions")
    features = ArrayField(models.UUIDField(), verbose_name=_("所含要素"), default=list)
    columns = ArrayField(models.CharField(max_length=100), verbose_name=_("列"), default=list)
    layers = ArrayField(models.CharField(max_length=64), verbose_name=_("所含图层"))
    version = models.PositiveSmallIntegerField(_("版本"))
    newest = models.BooleanField(_("最新版本"), default=True)
    reason = models.CharField(_("生成原因"), max_length=6, choices=Reason.choices)
    sheets = models.JSONField(_("内容"))
    digest = models.CharField(_("内容摘要"), max_length=64)
    inputs = models.JSONField(_("数据来源"), default=dict)
    program = models.CharField(_("程序版本"), max_length=40)
    made_at = models.DateTimeField(_("生成时间"))
    took_ms = models.PositiveIntegerField(_("用时（毫秒）"))
    late_at = models.DateTimeField(_("补传数据到达"), null=True, editable=False)
    """When data of its period changed after it was made, and might make it say something else; else None."""

    class Meta:
        verbose_name = _("自动生成的报表")
        verbose_name_plural = _("自动生成的报表")
        ordering = ["-first", "report", "subject", "-version"]
        indexes = [
            models.Index(
                fields=["-first", "report", "subject", "id"], name="edition_list", condition=models.Q(newest=True)
            ),
            models.Index(fields=["feature", "-first"], name="edition_of_feature", condition=models.Q(newest=True)),
            models.Index(fields=["-made_at", "id"], name="edition_made", condition=models.Q(newest=True)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["report", "kind", "first", "region", "feature", "version"], name="edition_once",
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["report", "kind", "first", "region", "feature"], name="edition_newest_once",
                condition=models.Q(newest=True), nulls_distinct=False,
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.report} {self.time.label} {self.subject} v{self.version}"

    @property
    def time(self) -> Period:
        """The period that it is about."""
        return period(self.kind, self.first)


class Due(models.Model):
    """An edition that is to be made: whoever makes it takes the row away with the same commit."""

    report = models.CharField(_("报表"), max_length=64)
    kind = models.CharField(_("报表周期"), max_length=7)
    first = models.DateField(_("开始日期"))
    region = models.CharField(_("行政区"), max_length=12, blank=True)
    feature = models.UUIDField(_("要素"), null=True)
    reason = models.CharField(_("生成原因"), max_length=6, choices=Edition.Reason.choices)
    not_before = models.DateTimeField(_("最早开始"))
    attempts = models.PositiveSmallIntegerField(_("已尝试次数"), default=0)
    trouble = models.CharField(_("错误"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("待生成报表")
        verbose_name_plural = _("待生成报表")
        ordering = ["-first", "id"]
        indexes = [models.Index(fields=["-first", "id"], name="due_order")]
        constraints = [
            models.UniqueConstraint(
                fields=["report", "kind", "first", "region", "feature"], name="due_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.report} {self.kind} {self.first}"


class Schedule(models.Model):
    """How far the periods of a report are asked for: every one that ended by ``upto`` has been."""

    report = models.CharField(_("报表"), max_length=64)
    kind = models.CharField(_("报表周期"), max_length=7)
    upto = models.DateField(_("已安排至"))

    class Meta:
        verbose_name = _("报表安排")
        verbose_name_plural = _("报表安排")
        constraints = [models.UniqueConstraint(fields=["report", "kind"], name="schedule_once")]

    def __str__(self) -> str:
        return f"{self.report} {self.kind} {self.upto}"
