"""The reports app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReportsConfig(AppConfig):
    """Saved reports and the editions of reports."""

    name = "services.reports"
    verbose_name = _("统计报表")
