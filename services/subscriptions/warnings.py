"""What is warned of about subscriptions."""

from django.utils.translation import gettext_noop as _

from services.alarms.kinds import WarningKind
from services.alarms.raising import end_others, raise_warning
from services.subscriptions.models import Subscription

FAILING = "subscription-failing"
MANY = 6
"""Failures in a row after which administrators are warned: five minutes after the first."""

WARNINGS = (
    WarningKind(
        FAILING, _("告警推送未送达"), level="orange",
        advice=_("核对接收地址、对方服务和允许的外部主机名单；恢复后积压的告警按顺序补推。"),
    ),
)  # fmt: skip


def failing(subscription: Subscription, failures: int, trouble: str) -> None:
    """Warn of a system that does not take events, once it has been so for a while."""
    if failures >= MANY:
        given = {"n": failures, "trouble": trouble}
        raise_warning(
            FAILING, subscription.name, text=_("已连续失败 %(n)d 次：%(trouble)s"), given=given, value=failures
        )


def recovered() -> None:
    """End the warnings of all that do not fail any more, were switched off, renamed or taken away."""
    still = Subscription.objects.filter(enabled=True, failures__gte=MANY).values_list("name", flat=True)
    end_others(FAILING, {(name, None) for name in still})
