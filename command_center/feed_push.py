"""The door by which existing systems push: one batch a request, answered after the commit, repeated until it is."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from command_center.middleware import answers_for_itself
from ingest.feeds import pushing


@answers_for_itself
@csrf_exempt
@require_POST
def receive(request: HttpRequest, pk: int) -> HttpResponse:
    """Store the body's rows and say what became of them.

    ``Authorization: Bearer TOKEN``, or ``X-Feed-Token`` where a sender cannot set that, says who sends. 200 means
    stored; rows that were left out are named. Sent again it changes nothing.
    """
    address = request.META.get("REMOTE_ADDR") or ""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        token = request.headers.get("X-Feed-Token", "")
    source = pushing.admitted(pk, token.strip(), address)
    run = pushing.take(source, request.body, request.headers.get("Content-Encoding", ""), address)
    return JsonResponse(pushing.receipt(run), json_dumps_params={"ensure_ascii": False})
