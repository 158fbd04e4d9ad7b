"""The surfaces app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class SurfacesConfig(AppConfig):
    """Surfaces of measured values and of risk."""

    name = "services.surfaces"
    verbose_name = _("空间分布")

    def ready(self) -> None:
        post_migrate.connect(prepare, sender=self)


def prepare(using: str, **kwargs: Any) -> None:
    """Write the surfaces that every platform begins with, where they are missing."""
    from django.db import connections

    from services.surfaces import beginnings
    from services.surfaces.models import Surface
    from services.telemetry import factors

    if Surface._meta.db_table in connections[using].introspection.table_names():
        # The apps are prepared one after the other, and this one may be before telemetry.
        factors.write(using)
        beginnings.write(using)
