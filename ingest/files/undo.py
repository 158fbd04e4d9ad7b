"""Undoing an import: deletes exactly the features it wrote, unless they were changed or are used since."""

from collections.abc import Iterator, Sequence
from itertools import batched
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from ingest.files.imports import layer_of
from ingest.models import Import
from services.access import gate
from services.access.errors import Conflict, Refused
from services.access.principal import Principal
from services.audit import trail
from services.catalog.layer import Layer
from services.catalog.models import FeatureIndex

BATCH = 2000
NAMED = 10
"""Features a refusal names."""


@transaction.atomic
def undo(principal: Principal, item: Import) -> int:
    """Delete the features an import wrote; returns how many. Raises Conflict naming those that stand in the way."""
    layer = layer_of(principal, item)
    item = Import.objects.select_for_update(of=("self",)).get(pk=item.pk)
    if item.state != Import.State.DONE:
        raise Conflict(_("只能撤销已导入的文件；这次导入%s。") % item.get_state_display())
    keys = list(item.rows.values_list("feature_id", flat=True))
    model: Any = layer.model
    portions = list(batched(keys, BATCH))
    changed, used = set(), set()
    for portion in portions:
        # Locked: nobody can point a new row at them until they are gone.
        rows = model._base_manager.filter(pk__in=portion).select_for_update(of=("self",)).order_by("pk")
        there = dict(rows.values_list("pk", "updated_at"))
        reachable = gate.restrict(principal, layer, "import").filter(pk__in=portion)
        if reachable.count() != len(there):
            raise Refused(_("导入的要素有一部分已不在您的管辖范围内，不能撤销。"))
        changed |= set(
            model._base_manager.filter(pk__in=portion).exclude(updated_at=F("created_at")).values_list("pk", flat=True)
        )
        used |= set(_used(layer, portion))
    if changed or used:
        raise Conflict(_refusal(layer, changed, used))
    deleted = 0
    for portion in portions:
        deleted += model._base_manager.filter(pk__in=portion).delete()[1].get(model._meta.label, 0)
    item.rows.all().delete()
    Import.objects.filter(pk=item.pk).update(state=Import.State.UNDONE)
    trail.note(
        principal.id, principal.name, "undo import", layer=layer.key, address=principal.address,
        changes={"rows": deleted, "import": str(item.pk), "file": item.name},
    )  # fmt: skip
    return deleted


def _used(layer: Layer, keys: Sequence[UUID]) -> Iterator[UUID]:
    """Which of the features other rows point at: directly, or by way of the feature index."""
    for model in (layer.model, FeatureIndex):
        for relation in model._meta.get_fields(include_hidden=True):
            if not relation.auto_created or relation.concrete or not (relation.one_to_many or relation.one_to_one):
                continue
            pointing: Any = relation.field  # type: ignore[union-attr]
            rows = pointing.model._base_manager.filter(**{f"{pointing.name}__in": keys})
            yield from rows.values_list(pointing.attname, flat=True).distinct()


def _refusal(layer: Layer, changed: set[UUID], used: set[UUID]) -> str:
    def named(keys: set[UUID]) -> str:
        names = layer.rows().filter(pk__in=list(keys)[:NAMED]).values_list("name", flat=True)
        return "、".join(names) + ("…" if len(keys) > NAMED else "")

    reasons = [
        text % {"count": len(keys), "names": named(keys)}
        for text, keys in (
            (_("%(count)d 个要素在导入后被修改过（%(names)s）"), changed),
            (_("%(count)d 个要素已被其他记录引用（%(names)s）"), used),
        )
        if keys
    ]
    return _("不能撤销：%s。请先处理这些要素，或逐个删除。") % "；".join(reasons)
