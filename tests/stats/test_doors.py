"""The doors to the statistics of a period: page, files, the rows behind a number, the process; as unlike people."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import date, datetime
from html import unescape
from typing import Any

import openpyxl
import pytest
from django.test import Client

from layers.environment.models import Calibration, Fault, Monitor
from layers.projects.models import Project
from services.audit.models import Entry
from services.telemetry.spans import ZONE
from tests.conftest import HOME, client
from tests.ogc.conftest import door  # noqa: F401
from tests.reports.conftest import DAY, NOBODY, send

pytestmark = pytest.mark.django_db
PAGE, ROWS = "/desk/statistics", "/desk/statistics/rows"
EXECUTE = "/processes/period-statistics/execution"
MARK = "Grenzstation"
DOORS = (PAGE, f"{PAGE}/export", f"{ROWS}?kind=monitors.fault", f"{ROWS}/export?kind=monitors.fault")


@pytest.fixture
def here(site: Callable[..., Project], monitor: Callable[..., Monitor]) -> Project:
    """A site with sixty faults of its monitor in November, and one calibration that passed of two."""
    made = site("门")
    mine = monitor("门", project=made, name=MARK)
    for n in range(60):
        Fault.objects.create(
            monitor=mine, kind="power" if n % 3 else "sensor", began_at=datetime(2026, 11, 1 + n % 20, 9, tzinfo=ZONE)
        )
    for n in range(2):
        Calibration.objects.create(
            monitor=mine, done_on=date(2026, 11, 5), factor="pm10", shown=1, reference=1, passed=bool(n), done_by="站"
        )
    send(mine, {"a34002": [100.0] * 24}, DAY)
    return made


def address(path: str, of: Project, **more: str) -> str:
    asked = {"feature": str(of.pk), "period": "month", "date": "2026-11-01", **more}
    return f"{path}{'&' if '?' in path else '?'}" + "&".join(f"{name}={value}" for name, value in asked.items())


def content(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


@pytest.mark.covers("DZ-043")
@pytest.mark.parametrize(
    ("asked", "days", "faults"),
    [
        ({}, 30, 60),
        ({"period": "week", "date": "2026-11-04"}, 7, 21),
        ({"period": "year"}, 12, 60),
        ({"period": "free", "date": "2026-11-20", "until": "2026-11-21"}, 2, 3),
    ],
)
def test_the_page_has_totals_and_a_trend_of_exactly_what_was_chosen(
    here: Project, asked: dict[str, str], days: int, faults: int
) -> None:
    for of in ({}, {"region": HOME}):
        path = address(PAGE, here, **asked)
        if of:
            path = re.sub(r"feature=[^&]*", f"region={HOME}", path)
        page = client("owner").get(path).content.decode()
        data = {kind["key"]: kind for kind in json.loads(_block(page, "trend-data"))}
        found = data["monitors.fault"]
        total = sum(value or 0 for value in found["trend"])
        assert len(found["trend"]) == len(json.loads(_block(page, "trend-buckets"))) == days
        assert total == faults if not of else total >= faults
        card = re.search(r'data-kind="monitors.fault".*?data-of="value">([\d,]+)<', page, re.S)
        assert card is not None
        assert int(card[1].replace(",", "")) == total
        # Every part leads to its rows, and the parts make up the whole.
        links = re.findall(r'href="(/desk/statistics/rows\?[^"]*kind=monitors.fault[^"]*part=kind[^"]*)"', page)
        assert sum(_total(client("owner").get(unescape(link))) for link in dict.fromkeys(links)) == total


def _block(page: str, name: str) -> str:
    found = re.search(rf'<script id="{name}" type="application/json">(.*?)</script>', page, re.S)
    assert found is not None
    return found[1]


def _total(answer: Any) -> int:
    found = re.search(r'statistics-when"><strong>([\d,]+)</strong>', answer.content.decode())
    assert found is not None
    return int(found[1].replace(",", ""))


def test_a_number_leads_to_exactly_its_rows(here: Project) -> None:
    owner = client("owner")
    first = owner.get(address(ROWS, here, kind="monitors.fault"))
    assert _total(first) == 60
    assert first.content.decode().count(f">{MARK}<") == 50
    assert owner.get(address(ROWS, here, kind="monitors.fault", page="2")).content.decode().count(f">{MARK}<") == 10
    assert _total(owner.get(address(ROWS, here, kind="monitors.fault", part="kind:sensor"))) == 20
    assert _total(owner.get(address(ROWS, here, kind="monitors.fault", bucket="2026-11-20"))) == 3
    assert _total(owner.get(address(ROWS, here, kind="monitors.calibration", part="passed:true"))) == 1
    assert _total(owner.get(address(ROWS, here, kind="monitors.fault", period="week", date="2026-11-30"))) == 0
    for wrong in ({"kind": "no-such"}, {"part": "kind:nothing"}, {"part": "note:x"}, {"bucket": "2026-12-01"}):
        assert owner.get(address(ROWS, here, **{"kind": "monitors.fault", **wrong})).status_code == 400


def test_the_files_hold_the_same_figures(here: Project) -> None:
    owner = client("owner")
    text = content(owner.get(address(f"{PAGE}/export", here, format="csv"))).decode("utf-8-sig")
    head, *lines = list(csv.reader(io.StringIO(text)))
    rows = {(line[1], line[3]): dict(zip(head, line, strict=True)) for line in lines}
    fault = next(row for (title, name), row in rows.items() if title.startswith("故障记录") and name == "数量")
    assert (fault["本期"], fault["上期"], fault["2026-11-20"], fault["2026-11-21"]) == ("60", "", "3", "0")
    parts = [row["本期"] for (title, name), row in rows.items() if title.startswith("故障记录") and "：" in name]
    assert sorted(map(int, parts)) == [20, 40]
    book = openpyxl.load_workbook(io.BytesIO(content(owner.get(address(f"{PAGE}/export", here)))))
    sheet = [[cell.value for cell in row] for row in book.active.iter_rows()]
    assert [row[5] for row in sheet if row[1] == "故障记录（扬尘噪声监测设备）" and row[3] == "数量"] == [60]
    listed = content(owner.get(address(f"{ROWS}/export", here, kind="monitors.fault", format="csv"))).decode(
        "utf-8-sig"
    )
    assert len(list(csv.reader(io.StringIO(listed)))) == 61
    noted = Entry.objects.filter(action="export", changes__page="statistics")
    assert noted.count() == 3


def test_who_may_look_takes_nothing_along(here: Project) -> None:
    inspector = client("inspector")
    page = inspector.get(address(PAGE, here))
    assert page.status_code == 200
    assert "statistics/export" not in page.content.decode()
    body = content(inspector.get(address(f"{PAGE}/export", here, format="csv"))).decode("utf-8-sig")
    assert len(body.splitlines()) == 1
    assert inspector.get(address(f"{ROWS}/export", here, kind="monitors.fault")).status_code == 400


@pytest.mark.parametrize("path", DOORS)
def test_a_foreign_project_is_not_found_and_nobody_has_to_log_in(here: Project, path: str) -> None:
    assert client("owner").get(address(path, here)).status_code == 200
    for name in ("neighbour", "stranger"):
        answer = client(name).get(address(path, here))
        assert answer.status_code == 404
        assert MARK not in content(answer).decode()
    assert Client(**NOBODY).get(address(path, here)).status_code in (302, 401)
    # A region shows a foreigner nothing of it, and names nothing.
    region = re.sub(r"feature=[^&]*", f"region={HOME}", address(path, here))
    for name in ("neighbour", "stranger"):
        assert MARK not in content(client(name).get(region)).decode("utf-8", "replace")


def test_the_page_in_english_and_what_cannot_be_asked(here: Project) -> None:
    page = client("owner", "en").get(address(PAGE, here)).content.decode()
    assert "Statistics" in page
    assert not re.search("[一-鿿]", re.sub(r"<[^>]*>|统计工地门|简体中文|报表点门", "", _without(page)))
    for wrong in ({"period": "fortnight"}, {"date": "2026-13-01"}, {"feature": "x"}, {"feature": "", "region": "abc"}):
        assert client("owner").get(address(PAGE, here, **wrong)).status_code == 400
    late = {"period": "free", "date": "2026-11-10", "until": "2026-11-01"}
    assert client("owner").get(address(PAGE, here, **late)).status_code == 400


def _without(page: str) -> str:
    """The words of the page itself: without scripts' data and the names of the demo city."""
    main = page[page.index("<main") : page.index("</main>")]
    return re.sub(r"<script.*?</script>", "", main, flags=re.S)


def test_the_panel_and_the_region_lead_there(here: Project) -> None:
    owner = client("owner")
    panel = owner.get(f"/desk/projects/{here.pk}", headers={"HX-Request": "true", "HX-Target": "panel"})
    assert f"/desk/statistics?feature={here.pk}" in panel.content.decode()
    assert f"/desk/statistics?region={HOME}" in owner.get(f"/desk?region={HOME}").content.decode()


def test_the_process_gives_the_same_figures_with_the_same_rights(door: Any, here: Project) -> None:  # noqa: F811
    asked = {"feature": str(here.pk), "period": "month", "date": "2026-11-01"}
    answer = door("owner").send("POST", EXECUTE, {"inputs": asked})
    assert answer.status_code == 200, answer.content
    made = answer.json()
    found = {figure["kind"]: figure for figure in made["figures"]}
    fault = found["monitors.fault"]
    assert (fault["value"], fault["before"], fault["change"], sum(n or 0 for n in fault["trend"])) == (
        60,
        None,
        None,
        60,
    )
    assert {part["value"]: part["count"] for part in fault["divisions"][0]["values"]} == {"sensor": 20, "power": 40}
    assert found["measured.a34002"]["value"] == 100.0
    assert made["period"]["first"] == made["buckets"][0]["first"] == "2026-11-01"
    assert made["scope"]["feature"] == str(here.pk)
    some = door("owner").send("POST", EXECUTE, {"inputs": asked | {"kinds": ["monitors.fault"]}}).json()
    assert [figure["kind"] for figure in some["figures"]] == ["monitors.fault"]
    for name in ("neighbour", "stranger", "public"):
        assert door(name).send("POST", EXECUTE, {"inputs": asked}).status_code == 404
        body = {"inputs": {"region": HOME, "date": "2026-11-01"}}
        everything = door(name).send("POST", EXECUTE, body).json()["figures"]
        assert not any(f["value"] for f in everything if f["kind"] == "monitors.fault")
    described = door("public").json("/processes/period-statistics")
    assert set(described["inputs"]) == {"feature", "region", "period", "date", "until", "kinds"}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"period": "fortnight"}, "period"), ({"date": "2026-13-01"}, "date"), ({"date": 5}, "date"),
        ({"nosuch": 1}, "nosuch"), ({"kinds": "x"}, "kinds"), ({"kinds": ["nosuch"]}, "kinds"),
        ({"feature": "x", "region": HOME}, "region"), ({"feature": "x"}, "feature"), ({"region": "999999"}, "region"),
    ],
)  # fmt: skip
def test_bad_inputs_of_the_process_are_named(door: Any, given: dict[str, Any], name: str) -> None:  # noqa: F811
    answer = door("owner").send("POST", EXECUTE, {"inputs": given})
    assert answer.status_code == 400, answer.content
    assert name in answer.json()["errors"]


def test_every_kind_of_the_city_opens_its_rows(here: Project) -> None:
    """Whatever a kind is made of, its list opens and says the same number."""
    owner = client("admin")
    page = owner.get(f"{PAGE}?period=year&date=2026-01-01&view=table").content.decode()
    data = [kind for kind in json.loads(_block(page, "trend-data")) if kind["link"]]
    assert len(data) > 30
    for kind in data:
        answer = owner.get(kind["link"])
        assert answer.status_code == 200, kind["key"]
        assert _total(answer) == sum(value or 0 for value in kind["trend"]), kind["key"]
