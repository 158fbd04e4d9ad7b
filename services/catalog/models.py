"""What a domain builds on: Feature and Record; and the index with one row for every feature of every layer."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from gis.fields import GeometryField
from services.catalog.ids import UUID7, uuid7


class Row(models.Model):
    """A row with an identifier and its times; the database fills them for rows that SQL loads."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    created_at = models.DateTimeField(_("创建时间"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("更新时间"), db_default=Now(), editable=False)

    of: ClassVar[str] = ""
    """Name of the foreign key to the feature this row belongs to."""
    topic: ClassVar[str] = ""
    """Key of the topic under which the panel of that feature shows this row."""
    by_flow: ClassVar[bool] = False
    """Whether its domain's flow alone writes this row: no form adds one, and no door changes it as a record."""

    class Meta:
        abstract = True


class Feature(Row):
    """A thing with a place. Its domain adds the geometry, or its layer borrows one by an ORM path."""

    code = models.CharField(_("编号"), max_length=64, blank=True, db_index=True)
    name = models.CharField(_("名称"), max_length=200, db_index=True)
    region = models.ForeignKey(
        "spatial.Region", models.PROTECT, verbose_name=_("行政区"), null=True, blank=True, related_name="+"
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Record(Row):
    """A row that belongs to a feature: it inherits that feature's place and its scope."""

    class Meta:
        abstract = True


class FeatureIndex(models.Model):
    """One row for every feature of every layer, written by trigger: search, nearby, alarms and links stand on it."""

    id = models.UUIDField(primary_key=True)
    layer = models.CharField(_("图层"), max_length=64)
    title = models.CharField(_("名称"), max_length=200)
    code = models.CharField(_("编号"), max_length=64)
    state = models.CharField(_("状态"), max_length=64)
    region_code = models.CharField(_("行政区"), max_length=12)
    text = models.TextField(_("检索文本"))
    grams = models.GeneratedField(
        expression=models.Func("text", function="grams"), output_field=ArrayField(models.TextField()), db_persist=True
    )
    geom = GeometryField(_("位置"), null=True)

    class Meta:
        verbose_name = _("要素")
        verbose_name_plural = _("要素索引")
        indexes = [
            models.Index(fields=["layer", "region_code"], name="index_layer_region"),
            GinIndex(fields=["grams"], name="index_grams"),
        ]

    def __str__(self) -> str:
        return self.title


class LayerVersion(models.Model):
    """How often a layer changed, by writing process: ``services.catalog.versions`` adds them up."""

    layer = models.CharField(_("图层"), max_length=64)
    slot = models.PositiveSmallIntegerField(_("写入进程"))
    value = models.BigIntegerField(_("版本"))

    class Meta:
        verbose_name = _("图层版本")
        verbose_name_plural = _("图层版本")
        constraints = [models.UniqueConstraint(fields=["layer", "slot"], name="layer_version_once")]

    def __str__(self) -> str:
        return f"{self.layer} {self.value}"
