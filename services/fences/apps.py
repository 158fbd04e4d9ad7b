"""The fences app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FencesConfig(AppConfig):
    """Fences and their events."""

    name = "services.fences"
    verbose_name = _("电子围栏")
