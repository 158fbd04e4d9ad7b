"""People found by what they hold: the same as by comparing everybody, and as many queries for many as for few."""

from datetime import date
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from layers.enterprises.models import Enterprise
from services.access import principal as principals
from services.access.principal import Principal, principal_of
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.catalog.ids import uuid7
from services.catalog.layer import registry
from services.notify import absence
from services.reports import people, reach
from services.reports.inputs import inputs
from services.telemetry.reports import period
from tests.conftest import HOME, SIBLING

pytestmark = pytest.mark.django_db
DAY = period("day", date(2026, 11, 10))
CITY = f"{HOME[:4]}00"


def everybody() -> dict[Any, Principal]:
    return principals.principals(set(Membership.objects.values_list("user", flat=True)))


def beside(one: Principal, other: Principal) -> bool:
    return one.is_admin or any(
        mine.organisation == theirs.organisation
        and (mine.region.startswith(theirs.region) or theirs.region.startswith(mine.region))
        for mine, theirs in product(one.holdings, other.holdings)
    )


@pytest.fixture
def members(db: None) -> list[User]:
    """One of every kind of membership there is, some with two, and one whose account is off."""
    unit = Enterprise.objects.order_by("pk").first()
    assert unit is not None
    features = [uuid7(), uuid7()]
    made = []
    kinds = product(
        (Role.ADMIN, Role.SUPERVISOR, Role.CONTRACTOR, Role.PUBLIC), (None, CITY, HOME, SIBLING), (None, unit.pk),
        (None, [], features[:1], features),
    )  # fmt: skip
    for n, (role, region, organisation, named) in enumerate(kinds):
        user = User.objects.create_user(f"kind-{n}", is_active=n != 40)
        row = Membership.objects.create(
            user=user, role=role, region_id=region, organisation_id=organisation, named_only=named is not None
        )
        for feature in named or ():
            row.named.create(feature=feature)
        if n % 7 == 0:
            Membership.objects.create(user=user, role=Role.INSPECTOR, region_id=SIBLING)
        made.append(user)
    return made


def test_deputies_and_recipients_are_who_they_were_by_comparing_everybody(members: list[User]) -> None:
    known = everybody()
    layers = [registry.by_key[key] for key in ("monitors", "sewage_plants", "control_areas")]
    for me in known.values():
        covering = {pk for pk, other in known.items() if pk != me.id and absence.covers(other, me)}
        assert {user.pk for user in absence.candidates(me)} == covering, me
        for layer in layers:
            seeing = {pk for pk, other in known.items() if _sees(other, layer) and beside(me, other)}
            assert {user.pk for user in people.recipients(me, layer)} == seeing, (me, layer)


def _sees(other: Principal, layer: Any) -> bool:
    return reach.sees(other, layer) and bool(other.roles - {Role.PUBLIC})


def test_two_hundred_members_take_as_many_queries_as_few(who: dict[str, Principal]) -> None:
    owner = principal_of(User.objects.get(pk=who["owner"].id))
    layer = registry.by_key["sewage_plants"]
    sensed = registry.by_key["monitors"].rows()
    numbers, found = [], []
    for count in (0, 200):
        for n in range(count):
            user = User.objects.create_user(f"many-{n}")
            row = Membership.objects.create(user=user, role=Role.SUPERVISOR, region_id=HOME, named_only=n % 2 == 0)
            if n % 2 == 0:
                row.named.create(feature=uuid7())
        with CaptureQueriesContext(connection) as queries:
            chosen = len(people.recipients(owner, layer)), len(absence.candidates(owner))
            inputs(sensed, DAY.begins_at, DAY)
        numbers.append(len(queries))
        found.append(chosen)
    assert numbers[0] == numbers[1] <= 6
    assert (found[1][0] - found[0][0], found[1][1] - found[0][1]) == (200, 100)
    assert not any("accounts_named" in query["sql"] for query in queries), "nobody's rights are read one by one"
