"""Where sources may call, what they hand over there, and what becomes of secrets."""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.core import serializers
from django.db import connection

from ingest.feeds import calls
from ingest.simulators import existing
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.audit.models import Entry
from services.catalog.sealed import opened
from services.feeds import bodies, sources
from services.feeds.faults import Fault
from services.feeds.models import Source
from services.notify.models import Destination
from tests.conftest import client
from tests.feeds.conftest import Existing, pull

pytestmark = pytest.mark.django_db
Settle = Callable[..., Source]


def test_only_listed_hosts_are_called(settle: Settle, system: Existing) -> None:
    """F53: whatever an administrator typed before the host was struck off the list."""
    source = settle()
    Destination.objects.all().delete()
    system.misbehave()
    run = pull(source)
    assert run.state == "failed"
    assert "不允许调用" in run.said
    assert system.calls() == []


def test_a_host_that_is_not_internal_is_not_called_by_http_nor_inside(settle: Settle, system: Existing) -> None:
    source = settle()
    Destination.objects.update(internal=False)
    system.misbehave()
    assert "不允许调用" in pull(source).said
    assert system.calls() == []
    with pytest.raises(Invalid) as refusal:
        settle(on=False, name="http 外网")
    assert "url" in refusal.value.fields


@pytest.mark.parametrize(
    "follow",
    [
        "http://169.254.169.254/latest/meta-data", "//else.where/x", "https://127.0.0.1/x", "http://127.0.0.1:1/x",
        "file:///etc/passwd", "http://user@127.0.0.1/x",
    ],
)  # fmt: skip
def test_a_next_page_elsewhere_is_not_followed(settle: Settle, follow: str) -> None:
    """The secret goes to the host that it is for."""
    source = settle(on=False, paging="next", next_path="next")
    with pytest.raises(Fault, match="指向别的主机"):
        calls.request(source, {}, follow)


def test_a_next_page_here_is_followed_with_the_authorisation(settle: Settle, system: Existing) -> None:
    source = settle(
        on=False, auth="key", auth_place="query", auth_label="key", secret=existing.KEY, paging="next", next_path="next"
    )
    url, _body, headers = calls.request(source, {}, "/api/more?page=2#top")
    assert url == f"{system.url}/api/more?page=2&key={existing.KEY}"
    assert "Authorization" not in headers


def test_what_is_filled_in_changes_neither_request_nor_body(settle: Settle) -> None:
    source = settle(
        on=False, method="POST", parameters="from={since}\na={token}", body='{"t": "x{token}", "page": "{page}"}'
    )
    places = {"since": "{token}&b=1", "token": '","x":"', "page": "3"}
    url, body, _headers = calls.request(source, places)
    assert url.endswith("?from=%7Btoken%7D%26b%3D1&a=%22%2C%22x%22%3A%22")
    assert body == b'{"t": "x\\",\\"x\\":\\"", "page": 3}'


def test_a_secret_is_sealed_and_never_shown(settle: Settle, admin: Principal, system: Existing) -> None:
    source = settle(secret="very-secret-4711")
    with connection.cursor() as cursor:
        cursor.execute("select row_to_json(s)::text from feeds_source s")
        (row,) = cursor.fetchone()
        cursor.execute("select coalesce(string_agg(changes::text, ' '), '') from audit_entry")
        (audited,) = cursor.fetchone()
    assert "very-secret-4711" not in row
    assert "very-secret-4711" not in audited
    assert Entry.objects.get(action="create feed").changes["secret"] == ["***", "***"]
    assert opened(source.secret) == "very-secret-4711"
    assert "very-secret-4711" not in pull(source).said


BODY = {
    "login": {"user": "u", "password": "plain-4711", "pin_token": 8152}, "k": "{secret:hidden {page} 99}",
    "page": "{page}", "token": "{token}",
}  # fmt: skip
HIDDEN_WORDS = ("plain-4711", "8152", "hidden {page} 99")


def test_secrets_of_a_body_are_sealed_masked_and_sent(settle: Settle, admin: Principal, system: Existing) -> None:
    source = settle(on=False, method="POST", body=json.dumps(BODY))
    masked = {
        "login": {"user": "u", "password": "***", "pin_token": "***"}, "k": "***", "page": "{page}", "token": "{token}",
    }  # fmt: skip
    source.refresh_from_db()
    assert json.loads(source.body) == masked
    with connection.cursor() as cursor:
        cursor.execute("select row_to_json(s)::text from feeds_source s")
        (row,) = cursor.fetchone()
        cursor.execute("select coalesce(string_agg(changes::text, ' '), '') from audit_entry")
        (audited,) = cursor.fetchone()
    browser = client("admin")
    pages = [browser.get(f"/desk/feeds/{source.pk}{end}").content.decode() for end in ("", "/edit")]
    dump = serializers.serialize("json", [source])
    for word in HIDDEN_WORDS:
        assert not any(word in text for text in (row, audited, dump, repr(source.__dict__), *pages)), word
    assert "***" in pages[1]
    assert Entry.objects.get(action="create feed").changes["body_secrets"] == ["***", "***"]
    _url, body, _headers = calls.request(source, {"page": "3", "token": "t"})
    assert json.loads(body or b"") == {
        "login": {"user": "u", "password": "plain-4711", "pin_token": 8152}, "k": "hidden {page} 99", "page": 3,
        "token": "t",
    }  # fmt: skip


def test_asterisks_that_come_back_keep_the_secret_of_a_body(settle: Settle, admin: Principal) -> None:
    source = settle(on=False, method="POST", body=json.dumps(BODY))
    same = sources.save(admin, source.pk, {"body": source.body.replace("\n", "\r\n")})
    assert (same.body, bodies.secrets_of(same)) == (source.body, bodies.secrets_of(source))
    assert "body" not in Entry.objects.filter(action="change feed").latest("pk").changes
    tried = sources.draft(admin, source.pk, {"body": source.body.replace('"password": "***"', '"password": "new"')})
    assert bodies.secrets_of(tried)["/login/password"] == "new", "a trial has what was typed"
    source.refresh_from_db()
    assert bodies.secrets_of(source)["/login/password"] == "plain-4711", "and writes nothing"
    typed = sources.save(admin, source.pk, {"body": source.body.replace('"k": "***"', '"k": "{secret:other}"')})
    assert bodies.secrets_of(typed) == {
        "/login/password": "plain-4711", "/login/pin_token": 8152, "/k": "other"
    }  # fmt: skip
    with pytest.raises(Invalid) as refusal:
        sources.save(admin, source.pk, {"body": '{"another": "***"}'})
    assert list(refusal.value.fields) == ["body"], "asterisks are no secret"
    gone = sources.save(admin, source.pk, {"body": '{"page": "{page}"}'})
    assert bodies.secrets_of(gone) == {}


def test_a_secret_of_a_body_does_not_follow_to_another_host(settle: Settle, admin: Principal, system: Existing) -> None:
    source = settle(on=False, method="POST", body='{"pwd": "plain-4711", "page": "{page}"}')
    Destination.objects.create(host="localhost", port=system.port, internal=True)
    values = {"url": f"http://localhost:{system.port}/api/values"}
    with pytest.raises(Invalid) as refusal:
        sources.save(admin, source.pk, values, "typed again")
    assert list(refusal.value.fields) == ["body"]
    assert bodies.secrets_of(sources.draft(admin, source.pk, values)) == {}, "not in a trial, either"
    values["body"] = '{"pwd": "again", "page": "{page}"}'
    assert bodies.secrets_of(sources.save(admin, source.pk, values, "typed again")) == {"/pwd": "again"}


def test_a_body_sealed_with_another_key_says_so(settle: Settle, settings: Any) -> None:
    source = settle(auth="none", secret=None, method="POST", body='{"pwd": "x", "from": "{since}", "page": "{page}"}')
    settings.SECRET_KEY = "another" * 8
    assert "重新填写正文中的密钥" in pull(source).said


def test_a_body_in_plain_text_is_sealed_by_the_migration_and_opened_by_its_reverse(settle: Settle) -> None:
    source = settle(on=False, method="POST", body='{"page": "{page}"}')
    module = import_module("services.feeds.migrations.0002_body_secrets")
    plain = '{"login": [{"password": "plain-4711"}], "token": "{token}"}'
    Source.objects.filter(pk=source.pk).update(body=plain)
    with connection.schema_editor() as editor:
        module.seal_all(None, editor)
        source.refresh_from_db()
        assert "plain-4711" not in source.body and bodies.secrets_of(source) == {"/login/0/password": "plain-4711"}
        module.open_all(None, editor)
    source.refresh_from_db()
    assert (json.loads(source.body), bool(source.body_secrets)) == (json.loads(plain), False)


def test_a_secret_sealed_with_another_key_says_so(settle: Settle, settings: Any) -> None:
    source = settle()
    settings.SECRET_KEY = "another" * 8
    run = pull(source)
    assert "重新填写密钥" in run.said


def test_a_secret_does_not_follow_to_another_host(settle: Settle, admin: Principal, system: Existing) -> None:
    source = settle()
    Destination.objects.create(host="localhost", port=system.port, internal=True)
    url = f"http://localhost:{system.port}/api/values"
    with pytest.raises(Invalid) as refusal:
        sources.save(admin, source.pk, {"url": url})
    assert list(refusal.value.fields) == ["secret"]
    assert sources.draft(admin, source.pk, {"url": url}).secret == "", "not in a trial, either"
    assert sources.save(admin, source.pk, {"url": url}, "typed again").url == url


@pytest.mark.parametrize("name", ["commander", "owner", "inspector", "public"])
def test_nobody_but_administrators_knows_of_sources(settle: Settle, who: dict[str, Principal], name: str) -> None:
    source = settle()
    for act in (
        lambda: sources.fetch(who[name], source.pk),
        lambda: sources.save(who[name], source.pk, {"name": "x"}),
        lambda: sources.save(who[name], None, {"name": "x"}),
        lambda: sources.switch(who[name], source.pk, False),
        lambda: sources.new_token(who[name], source.pk),
        lambda: sources.pull_now(who[name], source.pk),
        lambda: sources.rewind(who[name], source.pk, None),
        lambda: sources.draft(who[name], source.pk, {}),
    ):
        with pytest.raises(NotFound):
            act()
    assert list(sources.visible(who[name])) == []
    source.refresh_from_db()
    assert source.enabled
