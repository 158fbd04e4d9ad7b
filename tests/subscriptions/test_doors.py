"""The pages of subscriptions are for administrators alone; a signing key is shown once."""

import pytest
from django.test import Client

from services.accounts.models import User
from services.audit.models import Entry
from services.catalog.sealed import opened
from services.subscriptions.models import Subscription
from tests.conftest import client
from tests.notify.receivers import Web
from tests.subscriptions.conftest import Subscribe

pytestmark = pytest.mark.django_db
GET = ("", "/new", "/{pk}", "/{pk}/edit")
POST = ("/new", "/{pk}/edit", "/{pk}/switch", "/{pk}/key", "/{pk}/trial", "/{pk}/again", "/{pk}/delete")


@pytest.mark.parametrize("name", ["owner", "neighbour", "stranger"])
def test_others_find_no_such_page(subscribe: Subscribe, name: str, web: Web) -> None:
    one = subscribe()
    browser = client(name)
    for path in GET:
        assert browser.get(f"/desk/subscriptions{path.format(pk=one.pk)}").status_code == 404
    for path in POST:
        assert browser.post(f"/desk/subscriptions{path.format(pk=one.pk)}", {"on": "0"}).status_code == 404
    assert "/desk/subscriptions" not in browser.get("/").content.decode()
    assert Subscription.objects.get().enabled and web.calls == []


def test_who_is_not_logged_in_is_asked_to(subscribe: Subscribe, web: Web) -> None:
    one = subscribe()
    for path in GET:
        answer = Client().get(f"/desk/subscriptions{path.format(pk=one.pk)}")
        assert answer.status_code == 401
    Client().post(f"/desk/subscriptions/{one.pk}/trial")
    assert web.calls == []


def test_an_administrator_settles_tries_and_takes_one_away(subscribe: Subscribe, web: Web) -> None:
    subscribe()
    desk = client("admin")
    given = {
        "name": "市局", "url": f"{web.url}/in", "account": "owner", "level": "orange", "language": "en", "note": "",
        "acts": ["raised", "closed"], "layers": ["monitors"],
    }  # fmt: skip
    for wrong in ({"account": "nobody-there"}, {"acts": []}, {"url": "https://elsewhere.example/"}, {"name": ""}):
        assert desk.post("/desk/subscriptions/new", given | wrong).status_code == 422
    shown = desk.post("/desk/subscriptions/new", given)
    one = Subscription.objects.get(name="市局")
    key = shown.content.decode().partition("data-secret>")[2].partition("<")[0]
    assert key and opened(one.secret) == key and one.user == User.objects.get(username="owner")
    assert (one.acts, one.layers, one.level) == (["raised", "closed"], ["monitors"], "orange")
    assert key not in desk.get(f"/desk/subscriptions/{one.pk}").content.decode(), "never again"
    assert "对方已接收测试" in desk.post(f"/desk/subscriptions/{one.pk}/trial").content.decode()
    assert web.calls[-1].json["type"] == "zhutu.ping"
    desk.post(f"/desk/subscriptions/{one.pk}/switch", {"on": "0"})
    one.refresh_from_db()
    assert not one.enabled
    fresh = desk.post(f"/desk/subscriptions/{one.pk}/key").content.decode()
    one.refresh_from_db()
    assert opened(one.secret) != key and opened(one.secret) in fresh
    desk.post(f"/desk/subscriptions/{one.pk}/delete")
    assert not Subscription.objects.filter(name="市局").exists()
    deeds = set(Entry.objects.filter(layer="subscription").values_list("action", flat=True))
    assert {"create subscription", "switch subscription", "new key of subscription", "delete subscription"} <= deeds
    assert key not in str(list(Entry.objects.values_list("changes", flat=True)))
