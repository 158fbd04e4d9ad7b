"""One adapter for each kind of channel, behind one small protocol.

In the product there is nothing to hand over: the message's own row is what the bell and the list of notices show.
"""

import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from services.notify.channels.email_smtp import Smtp
from services.notify.channels.robots import DingTalk, WeCom
from services.notify.channels.sms_http import SmsGateway
from services.notify.errors import Refused
from services.notify.keys import PLACE
from services.notify.models import Channel, Delivery, Kind

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Adapter(Protocol):
    """A dataclass whose fields are the settings of its channels."""

    PER_MINUTE: ClassVar[int | None]
    """How many messages the other side takes in a minute; None for as many as come."""

    SECRETS: ClassVar[tuple[str, ...]]
    """The settings that hold the name of a secret."""

    def send(self, delivery: Delivery) -> str:
        """Hand a message over and return its receipt id, or an empty text; raises Retry, Unreachable or Refused."""


ADAPTERS: dict[str, Any] = {
    Kind.EMAIL: Smtp,
    Kind.SMS: SmsGateway,
    Kind.WECOM: WeCom,
    Kind.DINGTALK: DingTalk,
}


def adapter_of(channel: Channel) -> Adapter:
    """The adapter of a channel with its settings; raises Refused, which names the setting, where they are wrong."""
    kind: type[DataclassInstance] = ADAPTERS[channel.kind]
    given = channel.settings
    if not isinstance(given, dict):
        raise Refused("the settings must be an object")
    known = {f.name: f for f in fields(kind)}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise Refused(f"no setting {', '.join(unknown)}; the settings are: {', '.join(known)}")
    for name, field in known.items():
        if name not in given:
            if field.default is MISSING and field.default_factory is MISSING:
                raise Refused(f"the setting {name} is missing")
        elif type(given[name]) is not field.type:
            raise Refused(f"the setting {name} must be of type {getattr(field.type, '__name__', field.type)}")
    return kind(**given)  # type: ignore[return-value]


def secrets_of(channel: Channel) -> tuple[str, ...]:
    """The names of the secrets that a channel's settings point at."""
    names = [channel.settings.get(setting, "") for setting in ADAPTERS[channel.kind].SECRETS]
    names += PLACE.findall(json.dumps(channel.settings))
    return tuple(dict.fromkeys(name for name in names if name))


def check(channel: Channel) -> None:
    """Raise ValidationError where the settings of a channel cannot work."""
    try:
        adapter_of(channel)
    except Refused as error:
        raise ValidationError({"settings": _("设置有误：%s") % error}) from error
