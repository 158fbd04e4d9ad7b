"""The operations app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OperationsConfig(AppConfig):
    """Jobs."""

    name = "services.operations"
    verbose_name = _("运行管理")
