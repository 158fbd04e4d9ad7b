"""The blacklist: shared by all, met with at every door, decided on by the rules of an enterprise, lifted."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from layers.enterprises.models import Enterprise
from layers.people import flows
from layers.people.models import BlacklistEntry, BlacklistHit, BlacklistRule, Person
from layers.people.rules import LISTED, check_digit
from layers.projects.models import Project
from services.access import actions
from services.access.bulk import create_many
from services.access.errors import Conflict, Invalid, NotFound, Objected, Refused
from services.access.principal import Principal, principal_of
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.alarms.models import Episode
from services.audit.models import Entry
from services.catalog.layer import registry
from tests.conftest import HOME, client
from tests.managing.conftest import body

pytestmark = pytest.mark.django_db
Who = dict[str, Principal]
PEOPLE = registry.by_key["people"]
BODY = "99000019880808123"
NUMBER = BODY + check_digit(BODY)
"""Of nobody: area 990000 is not assigned."""


@pytest.fixture
def site(db: None) -> Project:
    """A project in the owner's county whose contractor has no rule for who is listed."""
    found = Project.objects.filter(region__code__startswith=HOME).exclude(contractor=None).order_by("pk").first()
    assert found is not None
    BlacklistRule.objects.all().delete()
    return found


@pytest.fixture
def firm(db: None) -> Enterprise:
    """An employer in the owner's county."""
    found = Enterprise.objects.filter(region__code__startswith=HOME).order_by("pk").first()
    assert found is not None
    return found


@pytest.fixture
def builder(firm: Enterprise) -> Principal:
    """Somebody of the employer."""
    user = User.objects.create_user("builder", password="x", title="劳资员")
    Membership.objects.create(user=user, role=Role.CONTRACTOR, organisation_id=firm.pk)
    return principal_of(user)


@pytest.fixture
def listed(who: Who) -> Callable[..., BlacklistEntry]:
    """``listed()`` → a person on the list, by a project of the neighbouring county."""

    def made(**given: Any) -> BlacklistEntry:
        values = {
            "subject": "person", "name": "钱某", "id_number": NUMBER, "reason": "伪造特种作业操作证",
            "authority": "通川桥项目部", "valid_from": timezone.localdate() - timedelta(days=3),
        } | given  # fmt: skip
        return flows.enlist(who["neighbour"], values)

    return made


def values(firm: Enterprise, site: Project | None, **given: Any) -> dict[str, Any]:
    return {
        "name": "钱某", "kind": "labour", "enterprise": firm.pk, "project": site.pk if site else None,
        "id_number": NUMBER, **given,
    }  # fmt: skip


@pytest.mark.covers("DZ-154", "DZ-155")
def test_who_is_listed_by_one_project_is_seen_at_every_other_at_once(
    listed: Callable[..., BlacklistEntry], who: Who, firm: Enterprise, builder: Principal
) -> None:
    person = listed()
    team = listed(subject="team", name="木工班二组", id_number="", enterprise_id=firm.pk)
    assert (team.name, team.enterprise_id) == ("木工班二组", firm.pk)
    for name in ("neighbour", "owner", "stranger", "commander", "admin", "builder"):
        page = body(client(name).get("/desk/blacklist?q=%E9%80%9A%E5%B7%9D%E6%A1%A5"))
        assert "钱某" in page and "木工班二组" in page, name
        assert NUMBER not in page and person.id_masked in page, "masked for everybody"
        assert NUMBER not in body(client(name).get(f"/desk/blacklist/{person.pk}"))
    assert client("inspector").get("/desk/blacklist").status_code == 404
    found = body(client("owner").get(f"/desk/blacklist?q={NUMBER}"))
    assert person.id_masked in found, "a whole number finds its entry"
    assert person.id_masked not in body(client("owner").get(f"/desk/blacklist?q={NUMBER[:10]}"))
    with pytest.raises(Refused):
        flows.enlist(who["inspector"], {"subject": "person"})
    with pytest.raises(Invalid) as caught:
        listed(id_number="")
    assert "id_number" in caught.value.fields
    with pytest.raises(Invalid) as caught:
        listed(subject="team", id_number="")
    assert "enterprise" in caught.value.fields


@pytest.mark.covers("DZ-156")
def test_a_listed_number_warns_the_registrar_on_the_form_and_what_the_project_did_is_kept(
    listed: Callable[..., BlacklistEntry], firm: Enterprise, site: Project, builder: Principal
) -> None:
    entry = listed()
    owner = client("owner")
    form = {
        "name": "钱某", "kind": "labour", "state": "active", "title": "none", "enterprise": str(firm.pk),
        "project": str(site.pk), "id_number": NUMBER,
    }  # fmt: skip
    answer = owner.post("/desk/people/new", form)
    assert answer.status_code == 422
    page = body(answer)
    assert "黑名单提醒" in page and entry.reason in page and entry.authority in page
    assert not Person.objects.filter(id_number=NUMBER).exists(), "warned before it is saved"
    hit = BlacklistHit.objects.get(entry=entry)
    assert (hit.handling, hit.project, hit.enterprise, hit.person) == ("pending", site, firm, "owner")
    warning = Episode.objects.get(rule__key=LISTED, feature_id=site.pk)
    assert warning.ended_at is None and "钱某" in body(owner.get(f"/desk/alarms/{warning.pk}"))

    again = owner.post("/desk/people/new", form | {"settle": "admitted", "hit": str(hit.pk), "held-reason": " "})
    assert again.status_code == 422 and "请说明处理理由" in body(again)
    assert not Person.objects.filter(id_number=NUMBER).exists()
    done = owner.post("/desk/people/new", form | {"settle": "admitted", "hit": str(hit.pk), "held-reason": "已再教育"})
    assert done.status_code == 302, body(done)
    person = Person.objects.get(id_number=NUMBER)
    hit.refresh_from_db()
    warning.refresh_from_db()
    assert (hit.handling, hit.reason, hit.settled_by) == ("admitted", "已再教育", "owner")
    assert warning.ended_at is not None, "decided, the warning is over"
    assert "已再教育" in body(owner.get("/desk/blacklist/hits"))
    assert Entry.objects.filter(action="admitted blacklisted", object_id=entry.pk).exists()

    # Elsewhere it is asked again; anything else about them is not.
    actions.change(principal_of(User.objects.get(username="owner")), PEOPLE, person.pk, {"trade": "木工"})
    other = Project.objects.filter(region__code__startswith=HOME).exclude(pk=site.pk).first()
    assert other is not None
    edit = form | {"project": str(other.pk), "read_at": "", "trade": "木工"}
    moved = owner.post(f"/desk/people/{person.pk}/edit", edit)
    assert moved.status_code == 422 and "黑名单提醒" in body(moved)
    second = BlacklistHit.objects.get(entry=entry, handling="pending")
    assert second.project == other
    sent = {"settle": "refused", "hit": str(second.pk), "held-reason": "不予录用"}
    assert owner.post(f"/desk/people/{person.pk}/edit", edit | sent).status_code == 302
    person.refresh_from_db()
    second.refresh_from_db()
    assert (person.project_id, second.handling) == (site.pk, "refused")


def test_the_rule_of_the_enterprise_lets_nobody_in_who_is_listed(
    listed: Callable[..., BlacklistEntry], firm: Enterprise, site: Project, who: Who, builder: Principal
) -> None:
    listed()
    assert site.contractor is not None
    with pytest.raises(NotFound):
        flows.set_rule(who["neighbour"], firm.pk, "refuse", "x", timezone.localdate())
    flows.set_rule(builder, firm.pk, "decide", "《用工办法》", timezone.localdate() - timedelta(days=30))
    with pytest.raises(Objected) as caught:
        actions.create(builder, PEOPLE, values(firm, None))
    (hit,) = caught.value.notes
    flows.set_rule(builder, firm.pk, "refuse", "《用工办法》第八条", timezone.localdate())
    ended = BlacklistRule.objects.get(enterprise=firm, handling="decide")
    assert ended.valid_to == timezone.localdate(), "what held until then ended"
    with pytest.raises(Refused) as refusal:
        flows.settle(builder, [hit.pk], "admitted", "想用")
    assert "第八条" in str(refusal.value)
    flows.settle(builder, [hit.pk], "refused", "按规定")
    with pytest.raises(Conflict):
        flows.settle(builder, [hit.pk], "refused", "按规定")
    with pytest.raises(Objected):
        actions.create(builder, PEOPLE, values(firm, None))


def test_teams_and_enterprises_are_met_with_as_persons_are(
    listed: Callable[..., BlacklistEntry], firm: Enterprise, site: Project, who: Who
) -> None:
    listed(subject="team", name="木工班九组", id_number="", enterprise_id=firm.pk)
    fresh = {"id_number": "", "name": "孙某"}
    actions.create(who["owner"], PEOPLE, values(firm, site, **fresh, team="木工班八组"))
    with pytest.raises(Objected) as caught:
        actions.create(who["owner"], PEOPLE, values(firm, site, **fresh, team="木工班九组"))
    assert list(caught.value.fields) == ["team"]
    listed(subject="enterprise", name="", id_number="", enterprise_id=firm.pk)
    with pytest.raises(Objected) as caught:
        actions.create(who["owner"], PEOPLE, values(firm, site, **fresh))
    assert list(caught.value.fields) == ["enterprise"]


@pytest.mark.parametrize("given", [
    {"valid_from": date(2020, 1, 1), "valid_until": date(2020, 12, 31)},
    {"valid_from": timezone.localdate() + timedelta(days=2)},
])  # fmt: skip
def test_what_is_over_or_has_not_begun_holds_nobody_back(
    given: dict[str, Any], listed: Callable[..., BlacklistEntry], firm: Enterprise, site: Project, who: Who
) -> None:
    listed(**given)
    assert actions.create(who["owner"], PEOPLE, values(firm, site)).pk


def test_who_is_lifted_is_free_again_and_stays_to_be_read(
    listed: Callable[..., BlacklistEntry], firm: Enterprise, site: Project, who: Who, builder: Principal
) -> None:
    entry = listed()
    for other in ("owner", "stranger"):
        with pytest.raises(Refused):
            flows.lift(who[other], entry.pk, "想用")
    with pytest.raises(Refused):
        flows.lift(builder, entry.pk, "想用")
    with pytest.raises(Invalid):
        flows.lift(who["neighbour"], entry.pk, " ")
    flows.lift(who["neighbour"], entry.pk, "身份登记有误")
    with pytest.raises(Conflict):
        flows.lift(who["neighbour"], entry.pk, "身份登记有误")
    shown = body(client("owner").get("/desk/blacklist?standing=lifted"))
    assert "钱某" in shown and "身份登记有误" in body(client("owner").get(f"/desk/blacklist/{entry.pk}"))
    assert actions.create(who["owner"], PEOPLE, values(firm, site)).pk
    own = flows.enlist(builder, {
        "subject": "person", "name": "周某", "id_number": NUMBER, "reason": "x", "authority": "本项目部",
        "valid_from": timezone.localdate(),
    })  # fmt: skip
    assert own.on_behalf == firm and flows.may_lift(builder, own) and flows.may_lift(who["owner"], own)
    assert not flows.may_lift(who["neighbour"], own)


def test_no_door_leads_around_it(
    listed: Callable[..., BlacklistEntry], firm: Enterprise, site: Project, who: Who, token: Any
) -> None:
    entry = listed()
    # An import writes the others and says which row was held back.
    rows = [(2, values(firm, site, name="李某", id_number="")), (3, values(firm, site)), (4, values(firm, None))]
    told: dict[int, Any] = {}
    made = create_many(who["owner"], PEOPLE, rows, refused=lambda number, problems: told.update({number: problems}))
    assert made == 1 and set(told) == {3, 4}
    assert all("黑名单" in problems["id_number"][0] for problems in told.values())
    assert set(BlacklistHit.objects.values_list("project", flat=True).filter(entry=entry)) == {site.pk, None}
    # The OGC API, where a layer that borrows its place is not edited, and the admin page.
    feature = {
        "type": "Feature",
        "geometry": None,
        "properties": json.loads(json.dumps(values(firm, site), default=str)),
    }
    answer = client("owner").post(
        "/ogc/collections/people/items", feature, content_type="application/geo+json", headers=token("owner")
    )
    assert answer.status_code == 400
    admin = client("owner").post("/admin/people/person/add/", {
        "name": "钱某", "kind": "labour", "state": "active", "title": "none", "enterprise": str(firm.pk),
        "project": str(site.pk), "id_number": NUMBER, "code": "", "trade": "", "phone": "", "team": "",
    })  # fmt: skip
    assert admin.status_code == 400 and not Person.objects.filter(id_number=NUMBER).exists()
    free = actions.create(who["owner"], PEOPLE, values(firm, site, id_number="", name="吴某"))
    with pytest.raises(Objected):
        actions.change(who["owner"], PEOPLE, free.pk, {"id_number": NUMBER})
    assert BlacklistHit.objects.filter(entry=entry).count() == 2, "the same again at the same place is one"
    assert BlacklistHit.objects.get(entry=entry, project=site).times > 1


def test_a_neighbour_sees_the_entry_but_not_where_it_was_met_with(
    listed: Callable[..., BlacklistEntry], firm: Enterprise, site: Project, who: Who
) -> None:
    entry = listed()
    with pytest.raises(Objected) as caught:
        actions.create(who["owner"], PEOPLE, values(firm, site))
    (hit,) = caught.value.notes
    assert site.name in body(client("owner").get("/desk/blacklist/hits"))
    for name in ("neighbour", "stranger"):
        assert site.name not in body(client(name).get("/desk/blacklist/hits")), name
        assert "检出发生在您辖区以外" in body(client(name).get(f"/desk/blacklist/{entry.pk}"))
        with pytest.raises(NotFound):
            flows.settle(who[name], [hit.pk], "refused", "x")


def test_many_rows_take_no_more_queries_than_one(
    listed: Callable[..., BlacklistEntry], firm: Enterprise, site: Project
) -> None:
    listed()
    counts = []
    for number in (1, 200):
        rows = [Person(name=f"甲{n}", enterprise=firm, project=site, id_number=NUMBER) for n in range(number)]
        with CaptureQueriesContext(connection) as queries:
            found = flows.objections(rows)
        assert len(found) == number
        counts.append(len(queries))
    assert counts == [2, 2]
