"""Receipts that an SMS gateway brings later: which message arrived and which did not."""

import hmac
import logging
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access.errors import Invalid, NotFound
from services.notify.channels import adapter_of
from services.notify.channels.sms_http import SmsGateway, found, parsed
from services.notify.errors import ChannelError
from services.notify.keys import secret
from services.notify.models import Channel, Delivery, Kind

log = logging.getLogger(__name__)

MOST = 1000
"""Receipts in one call."""

OPEN = (Delivery.State.QUEUED, Delivery.State.SENT)
"""A receipt may come before we noted that the message was sent; a later one changes nothing."""


def take(channel_id: int, token: str, content: bytes) -> int:
    """Note the receipts in a gateway's call; how many were new.

    A receipt names the gateway's own id or ours (``{id}`` in the body). Raises NotFound for a wrong token as for an
    unknown channel, Invalid for content that the channel's settings cannot read.
    """
    channel = Channel.objects.filter(pk=channel_id, kind=Kind.SMS, enabled=True).first()
    gateway = _gateway(channel, token) if channel is not None else None
    if channel is None or gateway is None:
        raise NotFound(_("没有这个回执入口。"))
    try:
        data = parsed(content)
    except ChannelError:
        raise Invalid(_("回执不是 JSON。")) from None
    listed = found(data, gateway.callback_list) if gateway.callback_list else data
    rows = listed if isinstance(listed, list) else [listed]
    if len(rows) > MOST:
        raise Invalid(_("一次最多 %d 条回执。") % MOST)
    return sum(_note(channel, gateway, row) for row in rows)


def _gateway(channel: Channel, token: str) -> SmsGateway | None:
    try:
        gateway = adapter_of(channel)
        assert isinstance(gateway, SmsGateway)
        expected = secret(channel, gateway.callback_token)
    except ChannelError as error:
        log.warning("receipts of channel %s cannot be taken: %s", channel.pk, error)
        return None
    return gateway if hmac.compare_digest(expected.encode(), token.encode()) else None


def _note(channel: Channel, gateway: SmsGateway, row: Any) -> int:
    receipt, state = str(found(row, gateway.callback_id) or ""), str(found(row, gateway.callback_state) or "")
    if not receipt or "\x00" in receipt:
        return 0
    which = Q(receipt=receipt[:200])
    with suppress(ValueError):
        which |= Q(pk=UUID(receipt))
    arrived = state in gateway.callback_delivered
    return Delivery.objects.filter(which, channel=channel, state__in=OPEN).update(
        state=Delivery.State.DELIVERED if arrived else Delivery.State.FAILED,
        done_at=timezone.now(), error="" if arrived else f"receipt: {state[:60]}",
    )  # fmt: skip
