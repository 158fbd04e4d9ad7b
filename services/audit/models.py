"""The audit trail and the findings of the database audit, insert-only by trigger; what counts as abnormal there."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from services.catalog.ids import UUID7, uuid7


class Entry(models.Model):
    """One thing somebody did, with what it changed."""

    at = models.DateTimeField(_("时间"), db_default=Now(), db_index=True)
    user_id = models.UUIDField(_("用户"), null=True)
    user_name = models.CharField(_("用户名"), max_length=150)
    address = models.GenericIPAddressField(_("来源地址"), null=True)
    action = models.CharField(_("动作"), max_length=40)
    layer = models.CharField(_("图层"), max_length=64, blank=True)
    object_id = models.CharField(_("对象"), max_length=64, blank=True)
    changes = models.JSONField(_("变更"), default=dict)
    result = models.CharField(_("结果"), max_length=20, default="ok")

    class Meta:
        verbose_name = _("审计记录")
        verbose_name_plural = _("审计记录")
        ordering = ["-id"]
        indexes = [models.Index(fields=["layer", "object_id", "-id"], name="audit_of_object")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.user_name} {self.action}"


class Kind(models.TextChoices):
    """What can be abnormal on the database."""

    LOGIN = "login", _("登录失败")
    SESSION = "session", _("直接连接")
    DDL = "ddl", _("结构变更")
    INSERT = "insert", _("插入数据")
    UPDATE = "update", _("修改数据")
    DELETE = "delete", _("删除数据")
    TRUNCATE = "truncate", _("清空数据表")
    TAMPER = "tamper", _("触动审计保护")


class Severity(models.TextChoices):
    """The four levels of alarms, most urgent first."""

    RED = "red", _("红色")
    ORANGE = "orange", _("橙色")
    YELLOW = "yellow", _("黄色")
    BLUE = "blue", _("蓝色")


class Rule(models.Model):
    """When an operation on the database is abnormal: from a day to a day, for whoever is not named as normal."""

    name = models.CharField(_("名称"), max_length=100)
    kind = models.CharField(_("操作"), max_length=8, choices=Kind.choices)
    level = models.CharField(_("级别"), max_length=6, choices=Severity.choices, default=Severity.YELLOW)
    enabled = models.BooleanField(_("启用"), default=True)
    least = models.PositiveIntegerField(
        _("最少行数或次数"), default=1, help_text=_("插入、修改、删除：一个事务内的行数；登录失败：一分钟内的次数。")
    )
    programs = ArrayField(
        models.CharField(max_length=63), verbose_name=_("正常的程序"), default=list, blank=True,
        help_text=_("这些程序的操作不算异常；* 代表任意文字，平台的程序以 zhutu 开头。"),
    )  # fmt: skip
    roles = ArrayField(
        models.CharField(max_length=63), verbose_name=_("正常的数据库角色"), default=list, blank=True,
        help_text=_("留空：角色不影响判断；填写后其他角色即使用正常的程序也算异常。"),
    )  # fmt: skip
    addresses = ArrayField(
        models.CharField(max_length=45), verbose_name=_("正常的来源地址"), default=list, blank=True,
        help_text=_("留空：地址不影响判断；本机套接字写 local。"),
    )  # fmt: skip
    tables = ArrayField(
        models.CharField(max_length=63), verbose_name=_("数据表"), default=list, blank=True,
        help_text=_("留空为全部受保护的数据表；* 代表任意文字。"),
    )  # fmt: skip
    hour_from = models.PositiveSmallIntegerField(
        _("起始钟点"), null=True, blank=True, validators=[MaxValueValidator(23)],
        help_text=_("只判断该钟点起（北京时间）的操作，留空为全天。"),
    )  # fmt: skip
    hour_to = models.PositiveSmallIntegerField(_("结束钟点"), null=True, blank=True, validators=[MaxValueValidator(24)])
    valid_from = models.DateField(_("生效日期"))
    valid_to = models.DateField(_("失效日期"), null=True, blank=True, help_text=_("自该日起不再适用。"))
    citation = models.CharField(_("依据"), max_length=200)

    class Meta:
        verbose_name = _("数据库审计规则")
        verbose_name_plural = _("数据库审计规则")
        ordering = ["kind", "level", "id"]
        constraints = [models.UniqueConstraint(fields=["name", "valid_from"], name="audit_rule_once")]

    def __str__(self) -> str:
        return self.name


class Finding(models.Model):
    """An abnormal operation on the database: who, from where, with what, when, how much. Insert-only by trigger."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    at = models.DateTimeField(_("时间"))
    recorded_at = models.DateTimeField(_("记录时间"), db_default=Now())
    kind = models.CharField(_("操作"), max_length=8, choices=Kind.choices)
    level = models.CharField(_("级别"), max_length=6, choices=Severity.choices)
    rule = models.CharField(_("规则"), max_length=100)
    account = models.CharField(_("操作账号"), max_length=150, db_default="")
    role = models.CharField(_("数据库角色"), max_length=63, db_default="")
    database = models.CharField(_("数据库"), max_length=63, db_default="")
    address = models.CharField(_("来源地址"), max_length=45, db_default="")
    program = models.CharField(_("程序"), max_length=63, db_default="")
    pid = models.IntegerField(_("会话"), null=True)
    tables = models.CharField(_("数据表"), max_length=200, db_default="")
    rows = models.BigIntegerField(_("行数或次数"), null=True)
    statement = models.TextField(_("语句"), db_default="")
    detail = models.CharField(_("说明"), max_length=500, db_default="")

    class Meta:
        verbose_name = _("数据库异常操作")
        verbose_name_plural = _("数据库异常操作")
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["-at", "-id"], name="finding_newest"),
            models.Index(fields=["recorded_at"], name="finding_recorded"),
            models.Index(fields=["pid", "-at"], name="finding_session", condition=models.Q(kind="session")),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.get_kind_display()} {self.role}"


class Alarmed(models.Model):
    """A finding of which administrators were told: beside it, because a finding is never changed."""

    finding = models.OneToOneField(Finding, models.CASCADE, primary_key=True, related_name="alarmed")
    at = models.DateTimeField(_("时间"), db_default=Now())

    def __str__(self) -> str:
        return f"{self.finding_id}"


class Reading(models.Model):
    """How far the log of the database server was read, and why no further."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    file = models.CharField(max_length=200, blank=True)
    offset = models.BigIntegerField(default=0)
    read_at = models.DateTimeField(_("最近读取"), null=True)
    problem = models.CharField(_("问题"), max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}"
