"""What is known of a layer's rows until it changes: how many pass, and where pages end."""

from collections.abc import Hashable
from time import monotonic
from typing import Any

from django.db.models import QuerySet

from gis.columns import count
from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.catalog.versions import version

KEPT, KEPT_SECONDS = 10_000, 600

_counts: dict[Hashable, tuple[float, int]] = {}
"""Counts with the time until which they are kept, by process: small pages feel every question to Redis."""
_ends: dict[Hashable, Any] = {}


def counted(principal: Principal, layer: Layer, rows: QuerySet[Any], key: Hashable, most: int | None = None) -> int:
    """The number of rows, counted up to ``most``; ``key`` names their narrowing, equal for equal rows."""
    asked = (*_rows(principal, layer, key), most)
    until, found = _counts.get(asked, (0.0, 0))
    if until < monotonic():
        found = count(rows, most)
        _keep(_counts, asked, (monotonic() + KEPT_SECONDS, found))
    return found


class Ends:
    """Where the pages of a narrowing end, by primary key; ``key`` as for ``counted``.

    To be made before the page is read: what a later version of the layer gave is never taken for an earlier one's.
    """

    def __init__(self, principal: Principal, layer: Layer, key: Hashable) -> None:
        self._rows = _rows(principal, layer, key)

    def at(self, offset: int) -> Any:
        """The primary key of the last row before an offset; None where it is not known."""
        return _ends.get((*self._rows, offset))

    def keep(self, offset: int, last: Any) -> None:
        """Note the primary key of the last row before an offset."""
        _keep(_ends, (*self._rows, offset), last)


def _rows(principal: Principal, layer: Layer, key: Hashable) -> tuple[Hashable, ...]:
    return layer.key, version(layer), gate.scope_key(principal, layer), key


def _keep(kept: dict[Hashable, Any], asked: Hashable, found: Any) -> None:
    if len(kept) > KEPT:
        kept.clear()
    kept[asked] = found
