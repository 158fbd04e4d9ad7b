"""What goes out to other systems: content, signature, rights, order, refusals, and nothing that was not committed."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from layers.environment.models import Monitor
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.accounts.models import User
from services.alarms.evaluate import evaluate
from services.alarms.models import Act, Episode, Rule
from services.alarms.telling import told_of
from services.catalog.sealed import opened
from services.notify.models import Destination
from services.subscriptions import actions, delivering
from services.subscriptions.models import Delivery, Subscription
from services.telemetry.models import Device
from services.telemetry.store import Row
from tests.alarms.conftest import NOON, rows
from tests.notify.receivers import Web, says
from tests.subscriptions.conftest import Subscribe

pytestmark = pytest.mark.django_db
Keep = Callable[[Iterable[Row]], Any]


@pytest.fixture
def raised(rule: Rule, device: Device, keep: Keep) -> Callable[[], Episode]:
    """``raised()``: three minutes over the limit have been judged."""

    def go() -> Episode:
        keep(rows(device, [88, 92.5, 90]))
        evaluate()
        return Episode.objects.get(rule=rule)

    return go


def test_an_alarm_goes_out_at_once_with_all_its_numbers_and_a_signature(
    subscribe: Subscribe, raised: Callable[[], Episode], device: Device, web: Web
) -> None:
    subscription = subscribe()
    episode = raised()
    assert delivering.waiting() == [subscription.pk]
    assert delivering.deliver(subscription.pk) == 1
    (call,) = web.calls
    assert call.path == "/alarms" and call.headers["content-type"].startswith("application/cloudevents+json")
    act = episode.acts.get(kind=Act.Kind.RAISED)
    event = call.json
    assert event["specversion"] == "1.0" and event["type"] == "zhutu.alarm.raised" and event["id"] == str(act.pk)
    assert event["subject"] == str(episode.pk) and event["time"] == act.at.isoformat()
    monitor = Monitor.objects.select_related("project").get(pk=device.feature)
    feature, told = event["data"], event["data"]["properties"]
    assert feature["id"] == str(monitor.pk) and monitor.geom is not None
    assert feature["geometry"]["coordinates"] == pytest.approx([monitor.geom.x, monitor.geom.y], abs=1e-7)
    assert told["device"] == device.number and told["code"] == monitor.code and told["name"] == monitor.name
    assert told["belongs_to"] == [
        {"layer": "projects", "id": str(p.pk), "code": p.code, "name": p.name} for p in [monitor.project] if p
    ]
    assert (told["factor"], told["unit"], told["limit"], told["peak"]) == ("a34002", "µg/m³", 70.0, 92.5)
    assert told["began_at"] == NOON.astimezone(episode.began_at.tzinfo).isoformat()
    assert told["level"] == "yellow" and told["act_title"] == "触发"
    # Signed as Standard Webhooks says, worked out here anew.
    subscription.refresh_from_db()
    key = b64decode(opened(subscription.secret).removeprefix("whsec_"))
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    expected = b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert call.headers["webhook-signature"] == f"v1,{expected}"
    row = Delivery.objects.get()
    assert (row.state, row.answer, row.attempts) == ("delivered", "HTTP 200", 1) and row.took.endswith(" s")
    assert subscription.state == "ok" and delivering.waiting() == []


def test_texts_come_in_the_language_of_the_subscription(
    subscribe: Subscribe, raised: Callable[[], Episode], web: Web
) -> None:
    one = subscribe(language="en")
    raised()
    delivering.deliver(one.pk)
    told = web.calls[0].json["data"]["properties"]
    assert told["act_title"] == "Raised" and told["layer_title"].isascii()


def test_only_what_the_account_may_see_goes_out(
    subscribe: Subscribe, raised: Callable[[], Episode], web: Web, who: dict[str, Principal]
) -> None:
    neighbour = subscribe(user=User.objects.get(pk=who["neighbour"].id))
    gone = subscribe()
    raised()
    User.objects.filter(pk=gone.user_id).update(is_active=False)
    assert {neighbour.pk, gone.pk} == set(delivering.waiting())
    assert [delivering.deliver(pk) for pk in (neighbour.pk, gone.pk)] == [0, 0]
    assert web.calls == [] and not Delivery.objects.exists()


def test_only_what_the_subscription_is_about_goes_out(
    subscribe: Subscribe, raised: Callable[[], Episode], web: Web
) -> None:
    urgent, elsewhere, here = subscribe(level="orange"), subscribe(layers=["cameras"]), subscribe(layers=["monitors"])
    closing, off = subscribe(acts=[Act.Kind.CLOSED]), subscribe()
    off.enabled = False
    off.save()
    raised()
    assert set(delivering.waiting()) == {urgent.pk, elsewhere.pk, here.pk}, "no row for others"
    assert [delivering.deliver(row.pk) for row in (urgent, elsewhere, here, closing, off)] == [0, 0, 1, 0, 0]
    assert len(web.calls) == 1


def test_who_does_not_answer_gets_all_later_in_order_with_the_same_ids(
    subscribe: Subscribe, raised: Callable[[], Episode], web: Web
) -> None:
    one = subscribe(acts=[Act.Kind.RAISED, Act.Kind.COMMENTED])
    episode = raised()
    for number in range(3):
        told_of(episode, Act.Kind.COMMENTED, text=str(number))
    web.replies = [says("later", status=503)]
    assert delivering.deliver(one.pk) == 0
    one.refresh_from_db()
    assert one.state == "failing" and one.failures == 1 and one.trouble.startswith("HTTP 503")
    assert one.next_at is not None and one.next_at > timezone.now()
    assert delivering.waiting() == [] and delivering.deliver(one.pk) == 0, "it is left alone for a while"
    Subscription.objects.update(next_at=timezone.now())
    assert delivering.deliver(one.pk) == 4
    sent = [(call.headers["webhook-id"], call.json["data"]["properties"]["text"]) for call in web.calls]
    assert sent[0] == sent[1] and [text for _id, text in sent[2:]] == ["0", "1", "2"]
    one.refresh_from_db()
    assert (one.failures, one.trouble, one.next_at) == (0, "", None)


def test_waits_grow_and_administrators_are_warned(
    subscribe: Subscribe, raised: Callable[[], Episode], web: Web
) -> None:
    one = subscribe()
    raised()
    Rule.objects.filter(key="subscription-failing").update(enabled=True)
    web.usual = says("no", status=500)
    waits = []
    for _time in range(9):
        Subscription.objects.update(next_at=None)
        before = timezone.now()
        delivering.deliver(one.pk)
        one.refresh_from_db()
        assert one.next_at is not None
        waits.append(round((one.next_at - before).total_seconds()))
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    warning = Episode.objects.get(rule__key="subscription-failing")
    assert (warning.subject, warning.value, warning.ended_at) == (one.name, 9, None), "administrators are warned"
    web.usual = says("yes")
    Subscription.objects.update(next_at=None)
    assert delivering.deliver(one.pk) == 1
    warning.refresh_from_db()
    assert warning.ended_at is not None


def test_what_nobody_takes_is_given_up_after_a_week(
    subscribe: Subscribe, raised: Callable[[], Episode], web: Web
) -> None:
    subscribe()
    raised()
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=8))
    delivering.sweep()
    assert Delivery.objects.get().state == "expired" and delivering.waiting() == []
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=31))
    delivering.sweep()
    assert not Delivery.objects.exists()


def test_an_event_that_is_refused_holds_up_no_other_and_can_be_sent_again(
    subscribe: Subscribe, raised: Callable[[], Episode], web: Web, admin: Principal
) -> None:
    one = subscribe(acts=[Act.Kind.RAISED, Act.Kind.COMMENTED])
    told_of(raised(), Act.Kind.COMMENTED, text="到场")
    web.replies = [says({"error": "unknown code"}, status=422)]
    assert delivering.deliver(one.pk) == 1
    assert list(Delivery.objects.order_by("id").values_list("state", flat=True)) == ["refused", "delivered"]
    assert "unknown code" in Delivery.objects.order_by("id")[0].answer
    assert actions.again(admin, one.pk) == 1
    assert delivering.deliver(one.pk) == 1 and len(web.calls) == 3


def test_who_wants_no_more_is_switched_off(subscribe: Subscribe, raised: Callable[[], Episode], web: Web) -> None:
    one = subscribe()
    raised()
    web.replies = [says("", status=410)]
    delivering.deliver(one.pk)
    one.refresh_from_db()
    assert not one.enabled and delivering.waiting() == []
    assert actions.history(one)[0].action == "gone subscription"


def test_what_is_rolled_back_never_goes_out(subscribe: Subscribe, raised: Callable[[], Episode]) -> None:
    subscribe(acts=[Act.Kind.COMMENTED])
    episode = raised()
    with transaction.atomic():
        told_of(episode, Act.Kind.COMMENTED, text="x")
        assert Delivery.objects.count() == 1
        transaction.set_rollback(True)
    assert Delivery.objects.count() == 0


def test_a_hundred_events_are_read_by_few_queries(
    subscribe: Subscribe, raised: Callable[[], Episode], web: Web
) -> None:
    one = subscribe(acts=[Act.Kind.COMMENTED])
    episode = raised()
    counts = []
    for number in (1, 5):
        for _time in range(number):
            told_of(episode, Act.Kind.COMMENTED, text="x")
        with CaptureQueriesContext(connection) as asked:
            assert delivering.deliver(one.pk) == number
        counts.append(len(asked))
    each = (counts[1] - counts[0]) / 4
    assert each <= 8, "per event: what it belongs to, its device, the listed host, and the two rows that are noted"


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"url": "https://elsewhere.example/"}, "url"),
        ({"url": "ftp://localhost/x"}, "url"),
        ({"url": "https://user:word@localhost/x"}, "url"),
        ({"acts": []}, "acts"),
        ({"acts": ["shouted"]}, "acts"),
        ({"layers": ["nowhere"]}, "layers"),
        ({"level": "purple"}, "level"),
        ({"name": ""}, "name"),
    ],
)
def test_what_cannot_be_is_refused_by_field(subscribe: Subscribe, values: dict[str, Any], name: str) -> None:
    with pytest.raises(Invalid) as error:
        subscribe(**values)
    assert list(error.value.fields) == [name]


def test_f53_a_host_that_is_struck_off_the_list_is_called_no_more(
    subscribe: Subscribe, raised: Callable[[], Episode], web: Web
) -> None:
    one = subscribe()
    Destination.objects.all().delete()
    raised()
    delivering.deliver(one.pk)
    one.refresh_from_db()
    assert web.connections == 0 and "not among the allowed hosts" in one.trouble


def test_nobody_but_administrators_settles_them(subscribe: Subscribe, who: dict[str, Principal]) -> None:
    one = subscribe()
    for name in ("owner", "neighbour", "stranger"):
        for deed in (
            lambda p: actions.visible(p), lambda p: actions.save(p, one.pk, {"name": "x"}),
            lambda p: actions.switch(p, one.pk, False), lambda p: actions.new_secret(p, one.pk),
            lambda p: actions.trial(p, one.pk), lambda p: actions.again(p, one.pk), lambda p: actions.delete(p, one.pk),
        ):  # fmt: skip
            with pytest.raises(NotFound):
                deed(who[name])
    assert Subscription.objects.get(pk=one.pk).enabled
