"""The tables of limits and scales: what an office may add to and end, with its source."""

from dataclasses import fields

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from services.limits import rows


class Period(models.TextChoices):
    """The part of the day for which a limit holds."""

    DAY = rows.DAY, _("昼间")
    NIGHT = rows.NIGHT, _("夜间")


class Dated(models.Model):
    """What limits and scales share: the standard, the factor, the span and the days between which they hold."""

    standard = models.CharField(_("标准"), max_length=40)
    version = models.CharField(_("版本"), max_length=20)
    factor = models.CharField(_("因子编码"), max_length=20)
    minutes = models.PositiveIntegerField(
        _("平均时间（分钟）"), help_text=_("0为单次值，1440为日平均，525600为年平均。")
    )
    valid_from = models.DateField(_("启用日期"))
    valid_to = models.DateField(_("失效日期"), null=True, blank=True, help_text=_("自当日起不再适用。"))
    citation = models.CharField(_("依据"), max_length=200)

    class Meta:
        abstract = True

    def clean(self) -> None:
        if self.valid_to is not None and self.valid_from is not None and self.valid_to <= self.valid_from:
            raise ValidationError({"valid_to": _("失效日期应晚于启用日期。")})


class Limit(Dated):
    """A limit, as ``rows.Limit``."""

    value = models.FloatField(_("限值"), null=True, blank=True)
    low = models.FloatField(_("下限"), null=True, blank=True)
    unit = models.CharField(_("单位"), max_length=16, blank=True)
    grade = models.CharField(_("级别"), max_length=20, blank=True)
    stage = models.CharField(_("施工阶段"), max_length=40, blank=True)
    region = models.CharField(_("行政区"), max_length=12, blank=True, help_text=_("行政区划代码前缀，留空为全国。"))
    period = models.CharField(_("时段"), max_length=5, choices=Period.choices, blank=True)
    given = models.CharField(_("前提因子"), max_length=20, blank=True)
    given_most = models.FloatField(_("前提因子不高于"), null=True, blank=True)
    allowed = models.PositiveSmallIntegerField(_("每日允许超标次数"), default=0)
    over_background = models.BooleanField(_("扣除背景值"), default=False)
    verified = models.BooleanField(_("已核对"), default=False)

    class Meta:
        verbose_name = _("标准限值")
        verbose_name_plural = _("标准限值")
        ordering = ["standard", "factor", "minutes", "valid_from", "region", "grade", "period", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "standard", "version", "factor", "minutes", "grade", "stage", "region", "period", "given",
                    "valid_from",
                ],
                name="limit_once",
            ),
            models.CheckConstraint(
                condition=models.Q(value__isnull=False) | models.Q(low__isnull=False), name="limit_has_a_value"
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.standard}-{self.version} {self.factor} {self.value}"

    @property
    def row(self) -> rows.Limit:
        """The plain value."""
        return rows.Limit(**{f.name: getattr(self, f.name) for f in fields(rows.Limit)})


class Scale(Dated):
    """The points of an index, as ``rows.Scale``."""

    points = models.JSONField(_("浓度限值"))
    indices = models.JSONField(_("分指数"))
    beyond = models.PositiveSmallIntegerField(_("超出最高点时"), null=True, blank=True)
    digits = models.PositiveSmallIntegerField(_("浓度修约小数位"), null=True, blank=True)

    class Meta:
        verbose_name = _("分指数表")
        verbose_name_plural = _("分指数表")
        ordering = ["standard", "valid_from", "factor", "minutes"]
        constraints = [
            models.UniqueConstraint(fields=["standard", "version", "factor", "minutes"], name="scale_once")
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.standard}-{self.version} {self.factor}"

    @property
    def row(self) -> rows.Scale:
        """The plain value."""
        values = {f.name: getattr(self, f.name) for f in fields(rows.Scale)}
        return rows.Scale(**{**values, "points": tuple(map(str, self.points)), "indices": tuple(self.indices)})
