"""The pages of 系统监控: for administrators alone, what they show, and the doors of logs for other systems."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from services.access.principal import Principal
from services.audit.models import Entry, Finding, Kind, Severity
from services.operations import logs, receiving
from services.operations.models import Block, LogEntry, LogLevel, LogSystem, Rise
from services.telemetry.partitions import raw
from tests.conftest import client

pytestmark = pytest.mark.django_db
PAGES = ("/desk/system/sessions", "/desk/system/database", "/desk/system/logs", "/desk/system/logs/systems")
POSTS = ("/desk/system/sessions/1/end", "/desk/system/logs/systems/1/token", "/desk/system/logs/systems/1/switch")


@pytest.fixture
def oa(who: dict[str, Principal]) -> tuple[LogSystem, str]:
    """Another system, and its token."""
    return receiving.register(who["admin"], "oa", "办公系统")


def push(key: str, token: str, body: Any) -> Any:
    given = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return Client(SERVER_NAME="127.0.0.1").post(
        f"/logs/{key}", given, content_type="application/json", headers={"Authorization": f"Bearer {token}"}
    )  # fmt: skip


def test_every_page_is_for_administrators_alone(oa: tuple[LogSystem, str], token: Any) -> None:
    for name in ("owner", "neighbour", "stranger", "commander", "inspector"):
        other = client(name)
        assert "/desk/system" not in other.get("/desk").content.decode()
        for door in PAGES:
            assert other.get(door).status_code == 404, (name, door)
        for door in (*POSTS, PAGES[3]):
            assert other.post(door, {"since": "x", "key": "a", "name": "b", "on": "0"}).status_code == 404, (name, door)
        assert Client(SERVER_NAME="127.0.0.1").get("/logs", headers=token(name)).status_code == 404
    public = Client(SERVER_NAME="127.0.0.1", headers={"Accept": "text/html"})
    for door in PAGES:
        assert public.get(door).status_code == 302
    for door in POSTS:
        assert public.post(door).status_code == 302
    assert public.get("/logs").status_code == 404
    assert LogSystem.objects.get().enabled and LogSystem.objects.get().token_digest == oa[0].token_digest
    admin = client("admin")
    assert "/desk/system/logs" in admin.get("/desk").content.decode()
    for door in PAGES:
        assert admin.get(door).status_code == 200
    assert admin.post(POSTS[0], {"since": "nonsense"}).status_code == 400
    assert admin.post(POSTS[0], {"since": timezone.now().isoformat()}).status_code == 409


@pytest.mark.covers("DZ-061")
def test_counts_by_system_level_and_time_and_a_rise_stand_on_the_page(who: dict[str, Principal]) -> None:
    now = logs.step_of(timezone.now())
    many = [
        logs.Entry(now, LogLevel.ERROR, logs.OWN, "web", "x", "it broke", "ValueError: why", "owner")
        for _n in range(12)
    ]
    logs.store(raw(), [*many, logs.Entry(now, LogLevel.INFO, "oa", "mail", "x", "sent a letter")])
    Rise.objects.create(system=logs.OWN, program="web", began_at=now, usual=0.5, peak=12, peak_at=now)
    admin = client("admin")
    page = admin.get("/desk/system/logs?range=1h").content.decode()
    assert "data-logs" in page and "十分钟内 12 条错误，平时 0.5 条" in page and "持续中" in page
    chart = json.loads(admin.get("/desk/system/logs?range=1h").context["chart"])
    assert {each["level"]: sum(each["counts"]) for each in chart["levels"]} == {40: 12, 20: 1}
    assert [chart["times"][n] for n in chart["marks"]] == [f"{timezone.localtime(now):%m-%d %H:%M}"]
    assert "it broke" in page and "ValueError: why" in page and "sent a letter" in page
    only = admin.get("/desk/system/logs?range=1h&system=oa").content.decode()
    assert "sent a letter" in only and "it broke" not in only
    found = admin.get("/desk/system/logs?range=1h&q=broke&level=40&program=web").content.decode()
    assert found.count('data-entry="') == 12 and "sent a letter" not in found
    assert "没有符合条件的日志" in admin.get("/desk/system/logs?range=1h&q=nothing-like-it").content.decode()
    for odd in ("page=999", "page=x", "level=41", "level=x", "range=30d", "range=7d"):
        assert admin.get(f"/desk/system/logs?{odd}").status_code == 200, odd
    fragment = admin.get("/desk/system/logs?range=1h", headers={"HX-Request": "true", "HX-Target": "logs"})
    assert b"<html" not in fragment.content and b"it broke" in fragment.content


def test_a_page_of_logs_asks_no_more_for_many_lines_than_for_few(django_assert_max_num_queries: Any) -> None:
    now, admin = timezone.now(), client("admin")
    logs.store(raw(), [logs.Entry(now, 20, logs.OWN, f"p{n}", "x", "line") for n in range(60)])
    admin.get("/desk/system/logs")
    with django_assert_max_num_queries(16):
        admin.get("/desk/system/logs")
    Finding.objects.bulk_create(Finding(at=now, kind=Kind.DDL, level=Severity.RED, rule="x", pid=n) for n in range(60))
    with django_assert_max_num_queries(12):
        admin.get("/desk/system/database")


@pytest.mark.covers("DZ-059")
def test_a_connected_system_pushes_its_log_and_it_is_found_under_its_name(oa: tuple[LogSystem, str]) -> None:
    entries = [
        {"level": "ERROR", "message": "login failed password=geheim7", "program": "sso", "account": "wang",
         "cause": "TimeoutError", "request": "POST /login", "address": "10.1.2.3"},
        {"level": "warn", "message": "slow", "at": (timezone.now() - timedelta(days=1)).isoformat()},
    ]  # fmt: skip
    assert push("oa", oa[1], {"entries": entries}).json() == {"stored": 2}
    page = client("admin").get("/desk/system/logs?system=oa&range=1h").content.decode()
    assert "办公系统" in page and "login failed password=***" in page and "geheim7" not in page
    assert "wang" in page and "10.1.2.3" in page and "TimeoutError" in page
    old = LogEntry.objects.get(level=30)
    assert (old.program, old.message) == ("oa", "slow") and old.received_at - old.at > timedelta(hours=23)
    assert LogSystem.objects.get().last_at is not None


def test_a_push_that_is_not_right_is_refused_whole(oa: tuple[LogSystem, str], who: dict[str, Principal]) -> None:
    good = {"level": "INFO", "message": "fine"}
    assert push("oa", "wrong", [good]).status_code == 401
    assert push("other", oa[1], [good]).status_code == 401
    wrong: list[Any] = [
        "no json", "{}", "[]", [good] * 1_001, [good, {"level": "INFO"}], [{"message": "x", "level": "LOUD"}], [7],
        [{"message": "x", "at": "yesterday"}], [{"message": "x", "at": "2020-01-01T00:00:00Z"}],
        [{"message": "x", "at": "2026-13-45T00:00:00Z"}], [{"message": "x", "at": 7}],
    ]  # fmt: skip
    for body in wrong:
        assert push("oa", oa[1], body).status_code == 400, body
    assert push("oa", oa[1], b"[" + b" " * 2_100_000 + b"]").status_code == 413
    receiving.switch(who["admin"], oa[0].pk, False)
    assert push("oa", oa[1], [good]).status_code == 403
    receiving.switch(who["admin"], oa[0].pk, True)
    _row, fresh = receiving.new_token(who["admin"], oa[0].pk)
    assert push("oa", oa[1], [good]).status_code == 401
    assert not LogEntry.objects.exists()
    assert push("oa", fresh, [good]).status_code == 200
    assert [each.action for each in Entry.objects.order_by("pk")][-4:] == [
        "register log system", "switch log system", "switch log system", "new log token"
    ]  # fmt: skip


def test_an_administrator_registers_a_system_and_sees_its_token_once() -> None:
    admin = client("admin")
    made = admin.post("/desk/system/logs/systems", {"key": "bim", "name": "BIM平台"}).content.decode()
    row = LogSystem.objects.get()
    token = made.partition('class="secret"><code>')[2].partition("<")[0]
    assert receiving.tokens.fits(token, row.token_digest)
    assert token not in admin.get("/desk/system/logs/systems").content.decode()
    for key, name in (("bim", "另一个"), ("x y", "另一个"), ("zhutu", "另一个"), ("z", "BIM平台"), ("", "")):
        assert admin.post("/desk/system/logs/systems", {"key": key, "name": name}).status_code == 400, key
    changed = admin.post(f"/desk/system/logs/systems/{row.pk}/token").content.decode()
    assert 'class="secret"' in changed
    assert admin.post(f"/desk/system/logs/systems/{row.pk}/switch", {"on": "0"}).status_code == 302
    assert not LogSystem.objects.get().enabled


@pytest.mark.covers("DZ-060")
def test_programs_read_the_newest_entries_with_an_administrators_token(oa: tuple[LogSystem, str], token: Any) -> None:
    headers, reader = token("admin"), Client(SERVER_NAME="127.0.0.1")
    push("oa", oa[1], [{"message": f"line {n}", "level": "ERROR" if n == 2 else "INFO"} for n in range(3)])
    found = reader.get("/logs", {"system": "oa"}, headers=headers).json()["entries"]
    assert {each["message"] for each in found} == {"line 0", "line 1", "line 2"}
    assert [each["message"] for each in reader.get("/logs?level=warning", headers=headers).json()["entries"]] == [
        "line 2"
    ]
    assert "line 2" in client("admin").get("/desk/system/logs?range=1h").content.decode()
    last = {"after": found[-1]["received_at"], "program": "oa"}
    assert reader.get("/logs", last, headers=headers).json() == {"entries": []}
    assert reader.get("/logs?after=soon", headers=headers).status_code == 400


def test_findings_and_blocks_are_shown_with_account_statement_and_level() -> None:
    now = timezone.now()
    Finding.objects.create(
        at=now - timedelta(minutes=1), kind=Kind.SESSION, level=Severity.YELLOW, rule="direct", account="root",
        role="zhutu", database="zhutu", pid=77, program="psql", address="local",
    )  # fmt: skip
    Finding.objects.create(
        at=now, kind=Kind.DELETE, level=Severity.RED, role="zhutu", database="zhutu", pid=77,
        rule="平台以外的程序删除数据",
        program="psql", address="local", tables="accounts_user", rows=3, statement="delete from accounts_user <b>",
    )  # fmt: skip
    admin = client("admin")
    page = admin.get("/desk/system/database?kind=delete").content.decode()
    assert page.count("data-finding") == 1 and "delete from accounts_user &lt;b&gt;" in page
    assert "<strong>root</strong>" in page, "whom the server took for the other end of that session"
    assert admin.get("/desk/system/database?q=root").content.decode().count("data-finding") == 2
    assert admin.get("/desk/system/database?level=red").content.decode().count("data-finding") == 1
    assert "监看程序没有运行" in page
    english = client("admin", "en").get("/desk/system/database").content.decode()
    assert "Data deleted by a program outside the platform" in english
    Block.objects.create(
        pid=88, session_at=now, work_at=now, began_at=now, seen_at=now, account="li", role="zhutu", program="zhutu web",
        tables="projects_project", statement="update projects_project", waiting=[], most=2, longest=9.5,
    )  # fmt: skip
    page = admin.get("/desk/system/sessions").content.decode()
    assert "update projects_project" in page and "<strong>li</strong>" in page and "持续中" in page
