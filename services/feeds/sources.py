"""What an administrator does with sources: settle, switch, give out a token, pull at once, read again. All audited."""

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access.errors import Conflict, Invalid, NotFound
from services.access.principal import Principal
from services.audit import trail
from services.audit.models import Entry
from services.catalog.sealed import HIDDEN
from services.feeds import bodies, checks, jobs
from services.feeds.models import Run, Source
from services.notify import outbound
from services.notify.errors import Refused
from services.telemetry import tokens
from services.telemetry.models import Device

EDITED = tuple(
    field.name for field in Source._meta.concrete_fields if field.editable and not field.primary_key
    and field.name != "enabled"
)  # fmt: skip
"""What a person settles; the secret, the token and the switch have ways of their own."""
KIND = "feed"
"""How the audit trail calls a source."""


def visible(principal: Principal) -> QuerySet[Source]:
    """The sources: for administrators, as they hold the ways into other systems; for others there are none."""
    return Source.objects.all() if principal.is_admin else Source.objects.none()


def fetch(principal: Principal, pk: int) -> Source:
    """A source; NotFound where it is not there or not for this principal."""
    source = visible(principal).filter(pk=pk).first()
    if source is None:
        raise NotFound(_("没有这个数据接口。"))
    return source


def require(principal: Principal) -> None:
    """Raise NotFound for everybody but administrators: that there are interfaces is nobody else's business."""
    if not principal.is_admin:
        raise NotFound(_("没有这个页面。"))


@transaction.atomic
def save(principal: Principal, pk: int | None, values: dict[str, Any], secret: str | None = None) -> Source:
    """Create or change a source from named values; Invalid names each field that cannot be.

    ``secret`` is a new one, empty to forget it, None to keep what there is. What is switched on stays on and is pulled
    with the new settings at once.
    """
    require(principal)
    unknown = sorted(set(values) - set(EDITED))
    if unknown:
        raise Invalid(_("有不能写入的字段。"), {name: [_("没有此字段或不可写入。")] for name in unknown})
    source = Source() if pk is None else _locked(principal, pk)
    before = {name: _plain(getattr(source, name)) for name in values}
    old_host = _host(source.url)
    for name, value in values.items():
        setattr(source, name, value)
    if secret is not None:
        source.secret = secret
    elif source.secret and _host(source.url) != old_host:
        # Else who may edit could have the secret sent to a host of their choice, and read it there.
        raise Invalid(_("填写的内容有误。"), {"secret": [_("更换了主机，请重新填写密钥。")]})
    resealed = bodies.seal(source, keep=pk is None or _host(source.url) == old_host)
    _check(source)
    source.version += 1
    if pk is not None and any(before[name] != _plain(values[name]) for name in _STEPS & set(values)):
        source.position = {}
    if source.enabled and source.pulls:
        # What was wrong may be mended: nobody should wait for the next try.
        source.next_at, source.failures = timezone.now(), 0
        jobs.wake_soon()
    source.save()
    # The body as it is kept: what was typed may hold secrets.
    after = {name: _plain(source.body if name == "body" else value) for name, value in values.items()}
    changes = {name: [before[name], after[name]] for name in values if before[name] != after[name]}
    if secret is not None:
        changes["secret"] = [HIDDEN, HIDDEN]
    if resealed:
        changes["body_secrets"] = [HIDDEN, HIDDEN]
    _note(principal, "create feed" if pk is None else "change feed", source, changes)
    return source


def draft(principal: Principal, pk: int | None, values: dict[str, Any], secret: str | None = None) -> Source:
    """A source as it would be saved, for a trial; nothing is written."""
    require(principal)
    source = Source() if pk is None else fetch(principal, pk)
    old_host = _host(source.url)
    for name, value in values.items():
        setattr(source, name, value)
    if secret:
        source.secret = secret
    elif secret == "" or (source.secret and _host(source.url) != old_host):
        source.secret = ""
    bodies.seal(source, keep=pk is None or _host(source.url) == old_host)
    return source


@transaction.atomic
def switch(principal: Principal, pk: int, on: bool) -> Source:
    """Switch a source on or off; Invalid where it cannot work yet."""
    source = _locked(principal, pk)
    if source.enabled == on:
        return source
    if on:
        _check(source)
        if not source.pulls and not source.token_digest:
            raise Invalid(_("请先签发推送令牌，未经授权的推送不予接收。"), {})
    now = timezone.now()
    source.enabled, source.stale_since, source.failures, source.error = on, None, 0, None
    source.enabled_at = now if on else source.enabled_at
    source.next_at = now if on and source.pulls else None
    source.version += 1
    source.save()
    _note(principal, "switch feed", source, {"enabled": [not on, on]})
    if source.next_at is not None:
        jobs.wake_soon()
    return source


@transaction.atomic
def new_token(principal: Principal, pk: int) -> str:
    """A new token for pushing; the one before it no longer counts. It is shown only now."""
    source = _locked(principal, pk)
    token, source.token_digest = tokens.new()
    source.token_at, source.refusals, source.refused_at = timezone.now(), 0, None
    source.save(update_fields=["token_digest", "token_at", "refusals", "refused_at"])
    _note(principal, "new token", source, {"token": ["***", "***"]})
    return token


@transaction.atomic
def pull_now(principal: Principal, pk: int) -> None:
    """Have a source pulled as soon as a worker is free."""
    source = _locked(principal, pk)
    if not (source.enabled and source.pulls):
        raise Conflict(_("接口未启用，或不是由平台提取。"))
    Source.objects.filter(pk=pk).update(next_at=timezone.now())
    _note(principal, "pull feed", source, {})
    jobs.wake_soon()


@transaction.atomic
def rewind(principal: Principal, pk: int, since: datetime | None) -> None:
    """Read everything again from a moment on, or from the beginning; what is there already stays as it is."""
    source = _locked(principal, pk)
    if not source.pulls:
        raise Conflict(_("对方推送的数据不能由平台重新提取。"))
    if since is not None and since > timezone.now():
        raise Invalid(_("填写的内容有误。"), {"since": [_("时间不能晚于现在。")]})
    before = source.position.get("since")
    position = {} if since is None else {"since": since.astimezone(UTC).isoformat(), "exact": True}
    Source.objects.filter(pk=pk).update(
        position=position, version=F("version") + 1, next_at=timezone.now() if source.enabled else None
    )
    _note(principal, "rewind feed", source, {"since": [before, since.isoformat() if since else None]})
    jobs.wake_soon()


def runs(principal: Principal, source: Source) -> QuerySet[Run]:
    """The runs of a source, the latest first, without their lists of problems."""
    return Run.objects.filter(source__in=visible(principal), source=source).defer("problems")


def run(principal: Principal, pk: int) -> Run:
    """One run with its problems."""
    found = Run.objects.select_related("source").filter(pk=pk, source__in=visible(principal)).first()
    if found is None:
        raise NotFound(_("没有这条运行记录。"))
    return found


def stations(source: Source) -> QuerySet[Device]:
    """The devices that stand for the stations of a source."""
    return Device.objects.filter(protocol=Device.Protocol.FEED, number__startswith=f"{source.pk}:").order_by("number")


def history(source: Source, most: int = 20) -> list[Entry]:
    """The latest entries of the audit trail about a source."""
    return list(Entry.objects.filter(layer=KIND, object_id=str(source.pk))[:most])


_STEPS = {"mode", "target", "layer", "tab", "url", "cursor", "cursor_path", "paging", "begin_at"}
"""Settings whose change makes where one had got to meaningless."""


def _check(source: Source) -> None:
    found: dict[str, list[str]] = {}
    try:
        source.full_clean()
    except ValidationError as error:
        found = {name: [str(text) for text in texts] for name, texts in error.message_dict.items()}
    for name, texts in checks.problems(source).items():
        found.setdefault(name, []).extend(texts)
    if found:
        raise Invalid(_("填写的内容有误。"), found)


def _locked(principal: Principal, pk: int) -> Source:
    fetch(principal, pk)
    return Source.objects.select_for_update().get(pk=pk)


def _host(url: str) -> tuple[str, int] | None:
    try:
        return outbound.split(url, plain=True)[:2]
    except Refused:
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, models.Choices):
        return value.value
    return value if value is None or isinstance(value, bool | int | float | str | list | dict) else str(value)


def _note(principal: Principal, action: str, source: Source, changes: dict[str, Any]) -> None:
    trail.note(
        principal.id, principal.name, action, layer=KIND, object_id=source.pk, changes=changes,
        address=principal.address,
    )  # fmt: skip
