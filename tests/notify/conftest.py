"""Channels to real receivers, and a way to commit beside the test's own transaction."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from services.accounts.models import User
from services.notify.models import Channel, Contact, Destination, Kind, Message
from tests.notify.receivers import Mailbox, Web, certificate, https_server, smtp_server

SECRETS = {
    "SMTP_PASSWORD": "open-sesame-9",
    "SMS_KEY": "sms-secret-4711",
    "SMS_TOKEN": "receipt-token-88",
    "WECOM_KEY": "693a91f6-7xxx-4bc4-97a0",
    "DING_TOKEN": "ding-token-5566",
    "DING_SECRET": "SECabc123",
}


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Key and certificate of the receivers."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def mailbox(pair: tuple[Path, Path]) -> Iterator[Mailbox]:
    """A real SMTP server."""
    with smtp_server(*pair) as box:
        yield box


@pytest.fixture
def web(pair: tuple[Path, Path]) -> Iterator[Web]:
    """A real HTTPS server."""
    with https_server(*pair) as server:
        yield server


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(f"ZHUTU_NOTIFY_{name}", value)


@pytest.fixture
def owner(db: None) -> User:
    """Somebody with a mobile and an e-mail address."""
    user = User.objects.get(username="owner")
    Contact.objects.create(user=user, mobile="13800138000", email="owner@example.com")
    return user


def allow(port: int, own: Path) -> None:
    """List this machine's receiver, whose certificate is its own authority."""
    Destination.objects.create(host="localhost", port=port, internal=True, authority=own.read_text())


def channel(kind: str, **settings: Any) -> Channel:
    """A channel, checked as the admin page checks it."""
    row = Channel(name=f"test {kind}", kind=kind, settings=settings)
    row.full_clean()
    row.save()
    return row


def mail_channel(mailbox: Mailbox, own: Path) -> Channel:
    """The mail server as a channel."""
    allow(mailbox.port, own)
    return channel(
        Kind.EMAIL, host="localhost", port=mailbox.port, security="starttls", user="zhutu", password="SMTP_PASSWORD",
        sender="zhutu@example.com", sender_name="筑图",
    )  # fmt: skip


def sms_channel(web: Web, own: Path, **more: Any) -> Channel:
    """The web server as an SMS gateway."""
    allow(web.port, own)
    web.usual = lambda handler: reply_sms(handler, web)
    return channel(
        Kind.SMS, url=f"{web.url}/sms", key="SMS_KEY", ok_path="code", ok_value="0", receipt_path="data.0.msgid",
        body={"phones": ["{mobile}"], "content": "【筑图】{text}", "ref": {"id": "{id}", "n": 1}},
        callback_token="SMS_TOKEN", callback_list="reports", callback_id="msgid", callback_state="status", **more,
    )  # fmt: skip


def reply_sms(handler: Any, web: Web) -> None:
    """A gateway's usual answer: taken, with a new id."""
    from tests.notify.receivers import says

    says({"code": 0, "data": [{"msgid": f"m-{len(web.calls)}"}]})(handler)


@pytest.fixture
def mail(mailbox: Mailbox, pair: tuple[Path, Path], db: None) -> Channel:
    return mail_channel(mailbox, pair[1])


@pytest.fixture
def sms(web: Web, pair: tuple[Path, Path], db: None) -> Channel:
    return sms_channel(web, pair[1])


Aside = Callable[..., Any]


@pytest.fixture
def aside(db: None) -> Iterator[Aside]:
    """``aside(function, …)`` runs it on a connection of its own, where it commits; it is deleted at the end."""
    with ThreadPoolExecutor(1) as thread:

        def run(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            return thread.submit(work, *args, **kwargs).result()

        run(_clean)  # what a run that was broken off left behind
        yield run
        run(_clean)
        run(connections.close_all)


def _clean() -> None:
    # Not the wordings: those that the product brings belong to the tests of others.
    for model in (Message, Channel, Contact, Destination):
        model.objects.all().delete()
