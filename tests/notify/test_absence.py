"""Off duty from a time to a time: who gets the messages meanwhile, that it ends by itself, and who may be a deputy."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from services.access import principal as principals
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal, principal_of
from services.accounts.models import Membership, User
from services.audit.models import Entry
from services.notify import absence, outbox
from services.notify.models import SHANGHAI, Absence, Channel, Contact, Delivery, Kind, Message
from tests.conftest import HOME, Server, client
from tests.desk.conftest import Desk, browser, desk  # noqa: F401 fixtures

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def deputy(owner: User) -> User:
    """A colleague with the same role in the same county."""
    made = User.objects.create_user("colleague", title="王副科长", email="colleague@example.com")
    Membership.objects.create(user=made, role="supervisor", region_id=HOME)
    return made


def me(user: User) -> Principal:
    principals.forget()
    return principal_of(user)


def away(user: User, deputy: User, begin: timedelta = -HOUR, end: timedelta = HOUR) -> Absence:
    now = timezone.now()
    return absence.settle(me(user), now + begin, now + end, deputy.pk)


def told(title: str, *users: User, **more: Any) -> dict[str, str]:
    """User → subject of a message to some users."""
    return {m.user.username: m.subject for m in outbox.notify(users, "alarm", {"title": title}, **more) if m.user}


def test_the_deputy_gets_the_messages_until_the_end_has_come(owner: User, deputy: User) -> None:
    assert told("前", owner) == {"owner": "前"}
    row = away(owner, deputy)
    assert told("中", owner) == {"owner": "中", "colleague": f"（代{owner}）中"}
    assert told("都", owner, deputy) == {"owner": "都", "colleague": "都"}, "who is told anyhow is told once"
    assert len(told("次", owner, dedupe_key="k")) == 2 and told("次", owner, dedupe_key="k") == {}
    Absence.objects.filter(pk=row.pk).update(until=timezone.now())
    assert told("后", owner) == {"owner": "后"}, "nobody has to end it"


def test_what_is_to_come_changes_nothing_yet(owner: User, deputy: User) -> None:
    away(owner, deputy, HOUR, 2 * HOUR)
    assert told("早", owner) == {"owner": "早"}
    assert absence.current([owner.pk], timezone.now() + HOUR)[owner.pk].deputy == deputy


def test_mail_goes_to_the_deputy_and_waits_in_the_product_for_who_is_away(owner: User, deputy: User) -> None:
    Channel.objects.create(name="邮", kind=Kind.EMAIL, settings={"host": "mail.example.com", "sender": "a@example.com"})
    Contact.objects.update_or_create(user=owner, defaults={"email": "owner@example.com"})
    Contact.objects.create(user=deputy, email="deputy@example.com", language="en")
    away(owner, deputy)
    outbox.notify([owner], "alarm", {"title": "PM10"}, "red")
    sent = {row.address: row.subject for row in Delivery.objects.filter(message__subject__endswith="PM10")}
    assert set(sent) == {"deputy@example.com"} and sent["deputy@example.com"].startswith(f"(for {owner})")
    assert Message.objects.filter(user=owner, subject="PM10").exists()


def test_a_deputy_who_is_away_hands_on_and_a_circle_loses_nothing(owner: User, deputy: User) -> None:
    third = User.objects.create_user("third", title="李科长")
    Membership.objects.create(user=third, role="supervisor", region_id=HOME)
    away(owner, deputy)
    away(deputy, third)
    assert set(told("传", owner)) == {"owner", "third"}
    away(third, owner)
    assert told("圈", owner) == {"owner": "圈"}, "there is nobody: it goes its usual way"


def test_only_who_may_as_much_can_be_a_deputy_and_only_as_long_as_they_may(
    owner: User, deputy: User, who: dict[str, Principal]
) -> None:
    choice = {user.pk for user in absence.candidates(me(owner))}
    assert deputy.pk in choice and who["neighbour"].id not in choice and owner.pk not in choice
    neighbour = User.objects.get(pk=who["neighbour"].id)
    with pytest.raises(Invalid) as wrong:
        away(owner, neighbour)
    assert set(wrong.value.fields) == {"deputy"}
    away(owner, deputy)
    Membership.objects.filter(user=deputy).delete()
    assert told("权", owner) == {"owner": "权"}
    Membership.objects.create(user=deputy, role="supervisor", region_id=HOME)
    User.objects.filter(pk=deputy.pk).update(is_active=False)
    assert told("停", owner) == {"owner": "停"}, "nor one whose account is off"


@pytest.mark.parametrize(
    ("begin", "end", "field"),
    [(HOUR, HOUR, "until"), (-2 * HOUR, -HOUR, "until"), (timedelta(0), 3 * HOUR, "since")],
)
def test_times_that_cannot_be_are_refused(
    owner: User, deputy: User, begin: timedelta, end: timedelta, field: str
) -> None:
    away(owner, deputy)
    with pytest.raises(Invalid) as wrong:
        away(owner, deputy, begin, end)
    assert set(wrong.value.fields) == {field}


def test_on_the_desk_it_is_set_shown_and_ended_and_only_one_s_own(owner: User, deputy: User) -> None:
    mine = client("owner")
    now = datetime.now(UTC).astimezone(SHANGHAI)
    given = {
        "since": f"{now - HOUR:%Y-%m-%dT%H:%M}", "until": f"{now + 24 * HOUR:%Y-%m-%dT%H:%M}", "deputy": str(deputy.pk),
    }  # fmt: skip
    assert mine.post("/desk/notices/absence", given | {"until": ""}).status_code == 422
    assert mine.post("/desk/notices/absence", given).status_code == 302
    row = Absence.objects.get(user=owner)
    assert row.since.astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M") == given["since"], "China's clock"
    assert "王副科长" in mine.get("/desk/notices").content.decode()
    assert "提前结束" in mine.get("/desk/notices/preferences").content.decode()
    assert client("neighbour").post(f"/desk/notices/absence/{row.pk}/end").status_code == 404
    with pytest.raises(NotFound):
        absence.end(me(deputy), row.pk)
    mine.post(f"/desk/notices/absence/{row.pk}/end")
    assert absence.current([owner.pk]) == {}
    deeds = Entry.objects.filter(object_id=str(row.pk)).order_by("pk").values_list("action", flat=True)
    assert list(deeds) == ["set absence", "end absence"]


@pytest.mark.parametrize(("language", "theme"), [("zh-hans", "light"), ("en", "dark")])
def test_somebody_goes_off_duty_in_a_browser(
    desk: Callable[..., Desk],  # noqa: F811
    server: Server,
    language: str,
    theme: str,
) -> None:
    one = desk("owner", theme=theme, language=language)
    page = one.open("/desk/notices/preferences")
    now = datetime.now(UTC).astimezone(SHANGHAI)
    page.fill("#id-since", f"{now - HOUR:%Y-%m-%dT%H:%M}")
    page.fill("#id-until", f"{now + 48 * HOUR:%Y-%m-%dT%H:%M}")
    page.select_option("#id-deputy", index=1)
    page.locator("#absence .btn-primary").click()
    page.locator("#absence .tag").wait_for()
    page.locator("#absence").scroll_into_view_if_needed()
    one.shot(f"absence-{language}")
    one.open("/desk/notices")
    page.locator(".notice.warn").wait_for()
    one.shot(f"absence-notices-{language}")
    one.open("/desk/notices/preferences")
    page.locator("#absence .row-actions button").click()
    page.locator("#absence .tag").wait_for(state="detached")
    server.sql("delete from notify_absence")
