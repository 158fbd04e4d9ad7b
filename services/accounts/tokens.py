"""A person's own API tokens: listed, issued, withdrawn."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from services.accounts.models import ApiToken, User

LIVES = (30, 90, 365)
"""How many days a token may hold."""


def of(user: User) -> QuerySet[ApiToken]:
    """The tokens of a person, newest first."""
    return user.tokens.order_by("-created_at")


def issue(user: User, name: str, days: int) -> str:
    """A new token's secret, which is not kept and shown this once; the name is what it is for."""
    return ApiToken.issue(user, name, timezone.now() + timedelta(days=days))


def withdraw(user: User, pk: int) -> bool:
    """End a token of one's own; whether there was one."""
    return bool(user.tokens.filter(pk=pk).delete()[0])
