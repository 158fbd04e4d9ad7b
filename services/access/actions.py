"""All changing goes through here: check the right, change, audit, whoever calls: screen, API, scheduler or device."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.gis.geos import GEOSGeometry
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.utils.translation import gettext as _

from services.access import gate
from services.access.errors import Conflict, Invalid, NotFound, Objected, Refused
from services.access.principal import Principal
from services.audit import trail
from services.catalog.layer import RECORD, Layer, Tab
from services.catalog.models import Feature, Record, Row


def create(principal: Principal, layer: Layer, values: Mapping[str, Any]) -> Feature:
    """Create a feature from named values; raises Invalid, or Refused where it would lie outside the user's scope.

    Objected where the layer's domain holds something against it: that is kept, the feature is not.
    """
    with _held_back(principal, layer):
        return _create(principal, layer, values)


def _create(principal: Principal, layer: Layer, values: Mapping[str, Any]) -> Feature:
    gate.require(principal, layer, "create")
    feature = layer.model()
    assign(feature, values, writable(principal, layer))
    _check_references(principal, feature, values)
    _ask(layer, feature)
    _save(feature)
    _stay_inside(principal, layer, feature, "create")
    _audit(principal, "create", layer, feature, {name: [None, _plain(value)] for name, value in values.items()})
    return feature


def change(
    principal: Principal, layer: Layer, pk: str | UUID, values: Mapping[str, Any], *, read_at: datetime | None = None
) -> Feature:
    """Change named values of a feature; ``read_at`` is its ``updated_at`` as the caller read it, else Conflict.

    Objected as for a new one.
    """
    with _held_back(principal, layer):
        return _change(principal, layer, pk, values, read_at)


def _change(
    principal: Principal, layer: Layer, pk: str | UUID, values: Mapping[str, Any], read_at: datetime | None
) -> Feature:
    gate.fetch(principal, layer, pk, "change")
    feature = layer.rows().select_for_update(of=("self",)).get(pk=pk)
    if read_at is not None and feature.updated_at != read_at:
        raise Conflict(_("自您读取之后，该记录已被修改。请刷新后重试。"))
    before = {name: _plain(getattr(feature, _attribute(feature, name))) for name in values}
    assign(feature, values, writable(principal, layer))
    _check_references(principal, feature, values)
    _ask(layer, feature)
    _save(feature)
    _stay_inside(principal, layer, feature, "change")
    feature.refresh_from_db()
    after = {name: _plain(getattr(feature, _attribute(feature, name))) for name in values}
    changes = {name: [before[name], after[name]] for name in values if before[name] != after[name]}
    _audit(principal, "change", layer, feature, changes)
    return feature


@transaction.atomic
def delete(principal: Principal, layer: Layer, pk: str | UUID, *, read_at: datetime | None = None) -> None:
    """Delete a feature; Conflict where other rows still point at it."""
    feature = gate.fetch(principal, layer, pk, "delete")
    if read_at is not None and feature.updated_at != read_at:
        raise Conflict(_("自您读取之后，该记录已被修改。请刷新后重试。"))
    key = feature.pk
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            feature.delete()
            # Foreign keys wait for the commit: asked now, a member of this organisation is a conflict, not an error.
            cursor.execute("set constraints all immediate")
            cursor.execute("set constraints all deferred")
    except (models.ProtectedError, models.RestrictedError, IntegrityError) as error:
        raise Conflict(_("仍有其他记录引用它，不能删除。")) from error
    trail.note(
        principal.id, principal.name, "delete", layer=layer.key, object_id=key, address=principal.address,
        changes={"name": [feature.name, None]},
    )  # fmt: skip


@transaction.atomic
def add_record(principal: Principal, layer: Layer, pk: str | UUID, tab: Tab, values: Mapping[str, Any]) -> Record:
    """Add a record to a feature whose records the principal may add to."""
    feature = gate.fetch(principal, layer, pk, RECORD)
    refuse_by_flow(tab)
    record = tab.model(**{tab.of: feature})
    allowed = {field.name for field in tab.model._meta.concrete_fields if field.editable} - {tab.of}
    assign(record, values, allowed)
    _check_references(principal, record, values)
    _save(record)
    changes = {name: [None, _plain(value)] for name, value in values.items()}
    _audit(principal, f"add {tab.key}", layer, feature, changes)
    return record


@transaction.atomic
def change_record(
    principal: Principal, layer: Layer, pk: str | UUID, tab: Tab, record: str | UUID, values: Mapping[str, Any]
) -> Record:
    """Change named values of a record; NotFound where it is not of this feature, Refused as for the feature."""
    feature = gate.fetch(principal, layer, pk, "change")
    refuse_by_flow(tab)
    found = tab.model._default_manager.select_for_update().filter(pk=record, **{tab.of: feature}).first()
    if found is None:
        raise NotFound(_("没有这条记录。"))
    before = {name: _plain(getattr(found, _attribute(found, name))) for name in values}
    assign(found, values, {field.name for field in tab.model._meta.concrete_fields if field.editable} - {tab.of})
    _check_references(principal, found, values)
    _save(found)
    after = {name: _plain(getattr(found, _attribute(found, name))) for name in values}
    changes = {name: [before[name], after[name]] for name in values if before[name] != after[name]}
    _audit(principal, f"change {tab.key}", layer, feature, changes)
    return found


def refuse_by_flow(tab: Tab) -> None:
    """Raise Refused where the records of a tab are written by a flow alone."""
    if tab.model.by_flow:
        raise Refused(_("“%s”由专门的流程登记和办理，不能在此填写。") % tab.title)


def geometry_name(layer: Layer) -> str | None:
    """The name under which a feature's own geometry is written; None where it borrows its place."""
    return layer.geom if layer.owns_geometry else None


def writable(principal: Principal, layer: Layer) -> set[str]:
    """Names of what a principal may write on a feature of the layer."""
    names = {field.name for field in gate.fields(principal, layer) if field.editable}
    return names | {layer.geom} if layer.owns_geometry else names


def assign(row: Row, values: Mapping[str, Any], allowed: set[str]) -> None:
    """Put named values on a row, foreign keys by their key; raises Invalid where a name may not be written."""
    unknown = sorted(set(values) - allowed)
    if unknown:
        names = ", ".join(sorted(allowed))
        raise Invalid(
            _("有不能写入的字段。"), {name: [_("没有此字段或不可写入；可写字段：%s") % names] for name in unknown}
        )
    for name, value in values.items():
        setattr(row, _attribute(row, name), value)


def _check_references(principal: Principal, row: Row, values: Mapping[str, Any]) -> None:
    """A foreign feature is no more a target than one that is not there: nobody learns of it by pointing at it."""
    missing = {}
    for name in values:
        field = row._meta.get_field(name)
        key = getattr(row, field.attname) if isinstance(field, models.ForeignKey) else None
        if key is not None and not _exists(gate.targets(principal, field.related_model), key):  # type: ignore[union-attr,arg-type]
            missing[name] = [_("没有所指的%s。") % field.verbose_name]  # type: ignore[union-attr]
    if missing:
        raise Invalid(_("填写的内容有误。"), missing)


def _exists(rows: models.QuerySet[Any], key: Any) -> bool:
    try:
        return rows.filter(pk=key).exists()
    except (ValidationError, ValueError):
        return False


def _attribute(row: Row, name: str) -> str:
    """Foreign keys are written and read by their key."""
    field = row._meta.get_field(name)
    return field.attname if isinstance(field, models.ForeignKey) else name


@contextmanager
def _held_back(principal: Principal, layer: Layer) -> Iterator[None]:
    """What the domain objects to is kept after everything else has been taken back."""
    try:
        with transaction.atomic():
            yield
    except Objected as error:
        error.notes = layer.objected(principal.id, principal.name, error.row)
        raise


def _ask(layer: Layer, feature: Feature) -> None:
    """Before the row is validated: what is held against it is told first, even where it could not be written anyway."""
    found = layer.objections([feature])
    if found:
        raise Objected(_("保存前需要先处理下列情况。"), found[0], feature)


def _save(row: Row) -> None:
    try:
        row.full_clean()
        row.save()
    except ValidationError as error:
        fields = {name: [str(m) for m in messages] for name, messages in error.message_dict.items()}
        raise Invalid(_("填写的内容有误。"), fields) from error


def _stay_inside(principal: Principal, layer: Layer, feature: Feature, action: str) -> None:
    """A row that its writer could not reach afterwards is not written: nobody moves a feature out of their scope."""
    if not gate.restrict(principal, layer, action).filter(pk=feature.pk).exists():
        raise Refused(_("该要素不在您的管辖范围内。"))


def _audit(principal: Principal, action: str, layer: Layer, feature: Feature, changes: dict[str, Any]) -> None:
    trail.note(
        principal.id, principal.name, action, layer=layer.key, object_id=feature.pk, changes=changes,
        address=principal.address,
    )  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, GEOSGeometry):
        return value.wkt[:500]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
