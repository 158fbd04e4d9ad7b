"""The export app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ExportConfig(AppConfig):
    """Export of layers."""

    name = "services.export"
    verbose_name = _("导出")
