"""What a batch of events is to one principal: rows with values read now, under the rights of now."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from django.utils import translation
from django.utils.translation import gettext as _

from services.access import gate
from services.access.principal import Principal
from services.catalog.describe import Described
from services.catalog.layer import Layer, registry
from services.catalog.versions import version
from services.live.models import Topic
from services.live.outbox import PLATFORM, Batch
from services.live.triggers import has_place
from services.panels.listing import cell, with_related
from services.tiles.engine import fields as tile_fields

MOST_ROWS = 500
"""Features in one message: more are told as a layer to read again."""


@dataclass(frozen=True)
class Frame:
    """A message about one layer."""

    topic: str
    layer: str
    data: bytes

    @property
    def text(self) -> bytes:
        """As a server-sent event without an id."""
        return b"event: " + self.topic.encode() + b"\ndata: " + self.data + b"\n\n"


@dataclass
class Drawing:
    """Frames of one batch, made once for all who see the same rows in the same language."""

    batch: Batch
    _kept: dict[tuple[str, ...], list[Frame]] = field(default_factory=dict)
    _visible: dict[tuple[str, str], set[UUID]] = field(default_factory=dict)
    _scopes: dict[tuple[str, str], str] = field(default_factory=dict)

    def frames(self, principal: Principal, language: str) -> list[Frame]:
        """What the principal is to hear, a layer at a time; nothing of a feature that they do not see now."""
        asked = ("", principal.scope_key, language)
        if asked not in self._kept:
            self._kept[asked] = self._frames(principal, language)
        return self._kept[asked]

    def _frames(self, principal: Principal, language: str) -> list[Frame]:
        batch, found = self.batch, []
        with translation.override(language):
            for key in sorted(batch.changes.keys() | batch.layers):
                layer = registry.get(key)
                if layer is None or not gate.may(principal, layer):
                    continue
                if key in batch.layers:
                    found.append(_again(layer))
                else:
                    found += self._shared(principal, layer, language)
            for topic in batch.told:
                found += self._told(principal, topic)
        return found

    def _shared(self, principal: Principal, layer: Layer, language: str) -> list[Frame]:
        asked = (layer.key, self._scope(principal, layer), language)
        if asked not in self._kept:
            self._kept[asked] = _changed(principal, layer, self.batch.changes[layer.key])
        return self._kept[asked]

    def _told(self, principal: Principal, topic: str) -> list[Frame]:
        found = []
        for told in self.batch.told[topic]:
            if told.layer == PLATFORM:
                if principal.is_admin:
                    found.append(_frame(topic, PLATFORM, dict(told.payload)))
                continue
            layer = registry.get(told.layer)
            if layer is None or not gate.may(principal, layer):
                continue
            if told.feature in self._seen(principal, layer):
                found.append(_frame(topic, layer.key, {"layer": layer.key, "feature": told.feature, **told.payload}))
        return found

    def _seen(self, principal: Principal, layer: Layer) -> set[UUID]:
        asked = (layer.key, self._scope(principal, layer))
        if asked not in self._visible:
            ids = {told.feature for rows in self.batch.told.values() for told in rows if told.layer == layer.key}
            rows = gate.restrict(principal, layer).filter(pk__in=ids)
            self._visible[asked] = set(rows.values_list("pk", flat=True))
        return self._visible[asked]

    def _scope(self, principal: Principal, layer: Layer) -> str:
        asked = (layer.key, principal.scope_key)
        if asked not in self._scopes:
            self._scopes[asked] = gate.scope_key(principal, layer)
        return self._scopes[asked]


def _frame(topic: str, layer: str, row: dict[str, Any]) -> Frame:
    """What an engine told, a title of parts in the language of the listener."""
    if isinstance(title := row.get("title"), list):
        what = _(title[0])
        row["title"] = _("%(what)s：%(where)s") % {"what": what, "where": title[1]} if title[1:] else what
    return Frame(topic, layer, orjson.dumps(row, default=_plain))


def _again(layer: Layer) -> Frame:
    """A layer is to be read again."""
    return Frame(Topic.LAYERS.value, layer.key, orjson.dumps({"layer": layer.key, "version": str(version(layer))}))


def _changed(principal: Principal, layer: Layer, changes: dict[UUID, set[str]]) -> list[Frame]:
    """One frame with the rows the principal sees, none where they see none or no column of them that changed."""
    readable = {f.name: f for f in gate.fields(principal, layer)}
    columns = set().union(*changes.values())
    shown = [readable[name] for name in sorted(columns & readable.keys())]
    moved = has_place(layer) and layer.geom in columns
    if not shown and not moved:
        return []
    rows = with_related(gate.restrict(principal, layer), shown).filter(pk__in=changes)[: MOST_ROWS + 1]
    carried = [readable[name] for name in tile_fields(layer) if name in readable]
    found = []
    for row in rows:
        changed = changes[row.pk]
        mine = [f for f in shown if f.name in changed]
        if mine or (moved and layer.geom in changed):
            found.append(_row(layer, row, mine, carried))
    if len(found) > MOST_ROWS:
        return [_again(layer)]
    data = orjson.dumps({"layer": layer.key, "rows": found}, default=_plain)
    return [Frame(Topic.FEATURES.value, layer.key, data)] if found else []


def _row(layer: Layer, row: Any, changed: list[Described], carried: list[Described]) -> dict[str, Any]:
    """Stored values of what changed and of what a tile carries, texts of what changed, and where it is."""
    told = {
        "id": row.pk,
        "values": {f.name: getattr(row, f.field.attname) for f in {*changed, *carried}},
        "texts": {f.name: cell(row, f) for f in changed},
    }
    place = getattr(row, layer.geom) if has_place(layer) else None
    if place is not None and not place.empty:
        told["place"] = [round(place.x, 7), round(place.y, 7)]
    return told


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)
