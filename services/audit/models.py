"""The audit trail: insert-only by trigger."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


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
