"""Where sources may call, what they hand over there, and what becomes of secrets."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from ingest.feeds import calls
from ingest.simulators import existing
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.audit.models import Entry
from services.catalog.sealed import opened
from services.feeds import sources
from services.feeds.faults import Fault
from services.feeds.models import Source
from services.notify.models import Destination
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
