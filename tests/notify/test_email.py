"""E-mail to a real SMTP server."""

from pathlib import Path
from typing import Any

import pytest

from services.accounts.models import User
from services.notify import outbox
from services.notify.channels import adapter_of
from services.notify.errors import Refused, Retry, Unreachable
from services.notify.models import Channel, Contact, Delivery, Destination, Template
from tests.notify.conftest import channel
from tests.notify.receivers import Mailbox

pytestmark = pytest.mark.django_db


def test_a_mail_arrives_by_starttls_with_a_log_in(mail: Channel, mailbox: Mailbox, owner: User) -> None:
    Template.objects.create(key="alarm", channel="email", subject="{level}：{name}", body="{factor} {value} {unit}")
    outbox.notify([owner], "alarm", {"name": "一号工地", "factor": "PM10", "value": 0, "unit": "µg/m³"}, "red")
    assert outbox.deliver() == 1
    ((to, letter),) = mailbox.taken
    assert to == ["owner@example.com"]
    assert letter["Subject"] == "红色：一号工地"
    assert letter["From"] == "筑图 <zhutu@example.com>"
    assert letter.get_content().strip() == "PM10 0 µg/m³"
    assert mailbox.log_ins == [(b"zhutu", b"open-sesame-9")]
    row = Delivery.objects.get()
    assert (row.state, row.receipt, row.error) == ("sent", letter["Message-ID"], "")


@pytest.mark.parametrize("evil", ["x\r\nBcc: thief@example.com", "x\nBcc: thief@example.com", "x\u2028Bcc: t@e.com",
                                  "x\r\n\r\nbody", "x\x00y"])  # fmt: skip
def test_f62_a_text_with_line_breaks_adds_no_header(mail: Channel, mailbox: Mailbox, owner: User, evil: str) -> None:
    Template.objects.create(key="alarm", channel="email", subject="{name}", body="{text}")
    outbox.notify([owner], "alarm", {"name": evil, "text": evil}, "red")
    outbox.deliver()
    ((to, letter),) = mailbox.taken
    assert to == ["owner@example.com"]
    assert letter["Bcc"] is None
    assert letter["Subject"].startswith("x")
    assert sorted(letter.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
         "MIME-Version"]
    )  # fmt: skip


@pytest.mark.parametrize("evil", ["a@example.com\r\nBcc: t@example.com", "a@example.com, t@example.com", "a@b@c",
                                  "<a@example.com>", "a", "a@example.com>\r\nRCPT TO:<t@example.com"])  # fmt: skip
def test_an_address_that_is_not_one_address_is_refused(mail: Channel, mailbox: Mailbox, owner: User, evil: str) -> None:
    Contact.objects.update(email=evil)
    outbox.notify([owner], "alarm", {"name": "x"}, "red")
    outbox.deliver()
    assert mailbox.taken == []
    assert Delivery.objects.get().state == "failed"


def test_a_raw_line_break_in_a_stored_subject_is_refused(mail: Channel, mailbox: Mailbox, owner: User) -> None:
    outbox.notify([owner], "alarm", {"name": "x"}, "red")
    Delivery.objects.update(subject="x\nBcc: thief@example.com")
    outbox.deliver()
    assert mailbox.taken == []
    assert Delivery.objects.get().state == "failed"


def test_an_unknown_recipient_is_refused_for_good_and_a_busy_server_is_tried_again(
    mail: Channel, mailbox: Mailbox, owner: User
) -> None:
    outbox.notify([owner], "alarm", {"name": "x"}, "red")
    row = Delivery.objects.get()
    adapter = adapter_of(mail)
    mailbox.answers = ["451 later"]
    with pytest.raises(Retry):
        adapter.send(row)
    mailbox.answers = ["554 spam"]
    with pytest.raises(Refused):
        adapter.send(row)
    mailbox.unknown = {"owner@example.com"}
    with pytest.raises(Refused):
        adapter.send(row)
    assert mailbox.taken == []


def test_a_wrong_password_and_an_untrusted_server_send_nothing(
    mail: Channel, mailbox: Mailbox, owner: User, monkeypatch: Any
) -> None:
    outbox.notify([owner], "alarm", {"name": "x"}, "red")
    row = Delivery.objects.get()
    monkeypatch.setenv("ZHUTU_NOTIFY_SMTP_PASSWORD", "wrong")
    with pytest.raises(Unreachable, match="refused the user name or password"):
        adapter_of(mail).send(row)
    mailbox.log_ins.clear()
    Destination.objects.update(authority="")
    with pytest.raises(Unreachable):
        adapter_of(mail).send(row)
    assert mailbox.log_ins == []


def test_a_password_never_goes_without_tls(mailbox: Mailbox, pair: tuple[Path, Path]) -> None:
    Destination.objects.create(host="localhost", port=mailbox.port, internal=True)
    with pytest.raises(Exception, match="TLS"):
        channel("email", host="localhost", port=mailbox.port, security="none", sender="z@example.com", user="z",
                password="SMTP_PASSWORD")  # fmt: skip
