"""Distribution boxes of the temporary power of sites, with their latest values, their checks and what was mended."""

from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from gis.fields import PointField
from layers.power_boxes import rules
from services.catalog.models import Feature, Record
from services.catalog.quantities import Quantity
from services.limits import tables
from services.limits.standing import Stages

NOT_NEGATIVE = [MinValueValidator(0)]


class PowerBox(Feature):
    """A distribution box of the temporary power of a site; its values are the latest ones of its devices."""

    class State(models.TextChoices):
        NORMAL = "normal", _("正常")
        ATTENTION = "attention", _("需整改")
        OUT = "out", _("停用")

    class Kind(models.TextChoices):
        """The three steps of distribution (JGJ 46)."""

        TOTAL = "total", _("总配电箱")
        BRANCH = "branch", _("分配电箱")
        SWITCH = "switch", _("开关箱")

    of = "project"
    topic = "power"
    rested_by = "resting"

    code = models.CharField(_("配电箱编号"), max_length=32, unique=True)
    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.NORMAL)
    kind = models.CharField(_("配电箱类别"), max_length=8, choices=Kind.choices, default=Kind.SWITCH)
    project = models.ForeignKey(
        "projects.Project", models.PROTECT, verbose_name=_("所属工程"), related_name="power_boxes"
    )
    spot = models.CharField(_("安装部位"), max_length=60, blank=True)
    electrician = models.ForeignKey(
        "people.Person", models.SET_NULL, verbose_name=_("责任电工"), null=True, blank=True, related_name="power_boxes"
    )
    rated_current = Quantity(_("额定电流"), unit="A", validators=NOT_NEGATIVE)
    rated_residual = Quantity(_("额定剩余动作电流"), unit="mA", validators=NOT_NEGATIVE)
    rated_time = Quantity(_("额定剩余动作时间"), unit="ms", validators=NOT_NEGATIVE)
    residual = Quantity(_("剩余电流"), unit="mA", factor=rules.RESIDUAL, validators=NOT_NEGATIVE)
    cable_temperature = Quantity(
        _("电缆温度"), unit="℃", factor=rules.CABLE, validators=[MinValueValidator(-60), MaxValueValidator(300)]
    )
    measured_at = models.DateTimeField(_("监测时间"), null=True, blank=True)
    installed_on = models.DateField(_("安装日期"), null=True, blank=True, db_index=True)
    resting = models.GeneratedField(
        expression=models.ExpressionWrapper(Q(state="out"), models.BooleanField()), output_field=models.BooleanField(),
        db_persist=True, verbose_name=_("停止值守"),
    )  # fmt: skip

    class Meta:
        verbose_name = _("临时用电配电箱")
        verbose_name_plural = pgettext_lazy("plural", "临时用电配电箱")
        indexes = [models.Index(fields=["state"], name="power_box_state")]

    @classmethod
    def limit_stages(cls, features: Collection[UUID]) -> dict[UUID, Stages]:
        """Limits differ by the kind of a box, which is what it is from the beginning."""
        kinds = cls.objects.filter(pk__in=features).values_list("pk", "kind")
        return {pk: [(date.min, rules.PLACES[kind])] for pk, kind in kinds}


class PowerCheck(Record):
    """A check of a box: what was measured, judged by the limits of its day, and by when what was found is mended."""

    class Kind(models.TextChoices):
        """Whose check it was."""

        OWN = "own", _("项目自检")
        SUPERVISION = "supervision", _("监理检查")
        OFFICIAL = "official", _("监督检查")

    class Earthing(models.TextChoices):
        WORKING = "working", _("工作接地")
        REPEATED = "repeated", _("重复接地")

    class Verdict(models.TextChoices):
        """What the limits say of the values measured."""

        WITHIN = "within", _("符合限值")
        BEYOND = "beyond", _("超出限值")
        UNMEASURED = "unmeasured", _("未测量")

    of = "box"
    MEASURED = ("earthing_resistance", "insulation", "trip_current", "trip_time")

    box = models.ForeignKey(PowerBox, models.CASCADE, verbose_name=_("配电箱"), related_name="checks")
    done_on = models.DateField(_("检查日期"), db_index=True)
    kind = models.CharField(_("检查类别"), max_length=12, choices=Kind.choices, default=Kind.OWN)
    inspector = models.CharField(_("检查人"), max_length=60)
    earthing = models.CharField(_("接地类型"), max_length=8, choices=Earthing.choices, blank=True)
    earthing_resistance = Quantity(_("接地电阻"), unit="Ω", validators=NOT_NEGATIVE)
    insulation = Quantity(_("绝缘电阻"), unit="MΩ", validators=NOT_NEGATIVE)
    trip_current = Quantity(
        _("实测动作电流"), unit="mA", validators=NOT_NEGATIVE, help_text=_("剩余电流保护器试跳时测得的动作电流。")
    )
    trip_time = Quantity(
        _("实测动作时间"), unit="ms", validators=NOT_NEGATIVE, help_text=_("剩余电流保护器试跳时测得的动作时间。")
    )
    verdict = models.CharField(
        _("限值判定"), max_length=10, choices=Verdict.choices, default=Verdict.UNMEASURED, editable=False
    )
    passed = models.BooleanField(
        _("合格"), default=False, help_text=_("实测值或保护器额定值超出检查当日施行的限值时，不能判为合格。")
    )
    findings = models.TextField(_("存在问题"), max_length=1000, blank=True)
    due_on = models.DateField(_("整改期限"), null=True, blank=True)
    mended_on = models.DateField(_("整改完成日期"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("用电安全检查")
        verbose_name_plural = pgettext_lazy("plural", "用电安全检查")
        ordering = ["-done_on"]
        constraints = [
            models.CheckConstraint(
                condition=Q(due_on=None) | Q(due_on__gte=F("done_on")), name="power_check_due_after_check",
                violation_error_message=_("整改期限不得早于检查日期。"),
            ),
            models.CheckConstraint(
                condition=Q(mended_on=None) | Q(mended_on__gte=F("done_on")), name="power_check_mended_after_check",
                violation_error_message=_("整改完成日期不得早于检查日期。"),
            ),
        ]  # fmt: skip

    def clean(self) -> None:
        """Judge what was measured; a check that is beyond its limits, or lacks what it needs, does not pass."""
        problems: dict[str, str] = {}
        if self.done_on is not None and self.done_on > timezone.localdate():
            problems["done_on"] = gettext("检查日期不得晚于今天。")
        if self.earthing_resistance is not None and not self.earthing:
            problems["earthing"] = gettext("请选择所测接地的类型，限值因此不同。")
        if not self.passed and not self.findings.strip():
            problems["findings"] = gettext("不合格时请写明存在的问题。")
        if not self.passed and self.due_on is None:
            problems["due_on"] = gettext("不合格时请填写整改期限。")
        if self.done_on is not None:
            beyond = self.judged()
            measured = any(getattr(self, name) is not None for name in self.MEASURED)
            verdict = self.Verdict.WITHIN if measured else self.Verdict.UNMEASURED
            self.verdict = self.Verdict.BEYOND if beyond else verdict
            if self.passed and beyond:
                problems["passed"] = " ".join(map(said, beyond))
        if problems:
            raise ValidationError(problems)

    @classmethod
    def waiting(cls, box: UUID, day: date) -> models.QuerySet["PowerCheck"]:
        """The checks of a box up to a day that did not pass and are not mended."""
        return cls.objects.filter(box=box, passed=False, mended_on=None, done_on__lte=day)

    def judged(self) -> list[rules.Excess]:
        """What is beyond the limits that were in force on the day of the check."""
        rows = [row for standard in rules.STANDARDS for row in tables.limits(standard)]
        return rules.judge(
            rows, self.done_on, self.box.kind, earthing=self.earthing, resistance=self.earthing_resistance,
            insulation=self.insulation, trip_current=self.trip_current, trip_time=self.trip_time,
            rated_current=self.box.rated_residual, rated_time=self.box.rated_time,
        )  # fmt: skip


class PowerMending(Record):
    """What was done about the findings of all checks up to then; the checks themselves stay as they were written."""

    of = "box"

    box = models.ForeignKey(PowerBox, models.CASCADE, verbose_name=_("配电箱"), related_name="mendings")
    done_on = models.DateField(_("整改日期"), db_index=True)
    done_by = models.CharField(_("整改人"), max_length=60)
    work = models.TextField(_("整改情况"), max_length=1000)

    class Meta:
        verbose_name = _("用电整改")
        verbose_name_plural = pgettext_lazy("plural", "用电整改")
        ordering = ["-done_on"]

    def clean(self) -> None:
        """There is something to be mended on that day."""
        if self.done_on is None:
            return
        if self.done_on > timezone.localdate():
            raise ValidationError({"done_on": gettext("整改日期不得晚于今天。")})
        if self._state.adding and not PowerCheck.waiting(self.box_id, self.done_on).exists():
            raise ValidationError({"done_on": gettext("截至该日没有待整改的检查。")})

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write it, and when they were mended on the checks."""
        super().save(*args, **kwargs)
        PowerCheck.waiting(self.box_id, self.done_on).update(mended_on=self.done_on)


NAMES = {
    rules.EARTHING: (_("接地电阻"), "Ω"), rules.INSULATION: (_("绝缘电阻"), "MΩ"),
    rules.TRIP_CURRENT: (_("剩余动作电流"), "mA"), rules.TRIP_TIME: (_("剩余动作时间"), "ms"),
    rules.TRIP_PRODUCT: (_("动作电流与时间之积"), "mA·s"),
}  # fmt: skip


def said(excess: rules.Excess) -> str:
    """A sentence on one value beyond its limit, with the source of the limit."""
    limit = excess.limit
    name, unit = NAMES[excess.factor]
    over = limit.value is not None and excess.value > limit.value
    given = {
        "name": name, "value": f"{excess.value:g}", "unit": unit, "limit": f"{limit.value if over else limit.low:g}",
        "source": limit.citation or gettext("保护器额定值"),
    }  # fmt: skip
    if over:
        return gettext("%(name)s %(value)s %(unit)s 高于限值 %(limit)s %(unit)s（%(source)s）。") % given
    return gettext("%(name)s %(value)s %(unit)s 低于要求 %(limit)s %(unit)s（%(source)s）。") % given
