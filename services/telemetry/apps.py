"""The telemetry app."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class TelemetryConfig(AppConfig):
    """Devices, readings and roll-ups."""

    name = "services.telemetry"
    verbose_name = _("监测数据")

    def ready(self) -> None:
        # Domains declare reports as they declare layers: found by looking.
        for app in apps.get_app_configs():
            if find_spec(f"{app.name}.reports"):
                import_module(f"{app.name}.reports")
        post_migrate.connect(prepare, sender=self)


def prepare(using: str, **kwargs: Any) -> None:
    """Write the standard factors and validity bars that are missing, and make the partitions of the coming months."""
    from django.db import connections

    from services.telemetry import factors, partitions
    from services.telemetry.models import Bar

    if Bar._meta.db_table in connections[using].introspection.table_names():
        factors.write(using)
        partitions.ahead(using)
