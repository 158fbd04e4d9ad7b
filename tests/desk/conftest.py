"""A real browser at the desk: logged in as somebody, watched for outside requests, script errors and dialogs."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from tests.conftest import PASSWORD, Server, connect
from tests.telemetry.conftest import insert_device

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
# WebGL drawn in software, and the page around it without a graphics card, which takes less than half of the work.
ARGUMENTS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu-compositing", "--no-sandbox"]
READABLE = (Path(__file__).parent / "readable.js").read_text()
SCREENS: Path = settings.LOCAL / "screens"
SETTLED = "() => window.zhutuMap && window.zhutuMap.loaded() && !window.zhutuMap.isMoving()"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium: the machine's where it has one, else Playwright's."""
    expect.set_options(timeout=90_000)
    # Playwright keeps an event loop in this thread, which Django would take for asynchronous code. For as long it has
    # connections apart: those of before, and these afterwards, would be left open where nobody finds them.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    connections.close_all()
    path = os.environ.get("ZHUTU_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield opened
        opened.close()
        connections.close_all()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@dataclass
class Desk:
    """The desk of one user in one window, and what happened in it that must not."""

    page: Page
    server: Server
    faults: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to an address and wait until the page and its map stand still."""
        self.page.goto(self.server.url + path)
        self.settle()
        return self.page

    def enter(self, path: str) -> Page:
        """Go to an address and wait until it is live; a page with a stream is never idle on the network."""
        self.page.goto(self.server.url + path)
        expect(self.page.locator("[data-live]")).to_have_attribute("data-live-state", "live")
        if self.page.query_selector("#map"):
            self.page.wait_for_function(SETTLED)
        # Whatever is loaded again from here on is a fault of the promise of a live page.
        self.page.evaluate("window.sameDocument = true")
        return self.page

    def same(self) -> bool:
        """Whether the page is still the one that was entered."""
        return bool(self.page.evaluate("window.sameDocument === true"))

    def settle(self) -> None:
        """Wait for the requests and for the map, where the page has one."""
        self.page.wait_for_load_state("networkidle")
        if self.page.query_selector("#map, [data-spot]"):
            self.page.wait_for_function(SETTLED)

    def shot(self, name: str) -> None:
        """Keep a picture for a person to look at, and note what nobody could read on it."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENS / f"{name}.png")
        self.faults += [f"{name}: {problem}" for problem in self.page.evaluate(READABLE)]

    def watch(self, request: Request) -> None:
        """Note a request to anywhere but the server."""
        live = f"http://127.0.0.1:{self.server.live_port}/"
        if not request.url.startswith((self.server.url, live, "data:", f"blob:{self.server.url}")):
            self.faults.append(f"outside request: {request.url}")


@pytest.fixture
def desk(browser: Browser, server: Server) -> Iterator[Callable[..., Desk]]:
    """``desk("owner")`` → that user's desk; afterwards nothing went outside, no script failed, no dialog opened."""
    opened: list[Desk] = []

    def enter(user: str = "", theme: str = "light", language: str = "zh-hans", **options: Any) -> Desk:
        # Less motion is less to draw, which is slow without a graphics card.
        usual = {"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}
        window = browser.new_context(**usual | options)
        window.add_cookies(
            [
                {"name": "theme", "value": theme, "url": server.url},
                {"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": server.url},
            ]
        )
        page = window.new_page()
        page.set_default_timeout(90_000)
        made = Desk(page, server)
        opened.append(made)
        page.on("request", made.watch)
        page.on("pageerror", lambda error: made.faults.append(f"script error: {error}"))
        page.on("dialog", lambda dialog: (made.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on(
            "console",
            lambda line: made.faults.append(line.text) if "Content Security Policy" in line.text else None,
        )
        if user:
            page.goto(f"{server.url}/login")
            page.fill("#id_username", user)
            page.fill("#id_password", PASSWORD)
            page.click(".login-form button")
            expect(page.locator(".top .brand")).to_be_visible()
        return made

    yield enter
    for made in opened:
        made.page.context.close()
    assert [fault for made in opened for fault in made.faults] == []


@pytest.fixture
def at_home(server: Server) -> tuple[str, str, float, float]:
    """Key, name, longitude and latitude of a project in the owner's county that stands alone."""
    rows = server.sql(
        "select p.id::text, p.name, st_x(p.geom), st_y(p.geom) from projects_project p"
        " where p.region_id like '511702%%' and p.geom is not null order by p.name limit 1"
    )
    return rows[0]  # type: ignore[return-value]


@pytest.fixture
def registered(server: Server) -> Iterator[Callable[[str, str], int]]:
    """``registered(monitor, "NUMBER")`` → the id of an active device there, which is gone again with all it sent."""
    made: list[int] = []

    def register(monitor: str, number: str) -> int:
        with connect(server.database) as link:
            made.append(insert_device(link, number=number, feature=monitor))
        return made[-1]

    yield register
    forget(server, made)


def forget(server: Server, devices: list[int]) -> None:
    """Take devices out of the server's database with everything they sent: other tests judge what is measured there."""
    for table in ("telemetry_reading", "telemetry_latest", "telemetry_rollup", "telemetry_arrival"):
        server.sql(f"delete from {table} where device = any(%s)", devices)
    for table in ("telemetry_presence", "telemetry_outage"):
        server.sql(f"delete from {table} where device_id = any(%s)", devices)
    server.sql("delete from telemetry_device where id = any(%s)", devices)
