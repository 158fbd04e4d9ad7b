"""Model fields for measured values: the unit is said once, on the field."""

from typing import Any

from django.db import models
from django.utils.translation import pgettext_lazy

WORDS = (pgettext_lazy("unit", "元"), pgettext_lazy("unit", "万元"), pgettext_lazy("unit", "分"))
"""Units that are words, which every language has its own of; all others are symbols."""


class Quantity(models.FloatField):
    """A measured value with its unit; ``None`` means not measured, zero is a value.

    ``factor`` is the code of what a device measures (HJ 212 annex B) where the column shows its latest value;
    ``summed`` says that values of several rows add up, as volumes do and concentrations, of which statistics form the
    mean, do not; ``None`` that neither tells anything, as of a total that every report states anew.
    """

    def __init__(
        self, verbose_name: Any = None, *, unit: str = "", factor: str = "", summed: bool | None = False, **kwargs: Any
    ) -> None:
        self.unit, self.factor, self.summed = unit, factor, summed
        kwargs.setdefault("null", True)
        kwargs.setdefault("blank", True)
        super().__init__(verbose_name, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        told = {"unit": self.unit} | ({"factor": self.factor} if self.factor else {})
        # ``summed`` is no matter of the database: no migration holds it.
        return name, path, args, {**kwargs, **told}

    def clone(self) -> Any:
        made = super().clone()
        made.summed = self.summed
        return made


class Money(models.DecimalField):
    """An amount of money in exact decimals, by default in yuan; those of several rows add up unless it says not."""

    def __init__(
        self, verbose_name: Any = None, *, unit: str = "元", summed: bool | None = True, **kwargs: Any
    ) -> None:
        self.unit, self.summed = unit, summed
        kwargs = {"max_digits": 18, "decimal_places": 2, "null": True, "blank": True} | kwargs
        super().__init__(verbose_name, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "unit": self.unit}

    def clone(self) -> Any:
        made = super().clone()
        made.summed = self.summed
        return made


class LineLength(models.Func):
    """The length of a line on the ellipsoid, in units of ``metres``, to three decimals."""

    template = "round((ST_Length(%(expressions)s::geography) / %(metres)s)::numeric, 3)::float8"
    output_field = models.FloatField()


def length(verbose_name: Any, *, unit: str = "km", of: str = "geom") -> models.GeneratedField:
    """A column with the length of a line that the database computes, in ``km`` or ``m``."""
    return models.GeneratedField(
        expression=LineLength(of, metres={"km": 1000, "m": 1}[unit]),
        output_field=Quantity(unit=unit, summed=True),
        db_persist=True,
        verbose_name=verbose_name,
    )
