"""The gate: rows by region and organisation, fields by role, changes only within reach."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.gis.geos import Point

from layers.enterprises.models import Enterprise
from layers.projects.models import Participation, Project
from services.access import actions, gate
from services.access.errors import Conflict, Invalid, LogInNeeded, NotFound, Refused
from services.access.principal import PUBLIC, Holding, Principal
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.audit.models import Entry
from services.catalog.layer import Layer, registry
from services.catalog.models import FeatureIndex
from tests.conftest import HOME, SIBLING

pytestmark = pytest.mark.django_db

PROJECTS = registry.by_key["projects"]
HERE = Point(107.50, 31.21, srid=4490)
each_layer = pytest.mark.parametrize("layer", list(registry), ids=lambda layer: layer.key)


def codes(principal: Principal, layer: Layer, action: str = "view") -> set[str]:
    """The region codes of the rows a principal may act on."""
    path = f"{layer.scope.region}__code"
    return set(gate.restrict(principal, layer, action).values_list(path, flat=True))


@each_layer
def test_each_sees_the_rows_of_their_region_and_no_others(layer: Layer, who: dict[str, Principal]) -> None:
    everything = layer.rows().count()
    assert gate.restrict(who["admin"], layer).count() == everything
    assert all((code or "").startswith("5117") for code in codes(who["commander"], layer))
    assert all((code or "").startswith(HOME) for code in codes(who["owner"], layer))
    assert all((code or "").startswith(SIBLING) for code in codes(who["neighbour"], layer))
    assert codes(who["stranger"], layer) == set()
    if "public" not in layer.grants:
        assert not gate.restrict(PUBLIC, layer).exists()


def test_an_organisation_sees_what_it_takes_part_in_once(who: dict[str, Principal]) -> None:
    firm = Enterprise.objects.first()
    assert firm is not None
    project = Project.objects.create(name="两种角色", geom=HERE)
    for capacity in ("owner", "contractor"):
        Participation.objects.create(project=project, enterprise=firm, capacity=capacity)
    member = Principal(uuid4(), "firm", (Holding(Role.CONTRACTOR, "", firm.pk),))
    rows = gate.restrict(member, PROJECTS)
    assert list(rows.filter(pk=project.pk)) == [project]
    assert rows.count() == Project.objects.filter(parties=firm).distinct().count()


def test_a_layer_without_the_bounding_path_is_closed_not_open() -> None:
    layer = registry.by_key["projects"]
    bounded = type("Bare", (type(layer),), {"scope": type(layer.scope)(region=None), "__module__": __name__})()
    assert not gate.restrict(Principal(uuid4(), "x", (Holding(Role.SUPERVISOR, HOME),)), bounded).exists()
    assert not gate.restrict(Principal(uuid4(), "x", (Holding(Role.SUPERVISOR, "", uuid4()),)), bounded).exists()


@pytest.mark.parametrize("layer", [layer for layer in registry if layer.private], ids=lambda layer: layer.key)
def test_two_roles_never_open_a_private_field_that_one_keeps_closed(layer: Layer) -> None:
    strong = [role for role, granted in layer.grants.items() if "private" in granted.split()]
    weak = [role for role, granted in layer.grants.items() if granted and "private" not in granted.split()]
    assert strong
    opened = Principal(uuid4(), "x", (Holding(strong[0], HOME),))
    assert set(layer.private) <= {f.name for f in gate.fields(opened, layer)}
    for role in weak:
        both = Principal(uuid4(), "x", (Holding(strong[0], HOME), Holding(role, "51")))
        assert not set(layer.private) & {f.name for f in gate.fields(both, layer)}


def test_a_foreign_row_is_not_found_and_a_visible_one_refused(who: dict[str, Principal]) -> None:
    mine = gate.restrict(who["owner"], PROJECTS).first()
    assert mine is not None
    with pytest.raises(NotFound):
        gate.fetch(who["neighbour"], PROJECTS, mine.pk)
    with pytest.raises(NotFound):
        gate.fetch(PUBLIC, PROJECTS, mine.pk)
    with pytest.raises(NotFound):
        gate.fetch(who["owner"], PROJECTS, "x' OR '1'='1")
    with pytest.raises(Refused):
        gate.fetch(who["inspector"], PROJECTS, mine.pk, "change")
    with pytest.raises((LogInNeeded, NotFound)):
        gate.require(PUBLIC, PROJECTS, "create")


def test_create_checks_saves_audits_and_indexes(who: dict[str, Principal]) -> None:
    row = actions.create(who["owner"], PROJECTS, {"name": "新工程", "geom": HERE, "region": HOME})
    entry = Entry.objects.filter(object_id=str(row.pk)).get()
    assert (entry.action, entry.user_name, entry.changes["name"]) == ("create", "owner", [None, "新工程"])
    assert FeatureIndex.objects.filter(pk=row.pk, region_code=HOME).exists()


@pytest.mark.parametrize("change", [{"region": SIBLING}, {"region": None, "geom": None}])
def test_nobody_moves_a_feature_out_of_their_reach(who: dict[str, Principal], change: dict[str, Any]) -> None:
    mine = gate.restrict(who["owner"], PROJECTS).first()
    assert mine is not None
    with pytest.raises(Refused):
        actions.change(who["owner"], PROJECTS, mine.pk, change)
    before = mine.region_id
    mine.refresh_from_db()
    assert mine.region_id == before
    assert not Entry.objects.filter(object_id=str(mine.pk), action="change").exists()


def test_create_outside_the_region_writes_nothing(who: dict[str, Principal]) -> None:
    before = Project.objects.count()
    with pytest.raises(Refused):
        actions.create(who["owner"], PROJECTS, {"name": "别处", "region": SIBLING})
    assert Project.objects.count() == before


def test_wrong_values_name_the_field_and_what_is_allowed(who: dict[str, Principal]) -> None:
    with pytest.raises(Invalid) as caught:
        actions.create(who["owner"], PROJECTS, {"name": "x", "region": HOME, "colour": "red"})
    assert "colour" in caught.value.fields
    assert "name" in caught.value.fields["colour"][0]
    with pytest.raises(Invalid) as caught:
        actions.create(who["owner"], PROJECTS, {"name": "x", "region": HOME, "state": "flying", "progress": 101})
    assert {"state", "progress"} <= set(caught.value.fields)


def test_a_change_of_something_changed_meanwhile_is_a_conflict(who: dict[str, Principal]) -> None:
    mine = gate.restrict(who["owner"], PROJECTS).first()
    assert mine is not None
    actions.change(who["owner"], PROJECTS, mine.pk, {"address": "第一"}, read_at=mine.updated_at)
    with pytest.raises(Conflict):
        actions.change(who["owner"], PROJECTS, mine.pk, {"address": "第二"}, read_at=mine.updated_at)
    mine.refresh_from_db()
    assert mine.address == "第一"


def test_a_row_in_use_is_not_deleted(who: dict[str, Principal]) -> None:
    firm = Enterprise.objects.filter(projects__isnull=False).first()
    assert firm is not None
    with pytest.raises(Conflict):
        actions.delete(who["admin"], registry.by_key["enterprises"], firm.pk)
    assert Enterprise.objects.filter(pk=firm.pk).exists()


def test_an_organisation_with_members_is_not_deleted(who: dict[str, Principal]) -> None:
    firm = Enterprise.objects.create(code="91330100799655058B", name="有成员的单位", region_id=HOME)
    member = User.objects.create_user("member-of-firm")
    Membership.objects.create(user=member, role=Role.CONTRACTOR, organisation_id=firm.pk)
    with pytest.raises(Conflict):
        actions.delete(who["admin"], registry.by_key["enterprises"], firm.pk)
    assert FeatureIndex.objects.filter(pk=firm.pk).exists()


def test_a_foreign_key_reaches_only_what_its_writer_sees(who: dict[str, Principal]) -> None:
    theirs = gate.restrict(who["neighbour"], PROJECTS).first()
    mine = gate.restrict(who["owner"], registry.by_key["cameras"]).first()
    assert theirs is not None
    assert mine is not None
    foreign, missing = theirs.pk, uuid4()
    answers = []
    for target in (foreign, missing):
        with pytest.raises(Invalid) as caught:
            actions.change(who["owner"], registry.by_key["cameras"], mine.pk, {"project": target})
        answers.append(caught.value.fields)
    assert answers[0] == answers[1]
