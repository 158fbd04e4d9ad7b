"""The composition root as an app: its commands, templates and translations."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CommandCenterConfig(AppConfig):
    """Screens."""

    name = "command_center"
    verbose_name = _("指挥中心")
