"""The subscriptions app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SubscriptionsConfig(AppConfig):
    """Other systems that hear of alarms at once."""

    name = "services.subscriptions"
    verbose_name = _("告警推送")
    covers = ("LN-395",)
