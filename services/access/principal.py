"""The principal of a request: a user's memberships, read once and kept for seconds."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from gis.models import code_prefix
from services.access.errors import LogInNeeded
from services.accounts.models import ApiToken, Membership, Named, User
from services.accounts.roles import Role

KEPT_SECONDS = 3.0
"""How long a process trusts what it read of a user or token: under the five seconds that a withdrawn right may live."""


@dataclass(frozen=True)
class Holding:
    """A role held, everywhere or within a region prefix, an organisation and/or features (None: not so bound)."""

    role: str
    region: str = ""
    organisation: UUID | None = None
    features: frozenset[UUID] | None = None

    @property
    def by_region(self) -> bool:
        """Whether it reaches everything in its region, so that the region alone says what."""
        return self.organisation is None and self.features is None


@dataclass(frozen=True)
class Principal:
    """Who asks: a user with holdings, or the public."""

    id: UUID | None
    name: str
    holdings: tuple[Holding, ...]
    address: str | None = field(default=None, compare=False)

    @property
    def is_public(self) -> bool:
        return self.id is None

    @cached_property
    def is_admin(self) -> bool:
        """Whether every layer is open: an administrator without bounds."""
        return Holding(Role.ADMIN) in self.holdings

    @cached_property
    def roles(self) -> frozenset[str]:
        return frozenset(holding.role for holding in self.holdings)

    @cached_property
    def scope_key(self) -> str:
        """A short text equal for principals who see the same rows: part of every cache key."""
        rules = sorted(f"{h.role}|{h.region}|{h.organisation or ''}{_listed(h)}" for h in self.holdings)
        return hashlib.sha256("\n".join(rules).encode()).hexdigest()[:16]


PUBLIC = Principal(None, "public", (Holding(Role.PUBLIC),))
SYSTEM = Principal(None, "system", (Holding(Role.ADMIN),))
"""Schedulers, imports by command and other work without a person."""

_kept: dict[Any, tuple[float, Any]] = {}


def principal_of(user: Any) -> Principal:
    """The principal of a user; the public where nobody is logged in or the account is off."""
    if user is None or not user.is_authenticated or not user.is_active:
        return PUBLIC
    holdings = _recall(("holdings", user.pk), lambda: _holdings(user.pk))
    return Principal(user.pk, user.get_username(), holdings)


def principal_of_token(secret: str) -> Principal:
    """The principal a token acts for; raises LogInNeeded for an unknown, expired or withdrawn one."""
    found = _recall(("token", ApiToken.hash(secret)), lambda: _by_token(secret))
    if found is None:
        raise LogInNeeded(_("令牌不存在、已过期或已收回。"))
    return found


def principal_from(request: HttpRequest) -> Principal:
    """The principal of a request: its token if it brings one, else its session's user."""
    secret = secret_of(request)
    return principal_of_token(secret) if secret else principal_of(getattr(request, "user", None))


def principals(users: Iterable[UUID]) -> dict[UUID, Principal]:
    """The principals of users whose accounts are on, read now, in two or three queries whatever their number."""
    names = dict(User.objects.filter(pk__in=list(users), is_active=True).values_list("pk", "username"))
    holdings: dict[UUID, list[Holding]] = {pk: [] for pk in names}
    rows = list(Membership.objects.filter(user__in=names))
    named = _named(rows)
    for row in rows:
        holdings[row.user_id].append(_holding(row, named))
    return {pk: Principal(pk, name, tuple(holdings[pk])) for pk, name in names.items()}


def forget() -> None:
    """Drop what this process keeps: for tests, and after a change of rights in this process."""
    _kept.clear()


def secret_of(request: HttpRequest) -> str:
    """The token that a request brings, or an empty text; raises LogInNeeded for a header that holds none."""
    scheme, _sep, value = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        # GIS clients offer a user and a password field: the token goes into the password.
        from base64 import b64decode
        from binascii import Error

        try:
            return b64decode(value, validate=True).decode().partition(":")[2]
        except (Error, ValueError):
            raise LogInNeeded("The Authorization header holds no valid credentials.", code="invalid_token") from None
    return ""


def _holdings(user_id: UUID) -> tuple[Holding, ...]:
    rows = list(Membership.objects.filter(user_id=user_id))
    named = _named(rows)
    return tuple(_holding(row, named) for row in rows)


def _named(rows: Iterable[Membership]) -> dict[int, set[UUID]]:
    """Membership → the features it names, of those that are limited to them."""
    found: dict[int, set[UUID]] = {row.pk: set() for row in rows if row.named_only}
    if found:
        for membership, feature in Named.objects.filter(membership__in=found).values_list("membership", "feature"):
            found[membership].add(feature)
    return found


def _holding(row: Membership, named: Mapping[int, set[UUID]]) -> Holding:
    features = frozenset(named[row.pk]) if row.named_only else None
    return Holding(row.role, code_prefix(row.region_id or ""), row.organisation_id, features)


def _listed(holding: Holding) -> str:
    return "" if holding.features is None else "|" + ",".join(sorted(map(str, holding.features)))


def _by_token(secret: str) -> Principal | None:
    token = (
        ApiToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), digest=ApiToken.hash(secret))
        .select_related("user")
        .first()
    )
    if token is None or not token.user.is_active:
        return None
    return Principal(token.user_id, token.user.get_username(), _holdings(token.user_id))


def _recall(key: Any, read: Any) -> Any:
    now = time.monotonic()
    kept = _kept.get(key)
    if kept is None or kept[0] < now:
        if len(_kept) > 10_000:
            _kept.clear()
        kept = _kept[key] = (now + KEPT_SECONDS, read())
    return kept[1]
