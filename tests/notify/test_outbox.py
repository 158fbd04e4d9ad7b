"""The outbox: nothing lost, nothing doubled, quiet at night."""

import logging
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy

from services.accounts.models import User
from services.notify import outbox, wording
from services.notify.models import SHANGHAI, Channel, Contact, Delivery, Message, Template
from tests.notify.conftest import SECRETS
from tests.notify.receivers import Mailbox, Web, says

pytestmark = pytest.mark.django_db


def test_what_is_rolled_back_never_goes_out(mail: Channel, mailbox: Mailbox, owner: User) -> None:
    with transaction.atomic():
        assert outbox.notify([owner], "alarm", {"name": "x"}, "red")
        transaction.set_rollback(True)
    assert outbox.deliver() == 0
    assert Message.objects.count() == Delivery.objects.count() == 0


def test_f02_a_message_outlives_a_lost_wake_up(
    mail: Channel, mailbox: Mailbox, owner: User, settings: Any, monkeypatch: Any,
    django_capture_on_commit_callbacks: Any, caplog: Any,
) -> None:  # fmt: skip
    from celery import current_app

    monkeypatch.setattr(current_app.conf, "broker_url", "redis://127.0.0.1:1")
    monkeypatch.setattr(current_app.conf, "broker_write_url", "redis://127.0.0.1:1")
    with django_capture_on_commit_callbacks(execute=True) as called:
        outbox.notify([owner], "alarm", {"name": "x"}, "red")
    assert "Connection refused" in caplog.text
    assert len(called) == 1
    assert outbox.deliver() == 1
    assert len(mailbox.taken) == 1


def test_the_same_key_gives_one_message_to_each(mail: Channel, sms: Channel, owner: User, mailbox: Mailbox) -> None:
    other = User.objects.get(username="neighbour")
    assert len(outbox.notify([owner, owner], "alarm", {"name": "x"}, "red", dedupe_key="episode-1")) == 1
    assert outbox.notify([owner], "alarm", {"name": "x"}, "red", dedupe_key="episode-1") == []
    assert [m.user for m in outbox.notify([owner, other], "alarm", {}, "red", dedupe_key="episode-1")] == [other]
    assert len(outbox.notify([owner], "alarm", {"name": "x"}, "red", dedupe_key="episode-2")) == 1
    assert Message.objects.count() == 3
    assert Delivery.objects.filter(message__user=owner).count() == 4


def test_ways_follow_the_level_and_the_product_always_shows_it(mail: Channel, sms: Channel, owner: User) -> None:
    got = {}
    for level in ("red", "orange", "yellow", "blue", "none"):
        (message,) = outbox.notify([owner], "alarm", {"name": level}, level)
        got[level] = sorted(row.channel.kind for row in message.deliveries.all())
    assert got == {"red": ["email", "sms_http"], "orange": ["email"], "yellow": [], "blue": [], "none": []}
    assert Message.objects.filter(user=owner).count() == 5


def test_the_most_urgent_goes_first(mail: Channel, mailbox: Mailbox, owner: User) -> None:
    Contact.objects.update(ways={level: ["email"] for level in ("red", "orange", "yellow", "blue")})
    for level in ("blue", "yellow", "red", "orange"):
        outbox.notify([owner], "alarm", {"title": level}, level)
    outbox.deliver()
    assert [letter["Subject"] for _to, letter in mailbox.taken] == ["red", "orange", "yellow", "blue"]


@pytest.mark.parametrize(
    ("now", "start", "end", "due"),
    [
        ("2026-11-27 23:30", "22:00", "07:00", "2026-11-28 07:00"),
        ("2026-11-28 02:00", "22:00", "07:00", "2026-11-28 07:00"),
        ("2026-11-28 07:00", "22:00", "07:00", "2026-11-28 07:00"),
        ("2026-11-27 21:59", "22:00", "07:00", "2026-11-27 21:59"),
        ("2026-11-27 22:00", "22:00", "07:00", "2026-11-28 07:00"),
        ("2026-11-27 12:30", "12:00", "14:00", "2026-11-27 14:00"),
        ("2026-11-27 12:30", "12:00", "12:00", "2026-11-27 12:30"),
        ("2026-12-31 23:00", "22:00", "07:00", "2027-01-01 07:00"),
    ],
)
def test_f33_quiet_hours_are_those_of_shanghai(now: str, start: str, end: str, due: str) -> None:
    contact = Contact(user=User.objects.get(username="owner"), quiet_from=start, quiet_to=end)
    contact.full_clean(exclude=["user"])
    at = datetime.fromisoformat(now).replace(tzinfo=SHANGHAI)
    expected = datetime.fromisoformat(due).replace(tzinfo=SHANGHAI)
    assert contact.not_before("orange", at.astimezone(timezone.get_fixed_timezone(0))) == expected
    assert contact.not_before("red", at) == at


def test_quiet_hours_hold_back_all_but_red_also_on_a_later_try(mail: Channel, mailbox: Mailbox, owner: User) -> None:
    here = timezone.now().astimezone(SHANGHAI)
    quiet = {"quiet_from": (here - timedelta(hours=1)).time(), "quiet_to": (here + timedelta(hours=1)).time()}
    outbox.notify([owner], "alarm", {"title": "before"}, "orange")
    Contact.objects.update(**quiet)
    outbox.notify([owner], "alarm", {"title": "orange"}, "orange")
    outbox.notify([owner], "alarm", {"title": "red"}, "red")
    assert outbox.deliver() == 1
    assert [letter["Subject"] for _to, letter in mailbox.taken] == ["red"]
    waiting = Delivery.objects.filter(state="queued")
    assert waiting.count() == 2
    assert all(row.next_try_at > timezone.now() + timedelta(minutes=50) for row in waiting)
    Contact.objects.update(quiet_from=None, quiet_to=None)
    waiting.update(next_try_at=timezone.now())
    assert outbox.deliver() == 2


def test_f27_pauses_grow_and_after_the_last_try_it_is_dead_and_seen(sms: Channel, web: Web, owner: User) -> None:
    web.usual = says({}, 503)
    outbox.notify([owner], "alarm", {"name": "x"}, "red")
    pauses = []
    for _try in range(outbox.TRIES):
        Channel.objects.update(rests_until=None)
        Delivery.objects.update(next_try_at=timezone.now())
        assert outbox.deliver() == 1
        row = Delivery.objects.get()
        pauses.append(round((row.next_try_at - row.tried_at).total_seconds() / 30))
    assert pauses[:-1] == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    assert (row.state, row.attempts) == ("dead", outbox.TRIES)
    assert "503" in row.error
    Channel.objects.update(rests_until=None)
    assert outbox.deliver() == 0
    web.usual = says({"code": 0})
    assert outbox.again([row]) == 1
    assert outbox.deliver() == 1
    assert Delivery.objects.get().state == "sent"


def test_a_dead_channel_does_not_hold_up_another(
    sms: Channel, web: Web, mail: Channel, mailbox: Mailbox, owner: User
) -> None:
    web.usual = says({}, 503)
    for number in range(20):
        outbox.notify([owner], "alarm", {"title": str(number)}, "red")
    assert outbox.deliver() == 21
    assert len(mailbox.taken) == 20
    assert len(web.calls) == 1
    assert Delivery.objects.filter(channel=sms, state="queued", attempts=0).count() == 19


def test_a_last_sentence_that_nobody_wrote_is_left_out() -> None:
    body = "{factor} {value}，{time}。{text}"
    assert wording.worded("", body, {"factor": "PM10", "value": 0})[1] == "PM10 0，—。"
    assert wording.worded("", body, {"factor": "PM10", "value": 0, "text": "降尘"})[1] == "PM10 0，—。降尘"
    assert wording.worded("", "{person}：{text}", {"person": "甲"})[1] == "甲：—"


def test_an_office_words_its_messages_and_an_unworded_one_still_goes_out(
    mail: Channel, sms: Channel, web: Web, mailbox: Mailbox, owner: User, settings: Any
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://zhutu.example.gov.cn"]
    Template.objects.create(key="alarm", channel="sms_http", subject="x", body="{name}{factor}{value}{unit}")
    Template.objects.create(key="alarm", channel="in_app", language="en", subject="{level}: {name}", body="{link}")
    Contact.objects.update(language="en")
    values = {"name": "{link} {__class__} 一号", "factor": "PM10", "value": 0.0, "unit": ""}
    (message,) = outbox.notify([owner], "alarm", values, "red", link="/desk/projects")
    assert message.subject == "Red: {link} {__class__} 一号"
    assert message.body == "https://zhutu.example.gov.cn/desk/projects"
    outbox.deliver()
    assert web.calls[0].json["content"] == "【筑图】{link} {__class__} 一号PM100.0—"
    (unworded,) = outbox.notify([owner], "no-such-template", values, "red")
    assert unworded.body == "Object: {link} {__class__} 一号\nFactor: PM10\nValue: 0.0"


@pytest.mark.parametrize("text", ["{nosuch}", "{name.__class__}", "{name!r}", "{0}", "{}", "{name", "{{name}}",
                                  "{% include 'x' %}", "{name:>999999999}"])  # fmt: skip
def test_a_template_with_an_unknown_variable_is_refused_on_save(text: str) -> None:
    for field in ("subject", "body"):
        with pytest.raises(ValidationError) as refused:
            Template.objects.create(**{"key": "alarm", "subject": "x", "body": "x", field: text})
        assert field in refused.value.message_dict
    assert not Template.objects.filter(key="alarm").exists()


def test_a_caller_may_not_pass_what_no_template_knows(owner: User) -> None:
    with pytest.raises(ValueError, match="no message variable password"):
        outbox.notify([owner], "alarm", {"password": "x"})
    for link in ("https://example.com/", "//example.com", "/\\example.com", "javascript:alert(1)"):
        with pytest.raises(ValueError, match="not a path"):
            outbox.notify([owner], "alarm", {}, link=link)


def test_f62_no_secret_and_no_whole_number_in_logs_or_rows(
    mail: Channel, sms: Channel, web: Web, mailbox: Mailbox, owner: User, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    mailbox.answers = ["451 later"]
    web.replies = [says({"code": 7}), says(b"not json"), says({}, 500)]
    for _try in range(3):
        outbox.notify([owner], "alarm", {"name": "x"}, "red")
    for _try in range(4):
        Channel.objects.update(rests_until=None)
        Delivery.objects.filter(state="queued").update(next_try_at=timezone.now())
        outbox.deliver()
    ours = [record for record in caplog.records if not record.name.startswith("mail.")]  # the receiver logs as well
    assert len(ours) >= 2
    seen = "\n".join(str(vars(record)) for record in ours)
    seen += repr(list(Delivery.objects.values())) + repr(list(Channel.objects.values()))
    for value in SECRETS.values():
        assert value not in seen
    assert "13800138000" not in "".join(
        record.getMessage() for record in ours if not record.name.startswith("django.db")
    )


def test_a_group_is_told_in_the_language_of_its_channel(owner: User) -> None:
    group = Channel.objects.create(name="值班群", kind="wecom", settings={"key": "WECOM_KEY"}, language="en")
    other = Channel.objects.create(name="科室群", kind="wecom", settings={"key": "WECOM_KEY"})
    values = {"title": gettext_lazy("报表已自动生成"), "name": "A"}
    outbox.notify([owner, group, other], "no-such-template", values, "red")
    said = {m.group.name if m.group else "": (m.subject, m.body) for m in Message.objects.all()}
    assert said["值班群"][0] == "A report was made" and "Object: A" in said["值班群"][1] and "Red" in said["值班群"][1]
    assert said["科室群"][0] == said[""][0] == "报表已自动生成" and "红色" in said["科室群"][1]
    rows = {d.message.group_id: d.subject for d in Delivery.objects.filter(message__group__isnull=False)}
    assert rows == {group.pk: "A report was made", other.pk: "报表已自动生成"}


def test_an_sms_comes_in_the_language_of_its_recipient(sms: Channel, owner: User) -> None:
    Contact.objects.update(language="en")
    keys = set(Template.objects.filter(channel="sms_http").values_list("key", flat=True))
    assert {"alarm-raised", "warning-raised", "silence-raised", "remediation-issued"} <= keys
    for key in sorted(keys):
        outbox.notify([owner], key, {name: name for name in wording.VARIABLES if name not in ("level", "link")}, "red")
    said = list(Delivery.objects.values_list("subject", "body"))
    assert len(said) == len(keys)
    assert not [text for text in said if re.search("[\u4e00-\u9fff]", "".join(text))]


def test_a_wording_in_one_language_stays_as_it_was_written(mail: Channel, owner: User) -> None:
    Template.objects.create(key="own", channel="email", subject="{title}", body="{level}，{state}")
    Contact.objects.update(language="en")
    values = {"title": gettext_lazy("报表已自动生成"), "state": gettext_lazy("报表未能自动生成")}
    (message,) = outbox.notify([owner], "own", values, "red")
    assert message.subject == "A report was made", "in the product there is no such wording"
    assert (Delivery.objects.get().subject, Delivery.objects.get().body) == ("报表已自动生成", "红色，报表未能自动生成")
