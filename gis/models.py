"""Administrative regions of China: the tree by GB/T 2260 code, with boundaries and a history."""

from datetime import date
from typing import Self

from django.contrib.gis.db import models
from django.contrib.gis.geos import GEOSGeometry
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gis.fields import STORAGE_SRID, MultiPolygonField, PointField


def code_prefix(code: str) -> str:
    """The digits that every code below a region shares: 2 for a province, 4 a city, 6 a county, all of a town's.

    A county-level city directly under a province (429004) keeps its six digits; a city without counties (441900)
    has towns under its four.
    """
    if len(code) != 6:
        return code
    return code[:2] if code.endswith("0000") else code[:4] if code.endswith("00") else code


class RegionQuerySet(models.QuerySet["Region"]):
    """Regions, by subtree and by date."""

    def subtree(self, code: str) -> Self:
        """The region with this code and everything below it, abolished regions included."""
        return self.filter(code__startswith=code_prefix(code))

    def current(self, on: date | None = None) -> Self:
        """Regions in force on a date, today by default."""
        day = on or timezone.localdate()
        return self.filter(
            Q(valid_from__isnull=True) | Q(valid_from__lte=day), Q(valid_to__isnull=True) | Q(valid_to__gt=day)
        )

    def plain(self, *more: str) -> Self:
        """Without boundaries, of which one has thousands of corners; ``more`` fields beside code, name and level."""
        return self.only("code", "name", "level", "parent", *more)


class Region(models.Model):
    """An administrative region: province, city, county or town."""

    class Level(models.TextChoices):
        """The four levels, from the top."""

        PROVINCE = "province", _("省级")
        CITY = "city", _("地级")
        COUNTY = "county", _("县级")
        TOWN = "town", _("乡级")

    code = models.CharField(
        _("区划代码"), max_length=12, primary_key=True, help_text=_("GB/T 2260 六位代码；乡镇街道为九位。")
    )
    name = models.CharField(_("名称"), max_length=60)
    level = models.CharField(_("级别"), max_length=8, choices=Level)
    parent = models.ForeignKey(
        "self", models.PROTECT, verbose_name=_("上级"), null=True, blank=True, related_name="children"
    )
    geom = MultiPolygonField(_("边界"), null=True, blank=True)
    place = PointField(_("标注位置"), null=True, blank=True, help_text=_("名称写在此处，在最大的一块之内"))
    valid_from = models.DateField(_("启用日期"), null=True, blank=True)
    valid_to = models.DateField(_("停用日期"), null=True, blank=True, help_text=_("自该日起不再使用。"))
    replaced_by = models.ForeignKey(
        "self", models.PROTECT, verbose_name=_("由其接替"), null=True, blank=True, related_name="replaces"
    )

    objects = RegionQuerySet.as_manager()

    class Meta:
        verbose_name = _("行政区划")
        verbose_name_plural = _("行政区划")
        ordering = ("code",)

    def __str__(self) -> str:
        return self.name

    @property
    def prefix(self) -> str:
        """The digits that every code below this region shares."""
        return code_prefix(self.code)

    @classmethod
    def subtree(cls, code: str) -> RegionQuerySet:
        """The region with this code and everything below it."""
        return cls.objects.subtree(code)

    @classmethod
    def at(cls, point: GEOSGeometry) -> "Region | None":
        """The deepest region with a boundary that holds the point (EPSG:4490), or ``None`` outside China."""
        return cls.objects.filter(parts__geom__intersects=point).order_by("code").first()


class RegionPart(models.Model):
    """A small piece of the boundary of a region that has no bounded region below it; makes look-ups by place fast."""

    region = models.ForeignKey(Region, models.CASCADE, verbose_name=_("行政区划"), related_name="parts")
    # No Web Mercator twin: parts are looked up by place, never drawn.
    geom = models.PolygonField(_("边界分块"), srid=STORAGE_SRID)

    class Meta:
        verbose_name = _("边界分块")
        verbose_name_plural = _("边界分块")

    def __str__(self) -> str:
        return f"{self.region_id} #{self.pk}"
