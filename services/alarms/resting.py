"""Features that are off duty: nothing is judged there until they are back, by hand or when their time is over.

A feature model says so by ``rested_by``, the name of a boolean field, and may name in ``rested_until`` the time that
ends it. Whoever asks is answered by the clock; the sweep writes down what has ended, so that lists and maps say so.
"""

from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from services.audit import trail
from services.catalog.layer import Layer, registry

AT_ONCE = 500
BY = "alarms: off duty ended"
"""Under which name the audit trail has what ended by itself."""


def resting(model: type[models.Model], now: datetime | None = None) -> Q:
    """The condition under which a row of a model is off duty; no row is where the model knows no such thing."""
    name, until = getattr(model, "rested_by", ""), getattr(model, "rested_until", "")
    if not name:
        return Q(pk__in=[])
    found = Q(**{name: True})
    return found & (Q(**{until: None}) | Q(**{f"{until}__gt": now or timezone.now()})) if until else found


def put_back(now: datetime | None = None) -> int:
    """Put on duty again what was off until now, each with an entry in the audit trail; how many."""
    moment = now or timezone.now()
    return sum(_put_back(layer, moment) for layer in registry if getattr(layer.model, "rested_until", ""))


@transaction.atomic
def _put_back(layer: Layer, moment: datetime) -> int:
    model: Any = layer.model
    over = {model.rested_by: True, f"{model.rested_until}__lte": moment}
    # What somebody changes just now has its turn at the next look.
    rows = list(model.objects.filter(**over).select_for_update(skip_locked=True, of=("self",)).order_by("pk")[:AT_ONCE])
    for row in rows:
        until = getattr(row, model.rested_until)
        setattr(row, model.rested_by, False)
        row.clean()
        row.save()
        changes = {model.rested_by: [True, False], model.rested_until: [until.isoformat(), None]}
        trail.note(None, BY, "change", layer=layer.key, object_id=row.pk, changes=changes)
    return len(rows)
