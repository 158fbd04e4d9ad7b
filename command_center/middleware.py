"""Middleware of every request: language, content security, principal."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.functional import SimpleLazyObject

from command_center.context import live_address
from command_center.errors import answer
from services.access.errors import AccessError
from services.access.principal import PUBLIC, principal_from
from services.operations import working

Next = Callable[[HttpRequest], HttpResponse]
View = Callable[..., HttpResponse]


def answers_for_itself(view: View) -> View:
    """A view that proves its callers by tokens of its own kind: no person stands behind them."""
    view.answers_for_itself = True  # type: ignore[attr-defined]
    return view


class Locale:
    """The language a request asks for: ``?lang=``, then the cookie, then Accept-Language; Chinese by default."""

    def __init__(self, following: Next) -> None:
        self.following = following

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = request.GET.get("lang") or request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME) or _accepted(request)
        language = "en" if asked.lower().startswith("en") else settings.LANGUAGE_CODE
        with translation.override(language):
            request.LANGUAGE_CODE = language  # type: ignore[attr-defined]
            response = self.following(request)
        response.headers.setdefault("Content-Language", language)
        return response


class ContentSecurity:
    """Content Security Policy: our own files only; scripts by nonce; MapLibre's worker may be a blob."""

    def __init__(self, following: Next) -> None:
        self.following = following

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Lazy: most answers are no pages.
        request.csp_nonce = SimpleLazyObject(_nonce)  # type: ignore[attr-defined]
        response = self.following(request)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault(
                "Content-Security-Policy",
                f"default-src 'self'; script-src 'self' 'nonce-{request.csp_nonce}'; "  # type: ignore[attr-defined]
                f"style-src 'self' 'nonce-{request.csp_nonce}'; style-src-attr 'unsafe-inline'; "  # type: ignore[attr-defined]
                f"connect-src 'self' {_live(request)}; "
                "img-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
                "form-action 'self'; frame-ancestors 'none'",
            )
        return response


class Principal:
    """Puts the principal on the request, and tells database and log whose request it is."""

    def __init__(self, following: Next) -> None:
        self.following = following

    def __call__(self, request: HttpRequest) -> HttpResponse:
        work = working.Work("", address_of(request), f"{request.method} {request.path}")
        working.begin(work)
        try:
            return self.following(request)
        finally:
            working.end()

    def process_view(self, request: HttpRequest, view: View, *args: object) -> HttpResponse | None:
        """Before the view, and after the route is known; a bad token is answered like any other error."""
        if getattr(view, "answers_for_itself", False):
            request.principal = PUBLIC  # type: ignore[attr-defined]
            return None
        try:
            found = principal_from(request)
        except AccessError as error:
            return answer(request, error)
        request.principal = replace(found, address=address_of(request) or None)  # type: ignore[attr-defined]
        if not found.is_public:
            working.begin(working.now()._replace(account=found.name))
        return None


def address_of(request: HttpRequest) -> str:
    """Where a request comes from: what our own proxy added last, where there is one, else the other end."""
    there = str(request.META.get("REMOTE_ADDR") or "")
    if not settings.BEHIND_PROXY:
        return there
    try:
        return str(ip_address(request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()))
    except ValueError:
        return there


def _live(request: HttpRequest) -> str:
    """The origin of the live events, where it is another one."""
    there = urlsplit(live_address(request))
    return f"{there.scheme}://{there.netloc}" if there.netloc else ""


def _nonce() -> str:
    return secrets.token_urlsafe(16)


def _accepted(request: HttpRequest) -> str:
    """The first language of Accept-Language that we speak."""
    for part in request.META.get("HTTP_ACCEPT_LANGUAGE", "").split(","):
        code = part.partition(";")[0].strip().lower()
        if code.startswith(("zh", "en")):
            return code
    return settings.LANGUAGE_CODE
