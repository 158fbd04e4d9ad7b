"""Imports of files, and which feature came from which: so that an import can be undone."""

from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.datums import Datum
from services.catalog.ids import UUID7, uuid7
from services.operations.models import Job


class Import(models.Model):
    """A file on its way into a layer: what it is, how it was to be read, and what came of it."""

    class State(models.TextChoices):
        UPLOADED = "uploaded", _("已上传")
        READY = "ready", _("待导入")
        RUNNING = "running", _("导入中")
        DONE = "done", _("已导入")
        FAILED = "failed", _("未导入")
        UNDONE = "undone", pgettext_lazy("import", "已撤销")

    class Policy(models.TextChoices):
        ALL = "all", _("有错误则全部不导入")
        SKIP = "skip", _("跳过有错误的行")

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    layer = models.CharField(_("图层"), max_length=64)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("用户"), null=True, related_name="+"
    )
    name = models.CharField(_("文件名"), max_length=200)
    format = models.CharField(_("格式"), max_length=10)
    size = models.BigIntegerField(_("大小"))
    digest = models.CharField("SHA-256", max_length=64)
    state = models.CharField(_("状态"), max_length=10, choices=State.choices, default=State.UPLOADED)
    sources = models.JSONField(_("文件中的图层"), default=list)
    source = models.TextField(_("所选图层"), blank=True)
    srid = models.IntegerField(_("坐标系"), null=True)
    datum = models.CharField(_("基准"), max_length=10, choices=Datum.choices, blank=True)
    place = models.JSONField(_("位置来源"), default=dict)
    mapping = models.JSONField(_("字段对应"), default=dict)
    constants = models.JSONField(_("固定值"), default=dict)
    policy = models.CharField(_("出错时"), max_length=4, choices=Policy.choices, default=Policy.ALL)
    repair = models.BooleanField(_("自动修复图形"), default=False)
    counts = models.JSONField(_("计数"), default=dict)
    report = models.JSONField(_("问题"), default=list)
    notes = models.JSONField(pgettext_lazy("plural", "说明"), default=list)
    job = models.ForeignKey(Job, models.SET_NULL, verbose_name=_("任务"), null=True, related_name="+")
    created_at = models.DateTimeField(_("上传时间"), auto_now_add=True)
    finished_at = models.DateTimeField(_("完成时间"), null=True)

    class Meta:
        verbose_name = _("文件导入")
        verbose_name_plural = _("文件导入")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        """Where the bytes are: under the import's own id, never under the name they came with."""
        return Path(settings.MEDIA_ROOT) / "imports" / f"{self.pk}.{self.format}"


class ImportedRow(models.Model):
    """A feature that an import wrote, and the row of the file it came from."""

    origin = models.ForeignKey(Import, models.CASCADE, verbose_name=_("文件导入"), related_name="rows")
    feature_id = models.UUIDField(_("要素"), db_index=True)
    number = models.PositiveIntegerField(_("行号"))

    class Meta:
        verbose_name = _("导入的要素")
        verbose_name_plural = _("导入的要素")

    def __str__(self) -> str:
        return f"{self.origin_id} #{self.number}"
