"""The ingest app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IngestConfig(AppConfig):
    """What comes in."""

    name = "ingest"
    verbose_name = _("数据接入")
