"""The indicators app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class IndicatorsConfig(AppConfig):
    """Formulas over the numbers of features, thresholds and lights."""

    name = "services.indicators"
    verbose_name = _("指标预警")

    def ready(self) -> None:
        post_migrate.connect(prepare, sender=self)


def prepare(using: str, **kwargs: Any) -> None:
    """Write the indicators that domains declare and that are missing."""
    from django.db import connections

    from services.indicators import declared
    from services.indicators.models import Light

    if Light._meta.db_table in connections[using].introspection.table_names():
        declared.write()
