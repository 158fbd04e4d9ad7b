"""Area management: what stands in an area, who answers for it, and limits that hold there and nowhere else."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.gis.geos import MultiPolygon, Point
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from layers.environment import reports
from layers.environment.models import ControlArea, Monitor
from services.access.principal import Principal
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.alarms.evaluate import evaluate
from services.alarms.models import Episode, Rule
from services.audit.models import Entry
from services.limits.rows import ZONE
from services.telemetry import partitions
from services.telemetry.models import Device
from services.telemetry.store import Row, Store
from tests.conftest import HOME
from tests.managing.conftest import Browser, body

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, tzinfo=ZONE)


@pytest.mark.covers("DZ-101")
def test_an_area_is_seen_and_managed_by_whom_it_concerns(area: ControlArea, browser: Browser) -> None:
    for name, status in (("owner", 200), ("inspector", 200), ("commander", 200), ("neighbour", 404), ("stranger", 404)):
        page = browser(name)
        assert (area.name in body(page.get("/desk/areas"))) is (status == 200), name
        assert page.get(f"/desk/areas/{area.pk}").status_code == status, name
    owner, inspector = (body(browser(name).get(f"/desk/areas/{area.pk}")) for name in ("owner", "inspector"))
    assert "添加区域限值" in owner and "0818-2380000" in owner
    assert "添加区域限值" not in inspector and "0818-2380000" not in inspector and "王责任" in inspector
    assert browser("inspector").post(f"/desk/areas/{area.pk}", LIMIT).status_code == 403
    assert browser("neighbour").post(f"/desk/areas/{area.pk}", LIMIT).status_code == 404
    assert not Rule.objects.filter(within=area.pk).exists()


def test_a_unit_sees_the_areas_it_answers_for(area: ControlArea, builder: User, browser: Browser) -> None:
    assert area.name not in body(browser("builder").get("/desk/areas"))
    firm = builder.memberships.get().organisation_id
    ControlArea.objects.filter(pk=area.pk).update(responsible_id=firm)
    page = body(browser("builder").get(f"/desk/areas/{area.pk}"))
    assert area.name in page and "0818-2380000" not in page and "添加区域限值" not in page


def test_its_figures_count_what_stands_inside_and_may_be_seen(
    area: ControlArea, monitor: Monitor, who: dict[str, Principal]
) -> None:
    assert area.geom is not None
    inside = Monitor.objects.filter(geom__coveredby=area.geom)
    Monitor.objects.filter(pk=monitor.pk).update(pm10=80.0, measured_at=timezone.now(), state="online")
    found = reports.standing(who["owner"], [area.pk])[area.pk]
    assert found["monitors"] == inside.filter(region__code__startswith=HOME).count() >= 1
    assert found["online"] == inside.filter(region__code__startswith=HOME, state="online").count()
    assert found["pm10"] is not None and found["worst"] >= 80.0
    assert reports.standing(who["neighbour"], [area.pk])[area.pk]["monitors"] == 0, "what is foreign is not counted"
    every = list(ControlArea.objects.values_list("pk", flat=True))
    with CaptureQueriesContext(connection) as queries:
        reports.standing(who["owner"], every)
    assert len(queries) == 3


def test_a_user_who_is_given_one_device_sees_that_one_inside(
    area: ControlArea, monitor: Monitor, browser: Browser
) -> None:
    """The area is named, too: else it would not be there at all."""
    twin = Monitor.objects.create(code="TWIN", name="邻近监测点", region_id=HOME, geom=monitor.geom)
    user = User.objects.create_user("limited", password="x")
    grant = Membership.objects.create(user=user, role=Role.SUPERVISOR, region_id=HOME, named_only=True)
    assert browser("limited").get(f"/desk/areas/{area.pk}").status_code == 404
    for feature in (area.pk, monitor.pk):
        grant.named.create(feature=feature)
    page = body(browser("limited").get(f"/desk/areas/{area.pk}"))
    assert monitor.name in page and twin.name not in page
    assert "添加区域限值" not in page, "a rule concerns all devices of the county"


LIMIT = {
    "threshold": "60",
    "window": "0",
    "level": "orange",
    "valid_from": "2026-01-01",
    "citation": "达市治污办〔2026〕3号",
}


def keep(monitor: Monitor, value: float) -> Device:
    device = Device.objects.create(protocol="hj212", number=f"A{monitor.pk}"[:32], feature=monitor.pk, state="active")
    rows = [
        Row(device.pk, "a34002", NOON + timedelta(minutes=n), "real", value, None, None, None, "N", "",
            NOON + timedelta(minutes=n))
        for n in range(3)
    ]  # fmt: skip
    Store(partitions.raw()).write(rows)
    return device


def factor(code: str) -> dict[str, Any]:
    from services.telemetry.models import Factor

    return {"factor": Factor.objects.get(code=code).pk}


def test_a_limit_of_an_area_makes_alarms_inside_and_nowhere_else(
    area: ControlArea, monitor: Monitor, browser: Browser
) -> None:
    assert monitor.geom is not None
    outside = Monitor.objects.create(
        code="OUT", name="区外监测点", region_id=HOME, geom=Point(monitor.geom.x + 0.02, monitor.geom.y, srid=4490)
    )
    Rule.objects.update(enabled=False)
    owner = browser("owner")
    answer = owner.post(f"/desk/areas/{area.pk}", LIMIT | factor("a34002"))
    assert answer.status_code == 302, body(answer)
    rule = Rule.objects.get(within=area.pk)
    assert (rule.threshold, rule.level, rule.region, rule.enabled) == (60, "orange", HOME, True)
    assert Entry.objects.filter(layer="rule", object_id=str(rule.pk), action="create rule").exists()
    here, _there = keep(monitor, 75.0), keep(outside, 75.0)
    evaluate(NOON + timedelta(minutes=4))
    assert list(Episode.objects.values_list("device", "level")) == [(here.pk, "orange")]
    page = body(owner.get(f"/desk/areas/{area.pk}"))
    assert "达市治污办〔2026〕3号" in page
    switch = f"/desk/areas/{area.pk}/limits/{rule.pk}"
    assert browser("inspector").post(switch, {"on": "0"}).status_code == 403
    assert browser("neighbour").post(switch, {"on": "0"}).status_code == 404
    assert owner.post(switch, {"on": "0"}).status_code == 302
    rule.refresh_from_db()
    assert rule.enabled is False
    other = Rule.objects.filter(within=None, layer="monitors").first()
    assert other is not None
    assert owner.post(f"/desk/areas/{area.pk}/limits/{other.pk}", {"on": "1"}).status_code == 400


def test_a_monitor_that_moves_out_of_the_area_is_no_longer_bound(area: ControlArea, monitor: Monitor) -> None:
    from services.alarms.places import places
    from tests.alarms.conftest import new_rule

    new_rule(within=area.pk, region=HOME)
    device = keep(monitor, 50.0)
    assert places([device.pk])[device.pk].areas == {area.pk}
    far = Point(108.5, 31.9, srid=4490).buffer(0.001)
    far.srid = 4490
    ControlArea.objects.filter(pk=area.pk).update(geom=MultiPolygon(far, srid=4490))
    assert places([device.pk])[device.pk].areas == frozenset()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"threshold": "0"}, "threshold"), ({"threshold": "x"}, "threshold"), ({"window": "2000"}, "window"),
     ({"level": "pink"}, "level"), ({"citation": ""}, "citation"), ({"factor": "0"}, "factor")],
)  # fmt: skip
def test_a_limit_that_cannot_be_is_refused_beside_its_field(
    area: ControlArea, browser: Browser, wrong: dict[str, str], field: str
) -> None:
    answer = browser("owner").post(f"/desk/areas/{area.pk}", LIMIT | factor("LA") | wrong)
    assert answer.status_code == 422
    page = body(answer)
    after = page[page.index(f'id="id_{field}"') :]
    assert "field-error" in after[: after.index("</div>")]
    assert not Rule.objects.filter(within=area.pk).exists()


def test_filters_of_the_list(area: ControlArea, browser: Browser) -> None:
    owner = browser("owner")
    assert area.name in body(owner.get("/desk/areas?q=测试管控&kind=key"))
    assert area.name not in body(owner.get("/desk/areas?kind=homes"))
    assert owner.get("/desk/areas?kind=x").status_code == 400
