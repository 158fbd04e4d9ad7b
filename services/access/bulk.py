"""Creating many features at once: held to what ``actions.create`` holds one to, written by batches, noted once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from django.contrib.gis.geos import GEOSGeometry
from django.core.exceptions import ValidationError
from django.db import DatabaseError, DataError, IntegrityError, models, transaction
from django.utils.translation import gettext as _

from services.access import gate
from services.access.actions import assign, writable
from services.access.errors import Invalid
from services.access.principal import Principal
from services.audit import trail
from services.catalog.layer import Layer
from services.catalog.models import Feature

Numbered = tuple[int, Feature]
Problems = dict[str, list[str]]

BATCH_ROWS, BATCH_VERTICES = 2000, 500_000


@transaction.atomic
def create_many(
    principal: Principal,
    layer: Layer,
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    *,
    created: Callable[[list[tuple[int, UUID]]], None] | None = None,
    refused: Callable[[int, Problems], None] | None = None,
    note: Mapping[str, Any] | None = None,
) -> int:
    """Create features from numbered mappings of values; returns how many.

    ``created`` is told numbers and ids batch by batch. A wrong row is told to ``refused`` and left out; without
    ``refused`` it raises Invalid and nothing is written. ``note`` goes into the one audit entry.
    """
    gate.require(principal, layer, "import")
    batch = _Batch(principal, layer, refused or _raise)
    count = 0
    for portion in _portions(layer, batch.built(rows)):
        done = batch.insert(portion)
        count += len(done)
        if created is not None:
            created([(number, feature.pk) for number, feature in done])
    trail.note(
        principal.id, principal.name, "import", layer=layer.key, address=principal.address,
        changes={"rows": count, **(note or {})},
    )  # fmt: skip
    return count


def _raise(number: int, problems: Problems) -> None:
    raise Invalid(_("第 %(number)d 行有误。") % {"number": number}, problems)


def _portions(layer: Layer, features: Iterable[Numbered]) -> Iterator[list[Numbered]]:
    """Batches bounded by rows and by vertices, so that large geometries do not fill the memory."""
    portion: list[Numbered] = []
    vertices = 0
    for number, feature in features:
        portion.append((number, feature))
        shape = getattr(feature, layer.geom, None) if layer.owns_geometry else None
        vertices += shape.num_coords if isinstance(shape, GEOSGeometry) else 0
        if len(portion) == BATCH_ROWS or vertices > BATCH_VERTICES:
            yield portion
            portion, vertices = [], 0
    if portion:
        yield portion


class _Batch:
    """Validates and inserts batches; what a constraint or the scope refuses is found by halving."""

    def __init__(self, principal: Principal, layer: Layer, refuse: Callable[[int, Problems], None]) -> None:
        self.principal, self.layer, self.refuse = principal, layer, refuse
        self.writable = writable(principal, layer)
        self.reachable = gate.restrict(principal, layer, "import")
        self.references = [f for f in layer.model._meta.concrete_fields if isinstance(f, models.ForeignKey)]

    def built(self, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[Numbered]:
        """The features of the rows whose fields are right each for itself; no query is made."""
        for number, values in rows:
            feature = self.layer.model()
            try:
                assign(feature, values, self.writable)
                # A foreign key's own check asks the database for every row: batches ask once.
                feature.clean_fields(
                    exclude={f.name for f in self.references if getattr(feature, f.attname) is not None}
                )
                feature.clean()
            except ValidationError as error:
                self.refuse(number, _problems(error))
            except Invalid as error:
                self.refuse(number, error.fields)
            else:
                yield number, feature

    def insert(self, portion: list[Numbered]) -> list[Numbered]:
        """Insert what can be inserted; returns it."""
        portion = self._unopposed(self._with_targets(portion))
        if not portion:
            return []
        try:
            with transaction.atomic():
                self.layer.model._default_manager.bulk_create([feature for _number, feature in portion])
                outside = self._outside(portion)
                if outside:
                    raise _Outside
            return portion
        except _Outside:
            for number in sorted(outside):
                self.refuse(number, {"": [_("该要素不在您的管辖范围内。")]})
            return self.insert([pair for pair in portion if pair[0] not in outside])
        except (IntegrityError, DataError) as error:
            if len(portion) > 1:
                middle = len(portion) // 2
                return self.insert(portion[:middle]) + self.insert(portion[middle:])
            self.refuse(portion[0][0], self._reason(portion[0][1], error))
            return []

    def _with_targets(self, portion: list[Numbered]) -> list[Numbered]:
        """Without the rows whose foreign keys point at nothing: the database would say so only at the end."""
        for field in self.references:
            keys = {getattr(feature, field.attname) for _number, feature in portion} - {None}
            if not keys:
                continue
            target = field.target_field.name
            found = set(
                gate.targets(self.principal, field.related_model)
                .filter(**{f"{target}__in": keys})
                .values_list(target, flat=True)
            )
            for number, feature in portion:
                if getattr(feature, field.attname) not in found | {None}:
                    self.refuse(number, {field.name: [_("没有所指的%s。") % field.verbose_name]})
            portion = [pair for pair in portion if getattr(pair[1], field.attname) in found | {None}]
        return portion

    def _unopposed(self, portion: list[Numbered]) -> list[Numbered]:
        """Without the rows that the layer's domain objects to: they are kept there for somebody to decide on."""
        found = self.layer.objections([feature for _number, feature in portion])
        for place, problems in found.items():
            number, feature = portion[place]
            self.layer.objected(self.principal.id, self.principal.name, feature)
            self.refuse(number, problems)
        return [pair for place, pair in enumerate(portion) if place not in found]

    def _outside(self, portion: list[Numbered]) -> set[int]:
        keys = {feature.pk for _number, feature in portion}
        missing = keys - set(self.reachable.filter(pk__in=keys).values_list("pk", flat=True))
        return {number for number, feature in portion if feature.pk in missing}

    def _reason(self, feature: Feature, error: DatabaseError) -> Problems:
        """Why the database refused this one row, in the words of the model's validation where it has any."""
        try:
            feature.full_clean()
        except ValidationError as found:
            return _problems(found)
        return {"": [_("数据库拒绝了这一行：%s") % str(error).splitlines()[0]]}


class _Outside(Exception):
    """Some rows of the batch lie outside the principal's scope."""


def _problems(error: ValidationError) -> Problems:
    return {
        "" if name == "__all__" else name: [str(message) for message in messages]
        for name, messages in error.message_dict.items()
    }
