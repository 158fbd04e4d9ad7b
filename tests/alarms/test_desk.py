"""The alarm centre, rules and limits by their doors: who sees and does what, and the screens in a real browser."""

import csv
import io
from collections.abc import Callable, Iterable
from typing import Any

import openpyxl
import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from command_center.desk.fencing import DAYS
from command_center.desk.rules import Weekdays
from services.access.principal import Principal
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.alarms.evaluate import evaluate
from services.alarms.models import Act, Episode, Rule
from services.audit.models import Entry
from services.catalog.models import FeatureIndex
from services.limits.models import Limit
from services.telemetry.models import Device
from services.telemetry.store import Row
from tests.alarms.conftest import MINUTE, NOON, SECOND, new_device, rows

pytestmark = pytest.mark.django_db
Keep = Callable[[Iterable[Row]], Any]
PEOPLE = ("owner", "neighbour", "stranger", "inspector", "commander", "admin")


@pytest.fixture
def clients(who: dict[str, Principal]) -> dict[str, Client]:
    """Browsers of people, and of nobody."""
    found = {name: Client(SERVER_NAME="127.0.0.1") for name in (*PEOPLE, "nobody")}
    for name in PEOPLE:
        found[name].force_login(User.objects.get(username=name))
    return found


@pytest.fixture
def episode(rule: Rule, device: Device, keep: Keep) -> Episode:
    keep(rows(device, [75, 90]))
    evaluate(NOON + 2 * MINUTE)
    return Episode.objects.get()


def test_every_door_shows_an_alarm_to_those_who_see_its_feature(episode: Episode, clients: dict[str, Client]) -> None:
    title = FeatureIndex.objects.get(pk=episode.feature_id).title
    feature = f"/desk/monitors/{episode.feature_id}/alarms"
    doors = {
        "/desk/alarms": title, f"/desk/alarms/{episode.pk}": title, feature: str(episode.pk),
        "/desk/alarms/badge": "level-yellow", "/desk/alarms/export?format=csv": title,
    }  # fmt: skip
    for address, mark in doors.items():
        for name, browser in clients.items():
            answer = browser.get(address)
            text = (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()
            sees = name in ("owner", "inspector", "commander", "admin")
            if name == "inspector" and "export" in address:
                sees = False
            assert (mark in text) == sees, (address, name)
            assert str(episode.pk) not in text or sees, (address, name)
            if name == "nobody":
                assert answer.status_code in (302, 401)
            elif str(episode.pk) in address or address == feature:
                assert answer.status_code == (200 if sees else 404), (address, name)
            else:
                assert answer.status_code == 200, (address, name)


def test_every_act_through_its_door(episode: Episode, clients: dict[str, Client], who: dict[str, Principal]) -> None:
    address = f"/desk/alarms/{episode.pk}/"
    for name in ("neighbour", "stranger"):
        for move in ("acknowledge", "assign", "handle", "close", "false", "comment", "reopen"):
            assert clients[name].post(address + move, {"text": "x"}).status_code == 404
        clients[name].post("/desk/alarms/acknowledge", {"alarm": [str(episode.pk)]})
    assert clients["nobody"].post(address + "acknowledge").status_code in (302, 401)
    clients["nobody"].post("/desk/alarms/acknowledge", {"alarm": [str(episode.pk)]})
    assert clients["owner"].get(address + "acknowledge").status_code == 405
    clients["inspector"].post(address + "acknowledge")
    episode.refresh_from_db()
    assert (episode.state, Act.objects.count()) == ("open", 1)
    owner = clients["owner"]
    assert owner.post("/desk/alarms/acknowledge", {"alarm": [str(episode.pk), "no"], "back": "state=all"}).url == (
        "/desk/alarms?state=all"
    )
    assert owner.post(address + "assign", {"assignee": str(who["inspector"].id)}).status_code == 302
    assert clients["inspector"].post(address + "handle", {"text": "喷淋", "disposition": "measures"}).status_code == 302
    assert owner.post(address + "explode", {"text": "x"}).status_code == 404
    assert owner.post(address + "close").status_code == 302
    episode.refresh_from_db()
    assert (episode.state, episode.disposition) == ("closed", "measures")
    page = owner.get(f"/desk/alarms/{episode.pk}").content.decode()
    assert "喷淋" in page and "已采取措施" in page
    assert str(episode.pk) not in owner.get("/desk/alarms").content.decode()
    assert str(episode.pk) in owner.get("/desk/alarms?state=all").content.decode()


def test_an_alarm_is_pushed_from_the_list_by_whoever_may_assign(
    episode: Episode, clients: dict[str, Client], who: dict[str, Principal]
) -> None:
    door = f"/desk/alarms/{episode.pk}/people?state=all"
    answers = {name: browser.get(door).status_code for name, browser in clients.items()}
    assert answers.pop("nobody") in (302, 401)
    assert answers == {
        "owner": 200, "admin": 200, "inspector": 403, "commander": 403, "neighbour": 404, "stranger": 404,
    }  # fmt: skip
    owner, inspector = clients["owner"], str(who["inspector"].id)
    assert f'value="{inspector}"' in owner.get(door).content.decode()
    pushed = owner.post(f"/desk/alarms/{episode.pk}/assign", {"assignee": inspector, "back": "state=all"})
    assert pushed.url == "/desk/alarms?state=all"
    mine = {name: clients[name].get("/desk/alarms?mine=1").context["found"].total for name in ("owner", "inspector")}
    assert mine == {"owner": 0, "inspector": 1}
    bell = clients["inspector"].get("/desk/notices/bell").content.decode()
    assert f"/desk/alarms/{episode.pk}" in bell and "请处置" in bell


def test_a_list_offers_only_what_may_be_done(episode: Episode, clients: dict[str, Client]) -> None:
    offered = {}
    for name in ("owner", "inspector", "commander"):
        page = clients[name].get("/desk/alarms").content.decode()
        offered[name] = ('name="alarm"' in page, 'id="acknowledge"' in page, 'data-dialog="push"' in page)
        assert str(episode.pk) in page
    # The inspector was not told, the commander may only look.
    assert offered == {"owner": (True,) * 3, "inspector": (False,) * 3, "commander": (False,) * 3}


def test_filters_counts_and_stable_pages(
    rule: Rule,
    keep: Keep,
    clients: dict[str, Client],
) -> None:
    rule.red_when = "value > 100.0"
    rule.save()
    one = new_device()
    for n in range(60):
        keep(rows(one, [75 if n % 3 else 120, 60], NOON + 2 * n * MINUTE))
        evaluate(NOON + 2 * n * MINUTE + 2 * MINUTE)
    assert Episode.objects.count() == 60
    owner = clients["owner"]
    first = owner.get("/desk/alarms")
    assert len(first.context["lines"]) == 50
    assert first.context["found"].counts == {"red": 20, "orange": 0, "yellow": 40, "blue": 0}
    keep(rows(one, [75, 60], NOON + 200 * MINUTE))
    evaluate(NOON + 202 * MINUTE)
    second = owner.get(f"/desk/alarms?{first.context['older']}")
    shown = [line["episode"].pk for line in (*first.context["lines"], *second.context["lines"])]
    assert len(shown) == len(set(shown)) == 60, "a new alarm moves no page"
    for query, number in (
        ("level=red", 20), ("level=orange", 0), ("state=closed", 0), ("layer=sewage_plants", 0), ("region=511703", 0),
        ("region=511702&level=red", 20), ("begin=2026-11-21", 0), ("begin=2026-11-20&end=2026-11-20&level=red", 20),
        (f"rule={rule.pk}&level=red", 20), (f"feature={one.feature}&level=red", 20), ("late=1", 0), ("q=zzz", 0),
    ):  # fmt: skip
        assert owner.get(f"/desk/alarms?{query}").context["found"].total == number, query
    for query in ("level=pink", "state=x", "rule=x", "begin=x", "feature=x"):
        assert owner.get(f"/desk/alarms?{query}").status_code == 400, query
    with CaptureQueriesContext(connection) as many:
        owner.get("/desk/alarms")
    with CaptureQueriesContext(connection) as few:
        owner.get("/desk/alarms?level=blue")
    assert abs(len(many) - len(few)) <= 2


def test_the_list_leaves_as_excel_and_csv_and_no_formula_starts(episode: Episode, clients: dict[str, Client]) -> None:
    index = FeatureIndex.objects.get(pk=episode.feature_id)
    from layers.environment.models import Monitor

    Monitor.objects.filter(pk=index.pk).update(name="=1+1")
    answer = clients["owner"].get("/desk/alarms/export?format=csv")
    body = b"".join(answer.streaming_content).decode("utf-8-sig")
    (line,) = list(csv.DictReader(io.StringIO(body)))
    assert (line["级别"], line["峰值"], line["限值"], line["名称"]) == ("黄色", "90.0", "70.0", "'=1+1")
    answer = clients["owner"].get("/desk/alarms/export?format=xlsx")
    book = openpyxl.load_workbook(io.BytesIO(b"".join(answer.streaming_content)))
    assert book.active is not None
    assert [cell.value for cell in book.active[2]][:3] == ["黄色", "待确认", "PM10"]
    assert clients["owner"].get("/desk/alarms/export?format=pdf").status_code == 400


VALUES: dict[str, Any] = {
    "name": "新规则", "kind": "measure", "layer": "monitors", "region": "511702", "codes": "", "span": "0",
    "window": "0", "standard": "", "minutes": "", "grade": "", "stage": "", "threshold": "70",
    "condition": "value > limit * 1.5",
    "clear": "", "for_minutes": "0", "n_least": "1", "clear_minutes": "0", "level": "orange", "red_when": "",
    "orange_when": "", "yellow_when": "", "period": "", "weekdays": "1234567", "valid_from": "2026-01-01",
    "valid_to": "", "roles": ["supervisor"], "names": "commander", "template": "alarm", "citation": "",
}  # fmt: skip


@pytest.fixture
def values(rule: Rule) -> dict[str, Any]:
    return VALUES | {"factor": str(rule.factor_id)}


def test_a_rule_is_written_where_one_may_change_every_feature(
    values: dict[str, Any], clients: dict[str, Client]
) -> None:
    assert clients["owner"].post("/desk/rules/new", values).status_code == 302
    made = Rule.objects.get(name="新规则")
    assert [user.username for user in made.users.all()] == ["commander"]
    assert Entry.objects.get(layer="rule", object_id=str(made.pk)).action == "create rule"
    for region in ("", "511700", "511703"):
        answer = clients["owner"].post("/desk/rules/new", values | {"region": region})
        assert answer.status_code == 400, region
    for name in ("inspector", "commander"):
        assert clients[name].post("/desk/rules/new", values).status_code == 403
        assert clients[name].post(f"/desk/rules/{made.pk}", values).status_code == 403
        assert clients[name].post(f"/desk/rules/{made.pk}/switch", {"on": "0"}).status_code == 403
        assert clients[name].get(f"/desk/rules/{made.pk}").status_code == 200
    for name in ("neighbour", "stranger"):
        assert clients[name].post(f"/desk/rules/{made.pk}", values).status_code == 403
    assert clients["nobody"].get("/desk/rules").status_code in (302, 401)
    assert clients["admin"].post("/desk/rules/new", values | {"region": "", "name": "全市"}).status_code == 302
    assert Rule.objects.filter(name__in=("新规则", "全市")).count() == 2
    made.refresh_from_db()
    assert (made.enabled, made.version) == (True, 1)


@pytest.mark.covers("DZ-347")
def test_a_changed_threshold_and_level_hold_for_the_next_value_and_are_logged(
    values: dict[str, Any],
    clients: dict[str, Client],
    device: Device,
    keep: Keep,
) -> None:
    Rule.objects.update(enabled=False)
    owner = clients["owner"]
    owner.post("/desk/rules/new", values)
    made = Rule.objects.get(name="新规则")
    keep(rows(device, [100]))
    evaluate(NOON + SECOND)
    assert not Episode.objects.exists()
    assert owner.post(f"/desk/rules/{made.pk}", values | {"threshold": "60", "level": "red"}).status_code == 302
    keep(rows(device, [100], NOON + MINUTE))
    evaluate(NOON + MINUTE + SECOND)
    found = Episode.objects.get()
    assert (found.level, found.limit, found.began_at) == ("red", 60, NOON + MINUTE)
    entry = Entry.objects.get(layer="rule", object_id=str(made.pk), action="change rule")
    assert entry.changes == {"threshold": [70.0, 60.0], "level": ["orange", "red"]}
    page = owner.get(f"/desk/rules/{made.pk}").content.decode()
    assert "<del>70.0</del>" in page
    owner.post(f"/desk/rules/{made.pk}/switch", {"on": "0"})
    keep(rows(device, [200], NOON + 2 * MINUTE))
    evaluate(NOON + 2 * MINUTE + SECOND)
    assert Episode.objects.get().count == 1


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("condition", "value >"), ("condition", "wert > 3"), ("condition", "value > limit * 2"), ("condition", ""),
        ("clear", "size('x') > 1"), ("red_when", "value"), ("weekdays", "8"), ("threshold", ""), ("codes", "nothing"),
        ("names", "nobody-here"), ("valid_to", "2020-01-01"), ("factor", ""), ("standard", "GB 0"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_is_not_written(
    values: dict[str, Any], clients: dict[str, Client], field: str, text: str
) -> None:
    before = Rule.objects.count()
    answer = clients["owner"].post("/desk/rules/new", values | {field: text})
    assert answer.status_code == 400
    assert "field-error" in answer.content.decode() or "notice bad" in answer.content.decode()
    assert Rule.objects.count() == before


def test_a_dry_run_says_what_would_have_been_and_writes_nothing(
    values: dict[str, Any],
    clients: dict[str, Client],
    keep: Keep,
) -> None:
    from django.utils import timezone

    one, now = new_device(), timezone.now().replace(microsecond=0)
    keep(rows(one, [200, 60, 200, 60], now - 30 * MINUTE))
    rules, before = Rule.objects.count(), Episode.objects.count()
    answer = clients["owner"].post("/desk/rules/new", values | {"dry": "1"})
    assert answer.status_code == 200
    assert answer.context["dry"].episodes == 2
    assert "<strong>2</strong>" in answer.content.decode()
    assert (Rule.objects.count(), Episode.objects.count()) == (rules, before)


def test_limits_are_read_by_many_and_written_by_administrators(clients: dict[str, Client]) -> None:
    row = Limit.objects.get(standard="GB 12523", version="2025", factor="LA", period="night")
    for name in PEOPLE:
        page = clients[name].get("/desk/limits")
        assert page.status_code == 200, name
        assert "GB 12523" in page.content.decode()
    assert clients["nobody"].get("/desk/limits").status_code in (302, 401)
    sent = {
        "standard": "GB 12523", "version": "2025", "factor": "LA", "minutes": "20", "value": "50", "unit": "dB(A)",
        "period": "night", "allowed": "0", "valid_from": "2026-01-01", "valid_to": "", "citation": "核对", "low": "",
        "grade": "", "stage": "", "region": "", "given": "", "given_most": "", "verified": "on",
    }  # fmt: skip
    for name in ("owner", "commander", "stranger"):
        assert clients[name].get(f"/desk/limits/{row.pk}").status_code == 403
        assert clients[name].post(f"/desk/limits/{row.pk}", sent).status_code == 403
        assert clients[name].post("/desk/limits/new", sent).status_code == 403
    admin = clients["admin"]
    assert admin.post(f"/desk/limits/{row.pk}", sent | {"value": ""}).status_code == 400
    assert admin.post(f"/desk/limits/{row.pk}", sent | {"valid_to": "2020-01-01"}).status_code == 400
    assert admin.post("/desk/limits/new", sent).status_code == 400, "the row is there already"
    assert admin.get("/desk/limits/99999999").status_code == 404
    assert admin.post(f"/desk/limits/{row.pk}", sent).status_code == 302
    row.refresh_from_db()
    assert row.value == 50
    assert Entry.objects.get(layer="limit", object_id=str(row.pk)).changes["value"] == [55.0, 50.0]
    assert admin.get("/desk/limits?past=1&standard=GB 3095").status_code == 200


def test_who_sees_no_measurements_has_no_alarms_in_the_bar(db: None) -> None:
    user = User.objects.create_user("outsider", password="x")
    browser = Client(SERVER_NAME="127.0.0.1")
    browser.force_login(user)
    page = browser.get("/desk").content.decode()
    assert "/desk/alarms" not in page
    assert browser.get("/desk/limits").status_code == 404
    Membership.objects.create(user=user, role=Role.INSPECTOR, region_id="511702")


def test_names_are_shown_as_text(episode: Episode, clients: dict[str, Client]) -> None:
    from layers.environment.models import Monitor

    Monitor.objects.filter(pk=episode.feature_id).update(name="<script>alert(1)</script>")
    clients["owner"].post(f"/desk/alarms/{episode.pk}/comment", {"text": "<img src=x onerror=alert(1)>"})
    for address in ("/desk/alarms", f"/desk/alarms/{episode.pk}"):
        page = clients["owner"].get(address).content.decode()
        assert "<script>alert(1)" not in page
        assert "<img src=x" not in page


@pytest.mark.parametrize(
    ("sent", "kept"), [("weekdays=7&weekdays=1", "17"), ("weekdays=1234567", "1234567"), ("", ""), ("weekdays=8", "8")]
)
def test_weekdays_are_boxes_of_one_text(sent: str, kept: str) -> None:
    """What is no day is refused by the rule itself."""
    widget = Weekdays(choices=DAYS)
    assert widget.value_from_datadict(QueryDict(sent), {}, "weekdays") == kept
    assert widget.render("weekdays", "17").count("checked") == 2
