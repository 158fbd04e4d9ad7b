"""The positions app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class PositionsConfig(AppConfig):
    """Positions, trips and stops."""

    name = "services.positions"
    verbose_name = _("车辆定位")

    def ready(self) -> None:
        post_migrate.connect(prepare, sender=self)


def prepare(using: str, **kwargs: Any) -> None:
    """Write the rule for trips and stops where there is none, and make the partitions of the coming months."""
    from django.db import connections

    from services.positions.models import TABLES, Rule
    from services.telemetry import partitions

    if Rule._meta.db_table in connections[using].introspection.table_names():
        if not Rule.objects.using(using).exists():
            Rule.objects.using(using).create()
        partitions.ahead(using, tables=TABLES)
