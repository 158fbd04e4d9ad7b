"""Log-in, sessions and tokens: who is let in, for how long, and what a wrong one hears."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from services.access import principal as principals
from services.accounts.models import FAILURES_ALLOWED, ApiToken, Membership, User
from services.audit.models import Entry
from tests.conftest import PASSWORD, SIBLING

pytestmark = pytest.mark.django_db
ITEMS = "/ogc/collections/projects/items?limit=1"


@pytest.fixture
def browser() -> Client:
    return Client(SERVER_NAME="127.0.0.1", enforce_csrf_checks=True)


def log_in(browser: Client, name: str, password: str, after: str = "") -> Any:
    """Fill the log-in form as a browser does, CSRF token included."""
    page = browser.get(f"/login?next={after}")
    csrf = page.cookies["csrftoken"].value
    values = {"username": name, "password": password, "next": after, "csrfmiddlewaretoken": csrf}
    return browser.post("/login", values)


def test_the_right_password_lets_in_with_a_new_session(browser: Client) -> None:
    browser.get("/login")
    before = browser.cookies.get("sessionid")
    response = log_in(browser, "owner", PASSWORD)
    assert response.status_code == 302
    cookie = browser.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert before is None or before.value != cookie.value
    assert browser.get("/desk").status_code == 200


def test_repeated_wrong_passwords_rest_the_account_and_say_nothing_else(browser: Client) -> None:
    answers = [log_in(browser, "owner", "wrong").content for _ in range(FAILURES_ALLOWED)]
    assert User.objects.get(username="owner").is_locked
    locked = log_in(browser, "owner", PASSWORD)
    assert locked.status_code == 200
    unknown = log_in(browser, "nobody-at-all", "wrong")
    words = "field-error" if b"field-error" in answers[0] else "alert"
    assert len({body.count(words.encode()) for body in (locked.content, unknown.content, answers[0])}) == 1
    User.objects.filter(username="owner").update(locked_until=timezone.now() - timedelta(seconds=1))
    assert log_in(browser, "owner", PASSWORD).status_code == 302


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_log_in_redirects_nowhere_outside(browser: Client, address: str) -> None:
    assert log_in(browser, "owner", PASSWORD, address).headers["Location"] == "/desk"


def test_a_form_without_its_csrf_token_is_refused(browser: Client) -> None:
    assert browser.post("/login", {"username": "owner", "password": PASSWORD}).status_code == 403
    browser.force_login(User.objects.get(username="owner"))
    response = browser.post("/ogc/collections/projects/items", "{}", content_type="application/geo+json")
    assert response.status_code == 403


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic !!!", "Basic bm9ib2R5Om5vbnNlbnNl", "Bearer "])
def test_an_unknown_token_is_401_and_not_the_public(browser: Client, header: str) -> None:
    response = browser.get(ITEMS, headers={"Authorization": header})
    if header == "Bearer ":
        assert response.status_code in (401, 404)
        return
    assert response.status_code == 401
    assert response.json()["status"] == 401
    assert "WWW-Authenticate" in response.headers


def test_a_token_holds_until_it_expires_or_is_withdrawn(browser: Client, token: Any) -> None:
    header = token("owner")
    assert browser.get(ITEMS, headers=header).status_code == 200
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    principals.forget()
    assert browser.get(ITEMS, headers=header).status_code == 401
    header = token("owner")
    User.objects.filter(username="owner").update(is_active=False)
    assert browser.get(ITEMS, headers=header).status_code == 401


def test_a_withdrawn_role_closes_within_five_seconds() -> None:
    assert principals.KEPT_SECONDS < 5
    browser = Client(SERVER_NAME="127.0.0.1")
    browser.force_login(User.objects.get(username="owner"))
    assert browser.get(ITEMS).status_code == 200
    Membership.objects.filter(user__username="owner").update(region=SIBLING)
    principals._kept.clear()  # what waiting does
    features = browser.get("/ogc/collections/projects/items?limit=100").json()["features"]
    assert all(f["properties"]["region"].startswith(SIBLING) for f in features)


def test_a_token_page_issues_shows_once_and_withdraws() -> None:
    browser = Client(SERVER_NAME="127.0.0.1")
    browser.force_login(User.objects.get(username="owner"))
    page = browser.post("/desk/tokens", {"name": "QGIS", "days": "30"}).content.decode()
    secret = page.split("data-secret>")[1].split("<")[0]
    assert secret not in browser.get("/desk/tokens").content.decode()
    assert ApiToken.objects.get(digest=ApiToken.hash(secret)).user.username == "owner"
    assert Entry.objects.filter(action="issue token").exists()
    other = Client(SERVER_NAME="127.0.0.1")
    other.force_login(User.objects.get(username="neighbour"))
    pk = ApiToken.objects.get(digest=ApiToken.hash(secret)).pk
    assert other.post(f"/desk/tokens/{pk}/withdraw").status_code == 404
    assert browser.post(f"/desk/tokens/{pk}/withdraw").status_code == 302
    assert not ApiToken.objects.filter(pk=pk).exists()
    assert browser.post("/desk/tokens", {"name": "", "days": "30"}).status_code == 400
    assert browser.post("/desk/tokens", {"name": "x", "days": "9999"}).status_code == 400
