"""Coming and going: log-in, log-out, language and theme."""

from django.conf import settings
from django.contrib.auth import views
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from command_center.desk.doors import visitor
from services.access.principal import Principal
from services.audit import trail
from services.notify.models import Contact

YEAR = 365 * 24 * 3600
PREFERENCES = {"language": (settings.LANGUAGE_COOKIE_NAME, {"zh-hans", "en"}), "theme": ("theme", {"light", "dark"})}


class LogIn(views.LoginView):
    """The log-in page."""

    template_name = "login.html"
    redirect_authenticated_user = True


class LogOut(views.LogoutView):
    """The end of a session."""


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Keep a language or a theme in a cookie, the language also for one's messages, and return to the page."""
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
        back = "/"
    response = HttpResponseRedirect(back)
    for name, (cookie, allowed) in PREFERENCES.items():
        if request.POST.get(name) in allowed:
            response.set_cookie(
                cookie, request.POST[name], max_age=YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
            )
    language = request.POST.get("language")
    if request.user.is_authenticated and language in PREFERENCES["language"][1]:
        _keep_language(visitor(request), language)
    return response


def _keep_language(me: Principal, language: str) -> None:
    """Have messages come in the language that somebody chose for the pages."""
    contact, new = Contact.objects.get_or_create(user_id=me.id, defaults={"language": language})
    before = None if new else contact.language
    if before == language:
        return
    if not new:
        Contact.objects.filter(pk=contact.pk).update(language=language)
    trail.note(
        me.id, me.name, "change contact", object_id=contact.pk, changes={"language": [before, language]},
        address=me.address,
    )  # fmt: skip
