"""Patrols: what phones record, who sees it, check-ins and what keeps them from being made elsewhere."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.gis.geos import Point
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from layers.patrols import flows
from layers.patrols.models import Officer, Visit
from layers.projects.models import Project
from services.access.errors import Conflict, Invalid, NotFound
from services.access.principal import SYSTEM, Principal
from services.audit.models import Entry
from services.positions import features, history, phones
from services.positions.phones import Fix
from services.telemetry.models import Device
from tests.conftest import HOME, client

pytestmark = pytest.mark.django_db
WALK = 0.0001
"""Degrees of latitude between two fixes, eleven metres."""


@pytest.fixture
def officer(db: None) -> Officer:
    """The inspector is an officer of the owner's county."""
    return Officer.objects.create(code="T1", name="巡查甲", region_id=HOME, account="inspector")


@pytest.fixture
def project(db: None) -> Project:
    found = Project.objects.filter(region__code__startswith=HOME, geom__isnull=False).order_by("pk").first()
    assert found is not None
    return found


def walk(count: int, begin: datetime | None = None, **more: Any) -> list[Fix]:
    begin = begin or timezone.now().replace(microsecond=0) - timedelta(seconds=10 * count)
    given = {"accuracy": 8.0, "speed": 1.2, "heading": 0.0} | more
    return [Fix(begin + timedelta(seconds=10 * n), 107.5, 31.2 + WALK * n, **given) for n in range(count)]


def at(project: Project, **more: Any) -> Fix:
    place = project.geom if isinstance(project.geom, Point) else project.geom.point_on_surface
    given = {"at": timezone.now(), "lon": place.x, "lat": place.y, "accuracy": 6.0} | more
    return Fix(**given)


@pytest.mark.covers("FJ-446", "FJ-450")
def test_a_phone_records_a_route_that_its_owner_and_the_supervision_see(
    officer: Officer, who: dict[str, Principal]
) -> None:
    fixes = walk(30)
    stored = flows.record(who["inspector"], fixes)
    assert (stored.new, stored.same) == (30, 0)
    begin = fixes[0].at.astimezone(flows.ZONE)
    mine = flows.day(who["inspector"], begin.date())
    others = flows.day(who["inspector"], fixes[-1].at.astimezone(flows.ZONE).date())
    seen = {fix.at: fix for day in (mine, others) for fix in day.fixes}  # a walk may pass midnight
    assert [(f.lon, pytest.approx(f.lat, abs=1e-7)) for f in seen.values()] == [(f.lon, f.lat) for f in fixes]
    shown = [fixes[0].at, timezone.now() + timedelta(minutes=1)]
    assert len(history.track(who["owner"], officer.pk, *shown)) == 30, "the supervision of the county"
    assert history.track(who["neighbour"], officer.pk, *shown) == []
    assert history.track(who["inspector"], officer.pk, *shown) == [], "colleagues see no layer; one's own page does"
    features.write()
    officer.refresh_from_db()
    assert officer.state == "moving" and officer.geom is not None and officer.located_at == fixes[-1].at


def test_f15_what_comes_twice_changes_nothing_and_late_parts_find_their_place(
    officer: Officer, who: dict[str, Principal]
) -> None:
    fixes = walk(20)
    flows.record(who["inspector"], fixes[10:])
    assert flows.record(who["inspector"], fixes[10:]).new == 0
    assert flows.record(who["inspector"], fixes).new == 10, "what had no network comes later"
    found = history.track(SYSTEM, officer.pk, fixes[0].at, timezone.now() + timedelta(minutes=1))
    assert [fix.at for fix in found] == [fix.at for fix in fixes]
    assert Device.objects.filter(feature=officer.pk).count() == 1


def test_coarse_and_impossible_fixes_draw_no_track(officer: Officer, who: dict[str, Principal]) -> None:
    good, coarse = walk(3), walk(3, accuracy=900.0, begin=timezone.now() - timedelta(minutes=5))
    ancient = walk(2, begin=timezone.now() - timedelta(days=9))
    stored = flows.record(who["inspector"], [*good, *coarse, *ancient])
    assert stored.new == 6 and stored.refused == {"clock": 2}
    found = history.track(SYSTEM, officer.pk, timezone.now() - timedelta(days=10), timezone.now() + timedelta(1))
    assert len(found) == 3


BAD = [
    {}, [], [1], [{"lon": 1, "lat": 1, "accuracy": 1}], [{"at": "2026-01-01", "lon": 1, "lat": 1, "accuracy": 1}],
    [{"at": "2026-01-01T00:00:00", "lon": 1, "lat": 1, "accuracy": 1}],
    [{"at": "2026-13-01T00:00:00Z", "lon": 1, "lat": 1, "accuracy": 1}],
    [{"at": "2026-01-01T00:00:00Z", "lon": 181, "lat": 1, "accuracy": 1}],
    [{"at": "2026-01-01T00:00:00Z", "lon": "1", "lat": 1, "accuracy": 1}],
    [{"at": "2026-01-01T00:00:00Z", "lon": 1, "lat": True, "accuracy": 1}],
    [{"at": "2026-01-01T00:00:00Z", "lon": 1, "lat": 1, "accuracy": -1}],
    [{"at": "2026-01-01T00:00:00Z", "lon": float("nan"), "lat": 1, "accuracy": 1}],
    [{"at": "2026-01-01T00:00:00Z", "lon": 1, "lat": 1, "accuracy": 1}] * (phones.MOST + 1),
]  # fmt: skip


@pytest.mark.parametrize("told", BAD, ids=range(len(BAD)))
def test_f31_a_body_that_cannot_be_is_refused(told: Any) -> None:
    with pytest.raises(Invalid):
        phones.read(told)


def test_an_arrival_is_noted_once_where_and_when_it_is_one(
    officer: Officer, project: Project, who: dict[str, Principal]
) -> None:
    inspector = who["inspector"]
    for wrong, said in (
        (at(project, lat=at(project).lat + 0.01), "米以内"),
        (at(project, accuracy=400.0), "定位误差"),
        (at(project, at=timezone.now() - timedelta(minutes=10)), "刚刚"),
    ):
        with pytest.raises(Conflict) as error:
            flows.check_in(inspector, project.pk, wrong, "routine", "")
        assert said in error.value.message
    with pytest.raises(Invalid):
        flows.check_in(inspector, project.pk, at(project), "sightseeing", "")
    visit = flows.check_in(inspector, project.pk, at(project), "recheck", "脚手架")
    assert visit == flows.check_in(inspector, project.pk, at(project), "recheck", "脚手架"), "sent twice"
    assert (visit.distance, visit.accuracy, visit.purpose) == (0.0, 6.0, "recheck")
    assert Entry.objects.filter(action="check in", object_id=str(officer.pk)).count() == 1
    (first, *_rest) = flows.near(inspector, Point(at(project).lon, at(project).lat, srid=4490))
    assert first.project.pk == project.pk and first.there


def test_a_project_that_one_may_not_see_is_not_there(officer: Officer, who: dict[str, Principal]) -> None:
    foreign = Project.objects.exclude(region__code__startswith=HOME).filter(geom__isnull=False).first()
    assert foreign is not None
    with pytest.raises(NotFound):
        flows.check_in(who["inspector"], foreign.pk, at(foreign), "routine", "")
    assert not Visit.objects.filter(project=foreign, officer=officer).exists()


def test_doors_are_for_officers_alone_and_each_writes_only_for_themselves(
    officer: Officer, project: Project, who: dict[str, Principal]
) -> None:
    body = [{"at": timezone.now().isoformat(), "lon": 107.5, "lat": 31.2, "accuracy": 5}]
    paths = ("/desk/patrol", "/desk/patrol/near?lon=107.5&lat=31.2", f"/desk/patrol/visits/{project.pk}")
    for name in ("owner", "neighbour", "stranger", "admin"):
        other = client(name)
        assert [other.get(path).status_code for path in paths] == [404, 404, 404]
        assert other.post("/desk/patrol/fixes", json.dumps(body), content_type="application/json").status_code == 404
    assert [Client().get(path).status_code for path in paths] == [401, 401, 401]
    assert not Device.objects.filter(protocol="phone").exists()
    mine = client("inspector")
    assert [mine.get(path).status_code for path in paths] == [200, 200, 200]
    answer = mine.post("/desk/patrol/fixes", json.dumps(body), content_type="application/json")
    assert answer.json() == {"new": 1, "same": 0, "refused": 0}
    assert mine.post("/desk/patrol/fixes", b"{", content_type="application/json").status_code == 400
    assert mine.get("/desk/patrol?day=yesterday").status_code == 400
    given = {name: str(value) for name, value in at(project)._asdict().items() if value is not None}
    given["at"] = timezone.now().isoformat()
    assert mine.post(f"/desk/patrol/visits/{project.pk}", given | {"purpose": "routine"}).status_code == 200
    assert mine.post(f"/desk/patrol/visits/{project.pk}", given | {"lon": "x"}).status_code == 400
    assert Visit.objects.get(officer=officer).project_id == project.pk


def test_a_phone_that_was_switched_off_records_nothing(officer: Officer, who: dict[str, Principal]) -> None:
    flows.record(who["inspector"], walk(2))
    Device.objects.filter(feature=officer.pk).update(state="blocked")
    with pytest.raises(Invalid):
        flows.record(who["inspector"], walk(2))


def test_the_page_of_a_day_asks_a_bounded_number_of_queries(
    officer: Officer, project: Project, who: dict[str, Principal]
) -> None:
    mine = client("inspector")
    counts = []
    for _round in range(2):
        flows.record(who["inspector"], walk(40, begin=timezone.now() - timedelta(minutes=30)))
        for n in range(5):
            Visit.objects.create(
                officer=officer, project=project, arrived_at=timezone.now() - timedelta(seconds=n), distance=1.0
            )
        with CaptureQueriesContext(connection) as asked:
            assert mine.get("/desk/patrol").status_code == 200
        counts.append(len(asked))
    assert counts[1] <= counts[0]
