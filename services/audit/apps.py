"""The audit app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    """The audit trail, and the audit of the database."""

    name = "services.audit"
    verbose_name = _("审计")
    covers = ("LN-403",)

    def ready(self) -> None:
        post_migrate.connect(prepare, sender=self)


def prepare(using: str, **kwargs: Any) -> None:
    """Bring the triggers of the database audit up to date, and write its rules where there are none."""
    from django.db import connections

    from services.audit import declared, guards
    from services.audit.models import Finding

    if Finding._meta.db_table in connections[using].introspection.table_names():
        declared.write(using)
        guards.install(using)
