"""The numbers of a feature that formulas may use: what its domain stores, and what other domains count for it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import models

from services.catalog.layer import Layer
from services.limits.rows import ZONE

Values = Callable[[datetime], Mapping[UUID, float | None]]


@dataclass(frozen=True)
class Number:
    """What a domain counts for the features of a layer: its values at a moment, in one query or a few.

    ``otherwise`` is the value of a feature that the answer does not name: 0 for counts, None where nothing is known.
    """

    key: str
    title: Any
    layer: str
    values: Values
    otherwise: float | None = 0.0


def days_left(day: date, now: datetime) -> float:
    """Days until a date is over in China, to a tenth; negative where it is."""
    end = datetime.combine(day + timedelta(days=1), time(), ZONE)
    return round((end - now) / timedelta(days=1), 1)


def declared(layer: str) -> dict[str, Number]:
    """The numbers that domains declare as ``NUMBERS`` in their ``reports`` for a layer, by key."""
    return {number.key: number for number in in_reports("NUMBERS") if number.layer == layer}


def in_reports(name: str) -> Iterator[Any]:
    """What the reports of all domains hold under a name."""
    for app in apps.get_app_configs():
        if app.name.startswith("layers.") and find_spec(f"{app.name}.reports") is not None:
            yield from getattr(import_module(f"{app.name}.reports"), name, ())


def own(layer: Layer) -> dict[str, Any]:
    """The numbers that a layer stores itself: name of the field and its label."""
    kinds = (models.IntegerField, models.FloatField, models.DecimalField)
    return {
        field.name: field.verbose_name
        for field in layer.model._meta.concrete_fields
        if isinstance(field, kinds) and not field.choices and field.name not in layer.private
    }


def known(layer: Layer) -> dict[str, Any]:
    """Every name that a formula about a layer may use, with its meaning."""
    return {**own(layer), **{key: number.title for key, number in declared(layer.key).items()}}
