"""What the desk's views share: the log-in rule, the query without the screen's own state, fragments."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import gettext as _

from gis.models import Region
from services.access.errors import LogInNeeded
from services.access.principal import Principal
from services.catalog.describe import describe
from services.catalog.layer import Layer

SCREEN = ("open", "on", "view", "columns", "surface")
"""Query keys that say how the screen looks, not which rows it shows."""

View = Callable[..., HttpResponse]


def signed_in(view: View) -> View:
    """A view for people who have logged in; its answer is theirs alone."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if visitor(request).is_public:
            raise LogInNeeded(_("请先登录。"))
        response = view(request, *args, **kwargs)
        patch_vary_headers(response, ["Cookie", "HX-Request"])
        patch_cache_control(response, private=True, no_cache=True)
        return response

    return guarded


def visitor(request: HttpRequest) -> Principal:
    """Who asks, with their rights."""
    return request.principal  # type: ignore[attr-defined, no-any-return]


def asked(request: HttpRequest) -> QueryDict:
    """The query without the screen's own state."""
    query = request.GET.copy()
    for name in SCREEN:
        query.pop(name, None)
    return query


def fragment(request: HttpRequest, target: str = "") -> bool:
    """Whether htmx asks for a part of the page, for one element where ``target`` names it."""
    return "HX-Request" in request.headers and (not target or request.headers.get("HX-Target") == target)


def region_names(codes: set[str]) -> dict[str, str]:
    """Code as a rule or limit gives it, such as 51 → the name of the region."""
    whole = {code: code.ljust(6, "0") for code in codes if code}
    names = dict(Region.objects.filter(pk__in=whole.values()).values_list("code", "name"))
    return {code: names[full] for code, full in whole.items() if full in names}


def region_filter(layer: Layer) -> str:
    """The filter of a layer that chooses a region, or an empty text."""
    return next((path for path in layer.filters if describe(layer.model, path).related is Region), "")
