"""The table of events: what the triggers note and engines tell, kept for as long as somebody may ask for it again."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Transaction(models.Func):
    """The number of the transaction that writes a row, 64 bits wide."""

    template = "(pg_current_xact_id()::text::bigint)"
    output_field = models.BigIntegerField()


class Topic(models.TextChoices):
    """What is noted by trigger; other engines tell under topics of their own."""

    FEATURES = "features", _("要素变化")
    LAYERS = "layers", _("图层变化")


class Event(models.Model):
    """Something that happened: columns of features changed, a layer has to be read again, or an engine told of it."""

    transaction = models.BigIntegerField(_("事务"), db_default=Transaction())
    at = models.DateTimeField(_("时间"), db_default=Now())
    topic = models.CharField(_("主题"), max_length=16)
    layer = models.CharField(_("图层"), max_length=64)
    features = ArrayField(models.UUIDField(), verbose_name=pgettext_lazy("plural", "要素"), default=list)
    columns = ArrayField(models.CharField(max_length=64), verbose_name=pgettext_lazy("plural", "字段"), default=list)
    payload = models.JSONField(_("内容"), default=dict)

    class Meta:
        verbose_name = _("实时事件")
        verbose_name_plural = _("实时事件")
        indexes = [models.Index(fields=["transaction"], name="live_transaction")]

    def __str__(self) -> str:
        return f"{self.topic} {self.layer} {self.at}"
