"""The logs of other systems: registered by administrators, pushed by the systems themselves with a token each."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from services.access.errors import Invalid, LogInNeeded, NotFound, Refused, TooLarge, TooMany
from services.access.principal import Principal
from services.access.shared_allowances import SharedAllowances
from services.audit import trail
from services.operations.blocking import admitted
from services.operations.logs import OWN, Entry, store
from services.operations.models import LogSystem
from services.telemetry import tokens
from services.telemetry.partitions import raw
from services.telemetry.spans import ZONE

MOST = 1_000
"""Entries of one push."""
LARGEST = 2_000_000
"""Bytes of one push."""
BACK, AHEAD = timedelta(days=28), timedelta(minutes=10)
"""How old an entry may be, and how far another system's clock may run ahead."""
_pushes = SharedAllowances("log-pushes", 4.0, 240.0)
LEVELS = {
    "TRACE": 10, "DEBUG": 10, "INFO": 20, "NOTICE": 20, "WARN": 30, "WARNING": 30, "ERR": 40, "ERROR": 40,
    "CRIT": 50, "CRITICAL": 50, "FATAL": 50, "ALERT": 50, "EMERG": 50,
}  # fmt: skip
"""How other systems call their levels."""


def systems(principal: Principal) -> QuerySet[LogSystem]:
    """All registered systems; for administrators."""
    admitted(principal)
    return LogSystem.objects.all()


@transaction.atomic
def register(principal: Principal, key: str, name: str) -> tuple[LogSystem, str]:
    """A new system and its token, which is shown only now; Invalid names what has to be mended."""
    admitted(principal)
    token, digest = tokens.new()
    made = LogSystem(key=key.strip(), name=name.strip(), token_digest=digest)
    try:
        made.full_clean()
        if made.key == OWN:
            raise ValidationError({"key": [_("该代码属于本平台。")]})
    except ValidationError as error:
        fields = {field: [str(text) for text in texts] for field, texts in error.message_dict.items()}
        raise Invalid(_("填写的内容有误。"), fields) from None
    made.save()
    _note(principal, "register log system", made)
    return made, token


@transaction.atomic
def new_token(principal: Principal, pk: int) -> tuple[LogSystem, str]:
    """Another token for a system; the one before it no longer counts."""
    row = _fetch(principal, pk)
    token, row.token_digest = tokens.new()
    row.save(update_fields=["token_digest"])
    _note(principal, "new log token", row)
    return row, token


@transaction.atomic
def switch(principal: Principal, pk: int, on: bool) -> LogSystem:
    """Take a system's entries, or refuse them."""
    row = _fetch(principal, pk)
    row.enabled = on
    row.save(update_fields=["enabled"])
    _note(principal, "switch log system", row, enabled=on)
    return row


def take(key: str, token: str, body: bytes, now: datetime | None = None) -> int:
    """Store the entries of a push and return their number; all or nothing, Invalid names the entries that are wrong."""
    row = LogSystem.objects.filter(key=key).first()
    if not tokens.fits(token, row.token_digest if row is not None else "") or row is None:
        raise LogInNeeded(_("系统不存在，或令牌有误。"))
    if not row.enabled:
        raise Refused(_("该系统的日志接入已停用。"))
    if wait := _pushes.spend(row.key):
        raise TooMany(_("推送过于频繁，请合并后再发。"), retry_after=max(1, round(wait)))
    if len(body) > LARGEST:
        raise TooLarge(_("一次推送最多 2 MB。"))
    moment = now or timezone.now()
    entries = _entries(row, body, moment)
    with transaction.atomic():
        store(raw(), entries)
        LogSystem.objects.filter(pk=row.pk).update(last_at=moment)
    return len(entries)


def _entries(row: LogSystem, body: bytes, now: datetime) -> list[Entry]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise Invalid(_("正文不是 JSON。"), {"body": ["JSON"]}) from None
    rows = given.get("entries") if isinstance(given, dict) else given
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST:
        raise Invalid(_("entries 应为 1 至 1000 条日志的列表。"), {"entries": ["1…1000"]})
    found, wrong = [], {}
    for number, each in enumerate(rows, 1):
        try:
            found.append(_entry(row, each, now))
        except ValueError as error:
            wrong[f"entry {number}"] = [str(error)]
    if wrong:
        raise Invalid(_("有不能接收的日志，整批未写入。"), dict(list(wrong.items())[:50]))
    return found


def _entry(row: LogSystem, given: Any, now: datetime) -> Entry:
    if not isinstance(given, dict):
        raise ValueError(_("不是对象。"))
    message = given.get("message")
    if not isinstance(message, str) or not message.strip():
        raise ValueError(_("缺少 message。"))
    level = LEVELS.get(str(given.get("level", "INFO")).upper())
    if level is None:
        raise ValueError(_("level 应为 DEBUG、INFO、WARNING、ERROR 或 CRITICAL。"))
    at = _moment(given.get("at"), now)
    cause, account, address, request = (str(given.get(k) or "") for k in ("cause", "account", "address", "request"))
    program = str(given.get("program") or row.key)
    logger = str(given.get("logger") or "")
    return Entry(at, level, row.key, program, logger, message, cause, account, address, request)


def _moment(given: Any, now: datetime) -> datetime:
    """The time of an entry; without a zone it is China's, without any it is now."""
    if given is None:
        return now
    try:
        at = parse_datetime(given) if isinstance(given, str) else None
    except ValueError:
        at = None
    if at is None:
        raise ValueError(_("at 应为时间，如 2026-01-31T08:00:00+08:00。"))
    at = at if at.tzinfo else at.replace(tzinfo=ZONE)
    if not now - BACK <= at <= now + AHEAD:
        raise ValueError(_("at 应在最近 28 天内。"))
    return at


def _fetch(principal: Principal, pk: int) -> LogSystem:
    row = systems(principal).select_for_update().filter(pk=pk).first()
    if row is None:
        raise NotFound(_("没有这个系统。"))
    return row


def _note(principal: Principal, action: str, row: LogSystem, **changes: object) -> None:
    trail.note(
        principal.id, principal.name, action, layer="log", object_id=row.key, address=principal.address,
        changes={"name": row.name, **changes},
    )  # fmt: skip
