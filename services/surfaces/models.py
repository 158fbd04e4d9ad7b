"""Which surfaces there are, with their parameters; their grids; and every run with its inputs and its errors."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from gis.fields import PointField, PolygonField
from services.catalog.ids import UUID7, uuid7
from styles.ramps import RAMPS, Ramp


class Surface(models.Model):
    """A surface that is computed every hour: of what, and with which parameters."""

    class Kind(models.TextChoices):
        """How it is computed."""

        POLLUTION = "pollution", _("浓度分布")
        RISK = "risk", _("风险分布")

    key = models.SlugField(_("标识"), max_length=32, primary_key=True)
    name = models.CharField(_("名称"), max_length=60)
    kind = models.CharField(_("类型"), max_length=9, choices=Kind.choices, default=Kind.POLLUTION)
    factor = models.ForeignKey(
        "telemetry.Factor", models.PROTECT, verbose_name=_("监测因子"), null=True, blank=True, related_name="+"
    )
    ramp = models.CharField(_("色带"), max_length=16, choices=[(name, name) for name in RAMPS], default="plain")
    power = models.FloatField(
        _("距离权重指数"), default=2, validators=[MinValueValidator(0.5), MaxValueValidator(6)]
    )  # fmt: skip
    radius_m = models.PositiveIntegerField(_("最大影响半径（米）"), null=True, blank=True, help_text=_("空为不限。"))
    most = models.PositiveSmallIntegerField(
        _("最多邻近站点数"), default=12, validators=[MinValueValidator(1), MaxValueValidator(64)]
    )
    least = models.PositiveSmallIntegerField(
        _("最少有效站点数"), default=3, validators=[MinValueValidator(1)], help_text=_("少于该数时不作图。")
    )
    cell_m = models.PositiveIntegerField(
        _("网格边长（米）"), default=500, validators=[MinValueValidator(50), MaxValueValidator(20_000)],
        help_text=_("面积过大时自动加倍，实际边长记在每次计算中。风险分布为六边形边长。"),
    )  # fmt: skip
    full = models.FloatField(
        _("满分对应的加权值"), default=10, validators=[MinValueValidator(0.001)], help_text=_("仅用于风险分布。")
    )
    spread = models.FloatField(
        _("相邻格分担比例"), default=0.25, validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=_("仅用于风险分布：每一相邻格得到的比例。"),
    )  # fmt: skip
    active = models.BooleanField(_("启用"), default=True)
    order = models.PositiveSmallIntegerField(_("顺序"), default=0)

    class Meta:
        verbose_name = _("空间分布")
        verbose_name_plural = _("空间分布")
        ordering = ["order", "key"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="risk") | models.Q(factor__isnull=False), name="surface_factor",
                violation_error_message=_("浓度分布应有监测因子。"),
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return _now(self.name)

    @property
    def unit(self) -> str:
        """The unit of its values; risk has none."""
        return self.factor.unit if self.factor is not None else ""

    @property
    def scale(self) -> Ramp:
        """Its colours."""
        return RAMPS[self.ramp]

    @property
    def collection(self) -> str:
        """The id of its coverage in the OGC API."""
        return f"surface-{self.key}"

    @property
    def parameters(self) -> dict[str, Any]:
        """What a run of now is computed with."""
        if self.kind == self.Kind.RISK:
            sources = [source.parameters for source in self.sources.all() if source.active]
            return {"cell_m": self.cell_m, "full": self.full, "spread": self.spread, "sources": sources}
        names = ("power", "radius_m", "most", "least", "cell_m")
        return {name: getattr(self, name) for name in names}


class Source(models.Model):
    """Something that adds to a risk surface: where its events come from, what one weighs and how fast it fades."""

    surface = models.ForeignKey(Surface, models.CASCADE, verbose_name=_("空间分布"), related_name="sources")
    source = models.CharField(_("来源"), max_length=32, help_text=_("来源的登记名：exceedances、layer 等。"))
    label = models.CharField(_("名称"), max_length=60)
    options = models.JSONField(_("选项"), default=dict, blank=True)
    weight = models.FloatField(_("权重"), default=1)
    window_h = models.PositiveIntegerField(_("时间窗（小时）"), default=24, validators=[MinValueValidator(1)])
    half_life_h = models.FloatField(_("半衰期（小时）"), null=True, blank=True, help_text=_("空为不衰减。"))
    citation = models.CharField(_("依据"), max_length=200, blank=True)
    active = models.BooleanField(_("启用"), default=True)
    order = models.PositiveSmallIntegerField(_("顺序"), default=0)

    class Meta:
        verbose_name = _("风险来源")
        verbose_name_plural = _("风险来源")
        ordering = ["order", "id"]

    def __str__(self) -> str:
        return _now(self.label)

    @property
    def parameters(self) -> dict[str, Any]:
        """What is kept of it with a run."""
        names = ("source", "label", "options", "weight", "window_h", "half_life_h")
        return {"id": self.pk, **{name: getattr(self, name) for name in names}}


class Layout(models.Model):
    """The lattice of a region's boundary as it was: made once for a cell size, used by every run."""

    region = models.ForeignKey("spatial.Region", models.CASCADE, verbose_name=_("行政区"), related_name="+")
    cell_m = models.PositiveIntegerField(_("网格边长（米）"))
    boundary = models.CharField(_("边界摘要"), max_length=32)
    srid = models.PositiveIntegerField(_("坐标系"))
    west = models.FloatField(_("西边"))
    north = models.FloatField(_("北边"))
    columns = models.PositiveIntegerField(_("列数"))
    rows = models.PositiveIntegerField(_("行数"))
    inside = models.BinaryField(_("区内各格"))
    cells = models.PositiveIntegerField(_("区内格数"))

    class Meta:
        verbose_name = _("网格")
        verbose_name_plural = _("网格")
        constraints = [models.UniqueConstraint(fields=["region", "cell_m", "boundary"], name="layout_once")]

    def __str__(self) -> str:
        return f"{self.region_id} {self.cell_m} m"


class Network(models.Model):
    """A set of stations on a lattice: which cell hears which of them, and how strongly."""

    layout = models.ForeignKey(Layout, models.CASCADE, verbose_name=_("网格"), related_name="networks")
    key = models.CharField(_("站点与参数摘要"), max_length=32)
    rule = models.CharField(_("参数摘要"), max_length=32)
    members = models.JSONField(_("站点"))
    stations = models.PositiveIntegerField(_("站点数"))
    held = models.PositiveIntegerField(_("每格邻近站点数"))
    used_at = models.DateTimeField(_("最近使用"))

    class Meta:
        verbose_name = _("站点网络")
        verbose_name_plural = _("站点网络")
        constraints = [models.UniqueConstraint(fields=["layout", "key"], name="network_once")]

    def __str__(self) -> str:
        return f"{self.layout_id} {self.key}"


class Hearing(models.Model):
    """The stations that one cell hears, the nearest first."""

    pk = models.CompositePrimaryKey("network_id", "n")
    network = models.ForeignKey(Network, models.CASCADE, verbose_name=_("站点网络"), related_name="+")
    n = models.PositiveIntegerField(_("格号"))
    stations = ArrayField(models.SmallIntegerField(), verbose_name=_("站点"))
    weights = ArrayField(models.FloatField(), verbose_name=_("权重"))

    class Meta:
        verbose_name = _("邻近权重")
        verbose_name_plural = _("邻近权重")

    def __str__(self) -> str:
        return f"{self.network_id} {self.n}"


class Run(models.Model):
    """A surface of one region and hour: what went in, what came out and how far it can be trusted."""

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", _("待计算")
        RUNNING = "running", _("计算中")
        DONE = "done", _("已完成")
        FEW = "few", _("有效站点不足")
        FAILED = "failed", _("计算失败")

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    surface = models.ForeignKey(Surface, models.CASCADE, verbose_name=_("空间分布"), related_name="runs")
    region = models.ForeignKey("spatial.Region", models.CASCADE, verbose_name=_("行政区"), related_name="+")
    at = models.DateTimeField(_("小时"))
    digest = models.CharField(_("参数摘要"), max_length=32)
    standard = models.BooleanField(_("按设定参数"), default=True)
    parameters = models.JSONField(_("参数"))
    state = models.CharField(_("状态"), max_length=8, choices=State.choices, default=State.WAITING)
    lease_until = models.DateTimeField(_("占用至"), null=True)
    attempts = models.PositiveSmallIntegerField(_("尝试次数"), default=0)
    layout = models.ForeignKey(Layout, models.SET_NULL, verbose_name=_("网格"), null=True, related_name="+")
    values = models.BinaryField(_("各格数值"), null=True)
    path = models.CharField(_("计算方法"), max_length=100, blank=True)
    n_stations = models.PositiveIntegerField(_("站点数"), default=0)
    n_used = models.PositiveIntegerField(_("参与站点数"), default=0)
    low = models.FloatField(_("最小"), null=True)
    high = models.FloatField(_("最大"), null=True)
    mean = models.FloatField(_("平均"), null=True)
    rmse = models.FloatField(_("均方根误差"), null=True)
    mae = models.FloatField(_("平均绝对误差"), null=True)
    bias = models.FloatField(_("偏差"), null=True)
    took_ms = models.PositiveIntegerField(_("用时（毫秒）"), null=True)
    inputs_key = models.CharField(_("输入摘要"), max_length=32, blank=True)
    revision = models.PositiveIntegerField(_("修订"), default=0)
    earlier = models.JSONField(_("此前各版"), default=list)
    computed_at = models.DateTimeField(_("计算时间"), null=True)
    created_at = models.DateTimeField(_("登记时间"), auto_now_add=True)

    class Meta:
        verbose_name = _("分布计算")
        verbose_name_plural = _("分布计算")
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["state"], name="run_open", condition=models.Q(state__in=["waiting", "running"])),
            models.Index(fields=["at"], name="run_hour"),
        ]
        constraints = [models.UniqueConstraint(fields=["surface", "region", "at", "digest"], name="run_once")]

    def __str__(self) -> str:
        return f"{self.surface_id} {self.region_id} {self.at:%Y-%m-%d %H:%M}"


class Input(models.Model):
    """A station or an event that a run looked at."""

    run = models.ForeignKey(Run, models.CASCADE, verbose_name=_("分布计算"), related_name="inputs")
    feature = models.UUIDField(_("要素"), null=True)
    source = models.IntegerField(_("风险来源"), null=True)
    place = PointField(_("位置"))
    at = models.DateTimeField(_("时间"), null=True)
    value = models.FloatField(_("数值"), null=True)
    n_valid = models.SmallIntegerField(_("有效数"), default=0)
    n_expected = models.SmallIntegerField(_("应有数"), default=0)
    used = models.BooleanField(_("参与计算"), default=True)
    estimate = models.FloatField(_("留一估计"), null=True)

    class Meta:
        verbose_name = _("计算输入")
        verbose_name_plural = _("计算输入")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.run_id} {self.feature} {self.value}"


class Cell(models.Model):
    """A hexagon of a risk run that holds something."""

    run = models.ForeignKey(Run, models.CASCADE, verbose_name=_("分布计算"), related_name="hexagons")
    i = models.IntegerField(_("列"))
    j = models.IntegerField(_("行"))
    score = models.FloatField(_("风险值"))
    parts = models.JSONField(_("构成"), default=dict)
    geom = PolygonField(_("范围"))

    class Meta:
        verbose_name = _("风险格")
        verbose_name_plural = _("风险格")
        constraints = [models.UniqueConstraint(fields=["run", "i", "j"], name="hexagon_once")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.i}:{self.j}"
