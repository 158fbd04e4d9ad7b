"""Jobs, which PostgreSQL remembers and Redis only wakes a worker for; what the platform sees of itself."""

from datetime import date, datetime
from typing import Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from services.catalog.ids import UUID7, uuid7


class Job(models.Model):
    """A piece of long work: what was asked, by whom, how far it is, and what came of it."""

    class State(models.TextChoices):
        """The words of OGC API Processes for a job's status."""

        ACCEPTED = "accepted", _("已接受")
        RUNNING = "running", _("执行中")
        SUCCESSFUL = "successful", _("成功")
        FAILED = "failed", _("失败")
        DISMISSED = "dismissed", _("已取消")

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    kind = models.CharField(_("类型"), max_length=64)
    title = models.CharField(_("名称"), max_length=200)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("用户"), null=True, related_name="+"
    )
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.ACCEPTED)
    progress = models.PositiveSmallIntegerField(_("进度"), default=0)
    message = models.TextField(_("说明"), blank=True)
    inputs = models.JSONField(_("输入"), default=dict)
    result = models.JSONField(_("结果"), null=True)
    created_at = models.DateTimeField(_("提交时间"), auto_now_add=True)
    started_at = models.DateTimeField(_("开始时间"), null=True)
    finished_at = models.DateTimeField(_("完成时间"), null=True)

    class Meta:
        verbose_name = _("任务")
        verbose_name_plural = pgettext_lazy("plural", "任务")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.title


class Policy(models.Model):
    """How the platform watches itself, from a day on; the row in force is the newest that has begun."""

    valid_from = models.DateField(_("生效日期"), unique=True)
    log_months = models.PositiveSmallIntegerField(
        _("日志保留月数"), default=6, validators=[MinValueValidator(1), MaxValueValidator(120)],
        help_text=_("更早的日志按月清除。"),
    )  # fmt: skip
    rise_least = models.PositiveIntegerField(
        _("错误突增的最少条数"), default=10, validators=[MinValueValidator(1)],
        help_text=_("十分钟内少于该数的错误不算突增。"),
    )  # fmt: skip
    rise_factor = models.FloatField(
        _("错误突增的倍数"), default=3.0, validators=[MinValueValidator(1)], help_text=_("为平时水平的多少倍时算突增。")
    )
    rise_days = models.PositiveSmallIntegerField(
        _("平时水平取前几天"), default=7, validators=[MinValueValidator(1), MaxValueValidator(90)]
    )
    block_seconds = models.PositiveSmallIntegerField(
        _("阻塞告警秒数"), default=3, validators=[MinValueValidator(1), MaxValueValidator(3600)],
        help_text=_("别人等待超过该秒数时告警。"),
    )  # fmt: skip
    citation = models.CharField(_("依据"), max_length=200)

    class Meta:
        verbose_name = _("运行监控参数")
        verbose_name_plural = _("运行监控参数")
        ordering = ["-valid_from"]

    def __str__(self) -> str:
        return f"{self.valid_from:%Y-%m-%d}"

    @classmethod
    def at(cls, day: date) -> Self:
        """The row in force on a day, or one with the usual values where there is none yet."""
        return cls.objects.filter(valid_from__lte=day).first() or cls(valid_from=day)


class LogLevel(models.IntegerChoices):
    """How grave an entry is, with the numbers of Python's ``logging``."""

    DEBUG = 10, _("调试")
    INFO = 20, _("信息")
    WARNING = 30, _("警告")
    ERROR = 40, _("错误")
    CRITICAL = 50, _("严重")


class LogSystem(models.Model):
    """Another system that sends its log to the platform."""

    key = models.SlugField(_("系统代码"), max_length=40, unique=True)
    name = models.CharField(_("系统名称"), max_length=100, unique=True)
    enabled = models.BooleanField(_("启用"), default=True)
    token_digest = models.CharField(max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField(_("登记时间"), auto_now_add=True)
    last_at = models.DateTimeField(_("最近接收"), null=True, editable=False)

    class Meta:
        verbose_name = _("接入的业务系统")
        verbose_name_plural = _("接入的业务系统")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class LogEntry(models.Model):
    """One line of a log; monthly partitions by the time it was written. Never changed."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField(_("时间"))
    received_at = models.DateTimeField(_("接收时间"))
    level = models.SmallIntegerField(_("级别"), choices=LogLevel.choices)
    system = models.CharField(_("系统"), max_length=40)
    program = models.CharField(_("程序"), max_length=40)
    process = models.IntegerField(_("进程号"), null=True)
    logger = models.CharField(_("来源"), max_length=120)
    message = models.TextField(_("内容"))
    cause = models.TextField(_("原因"))
    account = models.CharField(_("用户"), max_length=150)
    address = models.CharField(_("来源地址"), max_length=45)
    request = models.CharField(_("请求"), max_length=300)

    class Meta:
        managed = False
        db_table = "operations_logentry"
        ordering = ["-at", "-id"]
        verbose_name = _("日志")
        verbose_name_plural = _("日志")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.get_level_display()} {self.message[:80]}"


class LogCount(models.Model):
    """How many entries of a program and a level there are within ten minutes, and how many it had to drop."""

    pk = models.CompositePrimaryKey("at", "system", "program", "level")
    at = models.DateTimeField(_("时间"))
    system = models.CharField(_("系统"), max_length=40)
    program = models.CharField(_("程序"), max_length=40)
    level = models.SmallIntegerField(_("级别"), choices=LogLevel.choices)
    n = models.IntegerField(_("条数"))
    lost = models.IntegerField(_("丢弃条数"))

    class Meta:
        managed = False
        db_table = "operations_logcount"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.program} {self.level}"


class Rise(models.Model):
    """A time in which a program of a system wrote many more errors than usual."""

    system = models.CharField(_("系统"), max_length=40)
    program = models.CharField(_("程序"), max_length=40)
    began_at = models.DateTimeField(_("开始时间"))
    ended_at = models.DateTimeField(_("结束时间"), null=True)
    usual = models.FloatField(_("平时水平（条/10分钟）"))
    peak = models.PositiveIntegerField(_("最高（条/10分钟）"))
    peak_at = models.DateTimeField(_("最高时间"))

    class Meta:
        verbose_name = _("错误突增")
        verbose_name_plural = _("错误突增")
        ordering = ["-began_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["system", "program"], name="rise_open_once", condition=models.Q(ended_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.program} {self.began_at:%Y-%m-%d %H:%M}"


class Block(models.Model):
    """A session of the database that kept others waiting, from when the first had waited too long to its end."""

    pid = models.IntegerField(_("会话"))
    session_at = models.DateTimeField(_("会话开始"))
    work_at = models.DateTimeField(_("事务开始"))
    began_at = models.DateTimeField(_("阻塞开始"))
    seen_at = models.DateTimeField(_("最近阻塞"))
    ended_at = models.DateTimeField(_("结束时间"), null=True)
    account = models.CharField(_("平台用户"), max_length=150, blank=True)
    role = models.CharField(_("数据库角色"), max_length=63)
    program = models.CharField(_("程序"), max_length=63, blank=True)
    address = models.CharField(_("来源地址"), max_length=45, blank=True)
    state = models.CharField(_("会话状态"), max_length=40, blank=True)
    statement = models.TextField(_("语句"), blank=True)
    tables = models.CharField(_("数据表"), max_length=300, blank=True)
    waiting = models.JSONField(_("等待者"), default=list)
    most = models.PositiveIntegerField(_("最多等待会话"), default=0)
    longest = models.FloatField(_("最长等待（秒）"), default=0)
    ended_by = models.CharField(_("终止人"), max_length=150, blank=True)
    noticed_at = models.DateTimeField(_("发现时间"), db_default=Now())

    class Meta:
        verbose_name = _("数据阻塞")
        verbose_name_plural = _("数据阻塞")
        ordering = ["-began_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["pid", "session_at", "work_at"], name="block_open_once", condition=models.Q(ended_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.pid} {self.began_at:%Y-%m-%d %H:%M:%S}"

    def lasted(self, now: datetime) -> float:
        """Seconds from the first wait to the end, or to now."""
        return ((self.ended_at or now) - self.began_at).total_seconds()
