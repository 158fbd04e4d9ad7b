"""The live app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class LiveConfig(AppConfig):
    """Live events and the triggers that note them."""

    name = "services.live"
    verbose_name = _("实时事件")

    def ready(self) -> None:
        post_migrate.connect(prepare, sender=self)


def prepare(using: str, **kwargs: Any) -> None:
    """Bring the triggers up to date with the declarations."""
    from services.live import triggers

    triggers.install(using)
