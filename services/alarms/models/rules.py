"""Levels, rules with their deadlines and tiers, and what gateways can say of a device."""

from django.apps import apps
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from services.accounts.roles import Role
from services.alarms.conditions import check
from services.catalog.layer import registry
from services.limits.models import Period
from services.notify.models import Level as NoticeLevel
from services.telemetry.models import Factor
from services.telemetry.spans import Span


class Level(models.TextChoices):
    """The four levels, most urgent first."""

    RED = NoticeLevel.RED.value, _("红色")
    ORANGE = NoticeLevel.ORANGE.value, _("橙色")
    YELLOW = NoticeLevel.YELLOW.value, _("黄色")
    BLUE = NoticeLevel.BLUE.value, _("蓝色")


URGENCY = {level: number for number, level in enumerate(Level.values)}
"""0 is the most urgent."""


def module_title(label: str) -> str:
    """The name of an app for people: a domain is called by its first layer."""
    layer = next((layer for layer in registry if layer.model._meta.app_label == label), None)
    if layer is not None:
        return str(layer.title)
    return str(apps.get_app_config(label).verbose_name) if label in apps.app_configs else label or "—"


class Rule(models.Model):
    """When an alarm is raised, for which features, how urgent it is and who is told."""

    class Kind(models.TextChoices):
        """What a rule looks at."""

        MEASURE = "measure", _("监测值")
        SILENCE = "silence", _("设备静默")
        QUALITY = "quality", _("数据质量")
        REPORT = "report", _("设备异常报告")
        MODULE = "module", _("模块预警")

    SPANS = [Span.REAL, Span.MINUTE, Span.HOUR, Span.DAY, Span.DAYTIME, Span.NIGHT]

    key = models.SlugField(_("标识"), max_length=60, unique=True, null=True, blank=True, editable=False)
    name = models.CharField(_("名称"), max_length=100)
    kind = models.CharField(_("判断对象"), max_length=8, choices=Kind.choices, default=Kind.MEASURE)
    enabled = models.BooleanField(_("启用"), default=True)
    layer = models.CharField(_("图层"), max_length=64, blank=True, help_text=_("平台自身的预警留空。"))
    module = models.CharField(_("模块"), max_length=40, blank=True, db_default="", editable=False)
    region = models.CharField(_("行政区"), max_length=12, blank=True, help_text=_("行政区划代码，留空为全部。"))
    features = ArrayField(models.UUIDField(), verbose_name=_("指定要素"), default=list, blank=True)
    # No foreign key: an area is a feature of any layer, and without it the rule holds nowhere.
    within = models.UUIDField(_("适用区域"), null=True, blank=True, editable=False)
    factor = models.ForeignKey(Factor, models.PROTECT, verbose_name=_("监测因子"), null=True, blank=True)
    span = models.PositiveSmallIntegerField(
        _("数据"), choices=[(s.value, s.label) for s in SPANS], default=Span.REAL.value
    )
    window = models.PositiveSmallIntegerField(
        _("平均窗口（分钟）"), default=0, help_text=_("大于0时，value为该窗口内的平均值；仅用于实时数据和分钟数据。")
    )
    standard = models.CharField(_("限值标准"), max_length=40, blank=True)
    minutes = models.PositiveIntegerField(_("限值平均时间（分钟）"), null=True, blank=True)
    grade = models.CharField(_("限值级别"), max_length=20, blank=True, help_text=_("留空时取要素自己的级别。"))
    stage = models.CharField(_("施工阶段"), max_length=40, blank=True)
    threshold = models.FloatField(_("固定限值"), null=True, blank=True, help_text=_("不引用标准时使用。"))
    condition = models.CharField(_("触发条件"), max_length=300, default="value > limit", blank=True)
    clear = models.CharField(
        _("解除条件"), max_length=300, blank=True, help_text=_("留空时为触发条件不成立；写得更严可避免反复。")
    )
    downward = models.BooleanField(_("越低越严重"), default=False)
    level = models.CharField(_("级别"), max_length=6, choices=Level.choices, default=Level.YELLOW)
    red_when = models.CharField(_("升为红色的条件"), max_length=300, blank=True)
    orange_when = models.CharField(_("升为橙色的条件"), max_length=300, blank=True)
    yellow_when = models.CharField(_("升为黄色的条件"), max_length=300, blank=True)
    for_minutes = models.PositiveIntegerField(_("持续时间（分钟）"), default=0)
    n_least = models.PositiveSmallIntegerField(_("连续次数"), default=1)
    clear_minutes = models.PositiveIntegerField(_("恢复后观察（分钟）"), default=0)
    period = models.CharField(_("时段"), max_length=5, choices=Period.choices, blank=True)
    weekdays = models.CharField(_("星期"), max_length=7, default="1234567", help_text=_("1为星期一，7为星期日。"))
    roles = ArrayField(
        models.CharField(max_length=20, choices=Role.choices), verbose_name=_("通知角色"), default=list, blank=True
    )
    users = models.ManyToManyField(settings.AUTH_USER_MODEL, verbose_name=_("通知人员"), blank=True, related_name="+")
    template = models.SlugField(_("消息模板"), max_length=50, default="alarm")
    valid_from = models.DateField(_("启用日期"))
    valid_to = models.DateField(_("失效日期"), null=True, blank=True, help_text=_("自当日起不再适用。"))
    citation = models.CharField(_("依据"), max_length=200, blank=True)
    advice = models.CharField(_("处置建议"), max_length=500, blank=True, db_default="")
    unit = models.CharField(_("单位"), max_length=16, blank=True, db_default="", editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    trouble = models.CharField(_("计算错误"), max_length=300, blank=True, editable=False)
    updated_at = models.DateTimeField(_("更新时间"), auto_now=True)

    class Meta:
        verbose_name = _("告警规则")
        verbose_name_plural = _("告警规则")
        ordering = ["layer", "name", "id"]

    def __str__(self) -> str:
        return str(_(self.name))

    @property
    def source(self) -> str:
        """The module from which its alarms come, in words: the one that declared it, or the domain that is measured."""
        layer = registry.get(self.layer)
        return module_title(self.module or (layer.model._meta.app_label if layer else ""))

    def clean(self) -> None:
        problems: dict[str, object] = {}
        if not self.layer and self.kind != self.Kind.MODULE:
            problems["layer"] = _("请选择图层。")
        if self.kind in (self.Kind.MEASURE, self.Kind.QUALITY) and self.factor_id is None:
            problems["factor"] = _("请选择监测因子。")
        if self.kind in (self.Kind.MEASURE, self.Kind.QUALITY):
            for name in ("condition", "clear", "red_when", "orange_when", "yellow_when"):
                text = getattr(self, name)
                if not text and name != "condition":
                    continue
                if problem := check(text):
                    problems[name] = problem
                elif "limit" in text and not self.standard and self.threshold is None:
                    problems[name] = _("条件用到limit：请填写限值标准或固定限值。")
        if self.kind == self.Kind.SILENCE and not self.for_minutes:
            problems["for_minutes"] = _("请填写静默多少分钟后告警。")
        if self.window and self.span not in (Span.REAL, Span.MINUTE):
            problems["window"] = _("平均窗口仅用于实时数据和分钟数据。")
        if not self.weekdays or set(self.weekdays) - set("1234567"):
            problems["weekdays"] = _("请填写1到7的数字。")
        if self.valid_to is not None and self.valid_from is not None and self.valid_to <= self.valid_from:
            problems["valid_to"] = _("失效日期应晚于启用日期。")
        if problems:
            raise ValidationError(problems)


class Detector(models.Model):
    """What is odd for a factor, from a day on: what a broken sensor sends."""

    factor = models.ForeignKey(Factor, models.PROTECT, verbose_name=_("监测因子"), related_name="+")
    least = models.PositiveSmallIntegerField(
        _("最少有效数"), default=10, validators=[MinValueValidator(3)], help_text=_("有效数据少于该数的小时不检查。")
    )
    flat_hours = models.PositiveSmallIntegerField(
        _("恒值时长（小时）"), validators=[MinValueValidator(1)],
        help_text=_("连续这么多小时没有任何变化视为恒值，为零时视为无信号。"),
    )  # fmt: skip
    spike = models.FloatField(
        _("尖峰倍数"), validators=[MinValueValidator(1)],
        help_text=_("单个值超过该小时中位数及前后相邻值的这么多倍视为尖峰。"),
    )  # fmt: skip
    floor = models.FloatField(_("尖峰下限"), default=0, help_text=_("不高于该值的不视为尖峰。"))
    step = models.FloatField(
        _("单位错误倍数"), default=0, validators=[MinValueValidator(0)],
        help_text=_("整小时低于此前中位数这么多倍视为单位错误，0为不检查。"),
    )  # fmt: skip
    before_hours = models.PositiveSmallIntegerField(
        _("参照时长（小时）"), default=24, validators=[MinValueValidator(6)], help_text=_("中位数取自此前这么多小时。")
    )
    valid_from = models.DateField(_("启用日期"))
    citation = models.CharField(_("依据"), max_length=200)

    class Meta:
        verbose_name = _("数据异常检测")
        verbose_name_plural = _("数据异常检测")
        ordering = ["factor", "valid_from"]
        constraints = [models.UniqueConstraint(fields=["factor", "valid_from"], name="detector_once")]

    def __str__(self) -> str:
        return f"{self.factor} {self.valid_from}"


class Deadline(models.Model):
    """How long a step may take at a level, and who is told when it has not been taken: the way up."""

    class Step(models.TextChoices):
        """What is to be done in time, counted from when the alarm was raised."""

        ACKNOWLEDGE = "acknowledge", _("确认")
        HANDLE = "handle", _("处置")
        CLOSE = "close", _("办结")

    rule = models.ForeignKey(
        Rule, models.CASCADE, verbose_name=_("规则"), null=True, blank=True, related_name="deadlines",
        help_text=_("留空适用于全部规则；规则有自己的期限时以其为准。"),
    )  # fmt: skip
    level = models.CharField(_("级别"), max_length=6, choices=Level.choices)
    step = models.CharField(_("环节"), max_length=12, choices=Step.choices)
    minutes = models.PositiveIntegerField(_("期限（分钟）"))
    roles = ArrayField(
        models.CharField(max_length=20, choices=Role.choices), verbose_name=_("超期通知角色"), default=list, blank=True
    )
    raise_to = models.CharField(_("超期升级为"), max_length=6, choices=Level.choices, blank=True)

    class Meta:
        verbose_name = _("告警处置期限")
        verbose_name_plural = _("告警处置期限")
        ordering = ["rule", "level", "step", "minutes", "id"]

    def __str__(self) -> str:
        return f"{self.get_level_display()} {self.get_step_display()} {self.minutes}"


class Tier(models.Model):
    """What happens by itself to every alarm of a level, beside the deadlines of the level: one row a level."""

    level = models.CharField(_("级别"), max_length=6, choices=Level.choices, unique=True)
    roles = ArrayField(
        models.CharField(max_length=20, choices=Role.choices), verbose_name=_("另行通知角色"), default=list, blank=True,
        help_text=_("在规则的通知角色之外，该级别的告警还通知这些角色。"),
    )  # fmt: skip
    assign_role = models.CharField(
        _("自动指派给"), max_length=20, choices=Role.choices, blank=True,
        help_text=_("告警时指派给所在辖区该角色中负责范围最小、在岗且在办告警最少的人员；留空为人工指派。"),
    )  # fmt: skip
    close_minutes = models.PositiveIntegerField(
        _("恢复后自动办结（分钟）"), null=True, blank=True, validators=[MinValueValidator(10)],
        help_text=_("恢复满该时长且无人处理的告警自动办结；留空为由人办结。"),
    )  # fmt: skip

    class Meta:
        verbose_name = _("分级管控")
        verbose_name_plural = _("分级管控")

    def __str__(self) -> str:
        return self.get_level_display()


SUBJECTS = {
    "flood": _("上报过于频繁"),
    "address": _("从另一地址以同一设备编号连接"),
    "password": _("多次出示错误的访问密码"),
    "logout": _("设备主动注销"),
    "closed": _("网络连接断开"),
    "reported": _("上级设备报告离线"),
    "video-lost": _("视频信号丢失"),
    "tamper": _("设备防拆报警"),
    "disk-full": _("存储设备磁盘满"),
    "disk-fault": _("存储设备磁盘故障"),
    "fan-fault": _("存储设备风扇故障"),
    "too-hot": _("设备高温报警"),
    "too-cold": _("设备低温报警"),
    "device-fault": _("设备故障报警"),
}
"""What gateways report of devices, and how devices left."""
NOT_HEARD = _("未按时上报")
"""Why a device that said nothing of its leaving is taken for gone."""
