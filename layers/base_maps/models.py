"""Base map features with their editions, closures and remarks."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gis.fields import MultiLineStringField, MultiPolygonField, PointField
from services.catalog.models import Feature, Record
from services.catalog.quantities import Quantity


class Boundary(Feature):
    """A boundary (界线范围): an administrative area of any edition, a park, a functional zone."""

    class Kind(models.TextChoices):
        ADMINISTRATIVE = "administrative", _("行政区界线")
        ZONE = "zone", _("功能区")
        LAND_USE = "land_use", _("用地")
        OTHER = "other", _("其他")

    geom = MultiPolygonField(_("范围"), null=True, blank=True)
    kind = models.CharField(_("界线类别"), max_length=16, choices=Kind.choices, default=Kind.ADMINISTRATIVE)
    parent_name = models.CharField(_("上级名称"), max_length=100, blank=True)
    source = models.CharField(_("资料来源"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("界线")
        verbose_name_plural = _("界线")
        indexes = [models.Index(fields=["created_at"], name="boundary_entered")]


class Road(Feature):
    """A road or path (道路)."""

    geom = MultiLineStringField(_("中心线"), null=True, blank=True)
    kind = models.CharField(_("道路类别"), max_length=60, blank=True)
    surface = models.CharField(_("路面"), max_length=60, blank=True)
    width = Quantity(_("路面宽度"), unit="m")
    source = models.CharField(_("资料来源"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("道路")
        verbose_name_plural = _("道路")
        indexes = [models.Index(fields=["created_at"], name="road_entered")]


class WaterBody(Feature):
    """A river, lake, reservoir or pond (水系)."""

    geom = MultiPolygonField(_("水面"), null=True, blank=True)
    kind = models.CharField(_("水系类别"), max_length=60, blank=True)
    source = models.CharField(_("资料来源"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("水系")
        verbose_name_plural = _("水系")
        indexes = [models.Index(fields=["created_at"], name="water_body_entered")]


class Building(Feature):
    """A building outline (建筑物)."""

    geom = MultiPolygonField(_("轮廓"), null=True, blank=True)
    kind = models.CharField(_("建筑类别"), max_length=60, blank=True)
    height = Quantity(_("高度"), unit="m")
    floors = models.PositiveSmallIntegerField(_("层数"), null=True, blank=True)
    source = models.CharField(_("资料来源"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("建筑物")
        verbose_name_plural = _("建筑物")
        indexes = [models.Index(fields=["created_at"], name="building_entered")]


class PointOfInterest(Feature):
    """A hospital, school, station or other place that people look for (兴趣点)."""

    geom = PointField(_("位置"), null=True, blank=True)
    kind = models.CharField(_("兴趣点类别"), max_length=200, blank=True)
    address = models.CharField(_("地址"), max_length=300, blank=True)
    telephone = models.CharField(_("电话"), max_length=100, blank=True)
    source = models.CharField(_("资料来源"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("兴趣点")
        verbose_name_plural = _("兴趣点")
        indexes = [models.Index(fields=["created_at"], name="point_of_interest_entered")]


class Edition(Record):
    """An edition of a boundary: who published it, and under which map approval number (审图号)."""

    of = "boundary"

    boundary = models.ForeignKey(Boundary, models.CASCADE, verbose_name=_("界线"), related_name="editions")
    published_on = models.DateField(_("发布日期"), db_index=True)
    publisher = models.CharField(_("发布单位"), max_length=100)
    approval_number = models.CharField(_("审图号"), max_length=60, blank=True)
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("界线版本")
        verbose_name_plural = _("界线版本")
        ordering = ["-published_on"]


class Closure(Record):
    """A closure of a road, or works that narrow it."""

    of = "road"

    road = models.ForeignKey(Road, models.CASCADE, verbose_name=_("道路"), related_name="closures")
    starts_on = models.DateField(_("开始日期"), db_index=True)
    ends_on = models.DateField(_("结束日期"), null=True, blank=True)
    reason = models.CharField(_("原因"), max_length=200)

    class Meta:
        verbose_name = _("道路封闭")
        verbose_name_plural = _("道路封闭")
        ordering = ["-starts_on"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_on=None) | models.Q(ends_on__gte=models.F("starts_on")),
                name="closure_dates_in_order",
                violation_error_message=_("结束日期不得早于开始日期。"),
            )
        ]


class Level(Record):
    """A water level read at a water body."""

    of = "water_body"

    water_body = models.ForeignKey(WaterBody, models.CASCADE, verbose_name=_("水系"), related_name="levels")
    read_at = models.DateTimeField(_("观测时间"), db_index=True)
    height = Quantity(_("水位"), unit="m")
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("水位记录")
        verbose_name_plural = _("水位记录")
        ordering = ["-read_at"]


class Use(Record):
    """What a building is used for, from a day on."""

    of = "building"

    building = models.ForeignKey(Building, models.CASCADE, verbose_name=_("建筑物"), related_name="uses")
    since = models.DateField(_("起始日期"), db_index=True)
    use = models.CharField(_("用途"), max_length=100)
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("使用情况")
        verbose_name_plural = _("使用情况")
        ordering = ["-since"]


class Remark(Record):
    """A remark on a point of interest: moved, closed, renamed."""

    of = "place"

    place = models.ForeignKey(PointOfInterest, models.CASCADE, verbose_name=_("兴趣点"), related_name="remarks")
    noted_on = models.DateField(_("日期"), db_index=True)
    text = models.CharField(_("内容"), max_length=300)
    noted_by = models.CharField(_("记录人"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("备注")
        verbose_name_plural = pgettext_lazy("plural", "备注")
        ordering = ["-noted_on"]
