"""The page of one's own API tokens, for GIS clients and other systems."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from services.access.errors import Invalid, NotFound
from services.accounts import tokens
from services.audit import trail


@never_cache
@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """List one's tokens; POST issues one and shows its secret this once."""
    secret = _issue(request) if request.method == "POST" else ""
    context = {"tokens": tokens.of(request.user), "lives": tokens.LIVES, "secret": secret}  # type: ignore[arg-type]
    return render(request, "desk/tokens.html", context)


@require_POST
@signed_in
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of one's own tokens."""
    if not tokens.withdraw(request.user, pk):  # type: ignore[arg-type]
        raise NotFound(_("没有这个令牌。"))
    _note(request, "withdraw token", pk)
    return HttpResponseRedirect("/desk/tokens")


def _issue(request: HttpRequest) -> str:
    name, days = request.POST.get("name", "").strip(), request.POST.get("days", "")
    if not 0 < len(name) <= 100:
        raise Invalid(_("请写明令牌的用途（不超过100字）。"), {"name": [_("必填")]})
    if days not in map(str, tokens.LIVES):
        raise Invalid(_("请选择有效期。"), {"days": [", ".join(map(str, tokens.LIVES))]})
    secret = tokens.issue(request.user, name, int(days))  # type: ignore[arg-type]
    _note(request, "issue token", name)
    return secret


def _note(request: HttpRequest, action: str, subject: object) -> None:
    principal = visitor(request)
    trail.note(principal.id, principal.name, action, object_id=str(subject)[:64], address=principal.address)
