"""Mixing plants and mixer trucks; mixes, batches with every charge of the mixer, inspections, trips and checks."""

from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from gis.fields import PointField
from layers.concrete import rules
from services.alarms import conditions
from services.catalog.models import Feature, Record, Row
from services.catalog.moves import Moves
from services.catalog.quantities import Quantity


class Grade(models.TextChoices):
    """Strength grades of GB 50010."""

    C15 = "C15", "C15"
    C20 = "C20", "C20"
    C25 = "C25", "C25"
    C30 = "C30", "C30"
    C35 = "C35", "C35"
    C40 = "C40", "C40"
    C45 = "C45", "C45"
    C50 = "C50", "C50"
    C55 = "C55", "C55"
    C60 = "C60", "C60"


NOT_NEGATIVE = [MinValueValidator(0)]


class MixingPlant(Feature):
    """A plant that makes ready-mixed concrete."""

    class State(models.TextChoices):
        RUNNING = "running", _("生产")
        IDLE = "idle", _("待机")
        RECTIFYING = "rectifying", _("整改")
        STOPPED = "stopped", _("停产")

    has_devices = True
    """The control system of a plant sends what it charges."""

    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.IDLE)
    enterprise = models.ForeignKey(
        "enterprises.Enterprise",
        models.PROTECT,
        verbose_name=_("所属企业"),
        null=True,
        blank=True,
        related_name="plants",
    )
    address = models.CharField(_("地址"), max_length=200, blank=True)
    lines = models.PositiveSmallIntegerField(_("生产线数"), default=1)
    capacity = Quantity(_("设计产能"), unit="m³/h", validators=[MinValueValidator(0)])
    sealed = models.BooleanField(_("封闭式料仓"), default=False)
    opened_on = models.DateField(_("投产日期"), null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = _("搅拌站")
        verbose_name_plural = pgettext_lazy("plural", "搅拌站")


class MixerTruck(Feature):
    """A mixer truck at its latest position; its code is the number plate."""

    class State(models.TextChoices):
        IDLE = "idle", _("空闲")
        LOADING = "loading", _("装料")
        DRIVING = "driving", _("运输")
        POURING = "pouring", _("卸料")
        OFFLINE = "offline", _("离线")

    moves = Moves("speed", "heading", driving=State.DRIVING, standing=State.IDLE, offline=State.OFFLINE)

    # A truck belongs to its plant's region, wherever it drives.
    region = None

    code = models.CharField(_("车牌号"), max_length=16, unique=True)
    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.OFFLINE)
    plant = models.ForeignKey(MixingPlant, models.PROTECT, verbose_name=_("所属搅拌站"), related_name="trucks")
    volume = Quantity(_("搅动容量"), unit="m³", validators=[MinValueValidator(0)])
    speed = Quantity(_("速度"), unit="km/h", validators=[MinValueValidator(0)])
    heading = Quantity(_("航向"), unit="°", validators=[MinValueValidator(0), MaxValueValidator(360)])
    located_at = models.DateTimeField(_("定位时间"), null=True, blank=True)
    driver = models.CharField(_("驾驶员"), max_length=60, blank=True)
    driver_phone = models.CharField(_("驾驶员电话"), max_length=20, blank=True)

    class Meta:
        verbose_name = _("混凝土运输车")
        verbose_name_plural = pgettext_lazy("plural", "混凝土运输车")
        indexes = [
            models.Index(fields=["state"], name="mixer_truck_state"),
            models.Index(fields=["created_at"], name="mixer_truck_entered"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=(Q(heading=None) | Q(heading__range=(0, 360))) & (Q(speed=None) | Q(speed__gte=0)),
                name="mixer_truck_motion_possible",
                violation_error_message=_("航向应在 0° 至 360° 之间，速度不得为负。"),
            )
        ]


class Mix(Record):
    """A mix of a plant, from a day on: what goes into a cubic metre, as designed or as the plant produces it."""

    class Kind(models.TextChoices):
        DESIGN = "design", _("设计配合比")
        PRODUCTION = "production", _("生产配合比")

    of = "plant"

    plant = models.ForeignKey(MixingPlant, models.CASCADE, verbose_name=_("搅拌站"), related_name="mixes")
    kind = models.CharField(_("配合比类别"), max_length=10, choices=Kind.choices, default=Kind.DESIGN)
    number = models.CharField(_("配合比编号"), max_length=50)
    grade = models.CharField(_("强度等级"), max_length=4, choices=Grade.choices)
    valid_from = models.DateField(_("启用日期"), default=timezone.localdate, db_index=True)
    cement = Quantity(_("水泥"), unit="kg/m³", validators=NOT_NEGATIVE)
    fly_ash = Quantity(_("粉煤灰"), unit="kg/m³", validators=NOT_NEGATIVE)
    slag = Quantity(_("矿渣粉"), unit="kg/m³", validators=NOT_NEGATIVE)
    mineral = Quantity(_("其他掺合料"), unit="kg/m³", validators=NOT_NEGATIVE)
    sand = Quantity(_("细骨料"), unit="kg/m³", validators=NOT_NEGATIVE)
    stone = Quantity(_("粗骨料"), unit="kg/m³", validators=NOT_NEGATIVE)
    water = Quantity(_("水"), unit="kg/m³", validators=NOT_NEGATIVE)
    admixture = Quantity(_("外加剂"), unit="kg/m³", validators=NOT_NEGATIVE)

    class Meta:
        verbose_name = _("配合比")
        verbose_name_plural = pgettext_lazy("plural", "配合比")
        ordering = ["kind", "number", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["plant", "kind", "number", "valid_from"], name="mix_once"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def parts(self) -> dict[str, float]:
        """Material → kg/m³, of those that are in it."""
        found = {name: getattr(self, name) for name in rules.MATERIALS}
        return {name: value for name, value in found.items() if value is not None}


class BatchNumber(models.Model):
    """The last number given to a batch on a day, by what the numbers of its plant begin with."""

    pk = models.CompositePrimaryKey("stem", "day")
    stem = models.CharField(_("编号前缀"), max_length=17)
    day = models.DateField(_("日期"))
    last = models.PositiveIntegerField(_("最后序号"))

    class Meta:
        verbose_name = _("批次号序列")
        verbose_name_plural = _("批次号序列")

    def __str__(self) -> str:
        return f"{self.stem}-{self.day:%Y%m%d}-{self.last:04}"

    @classmethod
    def take(cls, code: str, day: date) -> str:
        """A number that nobody else has or will have, however many ask at once; it ends with this transaction's row."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"insert into {cls._meta.db_table} as n (stem, day, last) values (%s, %s, 1)"  # noqa: S608
                " on conflict (stem, day) do update set last = n.last + 1 returning last",
                [stem := code[:17] or "P", day],
            )
            (last,) = cursor.fetchone()
        return f"{stem}-{day:%Y%m%d}-{last:04}"


class Batch(Record):
    """Concrete of one mix for one part of a work; its number is what every later record of it goes by."""

    class State(models.TextChoices):
        REGISTERED = "registered", _("已登记")
        PRODUCING = "producing", _("生产中")
        FINISHED = "finished", _("已完成")

    class Quality(models.TextChoices):
        """What its charges say, the worst last."""

        PENDING = "pending", _("无投料数据")
        WITHIN = "within", _("合格")
        CHARGE = "charge", _("有盘次不合格")
        TOTAL = "total", _("累计偏差超限")

    of = "plant"

    plant = models.ForeignKey(MixingPlant, models.CASCADE, verbose_name=_("搅拌站"), related_name="batches")
    number = models.CharField(_("批次号"), max_length=32, unique=True, blank=True, editable=False)
    made_at = models.DateTimeField(_("生产时间"), null=True, blank=True, editable=False, db_index=True)
    project = models.ForeignKey(
        "projects.Project", models.SET_NULL, verbose_name=_("供应工程"), null=True, blank=True, related_name="batches"
    )
    supervision_number = models.CharField(
        _("工程质量监督号"), max_length=50, blank=True, default="", db_default="", db_index=True,
        help_text=_("留空时取供应工程的报监编号。"),
    )  # fmt: skip
    part = models.CharField(_("浇筑部位"), max_length=100, blank=True)
    grade = models.CharField(_("设计强度等级"), max_length=4, choices=Grade.choices)
    mix_number = models.CharField(_("设计配合比编号"), max_length=50, blank=True, db_index=True)
    production_number = models.CharField(_("生产配合比编号"), max_length=50, blank=True, default="", db_default="")
    order = models.CharField(_("工控机任务单号"), max_length=50, blank=True, default="", db_default="")
    line = models.PositiveSmallIntegerField(_("生产线"), null=True, blank=True)
    volume = Quantity(_("计划方量"), unit="m³", summed=True, null=False, blank=False, validators=[MinValueValidator(0)])
    slump = Quantity(_("坍落度"), unit="mm", validators=[MinValueValidator(0)])
    truck = models.ForeignKey(
        MixerTruck, models.SET_NULL, verbose_name=_("运输车"), null=True, blank=True, related_name="batches",
        editable=False,
    )  # fmt: skip
    registrar = models.CharField(_("登记人"), max_length=60, blank=True, default="", db_default="")
    registered_at = models.DateTimeField(_("登记时间"), default=timezone.now, db_default=Now(), editable=False)
    state = models.CharField(
        _("生产状态"), max_length=10, choices=State.choices, default=State.REGISTERED, db_default=State.REGISTERED,
        editable=False,
    )  # fmt: skip
    quality = models.CharField(
        _("质量状态"), max_length=7, choices=Quality.choices, default=Quality.PENDING, db_default=Quality.PENDING,
        editable=False,
    )  # fmt: skip
    made = Quantity(_("已产方量"), unit="m³", summed=True, editable=False)

    class Meta:
        verbose_name = _("生产批次")
        verbose_name_plural = pgettext_lazy("plural", "生产批次")
        ordering = ["-made_at", "-number"]
        indexes = [models.Index(fields=["plant", "-registered_at"], name="batch_of_plant")]
        constraints = [
            models.CheckConstraint(
                condition=Q(volume__gt=0), name="batch_volume_positive", violation_error_message=_("方量应大于零。")
            ),
            models.UniqueConstraint(
                fields=["plant", "order"], condition=~Q(order=""), name="batch_order_once",
                violation_error_message=_("该任务单已经登记过批次。"),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.number

    def clean(self) -> None:
        """A mix that the plant has on file is of the grade that is ordered."""
        mix = self.mix(Mix.Kind.DESIGN)
        if mix is not None and mix.grade != self.grade:
            raise ValidationError({
                "grade": gettext("设计配合比 %(number)s 的强度等级为 %(grade)s，与登记的不符。")
                % {"number": mix.number, "grade": mix.grade}
            })  # fmt: skip

    def save(self, *args: Any, **kwargs: Any) -> None:
        """The system gives the number, and the supervision number is the project's where nobody wrote another."""
        if not self.supervision_number and self.project is not None:
            self.supervision_number = self.project.supervision_number
        if not self.number:
            self.number = BatchNumber.take(self.plant.code, timezone.localdate(self.registered_at))
        super().save(*args, **kwargs)

    def mix(self, kind: str) -> Mix | None:
        """The mix on file that held when the batch was registered; None where there is none of its number."""
        number = self.mix_number if kind == Mix.Kind.DESIGN else self.production_number
        day = timezone.localdate(self.registered_at)
        rows = Mix.objects.filter(plant=self.plant_id, kind=kind, number=number, valid_from__lte=day)
        return rows.order_by("-valid_from").first() if number else None


class Charge(Row):
    """One mixing cycle of a batch, as the control system of the plant sent it and as it was judged then.

    No record of the panel: people do not write charges, they come from the plant alone.
    """

    class Verdict(models.TextChoices):
        WITHIN = "within", _("合格")
        OUT = "out", _("不合格")

    plant = models.ForeignKey(MixingPlant, models.CASCADE, verbose_name=_("搅拌站"), related_name="charges")
    batch = models.ForeignKey(Batch, models.CASCADE, verbose_name=_("生产批次"), related_name="charges")
    number = models.CharField(_("盘号"), max_length=40)
    serial = models.CharField(_("生产流水号"), max_length=40, unique=True)
    sequence = models.PositiveIntegerField(_("盘次"))
    charged_at = models.DateTimeField(_("投料时间"))
    received_at = models.DateTimeField(_("接收时间"), db_default=Now())
    volume = Quantity(_("方量"), unit="m³", null=False, blank=False)
    seconds = Quantity(_("搅拌时间"), unit="s")
    seconds_least = Quantity(_("最短搅拌时间"), unit="s")
    grade = models.CharField(_("生产强度等级"), max_length=4, choices=Grade.choices, blank=True)
    truck = models.ForeignKey(
        MixerTruck, models.SET_NULL, verbose_name=_("运输车"), null=True, blank=True, related_name="charges"
    )
    plate = models.CharField(_("车牌号"), max_length=16, blank=True)
    ticket = models.CharField(_("出厂单号"), max_length=40, blank=True)
    verdict = models.CharField(_("判定"), max_length=6, choices=Verdict.choices)
    faults = models.JSONField(_("不合格项"), default=list)
    digest = models.CharField(_("内容摘要"), max_length=64)
    revisions = models.JSONField(_("与首次不同的报文"), default=list)

    class Meta:
        verbose_name = _("投料记录")
        verbose_name_plural = pgettext_lazy("plural", "投料记录")
        ordering = ["-charged_at", "-sequence"]
        indexes = [models.Index(fields=["plant", "-charged_at"], name="charge_of_plant")]
        constraints = [
            models.UniqueConstraint(fields=["plant", "number"], name="charge_once"),
            models.UniqueConstraint(fields=["batch", "sequence"], name="charge_sequence_once"),
        ]

    def __str__(self) -> str:
        return self.serial


class Weighing(models.Model):
    """What a charge took from one bin: weights in kg, and what was allowed when it was judged, in per cent."""

    pk = models.CompositePrimaryKey("charge_id", "place")
    charge = models.ForeignKey(Charge, models.CASCADE, verbose_name=_("投料记录"), related_name="weighings")
    place = models.PositiveSmallIntegerField(_("序号"))
    bin = models.CharField(_("料仓"), max_length=40)
    material = models.CharField(_("材料"), max_length=10, choices=rules.MATERIALS.items())
    target = Quantity(_("目标重量"), unit="kg", null=False, blank=False)
    actual = Quantity(_("实际重量"), unit="kg", null=False, blank=False)
    deviation = Quantity(_("偏差"), unit="%")
    limit = Quantity(_("允许偏差"), unit="%")
    total_limit = Quantity(_("累计允许偏差"), unit="%")
    within = models.BooleanField(_("合格"))

    class Meta:
        verbose_name = _("计量")
        verbose_name_plural = pgettext_lazy("plural", "计量")
        ordering = ["charge", "place"]

    def __str__(self) -> str:
        return f"{self.bin} {self.actual} kg"


class Formula(models.Model):
    """How something is judged, from a moment on: a condition in CEL that holds for what complies."""

    class Subject(models.TextChoices):
        CHARGE = "charge", _("单盘计量偏差")
        TOTAL = "total", _("累计计量偏差")
        TIME = "time", _("搅拌时间")

    subject = models.CharField(_("判定对象"), max_length=6, choices=Subject.choices)
    expression = models.CharField(_("合格条件"), max_length=300)
    valid_from = models.DateTimeField(_("启用时间"), default=timezone.now)
    citation = models.CharField(_("依据"), max_length=200)

    class Meta:
        verbose_name = _("判定公式")
        verbose_name_plural = pgettext_lazy("plural", "判定公式")
        ordering = ["subject", "-valid_from"]
        constraints = [models.UniqueConstraint(fields=["subject", "valid_from"], name="formula_once")]

    def __str__(self) -> str:
        return f"{self.get_subject_display()}: {self.expression}"

    def clean(self) -> None:
        """The condition can be computed with what there is to know of a charge."""
        if wrong := conditions.check(self.expression, rules.VARIABLES, rules.SAMPLES):
            raise ValidationError({"expression": wrong})


class PlantInspection(Record):
    """A check of a plant by the authority."""

    class Result(models.TextChoices):
        PASSED = "passed", _("合格")
        RECTIFY = "rectify", _("责令改正")
        STOPPED = "stopped", _("责令停产")

    of = "plant"

    plant = models.ForeignKey(MixingPlant, models.CASCADE, verbose_name=_("搅拌站"), related_name="inspections")
    done_on = models.DateField(_("检查日期"), db_index=True)
    inspector = models.CharField(_("检查人"), max_length=60)
    subject = models.CharField(_("检查内容"), max_length=200)
    findings = models.CharField(_("发现问题"), max_length=300, blank=True)
    result = models.CharField(_("检查结论"), max_length=8, choices=Result.choices)

    class Meta:
        verbose_name = _("监督检查")
        verbose_name_plural = pgettext_lazy("plural", "监督检查")
        ordering = ["-done_on"]


class Trip(Record):
    """A drive of a truck from its plant to a site."""

    of = "truck"

    truck = models.ForeignKey(MixerTruck, models.CASCADE, verbose_name=_("运输车"), related_name="trips")
    batch = models.ForeignKey(
        Batch, models.SET_NULL, verbose_name=_("生产批次"), null=True, blank=True, related_name="trips"
    )
    project = models.ForeignKey(
        "projects.Project", models.SET_NULL, verbose_name=_("目的工程"), null=True, blank=True, related_name="+"
    )
    departed_at = models.DateTimeField(_("出站时间"), db_index=True)
    arrived_at = models.DateTimeField(_("到场时间"), null=True, blank=True)
    unloaded_at = models.DateTimeField(_("卸料完成时间"), null=True, blank=True)
    distance = Quantity(_("行驶里程"), unit="km", summed=True, validators=[MinValueValidator(0)])

    class Meta:
        verbose_name = _("运输行程")
        verbose_name_plural = pgettext_lazy("plural", "运输行程")
        ordering = ["-departed_at"]
        constraints = [
            models.CheckConstraint(
                condition=(Q(arrived_at=None) | Q(arrived_at__gte=F("departed_at")))
                & (Q(unloaded_at=None) | Q(unloaded_at__gte=F("arrived_at"))),
                name="trip_times_in_order",
                violation_error_message=_("出站、到场、卸料时间应依次先后。"),
            )
        ]


class TruckCheck(Record):
    """A safety check of a truck before it leaves."""

    of = "truck"

    truck = models.ForeignKey(MixerTruck, models.CASCADE, verbose_name=_("运输车"), related_name="checks")
    done_on = models.DateField(_("检查日期"), db_index=True)
    item = models.CharField(_("检查项目"), max_length=100)
    passed = models.BooleanField(_("合格"))
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("车辆检查")
        verbose_name_plural = pgettext_lazy("plural", "车辆检查")
        ordering = ["-done_on"]
