"""Secrets of channels: typed once, sealed, used, and found in no page, trail, log, dump or setting."""

import io
import json
import logging
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from services.accounts.models import User
from services.audit.models import Entry
from services.catalog.sealed import unseal
from services.notify import keys, outbox
from services.notify.models import Channel, Delivery, Kind
from tests.conftest import client
from tests.notify.conftest import allow, channel
from tests.notify.receivers import Web

pytestmark = pytest.mark.django_db
WORD, OTHER = "typed-secret-4711", "typed-secret-4712"
BODY = {"phones": ["{mobile}"], "content": "{text}", "account": {"password": "{secret:ACCOUNT}"}}


@pytest.fixture
def sms(web: Web, pair: Any) -> Channel:
    """A gateway that wants a header, a password in the body and a signature."""
    allow(web.port, pair[1])
    return channel(Kind.SMS, url=f"{web.url}/sms", key="SIGNING", headers={"X-Api-Key": "Key {secret:API}"}, body=BODY)


def posted(row: Channel, **typed: str) -> Any:
    """The answer to the admin page sent with these secrets."""
    kept = {"name": row.name, "kind": row.kind, "language": row.language, "settings": json.dumps(row.settings)}
    values = {**kept, "enabled": "on", **typed}
    return client("admin").post(f"/admin/notify/channel/{row.pk}/change/", values)


def page(row: Channel) -> str:
    return str(client("admin").get(f"/admin/notify/channel/{row.pk}/change/").content.decode())


def test_secrets_are_typed_on_the_page_sealed_used_and_shown_nowhere(
    sms: Channel, web: Web, owner: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    before = page(sms)
    assert all(f'name="secret-{name}"' in before for name in ("SIGNING", "API", "ACCOUNT")) and "未设置" in before
    answer = posted(sms, **{"secret-SIGNING": WORD, "secret-API": f"{WORD}-api", "secret-ACCOUNT": f"{WORD}-{{id}}"})
    assert answer.status_code == 302, answer.content.decode()
    outbox.notify([owner], "alarm", {"title": "x"}, "red")
    outbox.deliver()
    (call,) = web.calls
    assert call.headers["X-Api-Key"] == f"Key {WORD}-api"
    assert json.loads(call.body)["account"]["password"] == f"{WORD}-{{id}}", "and is not read for places again"
    assert call.headers["X-Signature"]
    sms.refresh_from_db()
    row, entry = Delivery.objects.get(), Entry.objects.filter(action="change channel").latest("pk")
    assert "secret-SIGNING" in entry.changes["fields"]
    out = io.StringIO()
    call_command("dumpdata", "notify", "audit", "admin", stdout=out)
    texts = [
        page(sms),
        str(entry.changes),
        row.error,
        out.getvalue(),
        caplog.text,
        json.dumps(sms.settings),
        repr(sms.secrets),
    ]
    assert not any(WORD in text for text in texts)
    assert "密封保存" in texts[0]
    with connection.cursor() as cursor:
        cursor.execute("select c::text from notify_channel c union all select l::text from django_admin_log l")
        rows = "".join(text for (text,) in cursor.fetchall())
    assert "sealed:" in rows and WORD not in rows


def test_an_empty_field_keeps_a_secret_and_it_can_be_replaced_and_deleted(
    sms: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted(sms, **{"secret-SIGNING": WORD, "secret-API": WORD})
    for typed, expected in (({}, WORD), ({"secret-SIGNING": OTHER}, OTHER)):
        assert posted(sms, **typed).status_code == 302
        sms.refresh_from_db()
        assert keys.secret(sms, "SIGNING") == expected and keys.secret(sms, "API") == WORD
    monkeypatch.setenv("ZHUTU_NOTIFY_SIGNING", "of the environment")
    assert keys.secret(sms, "SIGNING") == OTHER, "what was typed comes first"
    posted(sms, **{"forget-SIGNING": "on"})
    sms.refresh_from_db()
    assert keys.secret(sms, "SIGNING") == "of the environment"
    assert keys.secret(sms, "API") == WORD
    sms.settings["headers"] = {}
    posted(sms)
    sms.refresh_from_db()
    assert not sms.secrets, "what no setting names is forgotten"


def test_a_seal_that_does_not_open_holds_the_channel_and_is_kept_until_something_is_typed(
    sms: Channel, settings: Any
) -> None:
    posted(sms, **{"secret-SIGNING": WORD})
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another secret of the installation"
    sms.refresh_from_db()
    with pytest.raises(keys.Unreachable, match="cannot be opened"):
        keys.secret(sms, "SIGNING")
    keys.keep(sms, {}, ("SIGNING",))
    sms.save()
    settings.SECRET_KEY = former
    sms.refresh_from_db()
    assert keys.secret(sms, "SIGNING") == WORD
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another secret of the installation", [former]
    call_command("reseal")
    settings.SECRET_KEY_FALLBACKS = []
    sms.refresh_from_db()
    assert keys.secret(sms, "SIGNING") == WORD, "a change of the installation's secret takes them along"


@pytest.mark.parametrize(
    ("part", "value"),
    [("headers", {"Authorization": "Bearer abc"}), ("headers", {"X-API-KEY": "abc"}),
     ("body", BODY | {"account": [{"pwd": "abc"}]}), ("body", BODY | {"appKey": "abc"})],
)  # fmt: skip
def test_a_setting_takes_no_secret_in_plain_text(sms: Channel, part: str, value: Any) -> None:
    sms.settings |= {part: value}
    with pytest.raises(ValidationError, match="looks like a secret"):
        sms.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("update notify_channel set secrets = %s where id = %s", [json.dumps({"API": WORD}), sms.pk])


LATEST = "0004_channel_language"


def test_an_upgrade_seals_what_lay_in_the_settings_and_a_downgrade_puts_it_back(web: Web, pair: Any) -> None:
    allow(web.port, pair[1])

    def migrate(to: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("set constraints all immediate")
        MigrationExecutor(connection).migrate([("notify", to)])

    def row() -> tuple[Any, ...]:
        with connection.cursor() as cursor:
            cursor.execute("select * from notify_channel where name = 'old'")
            names = [column.name for column in cursor.description]
            found = dict(zip(names, cursor.fetchone(), strict=True))
        return found["settings"], found.get("secrets", "")

    old = {
        "url": f"{web.url}/sms", "headers": {"Authorization": f"Basic {WORD}", "X-Source": "zhutu"},
        "body": {"to": "{mobile}", "say": "{text}", "users": [{"passwd": OTHER, "token": ""}, {"passwd": WORD}]},
    }  # fmt: skip
    migrate("0001_initial")
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into notify_channel (name, kind, settings, enabled) values ('old', 'sms_http', %s, true)",
            [json.dumps(old)],
        )
    migrate(LATEST)
    text, sealed = row()
    assert WORD not in text and OTHER not in text and WORD not in sealed
    assert json.loads(unseal(sealed, "notify_channel.secrets")) == {
        "OF_AUTHORIZATION": f"Basic {WORD}", "OF_PASSWD": OTHER, "OF_PASSWD_1": WORD,
    }  # fmt: skip
    kept = Channel.objects.get(name="old")
    kept.full_clean()
    assert kept.settings["headers"] == {"Authorization": "{secret:OF_AUTHORIZATION}", "X-Source": "zhutu"}
    assert keys.secret(kept, "OF_PASSWD_1") == WORD
    migrate("0001_initial")
    assert json.loads(row()[0]) == old
    migrate(LATEST)
