"""Start-up checks of the grants in declarations."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import Error

from services.accounts.roles import Role
from services.catalog.layer import ACTIONS, RECORD, Layer, registry


def check_grants(**kwargs: Any) -> list[Error]:
    """Roles and actions that do not exist; private fields that would leak through search or a public grant."""
    return [
        Error(f"{type(layer).__name__}: {message}", obj=type(layer), id=f"access.E{number:03d}")
        for layer in registry
        for number, message in _findings(layer)
    ]


def _findings(layer: Layer) -> Iterator[tuple[int, str]]:
    for role, actions in layer.grants.items():
        if role not in Role.values:
            yield 1, f"grants: no role {role!r}; the roles are: {', '.join(Role.values)}"
        for action in actions.split():
            if action not in (*ACTIONS, RECORD):
                yield 2, f"grants: no action {action!r}; the actions are: {', '.join((*ACTIONS, RECORD))}"
        if actions and "view" not in actions.split():
            yield 3, f"grants: {role!r} may {actions} but not view"
    shown = {*layer.search, *layer.stats, *(layer.style.fields if layer.style else ())}
    for name in sorted(shown & set(layer.private)):
        yield 4, f"private field {name!r} may not be searched, counted or drawn: everybody with a view would learn it"
