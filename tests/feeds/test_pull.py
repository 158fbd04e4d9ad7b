"""Pulling from an existing system: every way of its doors, what arrives, where one is, and what goes wrong."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from ingest.feeds import pulling
from ingest.simulators import existing
from layers.environment.models import Monitor
from layers.sewage.models import SewagePlant
from services.access.errors import Invalid
from services.access.principal import Principal
from services.feeds import jobs, sources
from services.feeds.models import Run, Source
from services.telemetry import devices, features, partitions
from services.telemetry.models import Device, Latest, Presence, Revision
from tests.conftest import HOME, client, connect
from tests.feeds.conftest import BEGIN, MINUTES, STATIONS, Existing, bind, expected, pull, stored

pytestmark = pytest.mark.django_db


Settle = Callable[..., Source]


def test_values_of_an_existing_system_arrive_in_stored_units(bound: Source, plants: dict[str, SewagePlant]) -> None:
    run = pull(bound)
    assert (run.state, run.error, run.problems) == ("done", None, [])
    assert stored(bound) == expected()
    flow = stored(bound, "w00000")
    assert flow == expected("flow", 1 / 3.6), "m³/h is stored as L/s"
    assert stored(bound, "level") == expected("level")
    assert run.counts["new"] == 4 * len(expected())
    features.write(partitions.raw())
    plant = plants["FEED-1"]
    plant.refresh_from_db()
    last = BEGIN + timedelta(minutes=MINUTES - 1)
    assert plant.measured_at == last
    assert plant.cod == stored(bound)["FEED-1", last]
    assert plant.flow == pytest.approx(flow["FEED-1", last] * 3.6)
    assert Presence.objects.get(device__feature=plant.pk).online


def test_stations_wait_for_an_administrator_and_their_data_come_later(
    settle: Settle, admin: Principal, plants: dict[str, SewagePlant], system: Existing
) -> None:
    source = settle()
    run = pull(source)
    assert run.state == "partly"
    assert run.counts["refused"] == run.counts["rows"] == 2 * MINUTES
    assert len(run.problems) == 2, "once a station and not once a row"
    assert stored(source) == {}
    assert sorted(sources.stations(source).values_list("number", "state")) == [
        (f"{source.pk}:{code}", "pending") for code in STATIONS
    ]
    bind(admin, source, plants)
    assert pull(source).counts.get("new", 0) < 4 * len(expected()), "the window has moved on"
    sources.rewind(admin, source.pk, BEGIN)
    run = pull(source)
    assert run.since == BEGIN
    assert stored(source) == expected()


def test_what_was_read_before_changes_nothing(bound: Source, system: Existing) -> None:
    pull(bound)
    before = stored(bound)
    system.misbehave()
    run = pull(bound)
    asked = [call for call in system.calls() if "page=1" in call]
    since = (BEGIN + timedelta(minutes=MINUTES - 1 - bound.overlap)).astimezone(existing.BEIJING)
    assert f"from={since:%Y-%m-%d+%H}%3A{since:%M}%3A00" in asked[0], "from the last time on, less the overlap"
    assert (run.counts.get("new", 0), run.counts["same"]) == (0, 4 * 2 * 11)
    assert stored(bound) == before
    assert not Revision.objects.filter(device__in=sources.stations(bound)).exists()


@pytest.mark.covers("HZ-206", "HZ-207")
@pytest.mark.parametrize("kind", ["urban", "rural"])
def test_a_new_value_of_a_plant_is_on_its_page_with_its_time(
    bound: Source, plants: dict[str, SewagePlant], kind: str
) -> None:
    """Water quality and quantity of urban and of rural plants; tests/live shows that open pages follow."""
    SewagePlant.objects.filter(code="FEED-1").update(kind=kind)
    pull(bound)
    features.write(partitions.raw())
    last = BEGIN + timedelta(minutes=MINUTES - 1)
    row = existing.row("FEED-1", last)
    shown = client("owner").get(f"/desk/sewage_plants/{plants['FEED-1'].pk}").content.decode()
    assert f"{float(row['cod'])} mg/L" in shown
    assert f"{row['flow']} m³/h" in shown
    assert f"{last.astimezone(existing.BEIJING):%Y-%m-%d %H:%M}" in shown


@pytest.mark.parametrize("seconds", [20, 3 * 60, 2 * 3600, 86_400], ids=["seconds", "minutes", "hours", "days"])
def test_the_rhythm_follows_what_is_settled(bound: Source, admin: Principal, seconds: int) -> None:
    sources.save(admin, bound.pk, {"every": seconds})
    first, second = pull(bound), pull(bound)
    assert bound.next_at == second.started_at + timedelta(seconds=seconds)
    assert first.state == second.state == "done"
    early = second.started_at + timedelta(seconds=seconds - 1)
    assert not Source.objects.filter(pk=bound.pk, next_at__lte=early).exists()


def test_monitors_of_another_site_system_are_synchronised_and_appear_once(settle: Settle, admin: Principal) -> None:
    """Another system's site monitors, in mg/m³: each value once, however often the two are synchronised."""
    monitor = Monitor.objects.create(code="FEED-1", name="别家系统的监测点", region_id=HOME)
    mapping = {"device": "stationCode", "time": "monitorTime", "factors": [["nh3n", "a34002", "mg/m³"]]}
    source = settle(name="别家智慧工地系统", mapping=mapping)
    pull(source)
    devices.approve(admin, sources.stations(source).get(number=source.number("FEED-1")).pk, monitor.pk)
    for _again in range(2):
        sources.rewind(admin, source.pk, None)
        pull(source)
    own = {key: round(value * 1000, 6) for key, value in expected("nh3n").items() if key[0] == "FEED-1"}
    assert stored(source, "a34002") == own
    assert not Revision.objects.filter(device__in=sources.stations(source)).exists()
    features.write(partitions.raw())
    monitor.refresh_from_db()
    assert monitor.pm10 == own["FEED-1", BEGIN + timedelta(minutes=MINUTES - 1)]


@pytest.mark.parametrize("fault", ["duplicates", "disorder"])
def test_doubled_and_disordered_rows_give_the_same(bound: Source, system: Existing, fault: str) -> None:
    system.misbehave(**{fault: True})
    run = pull(bound)
    assert run.state == "done"
    assert stored(bound) == expected()
    latest = Latest.objects.filter(device__in=sources.stations(bound), factor__code="w01018")
    assert {row.at for row in latest} == {BEGIN + timedelta(minutes=MINUTES - 1)}


def test_broken_rows_are_told_row_by_row_and_the_others_are_stored(bound: Source, system: Existing) -> None:
    system.misbehave(broken=True)
    run = pull(bound)
    assert run.state == "partly"
    refused = {n for n in range(1, 2 * MINUTES + 1) if (n - 1) % 10 in (1, 3)}
    assert {row for row, _field, text in run.told if "不是时间" in text or "没有监测点编号" in text} == refused
    assert run.counts["refused"] == len(refused)
    found, good = stored(bound), expected()
    counted = {key: value for key, value in found.items() if value is not None and value >= 0}
    assert counted.items() <= good.items()
    assert any("故障" in text and "不是数值" in text for _row, field, text in run.told if field == "cod")
    assert any("-9999" in text and "超出合理范围" in text for _row, _field, text in run.told)
    assert any("设备标记" in text for _row, _field, text in run.told)
    assert len(found) == 2 * MINUTES - len(refused)


def test_with_the_policy_all_a_wrong_row_keeps_its_whole_batch_out(settle: Settle, admin: Principal,
    plants: dict[str, SewagePlant], system: Existing) -> None:  # fmt: skip
    source = settle(policy="all", name="严格")
    assert pull(source).state == "failed", "stations that nobody bound are wrong rows, too"
    bind(admin, source, plants)
    system.misbehave(broken=True)
    run = pull(source)
    assert (run.state, run.said) == ("failed", "20 行有误，按设置整批未写入。")
    assert run.problems
    assert stored(source) == {}
    assert "since" not in source.position
    system.misbehave()
    assert pull(source).state == "done"
    assert stored(source) == expected()


def test_a_renamed_field_stops_the_run_and_says_what_is_there(bound: Source, system: Existing) -> None:
    system.misbehave(renamed=True)
    run = pull(bound)
    assert run.state == "failed"
    assert "没有字段 cod" in run.said and "codValue" in run.said
    assert stored(bound) == {}
    assert bound.position == {}
    system.misbehave()
    assert pull(bound).state == "done"
    assert stored(bound) == expected()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"huge": True}, "内容超过 5 MB"),
        ({"bomb": True}, "内容超过 5 MB"),
        ({"html": True}, "不是有效的 JSON"),
        ({"redirect": "http://169.254.169.254/latest"}, "平台不跟随"),
        ({"fail": 1, "status": 404}, "应答状态 404"),
        ({"slow": 3}, "1 秒内没有应答完毕"),
    ],
    ids=lambda each: str(each)[:20],
)
def test_a_bad_answer_is_a_clear_failure_and_loses_nothing(
    bound: Source, system: Existing, admin: Principal, fault: dict[str, Any], said: str
) -> None:
    if "slow" in fault:
        sources.save(admin, bound.pk, {"timeout": 1})
    system.misbehave(**fault)
    run = pull(bound)
    assert run.state == "failed"
    assert said in run.said
    assert (bound.failures, bound.state) == (1, "failing")
    system.misbehave()
    assert pull(bound).state == "done"
    assert (bound.failures, bound.error, bound.state) == (0, None, "ok")
    assert stored(bound) == expected()


def test_failures_are_tried_again_later_and_later(bound: Source, system: Existing) -> None:
    system.misbehave(fail=99)
    pauses = []
    for _time in range(3):
        run = pull(bound)
        assert bound.next_at is not None and run.finished_at is not None
        pauses.append(round((bound.next_at - run.finished_at).total_seconds()))
    assert pauses == [120, 120, 120], "no sooner than the other side asks for (Retry-After)"
    Source.objects.filter(pk=bound.pk).update(failures=4)
    run = pull(bound)
    assert bound.next_at is not None and run.finished_at is not None
    assert round((bound.next_at - run.finished_at).total_seconds()) == 480
    assert pulling.pull(bound.pk) is None, "before its time it is not pulled"


def test_an_interface_without_the_right_authorisation_is_refused(bound: Source, admin: Principal) -> None:
    sources.save(admin, bound.pk, {}, secret="wrong")
    run = pull(bound)
    assert run.state == "failed"
    assert "拒绝授权（401）" in run.said


def test_a_long_window_is_done_in_parts_and_the_position_moves_only_at_its_end(
    bound: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "MOST_PAGES", 1)
    first = pull(bound)
    assert first.counts["rows"] == 100, "the other side gives no more at once than it likes"
    assert "since" not in bound.position
    assert bound.position["resume"]["page"] == 2
    assert bound.next_at is not None and bound.next_at <= timezone.now(), "it goes on at once"
    pull(bound)
    assert stored(bound) == expected()
    assert bound.position == {"since": (BEGIN + timedelta(minutes=MINUTES - 1)).isoformat()}


def test_a_time_in_the_future_does_not_carry_the_window_with_it(bound: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """F13 at the other side: a clock ahead of ours."""
    earlier = BEGIN + timedelta(minutes=30)
    monkeypatch.setattr(pulling.timezone, "now", lambda: earlier)
    Source.objects.filter(pk=bound.pk).update(next_at=earlier)
    pulling.pull(bound.pk)
    bound.refresh_from_db()
    assert datetime.fromisoformat(bound.position["since"]) <= earlier + timedelta(minutes=5)
    monkeypatch.undo()
    pull(bound)
    assert {at for _station, at in stored(bound)} == {at for _station, at in expected()}


def test_only_one_worker_pulls_a_source(bound: Source) -> None:
    with connect(str(connection.settings_dict["NAME"])) as other:
        other.execute("select pg_advisory_lock(%s, %s)", [pulling.LOCK, bound.pk])
        Source.objects.filter(pk=bound.pk).update(next_at=timezone.now())
        assert pulling.pull(bound.pk) is None
        other.execute("select pg_advisory_unlock_all()")
    assert pulling.pull(bound.pk) is not None


def test_settings_that_change_during_a_run_stop_it_and_nothing_moves(
    bound: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = pulling.calls.fetch

    def meanwhile(source: Source, *args: Any) -> bytes:
        Source.objects.filter(pk=source.pk).update(version=source.version + 1, next_at=None)
        return fetch(source, *args)

    monkeypatch.setattr(pulling.calls, "fetch", meanwhile)
    Source.objects.filter(pk=bound.pk).update(next_at=timezone.now())
    run = pulling.pull(bound.pk)
    assert run is not None and "设置在提取过程中被修改" in run.said
    assert stored(bound) == {}
    bound.refresh_from_db()
    assert bound.position == {}


def test_silence_is_told_once_and_so_is_its_end(bound: Source, admin: Principal) -> None:
    from services.notify.models import Message

    pull(bound)
    assert jobs.stale() == []
    long_ago = timezone.now() - timedelta(minutes=bound.stale_minutes + 1)
    Source.objects.filter(pk=bound.pk).update(success_at=long_ago, enabled_at=long_ago)
    assert [source.pk for source in jobs.stale()] == [bound.pk]
    assert jobs.stale() == []
    told = Message.objects.filter(user_id=admin.id, link=f"/desk/feeds/{bound.pk}")
    assert [(message.subject, message.level) for message in told] == [("数据接口中断", "orange")]
    bound.refresh_from_db()
    assert bound.state == "stale"
    pull(bound)
    jobs.stale()
    bound.refresh_from_db()
    assert (bound.stale_since, told.all().count()) == (None, 2)


def test_old_runs_are_forgotten(bound: Source) -> None:
    now = timezone.now()
    for state, days in (("done", 15), ("partly", 15), ("partly", 91)):
        Run.objects.create(source=bound, state=state, started_at=now - timedelta(days=days))
    jobs.housekeeping()
    assert list(bound.runs.values_list("state", flat=True)) == ["partly"]


def test_a_month_late_value_is_taken_and_one_beyond_the_limit_is_quarantined(bound: Source) -> None:
    Device.objects.filter(pk__in=sources.stations(bound)).update(back_days=0)
    run = pull(bound)
    assert run.counts["quarantined"] == run.counts["values"]
    assert any("已隔离" in text for _row, _field, text in run.told)
    assert stored(bound) == {}


def test_settings_that_cannot_work_are_refused_by_name(settle: Settle, admin: Principal, system: Existing) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "url": {"url": "http://192.168.1.1/api"},
        "parameters": {"parameters": "from={sinse}\npage={page}"},
        "headers": {"headers": "Host=else.where"},
        "zone": {"zone": "Asia/Nowhere"},
        "mapping": {"mapping": {"device": "a", "time": "b", "factors": [["cod", "w01018", "km/h"]]}},
        "every": {"every": 1},
        "secret": {"secret": ""},
        "body": {"method": "POST", "body": "{"},
        "next_path": {"paging": "next", "next_path": ""},
        "cursor_path": {"cursor": "token", "paging": "none", "parameters": "a={token}"},
        "tab": {"target": "records", "layer": "sewage_plants", "tab": "nothing"},
        "layer": {"target": "features", "layer": "nothing"},
    }
    plain = [{"headers": "X-Api-Key=abc"}, {"headers": "Cookie=s=1"}, {"parameters": "since={since}\naccess_token=abc"}]
    for name, values in [*wrong.items(), *((name, each) for each in plain for name in each)]:
        with pytest.raises(Invalid) as refusal:
            settle(on=False, name=f"错 {name}", **values)
        assert name in refusal.value.fields, (name, refusal.value.fields)
    assert not Source.objects.filter(name__startswith="错").exists()
