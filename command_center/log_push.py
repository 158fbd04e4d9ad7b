"""The doors of logs: other systems push theirs with a token each; administrators read what came, by their own."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from command_center.middleware import answers_for_itself
from services.access.errors import Invalid
from services.access.principal import Principal
from services.operations import receiving
from services.operations.blocking import admitted
from services.operations.models import LogEntry

MOST = 1_000
"""Entries of one answer."""
FIELDS = (
    "id", "at", "received_at", "level", "system", "program", "logger", "message", "cause", "account", "address",
    "request",
)  # fmt: skip


@answers_for_itself
@csrf_exempt
@require_POST
def receive(request: HttpRequest, key: str) -> HttpResponse:
    """Store the entries of the body, ``{"entries": [{"at", "level", "message", …}]}``; 200 means stored."""
    scheme, _sep, token = request.headers.get("Authorization", "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else request.headers.get("X-Log-Token", "")
    return JsonResponse({"stored": receiving.take(key, given, request.body)})


@require_GET
def entries(request: HttpRequest) -> HttpResponse:
    """The newest entries received after ``after``, the oldest first: ask again with the last ``received_at``."""
    principal: Principal = request.principal  # type: ignore[attr-defined]
    admitted(principal)
    rows = LogEntry.objects.all()
    for name in ("system", "program"):
        if request.GET.get(name):
            rows = rows.filter(**{name: request.GET[name]})
    if (level := request.GET.get("level", "")).upper() in receiving.LEVELS:
        rows = rows.filter(level__gte=receiving.LEVELS[level.upper()])
    if given := request.GET.get("after"):
        try:
            after = parse_datetime(given.replace(" ", "+"))
        except ValueError:
            after = None
        if after is None or after.tzinfo is None:
            raise Invalid(_("时间格式有误。"), {"after": ["2026-01-31T08:00:00+08:00"]})
        rows = rows.filter(received_at__gt=after)
    found = list(rows.order_by("-received_at", "-id").values(*FIELDS)[:MOST])
    for each in found:
        # To the microsecond: what is asked for after it must not come again.
        each["at"], each["received_at"] = each["at"].isoformat(), each["received_at"].isoformat()
    return JsonResponse({"entries": found[::-1]}, json_dumps_params={"ensure_ascii": False})
