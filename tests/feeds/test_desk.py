"""The pages of data interfaces: administrators alone, a form with a trial, a token shown once, runs row by row."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ingest.simulators import existing
from layers.sewage.models import SewagePlant
from services.access import principal as principals
from services.access.principal import Principal
from services.audit.models import Entry
from services.feeds import sources
from services.feeds.models import Run, Source
from services.telemetry.models import Reading
from tests.conftest import client
from tests.feeds.conftest import BEGIN, Existing, pull, stored

pytestmark = pytest.mark.django_db
Settle = Callable[..., Source]


def body(answer: Any) -> str:
    return answer.content.decode()


def form(system: Existing, **values: Any) -> dict[str, Any]:
    """What the browser sends for the JSON door, all fields included."""
    given = {
        "name": "现有污水系统", "note": "", "mode": "pull", "target": "readings", "layer": "", "tab": "",
        "policy": "skip", "stale_minutes": "60", "url": f"{system.url}/api/values", "method": "GET", "times": "5",
        "each": "60", "timeout": "10", "parameters": "from={since}\r\npage={page}", "headers": "", "body": "",
        "auth": "bearer", "auth_user": "", "auth_place": "header", "auth_label": "", "secret": existing.TOKEN,
        "sign_pattern": "", "sign_digest": "sha256", "sign_user": "", "sign_time": "", "sign_moment": "ms",
        "format": "json", "list_path": "data.items", "ok_path": "code", "ok_value": "0", "zone": "Asia/Shanghai",
        "datum": "cgcs2000", "span": "real", "spacing": "60", "cursor": "time", "cursor_path": "",
        "cursor_moment": "text", "overlap": "60", "begin_at": f"{BEGIN.astimezone(existing.BEIJING):%Y-%m-%dT%H:%M}",
        "paging": "page", "page_first": "1", "page_size": "500", "next_path": "", "station": "", "good": "0",
        "path": ["stationCode", "monitorTime", "status", "cod", "flow", ""],
        "use": ["w:device", "w:time", "w:flag", "c:w01018", "c:w00000", ""],
        "unit": ["", "", "", "mg/L", "m³/h", ""],
    }  # fmt: skip
    return given | values


@pytest.mark.covers("DZ-338")
def test_an_administrator_settles_mode_format_and_authorisation_on_the_screen(
    system: Existing, plants: dict[str, SewagePlant], admin: Principal
) -> None:
    desk = client("admin")
    assert desk.get("/desk/feeds/new").status_code == 200
    answer = desk.post("/desk/feeds/new", form(system))
    source = Source.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/desk/feeds/{source.pk}")
    assert (source.mode, source.format, source.auth, source.every) == ("pull", "json", "bearer", 300)
    assert not source.enabled, "it is switched on by a hand of its own"
    desk.post(f"/desk/feeds/{source.pk}/switch", {"on": "1"})
    assert pull(source).state == "partly", "its stations wait"
    # Another mode and another format, on the same screen.
    mapped = form(system, mode="push", format="csv", secret="", list_path="", ok_path="")
    assert desk.post(f"/desk/feeds/{source.pk}/edit", mapped).status_code == 302
    source.refresh_from_db()
    assert (source.mode, source.format) == ("push", "csv")
    pushed = f"/feeds/{source.pk}"
    assert Client().post(pushed, b"stationCode\r\n", content_type="text/csv").status_code == 401
    shown = desk.post(f"/desk/feeds/{source.pk}/token")
    token = body(shown).partition("data-secret>")[2].partition("<")[0]
    row = existing.row("FEED-1", BEGIN)
    table = f"stationCode,monitorTime,status,cod,flow\r\nFEED-1,{row['monitorTime']},0,{row['cod']},{row['flow']}\r\n"
    said = Client().post(pushed, table.encode(), content_type="text/csv", headers={"Authorization": f"Bearer {token}"})
    assert said.status_code == 200, said.content
    assert "尚未绑定" in said.json()["problems"][0]["message"]
    assert token not in body(desk.get(f"/desk/feeds/{source.pk}")), "shown once"
    # Neither is what pulls without its authorisation let in by the other side.
    back = form(system, secret="", auth="none")
    assert desk.post(f"/desk/feeds/{source.pk}/edit", back).status_code == 302
    run = pull(source)
    assert (run.state, "拒绝授权（401）" in run.said) == ("failed", True)
    deeds = list(Entry.objects.filter(layer="feed").order_by("pk").values_list("action", flat=True))
    assert deeds == ["create feed", "switch feed", "change feed", "new token", "change feed"]


@pytest.mark.parametrize("name", ["owner", "commander", "inspector"])
def test_others_find_no_such_pages(settle: Settle, name: str) -> None:
    source = settle()
    run = pull(source)
    desk = client(name)
    pages = ["", "/new", f"/{source.pk}", f"/{source.pk}/edit", f"/runs/{run.pk}"]
    assert {desk.get(f"/desk/feeds{page}").status_code for page in pages} == {404}
    acts = ["switch", "token", "pull", "rewind", "edit"]
    assert {desk.post(f"/desk/feeds/{source.pk}/{act}").status_code for act in acts} == {404}
    assert "/desk/feeds" not in body(desk.get("/desk"))
    anonymous = Client(headers={"Accept": "text/html"})
    assert {anonymous.get(f"/desk/feeds{page}").status_code for page in pages} == {302}
    assert "/desk/feeds" in body(client("admin").get("/desk"))


def test_a_trial_shows_what_would_come_and_writes_nothing(system: Existing, plants: dict[str, SewagePlant]) -> None:
    desk = client("admin")
    answer = desk.post(
        "/desk/feeds/new", form(system, trial="1"), headers={"HX-Request": "true", "HX-Target": "feed-fields"}
    )
    page = body(answer)
    assert answer.status_code == 200
    assert "<html" not in page
    first = existing.row("FEED-1", BEGIN)
    assert "nh3n" in page, "a field that is not mapped is offered"
    assert f"{float(first['cod']):.1f} mg/L" in page
    assert f"{first['flow'] / 3.6:.2f} L/s" in page, "in the stored unit"
    assert first["monitorTime"] in page
    assert not Source.objects.exists()
    assert not Reading.objects.filter(device__protocol="feed").exists()
    unmapped = form(system, trial="1", path=[], use=[], unit=[])
    assert "请在上方指定各字段的对应关系" in body(desk.post("/desk/feeds/new", unmapped))
    wrong = body(desk.post("/desk/feeds/new", form(system, trial="1", secret="wrong")))
    assert "拒绝授权（401）" in wrong
    elsewhere = form(system, trial="1", url="http://192.168.7.7/api")
    system.misbehave()
    assert "不在允许的外部主机之列" in body(desk.post("/desk/feeds/new", elsewhere))
    assert system.calls() == []


def test_a_trial_of_a_push_reads_a_sample(system: Existing) -> None:
    sample = '{"list": [{"id": "P-1", "title": "一号泵站", "x": 107.5, "y": 31.2, "area": "511702"}]}'
    given = form(
        system, mode="push", target="features", layer="points_of_interest", list_path="list", ok_path="", trial="1",
        sample=sample, path=["id", "title", "x", "y"], use=["f:code", "f:name", "w:lon", "w:lat"], unit=[""] * 4,
    )  # fmt: skip
    page = body(client("admin").post("/desk/feeds/new", given))
    assert "一号泵站" in page
    assert "107.500000, 31.200000" in page
    assert "新建" in page


def test_what_is_wrong_stands_beside_its_field(system: Existing) -> None:
    answer = client("admin").post("/desk/feeds/new", form(system, url="http://10.1.2.3/api", times="0", name=""))
    page = body(answer)
    assert answer.status_code == 422
    assert "field-error" in page
    assert not Source.objects.exists()
    answer = client("admin").post("/desk/feeds/new", form(system, url="http://10.1.2.3/api"))
    assert "10.1.2.3:80 不在允许的外部主机之列" in body(answer)
    assert "/admin/notify/destination/" in body(answer)


def test_a_secret_is_on_no_page(settle: Settle) -> None:
    source = settle(secret="very-secret-4711")
    for page in ("", "/edit"):
        assert "very-secret-4711" not in body(client("admin").get(f"/desk/feeds/{source.pk}{page}"))
    answer = client("admin").post(f"/desk/feeds/{source.pk}/edit", {"name": "", "secret": "typed-again-99"})
    assert "typed-again-99" not in body(answer)


def test_runs_are_read_row_by_row_in_both_languages(settle: Settle, system: Existing) -> None:
    system.misbehave(broken=True)
    source = settle()
    run = pull(source)
    chinese, english = (body(client("admin", each).get(f"/desk/feeds/runs/{run.pk}")) for each in ("zh-hans", "en"))
    assert "“昨天”不是时间。" in chinese
    assert "“昨天” is not a time." in english
    assert str(run.pk) in body(client("admin").get(f"/desk/feeds/{source.pk}?state=bad"))
    assert "没有符合条件的运行记录" in body(client("admin").get(f"/desk/feeds/{source.pk}?state=running"))


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_page_is_there_in_both_languages(settle: Settle, admin: Principal, language: str) -> None:
    pulled = settle(every=60)
    run = pull(pulled)
    pushed = settle(name="推", mode="push", on=False)
    desk = client("admin", language)
    pages = [f"/{pk}{part}" for pk in (pulled.pk, pushed.pk) for part in ("", "/edit")]
    for page in ("", "/new", f"/runs/{run.pk}", *pages):
        assert desk.get(f"/desk/feeds{page}").status_code == 200, page
    assert ("every minute" in body(desk.get("/desk/feeds"))) == (language == "en")


def test_pulling_now_and_again_from_a_time_on(bound: Source, admin: Principal) -> None:
    desk = client("admin")
    pull(bound)
    Source.objects.filter(pk=bound.pk).update(next_at=None)
    assert desk.post(f"/desk/feeds/{bound.pk}/pull").status_code == 302
    bound.refresh_from_db()
    assert bound.next_at is not None
    since = f"{BEGIN.astimezone(existing.BEIJING):%Y-%m-%dT%H:%M}"
    assert desk.post(f"/desk/feeds/{bound.pk}/rewind", {"since": since}).status_code == 302
    bound.refresh_from_db()
    assert bound.position == {"since": BEGIN.isoformat(), "exact": True}
    before = stored(bound)
    pull(bound)
    assert stored(bound) == before
    for wrong in ("gestern", "2026-13-01T00:00", "2099-01-01T00:00"):
        assert desk.post(f"/desk/feeds/{bound.pk}/rewind", {"since": wrong}).status_code == 400
    sources.switch(admin, bound.pk, False)
    assert desk.post(f"/desk/feeds/{bound.pk}/pull").status_code == 409


def test_what_cannot_work_cannot_be_switched_on(settle: Settle, system: Existing) -> None:
    from services.notify.models import Destination

    source = settle(on=False)
    Destination.objects.all().delete()
    answer = client("admin").post(f"/desk/feeds/{source.pk}/switch", {"on": "1"}, follow=True)
    assert "不能启用" in body(answer)
    source.refresh_from_db()
    assert not source.enabled


def test_the_list_asks_no_more_for_many_than_for_one(settle: Settle) -> None:
    desk = client("admin")

    def add(name: str) -> None:
        Run.objects.create(source=settle(name=name), started_at=BEGIN, state="done")

    def asked() -> int:
        principals.forget()
        with CaptureQueriesContext(connection) as found:
            assert desk.get("/desk/feeds").status_code == 200
        return len(found)

    add("一")
    one = asked()
    for name in "二三四五":
        add(name)
    assert asked() == one
