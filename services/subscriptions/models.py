"""Subscriptions of other systems, and what is on its way to each."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from services.alarms.models import Act, Level
from services.catalog.layer import registry
from services.catalog.sealed import SealedField
from services.notify.errors import Refused
from services.notify.outbound import split


class Subscription(models.Model):
    """Another system that hears of alarms: where, of which, and in whose rights."""

    id = models.AutoField(primary_key=True)
    name = models.CharField(_("名称"), max_length=100, unique=True)
    note = models.CharField(_("说明"), max_length=200, blank=True, help_text=_("例如对方系统、联系人、接口文档编号。"))
    enabled = models.BooleanField(_("启用"), default=True)
    url = models.CharField(
        _("接收地址"), max_length=500, help_text=_("https；主机须先登记为允许的外部主机，内网主机可用 http。")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("按其权限推送的账号"), related_name="+",
        help_text=_("只推送该账号看得到的告警；账号停用后不再推送。"),
    )  # fmt: skip
    level = models.CharField(
        _("最低级别"),
        max_length=6,
        choices=Level.choices,
        default=Level.BLUE,
        help_text=_("推送此级别及更紧急的告警。"),
    )
    layers = ArrayField(
        models.CharField(max_length=64), verbose_name=pgettext_lazy("plural", "图层"), default=list, blank=True,
        help_text=_("不选为全部。"),
    )  # fmt: skip
    acts = ArrayField(
        models.CharField(max_length=12, choices=Act.Kind.choices), verbose_name=_("推送的动作"), default=list
    )
    language = models.CharField(_("语言"), max_length=10, choices=settings.LANGUAGES, default=settings.LANGUAGE_CODE)
    secret = SealedField(_("签名密钥"), blank=True, editable=False)
    created_at = models.DateTimeField(_("创建时间"), db_default=Now(), editable=False)
    success_at = models.DateTimeField(_("最近送达"), null=True, editable=False)
    failures = models.PositiveIntegerField(_("连续失败"), default=0, editable=False)
    trouble = models.CharField(_("推送故障"), max_length=300, blank=True, editable=False)
    next_at = models.DateTimeField(_("下次尝试"), null=True, editable=False)

    class Meta:
        verbose_name = _("告警推送")
        verbose_name_plural = pgettext_lazy("plural", "告警推送")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        problems: dict[str, object] = {}
        try:
            split(self.url, plain=True)
        except Refused:
            problems["url"] = _("请填写 https 地址，内网主机可用 http；地址中不得有用户名。")
        if unknown := [key for key in self.layers if key not in registry.by_key]:
            problems["layers"] = _("没有这些图层：%(names)s") % {"names": ", ".join(unknown)}
        if not self.acts:
            problems["acts"] = _("请至少选择一种动作。")
        if problems:
            raise ValidationError(problems)

    @property
    def state(self) -> str:
        """How it is: off, failing, ok, or waiting for its first alarm."""
        if not self.enabled:
            return "off"
        return "failing" if self.failures else "ok" if self.success_at else "waiting"


class Delivery(models.Model):
    """One act on its way to one system. Rows come by trigger, in the transaction that notes the act."""

    class State(models.TextChoices):
        """What became of it."""

        DUE = "due", _("待送达")
        DELIVERED = "delivered", _("已送达")
        REFUSED = "refused", _("对方拒收")
        EXPIRED = "expired", _("超期未送达")

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="deliveries", db_index=False)
    act = models.ForeignKey(Act, models.CASCADE, related_name="+")
    state = models.CharField(_("状态"), max_length=9, choices=State.choices, default=State.DUE, db_default=State.DUE)
    attempts = models.PositiveIntegerField(_("次数"), default=0, db_default=0)
    answer = models.CharField(_("应答"), max_length=300, blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("产生时间"), db_default=Now())
    done_at = models.DateTimeField(_("完成时间"), null=True)

    class Meta:
        verbose_name = _("推送记录")
        verbose_name_plural = pgettext_lazy("plural", "推送记录")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["subscription", "id"], name="delivery_due", condition=Q(state="due")),
            models.Index(fields=["subscription", "-id"], name="delivery_newest"),
        ]
        constraints = [models.UniqueConstraint(fields=["subscription", "act"], name="delivery_once")]

    def __str__(self) -> str:
        return f"{self.subscription} {self.act_id}"

    @property
    def took(self) -> str:
        """How long it was on its way, in seconds to a tenth; empty where it was not taken."""
        if self.done_at is None or self.state != self.State.DELIVERED:
            return ""
        return f"{max(0.0, (self.done_at - self.created_at).total_seconds()):.1f} s"
