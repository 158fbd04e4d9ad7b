"""OGC API – EDR: how a collection of measured features is described, and its values as documents, piece by piece."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from django.utils.translation import gettext as _

from gis.crs import CRS84_URI
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.ogc.observations import NEAR, QUERIES, Asked, Parameter, Place, Series, parameters
from services.ogc.observations import series as read

COVERAGE, GEOJSON, CSV = "application/prs.coverage+json", "application/geo+json", "text/csv; charset=utf-8"
FORMATS = {"json": COVERAGE, "covjson": COVERAGE, "geojson": GEOJSON, "csv": CSV}


def description(principal: Principal, layer: Layer, address: str) -> dict[str, Any]:
    """What EDR adds to a collection: how to ask for its values, and what is measured."""
    titles = {
        "position": _("最近站点的观测值（%d 米内）") % NEAR,
        "radius": _("圆内各站点的观测值"),
        "area": _("多边形内各站点的观测值"),
        "locations": _("站点与其观测值"),
    }
    asked = {
        name: {
            "link": {
                "href": f"{address}/{name}", "rel": "data", "type": COVERAGE, "title": titles[name],
                "variables": {
                    "title": titles[name], "query_type": name, "output_formats": list(FORMATS),
                    "default_output_format": "covjson",
                    "crs_details": [{"crs": "CRS84", "wkt": "CRS84"}],
                    **({"within_units": ["m", "km"]} if name == "radius" else {}),
                },
            }
        }
        for name in QUERIES
    }  # fmt: skip
    return {
        "data_queries": asked,
        "output_formats": list(FORMATS),
        "parameter_names": _parameters(parameters(principal, layer)),
    }


def links(address: str) -> list[dict[str, str]]:
    """The links of a collection to its data."""
    return [{"rel": "data", "type": GEOJSON, "title": _("站点与其观测值"), "href": f"{address}/locations"}]


def places(layer: Layer, known: list[Parameter], rows: list[Place], address: str) -> dict[str, Any]:
    """The locations as GeoJSON, each with the address of its values."""
    names = [each.name for each in known]
    found = [
        {
            "type": "Feature", "id": str(row.id),
            "geometry": {"type": "Point", "coordinates": [row.x, row.y]},
            "properties": {
                "name": row.name, "label": row.name, "datetime": "../..", "parameter-name": names,
                "edrqueryendpoint": f"{address}/locations/{row.id}",
            },
        }
        for row in rows
    ]  # fmt: skip
    return {
        "type": "FeatureCollection", "features": found, "parameters": list(_parameters(known).values()),
        "numberReturned": len(found),
        "links": [{"rel": "collection", "type": "application/json", "title": layer.title, "href": address}],
    }  # fmt: skip


def body(kind: str, asked: Asked) -> Iterator[bytes]:
    """The values in a format of FORMATS; what cannot be answered is refused before the first piece."""
    write: Callable[[Asked, Iterator[Series]], Iterator[bytes]] = {"geojson": _geojson, "csv": _csv}.get(
        kind, _coverages
    )
    return write(asked, read(asked))


def _parameters(known: list[Parameter]) -> dict[str, Any]:
    return {
        each.name: {
            "type": "Parameter",
            "id": each.name,
            "description": each.field.label,
            "observedProperty": {"id": each.factor.code, "label": each.field.label},
            "unit": {
                "label": each.factor.unit or "1",
                "symbol": {"value": each.factor.unit or "1", "type": "http://www.opengis.net/def/uom/UCUM/"},
            },
        }
        for each in known
    }


def _coverages(asked: Asked, found: Iterator[Series]) -> Iterator[bytes]:
    """CoverageJSON: a point series a device."""
    told = {
        name: {
            "type": "Parameter",
            "description": {"und": about["description"]},
            "observedProperty": {"id": about["observedProperty"]["id"], "label": {"und": about["description"]}},
            "unit": {"label": {"und": about["unit"]["label"]}, "symbol": about["unit"]["symbol"]},
        }
        for name, about in _parameters(asked.parameters).items()
    }
    head = {
        "type": "CoverageCollection", "domainType": "PointSeries", "parameters": told,
        "referencing": [
            {
                "coordinates": ["x", "y"], "system": {"type": "GeographicCRS", "id": CRS84_URI},
            },
            {"coordinates": ["t"], "system": {"type": "TemporalRS", "calendar": "Gregorian"}},
        ],
    }  # fmt: skip
    yield orjson.dumps(head)[:-1] + b',"coverages":['
    first = True
    for each in found:
        rows = list(each.rows)
        yield (b"" if first else b",") + orjson.dumps(_coverage(asked, each, rows))
        first = False
    yield b"]}"


def _coverage(asked: Asked, each: Series, rows: list[Any]) -> dict[str, Any]:
    place = each.place
    axes = {
        "x": {"values": [place.x]}, "y": {"values": [place.y]}, "t": {"values": [_time(row.at) for row in rows]},
    }  # fmt: skip
    return {
        "type": "Coverage",
        "id": f"{place.id}/{each.device}",
        "title": {"und": place.name},
        "domain": {"type": "Domain", "domainType": "PointSeries", "axes": axes},
        "ranges": {
            parameter.name: {
                "type": "NdArray", "dataType": "float", "axisNames": ["t"], "shape": [len(rows)],
                "values": [row.values[number] for row in rows],
            }
            for number, parameter in enumerate(asked.parameters)
        },
    }  # fmt: skip


def _geojson(asked: Asked, found: Iterator[Series]) -> Iterator[bytes]:
    """A feature a place and moment, as GIS programs read them."""
    names = [each.name for each in asked.parameters]
    yield b'{"type":"FeatureCollection","parameters":' + orjson.dumps(_parameters(asked.parameters)) + b',"features":['
    first = True
    for each in found:
        pieces = []
        for row in each.rows:
            properties = {**_about(each.place, each.device), "datetime": _time(row.at)}
            feature = {
                "type": "Feature", "id": f"{each.place.id}/{each.device}/{_time(row.at)}",
                "geometry": {"type": "Point", "coordinates": [each.place.x, each.place.y]},
                "properties": properties | dict(zip(names, row.values, strict=True)),
            }  # fmt: skip
            pieces.append(orjson.dumps(feature))
        if pieces:
            yield (b"" if first else b",") + b",".join(pieces)
            first = False
    yield b"]}"


def _csv(asked: Asked, found: Iterator[Series]) -> Iterator[bytes]:
    """A line a place and moment; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    lines = csv.writer(text)
    units = [f"{each.name} ({each.factor.unit})" if each.factor.unit else each.name for each in asked.parameters]
    lines.writerow(["location", "name", "device", "x", "y", "datetime", *units])
    for each in found:
        about = _about(each.place, each.device)
        for row in each.rows:
            values = ["" if value is None else value for value in row.values]
            lines.writerow([*map(_harmless, about.values()), each.place.x, each.place.y, _time(row.at), *values])
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _about(place: Place, device: str) -> dict[str, str]:
    return {"location": str(place.id), "name": place.name, "device": device}


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
