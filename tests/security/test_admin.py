"""Admin pages of the platform itself: for administrators, audited; the trail is only read."""

import pytest
from django.test import Client

from services.accounts.models import Membership, User
from services.audit.models import Entry

pytestmark = pytest.mark.django_db
PAGES = (
    "accounts/user",
    "accounts/apitoken",
    "audit/entry",
    "operations/job",
    "spatial/region",
    "catalog/featureindex",
)


def browser(name: str) -> Client:
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.get(username=name))
    return client


@pytest.mark.parametrize("page", PAGES)
def test_pages_of_the_platform_are_for_administrators(page: str) -> None:
    assert browser("admin").get(f"/admin/{page}/").status_code == 200
    assert browser("owner").get(f"/admin/{page}/").status_code == 403
    assert browser("stranger").get(f"/admin/{page}/").status_code == 302


def test_a_user_with_a_role_is_made_and_audited() -> None:
    admin = browser("admin")
    first = {
        "username": "newcomer",
        "password1": "Long-enough-9",
        "password2": "Long-enough-9",
        "usable_password": "true",
    }
    inline = {f"memberships-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS", "MAX_NUM_FORMS")}
    response = admin.post("/admin/accounts/user/add/", first | inline)
    assert response.status_code == 302, response.content.decode()[:2000]
    user = User.objects.get(username="newcomer")
    values = {"username": "newcomer", "title": "新同事", "is_active": "on", **inline}
    values |= {"memberships-TOTAL_FORMS": "1", "memberships-0-role": "inspector", "memberships-0-region": "511702"}
    response = admin.post(f"/admin/accounts/user/{user.pk}/change/", values)
    assert response.status_code == 302, response.content.decode()[:2000]
    assert Membership.objects.filter(user=user, role="inspector", region_id="511702").exists()
    noted = list(Entry.objects.filter(user_name="admin").values_list("action", flat=True))
    assert {"create user", "change user", "grant membership"} <= set(noted)
    assert not any("argon2" in str(entry.changes) for entry in Entry.objects.all())


def test_the_trail_is_not_changed_or_deleted_here() -> None:
    entry = Entry.objects.create(user_name="x", action="view")
    admin = browser("admin")
    assert admin.post(f"/admin/audit/entry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin.post(f"/admin/audit/entry/{entry.pk}/change/", {"action": "nothing"}).status_code == 403
    assert Entry.objects.get(pk=entry.pk).action == "view"
