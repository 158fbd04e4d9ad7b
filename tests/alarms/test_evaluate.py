"""From stored readings to episodes: once each, in whatever order values come, late ones apart."""

import random
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from services.alarms.actions import act
from services.alarms.evaluate import evaluate, replay
from services.alarms.models import Act, Episode, Rule, Told, Watch
from services.limits.models import Limit
from services.notify.models import Message
from services.telemetry import partitions, rollups
from services.telemetry.models import Device, Factor
from services.telemetry.spans import Span
from services.telemetry.store import Row
from tests.alarms.conftest import MINUTE, NOON, SECOND, new_device, new_rule, row, rows, seen

pytestmark = pytest.mark.django_db
Keep = Callable[[Iterable[Row]], Any]


def waiting() -> int:
    found = partitions.raw().execute("select count(*) from telemetry_arrival").fetchone()
    assert found is not None
    return int(found[0])


def test_an_exceedance_is_raised_extended_worsened_ended_and_told_once(
    rule: Rule, device: Device, keep: Keep, who: dict[str, Any]
) -> None:
    rule.orange_when, rule.red_when = "value > limit * 1.5", "value > limit * 2.0"
    rule.save()
    steps = [
        (60, []), (75, [(1, None, 1, 75, "yellow")]), (90, [(1, None, 2, 90, "yellow")]),
        (150, [(1, None, 3, 150, "red")]), (120, [(1, None, 4, 150, "red")]), (40, [(1, 5, 4, 150, "red")]),
        (71, [(1, 5, 4, 150, "red"), (6, None, 1, 71, "yellow")]),
    ]  # fmt: skip
    for n, (value, episodes) in enumerate(steps):
        at = NOON + n * MINUTE
        keep([row(device, at, value)])
        assert evaluate(at + 2 * SECOND) == 1
        assert evaluate(at + 2 * SECOND) == 0
        assert seen() == episodes
    first = Episode.objects.order_by("began_at")[0]
    assert [a.kind for a in first.acts.all()] == ["raised", "worsened", "assigned", "ended"], (
        "red ones are given by themselves"
    )
    assert (first.limit, first.value, first.feature_id) == (70, 120, device.feature)
    told = Told.objects.filter(episode=first)
    assert {(t.user_id, t.kind) for t in told} >= {(who["owner"].id, "raised"), (who["owner"].id, "worsened")}
    users = {str(message.user) for message in Message.objects.filter(dedupe_key__startswith=f"alarm:{first.pk}")}
    assert "owner" in users
    assert users.isdisjoint({"neighbour", "stranger", "inspector"})
    raised = Message.objects.get(user=who["owner"].id, dedupe_key=f"alarm:{first.pk}:{first.acts.all()[0].pk}")
    assert (raised.level, raised.link) == ("yellow", f"/desk/alarms/{first.pk}")
    assert "75" in raised.body


def test_f15_the_same_packet_again_changes_nothing(rule: Rule, device: Device, keep: Keep) -> None:
    packet = rows(device, [75, 80, 60])
    for _again in range(3):
        keep(packet)
        evaluate(NOON + 3 * MINUTE)
    assert seen() == [(0, 2, 2, 80, "yellow")]
    assert Act.objects.count() == 2


def test_a_calm_device_leaves_no_memory_and_no_queue(rule: Rule, device: Device, keep: Keep) -> None:
    for n in range(10):
        keep([row(device, NOON + n * MINUTE, 75 if n == 2 else 50)])
        evaluate(NOON + n * MINUTE + SECOND)
    assert not Watch.objects.exists()
    assert waiting() == 0


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"clear": "value < limit - 3.0", "clear_minutes": 2},
        {"for_minutes": 3, "n_least": 2},
        {"window": 3, "clear": "value < limit - 1.0"},
        {"condition": "n_exceeded >= 2"},
    ],
)  # fmt: skip
def test_f16_any_order_of_arrival_gives_the_episodes_of_the_sorted_replay(
    rule: Rule, device: Device, keep: Keep, how: dict[str, Any], seed: int
) -> None:
    source = random.Random(f"{seed} {how}")
    for name, value in how.items():
        setattr(rule, name, value)
    rule.full_clean()
    rule.save()
    level = 70.0
    arrivals = []
    for n in range(70):
        level = source.choice((level, level, 55.0, 69.0, 72.0, 85.0))
        at = NOON + n * MINUTE
        # At most three intervals under way: beyond it is late.
        arrivals.append((at + source.uniform(1, 175) * SECOND, at, level))
    arrivals.sort()
    while arrivals:
        some = [arrivals.pop(0) for _n in range(min(len(arrivals), source.randint(1, 4)))]
        keep(row(device, at, value, received) for received, at, value in some)
        evaluate(some[-1][0])
    folded = replay(rule, [device.pk], NOON - MINUTE, NOON + 200 * MINUTE)[device.pk]
    expected = [
        (run.began_at, run.ended_at, run.last_at, run.count, run.peak, run.level, run.limit) for run in folded.runs
    ]
    names = ("began_at", "ended_at", "last_at", "count", "peak", "level", "limit")
    assert list(Episode.objects.filter(withdrawn=False).order_by("began_at").values_list(*names)) == expected
    assert Episode.objects.count() >= len(expected)


def test_f17_what_comes_late_is_noted_and_raises_no_alarm(rule: Rule, device: Device, keep: Keep) -> None:
    begin = NOON - timedelta(days=29)
    received = NOON
    keep(rows(device, [60, 75, 90, 60, 60, 80], begin, received=received))
    evaluate(NOON)
    assert [(e.late, e.state, e.count, e.peak) for e in Episode.objects.order_by("began_at")] == [
        (True, "closed", 2, 90), (True, "closed", 1, 80),
    ]  # fmt: skip
    assert not Message.objects.exists()
    assert {a.kind for a in Act.objects.all()} == {"late"}
    # The gap within is filled in still later: it is the same exceedance, and only longer.
    keep([row(device, begin + 1.5 * MINUTE, 95, received)])
    evaluate(NOON)
    assert [(e.count, e.peak) for e in Episode.objects.order_by("began_at")] == [(3, 95), (1, 80)]
    # A live one beside it is raised as ever.
    keep([row(device, NOON, 100)])
    evaluate(NOON + SECOND)
    assert [e.late for e in Episode.objects.order_by("began_at")] == [True, True, False]


def test_f17_late_values_within_a_live_episode_are_part_of_it(rule: Rule, device: Device, keep: Keep) -> None:
    keep(rows(device, [75, None, None, None, None, None, None, 80]))
    evaluate(NOON + 8 * MINUTE)
    keep([row(device, NOON + 3 * MINUTE, 90, NOON + 9 * MINUTE)])
    evaluate(NOON + 9 * MINUTE)
    assert [(e.late, e.ended_at) for e in Episode.objects.all()] == [(False, None)]


def test_f28_f29_values_that_do_not_count_raise_the_task_and_no_exceedance(
    rule: Rule, device: Device, keep: Keep
) -> None:
    task = new_rule(kind="quality", condition="n_bad >= 5", clear="n_bad == 0", threshold=None, level="blue")
    keep(rows(device, [88_000.0] * 8, quality="range"))
    evaluate(NOON + 8 * MINUTE)
    (episode,) = Episode.objects.all()
    assert (episode.rule, episode.level, episode.count) == (task, "blue", 4)
    keep(rows(device, [88.0], NOON + 8 * MINUTE))
    evaluate(NOON + 9 * MINUTE)
    episode.refresh_from_db()
    assert episode.ended_at == NOON + 8 * MINUTE
    assert Episode.objects.get(rule=rule).count == 1


def test_hours_and_days_are_judged_when_they_are_over_and_only_where_valid(
    rule: Rule, device: Device, keep: Keep
) -> None:
    rule.enabled = False
    rule.save()
    hourly = new_rule(span=Span.HOUR.value, threshold=100)
    begin = NOON.replace(hour=10)
    keep(rows(device, [150] * 60, begin))
    keep(rows(device, [150] * 30, begin + timedelta(hours=1)))
    evaluate(begin + timedelta(hours=2))
    assert seen() == []
    link = partitions.raw()
    rollups.compute(link, now=begin + timedelta(hours=1, minutes=2))
    evaluate(begin + timedelta(hours=1, minutes=2))
    assert [(e.rule, e.began_at, e.value) for e in Episode.objects.all()] == [(hourly, begin, 150)]
    rollups.compute(link, now=begin + timedelta(hours=2, minutes=2))
    evaluate(begin + timedelta(hours=2, minutes=2))
    assert Episode.objects.get().count == 1, "half an hour is no valid hour"


def test_a_day_is_judged_by_the_limit_of_that_day(rule: Rule, device: Device, keep: Keep) -> None:
    rule.enabled = False
    rule.save()
    new_rule(
        factor=Factor.objects.get(code="a34004"), span=Span.DAY.value, threshold=None, standard="GB 3095",
        minutes=1440, grade="2", valid_from=NOON.date() - timedelta(days=3000),
    )  # fmt: skip
    link = partitions.raw()
    days = [NOON.replace(month=2, day=28, hour=0), NOON.replace(month=3, day=1, hour=0)]
    for day in days:
        partitions.make(link, partitions.month_of(day))
        link.execute(
            "insert into telemetry_rollup (at, mean, device, factor, span, n_valid, n_expected, valid)"
            " select %s, 70, %s, id, 3, 24, 24, true from telemetry_factor where code = 'a34004'",
            [day, device.pk],
        )
        link.execute(
            "insert into telemetry_arrival (device, span, low, high, late) values (%s, 3, %s, %s, false)",
            [device.pk, day, day],
        )
        evaluate(day + timedelta(days=1, minutes=1))
    assert [(e.began_at, e.limit) for e in Episode.objects.all()] == [(days[1], 60)]


@pytest.mark.covers("DZ-346")
def test_a_limit_by_temperature_and_class(rule: Rule, keep: Keep) -> None:
    from layers.sewage.models import SewagePlant

    plant = SewagePlant.objects.filter(standard="1A").order_by("pk").first()
    assert plant is not None
    device = Device.objects.create(protocol="hj212", number="PLANT", state="active", feature=plant.pk)
    new_rule(
        layer="sewage_plants", factor=Factor.objects.get(code="w21003"), threshold=None, standard="GB 18918",
        minutes=1440,
    )  # fmt: skip
    for n, (value, temperature) in enumerate([(6.0, 12.0), (6.0, 12.1), (8.5, 11.0), (5.0, 20.0)]):
        at = NOON + n * MINUTE
        keep([row(device, at, value, factor="w21003"), row(device, at, temperature, factor="w01010")])
        evaluate(at + SECOND)
    assert [(e.limit, e.count, e.ended_at) for e in Episode.objects.all()] == [(5, 2, NOON + 3 * MINUTE)]


def test_rules_apply_to_their_layer_region_and_features(rule: Rule, device: Device, keep: Keep) -> None:
    other = new_device()
    for where, found in (
        ({"region": "511703"}, set()), ({"region": "511700"}, {device, other}), ({"layer": "sewage_plants"}, set()),
        ({"features": [other.feature]}, {other}), ({"enabled": False}, set()),
        ({"valid_to": NOON.date()}, set()), ({}, {device, other}),
    ):  # fmt: skip
        Episode.objects.all().delete()
        Rule.objects.filter(pk=rule.pk).delete()
        Watch.objects.all().delete()
        rule = new_rule(**where)
        partitions.raw().execute("delete from telemetry_reading where device = any(%s)", [[device.pk, other.pk]])
        keep([row(device, NOON, 99), row(other, NOON, 99)])
        evaluate(NOON + SECOND)
        assert set(Episode.objects.values_list("device", flat=True)) == {one.pk for one in found}, where


def test_a_changed_rule_judges_what_comes_from_then_on(rule: Rule, device: Device, keep: Keep) -> None:
    keep(rows(device, [75]))
    evaluate(NOON + SECOND)
    rule.threshold, rule.version = 100.0, 2
    rule.save()
    keep(rows(device, [80], NOON + MINUTE))
    evaluate(NOON + MINUTE + SECOND)
    assert seen() == [(0, 1, 1, 75, "yellow")]


def test_a_condition_that_fails_at_run_time_holds_up_nobody(rule: Rule, device: Device, keep: Keep) -> None:
    broken = new_rule(name="broken")
    Rule.objects.filter(pk=broken.pk).update(condition="low > value")
    new_rule(name="also", condition="value > limit && quality == 'good'")
    keep(rows(device, [75]))
    evaluate(NOON + SECOND)
    assert {e.rule.name for e in Episode.objects.all()} == {"PM10", "also"}


def test_people_and_evaluator_do_not_undo_each_other(
    rule: Rule, device: Device, keep: Keep, who: dict[str, Any]
) -> None:
    keep(rows(device, [75]))
    evaluate(NOON + SECOND)
    episode = Episode.objects.get()
    act(who["owner"], episode.pk, "acknowledge")
    act(who["owner"], episode.pk, "handle", "喷淋已开启")
    keep(rows(device, [90, 60], NOON + MINUTE))
    evaluate(NOON + 3 * MINUTE)
    episode.refresh_from_db()
    assert (episode.state, episode.peak, episode.ended_at) == ("handled", 90, NOON + 2 * MINUTE)
    assert timezone.now() > episode.raised_at


def test_the_standard_rows_are_there_with_their_sources(db: None) -> None:
    assert set(Limit.objects.values_list("standard", flat=True)) >= {"GB 3095", "GB 12523", "GB 18918", "DB51/2682"}
    assert not Limit.objects.filter(citation="").exists()
    assert not Limit.objects.filter(standard="DB51/2682", verified=True).exists()
    for rule in Rule.objects.all():
        rule.full_clean()
