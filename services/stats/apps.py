"""The app of statistics."""

from importlib import import_module
from importlib.util import find_spec

from django.apps import AppConfig, apps
from django.core.checks import register


class StatsConfig(AppConfig):
    """Imports every app's ``counted`` module, so that what its engine counts registers; checks what is counted."""

    name = "services.stats"

    def ready(self) -> None:
        from services.stats.checks import check_times

        for app in apps.get_app_configs():
            if find_spec(f"{app.name}.counted"):
                import_module(f"{app.name}.counted")
        register(check_times)
