"""JSON Schemas of a collection: what its features hold (Part 5) and what a filter may name (Part 3)."""

from typing import Any

from services.access import gate
from services.access.principal import Principal
from services.catalog.describe import Described
from services.catalog.layer import Layer
from services.ogc.query import GEOMETRY

DRAFT = "https://json-schema.org/draft/2020-12/schema"
FORMATS = {"point": "geometry-point", "line": "geometry-multilinestring", "polygon": "geometry-multipolygon"}


def feature_schema(principal: Principal, layer: Layer, address: str) -> dict[str, Any]:
    """The schema of a feature's properties and place, in the order of the model."""
    fields = gate.fields(principal, layer)
    return {
        "$schema": DRAFT,
        "$id": f"{address}/schema",
        "type": "object",
        "title": layer.title,
        "description": layer.description,
        "properties": {
            "id": {"type": "string", "format": "uuid", "readOnly": True, "x-ogc-role": "id", "x-ogc-propertySeq": 0},
            **{f.name: _property(layer, f) | {"x-ogc-propertySeq": n} for n, f in enumerate(fields, 1)},
            GEOMETRY: geometry(layer) | ({} if layer.owns_geometry else {"readOnly": True}),
        },
        "required": [f.name for f in fields if f.editable and f.required],
    }


def queryables(principal: Principal, layer: Layer, address: str) -> dict[str, Any]:
    """What a filter may name; nothing else is known to it."""
    properties = {f.name: _property(layer, f) for f in gate.fields(principal, layer)}
    for described in properties.values():
        described.pop("readOnly", None)
    return {
        "$schema": DRAFT,
        "$id": f"{address}/queryables",
        "type": "object",
        "title": layer.title,
        "properties": {GEOMETRY: geometry(layer), **properties},
        "additionalProperties": False,
    }


def geometry(layer: Layer) -> dict[str, Any]:
    """The schema of the place."""
    multi = layer.geometry_field.geom_type.startswith("MULTI")
    name = FORMATS.get(layer.geometry_type, "geometry-any")
    return {
        "title": str(layer.geometry_field.verbose_name),
        "x-ogc-role": "primary-geometry",
        "format": name if multi or layer.geometry_type == "point" else name.replace("multi", ""),
    }


def _property(layer: Layer, described: Described) -> dict[str, Any]:
    found: dict[str, Any] = {"title": described.label} | described.schema
    if described.help:
        found["description"] = described.help
    if described.unit:
        found |= {"x-ogc-unit": described.unit}
    if described.choices:
        found["enum"] = list(described.choices)
        found["x-enumNames"] = list(described.choices.values())
    if not described.editable:
        found["readOnly"] = True
    if described.name == layer.time:
        found["x-ogc-role"] = "primary-instant"
    return found
