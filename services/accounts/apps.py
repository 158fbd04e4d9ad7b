"""The accounts app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """Users, memberships and tokens."""

    name = "services.accounts"
    verbose_name = _("账号")
