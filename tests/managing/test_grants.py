"""The pages of grants: administrators find people, name features and see what was named."""

import pytest

from layers.environment.models import Monitor
from services.access import gate
from services.access import principal as principals_module
from services.access.principal import principal_of
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.catalog.layer import registry
from tests.conftest import HOME
from tests.managing.conftest import Browser, body

pytestmark = pytest.mark.django_db


@pytest.fixture
def grant(db: None) -> Membership:
    user = User.objects.create_user("limited", password="x", title="李受限")
    return Membership.objects.create(user=user, role=Role.SUPERVISOR, region_id=HOME)


def test_an_administrator_limits_a_user_to_one_device(grant: Membership, monitor: Monitor, browser: Browser) -> None:
    admin = browser("admin")
    assert "李受限" in body(admin.get("/desk/grants?q=李受限&role=supervisor"))
    assert "李受限" not in body(admin.get("/desk/grants?role=contractor"))
    page = body(admin.get(f"/desk/grants/{grant.pk}"))
    assert "未限定" in page
    assert monitor.name in body(admin.get(f"/desk/grants/candidates?q={monitor.code}"))
    admin.post(f"/desk/grants/{grant.pk}/limit", {"only": "1"})
    assert "什么也看不到" in body(admin.get(f"/desk/grants/{grant.pk}"))
    admin.post(f"/desk/grants/{grant.pk}/name", {"feature": str(monitor.pk)})
    assert monitor.name in body(admin.get(f"/desk/grants/{grant.pk}"))
    assert "指定 1 个" in body(admin.get("/desk/grants?q=limited"))
    principals_module.forget()
    seen = gate.restrict(principal_of(grant.user), registry.by_key["monitors"])
    assert list(seen) == [monitor]
    admin.post(f"/desk/grants/{grant.pk}/name", {"feature": str(monitor.pk), "remove": "1"})
    assert not grant.named.exists()
    assert admin.post(f"/desk/grants/{grant.pk}/name", {"feature": "nonsense"}).status_code == 302
    assert admin.post(f"/desk/grants/{grant.pk}/name", {"feature": str(grant.user_id)}).status_code == 404


def test_nobody_else_finds_these_pages(grant: Membership, monitor: Monitor, browser: Browser) -> None:
    for name in ("owner", "commander", "stranger"):
        other = browser(name)
        assert "/desk/grants" not in body(other.get("/desk/areas"))
        for door in ("/desk/grants", f"/desk/grants/{grant.pk}", "/desk/grants/candidates?q=a"):
            assert other.get(door).status_code == 404, (name, door)
        assert other.post(f"/desk/grants/{grant.pk}/limit", {"only": "1"}).status_code == 404
        assert other.post(f"/desk/grants/{grant.pk}/name", {"feature": str(monitor.pk)}).status_code == 404
        assert other.post(f"/desk/grants/{grant.pk}/name", {"feature": "x"}).status_code == 404
    grant.refresh_from_db()
    assert grant.named_only is False and not grant.named.exists()
