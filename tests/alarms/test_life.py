"""What people do with alarms, who may, what it leaves behind; deadlines, silence and reports by a moved clock."""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from layers.environment.models import Monitor
from services.access.errors import Conflict, Invalid, NotFound, Refused
from services.access.principal import PUBLIC, Principal, principal_of
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.alarms import sweeps
from services.alarms.actions import acknowledge_all, act, allowed, assignees, counts, episodes
from services.alarms.evaluate import SHARDS, evaluate
from services.alarms.irregular import report
from services.alarms.models import Act, Deadline, Episode, Rule, Told
from services.audit.models import Entry
from services.notify.models import Contact, Message
from services.telemetry import partitions
from services.telemetry.models import Device, Presence
from services.telemetry.store import Row
from tests.alarms.conftest import MINUTE, NOON, SECOND, new_device, new_rule, rows

pytestmark = pytest.mark.django_db
Keep = Callable[[Iterable[Row]], Any]
Who = dict[str, Principal]


@pytest.fixture
def episode(rule: Rule, device: Device, keep: Keep) -> Episode:
    """An open one in the owner's county."""
    keep(rows(device, [75]))
    evaluate(NOON + SECOND)
    return Episode.objects.get()


@pytest.fixture
def builder(device: Device, django_user_model: Any) -> User:
    """Somebody of the contractor of the project at whose site the device stands."""
    site = Monitor.objects.get(pk=device.feature).project
    assert site is not None
    party = site.parties.order_by("pk").first()
    user = User.objects.create_user("builder", password="x", email="builder@example.com")
    Membership.objects.create(user=user, role=Role.CONTRACTOR, organisation_id=party.pk)
    return user


@pytest.mark.covers("DZ-085")
def test_the_whole_life_by_two_people(rule: Rule, builder: User, device: Device, keep: Keep, who: Who) -> None:
    rule.roles = ["supervisor", "contractor"]
    rule.save()
    keep(rows(device, [75]))
    evaluate(NOON + SECOND)
    episode, owner, theirs = Episode.objects.get(), who["owner"], principal_of(builder)
    assert {t.user.username for t in episode.told.all()} >= {"owner", "builder"}
    assert set(allowed(theirs, episode)) == {"acknowledge", "handle", "comment"}
    assert set(allowed(owner, episode)) == {"acknowledge", "assign", "rectify", "handle", "false", "comment"}
    act(owner, episode.pk, "acknowledge")
    assert builder in assignees(episode)
    act(owner, episode.pk, "assign", "请立即开启喷淋", assignee=builder.pk)
    with pytest.raises(Invalid):
        act(theirs, episode.pk, "handle", "  ")
    act(theirs, episode.pk, "handle", "喷淋已开启，裸土已覆盖", disposition="measures")
    with pytest.raises(Refused):
        act(theirs, episode.pk, "close", "自行关闭")
    act(owner, episode.pk, "reopen", "照片不清楚")
    act(theirs, episode.pk, "handle", "已补充照片")
    done = act(owner, episode.pk, "close", "属实")
    assert (done.state, done.disposition, done.assignee) == ("closed", "measures", builder)
    assert done.acknowledged_at and done.handled_at and done.closed_at
    kinds = ["raised", "acknowledged", "assigned", "handled", "reopened", "handled", "closed"]
    assert [a.kind for a in done.acts.all()] == kinds
    entries = Entry.objects.filter(layer="alarm", object_id=str(episode.pk)).order_by("pk")
    assert [e.action for e in entries] == [
        "acknowledge alarm", "assign alarm", "handle alarm", "reopen alarm", "handle alarm", "close alarm",
    ]  # fmt: skip
    handled = Message.objects.get(user=who["owner"].id, subject__startswith="已处置", body__contains="喷淋已开启")
    assert "builder" in handled.body
    assert Message.objects.filter(user=builder, subject__startswith="请处置").count() == 1
    with pytest.raises(Conflict):
        act(owner, episode.pk, "acknowledge")


def test_nobody_reaches_a_foreign_alarm(episode: Episode, who: Who) -> None:
    for name in ("neighbour", "stranger"):
        assert not episodes(who[name]).exists()
        for move in ("acknowledge", "comment", "close", "false"):
            with pytest.raises(NotFound):
                act(who[name], episode.pk, move, "x")
    assert not episodes(PUBLIC).exists()
    with pytest.raises(NotFound):
        act(PUBLIC, episode.pk, "acknowledge")
    assert list(episodes(who["inspector"])) == [episode], "sees it, but it is not theirs to do"
    assert allowed(who["inspector"], episode) == []
    with pytest.raises(Refused):
        act(who["inspector"], episode.pk, "acknowledge")
    assert list(episodes(who["commander"])) == list(episodes(who["admin"])) == [episode]
    assert Act.objects.count() == 1


def test_an_act_that_cannot_be_leaves_nothing(episode: Episode, who: Who) -> None:
    owner = who["owner"]
    for name, text, more, error in (
        ("close", "x", {}, Conflict), ("reopen", "x", {}, Conflict), ("assign", "", {}, Invalid),
        ("assign", "", {"assignee": who["stranger"].id}, Invalid), ("false", "", {}, Invalid),
        ("handle", "x", {"disposition": "none"}, Invalid), ("explode", "", {}, NotFound),
    ):  # fmt: skip
        with pytest.raises(error):
            act(owner, episode.pk, name, text, **more)
    episode.refresh_from_db()
    assert (episode.state, episode.assignee, Act.objects.count()) == ("open", None, 1)


def test_a_permit_for_the_night_changes_the_disposition_and_not_the_limit(episode: Episode, who: Who) -> None:
    done = act(who["owner"], episode.pk, "handle", "夜间施工许可 2026-118 号", disposition="night_permit")
    assert (done.disposition, done.limit, done.state) == ("night_permit", 70, "handled")


def test_many_at_once_and_only_those_that_can_be(rule: Rule, keep: Keep, who: Who) -> None:
    several = [new_device() for _n in range(3)]
    for device in several:
        keep(rows(device, [75]))
    evaluate(NOON + SECOND)
    pks = list(Episode.objects.values_list("pk", flat=True))
    act(who["owner"], pks[0], "acknowledge")
    assert acknowledge_all(who["neighbour"], pks) == (0, 3)
    assert acknowledge_all(who["owner"], [*pks, pks[1]]) == (2, 1)
    assert set(Episode.objects.values_list("state", flat=True)) == {"acknowledged"}


def test_i4_two_open_episodes_of_one_exceedance_cannot_be(episode: Episode) -> None:
    twin = Episode(
        rule=episode.rule, device=episode.device, factor=episode.factor, level="red", began_at=NOON, last_at=NOON
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save(force_insert=True)


def test_deadlines_go_up_the_chain_once_each(episode: Episode, who: Who) -> None:
    Deadline.objects.all().delete()
    first = Deadline.objects.create(level="yellow", step="acknowledge", minutes=30, roles=["supervisor"])
    up = Deadline.objects.create(level="yellow", step="handle", minutes=60, roles=["commander"], raise_to="orange")
    raised = episode.raised_at
    assert sweeps.deadlines(raised + 29 * MINUTE) == 0
    assert sweeps.deadlines(raised + 31 * MINUTE) == 1
    assert sweeps.deadlines(raised + 32 * MINUTE) == 0
    assert episode.acts.get(kind="overdue").deadline == first
    act(who["owner"], episode.pk, "acknowledge")
    assert sweeps.deadlines(raised + 61 * MINUTE) == 1
    episode.refresh_from_db()
    assert episode.level == "orange"
    assert Told.objects.filter(user=who["commander"].id, kind="overdue").exists()
    told = Message.objects.get(user=who["commander"].id)
    assert "60" in told.body and told.level == "orange"
    assert episode.acts.filter(deadline=up).count() == 1
    act(who["owner"], episode.pk, "handle", "已处置")
    assert sweeps.deadlines(raised + timedelta(days=30)) == 0


def test_a_rule_with_deadlines_of_its_own_has_no_others(episode: Episode) -> None:
    Deadline.objects.all().delete()
    Deadline.objects.create(level="yellow", step="acknowledge", minutes=5)
    Deadline.objects.create(rule=episode.rule, level="yellow", step="acknowledge", minutes=500)
    assert sweeps.deadlines(episode.raised_at + 100 * MINUTE) == 0
    assert sweeps.deadlines(episode.raised_at + 501 * MINUTE) == 1


def test_silence_is_one_episode_until_the_device_is_heard(rule: Rule, device: Device) -> None:
    Rule.objects.filter(pk=rule.pk).update(enabled=False)
    silent = new_rule(kind="silence", factor=None, for_minutes=30, threshold=None)
    assert sweeps.silence(NOON + 29 * MINUTE) == 0
    restart = NOON + 25 * MINUTE
    assert sweeps.silence(NOON + 54 * MINUTE, restart) == 0, "the product was down: it heard nobody"
    assert sweeps.silence(NOON + 31 * MINUTE) == 1
    assert sweeps.silence(NOON + 90 * MINUTE) == 0
    episode = Episode.objects.get()
    assert (episode.rule, episode.began_at, episode.ended_at) == (silent, NOON, None)
    Presence.objects.filter(device=device).update(seen_at=NOON + 100 * MINUTE)
    assert sweeps.silence(NOON + 101 * MINUTE) == 1
    episode.refresh_from_db()
    assert episode.ended_at == NOON + 100 * MINUTE
    assert sweeps.silence(NOON + 140 * MINUTE) == 1, "a new silence is a new one"
    device.state = "blocked"
    device.save()
    assert sweeps.silence(NOON + 150 * MINUTE) == 1, "a device out of use is not waited for"
    assert not Episode.objects.filter(ended_at=None).exists()


def test_f21_a_flood_of_reports_is_one_alarm(rule: Rule, device: Device) -> None:
    new_rule(kind="report", factor=None, threshold=None, for_minutes=0)
    link = partitions.raw()
    for _n in range(50):
        report(link, device.pk, "flood", "20 packets a second")
    now = timezone.now()
    assert sweeps.reports(now) == 1
    for _n in range(50):
        report(link, device.pk, "flood")
    assert sweeps.reports(now + MINUTE) == 0
    episode = Episode.objects.get()
    assert (episode.subject, episode.count, episode.ended_at) == ("flood", 100, None)
    assert Message.objects.filter(dedupe_key__startswith=f"alarm:{episode.pk}").values("user").distinct().count() == (
        Message.objects.filter(dedupe_key__startswith=f"alarm:{episode.pk}").count()
    )
    assert sweeps.reports(now + 10 * MINUTE) == 1
    assert not Episode.objects.filter(ended_at=None).exists()


@pytest.mark.covers("DZ-083", "DZ-084")
def test_sms_and_mail_go_to_the_polluter_and_to_the_supervisor(
    rule: Rule, builder: User, device: Device, keep: Keep, who: Who
) -> None:
    from services.notify.models import Channel, Contact, Delivery

    for kind in ("email", "sms_http"):
        Channel.objects.create(name=kind, kind=kind, settings={})
    for user, mobile in ((builder, "13800138001"), (User.objects.get(username="owner"), "13800138002")):
        Contact.objects.create(user=user, mobile=mobile, email=f"{user.username}@example.com")
    rule.roles, rule.level = ["supervisor", "contractor"], "red"
    rule.save()
    keep(rows(device, [75]))
    evaluate(NOON + SECOND)
    episode = Episode.objects.get()
    sent = {
        (d.channel.kind, d.message.user.username, d.address)  # type: ignore[union-attr]
        for d in Delivery.objects.filter(message__dedupe_key__startswith=f"alarm:{episode.pk}")
    }
    assert sent >= {
        ("sms_http", "builder", "13800138001"), ("sms_http", "owner", "13800138002"),
        ("email", "builder", "builder@example.com"), ("email", "owner", "owner@example.com"),
    }  # fmt: skip
    assert {t.user.username for t in episode.told.all()} >= {"owner", "builder"}


def test_counts_by_feature_and_level_for_grids(rule: Rule, keep: Keep, who: Who) -> None:
    one, two = new_device(), new_device()
    keep(rows(one, [75, 60, 75, 60]))
    keep(rows(two, [75]))
    evaluate(NOON + 5 * MINUTE)
    begin, end = NOON - MINUTE, NOON + 10 * MINUTE
    assert counts(who["owner"], begin, end) == {one.feature: {"yellow": 2}, two.feature: {"yellow": 1}}
    assert counts(who["owner"], begin, end, [two.feature]) == {two.feature: {"yellow": 1}}
    assert counts(who["owner"], begin, NOON + MINUTE)[one.feature] == {"yellow": 1}
    assert counts(who["neighbour"], begin, end) == {}


def test_queries_do_not_grow_with_the_number_of_devices(rule: Rule, device: Device, keep: Keep) -> None:
    """Gathering is set-based: more calm devices of a shard cost no query more."""

    def taken(number: int) -> int:
        for _n in range(number * SHARDS):
            keep(rows(new_device(feature=device.feature), [50]))
        with CaptureQueriesContext(connection) as queries:
            evaluate(NOON + SECOND)
        return len(queries)

    few = taken(1)
    assert few > 0
    assert taken(4) <= few


def test_everybody_hears_of_an_alarm_in_their_language(rule: Rule, device: Device, keep: Keep, who: Who) -> None:
    Contact.objects.create(user_id=who["owner"].id, language="en")
    rule.name = "监测设备通信异常"
    rule.roles = ["supervisor"]
    rule.save()
    rule.users.add(User.objects.get(pk=who["neighbour"].id))
    with translation.override("zh-hans"):
        keep(rows(device, [75]))
        evaluate(NOON + SECOND)
    Deadline.objects.all().delete()
    Deadline.objects.create(level=rule.level, step="acknowledge", minutes=7, roles=["supervisor"])
    sweeps.deadlines(timezone.now() + timedelta(minutes=8))
    episode = Episode.objects.get()
    english = Message.objects.filter(user=who["owner"].id, link=f"/desk/alarms/{episode.pk}").order_by("pk")
    raised, overdue = english
    place = str(Monitor.objects.get(pk=device.feature))
    assert raised.subject == f"{translated(rule.name, 'en')}: {place}" != f"{rule.name}: {place}"
    assert "within 7 minutes" in overdue.body and translated("待确认", "en") in overdue.body
    for message in english:
        rest = (message.subject + message.body).replace(place, "")
        assert not re.search("[\u4e00-\u9fff]", rest), rest
    chinese = Message.objects.get(user=who["neighbour"].id, link=f"/desk/alarms/{episode.pk}")
    assert chinese.subject == f"监测设备通信异常：{place}"


def translated(text: str, language: str) -> str:
    with translation.override(language):
        return translation.gettext(text)
