"""Sewage plants with devices: both ends worked out by hand, machines over periods, the page and what it shows live."""

import csv
import io
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ingest.simulators import past, works
from ingest.simulators.hj212 import Told
from layers.sewage.models import Equipment, Inlet, SewagePlant
from layers.sewage.reports import ends
from layers.sewage.rules import Part, mixed, removal
from services.access.principal import Principal
from services.telemetry import features, partitions, rollups
from services.telemetry.models import Device, Tally
from services.telemetry.reports import FREE, REPORTS, Period, period
from services.telemetry.spans import ZONE
from services.telemetry.store import Row, Store
from tests.conftest import HOME, SIBLING, client
from tests.domains.test_reports import hours

pytestmark = pytest.mark.django_db
People = dict[str, Principal]
DAY = datetime(2026, 11, 10, tzinfo=ZONE)
HOUR = timedelta(hours=1)


@pytest.fixture
def plant() -> SewagePlant:
    """A plant with an inlet and two machines."""
    made = SewagePlant.objects.create(code="WS-T", name="对比污水厂", region_id=HOME, standard="1A", capacity=24_000)
    Inlet.objects.create(code="JS-T", name="对比进水口", plant=made, region_id=HOME)
    Equipment.objects.create(plant=made, number="SB-001", title="一号提升泵", signal="SB1", power=37, stage="lift")
    Equipment.objects.create(plant=made, number="SB-002", title="一号鼓风机", signal="SB2", power=75)
    return made


def both_ends(plant: SewagePlant, out: dict[str, Any], entering: dict[str, Any], begin: datetime = DAY) -> None:
    hours(plant, "T-OUT", out, begin)
    hours(plant.inlets.get(), "T-IN", entering, begin)


def flow(*litres: float) -> list[tuple[float, float | None]]:
    """Hourly flow in L/s with its volume in m³."""
    return [(value, value * 3.6) for value in litres]


def plain(*values: float) -> list[tuple[float, float | None]]:
    return [(value, None) for value in values]


@pytest.mark.parametrize(
    ("entering", "leaving", "share"),
    [(300, 30, 0.9), (40, 50, -0.25), (300, 0, 1.0), (0, 0, None), (None, 30, None), (300, None, None)],
)
def test_what_treatment_takes_out(entering: Any, leaving: Any, share: float | None) -> None:
    assert removal(entering, leaving) == (None if share is None else pytest.approx(share))


def test_several_inlets_are_a_mixture() -> None:
    def inlet(mean: float, volume: float | None) -> dict[str, Part]:
        load = None if volume is None else mean * volume / 1000
        found = {"w01018": Part(mean, None, None, None, load, None)}
        return found if volume is None else found | {"w00000": Part(None, None, None, volume, None, None)}

    assert mixed([inlet(200, 1000), inlet(400, 3000)], "w01018", 5000) == pytest.approx((350, 1400))
    assert mixed([inlet(200, None)], "w01018", 5000) == pytest.approx((200, 1000)), "what flows out is what flowed in"
    assert mixed([inlet(200, None)], "w01018", None) == (200, None)
    assert mixed([], "w01018", 5000) == (None, None)


def test_both_ends_are_compared_by_hour_and_over_the_whole(who: People, plant: SewagePlant) -> None:
    both_ends(
        plant,
        {"w00000": flow(100, 200), "w01018": plain(20, 50)},
        {"w00000": flow(150, 150), "w01018": plain(200, 400)},
        DAY + 8 * HOUR,
    )
    found = ends(who["owner"], plant, DAY, DAY + 24 * HOUR, "hour")
    first = found[DAY + 8 * HOUR]["w01018"]
    assert (first.entering, first.leaving) == (200, 20) and first.removal == pytest.approx(0.9)
    assert (first.load_in, first.load_out) == pytest.approx((200 * 540 / 1000, 20 * 360 / 1000))
    whole = ends(who["owner"], plant, DAY, DAY + 24 * HOUR, "")[DAY]["w01018"]
    assert whole.entering == pytest.approx(300), "both hours brought as much water"
    assert whole.leaving == pytest.approx((20 * 360 + 50 * 720) / 1080), "weighted by flow"
    assert whole.removed == pytest.approx((200 + 400) * 0.54 - 7.2 - 36)
    assert whole.judged == 0, "two hours are no day"
    assert "w21003" not in found[DAY + 8 * HOUR], "what nobody measures is not shown"


def test_days_are_judged_by_their_temperature_and_class(who: People, plant: SewagePlant) -> None:
    for back, temperature in ((0, 13.0), (1, 12.0), (2, 11.0)):
        both_ends(
            plant, {"w21003": plain(*[6.0] * 24), "w01010": plain(*[temperature] * 24)}, {}, DAY - back * 24 * HOUR
        )
    both_ends(plant, {"w21003": plain(*[99.0] * 19)}, {}, DAY - 3 * 24 * HOUR)
    month = ends(who["owner"], plant, DAY.replace(day=1), DAY + 24 * HOUR, "")
    (row,) = (each["w21003"] for each in month.values())
    assert (row.judged, row.kept) == (3, 2), "6 mg/L is over 5 and under 8; nineteen hours are no day"
    days = ends(who["owner"], plant, DAY.replace(day=1), DAY + 24 * HOUR, "day")
    limits = {f"{at:%d}": each["w21003"].limit and each["w21003"].limit.value for at, each in days.items()}
    assert {each.astimezone(ZONE).day for each in days} == {7, 8, 9, 10}
    assert sorted(value for value in limits.values() if value) == [5, 8, 8]
    plant.standard = "1B"
    plant.save()
    assert ends(who["owner"], plant, DAY.replace(day=1), DAY + 24 * HOUR, "")[DAY.replace(day=1)]["w21003"].kept == 3


def test_the_report_of_both_ends_is_shown_and_taken_along(who: People, plant: SewagePlant) -> None:
    both_ends(
        plant, {"w00000": flow(*[100] * 24), "w01018": plain(*[20] * 24)},
        {"w00000": flow(*[100] * 24), "w01018": plain(*[200] * 24)},
    )  # fmt: skip
    path = f"/desk/reports/sewage-ends?period=month&date=2026-11-10&feature={plant.pk}"
    page = client("owner").get(path).content.decode()
    assert "η" in page and "90.0" in page and "1 / 1" in page
    taken = b"".join(client("owner").get(path.replace("?", "/export?") + "&format=csv").streaming_content)  # type: ignore[attr-defined]
    rows = list(csv.reader(io.StringIO(taken.decode("utf-8-sig"))))
    assert rows[1] == ["11-10", "化学需氧量", "200.0", "20.0", "90.0", "1728.0", "172.8", "1555.2", "50", "1 / 1"]
    assert client("stranger").get(path).status_code == 404


# Machines


def states(plant: SewagePlant, said: dict[str, list[float]], begin: datetime, minutes: int = 5) -> None:
    device, _new = Device.objects.get_or_create(
        protocol="hj212", number="T-WORKS",
        defaults={"feature": plant.pk, "state": "active", "back_days": 4000, "interval": 60 * minutes},
    )  # fmt: skip
    rows = [
        Row(device.pk, f"{signal}-RS", at, "real", state, None, None, None, "", "", at + timedelta(seconds=1))
        for signal, line in said.items()
        for n, state in enumerate(line)
        for at in [begin + n * timedelta(minutes=minutes)]
    ]
    Store(partitions.raw()).write(rows)
    rollups.compute(partitions.raw())


@pytest.mark.covers("HZ-211")
def test_the_operation_of_machines_is_reported_by_any_period(who: People, plant: SewagePlant) -> None:
    # A pump runs half of each hour of a day and fails once; the blower runs on, and is not heard of after six.
    states(plant, {"SB1": ([1.0] * 6 + [0.0] * 6) * 23 + [4.0] * 12, "SB2": [1.0] * 72}, DAY)
    states(plant, {"SB1": [0.0] * 12}, DAY - 40 * 24 * HOUR)
    report = REPORTS["sewage-equipment"]
    kept = {
        "day": period("day", DAY.date()), "month": period("month", DAY.date()), "year": period("year", DAY.date()),
        "free": Period(FREE, DAY.date(), DAY.date() + timedelta(days=1)),
    }  # fmt: skip
    for name, time in kept.items():
        made = report.sheet(who["owner"], time, plant)
        labels = {head.label: n for n, head in enumerate(made.headings)}
        pump, blower = (line.cells for line in made.lines)
        assert pump[labels["运行时间"]] == pytest.approx(11.5)
        assert pump[labels["待机时间"]] == pytest.approx(11.5 + (1 if name == "year" else 0)), name
        assert pump[labels["故障时间"]] == pytest.approx(1.0)
        assert (pump[labels["启动次数"]], pump[labels["故障次数"]]) == (22, 1)
        assert blower[labels["运行时间"]] == pytest.approx(6 + 10 / 60), "the last word holds a quarter of an hour"
        assert (blower[labels["可用率"]], blower[labels["利用率"]]) == (100, 100)
    day = report.sheet(who["owner"], kept["day"], plant)
    assert [line.marked for line in day.lines] == [False, True], "of the blower a quarter of the day is known"
    assert day.lines[0].cells[labels["可用率"]] == pytest.approx(100 * 23 / 24)
    assert day.summary[0].cells[labels["运行时间"]] == pytest.approx(17.5 + 10 / 60)
    empty = report.sheet(who["owner"], period("day", DAY.date() - timedelta(days=9)), plant)
    assert all(line.marked and line.cells[labels["运行时间"]] is None for line in empty.lines)


@pytest.mark.covers("HZ-211")
def test_a_free_period_is_chosen_on_the_page_and_exported(plant: SewagePlant) -> None:
    states(plant, {"SB1": [1.0] * 24}, DAY)
    owner = client("owner")
    path = f"/desk/reports/sewage-equipment?period=free&date=2026-11-09&until=2026-11-11&feature={plant.pk}"
    page = owner.get(path).content.decode()
    assert "2026-11-09 – 2026-11-11" in page and 'name="until" value="2026-11-11"' in page and "一号提升泵" in page
    assert "date=2026-11-06&amp;until=2026-11-08" in page, "the same length before"
    for form, start in (("csv", b"\xef\xbb\xbf"), ("xlsx", b"PK")):
        taken = b"".join(owner.get(path.replace("?", "/export?") + f"&format={form}").streaming_content)  # type: ignore[attr-defined]
        assert taken.startswith(start)
    for wrong in ("date=2026-11-11&until=2026-11-09", "date=2026-11-11&until=x", "date=1990-01-01&until=2026-01-01"):
        assert owner.get(f"/desk/reports/sewage-equipment?period=free&{wrong}").status_code == 400
    assert owner.get("/desk/reports/dust-ranking?period=free&date=2026-11-09").status_code == 400
    assert client("neighbour").get(path).status_code == 404
    assert client("inspector").get(path.replace("?", "/export?")).status_code == 403


def test_a_machine_shows_the_state_that_its_device_says(plant: SewagePlant) -> None:
    now = timezone.now().replace(microsecond=0)
    states(plant, {"SB1": [1.0, 4.0], "SB2": [3.0, 3.0], "SB9": [4.0]}, now - timedelta(minutes=10))
    features.write(partitions.raw())
    pump, blower = plant.equipment.order_by("number")
    assert (pump.state, blower.state) == ("fault", "repair")
    assert pump.state_at == now - timedelta(minutes=5)
    since = blower.state_at
    states(plant, {"SB1": [0.0], "SB2": [2.0]}, now)
    features.write(partitions.raw(), now - timedelta(seconds=30))
    pump, blower = plant.equipment.order_by("number")
    assert (pump.state, pump.state_at) == ("standby", now)
    assert (blower.state, blower.state_at) == ("repair", since), "calibrating is in service, too: it goes on"


# The page


def now_says(plant: SewagePlant, feature: Any, number: str, values: dict[str, float], at: datetime) -> None:
    device, _new = Device.objects.get_or_create(
        protocol="hj212", number=number, defaults={"feature": feature.pk, "state": "active", "interval": 60}
    )
    Store(partitions.raw()).write(
        [Row(device.pk, code, at, "real", v, None, None, None, "N", "", at) for code, v in values.items()]
    )
    features.write(partitions.raw())


@pytest.mark.covers("HZ-206", "HZ-207")
@pytest.mark.parametrize("kind", ["urban", "rural"])
def test_a_new_value_of_a_plant_is_on_its_page_with_its_time(plant: SewagePlant, kind: str) -> None:
    SewagePlant.objects.filter(pk=plant.pk).update(kind=kind)
    at = timezone.now().replace(microsecond=0)
    owner, path = client("owner"), f"/desk/sewage_plants/{plant.pk}"
    for n, value in enumerate((21.5, 33.7)):
        when = at - timedelta(minutes=2 - n)
        now_says(plant, plant, "T-NOW", {"w01018": value, "w00000": 100.0 + n, "w01001": 7.1, "w01010": 15.0}, when)
        now_says(plant, plant.inlets.get(), "T-NOWIN", {"w01018": 270.0 + n}, when)
        screen = owner.get(
            f"{path}/process", headers={"HX-Request": "true", "HX-Target": "process-now"}
        ).content.decode()
        assert f"<b>{value}</b>" in screen and f"{360 + 3.6 * n:.1f}" in screen and f"{270 + n}.0" in screen
        assert f"{when.astimezone(ZONE):%Y-%m-%d %H:%M:%S}" in screen
        panel = owner.get(path, headers={"HX-Request": "true", "HX-Target": "panel"}).content.decode()
        assert str(value) in panel and f"{path}/process" in panel
        listed = owner.get(f"/desk/sewage_plants?q=WS-T&kind={kind}").content.decode()
        assert str(value) in listed


def test_a_reading_near_or_over_the_limit_says_so(plant: SewagePlant) -> None:
    at = timezone.now().replace(microsecond=0)
    path = f"/desk/sewage_plants/{plant.pk}/process"
    now_says(plant, plant, "T-NOW", {"w01018": 46.0, "w21003": 6.0, "w01001": 5.5, "w01010": 15.0}, at)
    page = client("owner").get(path).content.decode()
    assert page.count("超出限值") == 2 and page.count("接近限值") == 1
    now_says(
        plant, plant, "T-NOW", {"w01018": 46.0, "w21003": 6.0, "w01001": 9.0, "w01010": 12.0}, at + timedelta(seconds=1)
    )
    page = client("owner").get(path).content.decode()
    assert "超出限值" not in page and "氨氮取括号内限值" in page, "at 12 ℃ and below 8 mg/L are allowed"


def test_the_page_compares_draws_and_follows_machines(plant: SewagePlant) -> None:
    begin = timezone.now().replace(minute=0, second=0, microsecond=0) - 5 * HOUR
    both_ends(
        plant, {"w00000": flow(*[100] * 5), "w01018": plain(*[20] * 5), "level": plain(*[3.2] * 5)},
        {"w00000": flow(*[100] * 5), "w01018": plain(*[200] * 5)}, begin,
    )  # fmt: skip
    states(plant, {"SB1": [1.0] * 60}, begin)
    owner, path = client("owner"), f"/desk/sewage_plants/{plant.pk}/process"
    page = owner.get(path).content.decode()
    assert "<b>90.0</b>" in page and "η" in page and "s-running" in page and "出水限值" in page
    for part in ("process-now", "process-then"):
        answer = owner.get(f"{path}?range=7d", headers={"HX-Request": "true", "HX-Target": part})
        assert answer.status_code == 200 and b"<html" not in answer.content
    assert owner.get(f"{path}?range=2h").status_code == 400
    assert owner.get(f"{path}?factor=LA").status_code == 400
    assert owner.get(f"/desk/outfalls/{uuid.uuid4()}/process").status_code == 404
    for name in ("neighbour", "stranger"):
        assert client(name).get(path).status_code == 404
    assert client("inspector").get(path).status_code == 200


def test_the_number_of_queries_does_not_grow_with_machines(plant: SewagePlant) -> None:
    path, numbers = f"/desk/sewage_plants/{plant.pk}/process", []
    owner = client("owner")
    owner.get(path)
    for more in (0, 6):
        for n in range(more):
            Equipment.objects.create(plant=plant, number=f"X{n}", title="泵", signal=f"SB{20 + n}", stage="sludge")
        with CaptureQueriesContext(connection) as queries:
            owner.get(path)
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]


# The simulated works


def test_the_simulated_works_are_the_plants_and_their_inlets() -> None:
    points = works.points(3, ())
    by_feature: dict[Any, list[works.Point]] = {}
    for point in points:
        by_feature.setdefault(point.feature, []).append(point)
    plants = SewagePlant.objects.filter(pk__in=by_feature)
    assert len(plants) == 3
    for plant in plants:
        assert [point.st for point in by_feature[plant.pk]] == ["32", "52"]
        (inlet,) = plant.inlets.all()
        assert [point.st for point in by_feature[inlet.pk]] == ["32"]
        assert len(by_feature[plant.pk][1].source.states(timezone.now())) == plant.equipment.count()  # type: ignore[union-attr]
    made = works.register(points, "secret", 20)
    assert len(made) == 9 and works.register(points, "secret", 20) == {}
    assert [type(each).__name__ for each in works.instruments(points[:2], "secret", 20, Told())] == [
        "Instrument", "Process",
    ]  # fmt: skip


def test_works_have_three_days_behind_them(who: People) -> None:
    points = works.points(1, ())
    made = works.register(points, "secret", 20)
    until = timezone.now()
    partitions.ahead()
    past.write(partitions.raw(), made, until, 72, 20)
    # Then they are switched on.
    Store(partitions.raw()).write(
        Row(device, code, until, "real", value, None, None, None, "N", "", until)
        for device, source in made.items()
        for code, value in source.values(until).items()
    )
    rollups.compute(partitions.raw(), now=until)
    plant = SewagePlant.objects.get(pk=points[0].feature)
    yesterday = period("day", (until.astimezone(ZONE) - timedelta(days=1)).date())
    found = ends(who["admin"], plant, yesterday.begins_at, yesterday.ends_at, "")[yesterday.begins_at]
    assert all(0.7 < each.removal < 0.99 for each in found.values() if each.removal is not None) and len(found) == 4
    assert all((each.judged, each.kept) == (1, 1) for each in found.values())
    report = REPORTS["sewage-plant"].sheet(who["admin"], yesterday, plant)
    total = report.summary[3].cells
    assert total[1] == pytest.approx(24 * (plant.flow or 0), rel=0.15)
    assert total[-2] / total[1] == pytest.approx(0.28, rel=0.25), "kWh for each cubic metre"
    machines = REPORTS["sewage-equipment"].sheet(who["admin"], yesterday, plant)
    assert all(sum(line.cells[4:8]) == pytest.approx(24) and not line.marked for line in machines.lines)
    assert Tally.objects.count() == 72 * plant.equipment.count()


def test_f43_neither_end_is_seen_from_elsewhere(who: People, plant: SewagePlant) -> None:
    both_ends(plant, {"w01018": plain(20)}, {"w01018": plain(200)})
    Inlet.objects.filter(plant=plant).update(region_id=SIBLING)
    found = ends(who["owner"], plant, DAY, DAY + 24 * HOUR, "")[DAY]["w01018"]
    assert (found.entering, found.leaving) == (None, 20)
    assert ends(who["stranger"], plant, DAY, DAY + 24 * HOUR, "") == {}
