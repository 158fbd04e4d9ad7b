"""How many rows pass, kept until the layer changes: to count takes longer than to read a page."""

from collections.abc import Hashable
from time import monotonic
from typing import Any

from django.db.models import QuerySet

from gis.columns import count
from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.catalog.versions import version

COUNTS_KEPT, KEPT_SECONDS = 10_000, 600

_counts: dict[Hashable, tuple[float, int]] = {}
"""Counts with the time until which they are kept, by process: small pages feel every question to Redis."""


def counted(principal: Principal, layer: Layer, rows: QuerySet[Any], key: Hashable, most: int | None = None) -> int:
    """The number of rows, counted up to ``most``; ``key`` names their narrowing, equal for equal rows."""
    asked = (layer.key, version(layer), gate.scope_key(principal, layer), key, most)
    until, found = _counts.get(asked, (0.0, 0))
    if until < monotonic():
        if len(_counts) > COUNTS_KEPT:
            _counts.clear()
        found = count(rows, most)
        _counts[asked] = (monotonic() + KEPT_SECONDS, found)
    return found
