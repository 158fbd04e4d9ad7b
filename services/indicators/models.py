"""Indicators, their dated thresholds, and the light of each feature from when on to when."""

from datetime import date

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.indicators import formulas, numbers


class Color(models.TextChoices):
    """What a light says; without a value there is none."""

    RED = "red", pgettext_lazy("light", "红灯")
    YELLOW = "yellow", pgettext_lazy("light", "黄灯")
    GREEN = "green", pgettext_lazy("light", "绿灯")
    NONE = "none", pgettext_lazy("light", "无数据")


class Indicator(models.Model):
    """A formula over the numbers of a layer's features, and what is advised where it is over a threshold."""

    class Kind(models.TextChoices):
        """The type of the warning."""

        QUALITY = "quality", _("质量")
        SAFETY = "safety", _("安全")
        ECOLOGY = "ecology", _("环境")
        PROGRESS = "progress", _("进度")
        MANAGEMENT = "management", _("管理")
        DUE = "due", _("到期")

    key = models.SlugField(_("标识"), max_length=40, unique=True, null=True, blank=True, editable=False)
    name = models.CharField(_("指标名称"), max_length=60)
    layer = models.CharField(_("图层"), max_length=64)
    kind = models.CharField(_("预警类型"), max_length=12, choices=Kind.choices, default=Kind.MANAGEMENT)
    formula = models.CharField(_("指标公式"), max_length=300)
    unit = models.CharField(_("计量单位"), max_length=16, blank=True)
    downward = models.BooleanField(_("越低越严重"), default=False)
    advice_yellow = models.CharField(_("黄灯建议"), max_length=300, blank=True)
    advice_red = models.CharField(_("红灯建议"), max_length=300, blank=True)
    advice_yellow_en = models.CharField(_("黄灯建议（英文）"), max_length=300, blank=True)
    advice_red_en = models.CharField(_("红灯建议（英文）"), max_length=300, blank=True)
    enabled = models.BooleanField(_("启用"), default=True)
    trouble = models.CharField(_("计算错误"), max_length=300, blank=True, editable=False)
    evaluated_at = models.DateTimeField(_("计算时间"), null=True, editable=False)

    class Meta:
        verbose_name = _("预警指标")
        verbose_name_plural = _("预警指标")
        ordering = ["kind", "name", "pk"]

    def __str__(self) -> str:
        return str(_(self.name))

    @property
    def warning(self) -> str:
        """The key of the kind of warning that comes of it."""
        return f"indicator-{self.pk}"

    def clean(self) -> None:
        layer = registry.get(self.layer)
        if layer is None:
            raise ValidationError({"layer": _("请选择图层。")})
        if problem := formulas.check(self.formula, numbers.known(layer)):
            raise ValidationError({"formula": problem})

    def advice(self, color: str, language: str | None = None) -> str:
        """What is advised under a light, in the language of whoever reads it; empty under a green one."""
        if color not in (Color.RED, Color.YELLOW):
            return ""
        english = (language or get_language() or "").startswith("en")
        return (english and str(getattr(self, f"advice_{color}_en"))) or str(getattr(self, f"advice_{color}"))

    def threshold(self, day: date) -> "Threshold | None":
        """The thresholds in force on a day."""
        held = [row for row in self.thresholds.all() if row.valid_from <= day]
        return max(held, key=lambda row: row.valid_from, default=None)


class Threshold(models.Model):
    """From which day on, over which values the light is yellow and red; the value itself is not over it."""

    indicator = models.ForeignKey(
        Indicator, models.CASCADE, verbose_name=_("预警指标"), related_name="thresholds"
    )  # fmt: skip
    yellow = models.FloatField(_("黄灯阈值"))
    red = models.FloatField(_("红灯阈值"))
    valid_from = models.DateField(_("启用日期"))
    citation = models.CharField(_("依据"), max_length=200)

    class Meta:
        verbose_name = _("预警阈值")
        verbose_name_plural = _("预警阈值")
        ordering = ["indicator", "-valid_from"]
        constraints = [models.UniqueConstraint(fields=["indicator", "valid_from"], name="threshold_once")]

    def __str__(self) -> str:
        return f"{self.yellow:g} / {self.red:g} {self.valid_from}"

    @property
    def figures(self) -> tuple[str, str]:
        """The values for yellow and red as people write them."""
        return f"{self.yellow:g}", f"{self.red:g}"

    def color(self, value: float, downward: bool) -> Color:
        """The light of a value."""
        if value < self.red if downward else value > self.red:
            return Color.RED
        return Color.YELLOW if (value < self.yellow if downward else value > self.yellow) else Color.GREEN


class Light(models.Model):
    """The value of an indicator at a feature and its light, from when on to when it was last found so."""

    indicator = models.ForeignKey(Indicator, models.CASCADE, verbose_name=_("预警指标"), related_name="lights")
    # A feature may go; what was found of it stays.
    feature = models.ForeignKey(
        FeatureIndex, models.DO_NOTHING, verbose_name=_("要素"), db_constraint=False, related_name="+"
    )
    value = models.FloatField(_("指标值"), null=True)
    limit = models.FloatField(_("阈值"), null=True)
    color = models.CharField(_("灯色"), max_length=6, choices=Color.choices)
    since = models.DateTimeField(_("开始时间"))
    until = models.DateTimeField(_("截至时间"))
    current = models.BooleanField(default=True)

    class Meta:
        verbose_name = _("红绿灯")
        verbose_name_plural = _("红绿灯")
        ordering = ["-since"]
        indexes = [models.Index(fields=["feature", "indicator", "-since"], name="light_history")]
        constraints = [
            models.UniqueConstraint(
                fields=["indicator", "feature"], name="light_now_once", condition=models.Q(current=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.indicator_id} {self.feature_id} {self.color}"
