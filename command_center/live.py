"""The door to live events: an ASGI application of its own, as granian serves it beside the product (ADR 8)."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "command_center.settings")
django.setup()

import orjson  # noqa: E402
import psycopg  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import DatabaseError, connection  # noqa: E402
from django.http.request import split_domain_port, validate_host  # noqa: E402
from django.utils import translation  # noqa: E402
from django.utils.translation import gettext as _  # noqa: E402
from psycopg.conninfo import make_conninfo  # noqa: E402

from services.access.errors import LogInNeeded  # noqa: E402
from services.live.hub import Client, Full, Hub, Nobody  # noqa: E402

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

RETRY = 2_000
"""Milliseconds after which a browser comes back."""
STREAM: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    # A reverse proxy must pass every event on at once.
    (b"x-accel-buffering", b"no"),
]
LINK = {"application_name": "zhutu live", "keepalives_idle": "10", "tcp_user_timeout": "10000"}


class Application:
    """``GET /live`` streams; ``/healthz`` answers whether the process does."""

    def __init__(self) -> None:
        self.hub: Hub | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._life(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _life(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.hub = Hub(_dsn())
                self.hub.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self.hub is not None:
                    await self.hub.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        language = "en" if query.get("lang", "").lower().startswith("en") else settings.LANGUAGE_CODE
        with translation.override(language):
            if scope["path"] == "/healthz":
                body = {"status": "ok", "streams": len(self.hub.clients) if self.hub else 0}
                await _whole(send, 200, body, [(b"content-type", b"application/json")])
                return
            if not scope["path"].rstrip("/").endswith("/live"):
                await _problem(send, 404, _("没有这个地址。"))
                return
            host, _port = split_domain_port(headers.get("host", "").lower())
            if not host or not validate_host(host, settings.ALLOWED_HOSTS):
                await _problem(send, 400, _("请求的主机名不被接受。"))
                return
            shared = _shared(headers, host)
            if shared is None:
                await _problem(send, 403, _("该来源的页面不能接收实时事件。"))
                return
            if scope["method"] != "GET" or self.hub is None:
                await _problem(send, 405 if self.hub else 503, _("请用 GET 请求。"), shared)
                return
            after = headers.get("last-event-id") or query.get("after", "")
            asked = (frozenset(filter(None, query.get(name, "").split(","))) for name in ("layers", "topics"))
            try:
                client = await self.hub.enter(
                    _session(headers), headers.get("authorization", ""), after, language, *asked
                )
            except Nobody:
                await _problem(send, 401, _("请先登录。"), shared)
            except LogInNeeded as error:
                await _problem(send, 401, error.message, shared)
            except Full as error:
                status = 429 if error.of_user else 503
                await _problem(send, status, _("实时连接已达上限，请关闭不用的页面。"), shared)
            except (DatabaseError, psycopg.Error):
                await _problem(send, 503, _("数据库暂时不可用，请稍后再试。"), shared)
            else:
                await self._stream(client, receive, send, shared)

    async def _stream(self, client: Client, receive: Receive, send: Send, headers: Headers) -> None:
        assert self.hub is not None
        hub, writing = self.hub, asyncio.current_task()
        assert writing is not None
        client.cut = writing.cancel

        async def hang_up() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            hub.leave(client)

        watching = asyncio.create_task(hang_up())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": STREAM + headers})
            await _send(send, b"retry: %d\n\n" % RETRY)
            while text := await client.take():
                await _send(send, text)
            if not watching.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except asyncio.CancelledError:
            log.info("a client that read too slowly was cut off")
        finally:
            hub.leave(client)
            watching.cancel()


def _shared(headers: dict[str, str], host: str) -> Headers | None:
    """What lets the page that asks read the answer; None for a page that is not the product's own.

    The product's pages come from the same host: from the port of the web process, or from this port behind a proxy.
    """
    origin = headers.get("origin", "")
    if not origin:
        return []
    try:
        page = urlsplit(origin)
        port = page.port or {"https": 443, "http": 80}.get(page.scheme)
    except ValueError:
        return None
    name = page.hostname if page.hostname is None or ":" not in page.hostname else f"[{page.hostname}]"
    ours = origin in settings.CSRF_TRUSTED_ORIGINS or page.netloc.lower() == headers.get("host", "").lower()
    if not ours and not (name == host and str(port) == settings.WEB_PORT):
        return None
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin, Cookie, Authorization"),
    ]


def _session(headers: dict[str, str]) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return found.value if found else ""


def _dsn() -> str:
    given = connection.get_connection_params()
    wanted = {name: given[name] for name in ("host", "port", "user", "password", "dbname") if given.get(name)}
    return make_conninfo(**wanted, **LINK)


async def _send(send: Send, text: bytes) -> None:
    await send({"type": "http.response.body", "body": text, "more_body": True})


async def _problem(send: Send, status: int, detail: str, headers: Headers | None = None) -> None:
    """A problem of RFC 9457."""
    body = {"type": "about:blank", "status": status, "detail": detail}
    more = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store"), *(headers or [])]
    if status in (429, 503):
        more.append((b"retry-after", b"5"))
    await _whole(send, status, body, more)


async def _whole(send: Send, status: int, body: dict[str, Any], headers: Headers) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(body), "more_body": False})


application = Application()
