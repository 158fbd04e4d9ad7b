"""The feeds app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FeedsConfig(AppConfig):
    """Interfaces with existing systems."""

    name = "services.feeds"
    verbose_name = _("数据接口")
