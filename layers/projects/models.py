"""Projects, their parties, permits and progress."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.fields import PointField
from services.catalog.models import Feature, Record
from services.catalog.quantities import Money, Quantity


class Project(Feature):
    """A building or municipal engineering project (工程)."""

    class State(models.TextChoices):
        """Project statuses of DZ-009 and DZ-044."""

        PLANNED = "planned", _("未开工")
        ACTIVE = "active", _("在建")
        RECTIFYING = "rectifying", _("整改")
        SUSPENDED = "suspended", _("停工")
        COMPLETED = "completed", _("竣工")

    class Kind(models.TextChoices):
        BUILDING = "building", _("房屋建筑")
        MUNICIPAL = "municipal", _("市政基础设施")
        DEMOLITION = "demolition", _("拆除工程")

    class Stage(models.TextChoices):
        """Stages of construction; dust limits depend on them."""

        EARTHWORK = "earthwork", _("土石方")
        FOUNDATION = "foundation", _("地基与基础")
        STRUCTURE = "structure", _("主体结构")
        FIT_OUT = "fit_out", _("装饰装修")
        HANDOVER = "handover", _("竣工验收")

    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.PLANNED)
    kind = models.CharField(_("工程类别"), max_length=12, choices=Kind.choices, default=Kind.BUILDING)
    stage = models.CharField(_("施工阶段"), max_length=12, choices=Stage.choices, blank=True)
    address = models.CharField(_("建设地址"), max_length=200, blank=True)
    supervision_number = models.CharField(_("报监编号"), max_length=50, blank=True)
    summary = models.TextField(_("工程简介"), blank=True)
    floor_area = Quantity(_("建筑面积"), unit="m²", summed=True)
    contract_price = Money(_("合同价格"), unit="万元", decimal_places=4)
    progress = models.PositiveSmallIntegerField(
        _("形象进度"), default=0, validators=[MaxValueValidator(100)], help_text=_("百分比，0 至 100")
    )
    open_problems = models.PositiveIntegerField(_("未闭合问题数"), default=0)
    start_date = models.DateField(_("开工日期"), null=True, blank=True, db_index=True)
    finish_date = models.DateField(_("计划竣工日期"), null=True, blank=True)
    owner = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, verbose_name=_("建设单位"), null=True, blank=True,
        related_name="owned_projects",
    )  # fmt: skip
    contractor = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, verbose_name=_("施工单位"), null=True, blank=True,
        related_name="built_projects",
    )  # fmt: skip
    parties = models.ManyToManyField(
        "enterprises.Enterprise", verbose_name=_("参建单位"), through="Participation", related_name="projects"
    )

    class Meta:
        verbose_name = _("工程")
        verbose_name_plural = pgettext_lazy("plural", "工程")
        indexes = [models.Index(fields=["state"], name="project_state")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(finish_date=None) | models.Q(start_date=None)
                | models.Q(finish_date__gte=models.F("start_date")),
                name="project_dates_in_order",
                violation_error_message=_("计划竣工日期不得早于开工日期。"),
            )
        ]  # fmt: skip


class Participation(Record):
    """An enterprise that takes part in a project, in one capacity."""

    class Capacity(models.TextChoices):
        OWNER = "owner", _("建设单位")
        SURVEY = "survey", _("勘察单位")
        DESIGN = "design", _("设计单位")
        CONTRACTOR = "contractor", _("施工单位")
        SUPERVISION = "supervision", _("监理单位")
        TESTING = "testing", _("检测单位")

    of = "project"

    project = models.ForeignKey(Project, models.CASCADE, verbose_name=_("工程"), related_name="participations")
    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, verbose_name=_("单位"), related_name="participations"
    )
    capacity = models.CharField(_("参建角色"), max_length=12, choices=Capacity.choices)
    manager = models.CharField(_("项目负责人"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("参建单位")
        verbose_name_plural = pgettext_lazy("plural", "参建单位")
        indexes = [models.Index(fields=["created_at"], name="participation_entered")]
        constraints = [models.UniqueConstraint(fields=["project", "enterprise", "capacity"], name="participation_once")]


class Permit(Record):
    """A construction permit (施工许可证), 18 digits."""

    of = "project"

    project = models.ForeignKey(Project, models.CASCADE, verbose_name=_("工程"), related_name="permits")
    number = models.CharField(_("施工许可证号"), max_length=18, unique=True)
    issued_on = models.DateField(_("发证日期"), db_index=True)
    issued_by = models.CharField(_("发证机关"), max_length=100)
    scope = models.CharField(_("许可范围"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("施工许可")
        verbose_name_plural = pgettext_lazy("plural", "施工许可")
        ordering = ["-issued_on"]


class ProgressReport(Record):
    """A report of how far the works are (形象进度)."""

    of = "project"
    topic = "progress"

    project = models.ForeignKey(Project, models.CASCADE, verbose_name=_("工程"), related_name="progress_reports")
    reported_on = models.DateField(_("上报日期"), db_index=True)
    stage = models.CharField(_("施工阶段"), max_length=12, choices=Project.Stage.choices)
    percent = models.PositiveSmallIntegerField(
        _("完成比例"), validators=[MinValueValidator(0), MaxValueValidator(100)], help_text=_("百分比，0 至 100")
    )
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("进度上报")
        verbose_name_plural = pgettext_lazy("plural", "进度上报")
        ordering = ["-reported_on"]
        constraints = [models.UniqueConstraint(fields=["project", "reported_on"], name="progress_once_a_day")]


class NightPermit(Record):
    """A permit to work at night (夜间施工许可)."""

    of = "project"
    topic = "night"

    project = models.ForeignKey(Project, models.CASCADE, verbose_name=_("工程"), related_name="night_permits")
    number = models.CharField(_("许可编号"), max_length=50, unique=True)
    begins_at = models.DateTimeField(_("开始时间"), db_index=True)
    ends_at = models.DateTimeField(_("结束时间"))
    reason = models.CharField(_("事由"), max_length=200)
    issued_by = models.CharField(_("许可机关"), max_length=100)

    class Meta:
        verbose_name = _("夜间施工许可")
        verbose_name_plural = pgettext_lazy("plural", "夜间施工许可")
        ordering = ["-begins_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("begins_at")),
                name="night_permit_times_in_order",
                violation_error_message=_("结束时间应晚于开始时间。"),
            )
        ]


class GreenReview(Record):
    """A review of how green a site works: the six site measures against dust (六个百分之百)."""

    of = "project"
    topic = "green"

    project = models.ForeignKey(Project, models.CASCADE, verbose_name=_("工程"), related_name="green_reviews")
    reviewed_on = models.DateField(_("评价日期"), db_index=True)
    enclosed = models.BooleanField(_("工地围挡"), default=False)
    covered = models.BooleanField(_("物料覆盖"), default=False)
    wet_work = models.BooleanField(_("湿法作业"), default=False)
    paved = models.BooleanField(_("路面硬化"), default=False)
    washed = models.BooleanField(_("车辆冲洗"), default=False)
    closed_transport = models.BooleanField(_("密闭运输"), default=False)
    reviewer = models.CharField(_("评价人"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("绿色施工评价")
        verbose_name_plural = pgettext_lazy("plural", "绿色施工评价")
        ordering = ["-reviewed_on"]


class Merit(Record):
    """An award or a penalty that a project received."""

    class Kind(models.TextChoices):
        AWARD = "award", _("奖励")
        PENALTY = "penalty", _("处罚")

    of = "project"
    topic = "rewards"

    project = models.ForeignKey(Project, models.CASCADE, verbose_name=_("工程"), related_name="merits")
    decided_on = models.DateField(_("决定日期"), db_index=True)
    kind = models.CharField(_("类别"), max_length=8, choices=Kind.choices)
    title = models.CharField(_("名称"), max_length=200)
    decided_by = models.CharField(_("决定机关"), max_length=100)
    document = models.CharField(_("文号"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("奖惩记录")
        verbose_name_plural = pgettext_lazy("plural", "奖惩记录")
        ordering = ["-decided_on"]
