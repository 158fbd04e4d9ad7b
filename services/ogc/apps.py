"""The OGC app: makes its kind of job known, in the web process as in the worker."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OgcConfig(AppConfig):
    """OGC API."""

    name = "services.ogc"
    verbose_name = _("OGC 接口")

    def ready(self) -> None:
        import_module("services.ogc.grammar")
        import_module("services.ogc.jobs")
