"""The notify app."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class NotifyConfig(AppConfig):
    """Messages to people."""

    name = "services.notify"
    verbose_name = _("消息通知")

    def ready(self) -> None:
        # The process that writes a message wakes the task by its name.
        import_module("services.notify.jobs")
