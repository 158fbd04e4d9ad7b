"""Robots of WeCom and DingTalk groups: a webhook that takes JSON and answers 200 with an errcode."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote_plus

from services.notify import outbound
from services.notify.channels.sms_http import parsed
from services.notify.errors import Refused, Retry
from services.notify.keys import is_name, secret

if TYPE_CHECKING:
    from services.notify.models import Delivery

COLOURS = {"red": "warning", "orange": "warning", "yellow": "comment", "blue": "info"}
"""WeCom knows three font colours; the level's own word always stands beside them."""

MARKS = str.maketrans({"[": "［", "]": "］", "<": "＜", ">": "＞", "`": "｀", "*": "＊", "#": "＃", "@": "＠"})


@dataclass(frozen=True)
class Robot:
    """What both have in common; both take 20 messages a minute."""

    PER_MINUTE: ClassVar[int | None] = 20
    BUSY: ClassVar[frozenset[int]] = frozenset()
    """The errcodes that mean: later."""

    def checked(self, url: str, format: str, *names: str) -> None:
        """Raise Refused where a setting cannot work."""
        host, port, path = outbound.split(url)
        outbound.listed(host, port)
        if "?" in path:
            raise Refused("the address carries no query: the key of the robot is a secret and goes by its name")
        if format not in ("text", "markdown"):
            raise Refused("the setting format is one of text, markdown")
        for name in names:
            if name and not is_name(name):
                raise Refused("a key is given by the name of a secret, such as ROBOT_KEY")

    def post(self, url: str, query: str, content: dict[str, Any]) -> None:
        """Send; raises Retry or Refused by status and errcode. Errors name the host only: the query is secret."""
        host = outbound.split(url)[0]
        body = json.dumps(content, ensure_ascii=False).encode()
        sent = outbound.post(f"{url}?{query}", body, {"Content-Type": "application/json; charset=utf-8"})
        answer = parsed(outbound.accepted(sent, host))
        code = answer.get("errcode") if isinstance(answer, dict) else None
        if code != 0:
            raise (Retry if code in self.BUSY else Refused)(f"{host} answered errcode {str(code)[:20]}")


@dataclass(frozen=True)
class WeCom(Robot):
    """A WeCom group robot: https://developer.work.weixin.qq.com/document/path/91770."""

    SECRETS: ClassVar[tuple[str, ...]] = ("key",)
    BUSY: ClassVar[frozenset[int]] = frozenset({-1, 45009})

    key: str
    url: str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send"
    format: str = "text"

    def __post_init__(self) -> None:
        self.checked(self.url, self.format, self.key)

    def send(self, delivery: "Delivery") -> str:
        """Post to the group; there is no receipt. Text is cut at 2,048 bytes, markdown at 4,096."""
        if self.format == "markdown":
            colour = COLOURS.get(delivery.message.level)
            head = delivery.subject.translate(MARKS)
            head = f'<font color="{colour}">{head}</font>' if colour else head
            content = {"markdown": {"content": cut(f"**{head}**\n{delivery.body.translate(MARKS)}", 4096)}}
        else:
            content = {"text": {"content": cut(f"{delivery.subject}\n{delivery.body}", 2048)}}
        self.post(
            self.url, f"key={quote_plus(secret(delivery.channel, self.key))}", {"msgtype": self.format, **content}
        )
        return ""


@dataclass(frozen=True)
class DingTalk(Robot):
    """A DingTalk group robot with a signature: https://open.dingtalk.com/document/robots/custom-robot-access."""

    SECRETS: ClassVar[tuple[str, ...]] = ("token", "secret")
    BUSY: ClassVar[frozenset[int]] = frozenset({-1, 130101, 410100})

    token: str
    secret: str = ""
    url: str = "https://oapi.dingtalk.com/robot/send"
    format: str = "text"

    def __post_init__(self) -> None:
        self.checked(self.url, self.format, self.token, self.secret)

    def send(self, delivery: "Delivery") -> str:
        """Post to the group; there is no receipt. Cut at 20,000 bytes."""
        query = f"access_token={quote_plus(secret(delivery.channel, self.token))}"
        if self.secret:
            stamp = str(int(time.time() * 1000))
            query += f"&timestamp={stamp}&sign={quote_plus(signature(secret(delivery.channel, self.secret), stamp))}"
        if self.format == "markdown":
            title, text = delivery.subject.translate(MARKS), delivery.body.translate(MARKS)
            # A single line break is none in markdown.
            lines = text.replace("\n", "  \n")
            content = {"markdown": {"title": title, "text": cut(f"### {title}\n{lines}", 20_000)}}
        else:
            content = {"text": {"content": cut(f"{delivery.subject}\n{delivery.body}", 20_000)}}
        self.post(self.url, query, {"msgtype": self.format, **content})
        return ""


def signature(key: str, stamp: str) -> str:
    """DingTalk's signature: base64 of the HMAC-SHA256, by the key, of milliseconds, line feed and key."""
    return base64.b64encode(hmac.new(key.encode(), f"{stamp}\n{key}".encode(), hashlib.sha256).digest()).decode()


def cut(text: str, size: int) -> str:
    """A text of at most ``size`` bytes of UTF-8, cut between characters."""
    return text.encode()[:size].decode(errors="ignore")
