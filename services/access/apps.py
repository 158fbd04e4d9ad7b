"""The access app: registers its checks."""

from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _


class AccessConfig(AppConfig):
    """Rights."""

    name = "services.access"
    verbose_name = _("权限")

    def ready(self) -> None:
        from services.access.checks import check_grants

        register(check_grants)
