"""Orders to remedy: issued from an alarm, answered with photographs by the unit alone, checked, and their figures."""

import io
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image

from layers.enterprises.models import Enterprise
from layers.environment import flows
from layers.environment.models import Monitor, OrderStep, RemediationOrder
from layers.environment.reports import Remediation
from services.access.errors import Conflict, Invalid, NotFound, Refused
from services.access.principal import Principal, principal_of
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.alarms.models import Episode, Rule
from services.audit.models import Entry
from services.files.models import Attachment
from services.notify.models import Message
from services.telemetry.models import Device
from services.telemetry.reports import period
from tests.alarms.conftest import new_rule
from tests.conftest import HOME
from tests.managing.conftest import Browser, body

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
Who = dict[str, Principal]
Issue = Callable[..., RemediationOrder]


@pytest.fixture(autouse=True)
def kept_apart(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def issue(monitor: Monitor, builder: User, who: Who) -> Issue:
    """``issue()`` → an order of the owner to the contractor of the monitor's site."""
    firm = builder.memberships.get().organisation_id

    def made(**given: Any) -> RemediationOrder:
        values = {
            "unit": firm, "finding": "TSP超标", "requirement": "覆盖裸土", "due_at": timezone.now() + 3 * DAY,
        } | given  # fmt: skip
        return flows.issue(who["owner"], monitor.pk, **values)

    return made


@pytest.fixture
def episode(monitor: Monitor, builder: User) -> Episode:
    """An exceedance at the monitor."""
    Rule.objects.update(enabled=False)
    rule = new_rule(name="PM10浓度过高", roles=["supervisor", "contractor"])
    device = Device.objects.create(protocol="hj212", number="ORDER", feature=monitor.pk, state="active")
    now = timezone.now()
    return Episode.objects.create(
        rule=rule, device=device, feature_id=monitor.pk, factor=rule.factor, level="orange", began_at=now - DAY / 24,
        last_at=now, value=180.0, peak=210.0, limit=70.0, count=9,
    )  # fmt: skip


def photo(name: str = "a.jpg", grey: int = 90) -> SimpleUploadedFile:
    out = io.BytesIO()
    Image.new("RGB", (32, 24), (grey, grey, grey)).save(out, "JPEG")
    return SimpleUploadedFile(name, out.getvalue(), "image/jpeg")


@pytest.mark.covers("DZ-104")
def test_an_exceedance_is_remedied_from_the_order_to_the_check(
    episode: Episode, monitor: Monitor, builder: User, browser: Browser
) -> None:
    owner = browser("owner")
    assert f"/desk/remediation/new?alarm={episode.pk}" in body(owner.get(f"/desk/alarms/{episode.pk}"))
    form = body(owner.get(f"/desk/remediation/new?alarm={episode.pk}"))
    assert "210" in form and "限值 70" in form, "what the alarm says is filled in"
    firm = builder.memberships.get().organisation_id
    due = timezone.localtime(timezone.now() + 2 * DAY)
    answer = owner.post(f"/desk/remediation/new?alarm={episode.pk}", {
        "unit": str(firm), "level": "orange", "due_at": f"{due:%Y-%m-%dT%H:%M}", "finding": "PM10超标",
        "requirement": "喷淋",
    })  # fmt: skip
    assert answer.status_code == 302, body(answer)
    order = RemediationOrder.objects.get(alarm=episode.pk)
    assert answer.headers["Location"] == f"/desk/remediation/{order.pk}"
    episode.refresh_from_db()
    assert (episode.state, episode.assignee, episode.rectify_by) == ("rectifying", builder, order.due_at), (
        "the alarm is the unit's to handle"
    )
    told = Message.objects.filter(user=builder, link=f"/desk/remediation/{order.pk}").get()
    assert order.code in told.body and told.level == "orange"

    theirs = browser("builder")
    assert order.code in body(theirs.get("/desk/remediation"))
    page = body(theirs.get(f"/desk/remediation/{order.pk}"))
    assert "提交回复" in page and "撤销整改单" not in page and "复查通过" not in page
    theirs.post(f"/desk/remediation/{order.pk}/reply", {"text": "已喷淋", "photo": [photo(), photo("b.jpg", 120)]})
    order.refresh_from_db()
    episode.refresh_from_db()
    assert (order.state, order.late, episode.state) == ("replied", False, "handled")
    assert episode.disposition == "measures"
    shown = body(owner.get(f"/desk/remediation/{order.pk}"))
    pictures = Attachment.objects.filter(feature=order.pk)
    assert pictures.count() == 2 and all(f"/desk/files/{file.pk}" in shown for file in pictures)
    assert owner.get(f"/desk/files/{pictures[0].pk}").status_code == 200
    assert browser("neighbour").get(f"/desk/files/{pictures[0].pk}").status_code == 404

    owner.post(f"/desk/remediation/{order.pk}/return", {"text": "照片不清"})
    order.refresh_from_db()
    episode.refresh_from_db()
    assert (order.state, order.returns, episode.state) == ("returned", 1, "rectifying")
    assert episode.rectify_by == order.due_at
    theirs.post(f"/desk/remediation/{order.pk}/reply", {"text": "补充"})
    owner.post(f"/desk/remediation/{order.pk}/close", {"text": "已复查"})
    order.refresh_from_db()
    episode.refresh_from_db()
    assert (order.state, episode.state) == ("closed", "closed")
    assert order.closed_at is not None
    kinds = list(order.steps.order_by("at", "pk").values_list("kind", flat=True))
    assert kinds == ["issued", "replied", "returned", "replied", "closed"]
    deeds = Entry.objects.filter(layer="remediation_orders", object_id=str(order.pk), action__endswith="order")
    deeds = deeds.order_by("pk")
    assert [entry.action for entry in deeds] == [
        "issue order", "reply order", "return order", "reply order", "close order",
    ]  # fmt: skip
    assert order.code in body(owner.get("/desk/remediation?state=closed"))


@pytest.mark.covers("DZ-104")
def test_who_sees_and_does_what(issue: Issue, monitor: Monitor, builder: User, browser: Browser, who: Who) -> None:
    order = issue()
    other_firm = Enterprise.objects.exclude(pk=order.unit_id).first()
    assert other_firm is not None
    rival = User.objects.create_user("rival", password="x")
    Membership.objects.create(user=rival, role=Role.CONTRACTOR, organisation_id=other_firm.pk)
    sees = {name: order.code in body(browser(name).get("/desk/remediation")) for name in ("owner", "inspector")}
    assert sees == {"owner": True, "inspector": True}
    for name in ("neighbour", "stranger", "rival"):
        assert order.code not in body(browser(name).get("/desk/remediation")), name
        assert browser(name).get(f"/desk/remediation/{order.pk}").status_code == 404, name
        assert browser(name).post(f"/desk/remediation/{order.pk}/reply", {"text": "x"}).status_code == 404, name
        assert browser(name).get(f"/desk/remediation_orders/{order.pk}").status_code == 404, name
    assert flows.allowed(who["owner"], order) == ["reply", "urge", "withdraw"]
    assert flows.allowed(who["inspector"], order) == []
    theirs = principal_of(builder)
    assert flows.allowed(theirs, order) == ["reply"]
    with pytest.raises(Refused):
        flows.act(who["inspector"], order.pk, "reply", "x")
    with pytest.raises(Refused):
        flows.act(theirs, order.pk, "withdraw", "x")
    flows.act(theirs, order.pk, "reply", "好了")
    with pytest.raises(Refused):
        flows.act(theirs, order.pk, "close")
    for name in ("inspector", "builder"):
        assert browser(name).get(f"/desk/remediation/new?monitor={monitor.pk}").status_code == 403, name
    assert browser("neighbour").get(f"/desk/remediation/new?monitor={monitor.pk}").status_code == 404
    assert browser("owner").get("/desk/remediation/new").status_code == 404
    assert browser("owner").get(f"/desk/remediation/new?alarm={uuid4()}").status_code == 404


def test_an_order_goes_only_to_a_unit_of_the_site_and_into_the_future(issue: Issue) -> None:
    stranger = Enterprise.objects.exclude(projects__monitors__orders=None).exclude(pk=None).first()
    outside = Enterprise.objects.filter(projects=None).first() or stranger
    assert outside is not None
    for wrong, field in (
        ({"unit": outside.pk}, "unit"), ({"unit": None}, "unit"), ({"due_at": timezone.now() - DAY}, "due_at"),
        ({"requirement": " "}, "requirement"), ({"finding": ""}, "finding"), ({"level": "pink"}, "level"),
    ):  # fmt: skip
        with pytest.raises(Invalid) as caught:
            issue(**wrong)
        assert field in caught.value.fields, wrong
    assert not RemediationOrder.objects.filter(finding="TSP超标").exists()


def test_numbers_of_a_day_follow_each_other(issue: Issue) -> None:
    at = timezone.now() + 4000 * DAY
    codes = [issue(now=at, due_at=at + DAY).code for _n in range(3)]
    day = f"{timezone.localtime(at):%Y%m%d}"
    assert codes == [f"ZG{day}{n:04}" for n in (1, 2, 3)]


def test_one_alarm_gives_a_unit_one_order(issue: Issue, episode: Episode) -> None:
    first = issue(alarm=episode.pk)
    with pytest.raises((Invalid, IntegrityError)), transaction.atomic():
        issue(alarm=episode.pk)
    flows.act(_owner(), first.pk, "withdraw", "误发")
    assert issue(alarm=episode.pk).state == "issued"
    other = Monitor.objects.exclude(pk=episode.feature_id).filter(region__code__startswith=HOME).first()
    assert other is not None
    Episode.objects.filter(pk=episode.pk).update(feature=other.pk)
    with pytest.raises(Invalid):
        issue(alarm=episode.pk)


def _owner() -> Principal:
    return principal_of(User.objects.get(username="owner"))


@pytest.mark.parametrize(
    ("done", "name", "text"),
    [((), "close", "x"), ((), "return", "x"), (("reply",), "reply", "x"), (("reply",), "urge", ""),
     (("reply", "close"), "withdraw", "x"), (("reply", "close"), "return", "x"), (("withdraw",), "reply", "x")],
)  # fmt: skip
def test_what_is_not_possible_in_a_state_is_a_conflict(
    issue: Issue, done: tuple[str, ...], name: str, text: str
) -> None:
    order = issue()
    for step in done:
        flows.act(_owner(), order.pk, step, "好")
    before = OrderStep.objects.filter(order=order).count()
    with pytest.raises(Conflict):
        flows.act(_owner(), order.pk, name, text)
    assert OrderStep.objects.filter(order=order).count() == before


def test_words_and_photographs_are_checked_and_then_nothing_is_done(issue: Issue, builder: User) -> None:
    order, theirs = issue(), principal_of(builder)
    for text, photos in (("", []), ("好", [("x.html", [b"<html>"])]), ("好", [("a.jpg", [b"\xff\xd8\xff"])] * 10)):
        with pytest.raises(Invalid):
            flows.act(theirs, order.pk, "reply", text, photos)  # type: ignore[arg-type]
    order.refresh_from_db()
    assert (order.state, order.replied_at) == ("issued", None)
    assert not Attachment.objects.filter(feature=order.pk).exists()
    with pytest.raises(NotFound):
        flows.act(theirs, order.pk, "explode")


def test_overdue_is_derived_and_a_late_answer_stays_late(issue: Issue, builder: User) -> None:
    now = timezone.now()
    order = issue()
    assert not flows.overdue(order, now)
    assert flows.overdue(order, now + 4 * DAY)
    flows.act(principal_of(builder), order.pk, "reply", "迟了", now=now + 4 * DAY)
    order.refresh_from_db()
    assert order.late and flows.overdue(order, now + 4 * DAY)
    flows.act(_owner(), order.pk, "return", "再补", now=now + 5 * DAY)
    order.refresh_from_db()
    assert order.due_at > now + 5 * DAY, "a returned order has time again"
    assert flows.overdue(order, now + 5 * DAY), "but its first answer was late"


def test_a_reminder_and_an_answer_reach_the_other_side(issue: Issue, builder: User) -> None:
    order = issue()
    Message.objects.all().delete()
    flows.act(_owner(), order.pk, "urge", "请尽快")
    assert list(Message.objects.values_list("user__username", flat=True)) == ["builder"]
    flows.act(principal_of(builder), order.pk, "reply", "已整改")
    answered = Message.objects.exclude(user=builder).get()
    assert answered.user == User.objects.get(username="owner") and "已整改" in answered.body


def test_the_figures_of_a_month_by_unit(issue: Issue, builder: User, who: Who) -> None:
    RemediationOrder.objects.all().delete()
    at = datetime(2026, 10, 10, 9, tzinfo=timezone.get_current_timezone())
    times = {"timely": 10, "late": 80, "waiting": None, "gone": None}
    for name, hours in times.items():
        order = issue(now=at, due_at=at + 2 * DAY)
        if hours is not None:
            flows.act(principal_of(builder), order.pk, "reply", "好", now=at + timedelta(hours=hours))
        if name == "timely":
            flows.act(_owner(), order.pk, "close", now=at + timedelta(hours=20))
        if name == "gone":
            flows.act(_owner(), order.pk, "withdraw", "误", now=at)
    sheet = Remediation().sheet(who["owner"], period("month", at.date()), None)
    (line,) = sheet.lines
    assert line.cells[1:] == [3, 1, 2, pytest.approx(100 / 3), 0, 1, 45.0, 20.0]
    assert sheet.summary[0].cells[1:] == line.cells[1:]
    assert Remediation().sheet(who["neighbour"], period("month", at.date()), None).lines == []


def test_the_page_filters_counts_and_stays_within_its_queries(
    issue: Issue, browser: Browser, kept_rights: None
) -> None:
    late = issue(now=timezone.now() - 9 * DAY, due_at=timezone.now() - DAY, level="red")
    calm = issue(level="blue")
    owner = browser("owner")
    assert owner.get("/desk/remediation?state=x").status_code == 400
    overdue = body(owner.get("/desk/remediation?state=overdue&q=ZG"))
    assert late.code in overdue and calm.code not in overdue
    assert calm.code in body(owner.get("/desk/remediation?level=blue"))
    numbers = []
    for _n in range(2):
        with CaptureQueriesContext(connection) as queries:
            owner.get("/desk/remediation?state=all")
        numbers.append(len(queries))
        for _more in range(5):
            issue()
    assert numbers[0] == numbers[1]


def test_who_is_given_one_device_sees_the_orders_about_it_alone(
    issue: Issue, monitor: Monitor, builder: User, browser: Browser
) -> None:
    mine = issue()
    now = timezone.now()
    other = Monitor.objects.create(code="OTHER", name="另一监测点", region_id=HOME, project=monitor.project)
    elsewhere = RemediationOrder.objects.create(
        code="ZG-OTHER", name="另一", region_id=HOME, monitor=other, unit=mine.unit, finding="x", requirement="y",
        issued_at=now, due_at=now + DAY,
    )  # fmt: skip
    user = User.objects.create_user("limited", password="x")
    grant = Membership.objects.create(user=user, role=Role.SUPERVISOR, region_id=HOME, named_only=True)
    grant.named.create(feature=monitor.pk)
    page = body(browser("limited").get("/desk/remediation?state=all"))
    assert mine.code in page and elsewhere.code not in page
    assert browser("limited").get(f"/desk/remediation/{elsewhere.pk}").status_code == 404
    assert flows.allowed(principal_of(user), mine) == ["reply", "urge", "withdraw"]


def test_orders_are_written_by_their_flow_alone(issue: Issue, browser: Browser, who: Who) -> None:
    order: UUID = issue().pk
    owner = browser("owner")
    assert owner.get("/desk/remediation_orders/new").status_code == 403
    assert owner.get(f"/desk/remediation_orders/{order}/edit").status_code == 403
    assert owner.post(f"/desk/remediation_orders/{order}/delete").status_code == 403
    assert owner.get(f"/desk/remediation_orders/{order}").status_code == 200
