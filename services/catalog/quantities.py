"""Model fields for measured values: the unit is said once, on the field."""

from typing import Any

from django.db import models


class Quantity(models.FloatField):
    """A measured value with its unit; ``None`` means not measured, zero is a value."""

    def __init__(self, verbose_name: Any = None, *, unit: str = "", **kwargs: Any) -> None:
        self.unit = unit
        kwargs.setdefault("null", True)
        kwargs.setdefault("blank", True)
        super().__init__(verbose_name, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "unit": self.unit}


class Money(models.DecimalField):
    """An amount of money in exact decimals, by default in yuan."""

    def __init__(self, verbose_name: Any = None, *, unit: str = "元", **kwargs: Any) -> None:
        self.unit = unit
        kwargs = {"max_digits": 18, "decimal_places": 2, "null": True, "blank": True} | kwargs
        super().__init__(verbose_name, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "unit": self.unit}
