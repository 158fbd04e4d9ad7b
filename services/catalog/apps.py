"""Start of the catalogue: domains are found by looking, checked, and indexed by trigger."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import register
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _


class CatalogConfig(AppConfig):
    """Imports every app's ``layer`` module, so that its declarations register."""

    name = "services.catalog"
    verbose_name = _("图层目录")

    def ready(self) -> None:
        from services.catalog.checks import check_layers

        for app in apps.get_app_configs():
            if find_spec(f"{app.name}.layer"):
                import_module(f"{app.name}.layer")
        register(check_layers)
        pre_migrate.connect(create_functions, sender=self)
        post_migrate.connect(create_triggers, sender=self)


def create_functions(using: str, **kwargs: Any) -> None:
    """Create the SQL functions that column defaults call; before the first table needs them."""
    from services.catalog.functions import CREATE_GRAMS, CREATE_UUID7

    with connections[using].cursor() as cursor:
        cursor.execute(CREATE_UUID7)
        cursor.execute(CREATE_GRAMS)


def create_triggers(using: str, **kwargs: Any) -> None:
    """Bring the triggers of the feature index and of the versions up to date with the declarations."""
    from services.catalog import index, versions

    index.install(using)
    versions.install(using)
