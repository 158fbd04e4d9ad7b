"""The operations app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class OperationsConfig(AppConfig):
    """Jobs, logs, and what the platform sees of itself."""

    name = "services.operations"
    verbose_name = _("运行管理")
    covers = ("DZ-057", "DZ-058", "DZ-059", "DZ-060", "DZ-061")

    def ready(self) -> None:
        post_migrate.connect(prepare, sender=self)


def prepare(using: str, **kwargs: Any) -> None:
    """Make the partitions of the coming months, and write the policy where there is none."""
    from django.db import connections

    from services.operations import keeping
    from services.operations.models import Policy

    if Policy._meta.db_table in connections[using].introspection.table_names():
        keeping.prepare(using)
