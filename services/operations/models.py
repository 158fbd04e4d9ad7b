"""Jobs: PostgreSQL remembers them, Redis only wakes a worker."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

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
        verbose_name_plural = _("任务")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.title
