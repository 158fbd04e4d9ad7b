"""The app of statistics."""

from importlib import import_module
from importlib.util import find_spec

from django.apps import AppConfig, apps


class StatsConfig(AppConfig):
    """Imports every app's ``counted`` module, so that what its engine counts registers."""

    name = "services.stats"

    def ready(self) -> None:
        for app in apps.get_app_configs():
            if find_spec(f"{app.name}.counted"):
                import_module(f"{app.name}.counted")
