"""The limits app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class LimitsConfig(AppConfig):
    """Dated limits and scales."""

    name = "services.limits"
    verbose_name = _("标准限值")

    def ready(self) -> None:
        post_migrate.connect(prepare, sender=self)


def prepare(using: str, **kwargs: Any) -> None:
    """Write the limits that the domains declare and that are missing."""
    from django.db import connections

    from services.limits import declared
    from services.limits.models import Scale

    if Scale._meta.db_table in connections[using].introspection.table_names():
        declared.write(using)
