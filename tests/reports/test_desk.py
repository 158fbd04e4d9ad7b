"""Saved and automatic reports as people get them: the form, the page, the files, and nothing foreign."""

import csv
import html
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import openpyxl
import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from layers.environment.models import Monitor
from layers.projects.models import Project
from layers.sewage.models import SewagePlant
from services.access.principal import Principal
from services.audit.models import Entry
from services.reports import custom, making
from services.reports.models import Custom, Due, Edition
from services.telemetry.models import Device
from services.telemetry.spans import ZONE
from tests.conftest import HOME, client
from tests.reports.conftest import DAY, NOBODY, send
from tests.reports.test_editions import NEW_YEAR, began, of, passed

pytestmark = pytest.mark.django_db
People = dict[str, Principal]
FORM = {
    "name": "污水月报", "about": "给例会", "layer": "sewage_plants", "was": "sewage_plants", "choice": "all",
    "region": "", "period": "month", "by": "feature", "part": "day", "sort": "", "first": "", "last": "",
    "column": ["name", "w01018:mean"], "pick": ["w01018:mean", "name", "w00000:total"],
}  # fmt: skip


def text(answer: HttpResponse) -> str:
    return answer.content.decode()


def rows(answer: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))


def ordered(page: str) -> list[str]:
    return re.findall(r'name="column" value="([^"]+)"', page)


@pytest.mark.covers("HZ-208")
def test_a_report_is_made_without_programming_saved_run_changed_and_deleted(who: People, two: Any) -> None:
    owner = client("owner")
    form = text(owner.get("/desk/reports/custom/new?layer=sewage_plants"))
    assert 'value="w01018:mean"' in form and "化学需氧量" in form and 'value="w00000:total"' in form
    assert 'value="w01018:median"' not in form
    shown = text(owner.post("/desk/reports/custom/new", FORM | {"act": "up|w00000:total"}))
    assert ordered(shown) == ["name", "w00000:total", "w01018:mean"], "what was ticked came in, and went up"
    assert not Custom.objects.exists()
    order = {"column": ordered(shown)}
    preview = text(owner.post("/desk/reports/custom/new", FORM | order | {"act": "preview", "period": "free",
                              "first": "2026-11-10", "last": "2026-11-10"}))  # fmt: skip
    assert "1,080" in preview and "43.2" not in preview and not Custom.objects.exists()
    answer = owner.post("/desk/reports/custom/new", FORM | order | {"act": "save", "roles": ["supervisor"]})
    saved = Custom.objects.get()
    assert answer.status_code == 302 and answer["Location"] == f"/desk/reports/custom/{saved.pk}"
    assert saved.columns == ["name", "w00000:total", "w01018:mean"] and saved.owner.username == "owner"
    page = text(owner.get(f"/desk/reports/custom/{saved.pk}?date=2026-11-10"))
    assert (
        "污水月报" in page and "2026-11" in page and "报表厂家" in page and "1,080" in page and "报表厂邻" not in page
    )
    assert "污水月报" in text(owner.get("/desk/reports"))
    taken = rows(owner.get(f"/desk/reports/custom/{saved.pk}/export?date=2026-11-10&format=csv"))
    assert taken[0] == ["名称", "瞬时流量 累计（m³）", "化学需氧量 平均（mg/L）"]
    assert ["报表厂家", "1080.0", "40.0"] in taken
    book = openpyxl.load_workbook(io.BytesIO(b"".join(
        owner.get(f"/desk/reports/custom/{saved.pk}/export?date=2026-11-10&format=xlsx").streaming_content)))  # type: ignore[attr-defined]  # fmt: skip
    assert ("报表厂家", 1080, 40) in list(book.active.iter_rows(values_only=True))
    edit = text(owner.get(f"/desk/reports/custom/{saved.pk}/edit"))
    assert 'value="污水月报"' in edit and ordered(edit) == saved.columns
    owner.post(f"/desk/reports/custom/{saved.pk}/edit", FORM | {"act": "save", "name": "污水年报", "period": "year"})
    saved.refresh_from_db()
    assert (saved.name, saved.period, saved.roles) == ("污水年报", "year", [])
    assert owner.post(f"/desk/reports/custom/{saved.pk}/delete").status_code == 302
    assert not Custom.objects.exists()
    deeds = Entry.objects.filter(object_id=str(saved.pk)).order_by("pk").values_list("action", flat=True)
    assert list(deeds) == ["create report", "export", "export", "change report", "delete report"]


def test_the_form_follows_what_is_chosen(who: People, two: Any) -> None:
    owner = client("owner")
    asked = FORM | {"column": ["name", "w01018:mean"], "pick": ["name", "w01018:mean"]}
    assert ordered(text(owner.post("/desk/reports/custom/new", asked | {"by": "time"}))) == ["@time", "w01018:mean"]
    assert ordered(text(owner.post("/desk/reports/custom/new", asked | {"by": "both"}))) == [
        "@time",
        "name",
        "w01018:mean",
    ]
    assert ordered(text(owner.post("/desk/reports/custom/new", asked | {"act": "drop|name"}))) == ["w01018:mean"]
    assert ordered(text(owner.post("/desk/reports/custom/new", asked | {"pick": ["name"]}))) == ["name"]
    other = text(owner.post("/desk/reports/custom/new", asked | {"layer": "monitors"}))
    assert "a34002:mean" in ordered(other) and "w01018:mean" not in ordered(other)
    mine, foreign = two
    chosen = asked | {"choice": "chosen", "feature": [str(mine.pk), str(foreign.pk), "nonsense", ""]}
    page = text(owner.post("/desk/reports/custom/new", chosen))
    assert "报表厂家" in page and "报表厂邻" not in page and str(foreign.pk) not in page
    assert str(mine.pk) not in text(owner.post("/desk/reports/custom/new", chosen | {"act": f"without|{mine.pk}"}))
    regions = text(owner.post("/desk/reports/custom/new", asked | {"choice": "region"}))
    assert 'value="511702"' in regions and 'value="511703"' not in regions


@pytest.mark.covers("FJ-427")
@pytest.mark.parametrize(
    "time",
    [{"period": "week"}, {"period": "month"}, {"period": "year"},
     {"period": "free", "first": "2026-11-10", "last": "2026-11-12"}],
    ids=lambda time: time["period"],
)  # fmt: skip
def test_a_project_or_an_area_over_a_time_has_its_totals_and_a_trend_of_the_same_figures(
    time: dict[str, str], who: People, monitor: Callable[..., Monitor]
) -> None:
    site = Project.objects.create(code="RP-SITE", name="报表工地", region_id=HOME)
    mine, bare = monitor("趋", project=site), monitor("外")
    send(mine, {"a34002": [float(n) for n in range(48)]}, DAY)
    send(bare, {"a34002": [100.0] * 48}, DAY)
    Device.objects.exclude(feature__in=[mine.pk, bare.pk]).delete()
    owner = client("owner")
    for scope, days, whole in (
        ({"choice": "under", "along": "project", "under": str(site.pk)}, [11.5, 35.5], 23.5),
        ({"choice": "region", "region": HOME}, [55.75, 67.75], 61.75),
    ):
        form = FORM | time | scope | {"layer": "monitors", "was": "monitors", "by": "time", "act": "save"}
        form |= {"column": ["@time"], "pick": ["@time", "a34002:mean", "a34002:valid"]}
        if time["period"] == "year":
            form["part"] = "month"
        page = text(owner.get(f"{owner.post('/desk/reports/custom/new', form)['Location']}?date=2026-11-10"))
        (chart,) = [json.loads(html.unescape(found)) for found in re.findall(r'data-curve="([^"]*)"', page)]
        (series,) = chart["series"]
        drawn = [value for _at, value in series["points"] if value is not None]
        assert drawn == ([whole] if time["period"] == "year" else days), "the trend is of exactly that scope"
        table = page[page.index("<tbody>") :]
        assert all(f"{value:,.0f}</td>" in table for value in drawn), "the table says the same"
        total = table[table.index("<tfoot>") :]
        assert f"{whole:,.0f}</td>" in total
        at = datetime.fromtimestamp(series["points"][0][0] / 1000, UTC)
        assert f"{at:%Y-%m-%d}" == {"week": "2026-11-09", "month": "2026-11-01", "year": "2026-01-01",
                                    "free": "2026-11-10"}[time["period"]]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "said"),
    [({"name": " \0"}, "报表名称"),
     ({"pick": ["name"]}, "请至少加入一项监测数据"), ({"choice": "chosen"}, "请选择要素"),
     ({"period": "free", "first": "2026-02-30"}, "必填"), ({"layer": "people"}, "请从列表中选择"),
     ({"pick": ["w01018:mean", "secret:mean"]}, "没有列")],
)  # fmt: skip
def test_a_form_that_is_wrong_says_so_beside_its_field(values: dict[str, Any], said: str, who: People) -> None:
    answer = client("owner").post("/desk/reports/custom/new", FORM | values | {"act": "save"})
    assert answer.status_code == 422 and said in text(answer) and "field-error" in text(answer)
    assert not Custom.objects.exists()


def test_f43_a_saved_report_opens_for_whom_it_is_shared_with(who: People, two: Any) -> None:
    saved = custom.save(who["owner"], _values())
    path = f"/desk/reports/custom/{saved.pk}"
    for name in ("neighbour", "stranger", "inspector", "commander"):
        for address in (path, f"{path}/edit", f"{path}/export"):
            assert client(name).get(address).status_code == 404, (name, address)
        assert client(name).post(f"{path}/delete").status_code == 404
        assert "污水月报" not in text(client(name).get("/desk/reports"))
        assert client(name).get(f"/desk/reports/custom/new?from={saved.pk}").status_code == 404
    for address in (path, f"{path}/edit", f"{path}/export", "/desk/reports/custom/new"):
        assert Client(**NOBODY).get(address).status_code == 302
    custom.save(who["owner"], {"roles": ["supervisor", "inspector"]}, saved.pk)
    neighbour = client("neighbour")
    page = text(neighbour.get(f"{path}?date=2026-11-10"))
    assert "报表厂邻" in page and "报表厂家" not in page and "/edit" not in page and "confirm-delete" not in page
    assert neighbour.get(f"{path}/edit").status_code == 403
    assert neighbour.post(f"{path}/delete").status_code == 403 and Custom.objects.filter(pk=saved.pk).exists()
    assert client("stranger").get(f"{path}?date=2026-11-10").status_code == 200
    assert "报表厂" not in text(client("stranger").get(f"{path}?date=2026-11-10"))
    assert client("inspector").get(path).status_code == 200
    assert client("inspector").get(f"{path}/export").status_code == 403
    copied = text(neighbour.get(f"/desk/reports/custom/new?from={saved.pk}"))
    assert "污水月报 副本" in copied and ordered(copied) == saved.columns


def _values() -> dict[str, Any]:
    return {"name": "污水月报", "layer": "sewage_plants", "choice": "all", "period": "month", "by": "feature",
            "columns": ["name", "w01018:mean"]}  # fmt: skip


def test_names_are_only_text_wherever_they_stand(who: People, two: Any) -> None:
    name = '=cmd|"</style><script>alert(1)</script>'
    saved = custom.save(who["owner"], _values() | {"name": name})
    page = text(client("owner").get(f"/desk/reports/custom/{saved.pk}"))
    assert "<script>alert" not in page and "</style><script" not in page
    answer = client("owner").get(f"/desk/reports/custom/{saved.pk}/export?format=xlsx")
    assert answer.status_code == 200 and '"</' not in answer["Content-Disposition"]
    clean = quote("=cmd____style__script_alert(1)__script_")
    assert f"UTF-8''{clean}_" in answer["Content-Disposition"], "nothing that a file system refuses"


def test_files_are_named_after_what_and_which_days(who: People, two: Any, edition: list[Edition]) -> None:
    saved = custom.save(who["owner"], _values())
    owner, (mine, _other) = client("owner"), two
    for address, name in (
        (f"custom/{saved.pk}/export?date=2026-11-10", "污水月报_2026-11-01_2026-11-30.xlsx"),
        (f"sewage-plant/export?feature={mine.pk}&period=day&date=2026-11-10", f"_{mine.name}_2026-11-10.xlsx"),
        (f"editions/{edition[1].pk}/export", "_报表厂存_v2_2025-12-31.xlsx"),
    ):
        assert quote(name) in owner.get(f"/desk/reports/{address}")["Content-Disposition"], address


def test_what_is_no_format_is_refused_and_not_noted(who: People, two: Any) -> None:
    saved = custom.save(who["owner"], _values())
    assert client("owner").get(f"/desk/reports/custom/{saved.pk}/export?format=pdf").status_code == 400
    assert not Entry.objects.filter(action="export", object_id=str(saved.pk)).exists()


def test_pages_ask_the_same_number_of_queries_however_many_there_are(who: People, two: Any) -> None:
    numbers = []
    for count in (1, 10):
        for n in range(count):
            custom.save(who["owner"], _values() | {"name": f"表{n}"})
        owner = client("owner")
        owner.get("/desk/reports")
        with CaptureQueriesContext(connection) as queries:
            owner.get("/desk/reports")
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]


@pytest.fixture
def edition(who: People, plant: Callable[..., SewagePlant]) -> list[Edition]:
    """Two versions of the day of a plant at home."""
    mine = plant("存")
    began(NEW_YEAR - timedelta(days=1))
    send(mine, {"w01018": [20.0], "w00000": [100.0]}, NEW_YEAR - timedelta(hours=5))
    making.work(now=NEW_YEAR + timedelta(hours=1))
    send(mine, {"w01018": [80.0], "w00000": [100.0]}, NEW_YEAR - timedelta(hours=4))
    passed(NEW_YEAR + timedelta(hours=2))
    return of(mine, report="sewage-plant", kind="day", first="2025-12-31")


def test_an_edition_is_listed_opened_taken_along_and_compared(who: People, edition: list[Edition]) -> None:
    old, new = edition
    owner = client("owner")
    listed = text(owner.get("/desk/reports/editions?period=day&q=报表厂存"))
    assert f"/desk/reports/editions/{new.pk}" in listed and str(old.pk) not in listed and "补传数据" in listed
    page = text(owner.get(f"/desk/reports/editions/{new.pk}"))
    assert "2025-12-31" in page and new.digest in page and "第 2 版" in page and "第 1 版" in page
    assert page.count(' changed"') > 10 and f"/desk/reports/editions/{old.pk}" in page
    before = text(owner.get(f"/desk/reports/editions/{old.pk}"))
    assert "这是旧版本" in before and ' changed"' not in before
    english = text(owner.get(f"/desk/reports/editions/{new.pk}?lang=en"))
    assert not re.search("[一-鿿]", "".join(re.findall("<th.*?</th>", english)))
    taken = rows(owner.get(f"/desk/reports/editions/{old.pk}/export?format=csv"))
    assert taken[0][0] == "时间" and taken[1][:2] == ["19:00", "360.0"] and old.digest in taken[-1][0]
    latest = rows(owner.get(f"/desk/reports/editions/{new.pk}/export?format=csv"))
    assert [row[:2] for row in latest[1:3]] == [["19:00", "360.0"], ["20:00", "360.0"]]
    deed = Entry.objects.get(action="export", object_id=str(new.pk))
    assert deed.changes == {"format": "csv", "report": "sewage-plant", "date": "2025-12-31", "version": 2}
    live = text(owner.get(f"/desk/reports/sewage-plant?period=day&date=2025-12-31&feature={new.feature}"))
    assert f"/desk/reports/editions/{new.pk}" in live, "the report names what was kept of it"


def test_f43_an_edition_is_not_found_by_others(who: People, edition: list[Edition]) -> None:
    path = f"/desk/reports/editions/{edition[1].pk}"
    for name in ("neighbour", "stranger"):
        assert client(name).get(path).status_code == client(name).get(f"{path}/export").status_code == 404
        assert "报表厂存" not in text(client(name).get("/desk/reports/editions"))
        assert "报表厂存" not in text(client(name).get("/desk/reports"))
    assert client("inspector").get(path).status_code == 200
    assert client("inspector").get(f"{path}/export").status_code == 403
    for address in (path, f"{path}/export", "/desk/reports/editions"):
        assert Client(**NOBODY).get(address).status_code == 302


def test_troubles_are_shown_to_administrators(who: People) -> None:
    Due.objects.create(
        report="sewage-summary", kind="day", first="2025-12-31", reason="period", trouble="ValueError: nonsense",
        not_before=datetime(2026, 1, 1, tzinfo=ZONE),
    )  # fmt: skip
    assert "ValueError: nonsense" in text(client("admin").get("/desk/reports/editions"))
    assert "ValueError" not in text(client("commander").get("/desk/reports/editions"))


@pytest.mark.parametrize("query", ["from=nonsense", "to=1066-01-01"])
def test_a_day_that_is_none_is_refused(query: str, who: People) -> None:
    assert client("owner").get(f"/desk/reports/editions?{query}").status_code == 400


@pytest.mark.parametrize("query", ["report=nonsense", "period=hour", "page=99999", "page=x", "q=%00"])
def test_what_is_not_there_is_asked_for_in_vain(query: str, who: People, two: Any) -> None:
    assert client("owner").get(f"/desk/reports/editions?{query}").status_code in (200, 400)
