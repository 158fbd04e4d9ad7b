"""Messages, how they are worded, where people want them, and the outbox: PostgreSQL remembers, Redis only wakes."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from services.catalog.ids import UUID7, uuid7
from services.catalog.sealed import SealedField
from services.notify.wording import check_text

SHANGHAI = ZoneInfo("Asia/Shanghai")


class Level(models.TextChoices):
    """The four alarm levels, most urgent first, and none."""

    RED = "red", _("红色")
    ORANGE = "orange", _("橙色")
    YELLOW = "yellow", _("黄色")
    BLUE = "blue", _("蓝色")
    NONE = "none", _("一般")


class Kind(models.TextChoices):
    """Where a message is read; all but the first are kinds of channel, each with an adapter."""

    IN_APP = "in_app", _("站内消息")
    EMAIL = "email", _("电子邮件")
    SMS = "sms_http", _("短信")
    WECOM = "wecom", _("企业微信群机器人")
    DINGTALK = "dingtalk", _("钉钉群机器人")


PERSONAL = (Kind.EMAIL, Kind.SMS)
"""Kinds that reach one person at an address, which a person may choose or not; in the product a message always is."""


class Destination(models.Model):
    """A host to which the platform may open connections: nothing that is not listed here is ever called."""

    host = models.CharField(_("主机名"), max_length=253, help_text=_("全部小写，与通道设置中的主机名完全一致"))
    port = models.PositiveIntegerField(_("端口"), default=443)
    internal = models.BooleanField(_("位于内网"), default=False, help_text=_("允许解析为内网地址"))
    authority = models.TextField(_("专用根证书"), blank=True, help_text=_("PEM 格式；留空则使用系统信任的根证书"))
    note = models.CharField(_("用途"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("允许的外部主机")
        verbose_name_plural = _("允许的外部主机")
        constraints = [models.UniqueConstraint(fields=["host", "port"], name="notify_destination_once")]

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Channel(models.Model):
    """A way out, such as the SMTP server of the bureau or the robot of one group."""

    name = models.CharField(_("名称"), max_length=100, unique=True)
    kind = models.CharField(_("类型"), max_length=10, choices=Kind.choices[1:])
    language = models.CharField(
        _("消息语言"), max_length=10, choices=settings.LANGUAGES, default=settings.LANGUAGE_CODE,
        db_default=settings.LANGUAGE_CODE, help_text=_("发给群组的消息用此语言；发给个人的用各人的语言。"),
    )  # fmt: skip
    settings = models.JSONField(
        _("设置"), default=dict, blank=True,
        help_text=_("密钥只写名称，其值保存后在本页填写，或由环境变量 ZHUTU_NOTIFY_名称 给出"),
    )  # fmt: skip
    # Name → value as JSON, one seal for all of them.
    secrets = SealedField(_("密钥"), blank=True, default="", db_default="", editable=False)
    enabled = models.BooleanField(_("启用"), default=True)
    rests_until = models.DateTimeField(_("暂停至"), null=True, editable=False)

    class Meta:
        verbose_name = _("通知通道")
        verbose_name_plural = _("通知通道")

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        from services.notify.channels import check

        check(self)


class Template(models.Model):
    """How a kind of message is worded on a kind of channel in a language."""

    key = models.SlugField(_("消息种类"), max_length=60)
    channel = models.CharField(_("通道类型"), max_length=10, choices=Kind.choices, default=Kind.IN_APP)
    language = models.CharField(_("语言"), max_length=10, choices=settings.LANGUAGES, default=settings.LANGUAGE_CODE)
    subject = models.CharField(_("标题"), max_length=200, validators=[check_text])
    body = models.TextField(_("正文"), max_length=4000, validators=[check_text])

    class Meta:
        verbose_name = _("消息模板")
        verbose_name_plural = _("消息模板")
        constraints = [models.UniqueConstraint(fields=["key", "channel", "language"], name="notify_template_once")]

    def __str__(self) -> str:
        return f"{self.key} · {self.channel} · {self.language}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a text with an unknown variable is refused whoever writes it (ValidationError)."""
        self.clean_fields()
        super().save(*args, **kwargs)


def standard_ways() -> dict[str, list[str]]:
    """What somebody gets who never said otherwise."""
    return {Level.RED: [Kind.EMAIL, Kind.SMS], Level.ORANGE: [Kind.EMAIL]}


class Contact(models.Model):
    """Where and when a user wants messages; who has no row gets the standard ways at the account's e-mail address."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("用户"), related_name="contact", primary_key=True
    )
    mobile = models.CharField(
        _("手机号码"), max_length=11, blank=True,
        validators=[RegexValidator(r"^1[3-9]\d{9}\Z", _("请填写 11 位手机号码。"))],
    )  # fmt: skip
    email = models.EmailField(_("电子邮箱"), blank=True)
    language = models.CharField(
        _("消息语言"), max_length=10, choices=settings.LANGUAGES, default=settings.LANGUAGE_CODE
    )
    ways = models.JSONField(_("各级别的通知方式"), default=standard_ways, blank=True)
    quiet_from = models.TimeField(_("免打扰开始"), null=True, blank=True)
    quiet_to = models.TimeField(_("免打扰结束"), null=True, blank=True)

    class Meta:
        verbose_name = _("联系方式")
        verbose_name_plural = _("联系方式")

    def __str__(self) -> str:
        return str(self.user)

    def clean(self) -> None:
        if (self.quiet_from is None) != (self.quiet_to is None):
            raise ValidationError({"quiet_to": _("免打扰的开始和结束时间要一起填写或一起留空。")})

    def address(self, kind: str) -> str:
        """The address for a kind of channel; empty where there is none."""
        return {Kind.EMAIL: self.email or self.user.email, Kind.SMS: self.mobile}.get(Kind(kind), "")

    def not_before(self, level: str, now: datetime) -> datetime:
        """When a message of this level may go out: ``now``, or the end of the quiet hours that ``now`` falls into.

        Quiet hours are in Asia/Shanghai; red ignores them; equal times mean none.
        """
        if level == Level.RED or self.quiet_from is None or self.quiet_to is None:
            return now
        here = now.astimezone(SHANGHAI)
        if not _within(here.time(), self.quiet_from, self.quiet_to):
            return now
        end = datetime.combine(here.date(), self.quiet_to, SHANGHAI)
        return end if end > here else end + timedelta(days=1)


def _within(at: time, start: time, end: time) -> bool:
    return start <= at < end if start <= end else at >= start or at < end


class Absence(models.Model):
    """A time in which somebody is off duty and a deputy gets their messages; over when its end has come."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("用户"), related_name="+")
    deputy = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("代理人"), related_name="+")
    since = models.DateTimeField(_("不在岗开始"))
    until = models.DateTimeField(_("不在岗结束"))
    created_at = models.DateTimeField(_("创建时间"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("不在岗安排")
        verbose_name_plural = _("不在岗安排")
        ordering = ["-since"]
        indexes = [models.Index(fields=["user", "until"], name="notify_absence_of_user")]
        constraints = [
            models.CheckConstraint(condition=models.Q(until__gt=models.F("since")), name="notify_absence_ends"),
            models.CheckConstraint(condition=~models.Q(user=models.F("deputy")), name="notify_absence_other"),
        ]

    def __str__(self) -> str:
        return f"{self.user} → {self.deputy}"

    def clean(self) -> None:
        if self.since is None or self.until is None:
            return
        if self.until <= self.since:
            raise ValidationError({"until": _("结束时间应晚于开始时间。")})
        if self.until <= timezone.now():
            raise ValidationError({"until": _("结束时间已经过去。")})
        others = Absence.objects.filter(user=self.user_id, since__lt=self.until, until__gt=self.since)
        if others.exclude(pk=self.pk).exists():
            raise ValidationError({"since": _("与已有的不在岗安排时间重叠。")})


class Message(models.Model):
    """A notice to one user, or to the group behind a robot."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("用户"), null=True, related_name="notices"
    )
    group = models.ForeignKey(Channel, models.CASCADE, verbose_name=_("群"), null=True, related_name="+")
    subject = models.CharField(_("标题"), max_length=200)
    body = models.TextField(_("正文"))
    level = models.CharField(_("级别"), max_length=6, choices=Level.choices, default=Level.NONE)
    link = models.CharField(_("跳转链接"), max_length=500, blank=True)
    dedupe_key = models.CharField(_("去重键"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("时间"), db_default=Now())
    read_at = models.DateTimeField(_("阅读时间"), null=True)

    class Meta:
        verbose_name = _("消息")
        verbose_name_plural = _("消息")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["user", "-id"], name="notify_of_user"),
            models.Index(fields=["user"], name="notify_unread", condition=models.Q(read_at=None, user__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "group", "dedupe_key"], name="notify_message_once", nulls_distinct=False,
                condition=~models.Q(dedupe_key=""),
            ),
            models.CheckConstraint(
                condition=models.Q(user=None) ^ models.Q(group=None), name="notify_user_or_group"
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.subject


class Delivery(models.Model):
    """One message on its way to one address: a row of the outbox, and afterwards the evidence."""

    class State(models.TextChoices):
        """Sent: the other side took it. Delivered: a receipt says that it arrived. Failed: refused for good."""

        QUEUED = "queued", _("待发送")
        SENT = "sent", _("已发送")
        DELIVERED = "delivered", _("已送达")
        FAILED = "failed", _("被拒绝")
        DEAD = "dead", _("多次失败，已放弃")

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    message = models.ForeignKey(Message, models.CASCADE, verbose_name=_("消息"), related_name="deliveries")
    channel = models.ForeignKey(Channel, models.CASCADE, verbose_name=_("通道"), related_name="+")
    address = models.CharField(_("地址"), max_length=254)
    subject = models.CharField(_("标题"), max_length=200)
    body = models.TextField(_("正文"))
    urgency = models.PositiveSmallIntegerField(_("紧急程度"))
    state = models.CharField(_("状态"), max_length=9, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(_("尝试次数"), default=0)
    next_try_at = models.DateTimeField(_("下次尝试"), db_default=Now())
    tried_at = models.DateTimeField(_("最近尝试"), null=True)
    done_at = models.DateTimeField(_("完成时间"), null=True)
    receipt = models.CharField(_("回执编号"), max_length=200, blank=True)
    error = models.CharField(_("错误"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("投递")
        verbose_name_plural = _("投递")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["urgency", "next_try_at"], name="notify_due", condition=models.Q(state="queued")),
            models.Index(fields=["channel", "tried_at"], name="notify_rate"),
            models.Index(fields=["channel", "receipt"], name="notify_receipt", condition=~models.Q(receipt="")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["message", "channel", "address"], name="notify_delivery_once")
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.channel} → {masked(self.address)}"


def masked(address: str) -> str:
    """An address as other people may see it: ``138****8000``, ``z***@example.com``."""
    name, at, host = address.partition("@")
    if at:
        return f"{name[:1]}***@{host}"
    return f"{address[:3]}****{address[-4:]}" if len(address) > 7 else address
