"""The start-up check of statistics: whatever is counted by a time is found by an index that begins with it."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import Error
from django.db.models import Model, UniqueConstraint

from services.catalog.happenings import HAPPENINGS
from services.catalog.layer import registry
from services.catalog.models import Record
from services.stats.kinds import dated, dated_record


def check_times(**kwargs: Any) -> list[Error]:
    """Every table that statistics read through and through for each period; those made by SQL bring their own index."""
    return [
        Error(
            f"{model.__name__} is counted by {name!r}, which no index begins with: give the field db_index=True, or "
            f'Meta.indexes a models.Index(fields=["{name}"], …)',
            obj=model, id="stats.E001",
        )
        for model, name in dict.fromkeys(_counted())
        if model._meta.managed and not indexed(model, name)
    ]  # fmt: skip


def indexed(model: type[Model], name: str) -> bool:
    """Whether an index of the model's table begins with a field and has all rows."""
    field: Any = model._meta.get_field(name)
    begins = [index.fields[0].lstrip("-") for index in model._meta.indexes if index.fields and index.condition is None]
    begins += [
        each.fields[0] for each in model._meta.constraints
        if isinstance(each, UniqueConstraint) and each.fields and each.condition is None
    ]  # fmt: skip
    return bool(field.db_index or field.unique or name in begins)


def _counted() -> Iterator[tuple[type[Model], str]]:
    for layer in registry:
        yield layer.model, dated(layer)
    for model in apps.get_models():
        if issubclass(model, Record) and model.of:
            yield model, dated_record(model)
    for happening in HAPPENINGS.values():
        yield happening.model, happening.time
