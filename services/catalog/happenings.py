"""What happens at features besides the records of domains: engines declare it in ``counted.py``, statistics read it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Expression, F, FloatField, Func, Model, Q
from django.db.models.functions import Coalesce, Now


class Hours(Func):
    """The hours from one moment to another, to now where that one is not there yet."""

    template = "(extract(epoch from %(expressions)s) / 3600)"
    arg_joiner = " - "
    output_field = FloatField()

    def __init__(self, begin: str, end: str) -> None:
        super().__init__(Coalesce(F(end), Now()), F(begin))


@dataclass(frozen=True)
class Amount:
    """A quantity of rows: summed over them, or averaged where a sum says nothing; None where no row has it."""

    name: str
    label: Any
    unit: str
    expression: Expression | F
    mean: bool = False
    digits: int = 1


@dataclass(frozen=True)
class Happening:
    """Rows of an engine that belong to features and to a moment; whoever sees the feature sees them.

    ``time`` is the field with the moment, ``feature`` the ORM path to the key of the feature, ``parts`` fields with
    choices by which the rows are told apart, ``columns`` what a list of them shows. ``besides(principal)`` is what must
    hold beyond the right to the feature.
    """

    key: str
    model: type[Model]
    time: str
    feature: str
    title: Any
    group: Any
    parts: tuple[str, ...] = ()
    amounts: tuple[Amount, ...] = ()
    columns: tuple[str, ...] = ()
    condition: Q = field(default_factory=Q)
    besides: Callable[[Any], Q] | None = None


HAPPENINGS: dict[str, Happening] = {}


def register(*declared: Happening) -> None:
    """Declare what happens."""
    for each in declared:
        HAPPENINGS[each.key] = each
