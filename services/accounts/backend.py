"""Log-in by password, with a rest after repeated failures."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from services.accounts.models import User


class PasswordBackend(ModelBackend):
    """Django's password log-in; a locked account gets the same answer as a wrong password."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        # The hasher runs in every case, so that time does not tell which accounts exist or rest.
        user = super().authenticate(request, username=username, password=password, **kwargs)
        known = User.objects.filter(username=username).first()
        if known is None or known.is_locked:
            return None
        if user is None:
            known.note_failure()
            return None
        known.note_success()
        return user
