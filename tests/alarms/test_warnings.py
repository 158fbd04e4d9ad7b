"""Warnings of modules: raised once by whoever, seen by whom they concern, handled like every other alarm."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone, translation
from django.utils.translation import gettext_noop

from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.accounts.models import User
from services.alarms import kinds, listing, sweeps
from services.alarms.actions import act, allowed, assignees, episodes
from services.alarms.kinds import WarningKind
from services.alarms.models import Act, Episode, Level, Rule, Told
from services.alarms.raising import aend_warning, araise_warning, end_others, end_warning, raise_warning
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.live import outbox
from services.live.frames import Drawing
from services.notify.models import Message
from services.telemetry.partitions import raw
from tests.alarms.conftest import MINUTE, NOON, new_device
from tests.conftest import HOME, client

pytestmark = pytest.mark.django_db
Who = dict[str, Principal]
PEOPLE = ("owner", "neighbour", "stranger", "inspector", "commander", "admin")
ADMINS = {"admin", "demo-admin"}
LATE = WarningKind(
    "test-late", gettext_noop("超期上报"), "projects", roles=("supervisor",), advice=gettext_noop("请填写说明。"),
    unit="d",
)  # fmt: skip
STUCK = WarningKind("test-stuck", gettext_noop("设备静默"), level="orange")


@pytest.fixture
def late(db: None) -> Rule:
    """A kind that hangs at projects."""
    return kinds.keep("alarms", LATE)


@pytest.fixture
def stuck(db: None) -> Rule:
    """A kind about the platform itself."""
    return kinds.keep("alarms", STUCK)


@pytest.fixture
def project(db: None) -> FeatureIndex:
    """A project of the owner's county."""
    found = FeatureIndex.objects.filter(layer="projects", region_code__startswith=HOME).order_by("pk").first()
    assert found is not None
    return found


def raised(feature: UUID, subject: str = "", **more: Any) -> Episode:
    """A warning that was raised."""
    made = raise_warning("test-late", subject, feature=feature, at=NOON, text="%(step)s期限 %(minutes)d 分钟",
                         given={"step": "A", "minutes": 5}, **more)  # fmt: skip
    assert made is not None
    return made


def test_however_often_it_is_raised_one_stands(late: Rule, project: FeatureIndex) -> None:
    one = raised(project.pk, value=3, limit=2)
    again = raise_warning("test-late", feature=project.pk, at=NOON + MINUTE, value=5, limit=2)
    lower = raise_warning("test-late", feature=project.pk, at=NOON + 2 * MINUTE, value=4, limit=2, level="blue")
    assert one == again == lower
    one.refresh_from_db()
    assert (one.count, one.value, one.peak, one.peak_at, one.limit) == (3, 4, 5, NOON + MINUTE, 2)
    assert (one.began_at, one.last_at, one.ended_at, one.level) == (NOON, NOON + 2 * MINUTE, None, "yellow")
    assert [a.kind for a in one.acts.all()] == ["raised"]
    assert raised(project.pk, "other").pk != one.pk
    raise_warning("test-late", feature=project.pk, level="red", at=NOON + 3 * MINUTE)
    one.refresh_from_db()
    assert (one.level, [a.kind for a in one.acts.all()]) == ("red", ["raised", "worsened", "assigned"])


def test_it_ends_once_and_may_begin_anew(late: Rule, project: FeatureIndex) -> None:
    one = raised(project.pk)
    assert end_warning("test-late", feature=project.pk, at=NOON + MINUTE) is True
    assert end_warning("test-late", feature=project.pk) is False
    one.refresh_from_db()
    assert (one.ended_at, one.state) == (NOON + MINUTE, "open"), "what people have to do stays to be done"
    assert raised(project.pk).pk != one.pk
    assert list(one.acts.values_list("kind", flat=True)) == ["raised", "ended"]


def test_whoever_sees_everything_ends_what_is_not_so_any_more(late: Rule, project: FeatureIndex) -> None:
    first, second, third = raised(project.pk, "1"), raised(project.pk, "2"), raised(project.pk, "3")
    assert end_others("test-late", {("2", project.pk)}, NOON + MINUTE) == 2
    for row, ended in ((first, True), (second, False), (third, True)):
        row.refresh_from_db()
        assert (row.ended_at is not None) == ended


def test_two_open_ones_cannot_be(late: Rule, stuck: Rule, project: FeatureIndex) -> None:
    raised(project.pk)
    raise_warning("test-stuck", at=NOON)
    for values in ({"rule": late, "feature": project}, {"rule": stuck}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Episode.objects.create(level="red", began_at=NOON, last_at=NOON, **values)
    other = FeatureIndex.objects.filter(layer="projects").exclude(pk=project.pk).first()
    assert other is not None
    assert raised(other.pk).feature_id == other.pk


def test_mistakes_of_the_caller_are_said(late: Rule, stuck: Rule, project: FeatureIndex) -> None:
    foreign = FeatureIndex.objects.exclude(layer="projects").first()
    assert foreign is not None
    for given in (
        {"key": "test-late"}, {"key": "test-stuck", "feature": project.pk}, {"key": "test-late", "feature": foreign.pk},
        {"key": "test-stuck", "level": "pink"}, {"key": "test-stuck", "text": "%(a)s", "given": {"b": 1}},
        {"key": "test-stuck", "text": "100%"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"test-|level|fit"):
            raise_warning(**given)  # type: ignore[arg-type]
    with pytest.raises(LookupError):
        raise_warning("test-nothing")
    assert not Episode.objects.filter(device=None).exists()
    assert raise_warning("test-late", feature=UUID(int=5)) is None, "it was deleted meanwhile"


def test_the_office_decides_whether_where_and_when(late: Rule, project: FeatureIndex) -> None:
    for change in (
        {"enabled": False}, {"region": "511703"}, {"features": [UUID(int=1)]}, {"weekdays": "1"}, {"period": "night"},
        {"valid_from": NOON.date() + timedelta(days=1)},
    ):  # fmt: skip
        standing = raised(project.pk)
        Rule.objects.filter(pk=late.pk).update(**change)
        assert raise_warning("test-late", feature=project.pk, at=NOON + MINUTE) is None, change
        standing.refresh_from_db()
        assert standing.ended_at == NOON + MINUTE, change
        late.save()
        Episode.objects.all().delete()


def test_a_kind_that_is_kept_again_leaves_to_the_office_whom_to_tell(late: Rule) -> None:
    late.roles, late.weekdays = ["commander"], "12345"
    late.save()
    again = kinds.keep("alarms", WarningKind("test-late", "X", "projects", level="red"))
    again.refresh_from_db()
    assert (again.pk, again.name, again.level, again.roles, again.weekdays) == (
        late.pk, "X", "red", ["commander"], "12345",
    )  # fmt: skip


def test_what_is_declared_can_be_raised_and_read_in_both_languages(db: None) -> None:
    keys = [kind.key for _module, kind in kinds.declared()]
    assert len(keys) == len(set(keys))
    rules = Rule.objects.in_bulk(keys, field_name="key")
    for module, kind in kinds.declared():
        assert rules[kind.key].kind == Rule.Kind.MODULE, kind.key
        assert rules[kind.key].module == module
        assert not kind.layer or kind.layer in registry.by_key, kind.key
        assert kind.level in Level.values
        with translation.override("en"):
            for text in filter(None, (kind.name, kind.advice, kind.citation)):
                assert translation.gettext(text) != text, f"{kind.key}: {text} has no English"


def test_it_is_told_handled_and_closed_like_every_alarm(late: Rule, project: FeatureIndex, who: Who) -> None:
    one, owner = raised(project.pk, value=3, limit=2), who["owner"]
    assert set(Told.objects.filter(episode=one).values_list("user__username", flat=True)) >= {"owner"}
    assert not Told.objects.filter(episode=one, user__username__in=("neighbour", "stranger", "inspector")).exists()
    message = Message.objects.get(user=owner.id, link=f"/desk/alarms/{one.pk}")
    assert message.subject == f"超期上报：{project.title}"
    assert message.body == "2026-11-20 12:00。A期限 5 分钟；当前 3 d；限值 2 d；建议：请填写说明。"
    with translation.override("en"):
        assert Act.objects.get(episode=one).words == "A within 5 minutes"
    assert set(allowed(owner, one)) == {"acknowledge", "assign", "rectify", "handle", "false", "comment"}
    act(owner, one.pk, "acknowledge")
    inspector = User.objects.get(username="inspector")
    assert inspector in assignees(one)
    act(owner, one.pk, "assign", "去看看", assignee=inspector.pk)
    act(who["inspector"], one.pk, "handle", "已补报")
    assert act(owner, one.pk, "close").state == "closed"


def test_a_deadline_passes_the_same_way(late: Rule, project: FeatureIndex, who: Who) -> None:
    one = raised(project.pk)
    Episode.objects.filter(pk=one.pk).update(raised_at=timezone.now() - timedelta(days=2))
    assert sweeps.deadlines(timezone.now()) >= 1
    one.refresh_from_db()
    assert one.level == "orange", "yellow ones become orange after a day"
    assert one.acts.filter(kind="overdue").exists()
    assert Message.objects.filter(user=who["owner"].id, subject__startswith="预警超期").exists()


def test_those_of_the_platform_are_for_administrators(stuck: Rule, who: Who) -> None:
    stuck.users.add(User.objects.get(username="owner"))
    one = raise_warning("test-stuck", "pid 7", at=NOON)
    assert one is not None
    assert set(Told.objects.filter(episode=one).values_list("user__username", flat=True)) == ADMINS
    assert {user.username for user in assignees(one)} == ADMINS
    for name in ("owner", "neighbour", "stranger", "inspector", "commander", "public"):
        assert one not in episodes(who[name])
        with pytest.raises(NotFound):
            act(who[name], one.pk, "acknowledge")
    admin = User.objects.get(username="admin")
    with pytest.raises(Invalid):
        act(who["admin"], one.pk, "assign", assignee=User.objects.get(username="owner").pk)
    act(who["admin"], one.pk, "assign", assignee=admin.pk)
    act(who["admin"], one.pk, "handle", "重启")
    assert act(who["admin"], one.pk, "close").state == "closed"


@pytest.fixture
def clients(who: Who) -> dict[str, Client]:
    """Browsers of people, and of nobody."""
    return {name: client(name) for name in PEOPLE} | {"nobody": Client(SERVER_NAME="127.0.0.1")}


@pytest.mark.parametrize("at", ["feature", "platform"])
def test_every_door_shows_a_warning_to_those_whom_it_concerns(
    at: str, late: Rule, stuck: Rule, project: FeatureIndex, clients: dict[str, Client]
) -> None:
    if at == "feature":
        one, sees = raised(project.pk, "Grenzmarke"), {"owner", "inspector", "commander", "admin"}
    else:
        found = raise_warning("test-stuck", "Grenzmarke", at=NOON, level="red")
        assert found is not None
        one, sees = found, {"admin"}
    doors = {
        "/desk/alarms": "Grenzmarke", "/desk/alarms?state=all&q=": "Grenzmarke", f"/desk/alarms/{one.pk}": "Grenzmarke",
        "/desk/alarms/badge": f"level-{one.level}", "/desk/alarms/export?format=csv": "Grenzmarke",
        f"/desk/rules/{one.rule_id}": "模块预警", "/desk/rules": f"/desk/rules/{one.rule_id}",
    }  # fmt: skip
    if at == "feature":
        doors[f"/desk/projects/{project.pk}/alarms"] = "Grenzmarke"
    for address, mark in doors.items():
        for name, browser in clients.items():
            answer = browser.get(address)
            text = (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()
            # Rules of a layer are read by whoever sees the layer; the inspector exports nothing.
            allowed_here = sees | ({"neighbour", "stranger"} if "rules" in address and at == "feature" else set())
            allowed_here -= {"inspector"} if "export" in address else set()
            assert (mark in text) == (name in allowed_here), (address, name)
            if name == "nobody":
                assert answer.status_code in (302, 401)
            elif str(one.pk) in address:
                assert answer.status_code == (200 if name in sees else 404), (address, name)
    for name, browser in clients.items():
        if name in sees:
            continue
        for move in ("acknowledge", "assign", "handle", "close", "false", "comment", "people"):
            sent = browser.get if move == "people" else browser.post
            assert sent(f"/desk/alarms/{one.pk}/{move}", {"text": "x"}).status_code in (302, 401, 404), (name, move)
        browser.post("/desk/alarms/acknowledge", {"alarm": [str(one.pk)]})
    one.refresh_from_db()
    assert (one.state, one.acts.count()) == ("open", 1)


def test_it_is_told_live_to_those_alone(late: Rule, stuck: Rule, project: FeatureIndex, who: Who) -> None:
    link = raw()
    cursor = outbox.now(link).cursor.partition("~")[0]
    one, two = raised(project.pk), raise_warning("test-stuck", at=NOON)
    assert two is not None
    drawing = Drawing(outbox.read(link, cursor))
    for name in (*PEOPLE, "public"):
        text = b"".join(f.data for f in drawing.frames(who[name], "en") if f.topic == "alarms").decode()
        assert (str(one.pk) in text) == (name in ("owner", "inspector", "commander", "admin")), name
        assert (str(two.pk) in text) == (name == "admin"), name
    told = [f.data for f in drawing.frames(who["admin"], "en") if str(two.pk).encode() in f.data]
    assert len(told) == 1
    assert b'"title":"Silence of a device"' in told[0]


def test_counts_hold_them_for_those_who_see_them(late: Rule, stuck: Rule, project: FeatureIndex, who: Who) -> None:
    before = {name: listing.undone(who[name]) for name in PEOPLE}
    raised(project.pk)
    raise_warning("test-stuck", at=NOON)
    for name in PEOPLE:
        more = {level: n - before[name][level] for level, n in listing.undone(who[name]).items()}
        assert more["yellow"] == (1 if name in ("owner", "inspector", "commander", "admin") else 0), name
        assert more["orange"] == (1 if name == "admin" else 0), name


def test_the_office_edits_a_kind_on_the_desk(late: Rule, stuck: Rule, clients: dict[str, Client]) -> None:
    sent = {
        "name": "超期上报", "region": "", "codes": "", "level": "orange", "advice": "催办", "period": "",
        "weekdays": "1234567", "valid_from": "2026-01-01", "valid_to": "", "roles": ["commander"], "names": "",
        "template": "warning", "citation": "",
    }  # fmt: skip
    for name in ("owner", "commander", "inspector"):
        assert clients[name].post(f"/desk/rules/{late.pk}", sent).status_code == 403, name
        assert clients[name].post(f"/desk/rules/{stuck.pk}", sent).status_code == 404, name
        assert clients[name].post(f"/desk/rules/{stuck.pk}/switch", {"on": "0"}).status_code == 404, name
    assert clients["admin"].post(f"/desk/rules/{late.pk}", sent).status_code == 302
    late.refresh_from_db()
    assert (late.level, late.roles, late.advice, late.kind, late.layer, late.key) == (
        "orange", ["commander"], "催办", "module", "projects", "test-late",
    )  # fmt: skip
    assert clients["admin"].post(f"/desk/rules/{stuck.pk}", sent).status_code == 302
    clients["admin"].post(f"/desk/rules/{stuck.pk}/switch", {"on": "0"})
    assert raise_warning("test-stuck") is None
    form = clients["admin"].get("/desk/rules/new").content.decode()
    assert 'value="module"' not in form, "a module declares its kinds; nobody makes one by hand"


def test_a_program_of_asyncio_raises_and_ends(stuck: Rule) -> None:
    async def both() -> tuple[Any, bool]:
        made, _twin = await asyncio.gather(araise_warning("test-stuck", "a"), araise_warning("test-stuck", "a"))
        return made, await aend_warning("test-stuck", "a")

    made, ended = async_to_sync(both)()
    assert (made.subject, ended, Episode.objects.get(rule=stuck).count) == ("a", True, 2)


def test_measured_alarms_and_warnings_stand_side_by_side(late: Rule, project: FeatureIndex) -> None:
    device, rule = new_device(), Rule.objects.filter(kind="measure").first()
    raised(project.pk)
    for n in range(2):
        Episode.objects.create(
            rule=rule, device=device, level="red", began_at=NOON, last_at=NOON, ended_at=None if n else NOON
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        Episode.objects.create(rule=rule, device=device, level="red", began_at=NOON, last_at=NOON)
    assert Episode.objects.count() == 3
