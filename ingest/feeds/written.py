"""Rows of an existing system as features of a layer or as records of features: created, changed, or left alone."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.gis.geos import GEOSGeometry
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from gis.datums import Datum
from ingest.feeds.formats import MISSING, at
from ingest.feeds.outcome import Intake, Outcome, Rows, Shown, text_of
from ingest.files.places import Placer
from ingest.files.source import SourceRow
from ingest.files.values import BadValue, Convert, converter
from services.access import actions
from services.access.bulk import create_many
from services.access.errors import AccessError, Invalid
from services.catalog.describe import Described
from services.catalog.layer import Layer, Tab
from services.catalog.models import Feature
from services.feeds import checks
from services.feeds.faults import Fault, other
from services.feeds.models import Source

SAME = 1e-9
"""Degrees within which two places are one: a tenth of a millimetre."""


class Ready(NamedTuple):
    """A row with values by field name."""

    number: int
    values: dict[str, Any]


class _Rows(Intake):
    """What features and records share: fields converted as an import of a file converts them."""

    layer: Layer

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        layer = checks.layer_of(source)
        if layer is None:
            raise Fault(_("图层“%(layer)s”已不存在。"), layer=source.layer)
        self.layer = layer
        known = {field.name: field for field in checks.fillable(source)}
        self.fields: dict[str, str] = {n: p for n, p in (self.mapping.get("fields") or {}).items() if n in known}
        self.described: dict[str, Described] = {name: known[name] for name in self.fields}
        self.convert: dict[str, Convert] = {
            name: converter(self.principal, field) for name, field in self.described.items()
        }

    def ready(self, rows: Rows, outcome: Outcome, first: int = 1) -> Iterator[Ready]:
        """The rows whose values can be converted."""
        self.require(rows, list(self.fields.values()))
        for number, row in enumerate(rows, first):
            outcome.counts["rows"] += 1
            values = {}
            for name, path in self.fields.items():
                found = at(row, path)
                try:
                    value = self.convert[name](None if found is MISSING else found)
                except BadValue as error:
                    outcome.refuse(number, path, other(error))
                else:
                    if value is not None:
                        values[name] = value
            if number not in outcome.refused:
                yield Ready(number, values)

    def shown(self, each: Ready) -> dict[str, str]:
        """Values by label, as the desk shows them."""
        return {
            field.label: _displayed(field, each.values.get(name)) for name, field in self.described.items()
        }  # fmt: skip


class Features(_Rows):
    """One row, one feature; its code says which."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.placer: Placer | None = None
        if self.mapping.get("lon") and self.layer.owns_geometry:
            paths = [self.mapping["lon"], self.mapping["lat"]]
            self.placer = Placer("point", paths, Datum(source.datum), self.layer.geometry_field.geom_type)

    def write(self, rows: Rows, first: int = 1) -> Outcome:
        """Create the features that are not there, change those that differ."""
        outcome = Outcome()
        found = list(self._once(self._placed(rows, outcome, first), outcome))
        there = self._there(each.values["code"] for each in found)
        new: list[tuple[int, dict[str, Any]]] = []
        for each in found:
            match there.get(each.values["code"], []):
                case []:
                    new.append((each.number, each.values))
                case [feature]:
                    self._change(each, feature, outcome)
                case _:
                    outcome.refuse(each.number, self.fields["code"], _("编号“%(code)s”对应多个要素。"),
                                   code=each.values["code"])  # fmt: skip
        if new:
            outcome.counts["created"] += create_many(
                self.principal, self.layer, new, refused=outcome.say, note={"feed": self.source.name}
            )
        return outcome

    def preview(self, rows: Rows) -> tuple[list[Shown], Outcome]:
        """The rows with whether each is new, would be changed, or is the same."""
        outcome = Outcome()
        found = list(self._placed(rows, outcome, 1))
        there = self._there(each.values["code"] for each in found)
        shown = []
        for each in found:
            rows_ = there.get(each.values["code"], [])
            state = "new" if not rows_ else "changed" if _differing(rows_[0], each.values) else "same"
            cells = self.shown(each)
            if self.placer is not None:
                place = each.values.get(self.layer.geom)
                cells[gettext("位置")] = f"{place.x:.6f}, {place.y:.6f}" if place is not None else "—"
            shown.append({"number": each.number, "cells": cells, "doubts": [], "state": state})
        return shown, outcome

    def _placed(self, rows: Rows, outcome: Outcome, first: int) -> Iterator[Ready]:
        for each in self.ready(rows, outcome, first):
            if not each.values.get("code"):
                outcome.refuse(each.number, self.fields["code"], _("没有编号。"))
                continue
            if self.placer is not None:
                row = rows[each.number - first]
                cells = {path: _cell(at(row, path)) for path in self.placer.columns}
                place = self.placer.places([SourceRow(each.number, cells)])[0]
                if place.problem:
                    outcome.refuse(each.number, self.placer.columns[0], other(place.problem))
                    continue
                if place.geom is not None:
                    each.values[self.layer.geom] = place.geom
            yield each

    def _once(self, found: Iterator[Ready], outcome: Outcome) -> Iterator[Ready]:
        """Of rows with one code the last: systems list what changed in the order in which it did."""
        kept: dict[str, Ready] = {}
        for each in found:
            if each.values["code"] in kept:
                outcome.counts["repeated"] += 1
                del kept[each.values["code"]]
            kept[each.values["code"]] = each
        yield from kept.values()

    def _there(self, codes: Any) -> dict[str, list[Feature]]:
        found: dict[str, list[Feature]] = defaultdict(list)
        for feature in self.layer.rows().filter(code__in=set(codes)):
            found[feature.code].append(feature)
        return found

    def _change(self, each: Ready, feature: Feature, outcome: Outcome) -> None:
        values = _differing(feature, each.values)
        if not values:
            outcome.counts["unchanged"] += 1
            return
        try:
            actions.change(self.principal, self.layer, feature.pk, values)
            outcome.counts["changed"] += 1
        except Invalid as error:
            outcome.say(each.number, error.fields or {"": [error.message]})
        except AccessError as error:
            outcome.refuse(each.number, "", other(error.message))


class Records(_Rows):
    """One row, one record of the feature whose code it names; the record's natural key says which."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        tab = checks.tab_of(source)
        if tab is None:
            raise Fault(_("业务记录“%(tab)s”已不存在。"), tab=source.tab)
        self.tab: Tab = tab
        self.key = checks.natural_key(tab)

    def write(self, rows: Rows, first: int = 1) -> Outcome:
        """Add the records that are not there, change those that differ."""
        outcome = Outcome()
        for each, parent, record in self._matched(rows, outcome, first):
            values = each.values if record is None else _differing(record, each.values)
            if not values:
                outcome.counts["unchanged"] += 1
                continue
            try:
                if record is None:
                    actions.add_record(self.principal, self.layer, parent, self.tab, values)
                    outcome.counts["created"] += 1
                else:
                    actions.change_record(self.principal, self.layer, parent, self.tab, record.pk, values)
                    outcome.counts["changed"] += 1
            except Invalid as error:
                outcome.say(each.number, error.fields or {"": [error.message]})
            except AccessError as error:
                outcome.refuse(each.number, "", other(error.message))
        return outcome

    def preview(self, rows: Rows) -> tuple[list[Shown], Outcome]:
        """The rows with whether each is new, would be changed, or is the same."""
        outcome = Outcome()
        shown = []
        for each, _parent, record in self._matched(rows, outcome, 1):
            state = "new" if record is None else "changed" if _differing(record, each.values) else "same"
            parent = text_of(at(rows[each.number - 1], self.mapping["parent"]))
            cells = {self.layer.singular: parent, **self.shown(each)}
            shown.append({"number": each.number, "cells": cells, "doubts": [], "state": state})
        return shown, outcome

    def _matched(self, rows: Rows, outcome: Outcome, first: int) -> Iterator[tuple[Ready, UUID, Any]]:
        """Each row with its feature and the record that is there, the last of several with one key."""
        path = self.mapping["parent"]
        self.require(rows, [path])
        codes = {text_of(at(row, path)) for row in rows} - {""}
        parents: dict[str, list[UUID]] = defaultdict(list)
        for code, pk in self.layer.rows().filter(code__in=codes).values_list("code", "pk"):
            parents[code].append(pk)
        every = [pk for pks in parents.values() for pk in pks]
        there = {
            (getattr(record, f"{self.tab.of}_id"), *(getattr(record, name) for name in self._attributes())): record
            for record in self.tab.model._default_manager.filter(**{f"{self.tab.of}__in": every})
        }
        kept: dict[tuple[Any, ...], tuple[Ready, UUID]] = {}
        for each in self.ready(rows, outcome, first):
            code = text_of(at(rows[each.number - first], path))
            pks = parents.get(code, [])
            if len(pks) != 1:
                text = _("没有编号为“%(code)s”的要素。") if not pks else _("编号“%(code)s”对应多个要素。")
                outcome.refuse(each.number, path, text, code=code)
                continue
            if any(each.values.get(name) is None for name in self.key):
                outcome.refuse(each.number, "", _("缺少标识记录的字段。"))
                continue
            key = (pks[0], *(each.values[name] for name in self.key))
            if key in kept:
                outcome.counts["repeated"] += 1
                del kept[key]
            kept[key] = (each, pks[0])
        for key, (each, pk) in kept.items():
            yield each, pk, there.get(key)

    def _attributes(self) -> list[str]:
        fields = [self.tab.model._meta.get_field(name) for name in self.key]
        return [field.attname for field in fields]  # type: ignore[union-attr]


def _differing(row: models.Model, values: dict[str, Any]) -> dict[str, Any]:
    """What a row does not show yet."""
    return {name: value for name, value in values.items() if not _same(_held(row, name), value)}


def _held(row: models.Model, name: str) -> Any:
    field = row._meta.get_field(name)
    return getattr(row, field.attname if isinstance(field, models.ForeignKey) else name)


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, GEOSGeometry) and isinstance(after, GEOSGeometry):
        return bool(before.equals_exact(after, SAME))
    if isinstance(before, Decimal | int | float) and isinstance(after, Decimal | int | float):
        return Decimal(str(before)) == Decimal(str(after))
    return bool(before == after)


def _displayed(field: Described, value: Any) -> str:
    if value is not None and field.related is not None:
        found = field.related._default_manager.filter(pk=value).first()
        return str(found) if found is not None else str(value)
    return field.display(value)


def _cell(value: Any) -> Any:
    return None if value is MISSING else value
