"""Temporary power of sites: checks entered and opened again, judged by dated limits, and readings that raise alarms."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone, translation

from layers.power_boxes.models import PowerBox, PowerCheck, PowerMending
from services.access import actions, gate
from services.access.errors import Invalid, NotFound, Refused
from services.access.principal import Holding, Principal
from services.alarms.evaluate import evaluate
from services.alarms.models import Episode, Rule
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.limits.models import Limit
from services.panels import panel as panels
from services.telemetry import features, partitions
from services.telemetry.models import Device, Presence
from services.telemetry.store import Row, Store
from tests.conftest import HOME, SIBLING

pytestmark = pytest.mark.django_db
People = dict[str, Principal]
LAYER = registry.by_key["power_boxes"]
CHECKS, MENDINGS = LAYER.tab("powercheck"), LAYER.tab("powermending")
TODAY = timezone.localdate()
GOOD = {
    "done_on": TODAY, "inspector": "王工", "earthing": "repeated", "earthing_resistance": 3.2, "insulation": 20.0,
    "trip_current": 22.0, "trip_time": 45.0, "passed": True,
}  # fmt: skip
BAD = GOOD | {
    "earthing_resistance": 12.0, "passed": False, "findings": "接地极锈蚀", "due_on": TODAY + timedelta(days=7),
}  # fmt: skip


@pytest.fixture
def box() -> PowerBox:
    """A switch box of a site in the owner's county, without checks."""
    found = PowerBox.objects.filter(region__code__startswith=HOME, kind="switch", state="normal").order_by("pk").first()
    assert found is not None
    found.checks.all().delete()
    found.mendings.all().delete()
    return found


def check(who: Principal, box: PowerBox, **values: Any) -> PowerCheck:
    return actions.add_record(who, LAYER, box.pk, CHECKS, values)  # type: ignore[arg-type,return-value]


@pytest.mark.covers("LN-217")
def test_safety_information_of_temporary_power_is_entered_and_opened_again(who: People, box: PowerBox) -> None:
    made = actions.create(
        who["owner"], LAYER,
        {
            "code": "PD-T1", "name": "1号楼开关箱", "region": box.region_id, "project": box.project_id,
            "geom": box.geom, "kind": "switch", "spot": "塔吊", "rated_current": 63.0, "rated_residual": 30.0,
            "rated_time": 100.0,
        },
    )  # fmt: skip
    check(who["owner"], made, **BAD)
    shown = {value.name: value.text for value in panels.panel(who["owner"], LAYER, made.pk).values}
    assert (shown["code"], shown["kind"], shown["spot"]) == ("PD-T1", "开关箱", "塔吊")
    assert (shown["rated_residual"], shown["residual"]) == ("30.0 mA", "—")
    opened = panels.tab(who["owner"], LAYER, made.pk, "powercheck").sections[0]
    row = dict(zip(opened.columns, opened.rows[0][1], strict=True))
    assert (row["检查人"], row["接地电阻"], row["绝缘电阻"], row["实测动作时间"]) == (
        "王工", "12.0 Ω", "20.0 MΩ", "45.0 ms",
    )  # fmt: skip
    assert (row["限值判定"], row["合格"], row["存在问题"]) == ("超出限值", "否", "接地极锈蚀")
    assert row["整改期限"] == f"{BAD['due_on']:%Y-%m-%d}"
    assert FeatureIndex.objects.get(pk=made.pk).layer == "power_boxes"
    project = registry.by_key["projects"]
    under = panels.tab(who["owner"], project, box.project_id, "power").sections[0]
    assert made.pk in {key for key, _cells in under.rows}


def test_a_check_beyond_its_limits_does_not_pass_and_says_by_which(who: People, box: PowerBox) -> None:
    assert check(who["owner"], box, **GOOD).verdict == "within"
    assert check(who["owner"], box, done_on=TODAY, inspector="王工", passed=True).verdict == "unmeasured"
    with pytest.raises(Invalid) as caught:
        check(who["owner"], box, **GOOD | {"earthing_resistance": 10.5, "trip_time": 120.0})
    (text,) = caught.value.fields["passed"]
    assert "接地电阻 10.5 Ω 高于限值 10 Ω（JGJ/T 46-2024" in text
    assert "剩余动作时间 120 ms 高于限值 100 ms" in text
    with translation.override("en"), pytest.raises(Invalid) as caught:
        check(who["owner"], box, **GOOD | {"insulation": 0.0})
    assert "Insulation resistance 0 MΩ is below the required 0.5 MΩ" in caught.value.fields["passed"][0]


def test_the_limit_of_the_day_of_the_check_judges_it(who: People, box: PowerBox) -> None:
    Limit.objects.filter(standard="JGJ 46", version="2024", factor="earthing", stage="重复接地").update(value=3)
    assert check(who["owner"], box, **GOOD | {"done_on": date(2024, 12, 31)}).verdict == "within"
    with pytest.raises(Invalid) as caught:
        check(who["owner"], box, **GOOD | {"done_on": date(2025, 1, 1)})
    assert "高于限值 3 Ω" in caught.value.fields["passed"][0]


def test_a_rating_that_is_not_allowed_keeps_a_box_from_passing(who: People, box: PowerBox) -> None:
    actions.change(who["owner"], LAYER, box.pk, {"rated_residual": 75.0})
    with pytest.raises(Invalid) as caught:
        check(who["owner"], box, done_on=TODAY, inspector="王工", passed=True)
    assert "剩余动作电流 75 mA 高于限值 30 mA" in caught.value.fields["passed"][0]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"done_on": TODAY + timedelta(days=1)}, "done_on"),
        ({"earthing": ""}, "earthing"),
        ({"passed": False}, "findings"),
        ({"passed": False, "findings": "箱门未上锁"}, "due_on"),
        ({"earthing_resistance": -1.0}, "earthing_resistance"),
        ({"due_on": TODAY - timedelta(days=1)}, "__all__"),
        ({"verdict": "within"}, "verdict"),
        ({"mended_on": TODAY}, "mended_on"),
    ],
)
def test_a_check_that_lacks_something_is_refused_by_name(
    who: People, box: PowerBox, values: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check(who["owner"], box, **GOOD | values)
    assert field in caught.value.fields


def test_mending_closes_the_checks_up_to_its_day_and_changes_nothing_else_of_them(who: People, box: PowerBox) -> None:
    earlier = TODAY - timedelta(days=9)
    old = check(who["owner"], box, **BAD | {"done_on": earlier, "due_on": earlier + timedelta(days=3)})
    new = check(who["owner"], box, **BAD)
    passed = check(who["owner"], box, **GOOD | {"done_on": earlier})

    def mend(day: date) -> PowerMending:
        values = {"done_on": day, "done_by": "李电工", "work": "已增打接地极"}
        return actions.add_record(who["owner"], LAYER, box.pk, MENDINGS, values)  # type: ignore[arg-type,return-value]

    for day in (earlier - timedelta(days=1), TODAY + timedelta(days=1)):
        with pytest.raises(Invalid) as caught:
            mend(day)
        assert set(caught.value.fields) == {"done_on"}
    mend(TODAY - timedelta(days=2))
    for row in (old, new, passed):
        row.refresh_from_db()
    assert (old.mended_on, new.mended_on, passed.mended_on) == (TODAY - timedelta(days=2), None, None)
    assert (old.passed, old.verdict, old.findings) == (False, "beyond", "接地极锈蚀")
    mend(TODAY)
    with pytest.raises(Invalid):
        mend(TODAY)


def test_who_checks_which_boxes(who: People, box: PowerBox) -> None:
    assert box.project is not None
    firm = box.project.participations.get(capacity="contractor").enterprise_id
    mine = Principal(who["admin"].id, "contractor", (Holding("contractor", organisation=firm),))
    check(mine, box, **GOOD)
    check(who["inspector"], box, **GOOD | {"kind": "official"})
    assert box.checks.count() == 2
    seen = set(gate.restrict(mine, LAYER).values_list("pk", flat=True))
    theirs = PowerBox.objects.filter(project__participations__enterprise=firm)
    assert seen == set(theirs.values_list("pk", flat=True))
    unseen = PowerBox.objects.exclude(pk__in=seen).order_by("pk")
    beside = PowerBox.objects.filter(region__code__startswith=SIBLING).order_by("pk")
    for person, foreign in ((mine, unseen[0]), (who["inspector"], beside[0]), (who["owner"], beside[0])):
        with pytest.raises(NotFound):
            check(person, foreign, **GOOD)
        with pytest.raises(NotFound):
            panels.tab(person, LAYER, foreign.pk, "powercheck")
    with pytest.raises(Refused):
        check(who["commander"], box, **GOOD)
    for person in (mine, who["inspector"]):
        with pytest.raises(Refused):
            actions.delete(person, LAYER, box.pk)
        with pytest.raises(Refused):
            actions.change(person, LAYER, box.pk, {"name": "改"})
    with pytest.raises(Refused):
        actions.create(who["inspector"], LAYER, {"code": "PD-T2", "name": "箱", "project": box.project_id})


@pytest.fixture
def send(box: PowerBox) -> Callable[..., None]:
    """``send(31.0, 40.0)`` stores what a device at the box measures, a minute after the time before."""
    link, begin = partitions.raw(), timezone.now().replace(microsecond=0) - timedelta(minutes=10)
    link.execute("delete from telemetry_arrival")
    device = Device.objects.create(protocol="mqtt", number="POWER-T", state="active", feature=box.pk, interval=60)
    Presence.objects.create(device=device, seen_at=begin, online=True)
    Rule.objects.exclude(key__startswith="power-").update(enabled=False)
    sent: list[int] = []

    def one(residual: float, cable: float) -> None:
        at = begin + timedelta(minutes=len(sent))
        sent.append(1)
        Store(link).write(
            Row(
                device.pk, factor, at, span="real", value=value, low=None, high=None, total=None, flag="N", quality="",
                received_at=at + timedelta(seconds=1),
            )
            for factor, value in (("residual", residual), ("cable", cable))
        )  # fmt: skip
        features.write(since=begin)
        evaluate(at + timedelta(seconds=2))

    return one


def test_the_latest_readings_stand_in_the_panel(who: People, box: PowerBox, send: Callable[..., None]) -> None:
    send(0.0, 31.5)
    shown = {value.name: value.text for value in panels.panel(who["owner"], LAYER, box.pk).values}
    assert (shown["residual"], shown["cable_temperature"]) == ("0.0 mA", "31.5 ℃")
    assert shown["measured_at"] != "—"


def test_residual_current_over_the_limit_of_a_switch_box_raises_an_alarm(
    box: PowerBox, send: Callable[..., None]
) -> None:
    send(30.0, 40.0)
    assert not Episode.objects.filter(feature_id=box.pk).exists()
    send(31.0, 40.0)
    found = Episode.objects.get(feature_id=box.pk)
    assert (found.rule.key, found.level, found.limit, found.ended_at) == ("power-residual", "orange", 30, None)
    send(61.0, 40.0)
    found.refresh_from_db()
    assert found.level == "red"


def test_a_total_box_may_leak_what_a_switch_box_may_not(box: PowerBox, send: Callable[..., None]) -> None:
    PowerBox.objects.filter(pk=box.pk).update(kind="total")
    send(299.0, 40.0)
    assert not Episode.objects.filter(feature_id=box.pk).exists()
    send(301.0, 40.0)
    assert Episode.objects.get(feature_id=box.pk).limit == 300


def test_a_hot_cable_raises_an_alarm_and_a_box_out_of_service_none(box: PowerBox, send: Callable[..., None]) -> None:
    PowerBox.objects.filter(pk=box.pk).update(state="out")
    for _minute in range(2):
        send(500.0, 85.0)
    assert not Episode.objects.filter(feature_id=box.pk).exists()
    PowerBox.objects.filter(pk=box.pk).update(state="normal")
    for _minute in range(2):
        send(5.0, 85.0)
    found = Episode.objects.get(feature_id=box.pk)
    assert (found.rule.key, found.level, found.limit) == ("power-cable", "orange", 70)


def test_the_demo_city_has_whole_lines_of_boxes_whose_checks_agree_with_the_limits() -> None:
    for row in PowerCheck.objects.select_related("box"):
        assert (row.verdict == "beyond") == bool(row.judged()), row.pk
        assert not (row.passed and row.verdict == "beyond")
        assert row.passed or (row.findings and row.due_on)
    assert PowerCheck.objects.filter(passed=False, mended_on=None).exists()
    assert PowerCheck.objects.filter(mended_on__isnull=False).count() == PowerMending.objects.count() > 0
    site = PowerBox.objects.values_list("project", flat=True).order_by("pk").first()
    kinds = set(PowerBox.objects.filter(project=site).values_list("kind", flat=True))
    assert kinds == {"total", "branch", "switch"}
