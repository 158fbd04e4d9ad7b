"""SMS by the HTTP interface of a gateway: the body is a JSON pattern of the gateway's own, signed by HMAC-SHA256."""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from services.notify import outbound
from services.notify.errors import Refused
from services.notify.keys import PLACE, TELLING, filled, is_name, secret

if TYPE_CHECKING:
    from services.notify.models import Delivery

PLACES = re.compile(r"\{(?:mobile|text|id)\}|" + PLACE.pattern)


@dataclass(frozen=True)
class SmsGateway:
    """A gateway.

    ``body`` is JSON in whose texts ``{mobile}``, ``{text}`` and ``{id}`` are filled in, and in them and the ``headers``
    secrets as ``{secret:NAME}``. ``signature_header`` carries
    the hex HMAC-SHA256, by the secret ``key``, of the X-Timestamp header (seconds), a line feed, and the body.
    ``ok_path`` and ``ok_value`` say where in the answer what stands if it was taken (dots between the steps),
    ``receipt_path`` where its id is. The ``callback_…`` settings read later receipts: see ``services.notify.receipts``.
    """

    PER_MINUTE: ClassVar[int | None] = None
    SECRETS: ClassVar[tuple[str, ...]] = ("key", "callback_token")

    url: str
    body: dict
    key: str = ""
    signature_header: str = "X-Signature"
    headers: dict = field(default_factory=dict)
    ok_path: str = ""
    ok_value: str = ""
    receipt_path: str = ""
    length: int = 500
    callback_token: str = ""
    callback_list: str = ""
    callback_id: str = "id"
    callback_state: str = "state"
    callback_delivered: list = field(default_factory=lambda: ["DELIVRD"])

    def __post_init__(self) -> None:
        host, port, path = outbound.split(self.url)
        outbound.listed(host, port)
        if "?" in path:
            raise Refused("the address carries no query: a key in it would be seen; use the setting key")
        for name in (self.key, self.callback_token):
            if name and not is_name(name):
                raise Refused("key and callback_token are names of secrets, such as SMS_KEY")
        texts = "".join(_texts(self.body))
        if "{mobile}" not in texts or "{text}" not in texts:
            raise Refused("the body must hold {mobile} and {text}")
        for name, value in (self.headers | {self.signature_header: ""}).items():
            if not isinstance(value, str) or not f"{name}{value}".isprintable() or not name.isascii():
                raise Refused("the headers are names and texts without line breaks")
        for name, value in [*self.headers.items(), *_named(self.body)]:
            if TELLING.search(name) and value and not PLACES.search(value):
                raise Refused(
                    f"the value of {name} looks like a secret: write {{secret:NAME}} and give its value apart"
                )

    def send(self, delivery: "Delivery") -> str:
        """Hand it over; the Idempotency-Key header is the same on every try."""
        text = delivery.body[: self.length]
        values = {"{mobile}": delivery.address, "{text}": text, "{id}": str(delivery.pk)}
        channel = delivery.channel
        content = json.dumps(
            _filled(self.body, lambda found: secret(channel, found[1]) if found[1] else values[found[0]]),
            ensure_ascii=False,
        ).encode()
        headers = {name: filled(channel, value) for name, value in self.headers.items()}
        headers |= {"Content-Type": "application/json", "Idempotency-Key": str(delivery.pk)}
        if self.key:
            stamp = str(int(time.time()))
            signed = hmac.new(secret(channel, self.key).encode(), f"{stamp}\n".encode() + content, hashlib.sha256)
            headers |= {"X-Timestamp": stamp, self.signature_header: signed.hexdigest()}
        host = outbound.split(self.url)[0]
        answer = parsed(outbound.accepted(outbound.post(self.url, content, headers), host))
        if self.ok_path and str(found(answer, self.ok_path)) != self.ok_value:
            raise Refused(f"{host} answered {self.ok_path} = {str(found(answer, self.ok_path))[:60]}")
        return str(found(answer, self.receipt_path) or "")[:200] if self.receipt_path else ""


def parsed(content: bytes) -> Any:
    """JSON of an answer; raises Refused for anything else."""
    try:
        return json.loads(content or b"null")
    except (ValueError, RecursionError):
        raise Refused("the answer is not JSON") from None


def found(data: Any, path: str) -> Any:
    """What stands at a path such as ``data.0.id``; None where nothing does."""
    for step in path.split("."):
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and step.isdigit() and int(step) < len(data):
            data = data[int(step)]
        else:
            return None
    return data


def _filled(pattern: Any, value_of: Callable[[re.Match[str]], str]) -> Any:
    """The pattern with its texts filled in: as values, so that no text can change the structure or holds a place."""
    if isinstance(pattern, dict):
        return {name: _filled(value, value_of) for name, value in pattern.items()}
    if isinstance(pattern, list):
        return [_filled(value, value_of) for value in pattern]
    return PLACES.sub(value_of, pattern) if isinstance(pattern, str) else pattern


def _named(pattern: Any) -> Iterator[tuple[str, str]]:
    """The fields of a pattern that are texts, by their names, however deep."""
    if isinstance(pattern, dict):
        for name, value in pattern.items():
            if isinstance(value, str):
                yield name, value
            else:
                yield from _named(value)
    elif isinstance(pattern, list):
        for value in pattern:
            yield from _named(value)


def _texts(pattern: Any) -> Iterator[str]:
    if isinstance(pattern, str):
        yield pattern
    elif isinstance(pattern, dict | list):
        for value in pattern.values() if isinstance(pattern, dict) else pattern:
            yield from _texts(value)
