"""Rural houses with their approvals, supervision, appraisals and treatment; craftsmen with their credit."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.fields import PointField
from services.catalog.models import Feature, Record
from services.catalog.quantities import Money, Quantity


class Grade(models.TextChoices):
    """Grades of danger of JGJ 125-2016."""

    A = "A", _("A级（安全）")
    B = "B", _("B级（基本安全）")
    C = "C", _("C级（局部危险）")
    D = "D", _("D级（整栋危险）")


class Method(models.TextChoices):
    """Ways of treating a dangerous house."""

    REPAIR = "repair", _("维修加固")
    REBUILD = "rebuild", _("拆除重建")
    VACATE = "vacate", _("腾空封存")
    RELOCATE = "relocate", _("易地安置")


class RuralHouse(Feature):
    """A house in a village or a town."""

    class State(models.TextChoices):
        EXISTING = "existing", _("存量")
        BUILDING = "building", _("在建")
        DANGEROUS = "dangerous", _("危房")
        TREATING = "treating", _("治理中")
        DEMOLISHED = "demolished", _("已拆除")

    class Structure(models.TextChoices):
        CONCRETE = "concrete", _("钢筋混凝土")
        MASONRY = "masonry", _("砖混")
        BRICK_TIMBER = "brick_timber", _("砖木")
        TIMBER = "timber", _("木结构")
        EARTH = "earth", _("土木")
        STEEL = "steel", _("钢结构")

    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.EXISTING)
    grade = models.CharField(_("危险性等级"), max_length=1, choices=Grade.choices, blank=True)
    structure = models.CharField(_("结构类型"), max_length=12, choices=Structure.choices, blank=True)
    storeys = models.PositiveSmallIntegerField(_("层数"), default=1)
    floor_area = Quantity(_("建筑面积"), unit="m²", summed=True, validators=[MinValueValidator(0)])
    built_year = models.PositiveSmallIntegerField(_("建成年份"), null=True, blank=True)
    address = models.CharField(_("地址"), max_length=200, blank=True)
    householder = models.CharField(_("户主"), max_length=60, blank=True)
    low_income = models.BooleanField(_("困难家庭"), default=False)
    rented = models.BooleanField(_("用作经营"), default=False)
    method = models.CharField(_("治理方式"), max_length=12, choices=Method.choices, blank=True)

    class Meta:
        verbose_name = _("农村房屋")
        verbose_name_plural = pgettext_lazy("plural", "农村房屋")
        indexes = [
            models.Index(fields=["state", "grade"], name="rural_house_state_grade"),
            models.Index(fields=["region", "state"], name="rural_house_region_state"),
            models.Index(fields=["created_at"], name="rural_house_entered"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="dangerous") | Q(grade__in=["C", "D"]),
                name="rural_house_danger_has_grade",
                violation_error_message=_("危房的危险性等级应为C级或D级（JGJ 125-2016）。"),
            )
        ]


class Approval(Record):
    """The result of one stage of the approval to build a house."""

    class Stage(models.TextChoices):
        APPLICATION = "application", _("村民申请")
        VILLAGE = "village", _("村级审查")
        TOWN = "town", _("乡镇审核")
        PERMIT = "permit", _("规划许可与用地批准")

    class Result(models.TextChoices):
        PASSED = "passed", _("通过")
        RETURNED = "returned", _("退回补正")
        REFUSED = "refused", _("不予批准")

    of = "house"

    house = models.ForeignKey(RuralHouse, models.CASCADE, verbose_name=_("农村房屋"), related_name="approvals")
    stage = models.CharField(_("审批环节"), max_length=12, choices=Stage.choices)
    result = models.CharField(_("审批结果"), max_length=8, choices=Result.choices)
    decided_on = models.DateField(_("办结日期"), db_index=True)
    decided_by = models.CharField(_("办理单位"), max_length=100)
    opinion = models.CharField(_("意见"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("建房审批")
        verbose_name_plural = pgettext_lazy("plural", "建房审批")
        ordering = ["-decided_on"]


class Supervision(Record):
    """A visit to a house under construction after its approval (批后监管)."""

    class Stage(models.TextChoices):
        SET_OUT = "set_out", _("放样到场")
        FOUNDATION = "foundation", _("基槽验线")
        CONSTRUCTION = "construction", _("施工巡查")
        ACCEPTANCE = "acceptance", _("竣工验收")

    of = "house"

    house = models.ForeignKey(RuralHouse, models.CASCADE, verbose_name=_("农村房屋"), related_name="supervisions")
    stage = models.CharField(_("监管环节"), max_length=12, choices=Stage.choices)
    done_on = models.DateField(_("到场日期"), db_index=True)
    inspector = models.CharField(_("监管人员"), max_length=60)
    passed = models.BooleanField(_("符合批准内容"), default=True)
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("批后监管")
        verbose_name_plural = pgettext_lazy("plural", "批后监管")
        ordering = ["-done_on"]


class HazardAppraisal(Record):
    """An appraisal of how dangerous a house is."""

    of = "house"

    house = models.ForeignKey(RuralHouse, models.CASCADE, verbose_name=_("农村房屋"), related_name="appraisals")
    number = models.CharField(_("鉴定报告编号"), max_length=50)
    appraised_on = models.DateField(_("鉴定日期"), db_index=True)
    agency = models.CharField(_("鉴定机构"), max_length=100)
    grade = models.CharField(_("鉴定等级"), max_length=1, choices=Grade.choices)
    conclusion = models.CharField(_("鉴定结论"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("危险性鉴定")
        verbose_name_plural = pgettext_lazy("plural", "危险性鉴定")
        ordering = ["-appraised_on"]


class Treatment(Record):
    """The treatment of a dangerous house, with its money."""

    of = "house"

    house = models.ForeignKey(RuralHouse, models.CASCADE, verbose_name=_("农村房屋"), related_name="treatments")
    method = models.CharField(_("治理方式"), max_length=12, choices=Method.choices)
    started_on = models.DateField(_("开工日期"), db_index=True)
    finished_on = models.DateField(_("完成日期"), null=True, blank=True)
    cost = Money(_("总费用"))
    subsidy = Money(_("补助资金"))
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("治理改造")
        verbose_name_plural = pgettext_lazy("plural", "治理改造")
        ordering = ["-started_on"]
        constraints = [
            models.CheckConstraint(
                condition=Q(finished_on=None) | Q(finished_on__gte=F("started_on")),
                name="treatment_dates_in_order",
                violation_error_message=_("完成日期不得早于开工日期。"),
            )
        ]


class Craftsman(Feature):
    """A craftsman who builds rural houses; its code is the training certificate."""

    class State(models.TextChoices):
        ACTIVE = "active", _("在册")
        SUSPENDED = "suspended", _("暂停执业")
        REMOVED = "removed", _("已除名")

    class Trade(models.TextChoices):
        MASON = "mason", _("泥瓦工")
        CARPENTER = "carpenter", _("木工")
        STEEL = "steel", _("钢筋工")
        LEADER = "leader", _("带头工匠")

    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.ACTIVE)
    trade = models.CharField(_("工种"), max_length=12, choices=Trade.choices)
    phone = models.CharField(_("手机号"), max_length=20, blank=True)
    credit_score = Quantity(_("信用得分"), unit="分", validators=[MinValueValidator(0)])
    registered_on = models.DateField(_("登记日期"), null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = _("农村建筑工匠")
        verbose_name_plural = pgettext_lazy("plural", "农村建筑工匠")


class CraftsmanCredit(Record):
    """A credit event of a craftsman."""

    class Kind(models.TextChoices):
        REWARD = "reward", _("加分")
        PENALTY = "penalty", _("扣分")

    of = "craftsman"

    craftsman = models.ForeignKey(Craftsman, models.CASCADE, verbose_name=_("工匠"), related_name="credits")
    happened_on = models.DateField(_("认定日期"), db_index=True)
    kind = models.CharField(_("类别"), max_length=8, choices=Kind.choices)
    points = models.DecimalField(_("分值"), max_digits=5, decimal_places=1, validators=[MinValueValidator(0)])
    reason = models.CharField(_("事由"), max_length=300)

    class Meta:
        verbose_name = _("工匠信用")
        verbose_name_plural = pgettext_lazy("plural", "工匠信用")
        ordering = ["-happened_on"]


class CraftsmanTraining(Record):
    """A training that a craftsman attended."""

    of = "craftsman"

    craftsman = models.ForeignKey(Craftsman, models.CASCADE, verbose_name=_("工匠"), related_name="trainings")
    held_on = models.DateField(_("培训日期"), db_index=True)
    subject = models.CharField(_("培训内容"), max_length=120)
    passed = models.BooleanField(_("考核合格"), default=True)

    class Meta:
        verbose_name = _("工匠培训")
        verbose_name_plural = pgettext_lazy("plural", "工匠培训")
        ordering = ["-held_on"]
