"""Features that come in as GeoJSON: checked value by value, then written by the actions."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.db import models
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from gis.crs import ServedCRS, parse_crs
from gis.errors import SpatialError
from gis.geojson import parse_geometry
from services.access import actions, gate
from services.access.errors import Conflict, Invalid, Refused
from services.access.principal import Principal
from services.catalog.describe import Described
from services.catalog.layer import Layer
from services.catalog.models import Feature
from services.ogc.query import CRS84, GEOMETRY

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict, list),
}


def create(principal: Principal, layer: Layer, body: bytes, crs: ServedCRS) -> Feature:
    """Create a feature from a GeoJSON Feature."""
    gate.require(principal, layer, "create")
    return actions.create(principal, layer, _values(principal, layer, _feature(body), crs, whole=True))


def replace(principal: Principal, layer: Layer, pk: str, body: bytes, crs: ServedCRS, match: str = "") -> Feature:
    """Replace a feature: what is not given returns to its default."""
    feature = matching(principal, layer, pk, "change", match)
    given = {"geometry": None, "properties": {}} | _feature(body)
    values = _defaults(principal, layer) | _values(principal, layer, given, crs, whole=True)
    return _change(principal, layer, feature, values, match)


def update(principal: Principal, layer: Layer, pk: str, body: bytes, crs: ServedCRS, match: str = "") -> Feature:
    """Change what is given, and nothing else."""
    feature = matching(principal, layer, pk, "change", match)
    return _change(principal, layer, feature, _values(principal, layer, _feature(body), crs, whole=False), match)


def delete(principal: Principal, layer: Layer, pk: str, match: str = "") -> None:
    """Delete a feature."""
    feature = matching(principal, layer, pk, "delete", match)
    actions.delete(principal, layer, pk, read_at=feature.updated_at if match else None)


def etag(feature: Feature, form: str = "") -> str:
    """A strong entity tag: the moment of the last change, and what tells one representation from another."""
    return f'"{feature.updated_at.timestamp():.6f}{f"-{form}" if form else ""}"'


def content_crs(header: str) -> ServedCRS:
    """The CRS of a body, from its Content-Crs header; CRS84 without one."""
    try:
        return parse_crs(header.strip().strip("<>")) if header else CRS84
    except SpatialError as error:
        raise Invalid(error.message, {"Content-Crs": [error.message]}) from None


def matching(principal: Principal, layer: Layer, pk: str, action: str, match: str) -> Feature:
    """The feature, if the principal may do this to it and it is still as ``If-Match`` says; else Conflict as 412."""
    feature = gate.fetch(principal, layer, pk, action)
    tags = {tag.strip().strip('"').partition("-")[0] for tag in match.split(",")}
    if match and "*" not in tags and etag(feature).strip('"') not in tags:
        raise _outdated()
    return feature


def _change(principal: Principal, layer: Layer, feature: Feature, values: Mapping[str, Any], match: str) -> Feature:
    changed = {name: value for name, value in values.items() if not _same_reference(feature, name, value)}
    try:
        return actions.change(principal, layer, feature.pk, changed, read_at=feature.updated_at if match else None)
    except Conflict as error:
        raise _outdated() from error


def _same_reference(feature: Feature, name: str, value: Any) -> bool:
    """Whether a client sends back a foreign key as it got it: that needs no right to see what it points at."""
    field = feature._meta.get_field(name)
    return isinstance(field, models.ForeignKey) and str(getattr(feature, field.attname)) == str(value)


def _outdated() -> Conflict:
    return Conflict(_("自您读取之后，该要素已被修改。请重新读取后再提交。"), status=412)


def _feature(body: bytes) -> dict[str, Any]:
    try:
        feature = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _refused("body", _("不是有效的 JSON：第 %d 行有误。") % error.lineno) from None
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise _refused("type", _("应为 GeoJSON Feature。"))
    if not isinstance(feature.get("properties"), dict | None):
        raise _refused("properties", _("应为对象。"))
    return feature


def _values(
    principal: Principal, layer: Layer, feature: Mapping[str, Any], crs: ServedCRS, *, whole: bool
) -> dict[str, Any]:
    """Named values as the actions take them; read-only fields that a client sends back as it got them are skipped."""
    fields = {f.name: f for f in gate.fields(principal, layer)}
    errors: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for name, value in (feature.get("properties") or {}).items():
        if name not in fields:
            writable = ", ".join(f.name for f in fields.values() if f.editable)
            errors[name[:60]] = [_("没有此属性；可写属性：%s。") % writable]
        elif fields[name].editable:
            try:
                values[name] = _value(fields[name], value)
            except ValueError as error:
                errors[name] = [str(error)]
    if errors:
        raise Invalid(_("有属性不能写入：%s。") % ", ".join(errors), errors)
    if layer.owns_geometry and (whole or "geometry" in feature):
        place = feature.get("geometry")
        field = layer.geometry_field
        values[layer.geom] = place and parse_geometry(place, kind=field.geom_type, srid=crs.srid, flip=crs.flip)
        if not values[layer.geom]:
            values[layer.geom] = None
            if not field.null:
                raise _refused(GEOMETRY, _("不能为空。"))
    return values


def _value(described: Described, value: Any) -> Any:
    """A JSON value of the type that the schema states; raises ValueError saying which."""
    schema = described.schema
    column = described.field
    if value is None:
        # GIS clients send null for an empty text.
        return "" if schema["type"] == "string" and not column.null and column.empty_strings_allowed else None
    kinds = JSON_TYPES[schema["type"]]
    if isinstance(value, float) and schema["type"] == "integer" and value.is_integer():
        value = int(value)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ValueError(_("应为 %s。") % schema.get("format", schema["type"]))
    if isinstance(value, str) and "\0" in value:
        raise ValueError(_("不能包含 NUL 字符。"))
    if schema.get("format") == "date-time":
        moment = parse_datetime(str(value))
        if moment is None:
            raise ValueError(_("应为 date-time。"))
        return moment
    return str(value) if isinstance(column, models.DecimalField) else value


def _defaults(principal: Principal, layer: Layer) -> dict[str, Any]:
    """Every value the principal may write, as a new feature has it."""
    blank = layer.model()
    return {f.name: getattr(blank, f.field.attname) for f in gate.fields(principal, layer) if f.editable}


def unproven() -> Refused:
    """The refusal of a change by a browser's session that does not show its CSRF token."""
    return Refused(_("浏览器会话提交的修改需要 CSRF 令牌（X-CSRFToken）；其他客户端请使用 API 令牌。"))


def _refused(name: str, reason: str) -> Invalid:
    return Invalid(_("“%(name)s”有误：%(reason)s") % {"name": name, "reason": reason}, {name: [reason]})
