"""Every screen of the desk in a living city: nothing fails or goes outside, nothing is cut, no word is forgotten.

Chinese is opened by day, English by night, so that both themes are read for their contrast.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings

from services.telemetry.reports import REPORTS
from tests.conftest import Live, Server, copied, served
from tests.desk.conftest import READABLE, Desk

pytestmark = pytest.mark.django_db
SIZES = {"wide": (1920, 1080), "desk": (1440, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[Server]:
    """A server of its own whose city has lived, so that no other test meets what this one sows."""
    with copied(django_db_blocker, "lived") as database:
        environment = os.environ | {"ZHUTU_PGDATABASE": database}
        sown = subprocess.run(
            [sys.executable, "-m", "tests.desk.lived"],
            cwd=settings.ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert sown.returncode == 0, sown.stderr[-4000:]
        with served(database) as found:
            yield found


@pytest.fixture
def screens(server: Server) -> dict[str, str]:
    """Name → address of every screen, with what the city has of it."""

    def one(query: str) -> str:
        return str(server.sql(query)[0][0])

    layers = ("projects", "cameras", "monitors", "sewage_plants", "mixer_trucks", "enterprises", "people",
              "rural_houses", "greenways", "control_areas", "remediation_orders", "outfalls",
              "power_boxes")  # fmt: skip
    monitor = one("select d.feature from telemetry_device d join environment_monitor m on m.id = d.feature"
                  " order by d.id limit 1")  # fmt: skip
    plant = one("select d.feature from telemetry_device d join sewage_sewageplant p on p.id = d.feature"
                " where d.number like '%%02' order by d.id limit 1")  # fmt: skip
    box = one("select box_id from power_boxes_powercheck where not passed order by box_id limit 1")
    truck = one("select feature from telemetry_device where number = 'REPLAY'")
    device = one("select id from telemetry_device where number not like '%%02' order by id limit 1")
    firm = one("select min(enterprise_id::text) from enterprises_creditentry")
    hour = (datetime.now(UTC) - timedelta(hours=2)).astimezone(ZoneInfo("Asia/Shanghai")).strftime("%Y-%m-%dT%H:00")
    found = {"overview": "/desk"}
    found |= {f"layer-{key}": f"/desk/{key}" for key in layers}
    found |= {
        "panel-project": f"/desk/projects/{one('select min(id::text) from projects_project')}",
        "panel-monitor": f"/desk/monitors/{monitor}",
        "panel-monitor-curves": f"/desk/monitors/{monitor}#tab-curves",
        "panel-power-box": f"/desk/power_boxes/{box}#tab-powercheck",
        "panel-plant": f"/desk/sewage_plants/{plant}",
        "panel-truck-track": f"/desk/mixer_trucks/{truck}#tab-track",
        "process": f"/desk/sewage_plants/{plant}/process",
        "readings": f"/desk/readings?feature={monitor}&factor=a34002&span=hour&range=24h",
        "readings-none": "/desk/readings",
        "compare": f"/desk/compare?feature={monitor}&factor=a34002&range=24h",
        "rose": f"/desk/rose?feature={monitor}&range=24h&factor=a34002",
        "air": f"/desk/air?at={hour}",
        "surface-run": f"/desk/surfaces/{one('select min(id::text) from surfaces_run')}",
        "alarms": "/desk/alarms",
        "alarm": f"/desk/alarms/{one('select id from alarms_episode order by began_at, id limit 1')}",
        "alarms-overview": "/desk/alarms/overview",
        "tiers": "/desk/tiers",
        "lights": "/desk/lights?color=all",
        "indicators": "/desk/indicators",
        "indicator": f"/desk/indicators/{one('select min(id) from indicators_indicator')}",
        "indicator-new": "/desk/indicators/new",
        "rules": "/desk/rules",
        "rule-new": "/desk/rules/new",
        "rule": f"/desk/rules/{one('select min(id) from alarms_rule')}",
        "rule-module": f"/desk/rules/{one("select min(id) from alarms_rule where kind = 'module'")}",
        "alarm-module": f"/desk/alarms/{one('select min(id::text) from alarms_episode where device_id is null')}",
        "limits": "/desk/limits",
        "limit": f"/desk/limits/{one('select min(id) from limits_limit')}",
        "weather": "/desk/weather",
        "pollution": "/desk/pollution",
        "dust": "/desk/dust",
        "validity": "/desk/validity",
        "validity-device": f"/desk/validity/{device}",
        "devices": "/desk/devices",
        "device": f"/desk/devices/{device}",
        "stored": f"/desk/devices/{device}/readings",
        "fences": "/desk/fences",
        "fence": f"/desk/fences/{one('select min(id) from fences_fence')}",
        "fence-new": "/desk/fences/new",
        "reports": "/desk/reports",
        "report-new": "/desk/reports/custom/new?layer=sewage_plants",
        "report-custom": f"/desk/reports/custom/{one('select min(id::text) from reports_custom')}",
        "editions": "/desk/reports/editions",
        "edition": f"/desk/reports/editions/{one('select min(id::text) from reports_edition')}",
        "feeds": "/desk/feeds",
        "feed": f"/desk/feeds/{one('select min(id) from feeds_source')}",
        "feed-new": "/desk/feeds/new",
        "feed-edit": f"/desk/feeds/{one('select min(id) from feeds_source')}/edit",
        "feed-run": f"/desk/feeds/runs/{one('select min(id) from feeds_run')}",
        "areas": "/desk/areas",
        "area": f"/desk/areas/{one('select min(id::text) from environment_controlarea')}",
        "monitoring": "/desk/monitoring",
        "remediation": "/desk/remediation",
        "order": f"/desk/remediation/{one('select min(id::text) from environment_remediationorder')}",
        "order-new": f"/desk/remediation/new?monitor={monitor}",
        "credit": "/desk/credit",
        "panel-credit": f"/desk/enterprises/{firm}#tab-credit",
        "conducts": "/desk/credit/entries?state=published",
        "conduct": f"/desk/credit/entries/{one('select min(id::text) from enterprises_creditentry')}",
        "conduct-new": f"/desk/credit/{firm}/new",
        "credit-standard": "/desk/credit/standard",
        "blacklist": "/desk/blacklist",
        "blacklisted": f"/desk/blacklist/{one('select min(id::text) from people_blacklistentry')}",
        "blacklist-new": "/desk/blacklist/new",
        "blacklist-hits": "/desk/blacklist/hits",
        "blacklist-rules": "/desk/blacklist/rules",
        "grants": "/desk/grants",
        "grant": f"/desk/grants/{one('select min(id) from accounts_membership')}",
        "sessions": "/desk/system/sessions",
        "database-audit": "/desk/system/database",
        "logs": "/desk/system/logs",
        "log-systems": "/desk/system/logs/systems",
        "notices": "/desk/notices",
        "notice-preferences": "/desk/notices/preferences",
        "stats": "/desk/projects/stats",
        "form": f"/desk/monitors/{monitor}/edit",
        "form-new": "/desk/projects/new",
        "import": "/desk/projects/import",
        "import-settings": f"/desk/imports/{one('select min(id::text) from ingest_import')}",
        "jobs": "/desk/jobs",
        "tokens": "/desk/tokens",
        "search": "/desk/search?q=%E5%B7%A5%E7%A8%8B",
    }
    return found | {f"report-{key}": f"/desk/reports/{key}" for key in REPORTS}


WIDE = """() => {
  const edge = document.documentElement.clientWidth;
  const over = document.scrollingElement.scrollWidth - edge;
  if (over <= 0) return "";
  const all = [...document.body.querySelectorAll("*")];
  const beyond = all.filter((each) => each.getBoundingClientRect().right > edge + 1);
  return `${over} px too wide: ${beyond.slice(-3).map((each) => `${each.tagName}.${each.className}`).join(", ")}`;
}"""
WHOLE = (Path(__file__).parent / "whole.js").read_text()
WORDS = """() => {
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement.closest("script, style")) found.add(walker.currentNode.textContent);
  }
  for (const name of ["title", "placeholder", "aria-label", "alt"]) {
    for (const each of document.querySelectorAll(`[${name}]`)) found.add(each.getAttribute(name));
  }
  const texts = [document.title, ...found].map((text) => text.trim());
  return texts.filter((text) => /[\\u3000-\\u9fff\\uff00-\\uffef]/.test(text));
}"""
"""Every text of a page with Chinese letters or marks in it."""
CHINESE = re.compile(r"[\u3400-\u9fff]+")
MARKS = re.compile(r"[\u3000-\u303f\uff00-\uffef]")
NAMES = {"中文", "简体中文"}
"""What a language is called in itself."""


def stored(server: Server) -> set[str]:
    """Every text with Chinese letters that the city's tables hold: data, which no language translates."""
    columns = server.sql(
        "select c.table_name, c.column_name from information_schema.columns c join information_schema.tables t"
        " using (table_schema, table_name) where table_schema = 'public' and table_type = 'BASE TABLE'"
        " and c.data_type in ('text', 'character varying', 'jsonb', 'ARRAY') and table_name !~ '_p?[0-9]{4}'"
    )
    union = " union ".join(
        f'select "{column}"::text from "{table}" where "{column}"::text ~ \'[\u3400-\u9fff]\''
        for table, column in columns
    )
    return {text for (text,) in server.sql(union)}


def watched(mine: Desk) -> None:
    """Also note what the console calls an error, answers that are none, and requests that failed by themselves."""
    page, faults = mine.page, mine.faults
    page.on("console", lambda line: faults.append(f"{page.url}: {line.text}") if line.type == "error" else None)
    page.on("response", lambda got: faults.append(f"{page.url}: {got.status} {got.url}") if got.status >= 400 else None)
    page.on(
        "requestfailed",
        lambda asked: None if "ERR_ABORTED" in (asked.failure or "") else faults.append(f"{asked.failure} {asked.url}"),
    )


def data_in(text: str, everything: str) -> bool:
    """Whether what is Chinese in a text is data: its words stand in a table, and with its marks the text as a whole."""
    return all(part in everything for part in CHINESE.findall(text)) and (not MARKS.search(text) or text in everything)


@pytest.mark.parametrize(("language", "theme"), [("zh-hans", "light"), ("en", "dark")])
def test_every_screen_is_whole(
    desk: Callable[..., Desk], screens: dict[str, str], live: Live, server: Server, language: str, theme: str
) -> None:
    mine = desk("admin", language=language, theme=theme)
    page = mine.page
    watched(mine)
    data = stored(server) if language == "en" else set()
    everything = "\n".join(data)
    for name, path in screens.items():
        page.goto(server.url + path, wait_until="domcontentloaded")
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            if wide := page.evaluate(WIDE):
                mine.faults.append(f"{name} {size}: {wide}")
            mine.faults += [f"{name} {size}: {problem}" for problem in page.evaluate(WHOLE)]
        mine.faults += [f"{name}: {problem}" for problem in page.evaluate(READABLE)]
        if language == "en":
            mine.faults += [
                f"{name}: Chinese on an English page: {text}"
                for text in page.evaluate(WORDS)
                if text not in NAMES and not data_in(text, everything)
            ]


FOCUS = """() => {
  const at = document.activeElement;
  if (at === document.body) return "";
  const seen = (each) => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(each);
    return (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) || boxShadow !== "none";
  };
  const near = [at, at.nextElementSibling, at.closest("label")];
  return near.some((each) => each && seen(each)) ? "" : at.outerHTML.slice(0, 160);
}"""


@pytest.mark.parametrize("name", ["alarms", "import", "air", "layer-monitors"])
def test_the_keyboard_is_seen_wherever_it_stands(desk: Callable[..., Desk], screens: dict[str, str], name: str) -> None:
    page = desk("admin", theme="dark").open(screens[name])
    unseen = set()
    for _step in range(70):
        page.keyboard.press("Tab")
        unseen.add(page.evaluate(FOCUS))
    assert unseen == {""}


def test_the_map_of_air_has_its_regions_on_a_phone_and_the_key_covers_none(
    desk: Callable[..., Desk], screens: dict[str, str]
) -> None:
    page = desk("admin", viewport={"width": 390, "height": 844}).open(screens["air"])
    drawn = page.evaluate("new Set(zhutuMap.queryRenderedFeatures({layers: ['air']}).map(f => f.properties.id)).size")
    assert drawn > 1
    holder, key = page.locator("#map").bounding_box(), page.locator(".air-key").bounding_box()
    assert holder and key and key["y"] >= holder["y"] + holder["height"]


@pytest.mark.skipif("ZHUTU_PHOTOGRAPH" not in os.environ, reason="only for whoever wants to look at them")
@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_screen_is_photographed(
    desk: Callable[..., Desk], screens: dict[str, str], language: str, theme: str
) -> None:
    """``ZHUTU_PHOTOGRAPH=.`` takes all; a pattern those whose name, size, language and theme match it."""
    for size, (width, height) in SIZES.items():
        mine = desk("admin", theme=theme, language=language, viewport={"width": width, "height": height})
        for name, path in screens.items():
            picture = f"{name}-{size}-{language[:2]}-{theme}"
            if re.search(os.environ["ZHUTU_PHOTOGRAPH"], picture):
                mine.open(path)
                mine.shot(picture)
