"""The roles a grant may name."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Role(TextChoices):
    """What somebody is to the platform; a membership gives a role within a region or an organisation."""

    ADMIN = "admin", _("系统管理员")
    COMMANDER = "commander", _("指挥中心")
    SUPERVISOR = "supervisor", _("监管人员")
    INSPECTOR = "inspector", _("现场人员")
    CONTRACTOR = "contractor", _("参建单位")
    OPERATOR = "operator", _("运营单位")
    PUBLIC = "public", _("公众")
