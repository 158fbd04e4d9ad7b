"""The ingest app."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IngestConfig(AppConfig):
    """What comes in."""

    name = "ingest"
    verbose_name = _("数据接入")

    def ready(self) -> None:
        # The process that submits a job must know its kind, not only the worker.
        import_module("ingest.jobs")
