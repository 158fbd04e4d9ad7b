"""Episodes with what was done about them, and what the evaluator remembers."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from services.alarms.models.rules import NOT_HEARD, SUBJECTS, Deadline, Level, Rule
from services.alarms.words import filled
from services.catalog.ids import UUID7, uuid7
from services.catalog.models import FeatureIndex
from services.telemetry.models import Device, Factor


class Episode(models.Model):
    """One exceedance at a device, or one warning of a module, from begin to end, and how far people are with it.

    A warning has no device; one without a feature is about the platform itself.
    """

    class State(models.TextChoices):
        """What people made of it."""

        OPEN = "open", _("待确认")
        ACKNOWLEDGED = "acknowledged", _("已确认")
        ASSIGNED = "assigned", _("已指派")
        RECTIFYING = "rectifying", _("整改中")
        HANDLED = "handled", _("已处置")
        CLOSED = "closed", _("已办结")
        FALSE = "false", _("误报")

    class Disposition(models.TextChoices):
        """Why a true exceedance needs no measures: the limit stays what it is."""

        NIGHT_PERMIT = "night_permit", _("持有夜间施工许可")
        EMERGENCY = "emergency", _("抢修抢险")
        WEATHER = "weather", _("沙尘等不利气象")
        OUTSIDE = "outside", _("外部来源影响")
        MEASURES = "measures", _("已采取措施")

    UNDONE = (State.OPEN, State.ACKNOWLEDGED, State.ASSIGNED, State.RECTIFYING)
    DONE = (State.CLOSED, State.FALSE)

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    rule = models.ForeignKey(Rule, models.PROTECT, verbose_name=_("规则"), related_name="episodes")
    device = models.ForeignKey(
        Device, models.DO_NOTHING, verbose_name=_("设备"), null=True, db_constraint=False, related_name="+"
    )
    # A feature may go; its alarms stay.
    feature = models.ForeignKey(
        FeatureIndex, models.DO_NOTHING, verbose_name=_("要素"), null=True, db_constraint=False, related_name="+"
    )
    factor = models.ForeignKey(Factor, models.PROTECT, verbose_name=_("监测因子"), null=True, related_name="+")
    subject = models.CharField(_("对象"), max_length=100, blank=True)
    level = models.CharField(_("级别"), max_length=6, choices=Level.choices)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.OPEN)
    began_at = models.DateTimeField(_("开始时间"), db_index=True)
    raised_at = models.DateTimeField(_("告警时间"), db_default=Now())
    last_at = models.DateTimeField(_("最近超标"))
    ended_at = models.DateTimeField(_("恢复时间"), null=True)
    value = models.FloatField(_("最近值"), null=True)
    peak = models.FloatField(_("峰值"), null=True)
    peak_at = models.DateTimeField(_("峰值时间"), null=True)
    limit = models.FloatField(_("限值"), null=True)
    count = models.PositiveIntegerField(_("超标次数"), default=0)
    late = models.BooleanField(_("补传超标"), default=False)
    withdrawn = models.BooleanField(_("已撤销"), default=False)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("责任人"), null=True, related_name="+"
    )
    disposition = models.CharField(_("处置说明"), max_length=12, choices=Disposition.choices, blank=True)
    measure = models.CharField(_("整改措施"), max_length=1000, blank=True, db_default="")
    rectify_by = models.DateTimeField(_("整改期限"), null=True)
    acknowledged_at = models.DateTimeField(_("确认时间"), null=True)
    handled_at = models.DateTimeField(_("处置时间"), null=True)
    closed_at = models.DateTimeField(_("办结时间"), null=True, db_index=True)

    class Meta:
        verbose_name = _("告警")
        verbose_name_plural = _("告警")
        ordering = ["-raised_at", "-id"]
        indexes = [
            models.Index(fields=["-raised_at", "-id"], name="episode_newest"),
            models.Index(fields=["feature", "-raised_at"], name="episode_feature"),
            models.Index(fields=["rule", "device", "factor", "began_at"], name="episode_of_key"),
            models.Index(
                fields=["level"],
                name="episode_undone",
                condition=models.Q(state__in=["open", "acknowledged", "assigned", "rectifying", "handled"]),
            ),
        ]
        constraints = [
            # I4: whatever evaluators do at once, an exceedance that lasts is one episode.
            models.UniqueConstraint(
                fields=["rule", "device", "factor", "subject"], name="episode_open_once", nulls_distinct=False,
                condition=models.Q(ended_at=None, late=False, device__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["rule", "feature", "subject"], name="warning_open_once", nulls_distinct=False,
                condition=models.Q(ended_at=None, late=False, device=None),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.rule} {self.began_at:%Y-%m-%d %H:%M}"

    @property
    def irregularity(self) -> str:
        """What was reported, how a silent device left, or which thing of the module it is about, in words."""
        if not self.subject and self.rule.kind == Rule.Kind.SILENCE:
            return str(NOT_HEARD)
        if self.rule.kind == Rule.Kind.MODULE:
            from services.alarms.kinds import said

            return said(self.rule.key or "", self.subject)
        return str(SUBJECTS.get(self.subject, self.subject))

    @property
    def unit(self) -> str:
        """Of its value and limit."""
        return self.factor.unit if self.factor else self.rule.unit

    @property
    def lasted(self) -> timedelta:
        """From its begin to its end, or to the last exceedance so far."""
        return (self.ended_at or self.last_at) - self.began_at


class Act(models.Model):
    """One thing that happened to an episode: by a person, by the evaluator, by a deadline."""

    class Kind(models.TextChoices):
        """What happened."""

        RAISED = "raised", _("触发")
        WORSENED = "worsened", _("升级")
        ENDED = "ended", _("恢复")
        LATE = "late", _("补传判定")
        WITHDRAWN = "withdrawn", _("撤销")
        ACKNOWLEDGED = "acknowledged", _("确认")
        ASSIGNED = "assigned", _("指派")
        RECTIFIED = "rectify", _("责令整改")
        HANDLED = "handled", _("处置")
        CLOSED = "closed", _("办结")
        FALSE = "false", _("判为误报")
        REOPENED = "reopened", _("退回")
        COMMENTED = "commented", _("备注")
        OVERDUE = "overdue", _("超期上报")

    episode = models.ForeignKey(Episode, models.CASCADE, verbose_name=_("告警"), related_name="acts")
    kind = models.CharField(_("动作"), max_length=12, choices=Kind.choices)
    at = models.DateTimeField(_("时间"), db_default=Now(), db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("人员"), null=True, related_name="+"
    )
    deadline = models.ForeignKey(Deadline, models.SET_NULL, verbose_name=_("期限"), null=True, related_name="+")
    level = models.CharField(_("级别"), max_length=6, choices=Level.choices, blank=True)
    value = models.FloatField(_("数值"), null=True)
    text = models.CharField(_("说明"), max_length=1000, blank=True)
    given = models.JSONField(null=True, editable=False)

    class Meta:
        verbose_name = _("告警记录")
        verbose_name_plural = _("告警记录")
        ordering = ["at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["episode", "deadline"], name="overdue_once", condition=models.Q(deadline__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.at:%Y-%m-%d %H:%M}"

    @property
    def words(self) -> str:
        """The text in the language of whoever reads it; what people wrote stays as it is."""
        if self.given is None or not self.text:
            return self.text
        return filled(self.text, self.given)


class Told(models.Model):
    """Somebody who was told of an episode: who may acknowledge it, and the evidence that they were."""

    episode = models.ForeignKey(Episode, models.CASCADE, verbose_name=_("告警"), related_name="told")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("人员"), related_name="+")
    kind = models.CharField(_("缘由"), max_length=12, choices=Act.Kind.choices)
    at = models.DateTimeField(_("时间"), db_default=Now())

    class Meta:
        verbose_name = _("告知记录")
        verbose_name_plural = _("告知记录")
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["user", "episode"], name="told_user")]

    def __str__(self) -> str:
        return f"{self.user} {self.kind}"


class Watch(models.Model):
    """What the evaluator remembers of a rule at a device where it is not calm: the state up to a settled moment."""

    rule = models.ForeignKey(Rule, models.CASCADE, related_name="+")
    device = models.IntegerField()
    version = models.PositiveIntegerField()
    settled_at = models.DateTimeField()
    state = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "device"], name="watch_once")]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.device}"


class Report(models.Model):
    """A device about which something that is no value was reported, such as a flood of packets; read and taken away."""

    device = models.IntegerField()
    subject = models.CharField(max_length=20)
    text = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.device} {self.subject}"
