"""The alarms app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AlarmsConfig(AppConfig):
    """Rules, episodes and what is done about them."""

    name = "services.alarms"
    verbose_name = _("监测告警")
    covers = ("HS-002",)

    def ready(self) -> None:
        post_migrate.connect(prepare, sender=self)


def prepare(using: str, **kwargs: Any) -> None:
    """Write the rules and kinds of warnings that are declared, the deadlines and the wordings that are missing."""
    from django.db import connections

    from services.alarms import declared, kinds
    from services.alarms.models import Report

    if Report._meta.db_table in connections[using].introspection.table_names():
        declared.write(using)
        kinds.write(using)
