"""Factors, devices with their profiles, and the tables of readings, latest values and roll-ups."""

from django.conf import settings
from django.contrib.postgres.indexes import GistIndex
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Func
from django.db.models.functions import Least, Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from services.catalog.sealed import SealedField
from services.telemetry import units
from services.telemetry.spans import Quality, Span


class Factor(models.Model):
    """Something that is measured: its code, the unit it is stored in and how its means are formed."""

    class Averaging(models.TextChoices):
        """How values of a span become one."""

        MEAN = "mean", _("算术平均")
        ENERGY = "energy", _("能量平均")
        DIRECTION = "direction", _("矢量平均")
        TOTAL = "total", _("累计差值")
        STATE = "state", _("状态时长")

    id = models.SmallAutoField(primary_key=True)
    code = models.CharField(_("因子编码"), max_length=20, unique=True)
    name = models.CharField(_("名称"), max_length=60)
    unit = models.CharField(_("单位"), max_length=16, blank=True)
    averaging = models.CharField(_("平均方式"), max_length=9, choices=Averaging.choices, default=Averaging.MEAN)
    weight = models.ForeignKey(
        "self", models.SET_NULL, verbose_name=_("加权因子"), null=True, blank=True, related_name="+",
        help_text=_("有该因子的有效值时，以其为权重：风向以风速加权，浓度以流量加权。"),
    )  # fmt: skip
    digits = models.PositiveSmallIntegerField(_("小数位数"), default=1)
    first_sent_by = models.ForeignKey(
        "Device", models.SET_NULL, verbose_name=_("首次上报设备"), null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name = _("监测因子")
        verbose_name_plural = pgettext_lazy("plural", "监测因子")
        ordering = ["code"]

    def __str__(self) -> str:
        return str(_(self.name))


class Device(models.Model):
    """A device that sends readings: who it says it is, what it belongs to, and how its data are to be read."""

    class Protocol(models.TextChoices):
        """How it speaks."""

        HJ212 = "hj212", "HJ 212"
        JT808 = "jt808", "JT/T 808"
        MQTT = "mqtt", "MQTT"
        HTTP = "http", "HTTP"
        GB28181 = "gb28181", "GB/T 28181"
        FEED = "feed", _("数据接口")
        PHONE = "phone", _("手机")

    BY_PASSWORD = (Protocol.HJ212, Protocol.GB28181)
    """Protocols whose devices show a password."""

    class State(models.TextChoices):
        """Only an active device is stored and acknowledged."""

        PENDING = "pending", _("待审核")
        ACTIVE = "active", _("已启用")
        BLOCKED = "blocked", _("已停用")

    class Base(models.IntegerChoices):
        """Which of its readings the hours are computed from."""

        REAL = Span.REAL.value, _("实时数据")
        MINUTE = Span.MINUTE.value, _("分钟数据")
        HOUR = Span.HOUR.value, _("小时数据")

    class CrcMode(models.TextChoices):
        """The checksum it computes; never guessed, a wrong one is counted."""

        STANDARD = "standard", _("国标")
        MODBUS = "modbus", "Modbus"

    class End(models.TextChoices):
        """Which end of a period its DataTime names."""

        START = "start", _("时段开始")
        END = "end", _("时段结束")

    id = models.AutoField(primary_key=True)
    protocol = models.CharField(_("协议"), max_length=8, choices=Protocol.choices)
    number = models.CharField(_("设备编号"), max_length=32, help_text=_("MN号、终端手机号、国标编码或设备标识。"))
    name = models.CharField(_("名称"), max_length=100, blank=True)
    # No foreign key: features are rows of any layer, and a device outlives the feature it was bound to.
    feature = models.UUIDField(_("所属要素"), null=True, blank=True, db_index=True)
    behind = models.ForeignKey(
        "self", models.SET_NULL, verbose_name=_("上级设备"), null=True, blank=True, editable=False,
        related_name="channels", help_text=_("由该设备代为上报，例如录像机之于其通道。"),
    )  # fmt: skip
    state = models.CharField(_("状态"), max_length=7, choices=State.choices, default=State.PENDING)
    secret = models.CharField(_("令牌或鉴权码摘要"), max_length=128, blank=True)
    # Sealed and no digest: commands to a device carry it, and a change of the installation's secret keeps it.
    password = SealedField(
        _("访问密码"), blank=True, default="", db_default="",
        validators=[RegexValidator("^([!-%'-:<-~]{1,32})?$", _("须为1至32位ASCII字符，不含空格、&和;。"))],
    )  # fmt: skip
    units = models.JSONField(_("上报单位"), default=dict, blank=True, help_text=_("因子编码 → 设备上报所用单位。"))
    crc_mode = models.CharField(_("校验方式"), max_length=8, choices=CrcMode.choices, default=CrcMode.STANDARD)
    datatime_is = models.CharField(_("数据时间含义"), max_length=5, choices=End.choices, default=End.START)
    missing_flag = models.CharField(
        _("无标记时视为"), max_length=1, default="N", validators=[RegexValidator("^[NFMSDCTB]$")]
    )
    minute_span = models.PositiveSmallIntegerField(
        _("分钟数据周期（分钟）"), default=10, validators=[MinValueValidator(1), MaxValueValidator(60)]
    )
    interval = models.PositiveIntegerField(
        _("实时数据间隔（秒）"), default=60, validators=[MinValueValidator(1), MaxValueValidator(3600)]
    )
    base = models.PositiveSmallIntegerField(_("小时值来源"), choices=Base.choices, default=Base.REAL)
    back_days = models.PositiveSmallIntegerField(
        _("可补传天数"), default=30, help_text=_("早于该天数的数据进入隔离区，不参与统计。")
    )
    sm4_key = SealedField(_("SM4密钥"), blank=True, validators=[RegexValidator("^([0-9A-Fa-f]{32})?$")])
    version = models.PositiveSmallIntegerField(
        _("标准版本"), null=True, blank=True, choices=[(year, f"HJ 212-{year}") for year in (2005, 2017, 2025)]
    )
    created_at = models.DateTimeField(_("登记时间"), auto_now_add=True)
    approved_at = models.DateTimeField(_("审核时间"), null=True, editable=False, db_index=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("审核人"), null=True, editable=False, related_name="+"
    )

    class Meta:
        verbose_name = _("监测终端")
        verbose_name_plural = _("监测终端")
        indexes = [models.Index(fields=["state"], name="device_state")]
        constraints = [
            models.UniqueConstraint(fields=["protocol", "number"], name="device_once"),
            models.CheckConstraint(condition=models.Q(interval__range=(1, 3600)), name="device_interval"),
            models.CheckConstraint(condition=models.Q(minute_span__range=(1, 60)), name="device_minute_span"),
        ]

    def __str__(self) -> str:
        return self.name or self.number

    def clean(self) -> None:
        """Every unit is one in which its factor can be sent; a password is of a protocol that has one."""
        if self.password and self.protocol not in self.BY_PASSWORD:
            raise ValidationError({"password": _("只有HJ 212和GB/T 28181设备使用访问密码。")})
        if not isinstance(self.units, dict):
            raise ValidationError({"units": _("须为因子编码到单位的对照。")})
        wrong = [f"{factor}: {unit}" for factor, unit in self.units.items() if not units.fits(factor, unit)]
        if wrong:
            raise ValidationError({"units": _("单位与因子不符：%(wrong)s。") % {"wrong": "、".join(wrong)}})


class Presence(models.Model):
    """When a device was last heard, apart from the device: arrivals rewrite these narrow rows and no index."""

    device = models.OneToOneField(
        Device, models.CASCADE, verbose_name=_("设备"), primary_key=True, related_name="presence"
    )
    seen_at = models.DateTimeField(_("最近上报"), null=True)
    connected_at = models.DateTimeField(_("连接时间"), null=True)
    address = models.CharField(_("来源地址"), max_length=45, blank=True)
    online = models.BooleanField(_("在线"), default=False)
    refused = models.PositiveIntegerField(_("拒收次数"), default=0)
    left_at = models.DateTimeField(_("断开时间"), null=True)
    left_how = models.CharField(_("断开方式"), max_length=8, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("在线情况")
        verbose_name_plural = _("在线情况")

    def __str__(self) -> str:
        return f"{self.device_id} {self.seen_at}"


class Registration(models.Model):
    """Where a device that registers for a time is reached: a gateway that starts anew knows it by this."""

    device = models.OneToOneField(
        Device, models.CASCADE, verbose_name=_("设备"), primary_key=True, related_name="registration"
    )
    address = models.CharField(_("来源地址"), max_length=45)
    port = models.PositiveIntegerField(_("端口"))
    transport = models.CharField(_("传输方式"), max_length=3)
    until = models.DateTimeField(_("有效期至"))

    class Meta:
        verbose_name = _("设备注册")
        verbose_name_plural = _("设备注册")

    def __str__(self) -> str:
        return f"{self.device_id} {self.address}:{self.port}"


class Listening(models.Model):
    """Since when a gateway has listened for devices of a protocol, and until when: nobody is silent for a deaf one."""

    protocol = models.CharField(_("协议"), max_length=8, primary_key=True)
    since = models.DateTimeField(_("开始接收"))
    at = models.DateTimeField(_("最近接收"))

    class Meta:
        verbose_name = _("网关值守")
        verbose_name_plural = _("网关值守")

    def __str__(self) -> str:
        return f"{self.protocol} {self.since}"


class Outage(models.Model):
    """A time in which a device was not heard: what online rates are computed from."""

    device = models.ForeignKey(Device, models.CASCADE, verbose_name=_("设备"), related_name="outages")
    began_at = models.DateTimeField(_("离线时间"), db_index=True)
    ended_at = models.DateTimeField(_("恢复时间"), null=True)

    class Meta:
        verbose_name = _("离线记录")
        verbose_name_plural = _("离线记录")
        indexes = [
            models.Index(fields=["device", "began_at"], name="outage_time"),
            # What of them reaches into a time; ``Least`` keeps an end before the begin from being no range.
            GistIndex(Func(Least("began_at", "ended_at"), "ended_at", function="tstzrange"), name="outage_during"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["device"], condition=models.Q(ended_at=None), name="outage_open_once")
        ]

    def __str__(self) -> str:
        return f"{self.device_id} {self.began_at}"


class Bar(models.Model):
    """How many values of the next shorter span a mean needs to be valid, from a day on, with its source."""

    span = models.PositiveSmallIntegerField(_("时段"), choices=Span.choices)
    least = models.PositiveSmallIntegerField(_("最少有效数"), help_text=_("小时以有效分钟数计，其余以个数计。"))
    february = models.PositiveSmallIntegerField(_("二月最少有效数"), null=True, blank=True)
    valid_from = models.DateField(_("启用日期"))
    citation = models.CharField(_("依据"), max_length=200)

    class Meta:
        verbose_name = _("数据有效性要求")
        verbose_name_plural = _("数据有效性要求")
        constraints = [models.UniqueConstraint(fields=["span", "valid_from"], name="bar_once")]

    def __str__(self) -> str:
        return f"{self.get_span_display()} {self.least}"


class Measured(models.Model):
    """Whose value, of what: the columns that the tables of values share. Those tables are made by SQL."""

    device = models.ForeignKey(Device, models.DO_NOTHING, db_column="device", db_constraint=False, related_name="+")
    factor = models.ForeignKey(Factor, models.DO_NOTHING, db_column="factor", db_constraint=False, related_name="+")
    span = models.SmallIntegerField(_("时段"), choices=Span.choices)
    at = models.DateTimeField(_("监测时间"))

    class Meta:
        abstract = True
        managed = False

    def __str__(self) -> str:
        return f"{self.device_id} {self.factor_id} {self.at}"


class Value(Measured):
    """What was measured, as it arrived."""

    value = models.FloatField(_("数值"), null=True)
    low = models.FloatField(_("最小值"), null=True)
    high = models.FloatField(_("最大值"), null=True)
    total = models.FloatField(_("累计量"), null=True)
    flag = models.CharField(_("数据标记"), max_length=1)
    quality = models.SmallIntegerField(_("质量"), choices=Quality.choices)
    received_at = models.DateTimeField(_("接收时间"))

    class Meta(Measured.Meta):
        abstract = True


class Reading(Value):
    """A reading; one table a month, keyed by device, factor, span and time."""

    pk = models.CompositePrimaryKey("device_id", "factor_id", "span", "at")
    late = models.BooleanField(_("补传"))

    class Meta(Value.Meta):
        abstract = False
        db_table = "telemetry_reading"


class Revision(Value):
    """A reading that differs from the one kept for the same key."""

    noted_at = models.DateTimeField(_("记录时间"))

    class Meta(Value.Meta):
        abstract = False
        db_table = "telemetry_revision"


class Latest(Value):
    """The newest reading of a device and factor by measuring time, good or not."""

    pk = models.CompositePrimaryKey("device_id", "factor_id")

    class Meta(Value.Meta):
        abstract = False
        db_table = "telemetry_latest"


class Quarantined(models.Model):
    """A reading that was not taken: its clock is wrong, there is no factor for its code, or the database refused it."""

    device = models.ForeignKey(Device, models.DO_NOTHING, db_column="device", db_constraint=False, related_name="+")
    code = models.CharField(_("因子编码"), max_length=40)
    span = models.SmallIntegerField(_("时段"), choices=Span.choices)
    said_at = models.DateTimeField(_("设备所称时间"))
    value = models.FloatField(_("数值"), null=True)
    flag = models.CharField(_("数据标记"), max_length=1)
    reason = models.CharField(_("原因"), max_length=8)
    received_at = models.DateTimeField(_("接收时间"))

    class Meta:
        verbose_name = _("隔离数据")
        verbose_name_plural = _("隔离数据")
        indexes = [models.Index(fields=["received_at"], name="quarantined_received")]
        constraints = [models.UniqueConstraint(fields=["device", "code", "span", "said_at"], name="quarantined_once")]

    def __str__(self) -> str:
        return f"{self.device_id} {self.code} {self.said_at}"


class Rollup(Measured):
    """The value of an hour or a longer span; one table a month."""

    pk = models.CompositePrimaryKey("device_id", "factor_id", "span", "at")
    mean = models.FloatField(_("平均值"), null=True)
    low = models.FloatField(_("最小值"), null=True)
    high = models.FloatField(_("最大值"), null=True)
    total = models.FloatField(_("累计量"), null=True)
    n_valid = models.SmallIntegerField(_("有效数"))
    n_expected = models.SmallIntegerField(_("应有数"))
    valid = models.BooleanField(_("有效"))
    revised = models.BooleanField(_("有修订"))
    computed_at = models.DateTimeField(_("计算时间"))

    class Meta(Measured.Meta):
        abstract = False
        db_table = "telemetry_rollup"


class Tally(models.Model):
    """What a machine did in an hour: seconds in each kind of state, and how often it started and failed."""

    pk = models.CompositePrimaryKey("device_id", "factor_id", "at")
    device = models.ForeignKey(Device, models.DO_NOTHING, db_column="device", db_constraint=False, related_name="+")
    factor = models.ForeignKey(Factor, models.DO_NOTHING, db_column="factor", db_constraint=False, related_name="+")
    at = models.DateTimeField(_("时间"), db_index=True)
    running = models.FloatField(_("运行"))
    idle = models.FloatField(_("待机"))
    service = models.FloatField(_("检修"))
    fault = models.FloatField(_("故障"))
    starts = models.IntegerField(_("启动次数"))
    faults = models.IntegerField(_("故障次数"))
    computed_at = models.DateTimeField(_("计算时间"), db_default=Now())

    class Meta:
        verbose_name = _("设备运行小时")
        verbose_name_plural = _("设备运行小时")

    def __str__(self) -> str:
        return f"{self.device_id} {self.factor_id} {self.at}"
