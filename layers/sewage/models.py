"""Sewage plants, inlets, outfalls and sewers; equipment, daily reports, samples, upkeep and inspections."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.fields import LineStringField, PointField
from services.catalog.models import Feature, Record
from services.catalog.quantities import Quantity, length
from services.catalog.watched import Watched

POSITIVE = [MinValueValidator(0)]
ACIDITY = [MinValueValidator(0), MaxValueValidator(14)]


class SewagePlant(Feature):
    """A plant that treats sewage; its values are the latest ones of its effluent."""

    class State(models.TextChoices):
        RUNNING = "running", _("正常运行")
        EXCEEDING = "exceeding", _("出水超标")
        REPAIR = "repair", _("检修")
        STOPPED = "stopped", _("停运")

    class Kind(models.TextChoices):
        URBAN = "urban", _("城镇污水厂")
        RURAL = "rural", _("农村污水处理设施")

    class Standard(models.TextChoices):
        """Classes of GB 18918-2002."""

        FIRST_A = "1A", _("一级A")
        FIRST_B = "1B", _("一级B")
        SECOND = "2", _("二级")

    limited_by = "standard"

    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.RUNNING)
    kind = models.CharField(_("设施类型"), max_length=8, choices=Kind.choices, default=Kind.URBAN)
    enterprise = models.ForeignKey(
        "enterprises.Enterprise", models.PROTECT, verbose_name=_("运营单位"), null=True, blank=True,
        related_name="sewage_plants",
    )  # fmt: skip
    address = models.CharField(_("地址"), max_length=200, blank=True)
    standard = models.CharField(_("排放标准"), max_length=2, choices=Standard.choices, default=Standard.FIRST_A)
    process = models.CharField(_("处理工艺"), max_length=60, blank=True)
    capacity = Quantity(_("设计规模"), unit="m³/d", validators=POSITIVE)
    flow = Quantity(_("瞬时流量"), unit="m³/h", factor="w00000", validators=POSITIVE)
    level = Quantity(_("液位"), unit="m", factor="level")
    power = Quantity(_("用电功率"), unit="kW", factor="power", validators=POSITIVE)
    cod = Quantity(_("化学需氧量"), unit="mg/L", factor="w01018", validators=POSITIVE)
    ammonia = Quantity(_("氨氮"), unit="mg/L", factor="w21003", validators=POSITIVE)
    nitrogen = Quantity(_("总氮"), unit="mg/L", factor="w21001", validators=POSITIVE)
    phosphorus = Quantity(_("总磷"), unit="mg/L", factor="w21011", validators=POSITIVE)
    ph = Quantity(_("pH值"), factor="w01001", validators=ACIDITY)
    temperature = Quantity(_("水温"), unit="℃", factor="w01010")
    faulty = Quantity(_("故障设备数"), factor="faults", validators=POSITIVE)
    measured_at = models.DateTimeField(_("监测时间"), null=True, blank=True)
    opened_on = models.DateField(_("投运日期"), null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = _("污水处理厂")
        verbose_name_plural = pgettext_lazy("plural", "污水处理厂")


class Equipment(Record):
    """A machine of a sewage plant; devices name it by its signal and say what it does."""

    class State(models.TextChoices):
        RUNNING = "running", _("运行")
        STANDBY = "standby", _("备用")
        REPAIR = "repair", _("检修")
        FAULT = "fault", _("故障")

    class Stage(models.TextChoices):
        """Where in the process a machine stands, in the order of the water."""

        PRETREATMENT = "pre", _("预处理")
        LIFT = "lift", _("提升泵房")
        BIOLOGY = "biology", _("生化处理")
        DISINFECTION = "disinfect", _("消毒")
        SLUDGE = "sludge", _("污泥处理")

    of = "plant"
    watched = Watched(
        "signal", "state", "state_at",
        {0: State.STANDBY, 1: State.RUNNING, 2: State.REPAIR, 3: State.REPAIR, 4: State.FAULT, 5: State.RUNNING},
    )  # fmt: skip

    plant = models.ForeignKey(SewagePlant, models.CASCADE, verbose_name=_("污水处理厂"), related_name="equipment")
    number = models.CharField(pgettext_lazy("equipment", "设备编号"), max_length=50)
    title = models.CharField(_("设备名称"), max_length=100)
    stage = models.CharField(_("工段"), max_length=9, choices=Stage.choices, default=Stage.BIOLOGY)
    maker = models.CharField(_("厂家"), max_length=100, blank=True)
    power = Quantity(_("功率"), unit="kW", summed=True, validators=POSITIVE)
    made_on = models.DateField(_("生产日期"), null=True, blank=True, db_index=True)
    state = models.CharField(_("设备状态"), max_length=8, choices=State.choices, default=State.RUNNING)
    signal = models.CharField(
        _("状态信号"), max_length=8, blank=True, help_text=_("数采仪上报该设备运行状态所用的编码，如 SB1（HJ 212）。"),
        validators=[RegexValidator("^(SB[1-9][0-9]{0,3})?$", _("应为 SB 加编号，如 SB1。"))],
    )  # fmt: skip
    state_at = models.DateTimeField(_("状态起始"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("设备档案")
        verbose_name_plural = pgettext_lazy("plural", "设备档案")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["plant", "number"], name="equipment_once"),
            models.UniqueConstraint(
                fields=["plant", "signal"], name="equipment_signal_once", condition=~models.Q(signal=""),
                violation_error_message=_("该厂已有设备使用这个状态信号。"),
            ),
        ]  # fmt: skip


class DailyReport(Record):
    """A plant's day: water treated, quality of the effluent as daily means, energy used."""

    of = "plant"

    plant = models.ForeignKey(SewagePlant, models.CASCADE, verbose_name=_("污水处理厂"), related_name="daily_reports")
    day = models.DateField(_("日期"), db_index=True)
    volume = Quantity(_("处理水量"), unit="m³", summed=True, validators=POSITIVE)
    cod = Quantity(_("化学需氧量"), unit="mg/L", validators=POSITIVE)
    ammonia = Quantity(_("氨氮"), unit="mg/L", validators=POSITIVE)
    nitrogen = Quantity(_("总氮"), unit="mg/L", validators=POSITIVE)
    phosphorus = Quantity(_("总磷"), unit="mg/L", validators=POSITIVE)
    temperature = Quantity(_("水温"), unit="℃")
    energy = Quantity(_("用电量"), unit="kWh", summed=True, validators=POSITIVE)

    class Meta:
        verbose_name = _("运行日报")
        verbose_name_plural = pgettext_lazy("plural", "运行日报")
        ordering = ["-day"]
        constraints = [
            models.UniqueConstraint(
                fields=["plant", "day"], name="sewage_report_once_a_day", violation_error_message=_("该日日报已存在。")
            )
        ]


class Inlet(Feature):
    """The place where sewage enters a plant and is measured; its values are the latest ones of the influent."""

    class State(models.TextChoices):
        ONLINE = "online", _("在线")
        OFFLINE = "offline", _("离线")
        REPAIR = "repair", _("检修")

    of = "plant"
    topic = "inflow"
    presence = (State.ONLINE, State.OFFLINE)

    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.OFFLINE)
    plant = models.ForeignKey(SewagePlant, models.CASCADE, verbose_name=_("所属污水厂"), related_name="inlets")
    flow = Quantity(_("瞬时流量"), unit="m³/h", factor="w00000", validators=POSITIVE)
    cod = Quantity(_("化学需氧量"), unit="mg/L", factor="w01018", validators=POSITIVE)
    ammonia = Quantity(_("氨氮"), unit="mg/L", factor="w21003", validators=POSITIVE)
    nitrogen = Quantity(_("总氮"), unit="mg/L", factor="w21001", validators=POSITIVE)
    phosphorus = Quantity(_("总磷"), unit="mg/L", factor="w21011", validators=POSITIVE)
    ph = Quantity(_("pH值"), factor="w01001", validators=ACIDITY)
    temperature = Quantity(_("水温"), unit="℃", factor="w01010")
    measured_at = models.DateTimeField(_("监测时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("进水监测点")
        verbose_name_plural = pgettext_lazy("plural", "进水监测点")
        indexes = [models.Index(fields=["created_at"], name="inlet_entered")]


class Upkeep(Record):
    """A visit to the instruments of an inlet."""

    class Kind(models.TextChoices):
        CLEANING = "cleaning", _("清洗维护")
        REAGENT = "reagent", _("更换试剂")
        CALIBRATION = "calibration", _("校准")
        COMPARISON = "comparison", _("比对监测")

    of = "inlet"

    inlet = models.ForeignKey(Inlet, models.CASCADE, verbose_name=_("进水监测点"), related_name="upkeep")
    done_on = models.DateField(_("运维日期"), db_index=True)
    kind = models.CharField(_("运维内容"), max_length=12, choices=Kind.choices)
    done_by = models.CharField(_("运维单位"), max_length=100, blank=True)
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("仪器运维")
        verbose_name_plural = pgettext_lazy("plural", "仪器运维")
        ordering = ["-done_on"]


class Outfall(Feature):
    """A place where water is let into a river."""

    class State(models.TextChoices):
        NORMAL = "normal", _("正常")
        ABNORMAL = "abnormal", _("排放异常")
        RECTIFYING = "rectifying", _("整治中")
        CLOSED = "closed", _("封堵")

    class Kind(models.TextChoices):
        PLANT = "plant", _("污水厂排口")
        RAIN = "rain", _("雨水排口")
        COMBINED = "combined", _("合流溢流口")

    geom = PointField(_("位置"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.NORMAL)
    kind = models.CharField(_("排口类型"), max_length=8, choices=Kind.choices)
    plant = models.ForeignKey(
        SewagePlant, models.SET_NULL, verbose_name=_("所属污水厂"), null=True, blank=True, related_name="outfalls"
    )
    water = models.CharField(_("受纳水体"), max_length=60, blank=True)
    diameter = Quantity(_("管径"), unit="mm", validators=POSITIVE)

    class Meta:
        verbose_name = _("排污口")
        verbose_name_plural = pgettext_lazy("plural", "排污口")
        indexes = [models.Index(fields=["created_at"], name="outfall_entered")]


class OutfallInspection(Record):
    """A visit to an outfall."""

    of = "outfall"

    outfall = models.ForeignKey(Outfall, models.CASCADE, verbose_name=_("排污口"), related_name="inspections")
    done_on = models.DateField(_("巡查日期"), db_index=True)
    inspector = models.CharField(pgettext_lazy("outfall", "巡查人员"), max_length=60)
    flowing = models.BooleanField(_("晴天出水"), default=False)
    findings = models.CharField(_("发现问题"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("巡查记录")
        verbose_name_plural = pgettext_lazy("plural", "巡查记录")
        ordering = ["-done_on"]


class Sample(Record):
    """A water sample taken at an outfall."""

    of = "outfall"

    outfall = models.ForeignKey(Outfall, models.CASCADE, verbose_name=_("排污口"), related_name="samples")
    taken_at = models.DateTimeField(_("采样时间"), db_index=True)
    cod = Quantity(_("化学需氧量"), unit="mg/L", validators=POSITIVE)
    ammonia = Quantity(_("氨氮"), unit="mg/L", validators=POSITIVE)
    phosphorus = Quantity(_("总磷"), unit="mg/L", validators=POSITIVE)
    laboratory = models.CharField(_("检测单位"), max_length=100, blank=True)

    class Meta:
        verbose_name = _("水质采样")
        verbose_name_plural = pgettext_lazy("plural", "水质采样")
        ordering = ["-taken_at"]


class SewerPipe(Feature):
    """A sewer between two manholes."""

    class State(models.TextChoices):
        NORMAL = "normal", _("正常")
        BLOCKED = "blocked", _("淤堵")
        DAMAGED = "damaged", _("破损")
        BUILDING = "building", _("在建")

    class Kind(models.TextChoices):
        SEWAGE = "sewage", _("污水")
        RAIN = "rain", _("雨水")
        COMBINED = "combined", _("合流")

    class Material(models.TextChoices):
        CONCRETE = "concrete", _("钢筋混凝土")
        HDPE = "hdpe", _("HDPE")
        IRON = "iron", _("球墨铸铁")
        PVC = "pvc", _("PVC-U")

    geom = LineStringField(_("线路"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.NORMAL)
    kind = models.CharField(_("管线类型"), max_length=8, choices=Kind.choices, default=Kind.SEWAGE)
    plant = models.ForeignKey(
        SewagePlant, models.SET_NULL, verbose_name=_("汇入污水厂"), null=True, blank=True, related_name="pipes"
    )
    material = models.CharField(_("管材"), max_length=8, choices=Material.choices, blank=True)
    diameter = Quantity(_("管径"), unit="mm", validators=POSITIVE)
    depth = Quantity(_("埋深"), unit="m", validators=POSITIVE)
    length = length(_("长度"), unit="m")
    laid_on = models.DateField(_("敷设日期"), null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = _("排水管线")
        verbose_name_plural = pgettext_lazy("plural", "排水管线")


class PipeInspection(Record):
    """An inspection of the inside of a pipe; defects in the grades of CJJ 181-2012."""

    class Method(models.TextChoices):
        CCTV = "cctv", _("CCTV检测")
        SONAR = "sonar", _("声纳检测")
        MIRROR = "mirror", _("潜望镜检测")

    class Defect(models.TextChoices):
        NONE = "0", _("无缺陷")
        LIGHT = "1", _("1级（轻微）")
        MEDIUM = "2", _("2级（中等）")
        HEAVY = "3", _("3级（严重）")
        SEVERE = "4", _("4级（重大）")

    of = "pipe"

    pipe = models.ForeignKey(SewerPipe, models.CASCADE, verbose_name=_("排水管线"), related_name="inspections")
    done_on = models.DateField(_("检测日期"), db_index=True)
    method = models.CharField(_("检测方法"), max_length=8, choices=Method.choices)
    defect = models.CharField(_("缺陷等级"), max_length=1, choices=Defect.choices)
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("管道检测")
        verbose_name_plural = pgettext_lazy("plural", "管道检测")
        ordering = ["-done_on"]


class Dredging(Record):
    """A cleaning of a pipe."""

    of = "pipe"

    pipe = models.ForeignKey(SewerPipe, models.CASCADE, verbose_name=_("排水管线"), related_name="dredgings")
    done_on = models.DateField(_("清淤日期"), db_index=True)
    volume = Quantity(_("清淤量"), unit="m³", summed=True, validators=POSITIVE)
    done_by = models.CharField(_("作业单位"), max_length=100, blank=True)

    class Meta:
        verbose_name = _("清淤养护")
        verbose_name_plural = pgettext_lazy("plural", "清淤养护")
        ordering = ["-done_on"]
