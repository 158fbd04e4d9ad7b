"""Integrity of enterprises: points by the standard, the score of any moment, assessments that nothing overwrites."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import InternalError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from layers.enterprises import flows, reports
from layers.enterprises.models import CreditAssessment, CreditEntry, CreditItem, CreditRule, Enterprise
from layers.enterprises.reports import Asked
from layers.enterprises.seed import credit_code
from services.access.errors import Conflict, Invalid, NotFound, Refused
from services.access.principal import Principal, principal_of
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.catalog.models import FeatureIndex
from services.telemetry.reports import period
from services.telemetry.spans import ZONE
from tests.conftest import HOME

pytestmark = pytest.mark.django_db
Who = dict[str, Principal]
Record = Callable[..., CreditEntry]
TODAY = timezone.localdate


@pytest.fixture
def firm(db: None) -> Enterprise:
    """A contractor in the owner's county without records, founded long ago."""
    return Enterprise.objects.create(
        code=credit_code(888_001), name="测试诚信建筑有限公司", kind="construction", region_id=f"{HOME}",
        founded_on=date(2010, 5, 1),
    )  # fmt: skip


@pytest.fixture
def own(firm: Enterprise) -> Principal:
    """Somebody of the contractor."""
    user = User.objects.create_user("firm", password="x", title="企业经办")
    Membership.objects.create(user=user, role=Role.CONTRACTOR, organisation_id=firm.pk)
    return principal_of(user)


@pytest.fixture
def record(firm: Enterprise, who: Who) -> Record:
    """``record("K103")`` → an entry of the owner's office, published at once unless ``published=False``."""

    def made(code: str, days_ago: int = 10, *, published: bool = True, **given: Any) -> CreditEntry:
        when = timezone.now() - timedelta(days=days_ago)
        item = CreditItem.objects.get(code=code)
        values = {"reason": "巡查发现", "decided_by": "通川区住房和城乡建设局", "decided_on": timezone.localdate(when)}
        entry = flows.record(who["owner"], firm.pk, item=item.pk, now=when, **(values | given))
        return flows.act(who["owner"], entry.pk, "publish", now=when) if published else entry

    return made


def score(firm: Enterprise, day: date | None = None) -> Decimal:
    found = reports.score_of(firm, day)
    assert found is not None
    return found.score


def test_a_score_is_the_base_with_what_is_in_force_and_kept_within_its_bounds(firm: Enterprise, record: Record) -> None:
    assert score(firm) == 100
    record("K103")  # 2 points
    record("J103")  # 4 points
    assert score(firm) == 102
    firm.refresh_from_db()
    assert firm.credit_score == 102, "the column for maps follows at once"
    for _each in range(8):
        record("K104")  # 15 points each
    assert score(firm) == 0, "not below the least"
    assert [entry.item.code for entry in reports.in_force(firm.pk) if entry.item][-1] == "K103", "the least weighs last"


def test_points_that_are_not_published_do_not_count(firm: Enterprise, record: Record, who: Who) -> None:
    entry = record("K103", published=False)
    assert score(firm) == 100
    flows.act(who["owner"], entry.pk, "reject", "证据不足")
    assert score(firm) == 100
    with pytest.raises(Conflict):
        flows.act(who["owner"], entry.pk, "publish")


@pytest.mark.covers("DZ-031")
def test_points_lapse_by_themselves_and_stay_to_be_seen(firm: Enterprise, record: Record) -> None:
    entry = record("K902", 185)  # counts for six months
    assert entry.valid_until is not None and entry.valid_until < TODAY()
    assert score(firm) == 100
    assert score(firm, entry.valid_until) == 98, "its last day"
    assert score(firm, entry.valid_until + timedelta(days=1)) == 100
    Enterprise.objects.filter(pk=firm.pk).update(credit_score=98)
    flows.daily()
    firm.refresh_from_db()
    assert firm.credit_score == 100, "what the calendar brings reaches the column"
    assert CreditEntry.objects.filter(pk=entry.pk, state="published").exists()


def test_the_score_of_a_past_moment_is_what_was_known_then(firm: Enterprise, record: Record, who: Who) -> None:
    entry = record("K901", 30)  # 8 points
    flows.act(who["owner"], entry.pk, "withdraw", "复核撤销", now=timezone.now() - timedelta(days=5))
    assert score(firm) == 100
    assert score(firm, TODAY() - timedelta(days=10)) == 92
    assert score(firm, TODAY() - timedelta(days=40)) == 100
    curve = dict(reports.curve(firm, TODAY() - timedelta(days=40)))
    assert len(curve) == 41
    assert {curve[TODAY() - timedelta(days=n)] for n in (40, 3, 0)} == {Decimal(100)}
    assert all(curve[day] == score(firm, day) for day in list(curve)[::8])


def test_an_objection_does_not_stop_the_points_and_a_withdrawal_does(
    firm: Enterprise, record: Record, who: Who, own: Principal
) -> None:
    entry = record("K103")
    assert flows.allowed(own, entry) == ["object"]
    with pytest.raises(Invalid):
        flows.act(own, entry.pk, "object", " ")
    flows.act(own, entry.pk, "object", "当日已覆盖")
    assert score(firm) == 98
    with pytest.raises(Refused):
        flows.act(own, entry.pk, "withdraw", "自行撤销")
    flows.act(who["owner"], entry.pk, "uphold", "照片属实")
    entry = flows.act(own, entry.pk, "object", "再次异议")
    flows.act(who["owner"], entry.pk, "withdraw", "认定有误")
    assert score(firm) == 100
    kinds = list(entry.steps.values_list("kind", flat=True))
    assert kinds == ["recorded", "published", "objected", "upheld", "objected", "withdrawn"]


@pytest.mark.covers("DZ-028")
def test_the_enterprise_applies_for_points_with_a_proof_and_takes_none_from_itself(
    firm: Enterprise, own: Principal, who: Who, tmp_path: Any, settings: Any
) -> None:
    settings.MEDIA_ROOT = tmp_path
    good, bad = (CreditItem.objects.get(code=code) for code in ("J103", "K103"))
    values = {"reason": "获奖", "decided_by": "市住建局", "decided_on": TODAY() - timedelta(days=3)}
    with pytest.raises(Refused):
        flows.record(own, firm.pk, item=bad.pk, **values)
    with pytest.raises(Invalid) as caught:
        flows.record(own, firm.pk, item=good.pk, **values)
    assert "files" in caught.value.fields
    entry = flows.record(own, firm.pk, item=good.pk, files=[("证书.pdf", [b"%PDF-1.4\n%%EOF\n"])], **values)
    assert score(firm) == 100
    with pytest.raises(Refused):
        flows.act(own, entry.pk, "publish")
    flows.act(who["owner"], entry.pk, "publish")
    assert score(firm) == 104


@pytest.mark.covers("DZ-029")
def test_only_items_for_the_type_and_the_day_may_be_chosen(firm: Enterprise, who: Who) -> None:
    values = {"reason": "x", "decided_by": "区住建局", "decided_on": TODAY()}
    item = CreditItem.objects.get(code="K103")
    later = CreditItem.objects.get(code="K103")
    later.pk, later.valid_from, later.points = None, TODAY() + timedelta(days=1), Decimal(9)
    later.save()
    for pk in (CreditItem.objects.get(code="K301").pk, later.pk, None):
        with pytest.raises(Invalid) as caught:
            flows.record(who["owner"], firm.pk, item=pk, **values)
        assert "item" in caught.value.fields
    assert flows.record(who["owner"], firm.pk, item=item.pk, **values).points == 2


def test_a_neighbour_neither_sees_nor_writes(firm: Enterprise, record: Record, who: Who) -> None:
    entry = record("K103")
    for name in ("neighbour", "stranger"):
        assert firm.pk not in {line.enterprise for line in reports.scores(who[name], Asked())[0]}
        with pytest.raises(NotFound):
            flows.fetch(who[name], entry.pk)
        with pytest.raises(NotFound):
            flows.act(who[name], entry.pk, "withdraw", "x")
        with pytest.raises(NotFound):
            flows.record(
                who[name], firm.pk, item=entry.item_id, reason="x", decided_by="x", decided_on=TODAY()
            )  # fmt: skip
    with pytest.raises(Refused):
        flows.act(who["inspector"], entry.pk, "withdraw", "x")


def test_the_rank_is_among_all_of_a_type_whoever_asks(firm: Enterprise, record: Record, own: Principal) -> None:
    record("J101")
    record("J102")
    (mine,), total = reports.scores(own, Asked())
    assert (total, mine.enterprise, mine.rank) == (1, firm.pk, 1)
    assert mine.ranked == Enterprise.objects.filter(kind="construction").exclude(state="cancelled").count() > 1
    assert mine.grade == "A"


def test_a_rule_of_one_type_and_of_its_days_goes_before_that_of_all(firm: Enterprise, record: Record) -> None:
    record("K103", 20)
    CreditRule.objects.create(
        enterprise_kind="construction", version="2026-C", valid_from=TODAY() - timedelta(days=5), citation="x",
        base=80, least=0, most=120, a_from=100, b_from=90, c_from=70,
    )  # fmt: skip
    found = reports.score_of(firm)
    assert found is not None and (found.score, found.grade, found.rule) == (78, "C", "2026-C")
    assert score(firm, TODAY() - timedelta(days=6)) == 98


@pytest.mark.covers("DZ-036")
def test_an_enterprise_shows_its_score_of_now_and_its_assessments_of_earlier_periods(
    firm: Enterprise, record: Record, who: Who
) -> None:
    last = period("quarter", TODAY()).before
    ago = (TODAY() - last.end).days
    record("K103", ago + 20)
    record("K102", 1) if ago > 1 else None
    assert flows.assess(who["admin"], last) >= 1
    held = CreditAssessment.objects.get(enterprise=firm, period="quarter", first=last.first)
    assert (held.score, held.grade, held.version, held.rule_version) == (98, "B", 1, "2018")
    assert [row["item"] for row in held.inputs] == ["K103"], "what came after the period is not in it"
    from services.catalog.layer import registry
    from services.panels.panel import tab

    shown = tab(who["owner"], registry.by_key["enterprises"], firm.pk, "creditassessment")
    assert [row[0] for row in shown.sections[0].rows] == [held.pk]
    both = reports.scores(who["owner"], Asked(text=firm.name))[0], reports.scores(
        who["owner"], Asked(text=firm.name, period=("quarter", last.first))
    )[0]  # fmt: skip
    assert [rows[0].score for rows in both] == [score(firm), 98]
    assert reports.scores(who["neighbour"], Asked(text=firm.name, period=("quarter", last.first))) == ([], 0)


def test_an_assessment_is_made_once_and_corrected_by_a_further_version(
    firm: Enterprise, record: Record, who: Who, own: Principal
) -> None:
    last = period("year", TODAY()).before
    entry = record("K901", (TODAY() - last.end).days + 40)
    flows.assess(who["admin"], last)
    assert flows.assess(who["admin"], last) == 0, "made once"
    with pytest.raises(Conflict):
        flows.assess(who["owner"], last, firm.pk, reason="核对")
    flows.act(who["owner"], entry.pk, "withdraw", "认定有误")
    first = CreditAssessment.objects.get(enterprise=firm, period="year")
    assert first.score == 92, "what was decided later does not reach into what is frozen"
    for refused, kind in ((own, Refused), (who["neighbour"], NotFound), (who["inspector"], Refused)):
        with pytest.raises(kind):
            flows.assess(refused, last, firm.pk, reason="更正")
    with pytest.raises(Invalid):
        flows.assess(who["owner"], last, firm.pk)
    assert flows.assess(who["owner"], last, firm.pk, reason="撤销了一条记录") == 1
    old, new = CreditAssessment.objects.filter(enterprise=firm, period="year").order_by("version")
    assert (old.score, old.superseded_at is None, new.score, new.version, new.reason) == (
        92, False, 100, 2, "撤销了一条记录",
    )  # fmt: skip
    for frozen in ({"score": 99}, {"inputs": []}, {"superseded_at": None}):
        with pytest.raises((InternalError, ProgrammingError)), transaction.atomic():
            CreditAssessment.objects.filter(pk=old.pk).update(**frozen)


def test_a_period_that_is_not_over_is_not_assessed(who: Who) -> None:
    with pytest.raises(Invalid):
        flows.assess(who["admin"], period("quarter", TODAY()))
    with pytest.raises(Refused):
        flows.assess(who["owner"], period("quarter", TODAY()).before)


def test_the_schedule_assesses_a_quarter_that_ended(firm: Enterprise, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.telemetry.jobs import periodic

    run, _seconds = periodic()["enterprises.credit"]
    later = datetime(TODAY().year + 1, 1, 1, 0, 10, tzinfo=ZONE)
    monkeypatch.setattr(timezone, "now", lambda: later)
    run()
    found = CreditAssessment.objects.filter(enterprise=firm).values_list("period", "last")
    end = date(later.year - 1, 12, 31)
    assert set(found) == {("quarter", end), ("year", end)}


def test_many_enterprises_take_no_more_queries_than_few(who: Who) -> None:
    for asked in (
        Asked(),
        Asked(kind="construction"),
        Asked(period=("quarter", period("quarter", TODAY()).before.first)),
    ):
        with CaptureQueriesContext(connection) as queries:
            rows, total = reports.scores(who["admin"], asked)
        assert len(queries) == 1
        assert total == len(rows) > 1
    with CaptureQueriesContext(connection) as queries:
        reports.scores(who["owner"], Asked())
    assert len(queries) == 2, "those in reach, and their scores"


def test_no_other_door_writes_an_entry_or_a_score(firm: Enterprise, who: Who) -> None:
    from services.access import actions
    from services.catalog.layer import registry
    from services.panels.panel import tab

    layer = registry.by_key["enterprises"]
    for key in ("creditentry", "creditassessment"):
        declared: Any = layer.tab(key)
        with pytest.raises(Refused):
            actions.add_record(who["owner"], layer, firm.pk, declared, {})
        assert tab(who["owner"], layer, firm.pk, key).sections[0].add == ""
    with pytest.raises(Invalid):
        actions.change(who["owner"], layer, firm.pk, {"credit_score": 150})
    assert FeatureIndex.objects.filter(pk=firm.pk).exists()
