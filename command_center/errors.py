"""One table maps errors to HTTP; machines get an RFC 9457 problem, people a page that says what to do next."""

import logging
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.template import loader
from django.utils.translation import gettext as _
from django.views import defaults

from gis.errors import GeometryError, GeometryTooLarge, SpatialError, VectorTooLarge
from services.access.errors import AccessError, Conflict, Invalid, LogInNeeded, NotFound, Refused, TooLarge, TooMany
from services.files.errors import NoSpace

log = logging.getLogger(__name__)

STATUS: tuple[tuple[type[Exception], int, str], ...] = (
    (LogInNeeded, 401, "log-in-needed"),
    (Refused, 403, "refused"),
    (NotFound, 404, "not-found"),
    (Conflict, 409, "conflict"),
    (TooLarge, 413, "too-large"),
    (TooMany, 429, "too-many"),
    (NoSpace, 507, "no-space"),
    (Invalid, 400, "invalid"),
    (GeometryTooLarge, 413, "too-large"),
    (VectorTooLarge, 413, "too-large"),
    (GeometryError, 422, "invalid-geometry"),
    (SpatialError, 400, "invalid"),
    (RequestDataTooBig, 413, "too-large"),
    (BadRequest, 400, "bad-request"),
    (PermissionDenied, 403, "refused"),
    (Http404, 404, "not-found"),
    # The server is away, full, without a free connection, or somebody holds what is wanted (F06, F11, F12).
    (OperationalError, 503, "unavailable"),
    (InterfaceError, 503, "unavailable"),
)
RETRY_AFTER = "5"
"""Seconds."""


class Problems:
    """Innermost middleware: turns an exception of a view into an answer."""

    def __init__(self, following: Callable[[HttpRequest], HttpResponse]) -> None:
        self.following = following

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.following(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return answer(request, error)


def status_of(error: Exception) -> tuple[int, str]:
    """HTTP status and problem type of an error; 500 for one nobody foresaw."""
    if isinstance(error, AccessError) and "status" in error.details:
        return error.details["status"], "invalid"
    for kind, status, name in STATUS:
        if isinstance(error, kind):
            return status, name
    return 500, "internal"


def answer(request: HttpRequest, error: Exception) -> HttpResponse:
    """The answer to an error, for a person or for a machine."""
    status, name = status_of(error)
    if status == 503:
        return unavailable(request, error)
    if status == 500:
        log.exception("%s %s failed", request.method, request.path)
    detail = _("服务器出错，已记录。") if status == 500 else (str(error) or _("请求有误。"))
    if _wants_page(request):
        if status == 401:
            return HttpResponseRedirect(f"/login?next={quote(request.get_full_path())}")
        return _waited(render(request, "error.html", {"status": status, "detail": detail}, status=status), error)
    return _waited(problem(status, name, detail, error), error)


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    """The answer while the database does not do its work: at once, and without another question to it."""
    log.warning("%s %s: the database is not available: %s", request.method, request.path, error)
    if _wants_page(request):
        response = HttpResponse(loader.get_template("503.html").render(), status=503)
    else:
        response = problem(503, "unavailable", _("数据库暂时不可用，请稍后再试。"))
    response.headers["Retry-After"] = RETRY_AFTER
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's last resort, for what a middleware raised before any view."""
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError | InterfaceError):
        return unavailable(request, error)
    return defaults.server_error(request)


def problem(status: int, name: str, detail: str, error: Exception | None = None) -> JsonResponse:
    """An RFC 9457 problem document."""
    body: dict[str, Any] = {"type": f"urn:zhutu:problem:{name}", "title": name, "status": status, "detail": detail}
    if isinstance(error, Invalid) and error.fields:
        body["errors"] = error.fields
    if isinstance(error, SpatialError) and error.place is not None:
        body["place"] = error.place
    response = JsonResponse(body, status=status, content_type="application/problem+json")
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="zhutu"'
    return response


def _waited[R: HttpResponse](response: R, error: Exception) -> R:
    """The answer with the time to wait, where the error says one."""
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _wants_page(request: HttpRequest) -> bool:
    if request.path.startswith("/ogc") or request.headers.get("Authorization"):
        return False
    return "text/html" in request.headers.get("Accept", "") and not request.headers.get("HX-Request")
