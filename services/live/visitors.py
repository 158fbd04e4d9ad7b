"""Who listens: let in by session or token as at every other door, and judged again every few seconds (F59)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from services.access.principal import Principal, principal_from, principals, secret_of
from services.accounts.models import ApiToken, User

AGAIN = 3.0
"""Seconds after which everybody is judged again: under the five that a withdrawn right may live."""


@dataclass
class Visitor:
    """A principal with what let them in."""

    principal: Principal
    session: str = ""
    token: str = ""
    """Digest."""
    password: str = ""
    """Of the user as it was stored: a change ends every session."""


def visitor(session: str, authorization: str) -> Visitor | None:
    """Whoever shows this session key or Authorization header; None for nobody, LogInNeeded for a wrong token."""
    request = HttpRequest()
    request.META["HTTP_AUTHORIZATION"] = authorization
    request.session = _store(session)
    user = get_user(request)
    request.user = user  # type: ignore[assignment]
    principal = principal_from(request)
    if principal.is_public:
        return None
    if secret := secret_of(request):
        return Visitor(principal, token=ApiToken.hash(secret))
    assert isinstance(user, User)
    return Visitor(principal, session=session, password=str(user.password))


def judge(visitors: Iterable[Visitor], now: datetime | None = None) -> list[Visitor]:
    """Give each the rights of now, in four queries for all; returns those who may listen no longer."""
    present = list(visitors)
    now = now or timezone.now()
    keys = {each.session for each in present if each.session}
    stored: Any = _store("").get_model_class()  # type: ignore[attr-defined]
    sessions = set(
        stored.objects.filter(session_key__in=keys, expire_date__gt=now).values_list("session_key", flat=True)
    )
    digests = {each.token for each in present if each.token}
    tokens = set(
        ApiToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), digest__in=digests).values_list(
            "digest", flat=True
        )
    )
    ids = {each.principal.id for each in present if each.principal.id is not None}
    passwords: dict[UUID, str] = dict(User.objects.filter(pk__in=ids, is_active=True).values_list("pk", "password"))
    holding = principals(passwords)
    gone = []
    for each in present:
        found = holding.get(each.principal.id) if each.principal.id else None
        let_in = each.token in tokens if each.token else each.session in sessions
        if found is None or not let_in or (each.session and passwords[found.id] != each.password):  # type: ignore[index]
            gone.append(each)
        elif found != each.principal:
            each.principal = found
    return gone


def _store(key: str) -> SessionBase:
    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(key or None)
    return store
