"""The limits that domains declare as ``LIMITS`` and ``SCALES`` in their ``rules``, as the first rows of the tables."""

from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps

from services.limits.models import Limit, Scale
from services.telemetry import factors
from services.telemetry.models import Factor

KEY = ("standard", "version", "factor", "minutes", "grade", "stage", "region", "period", "given", "valid_from")
SCALE_KEY = ("standard", "version", "factor", "minutes")


def rules(name: str) -> Iterator[Any]:
    """What the rules of all domains hold under a name, one after the other."""
    for app in apps.get_app_configs():
        if app.name.startswith("layers.") and find_spec(f"{app.name}.rules") is not None:
            yield from getattr(import_module(f"{app.name}.rules"), name, ())


def write(using: str = "default") -> None:
    """Add the declared rows that are not there; rows that somebody edited or ended stay as they are."""
    # Apps are prepared in the order of their names: telemetry comes later.
    factors.write(using)
    units = dict(Factor.objects.using(using).values_list("code", "unit"))
    known = set(Limit.objects.using(using).values_list(*KEY))
    Limit.objects.using(using).bulk_create(
        Limit(**asdict(row), unit=units.get(row.factor, ""))
        for row in rules("LIMITS")
        if tuple(getattr(row, name) for name in KEY) not in known
    )
    there = set(Scale.objects.using(using).values_list(*SCALE_KEY))
    Scale.objects.using(using).bulk_create(
        Scale(**{**asdict(row), "points": list(row.points), "indices": list(row.indices)})
        for row in rules("SCALES")
        if tuple(getattr(row, name) for name in SCALE_KEY) not in there
    )
