"""The alarm centre: figures that open their lists, rectification, and handling by level in every connected scenario."""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import gettext_noop

from services.access.errors import Invalid, Refused
from services.access.principal import Principal
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.alarms import kinds, listing, sweeps
from services.alarms.actions import act
from services.alarms.evaluate import evaluate
from services.alarms.figures import figures
from services.alarms.kinds import WarningKind
from services.alarms.listing import Filters
from services.alarms.models import Act, Deadline, Episode, Level, Rule, Tier, Told
from services.alarms.raising import end_warning, raise_warning
from services.alarms.telling import responsible
from services.audit.models import Entry
from services.catalog.models import FeatureIndex
from services.notify.models import Absence, Message
from services.telemetry import devices, partitions, presence
from services.telemetry.models import Device, Factor
from services.telemetry.store import Row
from tests.alarms.conftest import MINUTE, NOON, SECOND, new_device, new_rule, row
from tests.conftest import HOME, client

pytestmark = pytest.mark.django_db
Keep = Callable[[Iterable[Row]], Any]
Who = dict[str, Principal]
PEOPLE = ("owner", "neighbour", "stranger", "inspector", "commander", "admin")


@pytest.fixture
def late(db: None) -> Rule:
    """A kind of warning that hangs at projects."""
    return kinds.keep("projects", WarningKind("test-late", gettext_noop("超期上报"), "projects", roles=("supervisor",)))


@pytest.fixture
def stuck(db: None) -> Rule:
    """A kind about the platform itself."""
    return kinds.keep("operations", WarningKind("test-stuck", gettext_noop("设备静默"), level="orange"))


@pytest.fixture
def projects(db: None) -> list[FeatureIndex]:
    """Projects of the owner's county."""
    return list(FeatureIndex.objects.filter(layer="projects", region_code__startswith=HOME).order_by("pk")[:6])


@pytest.fixture
def clients(who: Who) -> dict[str, Client]:
    """Browsers of people, and of nobody."""
    return {name: client(name) for name in PEOPLE} | {"nobody": Client(SERVER_NAME="127.0.0.1")}


def warn(project: FeatureIndex, **more: Any) -> Episode:
    """A warning of now at a project."""
    made = raise_warning("test-late", feature=project.pk, **more)
    assert made is not None
    return made


@pytest.fixture
def city(late: Rule, stuck: Rule, projects: list[FeatureIndex], device: Device, keep: Keep, who: Who) -> None:
    """Alarms of three modules in two counties and about the platform, in many states."""
    Rule.objects.filter(kind="measure").update(enabled=False)
    new_rule()
    keep([row(device, NOON, 90)])
    evaluate(NOON + SECOND)
    away = FeatureIndex.objects.filter(layer="projects", region_code__startswith="511703").first()
    assert away is not None
    warn(away, level="blue")
    raise_warning("test-stuck", at=NOON)
    for n, (level, moves) in enumerate((
        ("red", ()), ("orange", ("acknowledge",)), ("yellow", ("acknowledge", "handle", "close")),
        ("yellow", ("false",)), ("blue", ("handle",)), ("yellow", ("rectify",)),
    )):  # fmt: skip
        one = warn(projects[n % len(projects)], subject=str(n), level=level)
        for move in moves:
            act(who["owner"], one.pk, move, "x", due=timezone.now() + timedelta(days=1))


def test_every_number_opens_exactly_the_list_that_it_counts(city: None, clients: dict[str, Client]) -> None:
    seen = {}
    for name in ("owner", "commander", "admin", "neighbour", "stranger"):
        page = clients[name].get("/desk/alarms/overview?begin=2026-11-01&end=2099-01-01")
        links = re.findall(r'href="/desk/alarms\?([^"]+)">(?:<span>[^<]*</span><strong>)?(\d+)<', page.content.decode())
        for link, number in links:
            query = dict(parse_qsl(link.replace("&amp;", "&")))
            listed = clients[name].get("/desk/alarms", query).context["found"].total
            assert listed == int(number), (name, link)
        seen[name] = {link.split("state=")[0]: number for link, number in links if "state=all" in link}
        assert links or name == "stranger"
    for name, counted in (("owner", 7), ("commander", 8), ("admin", 9), ("neighbour", 1)):
        assert seen[name]["begin=2026-11-01&amp;end=2099-01-01&amp;"] == str(counted), name
    assert any("platform=1" in link for link in seen["admin"])
    assert not any("platform=1" in link for name in seen if name != "admin" for link in seen[name])
    assert any("module=operations" in link for link in seen["admin"])
    assert {"module=environment", "module=projects"} <= {
        part for link in seen["owner"] for part in link.split("&amp;") if part.startswith("module")
    }
    assert clients["nobody"].get("/desk/alarms/overview").status_code in (302, 401)


@pytest.mark.covers("LN-061")
def test_open_and_closed_ones_of_every_module_are_counted_by_a_few_queries(city: None, who: Who) -> None:
    with CaptureQueriesContext(connection) as asked:
        found = figures(who["owner"], Filters())
    assert len(asked) <= 6
    counts = found.total.counts
    assert (counts["all"], counts["undone"], counts["closed"], counts["false"]) == (7, 5, 1, 1)
    assert (counts["open"], counts["acknowledged"], counts["rectifying"], counts["handled"]) == (2, 1, 1, 1)
    assert found.total.share == pytest.approx(1 / 6)
    assert {line.query["level"]: line.counts["all"] for line in found.levels} == {
        "red": 1, "orange": 1, "yellow": 4, "blue": 1,
    }  # fmt: skip
    assert {line.query["module"]: line.counts["all"] for line in found.modules} == {"environment": 1, "projects": 6}
    assert found.took is not None
    for project in FeatureIndex.objects.filter(layer="projects")[:20]:
        warn(project)
    with CaptureQueriesContext(connection) as more:
        figures(who["owner"], Filters())
    assert len(more) == len(asked)


@pytest.mark.covers("LN-061")
def test_a_warning_is_disposed_rectified_and_closed(
    late: Rule, projects: list[FeatureIndex], clients: dict[str, Client], who: Who
) -> None:
    one, owner = warn(projects[0]), clients["owner"]
    address, inspector = f"/desk/alarms/{one.pk}/", User.objects.get(username="inspector")
    assert "责令整改" in owner.get(f"/desk/alarms/{one.pk}").content.decode()
    due = timezone.localtime(timezone.now() + timedelta(days=2))
    sent = {"text": "加固围挡", "due": f"{due:%Y-%m-%dT%H:%M}", "assignee": str(inspector.pk)}
    for wrong in ({"due": ""}, {"due": "2020-01-01T00:00"}, {"text": ""}, {"assignee": str(who["stranger"].id)}):
        owner.post(address + "rectify", sent | wrong)
        one.refresh_from_db()
        assert one.state == "open", wrong
    for name in ("inspector", "commander", "neighbour", "stranger", "nobody"):
        clients[name].post(address + "rectify", sent)
        one.refresh_from_db()
        assert one.state == "open", name
    owner.post(address + "rectify", sent)
    one.refresh_from_db()
    assert (one.state, one.assignee, one.measure) == ("rectifying", inspector, "加固围挡")
    assert one.rectify_by == due.replace(second=0, microsecond=0)
    told = Message.objects.get(user=inspector, link=f"/desk/alarms/{one.pk}")
    assert told.subject.startswith("请限期整改") and "加固围挡" in told.body and f"{due:%Y-%m-%d %H:%M}" in told.body
    assert str(one.pk) in owner.get("/desk/alarms?state=rectifying").content.decode()
    clients["inspector"].post(address + "handle", {"text": "已加固"})
    owner.post(address + "reopen", {"text": "照片不清"})
    one.refresh_from_db()
    assert (one.state, one.rectify_by) == ("assigned", None)
    owner.post(address + "rectify", sent)
    clients["inspector"].post(address + "handle", {"text": "已加固，附照片"})
    owner.post(address + "close", {"text": "复核合格"})
    one.refresh_from_db()
    assert one.state == "closed" and one.closed_at is not None
    assert [a.kind for a in one.acts.all()] == [
        "raised", "rectify", "handled", "reopened", "rectify", "handled", "closed",
    ]  # fmt: skip
    entry = Entry.objects.filter(layer="alarm", object_id=str(one.pk), action="rectify alarm").first()
    assert entry is not None and entry.changes["rectify_by"][1].startswith(f"{one.began_at.year}")


def test_what_is_not_rectified_in_time_is_told_once_for_each_day_that_passed(
    late: Rule, projects: list[FeatureIndex], who: Who
) -> None:
    one, now = warn(projects[0]), timezone.now()
    act(who["owner"], one.pk, "rectify", "加固", due=now + timedelta(days=4), assignee=who["inspector"].id)
    later = now + timedelta(days=3)
    assert (sweeps.deadlines(later), sweeps.rectifications(later)) == (0, 0), "it has a day of its own"
    Episode.objects.filter(pk=one.pk).update(rectify_by=now - MINUTE)
    assert [sweeps.rectifications(timezone.now()) for _n in range(2)] == [1, 0]
    said = one.acts.get(kind="overdue")
    told = set(Told.objects.filter(episode=one, kind="overdue").values_list("user__username", flat=True))
    assert {"commander", "inspector"} <= told, "whom the level names, and whose it is"
    message = Message.objects.get(user=who["inspector"].id, subject__startswith="预警超期")
    assert message.body.startswith("整改期限")
    assert said.deadline is None
    act(who["owner"], one.pk, "rectify", "加固", due=timezone.now() + timedelta(days=1))
    Episode.objects.filter(pk=one.pk).update(rectify_by=timezone.now() + timedelta(seconds=1))
    assert sweeps.rectifications(timezone.now() + timedelta(seconds=2)) == 1, "a new day may be missed anew"


SCENARIOS = (
    "monitors",
    "sewage_plants",
    "power_boxes",
    "cameras",
    "mixer_trucks",
    "locators",
    "mixing_plants",
    "module",
)
"""Dust and noise, water, electricity, cameras that disconnect, fences of vehicles and of people, concrete, modules."""
WARNED = {
    "mixer_trucks": "fence-mixer_trucks", "locators": "fence-locators", "mixing_plants": "concrete-charge"
}  # fmt: skip


def alarm_of(scenario: str, level: str, keep: Keep) -> Episode:
    """An alarm of a level in the owner's county, as the scenario raises it."""
    if scenario == "module":
        kinds.keep("projects", WarningKind("test-late", gettext_noop("超期上报"), "projects", level=level))
        made = raise_warning("test-late", feature=FeatureIndex.objects.filter(
            layer="projects", region_code__startswith=HOME).values_list("pk", flat=True)[0])  # fmt: skip
        assert made is not None
        return made
    feature = FeatureIndex.objects.filter(layer=scenario, region_code__startswith=HOME).order_by("pk").first()
    assert feature is not None
    if scenario in WARNED:
        made = raise_warning(WARNED[scenario], "禁行区", feature=feature.pk, level=level)
        assert made is not None
        return made
    Rule.objects.update(enabled=False)
    if scenario == "cameras":
        return disconnected(feature.pk, level)
    device = new_device(feature=feature.pk)
    code = {"monitors": "a34002", "sewage_plants": "w01018", "power_boxes": "residual"}[scenario]
    new_rule(layer=scenario, factor=Factor.objects.get(code=code), level=level)
    keep([row(device, NOON, 90, factor=code)])
    evaluate(NOON + SECOND)
    return Episode.objects.get(device=device)


def disconnected(camera: UUID, level: str) -> Episode:
    """The alarm of a camera that logged out a minute ago."""
    left = timezone.now() - MINUTE
    Rule.objects.filter(key="camera-silent").update(level=level, enabled=True)
    device = Device.objects.create(protocol="gb28181", number="GONE", feature=camera, state="active", approved_at=NOON)
    devices.heard(partitions.raw(), {device.pk: (left - MINUTE, "10.0.0.1")})
    presence.left(partitions.raw(), {device.pk: presence.Leave(presence.LOGOUT, left)})
    sweeps.silence(timezone.now())
    return Episode.objects.get(device=device)


@pytest.mark.covers("HS-002")
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("level", Level.values)
def test_an_alarm_of_every_scenario_is_handled_by_itself_as_its_level_says(
    scenario: str, level: str, keep: Keep, who: Who
) -> None:
    one, now = alarm_of(scenario, level, keep), timezone.now()
    assert (one.level, one.state) == (level, "open")
    told = set(Told.objects.filter(episode=one, kind="raised").values_list("user__username", flat=True))
    assert "owner" in told
    assert ("commander" in told) == (level in ("red", "orange")), "whom the tier names besides"
    if level in ("red", "orange"):
        assert one.assignee is not None and one.assignee.username in ("owner", "demo-supervisor"), "of the county"
        assert Message.objects.filter(user=one.assignee, subject__startswith="请处置").exists()
    else:
        assert one.assignee is None
    assert one in Episode.objects.filter(pk__in=[e.pk for e in listing.page(who["owner"], Filters(level=level)).rows])
    Episode.objects.filter(pk=one.pk).update(raised_at=now - timedelta(days=4))
    if level != "blue":
        assert sweeps.deadlines(now) >= 1
        one.refresh_from_db()
        assert one.acts.filter(kind="overdue").exists(), "the way up"
        assert one.level == {"red": "red", "orange": "red", "yellow": "orange"}[level]
    else:
        Episode.objects.filter(pk=one.pk).update(ended_at=now - timedelta(minutes=59))
        assert sweeps.closings(now) == 0
        Episode.objects.filter(pk=one.pk).update(ended_at=now - timedelta(minutes=61))
        assert sweeps.closings(now) == 1
        one.refresh_from_db()
        assert (one.state, one.closed_at) == ("closed", now)
        assert one.acts.get(kind="closed").words == "恢复已满 60 分钟，自动办结"


def test_it_goes_to_the_narrowest_reach_on_duty_with_the_least_in_hand(
    late: Rule, projects: list[FeatureIndex]
) -> None:
    Membership.objects.filter(role=Role.INSPECTOR).delete()
    made = {}
    for name, region in (("wide", "511700"), ("near", HOME), ("busy", HOME), ("away", HOME), ("foreign", "511703")):
        made[name] = User.objects.create_user(name, password="x")
        Membership.objects.create(user=made[name], role=Role.INSPECTOR, region_id=region)
    one = warn(projects[0])
    Episode.objects.filter(pk=warn(projects[1]).pk).update(assignee=made["busy"])
    now = timezone.now()
    Absence.objects.create(user=made["away"], since=now - MINUTE, until=now + timedelta(days=1), deputy=made["wide"])
    assert responsible("inspector", one) == made["near"]
    Episode.objects.filter(pk=one.pk).update(assignee=made["near"])
    Episode.objects.filter(pk=warn(projects[2]).pk).update(assignee=made["near"])
    assert responsible("inspector", one) == made["busy"]
    assert responsible("operator", one) not in made.values()


def test_tiers_are_edited_by_administrators_and_hold_for_the_next_alarm(
    late: Rule, projects: list[FeatureIndex], clients: dict[str, Client], who: Who
) -> None:
    page = clients["admin"].get("/desk/tiers")
    tier = Tier.objects.get(level="yellow")
    (_line,) = [line for line in page.context["lines"] if line[0] == tier]
    rows = list(Deadline.objects.filter(rule=None, level="yellow"))
    sent: dict[str, Any] = {
        "yellow-roles": ["commander"], "yellow-assign_role": "inspector", "yellow-close_minutes": "",
        "yellow-deadlines-TOTAL_FORMS": len(rows) + 1, "yellow-deadlines-INITIAL_FORMS": len(rows),
    }  # fmt: skip
    for n, row_ in enumerate(rows):
        sent |= {
            f"yellow-deadlines-{n}-id": row_.pk, f"yellow-deadlines-{n}-step": row_.step,
            f"yellow-deadlines-{n}-minutes": 5, f"yellow-deadlines-{n}-roles": row_.roles,
            f"yellow-deadlines-{n}-raise_to": row_.raise_to,
        }  # fmt: skip
    sent |= {f"yellow-deadlines-{len(rows)}-{name}": "" for name in ("id", "step", "minutes", "raise_to")}
    for name in ("owner", "commander", "inspector", "stranger"):
        assert clients[name].post("/desk/tiers/yellow", sent).status_code == 403, name
        assert clients[name].get("/desk/tiers").status_code == 200
    assert clients["nobody"].post("/desk/tiers/yellow", sent).status_code in (302, 401)
    assert clients["admin"].post("/desk/tiers/pink", sent).status_code == 404
    wrong = sent | {"yellow-deadlines-0-raise_to": "blue"}
    assert clients["admin"].post("/desk/tiers/yellow", wrong).status_code == 400
    assert clients["admin"].post("/desk/tiers/yellow", sent | {"yellow-close_minutes": "1"}).status_code == 400
    assert clients["admin"].post("/desk/tiers/yellow", sent).status_code == 302
    entry = Entry.objects.get(layer="tier", object_id="yellow")
    assert entry.changes["assign_role"] == ["", "inspector"]
    one = warn(projects[0])
    assert one.assignee is not None
    assert one.assignee.memberships.filter(role=Role.INSPECTOR).exists()
    assert Act.objects.filter(episode=one, kind="assigned", user=None).exists()
    assert Told.objects.filter(episode=one, kind="raised", user=who["commander"].id).exists()
    assert sweeps.deadlines(timezone.now() + 6 * MINUTE) >= 1
    more = sent | {
        f"yellow-deadlines-{len(rows)}-step": "close", f"yellow-deadlines-{len(rows)}-minutes": 99,
        f"yellow-deadlines-{len(rows)}-roles": ["admin"], "yellow-deadlines-0-DELETE": "on",
    }  # fmt: skip
    assert clients["admin"].post("/desk/tiers/yellow", more).status_code == 302
    assert Deadline.objects.filter(rule=None, level="yellow", step="close", minutes=99, roles=["admin"]).count() == 1
    assert not Deadline.objects.filter(pk=rows[0].pk).exists()


def test_nothing_can_be_rectified_by_yesterday_or_by_somebody_without_the_right(
    late: Rule, projects: list[FeatureIndex], who: Who
) -> None:
    one = warn(projects[0])
    with pytest.raises(Invalid):
        act(who["owner"], one.pk, "rectify", "x", due=timezone.now())
    with pytest.raises(Refused):
        act(who["inspector"], one.pk, "rectify", "x", due=timezone.now() + MINUTE)
    end_warning("test-late", feature=projects[0].pk)
    done = act(who["owner"], one.pk, "rectify", "x", due=timezone.now() + MINUTE)
    assert done.state == "rectifying", "that it is over closes nothing"


def test_a_rule_has_deadlines_of_its_own(late: Rule, projects: list[FeatureIndex], clients: dict[str, Client]) -> None:
    sent = {
        "deadlines-TOTAL_FORMS": 1, "deadlines-INITIAL_FORMS": 0, "deadlines-0-level": "yellow",
        "deadlines-0-step": "acknowledge", "deadlines-0-minutes": 3, "deadlines-0-roles": ["supervisor"],
        "deadlines-0-raise_to": "red",
    }  # fmt: skip
    address = f"/desk/rules/{late.pk}/deadlines"
    for name in ("owner", "commander", "inspector", "neighbour"):
        assert clients[name].post(address, sent).status_code == 403, name
    clients["admin"].post(address, sent | {"deadlines-0-minutes": ""})
    assert not late.deadlines.exists()
    assert clients["admin"].post(address, sent).status_code == 302
    assert "本规则的处置期限" in clients["admin"].get(f"/desk/rules/{late.pk}").content.decode()
    one = warn(projects[0])
    assert sweeps.deadlines(timezone.now() + 4 * MINUTE) >= 1
    one.refresh_from_db()
    assert one.level == "red"
    assert one.assignee is not None, "the tier that it has come into gives it to somebody"
