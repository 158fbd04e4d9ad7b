"""The map to hand on: nothing from outside, nothing executed, everything said on it."""

import json
import os
from pathlib import Path

import pytest
from django.contrib.gis.geos import Point
from playwright.sync_api import Page, sync_playwright

from layers.base_maps.models import PointOfInterest
from layers.projects.models import Project
from services.access.errors import Refused
from services.access.principal import Principal
from services.catalog.layer import Layer, registry
from services.export import htmlmap
from services.export.htmlmap import html_map

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not Path(htmlmap.LEAFLET).is_dir(), reason="the front-end packages are not installed"),
]
HOSTILE = [
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "<img src=x onerror='window.hit=1'>",
    "{{ 7 * 7 }}{{ cycler.__init__.__globals__ }}",
    "{% raw %}{# x #}",
    "${window.hit=1}`",
    "\"'><svg onload=window.hit=1>",
]


@pytest.fixture
def pois(db: None) -> Layer:
    PointOfInterest.objects.all().delete()
    return registry.by_key["points_of_interest"]


def written(text: str) -> str:
    """Text as it stands in the data of the map."""
    return json.dumps(text)[1:-1]


def opened(page: Page, html: str, folder: Path) -> list[str]:
    """Open a document with the network cut; returns what it asked for and what went wrong."""
    path = folder / "map.html"
    path.write_text(html)
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("console", lambda message: seen.append(message.text) if message.type == "error" else None)
    page.goto(path.as_uri())
    page.wait_for_selector(".leaflet-container svg, .leaflet-container canvas")
    return [entry for entry in seen if entry != path.as_uri()]


def test_it_opens_with_the_network_cut(who: dict[str, Principal], tmp_path: Path) -> None:
    layer = registry.by_key["projects"]
    html = html_map(who["admin"], layer, caption="区县：通川区")
    states = Project.objects.count()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("ZHUTU_CHROMIUM") or _found())
        page = browser.new_context(offline=True).new_page()
        assert opened(page, html, tmp_path) == []
        assert page.locator(".leaflet-marker-icon").count() == states
        page.locator(".leaflet-marker-icon").first.click(force=True)
        assert "工程类别" in page.locator(".leaflet-popup-content").inner_text()
        head = page.locator(".zhutu-title").inner_text()
        assert "区县：通川区" in head
        assert "数据截至" in head
        assert "在建" in page.locator(".zhutu-legend").inner_text()
        browser.close()


def test_hostile_text_is_shown_as_text(who: dict[str, Principal], pois: Layer, tmp_path: Path) -> None:
    """F54, and folium's second rendering."""
    for n, text in enumerate(HOSTILE):
        PointOfInterest.objects.create(name=text, geom=Point(107 + n / 10, 31))
    html = html_map(who["admin"], pois, caption=HOSTILE[0])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("ZHUTU_CHROMIUM") or _found())
        page = browser.new_context(offline=True).new_page()
        assert opened(page, html, tmp_path) == []
        shown = []
        for n in range(len(HOSTILE)):
            page.locator(".leaflet-marker-icon").nth(n).dispatch_event("click")
            page.wait_for_timeout(300)
            shown.append(page.locator(".leaflet-popup-content td").first.inner_text())
        assert sorted(shown) == sorted(HOSTILE)
        assert page.evaluate("window.hit") is None
        browser.close()


def test_what_is_left_out_is_said(who: dict[str, Principal], pois: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(3):
        PointOfInterest.objects.create(name=f"第{n}", geom=Point(107, 31))
    monkeypatch.setattr(htmlmap, "LIMIT", 2)
    html = html_map(who["admin"], pois)
    assert "共 3 个" in html
    assert "只画出前 2 个" in html
    assert [written(name) in html for name in ("第0", "第1", "第2")] == [True, True, False]


def test_rights(who: dict[str, Principal], pois: Layer) -> None:
    for name, region in (("自己处", "511702"), ("邻县处", "511703")):
        PointOfInterest.objects.create(name=name, region_id=region, geom=Point(107.5, 31.2))
    html = html_map(who["owner"], pois)
    assert written("自己处") in html
    assert written("邻县处") not in html
    with pytest.raises(Refused):
        html_map(who["inspector"], pois)


def test_every_layer_has_one(who: dict[str, Principal]) -> None:
    for layer in registry:
        html = html_map(who["admin"], layer).replace("https://leafletjs.com", "").replace("http://www.w3.org/", "")
        assert "http://" not in html
        assert "https://" not in html


def _found() -> str | None:
    return next((path for path in ("/usr/bin/chromium", "/usr/bin/google-chrome") if Path(path).exists()), None)
