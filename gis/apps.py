"""The Django app of the spatial primitives."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SpatialConfig(AppConfig):
    """Spatial primitives; the label ``gis`` belongs to django.contrib.gis."""

    name = "gis"
    label = "spatial"
    verbose_name = _("空间基础")
