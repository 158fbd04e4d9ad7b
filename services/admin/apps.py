"""The admin app; the label ``admin`` belongs to django.contrib.admin."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LayerAdminConfig(AppConfig):
    """Admin pages from layers."""

    name = "services.admin"
    label = "layer_admin"
    verbose_name = _("后台管理")
