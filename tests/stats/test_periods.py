"""Statistics of everything over a period: equal to counts made in another way, at every border, within rights."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from layers.concrete.models import Batch, MixingPlant
from layers.environment.models import Calibration, Fault, Monitor, OrderStep, RemediationOrder
from layers.people.models import Person
from layers.power_boxes.models import PowerBox, PowerCheck
from layers.projects.models import NightPermit, ProgressReport, Project
from services.access.errors import NotFound
from services.access.principal import Principal
from services.accounts.models import Membership
from services.alarms.models import Act, Episode, Rule
from services.catalog.happenings import HAPPENINGS
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex, Record
from services.files.models import Attachment
from services.stats.frames import frame
from services.stats.kinds import Kind, kinds, reach
from services.stats.periods import statistics
from services.stats.scopes import Asked, Scope, scope
from services.telemetry.models import Device, Outage, Presence
from services.telemetry.spans import ZONE
from tests.conftest import ELSEWHERE, HOME, SIBLING
from tests.reports.conftest import DAY, send
from tests.stats.conftest import figures

pytestmark = pytest.mark.django_db
LATER = date(2030, 1, 1)
NOVEMBER = date(2026, 11, 1)


def sql(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def column(model: Any, path: str) -> str:
    return str(model._meta.get_field(path).column)


def counted(kind: Kind, first: date, last: date, region: str = "") -> int:
    """The rows of a layer or of its records in some days, counted from the tables and the index alone."""
    assert kind.layer is not None
    table, time = kind.model._meta.db_table, column(kind.model, kind.time.path)
    owner = "t.id" if kind.feature == "pk" else f"t.{column(kind.model, kind.feature)}"
    at = f"t.{time}" if kind.by_day else f"(t.{time} at time zone 'Asia/Shanghai')::date"
    query = f"select count(*) from {table} t join catalog_featureindex i on i.id = {owner}"
    query += f" where {at} between %s and %s and i.layer = %s and i.region_code like %s"
    return int(sql(query, first, last, kind.layer.key, f"{region}%")[0][0])


@pytest.mark.covers("DZ-043")
@pytest.mark.parametrize("period", ["week", "month", "quarter", "year"])
@pytest.mark.parametrize("region", ["", HOME, SIBLING])
def test_every_kind_of_the_city_equals_a_count_in_sql(who: dict[str, Principal], period: str, region: str) -> None:
    # The demo city ends today.
    principal, lately = who["admin"], timezone.localdate() - timedelta(days=10)
    shown, found = frame(period, lately, today=LATER), figures(principal, period, lately, today=LATER, region=region)
    windows = [shown.window, shown.before, *([shown.last_year] if shown.last_year else [])]
    compared = 0
    for kind in kinds(principal):
        if kind.layer is None or (region and not kind.layer.scope.region):
            continue
        figure = found[kind.key]
        expected = [counted(kind, window.first, window.last, region) for window in windows]
        ever = [counted(kind, date(1, 1, 1), window.last, region) for window in windows]
        given = [figure.value, figure.before, figure.last_year][: len(windows)]
        known = [expected[0], *(n if all_of else None for n, all_of in zip(expected[1:], ever[1:], strict=True))]
        assert given == known, kind.key
        assert sum(value or 0 for value in figure.trend) == figure.value, kind.key
        for division in figure.divisions:
            assert sum(tally.count for tally in division.tallies) == figure.value, (kind.key, division.name)
            for tally in division.tallies:
                assert sum(n or 0 for n in tally.trend) == tally.count
        compared += bool(figure.value)
    assert compared >= (1 if region else 10), "the demo city has too little in this time to prove anything"


def test_every_layer_record_and_happening_takes_part(who: dict[str, Principal]) -> None:
    found = {kind.key: kind for kind in kinds(who["admin"])}
    assert {layer.key for layer in registry} | set(HAPPENINGS) <= set(found)
    records = {model for model in apps.get_models() if issubclass(model, Record)}
    assert {kind.model for kind in found.values()} >= records
    # A moment that devices keep current is no day on which anything happened.
    assert found["monitors"].time.name == "installed_on"
    assert found["mixer_trucks"].time.name == "created_at"
    assert found["remediation_orders"].time.name == "issued_at"
    assert found["greenways.annualplan"].time.name == "reported_on"
    titles = [kind.title for kind in found.values()]
    assert len(set(titles)) == len(titles)


def test_rows_hang_at_a_feature_by_their_own_key_before_that_of_what_they_belong_to() -> None:
    assert reach(PowerCheck, Project) == ("box__project",)
    assert reach(OrderStep, Project) == ("order__monitor__project",)
    assert reach(Batch, Project) == ("project",)
    assert reach(Project, Project) == ("pk",)
    assert reach(MixingPlant, Project) == ()
    assert set(reach(Project, Person._meta.get_field("enterprise").related_model)) == {"owner", "contractor"}


def test_sums_means_and_what_says_yes(site: Callable[..., Project], who: dict[str, Principal]) -> None:
    here = site("量")
    plant = MixingPlant.objects.create(code="ST-P", name="统计站", region_id=HOME)
    for n, (volume, slump) in enumerate([(6.5, 180.0), (8.0, None), (0.0001, 200.0)]):
        at = datetime(2026, 11, 3, 8, tzinfo=ZONE) + timedelta(days=n)
        Batch.objects.create(
            plant=plant, project=here, number=f"ST-{n}", made_at=at, grade="C30", volume=volume, slump=slump
        )
    box = PowerBox.objects.create(code="ST-B", name="统计箱", region_id=HOME, project=here)
    for n in range(3):
        PowerCheck.objects.create(box=box, done_on=date(2026, 11, 3 + n), inspector="王", passed=n != 1)
    found = figures(who["admin"], "month", NOVEMBER, today=LATER, feature=here.pk)
    batches = found["mixing_plants.batch"]
    totals = {total.name: total for total in batches.totals}
    assert float(totals["volume"].value or 0) == pytest.approx(14.5001)
    assert (float(totals["slump"].value or 0), totals["slump"].statistic) == (190.0, "mean")
    assert [float(value) for value in totals["volume"].trend if value is not None] == [6.5, 8.0, 0.0001]
    assert totals["volume"].before is None, "nothing was delivered in the month before: that is not zero m³"
    checks = found["power_boxes.powercheck"]
    assert (checks.value, [(flag.name, flag.count) for flag in checks.flags]) == (3, [("passed", 2)])
    assert batches.divisions[0].tallies[0].count == 3


def test_zero_is_not_missing(site: Callable[..., Project], who: dict[str, Principal]) -> None:
    here = site("零")
    ProgressReport.objects.create(project=here, reported_on=date(2026, 9, 5), stage="earthwork", percent=10)
    november = figures(who["admin"], "month", NOVEMBER, today=LATER, feature=here.pk)["projects.progressreport"]
    assert (november.value, november.before, november.last_year) == (0, 0, None)
    september = figures(who["admin"], "month", date(2026, 9, 1), today=LATER, feature=here.pk)
    assert (september["projects.progressreport"].value, september["projects.progressreport"].before) == (1, None)
    assert september["projects.progressreport"].change is None


BORDERS = [
    # The last second of a Sunday in China is still Sunday in UTC; the first of Monday is Sunday afternoon there.
    ("2026-11-22T23:59:59.999999+08:00", "2026-11-18", "2026-11-22"),
    ("2026-11-23T00:00:00+08:00", "2026-11-25", "2026-11-23"),
    ("2026-11-22T16:00:00+00:00", "2026-11-25", "2026-11-23"),
    # Week 53 of 2026 reaches into 2027.
    ("2027-01-03T23:59:59+08:00", "2026-12-31", "2027-01-03"),
    ("2027-01-04T00:00:00+08:00", "2027-01-04", "2027-01-04"),
]


@pytest.mark.parametrize(("moment", "within", "bucket"), BORDERS)
def test_a_moment_belongs_to_its_week_in_china(
    site: Callable[..., Project], who: dict[str, Principal], moment: str, within: str, bucket: str
) -> None:
    here = site("界")
    at = datetime.fromisoformat(moment)
    NightPermit.objects.create(
        project=here, number="ST-N", begins_at=at, ends_at=at + timedelta(hours=1), reason="浇筑", issued_by="局"
    )
    shown = frame("week", date.fromisoformat(within), today=LATER)
    figure = figures(who["admin"], "week", date.fromisoformat(within), today=LATER, feature=here.pk)
    permits = figure["projects.nightpermit"]
    assert permits.value == 1
    assert dict(zip(shown.buckets, permits.trend, strict=True))[date.fromisoformat(bucket)] == 1
    for other in (shown.time.before, shown.time.after):
        assert (
            figures(who["admin"], "week", other.first, today=LATER, feature=here.pk)["projects.nightpermit"].value == 0
        )


@pytest.mark.parametrize(
    ("kind", "inside", "outside"),
    [
        ("month", ["2026-02-01", "2026-02-28"], ["2026-01-31", "2026-03-01"]),
        ("year", ["2026-01-01", "2026-12-31"], ["2025-12-31", "2027-01-01"]),
        ("quarter", ["2026-01-01", "2026-03-31"], ["2025-12-31", "2026-04-01"]),
    ],
)
def test_a_day_belongs_to_its_month_quarter_and_year(
    site: Callable[..., Project], who: dict[str, Principal], kind: str, inside: list[str], outside: list[str]
) -> None:
    here = site("日")
    for day in (*inside, *outside):
        ProgressReport.objects.create(project=here, reported_on=day, stage="earthwork", percent=10)
    found = figures(who["admin"], kind, date(2026, 2, 10), today=LATER, feature=here.pk)["projects.progressreport"]
    assert found.value == len(inside)
    assert (found.trend[0], found.trend[-1], sum(value or 0 for value in found.trend)) == (1, 1, 2)


def test_what_is_still_to_come_has_no_point(site: Callable[..., Project], who: dict[str, Principal]) -> None:
    here = site("来")
    ProgressReport.objects.create(project=here, reported_on=date(2026, 11, 3), stage="earthwork", percent=10)
    found = figures(who["admin"], "month", NOVEMBER, today=date(2026, 11, 28), feature=here.pk)
    trend = found["projects.progressreport"].trend
    assert (trend[2], trend[3], trend[27], trend[28:]) == (1, 0, 0, [None, None])


@pytest.fixture
def watched(site: Callable[..., Project], monitor: Callable[..., Monitor]) -> tuple[Project, Monitor, Device]:
    """A site with a monitor that measured hours above every limit, an alarm that was closed, an outage, a picture."""
    here = site("测")
    mine = monitor("测", project=here)
    other = monitor("他", region_id=SIBLING)
    device = send(mine, {"a34002": [200.0] * 20, "LA": [60.0] * 12 + [63.0] * 12}, DAY)
    send(other, {"a34002": [900.0] * 24}, DAY)
    Presence.objects.create(device=device, seen_at=DAY, online=True)
    rule = Rule.objects.filter(layer="monitors").order_by("pk").first()
    assert rule is not None
    for n, (state, feature) in enumerate([("closed", mine), ("false", mine), ("open", mine), ("open", other)]):
        at = DAY + timedelta(hours=n)
        done = at + timedelta(hours=4) if state in ("closed", "false") else None
        episode = Episode.objects.create(
            rule=rule, device=device, feature=FeatureIndex.objects.get(pk=feature.pk), subject=f"s{n}", state=state,
            level="red" if n else "blue", began_at=at, raised_at=at, last_at=at, ended_at=at, closed_at=done, count=5,
        )  # fmt: skip
        if done:
            Act.objects.create(episode=episode, kind="closed", at=done)
    Episode.objects.create(
        rule=rule, device=device, feature=FeatureIndex.objects.get(pk=mine.pk), subject="gone", level="red",
        began_at=DAY, last_at=DAY, withdrawn=True,
    )  # fmt: skip
    Outage.objects.create(device=device, began_at=DAY, ended_at=DAY + timedelta(hours=72))
    picture = Attachment.objects.create(
        feature=mine.pk, kind="photo", name="a.jpg", media_type="image/jpeg", size=2_000_000, sha256="0" * 64
    )
    Attachment.objects.filter(pk=picture.pk).update(created_at=DAY)
    Fault.objects.create(monitor=mine, kind="power", began_at=DAY)
    Calibration.objects.create(
        monitor=mine, done_on=DAY.date(), factor="pm10", shown=1, reference=1, passed=True, done_by="站"
    )
    return here, mine, device


@pytest.mark.covers("DZ-043")
def test_a_project_has_all_that_hangs_at_it_and_nothing_else(
    who: dict[str, Principal], watched: tuple[Project, Monitor, Device], monitor: Callable[..., Monitor]
) -> None:
    here = watched[0]
    found = figures(who["owner"], "month", NOVEMBER, today=LATER, feature=here.pk)
    assert found["monitors.fault"].value == 1
    assert found["monitors.calibration"].value == 1
    alarms = found["alarms"]
    assert alarms.value == 3, "neither the one that was withdrawn nor that of another's monitor"
    assert {tally.value: tally.count for tally in alarms.divisions[0].tallies} == {"red": 2, "blue": 1}
    assert float(alarms.totals[0].value or 0) == 15
    closed = found["alarms-closed"]
    assert {tally.value: tally.count for tally in closed.divisions[0].tallies} == {"closed": 1, "false": 1}
    assert float(closed.totals[0].value or 0) == pytest.approx(4.0)
    assert found["alarm-acts"].value == 2
    assert found["files"].value == 1
    outages = found["outages"]
    assert (outages.value, float(outages.totals[0].value or 0)) == (1, 72.0)
    week = figures(who["owner"], "week", DAY.date(), today=LATER, feature=here.pk)
    assert float(week["online"].value or 0) == pytest.approx(100 * 4 / 7), "three days of seven it was not heard"
    assert week["online"].trend == [100, 0, 0, 0, 100, 100, 100]
    # Nothing of a layer that does not belong to projects.
    assert not set(found) & {"sewage_plants", "greenways", "enterprises", "mixing_plants"}
    # A region has its own and its neighbours', not those beyond.
    region = figures(who["commander"], "month", NOVEMBER, today=LATER, region=HOME)
    assert region["alarms"].value == 3
    assert figures(who["commander"], "month", NOVEMBER, today=LATER, region=SIBLING)["alarms"].value == 1
    assert figures(who["commander"], "month", NOVEMBER, today=LATER)["alarms"].value == 4


def test_measured_values_are_means_of_valid_hours_and_held_against_their_limits(
    who: dict[str, Principal], watched: tuple[Project, Monitor, Device]
) -> None:
    here, _mine, _device = watched
    found = figures(who["owner"], "month", NOVEMBER, today=LATER, feature=here.pk)
    dust = found["measured.a34002"]
    assert (dust.value, dust.unit, dust.trend[9], dust.trend[8]) == (200.0, "µg/m³", 200.0, None)
    assert {total.name: total.value for total in dust.totals} == {"low": 200.0, "high": 200.0, "hours": 20}
    assert (dust.before, dust.last_year) == (None, None)
    # Levels are averaged as energy: 60 and 63 dB make 61.76, not 61.5.
    assert float(found["measured.LA"].value or 0) == pytest.approx(61.76, abs=0.01)
    judged = registry.by_key["monitors"]
    over = found[f"exceedances.{judged.key}"]
    from services.telemetry.reports import REPORTS

    ledger: Any = REPORTS["dust-exceedances"]
    time = frame("month", NOVEMBER, today=LATER).window
    expected = [
        each for each in ledger.found(who["owner"], time.begins_at, time.ends_at) if each.feature.pk == watched[1].pk
    ]
    assert over.value == len(expected) > 0
    assert sum(tally.count for tally in over.divisions[0].tallies) == over.value
    assert sum(value or 0 for value in over.trend) == over.value
    assert over.before is None, "nothing was measured in October: that is not zero exceedances"


def test_data_that_come_late_are_counted_where_they_belong(
    who: dict[str, Principal], watched: tuple[Project, Monitor, Device]
) -> None:
    here, mine, _device = watched
    before = figures(who["owner"], "month", NOVEMBER, today=LATER, feature=here.pk)
    # The hours of a day in October arrive now, and a check of that month is written down.
    send(mine, {"a34002": [40.0] * 24}, DAY - timedelta(days=20))
    Calibration.objects.create(
        monitor=mine, done_on=date(2026, 10, 20), factor="pm10", shown=1, reference=1, passed=True, done_by="站"
    )
    after = figures(who["owner"], "month", NOVEMBER, today=LATER, feature=here.pk)
    assert before["measured.a34002"].before is None
    assert (after["measured.a34002"].value, after["measured.a34002"].before) == (200.0, 40.0)
    assert before["monitors.calibration"].before is None
    assert (after["monitors.calibration"].before, after["monitors.calibration"].change) == (1, 0.0)
    assert (
        figures(who["owner"], "month", date(2026, 10, 1), today=LATER, feature=here.pk)["measured.a34002"].value == 40
    )


def test_everyone_has_their_own_rows(
    who: dict[str, Principal], watched: tuple[Project, Monitor, Device], site: Callable[..., Project]
) -> None:
    here, _mine, _device = watched
    far = site("远", region_id=SIBLING)
    for name, project in (("owner", far), ("neighbour", here), ("stranger", here), ("public", here)):
        with pytest.raises(NotFound):
            figures(who[name], feature=project.pk)
    whole = figures(who["owner"], "month", NOVEMBER, today=LATER)
    assert whole["alarms"].value == 3
    # Whoever asks for more than they may see gets what they may see of it.
    wider = figures(who["owner"], "month", NOVEMBER, today=LATER, region="511700")
    assert _values(wider) == _values(whole)
    stranger = figures(who["stranger"], "month", NOVEMBER, today=LATER, region=HOME)
    assert [key for key, figure in stranger.items() if figure.value] == []
    assert "online" not in stranger
    neighbour = figures(who["neighbour"], "month", NOVEMBER, today=LATER)
    assert neighbour["alarms"].value == 1
    open_layers = figures(who["public"], "month", NOVEMBER, today=LATER)
    assert set(open_layers) <= {layer.key for layer in registry if "view" in layer.grants.get("public", "").split()}


def _values(found: dict[str, Any]) -> dict[str, Any]:
    """Values by key; the time online goes on from one look to the next."""
    return {key: figure.value for key, figure in found.items() if key != "online"}


def test_kinds_follow_the_grants_and_private_fields(who: dict[str, Principal]) -> None:
    inspector = {kind.key for kind in kinds(who["inspector"])}
    admin = {kind.key for kind in kinds(who["admin"])}
    denied = {layer.key for layer in registry if "view" not in layer.grants.get("inspector", "").split()}
    assert {key.partition(".")[0] for key in inspector} & denied == set()
    assert inspector < admin or not denied
    taken = {kind.key for kind in kinds(who["inspector"], "export")} - set(HAPPENINGS)
    assert taken == set(), "an inspector looks and takes nothing along"


def test_a_contractor_sees_the_projects_they_take_part_in(
    who: dict[str, Principal], watched: tuple[Project, Monitor, Device], site: Callable[..., Project]
) -> None:
    from layers.enterprises.models import Enterprise
    from services.access.principal import principal_of

    here, _mine, _device = watched
    firm = Enterprise.objects.create(code="ST-E", name="统计公司", region_id=HOME)
    here.participations.create(enterprise=firm, capacity="contractor")
    user = get_user_model().objects.create_user("st-builder")
    Membership.objects.create(user=user, role="contractor", organisation_id=firm.pk)
    builder = principal_of(user)
    assert figures(builder, "month", NOVEMBER, today=LATER, feature=here.pk)["alarms"].value == 3
    assert figures(builder, "month", NOVEMBER, today=LATER)["alarms"].value == 3
    with pytest.raises(NotFound):
        figures(builder, feature=site("别").pk)


def test_the_number_of_queries_depends_on_nothing(
    who: dict[str, Principal], watched: tuple[Project, Monitor, Device], monitor: Callable[..., Monitor]
) -> None:
    def queries(principal: Principal, place: Scope, period: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            statistics(Asked(principal, place, frame(period, NOVEMBER, today=LATER)))
        return len(captured)

    here = watched[0]
    places = [Scope(), scope(who["commander"], region=HOME), scope(who["commander"], feature=str(here.pk))]
    before = [queries(who["commander"], place, "month") for place in places]
    for n in range(6):
        more = monitor(f"多{n}", project=here)
        send(more, {"a34002": [500.0] * 24, "a21026": [900.0] * 24, "a05024": [900.0] * 24}, DAY)
        for day in range(10):
            Fault.objects.create(monitor=more, kind="power", began_at=DAY + timedelta(days=day))
    assert [queries(who["commander"], place, "month") for place in places] == before
    assert max(before) <= 40, before


def test_another_feature_and_a_link_to_none(who: dict[str, Principal], monitor: Callable[..., Monitor]) -> None:
    """A monitor is a scope like a project: statistics of any feature are those of what hangs at it."""
    one, other = monitor("一"), monitor("二")
    for feature in (one, one, other):
        Fault.objects.create(monitor=feature, kind="power", began_at=DAY)
    order = RemediationOrder.objects.filter(monitor=one)
    found = figures(who["owner"], "month", NOVEMBER, today=LATER, feature=one.pk)
    assert (found["monitors.fault"].value, found["remediation_orders"].value) == (2, order.count())
    with pytest.raises(NotFound):
        figures(who["owner"], feature="00000000-0000-0000-0000-000000000000")
    assert figures(who["owner"], region=ELSEWHERE)["monitors"].value == 0
