"""Charts on the desk: who sees, changes and takes along which, and tables that people bring."""

import csv
import html
import io
import json
import re
import zipfile
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import Workbook, load_workbook

from layers.projects.models import Project
from services.access.errors import Refused
from services.access.principal import Principal
from services.accounts.models import User
from services.audit.models import Entry
from services.charts import products, tables
from services.charts import spec as specs
from services.charts.models import Product, Row, Table
from tests.conftest import HOME, SIBLING, client

pytestmark = pytest.mark.django_db
People = dict[str, Principal]
NAMES = ("owner", "neighbour", "stranger", "inspector", "commander", "admin")
STATES = {"source": "layer:projects", "kind": "statistical", "form": "bar", "by": "state", "measure": "count"}


def chart(principal: Principal, roles: tuple[str, ...] = (), area: str = "", **settings: Any) -> Product:
    return products.save(principal, "工程状态", specs.read(STATES | settings), list(roles), area)


def body(response: HttpResponse) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]


def drawing(response: HttpResponse) -> dict[str, Any]:
    """What a page draws."""
    found = re.search(r'id="chart-drawing" data-drawing="(.*?)"', response.content.decode())
    assert found is not None, response.content[:500]
    made: dict[str, Any] = json.loads(html.unescape(found[1]))
    return made


def values(made: dict[str, Any]) -> dict[str, float]:
    return {g["key"]: v for g, v in zip(made["groups"], made["values"][0], strict=True) if v}


def of_region(prefix: str) -> dict[str, int]:
    states = Project.objects.filter(region__code__startswith=prefix).values_list("state", flat=True)
    return {state: list(states).count(state) for state in states}


def test_a_chart_that_is_not_shared_is_its_owners_alone(who: People) -> None:
    saved = chart(who["owner"])
    doors = ("", "/edit", "/data.json", "/export?format=csv")
    for name in NAMES:
        for door in doors:
            answer = client(name).get(f"/desk/charts/{saved.pk}{door}")
            assert answer.status_code == (200 if name in ("owner", "admin") else 404), (name, door)
        for act in ("copy", "rename", "freeze", "thaw", "delete"):
            if name not in ("owner", "admin"):
                assert client(name).post(f"/desk/charts/{saved.pk}/{act}", {"name": "x"}).status_code == 404
    nobody = Client(SERVER_NAME="127.0.0.1", headers={"Accept": "text/html"})
    for door in (*doors, "/copy"):
        assert nobody.get(f"/desk/charts/{saved.pk}{door}").status_code in (302, 401, 405)
    assert nobody.post(f"/desk/charts/{saved.pk}/delete").status_code in (302, 401)
    for door in ("/desk/charts", "/desk/charts/new", "/desk/charts/tables", f"/desk/charts/tables/{uuid4()}"):
        assert nobody.get(door).status_code in (302, 401)
    assert Product.objects.filter(pk=saved.pk, name="工程状态").exists()


def test_who_looks_sees_figures_of_their_own_rights(who: People) -> None:
    saved = chart(who["owner"], ("supervisor", "commander"))
    for name, prefix in (("owner", HOME), ("neighbour", SIBLING), ("commander", "5117")):
        page = client(name).get(f"/desk/charts/{saved.pk}")
        assert values(drawing(page)) == of_region(prefix), name
        assert values(client(name).get(f"/desk/charts/{saved.pk}/data.json").json()) == of_region(prefix)
    page = client("stranger").get(f"/desk/charts/{saved.pk}")
    assert drawing(page)["empty"] and "data-chart-save" not in page.content.decode()
    assert client("inspector").get(f"/desk/charts/{saved.pk}").status_code == 404, "not one of the roles"


def test_a_region_bounds_with_whom_a_chart_is_shared(who: People) -> None:
    everybody_there = chart(who["owner"], (), HOME)
    supervisors_there = chart(who["owner"], ("supervisor",), "511700")
    assert {n for n in NAMES if products.visible(who[n]).filter(pk=everybody_there.pk).exists()} == {
        "owner", "inspector", "commander", "admin"
    }  # fmt: skip
    assert {n for n in NAMES if products.visible(who[n]).filter(pk=supervisors_there.pk).exists()} == {
        "owner", "neighbour", "admin"
    }  # fmt: skip
    assert not products.visible(who["public"]).exists()


def test_only_its_owner_changes_a_shared_chart(who: People) -> None:
    saved = chart(who["owner"], ("supervisor",))
    other = client("neighbour")
    assert other.get(f"/desk/charts/{saved.pk}/edit").status_code == 403
    sent = STATES | {"was": "layer:projects", "name": "Übernommen", "act": "save"}
    assert other.post(f"/desk/charts/{saved.pk}/edit", sent).status_code == 403
    for act in ("rename", "freeze", "thaw", "delete"):
        assert other.post(f"/desk/charts/{saved.pk}/{act}", {"name": "Übernommen"}).status_code == 403
    assert Product.objects.get().name == "工程状态"
    copied = other.post(f"/desk/charts/{saved.pk}/copy")
    assert copied.status_code == 302
    mine = Product.objects.exclude(pk=saved.pk).get()
    assert (mine.owner.username, mine.roles, mine.spec["by"]) == ("neighbour", [], "state")
    renamed = client("owner").post(f"/desk/charts/{saved.pk}/rename", {"name": "新名"})
    assert renamed.status_code == 302 and Product.objects.get(pk=saved.pk).name == "新名"
    assert client("owner").post(f"/desk/charts/{saved.pk}/delete").status_code == 302
    actions = set(Entry.objects.filter(object_id=str(saved.pk)).values_list("action", flat=True))
    assert {"create chart", "change chart", "delete chart"} <= actions


def test_a_snapshot_shows_all_with_whom_it_is_shared_the_owners_figures(who: People) -> None:
    saved = chart(who["owner"], ("supervisor", "inspector"))
    with pytest.raises(Refused):
        products.freeze(who["admin"], saved.pk)
    assert client("owner").post(f"/desk/charts/{saved.pk}/freeze").status_code == 302
    expected = of_region(HOME)
    Project.objects.update(state="stopped")
    for name in ("owner", "neighbour", "stranger"):
        page = client(name).get(f"/desk/charts/{saved.pk}")
        assert values(drawing(page)) == expected
        assert "快照" in page.content.decode()
    english = drawing(client("neighbour", "en").get(f"/desk/charts/{saved.pk}"))
    assert values(english) == expected and not re.search("[一-鿿]", english["groups"][0]["label"])
    # Whoever changes it shows everybody their own again.
    assert client("owner").post(f"/desk/charts/{saved.pk}/thaw").status_code == 302
    assert values(drawing(client("neighbour").get(f"/desk/charts/{saved.pk}"))) == of_region(SIBLING)
    looker = chart(who["inspector"])
    assert client("inspector").post(f"/desk/charts/{looker.pk}/freeze").status_code == 403, "may only look"


@pytest.mark.covers("FJ-427")
def test_the_report_the_chart_and_the_files_say_the_same(who: People) -> None:
    saved = chart(who["owner"], series="kind", form="stack")
    page = client("owner").get(f"/desk/charts/{saved.pk}")
    made = drawing(page)
    table = re.search(r"<table[^>]*data-chart-table.*?</table>", page.content.decode(), re.S)
    assert table is not None
    shown = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", table[0], re.S)][1:]
    shown = [[re.sub("<.*?>", "", cell) for cell in row] for row in shown]
    drawn = [
        [group["label"], *(float(line[n]) for line in made["values"])] for n, group in enumerate(made["groups"])
    ]  # fmt: skip
    assert [[row[0], *(float(cell.replace(",", "")) for cell in row[1:])] for row in shown] == drawn
    excel = load_workbook(io.BytesIO(body(client("owner").get(f"/desk/charts/{saved.pk}/export?format=xlsx"))))
    assert [list(row) for row in excel.active.iter_rows(min_row=2, values_only=True)] == drawn
    text = body(client("owner").get(f"/desk/charts/{saved.pk}/export?format=csv")).decode("utf-8-sig")
    assert [[row[0], *map(float, row[1:])] for row in list(csv.reader(io.StringIO(text)))[1:]] == drawn
    assert sum(sum(row[1:]) for row in drawn) == Project.objects.filter(region__code__startswith=HOME).count()
    assert Entry.objects.filter(action="export", object_id=str(saved.pk)).count() == 2


def test_who_may_only_look_takes_no_table_along(who: People) -> None:
    saved = chart(who["owner"], ("inspector",))
    page = client("inspector").get(f"/desk/charts/{saved.pk}")
    assert values(drawing(page)) == of_region(HOME)
    assert "export" not in page.content.decode()
    assert client("inspector").get(f"/desk/charts/{saved.pk}/export?format=xlsx").status_code == 403


def test_the_form_fits_itself_to_kind_and_source(who: People) -> None:
    there = client("owner")
    headers = {"HX-Request": "true", "HX-Target": "chart-controls"}
    for kind in ("statistical", "thematic", "calendar", "heat", "comparative"):
        answer = there.post("/desk/charts/new", STATES | {"kind": kind, "was": "layer:projects"}, headers=headers)
        assert answer.status_code == 200 and b"<html" not in answer.content
        assert "trouble" not in drawing(answer), kind
    # A field of another source is not carried over.
    answer = there.post(
        "/desk/charts/new", STATES | {"source": "layer:monitors", "was": "layer:projects", "f-state": "active"},
        headers=headers,
    )  # fmt: skip
    assert "trouble" not in drawing(answer)
    answer = there.post("/desk/charts/new", STATES | {"was": "layer:projects", "cql": "nonsense ("}, headers=headers)
    assert drawing(answer)["trouble"] in answer.content.decode()
    answer = there.post("/desk/charts/new", STATES | {"source": "layer:none", "was": "layer:none"}, headers=headers)
    assert answer.status_code == 200 and drawing(answer)["trouble"]
    assert there.post("/desk/charts/new", STATES | {"act": "save", "name": ""}).status_code == 422
    assert not Product.objects.exists()


def test_a_filter_is_kept_with_the_chart_and_can_be_taken_back(who: People) -> None:
    there = client("owner")
    sent = STATES | {"was": "layer:projects", "by": "kind", "f-state": ["active"], "name": "在建", "act": "save"}
    assert there.post("/desk/charts/new", sent).status_code == 302
    saved = Product.objects.get()
    assert saved.spec["filters"] == {"state": ["active"]}
    made = drawing(there.get(f"/desk/charts/{saved.pk}"))
    assert made["total"] == Project.objects.filter(region__code__startswith=HOME, state="active").count()
    assert 'value="active" checked' in there.get(f"/desk/charts/{saved.pk}/edit").content.decode()


def test_the_gallery_finds_charts_in_the_same_number_of_queries(who: People) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert client("owner").get("/desk/charts").status_code == 200
        return len(seen)

    chart(who["owner"])
    queries()
    few = queries()
    for _number in range(8):
        chart(who["owner"])
    assert queries() == few
    chart(who["neighbour"], ("supervisor",), kind="calendar", form="days", by="start_date:day")
    for query, n in (("", 10), ("?kind=calendar", 1), ("?whose=mine", 9), ("?whose=shared", 1), ("?q=nirgends", 0)):
        page = client("owner").get(f"/desk/charts{query}").content.decode()
        assert page.count("data-thumb=") == n, query


def upload(user: str, name: str, content: bytes) -> HttpResponse:
    return client(user).post("/desk/charts/tables", {"file": SimpleUploadedFile(name, content)})  # type: ignore[return-value]


def test_a_table_comes_as_csv_or_excel_and_is_its_owners_alone(who: People) -> None:
    text = "区县,数量,日期\n通川区,12,2026-01-05\n达川区,8,2026-01-06\n"
    assert upload("owner", "表.csv", text.encode("gb18030")).status_code == 302
    book, content = Workbook(), io.BytesIO()
    for row in (["项目", "值"], ["A", 1.5], ["B", None]):
        book.active.append(row)
    book.save(content)
    assert upload("owner", "表.xlsx", content.getvalue()).status_code == 302
    first, second = Table.objects.order_by("created_at")
    assert [kind for _label, kind in first.columns] == ["region", "number", "date"]
    assert list(Row.objects.filter(table=second).order_by("number").values_list("cells", flat=True)) == [
        ["A", 1.5], ["B", None]
    ]  # fmt: skip
    for name in ("neighbour", "stranger", "admin"):
        assert client(name).get(f"/desk/charts/tables/{first.pk}").status_code == 404
        assert client(name).post(f"/desk/charts/tables/{first.pk}/delete").status_code == 404
    assert "通川区" not in client("neighbour").get("/desk/charts/tables").content.decode()
    # The owner shows the figures to others by sharing the chart; the table stays theirs.
    saved = chart(who["owner"], ("supervisor",), source=f"table:{first.pk}", by="c0:county", measure="sum:c1")
    assert values(drawing(client("neighbour").get(f"/desk/charts/{saved.pk}"))) == {HOME: 12.0, SIBLING: 8.0}
    assert client("neighbour").post(f"/desk/charts/{saved.pk}/copy").status_code == 403
    stolen = STATES | {"source": f"table:{first.pk}", "by": "c0:county", "act": "save", "name": "fremd"}
    assert client("neighbour").post("/desk/charts/new", stolen).status_code == 404
    assert client("owner").post(f"/desk/charts/tables/{first.pk}/delete").status_code == 409
    products.delete(who["owner"], saved.pk)
    assert client("owner").post(f"/desk/charts/tables/{first.pk}/delete").status_code == 302


def bomb() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("[Content_Types].xml", "x")
        pack.writestr("xl/workbook.xml", "0" * 40_000_000)
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.exe", b"MZ", "不能读取"),
        ("x.xlsx", b"a,b\n1,2", "扩展名"),
        ("x.xlsx", b"PK\x03\x04 nothing", "xlsx"),
        ("x.xlsx", bomb(), "解压后过大"),
        ("x.csv", b"", "空的"),
        ("x.csv", b"a,b\n", "没有数据行"),
        ("x.csv", b'a,b\n"1,2\n', "引号"),
        ("x.csv", b"a,b\n1,2,3\n", "第 2 行"),
        ("x.csv", b"a,b\n" + b"1,2\n" * (tables.MOST_ROWS + 1), "超过"),
        ("x.csv", ",".join(f"c{n}" for n in range(61)).encode() + b"\n" + b"1," * 60 + b"1\n", "61 列"),
        ("x.csv", b"a,b\n" + b"x" * (5 << 20) + b",1\n", "MB"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_with_a_sentence(
    who: People, name: str, content: bytes, said: str
) -> None:
    answer = upload("owner", name, content)
    assert answer.status_code == 422
    notice = re.search(r'<div class="notice bad".*?</div></div>', answer.content.decode(), re.S)
    assert notice is not None and said in notice[0], notice and notice[0]
    assert not Table.objects.exists() and not Row.objects.exists()


def test_without_a_file_and_with_too_many_tables_one_is_told(who: People, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client("owner").post("/desk/charts/tables", {}).status_code == 422
    monkeypatch.setattr(tables, "MOST_TABLES", 1)
    assert upload("owner", "x.csv", b"a,b\n1,2\n").status_code == 302
    assert upload("owner", "x.csv", b"a,b\n1,2\n").status_code == 422
    assert Table.objects.filter(owner=User.objects.get(username="owner")).count() == 1


def test_a_number_of_the_table_opens_the_list_that_it_counts(who: People) -> None:
    there = client("owner")
    saved = chart(who["owner"], filters={"kind": ["building"]})
    page = there.get(f"/desk/charts/{saved.pk}")
    made = drawing(page)
    links = [html.unescape(link) for link in re.findall(r'<td class="number"><a href="(.*?)"', page.content.decode())]
    assert len(links) == len(made["groups"])
    for link, number in zip(links, made["values"][0], strict=True):
        assert "kind=building" in link and there.get(link).status_code == 200
        counted = Project.objects.filter(
            region__code__startswith=HOME, kind="building", state=link.rpartition("state=")[2]
        ).count()
        assert counted == number
    late = chart(who["owner"], cql="state = 'active'")
    assert '<td class="number"><a' not in there.get(f"/desk/charts/{late.pk}").content.decode()


def test_a_chart_and_its_form_ask_no_more_for_more_rows(who: People) -> None:
    saved = chart(who["owner"], series="region:county", form="stack")

    def queries(door: str) -> int:
        there = client("owner")
        there.get(door)
        with CaptureQueriesContext(connection) as seen:
            assert there.get(door).status_code == 200
        return len(seen)

    doors = (f"/desk/charts/{saved.pk}", f"/desk/charts/{saved.pk}/edit", f"/desk/charts/{saved.pk}/data.json")
    few = [queries(door) for door in doors]
    states = [state for state, _label in Project.State.choices]
    Project.objects.bulk_create(
        Project(code=f"MEHR-{n}", name=f"Mehr {n}", region_id=HOME, state=states[n % len(states)]) for n in range(100)
    )
    assert [queries(door) for door in doors] == few
