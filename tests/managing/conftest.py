"""Browsers of people with unlike rights, a site with a monitor in the owner's county, and somebody who builds there."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from layers.environment.models import ControlArea, Monitor
from services.access import principal as principals_module
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from tests.conftest import HOME

Browser = Callable[[str], Client]


@pytest.fixture
def browser(db: None) -> Browser:
    """``browser("owner")`` → that user's browser."""

    def opened(name: str) -> Client:
        principals_module.forget()
        found = Client(SERVER_NAME="127.0.0.1", headers={"Accept": "text/html"})
        found.force_login(User.objects.get(username=name))
        return found

    return opened


def body(response: Any) -> str:
    """What a page says."""
    data = b"".join(response.streaming_content) if response.streaming else response.content
    return str(data.decode())


@pytest.fixture
def monitor(db: None) -> Monitor:
    """A monitor in the owner's county, on a site that somebody builds."""
    found = (
        Monitor.objects.filter(region__code__startswith=HOME, project__participations__capacity="contractor")
        .select_related("project")
        .order_by("pk")
        .first()
    )
    assert found is not None
    return found


@pytest.fixture
def builder(monitor: Monitor) -> User:
    """Somebody of the contractor of the monitor's site."""
    assert monitor.project is not None
    firm = monitor.project.participations.get(capacity="contractor").enterprise_id
    user = User.objects.create_user("builder", password="x", title="施工员")
    Membership.objects.create(user=user, role=Role.CONTRACTOR, organisation_id=firm)
    return user


@pytest.fixture
def area(monitor: Monitor) -> ControlArea:
    """An area around the monitor, of a few hundred metres."""
    assert monitor.geom is not None
    around = monitor.geom.buffer(0.004)
    around.srid = 4490
    from django.contrib.gis.geos import MultiPolygon

    return ControlArea.objects.create(
        code="GK-TEST", name="测试管控区", region_id=HOME, geom=MultiPolygon(around, srid=4490), phone="0818-2380000",
        person="王责任",
    )  # fmt: skip


@pytest.fixture
def kept_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rights are read once for the whole test: on a slow machine they would be read again in between."""
    monkeypatch.setattr(principals_module, "KEPT_SECONDS", 1e6)
