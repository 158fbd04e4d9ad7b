"""What a model says about its fields, read once: label, type, unit, choices, as every output needs them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.contrib.gis.db.models import GeometryField
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

JSON_TYPES: tuple[tuple[type[models.Field], dict[str, str]], ...] = (
    (models.BooleanField, {"type": "boolean"}),
    (models.IntegerField, {"type": "integer"}),
    (models.FloatField, {"type": "number"}),
    (models.DecimalField, {"type": "number"}),
    (models.DateTimeField, {"type": "string", "format": "date-time"}),
    (models.DateField, {"type": "string", "format": "date"}),
    (models.UUIDField, {"type": "string", "format": "uuid"}),
    (models.URLField, {"type": "string", "format": "uri"}),
    (models.JSONField, {"type": "object"}),
)


@dataclass(frozen=True)
class Described:
    """A field reached by an ORM path from a model, with everything its model says about it."""

    path: str
    field: models.Field

    @property
    def name(self) -> str:
        """The published name: the path itself."""
        return self.path

    @property
    def label(self) -> str:
        return str(self.field.verbose_name)

    @property
    def unit(self) -> str:
        """The unit in the current language: those of money and of scores are words."""
        said = getattr(self.value_field, "unit", "")
        return pgettext("unit", said) if said else ""

    @property
    def help(self) -> str:
        return str(self.field.help_text)

    @property
    def choices(self) -> Mapping[Any, str]:
        """Stored value → label in the current language; empty where the field has no fixed choices."""
        return {value: str(label) for value, label in self.field.flatchoices}

    @cached_property
    def value_field(self) -> models.Field:
        """The field of the stored value: for a foreign key the key it points at, for a computed column its output."""
        if isinstance(self.field, models.GeneratedField):
            assert self.field.output_field is not None
            return self.field.output_field
        return self.field.target_field if isinstance(self.field, models.ForeignKey) else self.field

    @property
    def related(self) -> type[models.Model] | None:
        """The model a foreign key points at."""
        return self.field.related_model if isinstance(self.field, models.ForeignKey) else None

    @property
    def required(self) -> bool:
        return not (self.field.blank or self.field.null or self.field.has_default())

    @property
    def editable(self) -> bool:
        return self.field.editable and "__" not in self.path

    @property
    def is_number(self) -> bool:
        return self.schema["type"] in ("integer", "number")

    @property
    def is_time(self) -> bool:
        return self.schema.get("format") in ("date", "date-time")

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema type of the stored value."""
        for kind, schema in JSON_TYPES:
            if isinstance(self.value_field, kind):
                return dict(schema)
        longest = self.value_field.max_length
        return {"type": "string"} | ({"maxLength": longest} if longest else {})

    def display(self, value: Any) -> str:
        """The value as a person reads it: choice label, local time, number with unit; an em dash where missing."""
        if value is None or value == "":
            return "—"
        if self.field.flatchoices:
            return self.choices.get(value, str(value))
        if isinstance(value, bool):
            return _("是") if value else _("否")
        if isinstance(value, datetime):
            return formats.date_format(timezone.localtime(value), "Y-m-d H:i")
        if isinstance(value, date):
            return formats.date_format(value, "Y-m-d")
        if isinstance(value, int | float) or self.is_number:
            number = formats.localize(round(value, 2) if isinstance(value, float) else value)
            if isinstance(value, Decimal) and "." in str(number):
                number = str(number).rstrip("0").rstrip(".")
            return f"{number} {self.unit}".rstrip()
        return str(value)


def describe(model: type[models.Model], path: str) -> Described:
    """Follow ``path`` from ``model``; raises FieldDoesNotExist naming the first bad step and the valid names."""
    current: type[models.Model] | None = model
    field: Any = None
    for step in path.split("__"):
        if current is None:
            raise FieldDoesNotExist(f"{path!r}: {field.name!r} is not a relation")
        try:
            field = current._meta.get_field(step)
        except FieldDoesNotExist:
            valid = ", ".join(sorted(f.name for f in current._meta.get_fields() if not f.name.endswith("+")))
            raise FieldDoesNotExist(f"{current.__name__} has no field {step!r}; it has: {valid}") from None
        current = field.related_model if field.is_relation else None
    return Described(path, field)


def published(model: type[models.Model]) -> tuple[Described, ...]:
    """The fields of a model that an output may show: all stored ones but the key and the geometries."""
    return tuple(
        Described(field.name, field)
        for field in model._meta.concrete_fields
        if not field.primary_key and not isinstance(field, GeometryField) and not _is_twin(field)
    )


def _is_twin(field: models.Field) -> bool:
    return isinstance(field, models.GeneratedField) and isinstance(field.output_field, GeometryField)
