"""Clients that read the streams of the real process of live events."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from services.accounts.models import ApiToken
from tests.conftest import PASSWORD, Live, Server


@dataclass
class Event:
    """A server-sent event, with the last id at its time."""

    topic: str
    data: dict[str, Any]
    id: str


@dataclass
class Listener:
    """A stream that is read in a thread: everything it said, and whether it ended."""

    url: str
    headers: dict[str, str]
    query: dict[str, str]
    events: list[Event] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    last_id: str = ""
    status: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    _heard: threading.Condition = field(default_factory=threading.Condition)
    _link: http.client.HTTPConnection | None = None

    def open(self) -> "Listener":
        """Connect, and wait for the answer."""
        threading.Thread(target=self._read, daemon=True).start()
        until = time.monotonic() + 20
        while not self.status and time.monotonic() < until:
            time.sleep(0.01)
        return self

    def _read(self) -> None:
        there = urlsplit(self.url)
        self._link = http.client.HTTPConnection(there.hostname or "", there.port, timeout=60)
        try:
            self._link.request("GET", f"{there.path}?{urlencode(self.query)}", headers=self.headers)
            response = self._link.getresponse()
            self.status, pending = response.status, b""
            while piece := response.read1(65536):
                self.raw += piece
                *whole, pending = (pending + piece).split(b"\n\n")
                for text in whole:
                    self._take(text.decode())
        except (OSError, http.client.HTTPException):
            self.status = self.status or -1
        finally:
            self.ended.set()
            with self._heard:
                self._heard.notify_all()

    def _take(self, text: str) -> None:
        said = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
        with self._heard:
            self.last_id = said.get("id", self.last_id)
            if "data" in said:
                self.events.append(Event(said["event"], json.loads(said["data"]), self.last_id))
            self._heard.notify_all()

    def wait(self, wanted: Callable[[Event], bool], within: float = 15.0) -> Event | None:
        """The first event that is wanted, None where it does not come in time."""
        until = time.monotonic() + within
        with self._heard:
            while True:
                found = next((event for event in self.events if wanted(event)), None)
                left = until - time.monotonic()
                if found is not None or left <= 0 or self.ended.is_set():
                    return found
                self._heard.wait(left)

    def topics(self) -> list[str]:
        """What it heard about, without greetings and signs of life."""
        return [event.topic for event in self.events if event.topic not in ("hello", "beat")]

    def close(self) -> None:
        """Hang up."""
        if self._link is not None and self._link.sock is not None:
            with suppress(OSError):
                self._link.sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def token_of(server: Server) -> Callable[[str], dict[str, str]]:
    """``token_of("owner")`` → the Authorization header of a fresh token, committed in the server's database."""

    def issue(name: str) -> dict[str, str]:
        secret = f"live-{name}-{time.time_ns()}"
        server.sql(
            "insert into accounts_apitoken (user_id, name, digest, created_at)"
            " select id, 'live', %s, now() from accounts_user where username = %s",
            ApiToken.hash(secret), name,
        )  # fmt: skip
        return {"Authorization": f"Bearer {secret}"}

    return issue


@pytest.fixture
def session_of(server: Server) -> Callable[[str], dict[str, str]]:
    """``session_of("owner")`` → the cookie of that user, logged in through the web process."""

    def enter(name: str) -> dict[str, str]:
        with httpx.Client(base_url=server.url) as client:
            client.get("/login")
            form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
            answer = client.post("/login", data=form, headers={"Referer": server.url})
            assert answer.status_code == 302, answer.text
            return {"Cookie": f"sessionid={client.cookies['sessionid']}"}

    return enter


@pytest.fixture
def listen(live: Live, token_of: Callable[[str], dict[str, str]]) -> Iterator[Callable[..., Listener]]:
    """``listen("owner")`` → that user's stream; ``headers`` instead of a name for another way in."""
    opened: list[Listener] = []

    def start(name: str = "", headers: dict[str, str] | None = None, **query: str) -> Listener:
        given = dict(headers or {}) | (token_of(name) if name else {})
        found = Listener(live.url, given, query).open()
        opened.append(found)
        return found

    yield start
    for each in opened:
        each.close()
