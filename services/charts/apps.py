"""The charts app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChartsConfig(AppConfig):
    """Saved charts and the tables that people brought for them."""

    name = "services.charts"
    verbose_name = _("图表产品")
