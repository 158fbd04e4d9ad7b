"""Charts that people saved, and the small tables that they brought along."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from services.accounts.roles import Role
from services.catalog.ids import UUID7, uuid7


class Product(models.Model):
    """A chart as somebody put it together; its figures are those of whoever looks, unless it was frozen."""

    class Kind(models.TextChoices):
        """What it is drawn as."""

        STATISTICAL = "statistical", _("统计图")
        THEMATIC = "thematic", _("专题图")
        CALENDAR = "calendar", _("日历图")
        HEAT = "heat", _("热力图")
        COMPARATIVE = "comparative", _("对比图")

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    name = models.CharField(_("图表名称"), max_length=100)
    kind = models.CharField(_("图表类型"), max_length=12, choices=Kind.choices)
    source = models.CharField(_("数据来源"), max_length=200)
    spec = models.JSONField(_("设置"))
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("创建人"), related_name="+", editable=False
    )
    roles = ArrayField(
        models.CharField(max_length=20, choices=[choice for choice in Role.choices if choice[0] != Role.PUBLIC]),
        verbose_name=_("共享给"), default=list, blank=True,
    )  # fmt: skip
    area = models.CharField(_("共享范围"), max_length=12, blank=True)
    """What the codes of the regions begin with in which it is shared; empty where the roles alone say with whom."""
    frozen = models.JSONField(_("快照"), null=True, editable=False)
    """Language → the figure as it was for its owner; None where everybody gets their own figures."""
    frozen_at = models.DateTimeField(_("快照时间"), null=True, editable=False)
    created_at = models.DateTimeField(_("创建时间"), auto_now_add=True)
    updated_at = models.DateTimeField(_("更新时间"), auto_now=True)

    class Meta:
        verbose_name = _("图表产品")
        verbose_name_plural = _("图表产品")
        ordering = ["-updated_at", "id"]
        indexes = [
            models.Index(fields=["owner"], name="product_of_owner"),
            models.Index(fields=["source"], name="product_of_source"),
        ]

    def __str__(self) -> str:
        return self.name


class Table(models.Model):
    """A table that somebody brought: small, theirs alone, for charts."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    name = models.CharField(_("表格名称"), max_length=100)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("创建人"), related_name="+", editable=False
    )
    columns = models.JSONField(_("列"))
    """Lists of name and kind (``text``, ``number``, ``date`` or ``region``) in the order of the cells."""
    size = models.PositiveIntegerField(_("行数"))
    created_at = models.DateTimeField(_("上传时间"), auto_now_add=True)

    class Meta:
        verbose_name = _("自有表格")
        verbose_name_plural = _("自有表格")
        ordering = ["-created_at", "id"]
        indexes = [models.Index(fields=["owner"], name="table_of_owner")]

    def __str__(self) -> str:
        return self.name


class Row(models.Model):
    """A line of such a table: numbers as numbers, times as China's clock says them, regions by their codes."""

    table = models.ForeignKey(Table, models.CASCADE, verbose_name=_("表格"), related_name="rows")
    number = models.PositiveIntegerField(_("行号"))
    cells = models.JSONField(_("单元格"))

    class Meta:
        verbose_name = _("表格的行")
        verbose_name_plural = _("表格的行")
        constraints = [models.UniqueConstraint(fields=["table", "number"], name="row_once")]

    def __str__(self) -> str:
        return f"{self.table_id} #{self.number}"
