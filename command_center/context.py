"""What every page's template may use."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from services.access import gate
from services.access.principal import PUBLIC


def everywhere(request: HttpRequest) -> dict[str, Any]:
    """Product name, principal, language and the navigation built from the layers and the principal's rights."""
    principal = getattr(request, "principal", PUBLIC)
    groups: dict[str, list[Any]] = {}
    for layer in gate.layers(principal):
        groups.setdefault(str(layer.group), []).append(layer)
    return {
        "product": settings.PRODUCT,
        "principal": principal,
        "navigation": groups,
        "languages": settings.LANGUAGES,
        "nonce": getattr(request, "csp_nonce", ""),
    }
