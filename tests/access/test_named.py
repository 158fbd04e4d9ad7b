"""Memberships limited to named features: what is named and what belongs to it, and nothing else at any door."""

from typing import Any

import pytest
from django.test import Client

from layers.environment.models import Monitor
from layers.projects.models import Project
from layers.video.models import Camera
from services.access import actions, gate, grants
from services.access import principal as principals_module
from services.access.errors import NotFound, Refused
from services.access.principal import Principal, principal_of, principals
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.alarms import governing, telling
from services.alarms.models import Episode
from services.audit.models import Entry
from services.catalog.layer import registry
from services.surfaces import scope
from tests.conftest import HOME

pytestmark = pytest.mark.django_db
MONITORS, CAMERAS, PROJECTS = (registry.by_key[key] for key in ("monitors", "cameras", "projects"))


@pytest.fixture
def grant(db: None) -> Membership:
    """A supervisor of the owner's county who is limited to what is named."""
    user = User.objects.create_user("limited", password="x")
    return Membership.objects.create(user=user, role=Role.SUPERVISOR, region_id=HOME, named_only=True)


@pytest.fixture
def site(db: None) -> Project:
    """A site of the county with a monitor and a camera."""
    watched = Monitor.objects.filter(region__code__startswith=HOME, project__isnull=False).values("project")
    found = Project.objects.filter(pk__in=watched, cameras__isnull=False).order_by("pk").first()
    assert found is not None
    return found


def now_of(grant: Membership) -> Principal:
    principals_module.forget()
    return principal_of(User.objects.get(pk=grant.user_id))


def seen(principal: Principal, layer: Any, action: str = "view") -> set[Any]:
    rows = set(gate.restrict(principal, layer, action).values_list("pk", flat=True))
    indexed = gate.restrict_index(principal, [layer], action).values_list("pk", flat=True)
    assert rows == set(indexed), "the index says what the rows say"
    return rows


def test_who_is_limited_to_nothing_sees_nothing(grant: Membership) -> None:
    limited = now_of(grant)
    for layer in registry:
        assert not gate.restrict(limited, layer).exists(), layer.key
    assert not gate.restrict_index(limited).exists()
    assert governing.may_write(limited, "monitors", HOME) is False
    assert scope.prefixes(limited) == []


@pytest.mark.covers("DZ-099")
def test_a_device_that_is_named_is_seen_and_operated_and_no_other(grant: Membership, who: dict[str, Principal]) -> None:
    mine, other = Monitor.objects.filter(region__code__startswith=HOME).order_by("pk")[:2]
    grants.give(who["admin"], grant.pk, mine.pk)
    limited = now_of(grant)
    assert seen(limited, MONITORS) == seen(limited, MONITORS, "change") == {mine.pk}
    assert seen(limited, PROJECTS) == seen(limited, CAMERAS) == set()
    actions.change(limited, MONITORS, mine.pk, {"maker": "甲"})
    with pytest.raises(NotFound):
        actions.change(limited, MONITORS, other.pk, {"maker": "甲"})
    with pytest.raises(Refused):
        actions.create(limited, MONITORS, {"code": "NEW", "name": "新", "region": HOME})
    grants.take(who["admin"], grant.pk, mine.pk)
    assert seen(now_of(grant), MONITORS) == set()


def test_who_is_given_a_site_has_its_devices(grant: Membership, site: Project, who: dict[str, Principal]) -> None:
    grants.give(who["admin"], grant.pk, site.pk)
    limited = now_of(grant)
    assert seen(limited, PROJECTS) == {site.pk}
    # Devices of the site that stand in the county: the region bounds as well.
    for layer, model in ((MONITORS, Monitor), (CAMERAS, Camera)):
        theirs = model.objects.filter(project=site, region__code__startswith=HOME)
        assert seen(limited, layer) == set(theirs.values_list("pk", flat=True)) != set(), layer.key


def test_names_bound_within_the_region_and_the_organisation(grant: Membership, who: dict[str, Principal]) -> None:
    elsewhere = Monitor.objects.exclude(region__code__startswith=HOME).first()
    assert elsewhere is not None
    grants.give(who["admin"], grant.pk, elsewhere.pk)
    assert seen(now_of(grant), MONITORS) == set(), "a name opens nothing outside the region"


def test_other_names_are_another_scope_and_bulk_reading_says_the_same(
    grant: Membership, who: dict[str, Principal]
) -> None:
    keys = set()
    for monitor in Monitor.objects.filter(region__code__startswith=HOME).order_by("pk")[:2]:
        grants.give(who["admin"], grant.pk, monitor.pk)
        limited = now_of(grant)
        assert principals([grant.user_id])[grant.user_id] == limited
        keys.add(limited.scope_key)
    keys.add(who["owner"].scope_key)
    assert len(keys) == 3
    grants.limit(who["admin"], grant.pk, False)
    assert now_of(grant).scope_key == who["owner"].scope_key


def test_an_administrator_who_is_limited_is_none(grant: Membership) -> None:
    Membership.objects.filter(pk=grant.pk).update(role=Role.ADMIN, region=None)
    assert now_of(grant).is_admin is False
    assert now_of(grant).holdings[0].features == frozenset()


def test_alarms_of_other_devices_are_not_told(grant: Membership, who: dict[str, Principal]) -> None:
    mine, other = Monitor.objects.filter(region__code__startswith=HOME).order_by("pk")[:2]
    grants.give(who["admin"], grant.pk, mine.pk)
    told = {
        monitor.pk: grant.user in telling.recipients([Role.SUPERVISOR], Episode(feature_id=monitor.pk))
        for monitor in (mine, other)
    }
    assert told == {mine.pk: True, other.pk: False}
    owner = User.objects.get(username="owner")
    assert owner in telling.recipients([Role.SUPERVISOR], Episode(feature_id=other.pk))


def test_only_an_administrator_gives_and_it_is_in_the_trail(grant: Membership, who: dict[str, Principal]) -> None:
    mine = Monitor.objects.first()
    assert mine is not None
    for name in ("owner", "commander", "stranger", "public"):
        with pytest.raises(NotFound):
            grants.give(who[name], grant.pk, mine.pk)
        with pytest.raises(NotFound):
            grants.limit(who[name], grant.pk, False)
    with pytest.raises(NotFound):
        grants.give(who["admin"], grant.pk, grant.user_id)
    grants.give(who["admin"], grant.pk, mine.pk)
    grants.give(who["admin"], grant.pk, mine.pk)
    grants.take(who["admin"], grant.pk, mine.pk)
    deeds = Entry.objects.filter(layer="grant", object_id=str(grant.pk)).order_by("pk")
    assert [(entry.action, entry.changes["user"]) for entry in deeds] == [("give", "limited"), ("take", "limited")]


@pytest.mark.covers("DZ-102")
def test_the_page_of_sites_shows_and_allows_only_what_is_authorised(
    grant: Membership, site: Project, who: dict[str, Principal]
) -> None:
    grants.give(who["admin"], grant.pk, site.pk)
    other = Project.objects.filter(region__code__startswith=HOME).exclude(pk=site.pk).first()
    assert other is not None
    browser = Client(SERVER_NAME="127.0.0.1")
    browser.force_login(grant.user)
    page = browser.get("/desk/projects").content.decode()
    assert site.name in page and other.name not in page
    assert browser.get(f"/desk/projects/{site.pk}").status_code == 200
    assert browser.get(f"/desk/projects/{site.pk}/edit").status_code == 200
    for address in (f"/desk/projects/{other.pk}", f"/desk/projects/{other.pk}/edit"):
        assert browser.get(address).status_code == 404
    assert browser.post(f"/desk/projects/{other.pk}/delete").status_code == 404
    inspector = Client(SERVER_NAME="127.0.0.1")
    inspector.force_login(User.objects.get(username="inspector"))
    assert inspector.get(f"/desk/projects/{site.pk}").status_code == 200
    assert inspector.get(f"/desk/projects/{site.pk}/edit").status_code == 403
    assert inspector.post(f"/desk/projects/{site.pk}/delete").status_code == 403
