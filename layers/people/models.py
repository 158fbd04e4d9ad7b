"""People, their certificates and their training; who may not be engaged, and what was done where somebody was."""

from datetime import date
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Concat, Left, Right
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from gis.fields import PointField
from layers.people.rules import validate_identity_number
from services.catalog.ids import UUID7, uuid7
from services.catalog.models import Feature, Record
from services.catalog.moves import Moves
from services.catalog.quantities import Quantity


def masked(name: str, first: int, hidden: int, label: Any) -> models.GeneratedField:
    """A column that the database computes from a private one: its first characters, stars, its last four."""
    stars = Value("*" * hidden)
    return models.GeneratedField(
        expression=Case(
            When(~Q(**{name: ""}), then=Concat(Left(F(name), first), stars, Right(F(name), 4))), default=Value("")
        ),
        output_field=models.CharField(max_length=first + hidden + 4),
        db_persist=True,
        verbose_name=label,
    )


class Person(Feature):
    """Somebody who works for an enterprise of the industry; shown where that enterprise has its seat."""

    class State(models.TextChoices):
        """Locking and unlocking follow DZ-026."""

        ACTIVE = "active", _("在岗")
        LEFT = "left", _("离岗")
        LOCKED = "locked", _("锁定")

    class Kind(models.TextChoices):
        """The kinds of HZ-007, then those that other offices name."""

        HEAD = "head", _("企业负责人")
        PROJECT_HEAD = "project_head", _("项目负责人")
        SAFETY = "safety", _("专职安全管理人员")
        REGISTERED = "registered", _("注册执业人员")
        SITE = "site", _("现场管理人员")
        SUPERVISION = "supervision", _("监理人员")
        TESTING = "testing", _("检测人员")
        SPECIAL = "special", _("特种作业人员")
        LABOUR = "labour", _("劳务人员")

    class Title(models.TextChoices):
        SENIOR = "senior", _("高级工程师")
        ENGINEER = "engineer", _("工程师")
        ASSISTANT = "assistant", _("助理工程师")
        TECHNICIAN = "technician", _("技师")
        NONE = "none", _("无")

    # A person has the place and the region of the employer, and no own.
    region = None

    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.ACTIVE)
    kind = models.CharField(_("人员类别"), max_length=16, choices=Kind.choices)
    title = models.CharField(_("职称"), max_length=12, choices=Title.choices, default=Title.NONE)
    trade = models.CharField(_("专业或工种"), max_length=60, blank=True)
    team = models.CharField(_("施工队伍"), max_length=60, blank=True, default="", db_default="")
    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, verbose_name=_("所属单位"), related_name="people"
    )
    project = models.ForeignKey(
        "projects.Project", models.SET_NULL, verbose_name=_("所在工程"), null=True, blank=True, related_name="people"
    )
    id_number = models.CharField(
        _("身份证号"), max_length=18, blank=True, validators=[validate_identity_number], help_text=_("GB 11643，18位")
    )
    id_masked = masked("id_number", 3, 11, _("身份证号（脱敏）"))
    phone = models.CharField(_("手机号"), max_length=20, blank=True)
    phone_masked = masked("phone", 3, 4, _("手机号（脱敏）"))
    employed_on = models.DateField(_("入职日期"), null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = _("人员")
        verbose_name_plural = pgettext_lazy("plural", "人员")
        indexes = [models.Index(fields=["kind", "state"], name="person_kind_state")]
        constraints = [
            models.UniqueConstraint(
                fields=["id_number"], condition=~Q(id_number=""), name="person_once",
                violation_error_message=_("该身份证号已登记。"),
            )
        ]  # fmt: skip


class Certificate(Record):
    """A certificate that lets a person practise."""

    of = "person"

    person = models.ForeignKey(Person, models.CASCADE, verbose_name=_("人员"), related_name="certificates")
    kind = models.CharField(_("证书类别"), max_length=60)
    number = models.CharField(_("证书编号"), max_length=50)
    issued_by = models.CharField(_("发证机关"), max_length=100, blank=True)
    issued_on = models.DateField(_("发证日期"), db_index=True)
    valid_until = models.DateField(_("有效期至"), null=True, blank=True)

    class Meta:
        verbose_name = _("证书")
        verbose_name_plural = pgettext_lazy("plural", "证书")
        ordering = ["-issued_on"]
        constraints = [
            models.UniqueConstraint(fields=["person", "number"], name="certificate_once"),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gte=F("issued_on")),
                name="certificate_dates_in_order",
                violation_error_message=_("有效期不得早于发证日期。"),
            ),
        ]


class Training(Record):
    """A training that a person attended."""

    class Result(models.TextChoices):
        PASSED = "passed", _("合格")
        FAILED = "failed", _("不合格")
        PENDING = "pending", _("待考核")

    of = "person"

    person = models.ForeignKey(Person, models.CASCADE, verbose_name=_("人员"), related_name="trainings")
    subject = models.CharField(_("培训内容"), max_length=120)
    held_on = models.DateField(_("培训日期"), db_index=True)
    hours = models.DecimalField(_("学时"), max_digits=5, decimal_places=1)
    held_by = models.CharField(_("培训单位"), max_length=100, blank=True)
    result = models.CharField(_("考核结果"), max_length=8, choices=Result.choices, default=Result.PENDING)

    class Meta:
        verbose_name = _("教育培训")
        verbose_name_plural = pgettext_lazy("plural", "教育培训")
        ordering = ["-held_on"]
        constraints = [
            models.CheckConstraint(
                condition=Q(hours__gt=0), name="training_hours_positive", violation_error_message=_("学时应大于零。")
            )
        ]


class Locator(Feature):
    """What somebody on a site carries to be found, at its latest position; its code is the number on it."""

    class State(models.TextChoices):
        MOVING = "moving", _("移动")
        STILL = "still", _("静止")
        OFFLINE = "offline", _("离线")

    class Kind(models.TextChoices):
        HELMET = "helmet", _("智能安全帽")
        BADGE = "badge", _("定位工牌")
        HANDHELD = "handheld", _("手持终端")

    moves = Moves("speed", "heading", driving=State.MOVING, standing=State.STILL, offline=State.OFFLINE, on_foot=True)
    of = "person"
    topic = "location"

    # It belongs to the region of its site, wherever it is carried.
    region = None

    code = models.CharField(_("终端编号"), max_length=30, unique=True)
    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.OFFLINE)
    kind = models.CharField(_("终端类型"), max_length=12, choices=Kind.choices, default=Kind.HELMET)
    person = models.ForeignKey(Person, models.CASCADE, verbose_name=_("佩戴人员"), related_name="locators")
    project = models.ForeignKey("projects.Project", models.PROTECT, verbose_name=_("所在工程"), related_name="locators")
    worn_since = models.DateField(_("领用日期"), null=True, blank=True, db_index=True)
    speed = Quantity(_("速度"), unit="km/h", validators=[MinValueValidator(0)])
    heading = Quantity(_("航向"), unit="°", validators=[MinValueValidator(0), MaxValueValidator(360)])
    located_at = models.DateTimeField(_("定位时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("人员定位终端")
        verbose_name_plural = pgettext_lazy("plural", "人员定位终端")
        indexes = [models.Index(fields=["state"], name="locator_state")]
        constraints = [
            models.CheckConstraint(
                condition=(Q(heading=None) | Q(heading__range=(0, 360))) & (Q(speed=None) | Q(speed__gte=0)),
                name="locator_motion_possible",
                violation_error_message=_("航向应在 0° 至 360° 之间，速度不得为负。"),
            )
        ]


class Handover(Record):
    """Who carries a terminal from then on, until the next one: a position says where it was, this says who had it."""

    of = "locator"

    locator = models.ForeignKey(Locator, models.CASCADE, verbose_name=_("定位终端"), related_name="handovers")
    person = models.ForeignKey(Person, models.CASCADE, verbose_name=_("佩戴人员"), related_name="+")
    taken_at = models.DateTimeField(_("领用时间"), db_index=True)
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("领用记录")
        verbose_name_plural = pgettext_lazy("plural", "领用记录")
        ordering = ["-taken_at"]
        constraints = [models.UniqueConstraint(fields=["locator", "taken_at"], name="handover_once")]

    def clean(self) -> None:
        """Nobody carries it from some time to come."""
        if self.taken_at is not None and self.taken_at > timezone.now():
            raise ValidationError({"taken_at": gettext("领用时间不得晚于现在。")})

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write it; the latest one says whom the terminal shows."""
        super().save(*args, **kwargs)
        if not self.locator.handovers.filter(taken_at__gt=self.taken_at).exists():
            self.locator.person = self.person
            self.locator.worn_since = timezone.localdate(self.taken_at)
            self.locator.save(update_fields=["person", "worn_since", "updated_at"])


class Listed(models.QuerySet["BlacklistEntry"]):
    """Entries of the blacklist."""

    def in_force(self, day: date | None = None) -> "Listed":
        """Those that hold on a day, by default today."""
        day = day or timezone.localdate()
        return self.filter(
            Q(valid_until=None) | Q(valid_until__gte=day), valid_from__lte=day, lifted_at=None
        )  # fmt: skip


class BlacklistEntry(models.Model):
    """A person, a team or an enterprise that is not to be engaged; every project and the headquarters see all."""

    class Subject(models.TextChoices):
        PERSON = "person", _("人员")
        TEAM = "team", _("施工队伍")
        ENTERPRISE = "enterprise", _("企业")

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    subject = models.CharField(pgettext_lazy("blacklist", "对象"), max_length=10, choices=Subject.choices)
    name = models.CharField(_("姓名或名称"), max_length=200)
    # Kept as that of people is: who is listed need not be registered here, and is found by it when they come.
    id_number = models.CharField(_("身份证号"), max_length=18, blank=True, validators=[validate_identity_number])
    id_masked = masked("id_number", 3, 11, _("身份证号（脱敏）"))
    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, verbose_name=_("所属单位"), null=True, blank=True, related_name="+",
        help_text=_("队伍所属的单位；对象为企业时即该企业。"),
    )  # fmt: skip
    project = models.ForeignKey(
        "projects.Project", models.SET_NULL, verbose_name=_("发生工程"), null=True, blank=True, related_name="+"
    )
    reason = models.CharField(_("列入原因"), max_length=300)
    document = models.CharField(_("文书编号"), max_length=100, blank=True)
    authority = models.CharField(_("列入单位"), max_length=100)
    on_behalf = models.ForeignKey(
        "enterprises.Enterprise", models.SET_NULL, verbose_name=_("列入企业"), null=True, blank=True, related_name="+"
    )
    region = models.CharField(_("列入单位辖区"), max_length=12, blank=True, default="", db_default="")
    valid_from = models.DateField(_("列入日期"))
    valid_until = models.DateField(_("期限至"), null=True, blank=True, help_text=_("含当日；留空为长期。"))
    listed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("登记人"), null=True, related_name="+"
    )
    listed_at = models.DateTimeField(_("登记时间"))
    lifted_at = models.DateTimeField(_("解除时间"), null=True, blank=True)
    lifted_by = models.CharField(_("解除人"), max_length=60, blank=True)
    lifted_why = models.CharField(_("解除原因"), max_length=300, blank=True)

    objects = Listed.as_manager()

    class Meta:
        verbose_name = _("黑名单")
        verbose_name_plural = pgettext_lazy("plural", "黑名单")
        ordering = ["-listed_at"]
        indexes = [
            # What is asked when people are registered, one row or thousands.
            models.Index(fields=["id_number"], name="listed_number", condition=Q(lifted_at=None) & ~Q(id_number="")),
            models.Index(fields=["enterprise", "subject"], name="listed_enterprise", condition=Q(lifted_at=None)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(subject="person") & ~Q(id_number="")
                | Q(subject__in=["team", "enterprise"], enterprise__isnull=False, id_number=""),
                name="listed_to_be_found",
                violation_error_message=_("人员应填写身份证号；队伍和企业应选择单位。"),
            ),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gte=F("valid_from")), name="listed_in_order",
                violation_error_message=_("期限不得早于列入日期。"),
            ),
            models.CheckConstraint(
                condition=Q(lifted_at=None) | ~Q(lifted_why=""), name="lifted_with_reason",
                violation_error_message=_("请填写解除原因。"),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name

    @property
    def standing(self) -> str:
        """``now``, ``future``, ``past`` or ``lifted``."""
        today = timezone.localdate()
        if self.lifted_at is not None:
            return "lifted"
        if self.valid_from > today:
            return "future"
        return "past" if self.valid_until is not None and self.valid_until < today else "now"


class BlacklistHit(models.Model):
    """Somebody on the blacklist was to be registered at a project, or an enterprise, and what was done about it."""

    class Handling(models.TextChoices):
        PENDING = "pending", _("待处理")
        REFUSED = "refused", _("不予进场")
        ADMITTED = "admitted", _("说明理由后进场")

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    entry = models.ForeignKey(BlacklistEntry, models.PROTECT, verbose_name=_("黑名单"), related_name="hits")
    name = models.CharField(_("姓名"), max_length=200)
    id_masked = models.CharField(_("身份证号（脱敏）"), max_length=18, blank=True)
    # Whose it is, without the number itself: a keyed hash of it, of the name where there is none.
    digest = models.CharField(max_length=64, editable=False)
    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.CASCADE, verbose_name=_("登记单位"), related_name="+"
    )
    project = models.ForeignKey(
        "projects.Project", models.CASCADE, verbose_name=_("登记工程"), null=True, blank=True, related_name="+"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("登记人"), null=True, related_name="+"
    )
    person = models.CharField(_("登记人"), max_length=150, blank=True)
    at = models.DateTimeField(_("发现时间"))
    times = models.PositiveIntegerField(_("次数"), default=1)
    handling = models.CharField(_("处理"), max_length=10, choices=Handling.choices, default=Handling.PENDING)
    reason = models.CharField(_("处理说明"), max_length=300, blank=True)
    settled_by = models.CharField(_("处理人"), max_length=150, blank=True)
    settled_at = models.DateTimeField(_("处理时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("进场检测记录")
        verbose_name_plural = pgettext_lazy("plural", "进场检测记录")
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint(
                fields=["entry", "digest", "project", "enterprise"], condition=Q(handling="pending"),
                name="hit_pending_once", nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(handling="pending") | (Q(settled_at__isnull=False) & ~Q(reason="")),
                name="hit_settled_whole",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M}"


class BlacklistRule(models.Model):
    """How an enterprise handles who is listed, from one day to before another; without one it decides each time."""

    class Handling(models.TextChoices):
        REFUSE = "refuse", _("一律不予进场")
        DECIDE = "decide", _("说明理由后可以进场")

    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.CASCADE, verbose_name=_("企业"), related_name="blacklist_rules"
    )
    handling = models.CharField(_("处理方式"), max_length=8, choices=Handling.choices)
    citation = models.CharField(_("依据"), max_length=200, help_text=_("企业的制度名称和条款。"))
    valid_from = models.DateField(_("启用日期"))
    valid_to = models.DateField(_("失效日期"), null=True, blank=True, help_text=_("自当日起不再适用。"))

    class Meta:
        verbose_name = _("黑名单处理规定")
        verbose_name_plural = pgettext_lazy("plural", "黑名单处理规定")
        ordering = ["enterprise", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["enterprise", "valid_from"], name="blacklist_rule_once"),
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gt=F("valid_from")), name="blacklist_rule_in_order",
                violation_error_message=_("失效日期应晚于启用日期。"),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.enterprise} {self.get_handling_display()}"
