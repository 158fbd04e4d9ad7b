"""Indicators of projects: values, dated thresholds, lights with advice, warnings that come of them, and doors."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from layers.environment.models import Monitor, RemediationOrder
from layers.projects.models import Project
from layers.video.models import Camera
from services.access.principal import Principal
from services.alarms.models import Episode, Rule
from services.audit.models import Entry
from services.catalog.layer import registry
from services.indicators import formulas, numbers
from services.indicators.declared import write
from services.indicators.evaluate import evaluate
from services.indicators.models import Indicator, Light, Threshold
from services.notify.models import Message
from tests.conftest import HOME, client

pytestmark = pytest.mark.django_db
PEOPLE = ("owner", "neighbour", "stranger", "inspector", "commander", "admin")
TODAY = date(2026, 11, 28)


@pytest.fixture
def project(db: None) -> Project:
    """A project of the owner's county with four cameras, of which none is offline; nothing is warned of yet."""
    found = Project.objects.filter(region__code__startswith=HOME).order_by("pk").first()
    assert found is not None
    Camera.objects.update(state="online")
    spare = list(Camera.objects.order_by("pk").values_list("pk", flat=True)[:4])
    Camera.objects.filter(project=found).update(project=None)
    Camera.objects.filter(pk__in=spare).update(project=found)
    return found


@pytest.fixture
def indicator(project: Project) -> Indicator:
    """The share of cameras offline; the others are switched off."""
    Indicator.objects.exclude(key="cameras-offline").update(enabled=False)
    return Indicator.objects.get(key="cameras-offline")


def offline(project: Project, n: int) -> None:
    """So many cameras of a project are offline."""
    keys = list(project.cameras.order_by("pk").values_list("pk", flat=True))  # type: ignore[attr-defined]
    Camera.objects.filter(pk__in=keys).update(state="online")
    Camera.objects.filter(pk__in=keys[:n]).update(state="offline")


def now_of(project: Project) -> Light:
    """The light of a project."""
    return Light.objects.get(feature=project.pk, current=True)


@pytest.mark.covers("FJ-433")
def test_over_the_threshold_it_is_red_with_advice_and_otherwise_green(
    indicator: Indicator, project: Project, who: dict[str, Principal]
) -> None:
    evaluate()
    light = now_of(project)
    assert (light.color, light.value, indicator.advice(light.color)) == ("green", 0, "")
    assert not Episode.objects.filter(rule__key=indicator.warning).exists()
    offline(project, 1)
    evaluate()
    assert (now_of(project).color, now_of(project).value, now_of(project).limit) == ("yellow", 25, 20)
    offline(project, 2)
    evaluate()
    assert now_of(project).color == "yellow", "what reaches the threshold is not over it"
    offline(project, 3)
    evaluate()
    light = now_of(project)
    assert (light.color, light.value, light.limit) == ("red", 75, 50)
    page = client("owner").get("/desk/lights").content.decode()
    assert project.name in page and "责令参建单位当日恢复摄像机" in page and "75" in page
    english = client("owner", "en").get("/desk/lights").content.decode()
    assert "Have the cameras restored today" in english
    warning = Episode.objects.get(rule__key=indicator.warning, feature=project.pk)
    assert (warning.level, warning.value, warning.limit, warning.state) == ("red", 75, 50, "open")
    raised = warning.acts.get(kind="worsened")
    assert raised.words == "责令参建单位当日恢复摄像机，必要时现场巡查。"
    with translation.override("en"):
        assert raised.words.startswith("Have the cameras restored")
    assert Message.objects.filter(user=who["owner"].id, link=f"/desk/alarms/{warning.pk}").exists()
    offline(project, 0)
    evaluate()
    warning.refresh_from_db()
    assert now_of(project).color == "green"
    assert warning.ended_at is not None
    colors = Light.objects.filter(feature=project.pk, indicator=indicator).order_by("since", "pk")
    assert [row.color for row in colors] == ["green", "yellow", "yellow", "red", "green"], "each value is kept"
    assert all(row.until >= row.since for row in colors)


@pytest.mark.covers("FJ-432")
def test_a_changed_threshold_in_the_table_changes_the_next_warning(indicator: Indicator, project: Project) -> None:
    offline(project, 2)
    evaluate()
    warning = Episode.objects.get(rule__key=indicator.warning, feature=project.pk)
    assert (warning.level, warning.limit) == ("yellow", 20)
    first = indicator.thresholds.get()
    sent: dict[str, Any] = {
        "name": indicator.name, "layer": "projects", "kind": "safety", "formula": indicator.formula, "unit": "%",
        "enabled": "on", "advice_yellow": "看", "advice_yellow_en": "look", "advice_red": "修", "advice_red_en": "mend",
        "thresholds-TOTAL_FORMS": 2, "thresholds-INITIAL_FORMS": 1, "thresholds-0-id": first.pk,
        "thresholds-0-valid_from": "2020-01-01", "thresholds-0-yellow": 20, "thresholds-0-red": 50,
        "thresholds-0-citation": first.citation, "thresholds-1-valid_from": f"{timezone.localdate():%Y-%m-%d}",
        "thresholds-1-yellow": 10, "thresholds-1-red": 40, "thresholds-1-citation": "局办〔2026〕9号",
    }  # fmt: skip
    address = f"/desk/indicators/{indicator.pk}"
    for name in PEOPLE[:-1]:
        assert client(name).post(address, sent).status_code == 403, name
    admin = client("admin")
    for wrong in (
        {"thresholds-1-yellow": 60}, {"thresholds-1-citation": ""}, {"formula": "nothing * 2.0"},
        {"formula": "cameras >"}, {"formula": "size('x')"}, {"thresholds-1-valid_from": "2020-01-01"},
    ):  # fmt: skip
        assert admin.post(address, sent | wrong).status_code == 400, wrong
    assert Threshold.objects.filter(indicator=indicator).count() == 1
    answer = admin.post(address, sent)
    assert answer.status_code == 302, answer.content.decode()
    warning.refresh_from_db()
    assert (warning.level, warning.limit, now_of(project).color) == ("red", 40, "red")
    entry = Entry.objects.get(layer="indicator", object_id=str(indicator.pk))
    assert "局办〔2026〕9号" in entry.changes["thresholds"][1]
    table = client("owner").get("/desk/indicators").content.decode()
    assert "局办〔2026〕9号" in table and indicator.formula.split(" ")[0] in table and "离线摄像机数" in table
    later = Indicator.objects.get(pk=indicator.pk)
    assert later.threshold(date(2025, 1, 1)) == first, "what was earlier is held against what was in force then"


def test_an_error_in_a_formula_stands_on_its_row_and_stops_nothing_else(indicator: Indicator, project: Project) -> None:
    broken = Indicator.objects.get(key="orders-late")
    Indicator.objects.filter(pk=broken.pk).update(formula="cameras / cameras_offline", enabled=True)
    Indicator.objects.filter(key="monitor-alarms").update(formula="gone * 2.0", enabled=True)
    offline(project, 3)
    evaluate()
    assert now_of(project).color == "red"
    assert Indicator.objects.get(pk=broken.pk).trouble
    assert "gone" in Indicator.objects.get(key="monitor-alarms").trouble
    assert Indicator.objects.get(pk=indicator.pk).trouble == ""
    assert "计算错误" in client("owner").get("/desk/indicators").content.decode()
    Indicator.objects.filter(pk=broken.pk).update(formula="orders_late")
    evaluate()
    assert Indicator.objects.get(pk=broken.pk).trouble == ""


def test_what_is_switched_off_or_not_known_has_no_light_and_no_warning(indicator: Indicator, project: Project) -> None:
    offline(project, 4)
    evaluate()
    warning = Episode.objects.get(rule__key=indicator.warning, feature=project.pk)
    Indicator.objects.filter(pk=indicator.pk).update(enabled=False)
    evaluate()
    warning.refresh_from_db()
    assert warning.ended_at is not None
    assert not Light.objects.filter(indicator=indicator, current=True).exists()
    Indicator.objects.filter(key="days-silent").update(enabled=True)
    evaluate()
    silent = Light.objects.filter(indicator__key="days-silent", current=True)
    assert silent.exists() and all(row.color == ("none" if row.value is None else row.color) for row in silent)
    unheard = silent.filter(value=None)
    assert unheard.exists(), "who never sent is not silent for zero days"


def test_many_features_take_no_more_queries(indicator: Indicator, project: Project) -> None:
    evaluate()
    with CaptureQueriesContext(connection) as asked:
        evaluate()
    assert len(asked) <= 12 * Indicator.objects.count()
    before = Project.objects.count()
    for n in range(20):
        Project.objects.create(code=f"Q{n}", name=f"Q{n}", region=project.region, geom=project.geom)
    evaluate()
    with CaptureQueriesContext(connection) as more:
        evaluate()
    assert Light.objects.filter(indicator=indicator, current=True).count() == before + 20
    assert len(more) == len(asked)


def test_the_office_may_switch_its_warnings_off(indicator: Indicator, project: Project) -> None:
    Rule.objects.filter(key=indicator.warning).update(enabled=False)
    offline(project, 4)
    evaluate()
    assert now_of(project).color == "red"
    assert not Episode.objects.filter(rule__key=indicator.warning).exists()


def test_downward_ones_and_fields_of_the_feature_itself() -> None:
    row = Threshold(yellow=80, red=50)
    assert [row.color(value, True) for value in (90, 80, 79, 50, 49)] == ["green", "green", "yellow", "yellow", "red"]
    known = numbers.known(registry.by_key["projects"])
    assert {"progress", "open_problems", "cameras", "orders_late"} <= known.keys()
    assert formulas.check("double(progress) - 10.0", known) == ""
    assert formulas.value("cameras * 2.0", {"cameras": None}) is None
    with pytest.raises(ValueError, match="有限"):
        formulas.value("cameras / orders", {"cameras": 1.0, "orders": 0.0})


def test_every_door_shows_lights_to_those_who_see_the_feature(indicator: Indicator, project: Project) -> None:
    offline(project, 4)
    evaluate()
    browsers = {name: client(name) for name in PEOPLE} | {"nobody": Client(SERVER_NAME="127.0.0.1")}
    sees = {"owner", "inspector", "commander", "admin"}
    panel = f"/desk/projects/{project.pk}/lights"
    for name, browser in browsers.items():
        page = browser.get(f"/desk/lights?indicator={indicator.pk}&color=all")
        assert (project.name in page.content.decode()) == (name in sees), name
        answer = browser.get(panel)
        assert answer.status_code == (200 if name in sees else 404 if name != "nobody" else answer.status_code), name
        assert ("摄像机离线率" in answer.content.decode()) == (name in sees), name
        assert browser.get(f"/desk/indicators/{indicator.pk}").status_code == (
            200 if name == "admin" else 401 if name == "nobody" and page.status_code == 401 else
            302 if name == "nobody" else 403
        ), name  # fmt: skip
        sent = browser.post("/desk/indicators/evaluate")
        assert sent.status_code == (302 if name == "admin" else 403 if name != "nobody" else sent.status_code), name
    numbers_of = browsers["owner"].get("/desk/lights").context
    red = next(number for value, _label, number, _link in numbers_of["cards"] if value == "red")
    assert browsers["owner"].get("/desk/lights?color=red").context["total"] == red
    assert browsers["owner"].get("/desk/lights?color=pink").status_code == 400


def test_declared_indicators_are_written_once_and_edits_stay(db: None) -> None:
    Indicator.objects.filter(key="orders-late").update(formula="orders_late * 2.0")
    before = Indicator.objects.count()
    write()
    assert Indicator.objects.count() == before
    assert Indicator.objects.get(key="orders-late").formula == "orders_late * 2.0"
    for one in Indicator.objects.exclude(key=None):
        one.formula = "0.0" if one.key == "orders-late" else one.formula
        one.full_clean()
        with translation.override("en"):
            assert str(one) != one.name
        assert one.advice("red", "en") != one.advice("red", "zh") and one.advice("green") == ""
        assert Rule.objects.get(key=one.warning).module == "indicators"
        assert one.threshold(TODAY + timedelta(days=1)) is not None


@pytest.mark.covers("FJ-429")
def test_what_falls_due_is_warned_of_before_its_date_until_it_is_done_or_moved(project: Project) -> None:
    due, today = Indicator.objects.get(key="finish-due"), timezone.localdate()
    project.state, project.start_date = "active", today - timedelta(days=400)
    steps = (
        (90, "active", "green"), (20, "active", "yellow"), (5, "active", "red"), (-3, "active", "red"),
        (45, "active", "green"), (5, "suspended", "red"), (5, "completed", "none"),
    )  # fmt: skip
    for days, state, color in steps:
        project.finish_date, project.state = today + timedelta(days=days), state
        project.save()
        evaluate(only=due.pk)
        light = Light.objects.get(feature=project.pk, indicator=due, current=True)
        assert light.color == color, (days, state)
        standing = Episode.objects.filter(rule__key=due.warning, feature=project.pk, ended_at=None)
        assert standing.exists() == (color in ("yellow", "red")), (days, state)
    assert Episode.objects.filter(rule__key=due.warning, feature=project.pk).count() == 2
    project.finish_date, project.state = today + timedelta(days=20), "active"
    project.save()
    evaluate(only=due.pk)
    page = client("owner").get("/desk/lights?kind=due").content.decode()
    assert project.name in page and "计划竣工到期" in page and "提醒参建单位准备竣工验收" in page
    rule = Rule.objects.get(key=due.warning)
    assert project.name in client("owner").get(f"/desk/alarms?rule={rule.pk}").content.decode()
    assert project.name not in client("neighbour").get("/desk/lights?kind=due").content.decode()
    Threshold.objects.create(indicator=due, yellow=10, red=3, valid_from=today, citation="局办")
    evaluate(only=due.pk)
    assert Light.objects.get(feature=project.pk, indicator=due, current=True).color == "green", "other lead days"


@pytest.mark.covers("FJ-429")
def test_an_order_to_remedy_is_warned_of_before_its_day_until_it_is_answered(project: Project) -> None:
    due, now = Indicator.objects.get(key="order-due"), timezone.now()
    monitor = Monitor.objects.filter(project__isnull=False).order_by("pk").first()
    assert monitor is not None
    Monitor.objects.filter(pk=monitor.pk).update(project=project)
    RemediationOrder.objects.all().update(state="closed")
    order = RemediationOrder.objects.create(
        code="ZG-T", name="T", region_id=monitor.region_id, monitor=monitor, issued_at=now - timedelta(days=3),
        due_at=now + timedelta(days=1), finding="x", requirement="y",
        unit_id=project.parties.values_list("pk", flat=True).first(),
    )  # fmt: skip
    for change, color in (
        ({}, "yellow"), ({"due_at": now + timedelta(hours=2)}, "red"), ({"due_at": now + timedelta(days=9)}, "green"),
        ({"due_at": now + timedelta(days=1)}, "yellow"), ({"state": "replied"}, "none"),
    ):  # fmt: skip
        RemediationOrder.objects.filter(pk=order.pk).update(**change)
        evaluate(only=due.pk)
        assert Light.objects.get(feature=project.pk, indicator=due, current=True).color == color, change
    assert not Episode.objects.filter(rule__key=due.warning, feature=project.pk, ended_at=None).exists()
