"""Sources with all that an administrator settles about them, and their runs."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.datums import Datum
from services.catalog.sealed import SealedField
from services.feeds.faults import said
from services.telemetry.spans import SPANS, Span

SHORTEST, LONGEST = 10, 31 * 86_400
"""Seconds between two runs."""


def between(low: int, high: int) -> list[Any]:
    """Validators of a number."""
    return [MinValueValidator(low), MaxValueValidator(high)]


class Source(models.Model):
    """An existing system, or one interface of it: how to get at its data, how to read them, where they go."""

    class Mode(models.TextChoices):
        PULL = "pull", _("平台定时提取")
        PUSH = "push", _("对方推送")

    class Target(models.TextChoices):
        READINGS = "readings", pgettext_lazy("feed", "监测数据")
        FEATURES = "features", _("图层要素")
        RECORDS = "records", _("要素的业务记录")

    class Method(models.TextChoices):
        GET = "GET", "GET"
        POST = "POST", "POST"

    class Format(models.TextChoices):
        JSON = "json", "JSON"
        CSV = "csv", "CSV"
        XML = "xml", "XML"

    class Auth(models.TextChoices):
        NONE = "none", _("无")
        BASIC = "basic", _("用户名和密码（Basic）")
        BEARER = "bearer", _("令牌（Bearer）")
        KEY = "key", _("接口密钥（API Key）")
        SIGN = "sign", _("签名")

    class Place(models.TextChoices):
        HEADER = "header", _("请求头")
        QUERY = "query", _("查询参数")

    class Digest(models.TextChoices):
        MD5 = "md5", "MD5"
        SHA1 = "sha1", "SHA-1"
        SHA256 = "sha256", "SHA-256"
        SM3 = "sm3", "SM3"

    class Cursor(models.TextChoices):
        NONE = "none", _("每次取全部")
        TIME = "time", _("按时间增量")
        TOKEN = "token", _("按对方给出的位置")

    class Moment(models.TextChoices):
        """How a time is written in a request."""

        TEXT = "text", "2026-01-31 08:30:00"
        ISO = "iso", "2026-01-31T08:30:00+08:00"
        COMPACT = "compact", "20260131083000"
        SECONDS = "s", _("秒时间戳")
        MILLISECONDS = "ms", _("毫秒时间戳")

    class Paging(models.TextChoices):
        NONE = "none", _("不分页")
        PAGE = "page", _("页码 {page}")
        OFFSET = "offset", _("起始位置 {offset}")
        NEXT = "next", _("应答给出下一页")

    class Policy(models.TextChoices):
        SKIP = "skip", _("跳过有错误的行")
        ALL = "all", _("有错误则整批不写入")

    id = models.AutoField(primary_key=True)
    name = models.CharField(_("名称"), max_length=100, unique=True)
    note = models.CharField(_("说明"), max_length=200, blank=True)
    enabled = models.BooleanField(_("启用"), default=False)
    mode = models.CharField(_("提取方式"), max_length=4, choices=Mode.choices, default=Mode.PULL)
    target = models.CharField(_("数据去向"), max_length=8, choices=Target.choices, default=Target.READINGS)
    layer = models.CharField(_("图层"), max_length=64, blank=True)
    tab = models.CharField(_("业务记录"), max_length=64, blank=True)

    url = models.CharField(_("接口地址"), max_length=500, blank=True)
    method = models.CharField(_("请求方法"), max_length=4, choices=Method.choices, default=Method.GET)
    parameters = models.TextField(_("查询参数"), blank=True, max_length=4000)
    headers = models.TextField(_("请求头"), blank=True, max_length=4000)
    body = models.TextField(_("请求正文"), blank=True, max_length=8000)
    # JSON pointer → value as JSON, one seal for all of them: what stands as asterisks in the body.
    body_secrets = SealedField(_("请求正文中的密钥"), blank=True, default="", db_default="", editable=False)
    every = models.PositiveIntegerField(_("提取周期"), default=300, validators=between(SHORTEST, LONGEST))
    timeout = models.PositiveSmallIntegerField(_("应答时限（秒）"), default=20, validators=between(1, 60))

    auth = models.CharField(_("授权方式"), max_length=6, choices=Auth.choices, default=Auth.NONE)
    auth_user = models.CharField(_("用户名或应用编号"), max_length=100, blank=True)
    auth_place = models.CharField(_("密钥位置"), max_length=6, choices=Place.choices, default=Place.HEADER)
    auth_label = models.CharField(_("密钥或签名的参数名"), max_length=60, blank=True)
    sign_pattern = models.CharField(_("签名原文"), max_length=200, blank=True)
    sign_digest = models.CharField(_("摘要算法"), max_length=6, choices=Digest.choices, default=Digest.SHA256)
    sign_upper = models.BooleanField(_("签名用大写"), default=False)
    sign_user = models.CharField(_("应用编号的参数名"), max_length=60, blank=True)
    sign_time = models.CharField(_("时间戳的参数名"), max_length=60, blank=True)
    sign_moment = models.CharField(_("时间戳写法"), max_length=7, choices=Moment.choices, default=Moment.MILLISECONDS)
    secret = SealedField(_("授权密钥"), blank=True, editable=False)
    token_digest = models.CharField(_("推送令牌摘要"), max_length=64, blank=True, editable=False)
    token_at = models.DateTimeField(_("令牌签发时间"), null=True, editable=False)

    format = models.CharField(_("数据格式"), max_length=4, choices=Format.choices, default=Format.JSON)
    list_path = models.CharField(_("数据行的路径"), max_length=200, blank=True)
    ok_path = models.CharField(_("成功标志的路径"), max_length=200, blank=True)
    ok_value = models.CharField(_("成功时的值"), max_length=100, blank=True)
    zone = models.CharField(_("对方时区"), max_length=40, default="Asia/Shanghai")
    datum = models.CharField(_("对方坐标基准"), max_length=10, choices=Datum.choices, default=Datum.CGCS2000)
    span = models.CharField(
        _("数据类型"), max_length=6, choices=[(name, Span(number).label) for name, number in SPANS.items()],
        default="real",
    )  # fmt: skip
    spacing = models.PositiveIntegerField(_("数据间隔（秒）"), default=60, validators=between(1, 3600))
    mapping = models.JSONField(_("字段对应"), default=dict, blank=True)

    cursor = models.CharField(_("增量方式"), max_length=5, choices=Cursor.choices, default=Cursor.NONE)
    cursor_path = models.CharField(_("增量字段的路径"), max_length=200, blank=True)
    cursor_moment = models.CharField(_("请求中时间的写法"), max_length=7, choices=Moment.choices, default=Moment.TEXT)
    overlap = models.PositiveIntegerField(_("重叠时间（分钟）"), default=60, validators=between(0, 44_640))
    begin_at = models.DateTimeField(_("从何时取起"), null=True, blank=True)
    paging = models.CharField(_("分页方式"), max_length=6, choices=Paging.choices, default=Paging.NONE)
    page_first = models.PositiveSmallIntegerField(_("首页页码"), default=1, validators=between(0, 1))
    page_size = models.PositiveIntegerField(_("每页行数"), default=500, validators=between(1, 10_000))
    next_path = models.CharField(_("下一页的路径"), max_length=200, blank=True)

    policy = models.CharField(_("出错时"), max_length=4, choices=Policy.choices, default=Policy.SKIP)
    stale_minutes = models.PositiveIntegerField(
        _("多久无数据即告警（分钟）"), default=60, validators=between(0, 44_640)
    )

    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)
    position = models.JSONField(_("提取位置"), default=dict, editable=False)
    next_at = models.DateTimeField(_("下次提取"), null=True, editable=False)
    failures = models.PositiveIntegerField(_("连续失败次数"), default=0, editable=False)
    enabled_at = models.DateTimeField(pgettext_lazy("feed", "启用时间"), null=True, editable=False)
    success_at = models.DateTimeField(_("最近成功"), null=True, editable=False)
    error = models.JSONField(_("最近错误"), null=True, editable=False)
    stale_since = models.DateTimeField(_("数据中断起始"), null=True, editable=False)
    refusals = models.PositiveIntegerField(_("被拒绝的推送"), default=0, editable=False)
    refused_at = models.DateTimeField(_("最近被拒绝"), null=True, editable=False)
    created_at = models.DateTimeField(_("创建时间"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("数据接口")
        verbose_name_plural = pgettext_lazy("plural", "数据接口")
        ordering = ["name"]
        indexes = [
            models.Index(fields=["next_at"], name="feeds_due", condition=models.Q(enabled=True, mode="pull")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def pulls(self) -> bool:
        return self.mode == self.Mode.PULL

    @property
    def said(self) -> str:
        """The latest error in the current language."""
        return said(self.error)

    @property
    def state(self) -> str:
        """``off``, ``stale``, ``failing``, ``waiting`` (nothing came yet) or ``ok``."""
        if not self.enabled:
            return "off"
        if self.stale_since is not None:
            return "stale"
        if self.error:
            return "failing"
        return "ok" if self.success_at else "waiting"

    def number(self, station: str) -> str:
        """The number under which a station of the other system is a device here."""
        return f"{self.pk}:{station}"


class Run(models.Model):
    """One time that a source was pulled, or one push: how much came, what became of it, which rows were wrong."""

    class State(models.TextChoices):
        RUNNING = "running", _("进行中")
        DONE = "done", _("成功")
        PARTLY = "partly", _("部分行有误")
        FAILED = "failed", _("失败")
        BROKEN = "broken", _("中断")

    class Cause(models.TextChoices):
        SCHEDULE = "schedule", _("定时提取")
        PUSH = "push", _("推送")

    source = models.ForeignKey(Source, models.CASCADE, verbose_name=_("数据接口"), related_name="runs")
    cause = models.CharField(_("起因"), max_length=8, choices=Cause.choices, default=Cause.SCHEDULE)
    state = models.CharField(_("结果"), max_length=7, choices=State.choices, default=State.RUNNING)
    started_at = models.DateTimeField(_("开始时间"))
    finished_at = models.DateTimeField(_("结束时间"), null=True)
    address = models.CharField(_("来源地址"), max_length=45, blank=True)
    since = models.DateTimeField(_("数据起始时间"), null=True)
    pages = models.PositiveIntegerField(_("批次"), default=0)
    size = models.BigIntegerField(_("字节数"), default=0)
    counts = models.JSONField(_("计数"), default=dict)
    problems = models.JSONField(_("问题"), default=list)
    error = models.JSONField(_("错误"), null=True)

    class Meta:
        verbose_name = _("接口运行记录")
        verbose_name_plural = pgettext_lazy("plural", "接口运行记录")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["source", "-started_at"], name="feeds_run_of_source"),
            models.Index(fields=["started_at"], name="feeds_run_time"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["source"], condition=models.Q(state="running"), name="feeds_one_pull_at_a_time",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.source_id} {self.started_at:%Y-%m-%d %H:%M:%S}"

    @property
    def said(self) -> str:
        """The error in the current language."""
        return said(self.error)

    @property
    def told(self) -> list[tuple[int, str, str]]:
        """The problems as (row, field, message) in the current language."""
        return [(row, field, said(kept)) for row, field, kept in self.problems]
