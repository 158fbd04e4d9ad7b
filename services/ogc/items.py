"""Pages of features and single features: the text of the features is built in PostGIS and spliced into its envelope.

pygeoapi decodes and encodes every feature in Python; a page of 1,000 then takes several times as long.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from django.db import DataError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from gis.crs import ServedCRS
from gis.geojson import Page, counted_page, features_page
from services.access import gate
from services.access.counts import Ends, counted
from services.access.principal import Principal
from services.catalog.describe import Described
from services.catalog.layer import Layer
from services.catalog.models import Feature
from services.ogc.cql2.read import bad
from services.ogc.query import Query

GEOJSON = "application/geo+json"
COUNTED = 100_000
"""Rows counted at most: a larger collection leaves ``numberMatched`` out, which the standard allows."""
FILTER_SECONDS = 5


def page(principal: Principal, layer: Layer, query: Query, params: QueryDict, base_url: str) -> bytes:
    """A FeatureCollection as JSON."""
    address = f"{base_url}/collections/{layer.key}"
    if any(name == "filter" for name, _value in query.narrowed):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"set local statement_timeout = '{FILTER_SECONDS}s'")
            try:
                found, matched = _rows(principal, layer, query)
            except (DataError, OperationalError) as error:
                # What only the database can tell: a number out of range, a comparison that takes too long.
                raise bad(_("无法执行：%s") % str(error).partition("\n")[0][:200]) from error
    else:
        found, matched = _rows(principal, layer, query)
    rest: dict[str, Any] = {"links": _links(layer, query, params, address, matched, found.number)}
    if matched is not None:
        rest["numberMatched"] = matched
    rest |= {"numberReturned": found.number, "timeStamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    return b"".join((b'{"type":"FeatureCollection","features":[', found.text, b"],", orjson.dumps(rest)[1:]))


def single(principal: Principal, layer: Layer, feature: Feature, crs: ServedCRS, base_url: str) -> dict[str, Any]:
    """One feature as GeoJSON, with its links.

    Not by pygeoapi: it replaces ``<`` and ``>`` in the values, and a client that sends them back would store that.
    """
    rows = gate.restrict(principal, layer).filter(pk=feature.pk)
    found: dict[str, Any] = orjson.loads(features_page(rows, **_asked(layer, gate.fields(principal, layer), crs)).text)
    collection = f"{base_url}/collections/{layer.key}"
    address = f"{collection}/items/{feature.pk}"
    panel = f"{base_url.removesuffix('/ogc')}/desk/{layer.key}/{feature.pk}"
    links = [
        {"rel": "self", "type": GEOJSON, "title": _("本要素"), "href": address},
        {"rel": "alternate", "type": "text/html", "title": _("本要素（网页）"), "href": f"{address}?f=html"},
        {"rel": "collection", "type": "application/json", "title": layer.title, "href": collection},
        {"rel": "related", "type": "text/html", "title": _("详情"), "href": panel},
    ]
    if gate.restrict(principal, layer, "change").filter(pk=feature.pk).exists():
        links.append({"rel": "edit", "type": GEOJSON, "title": _("修改"), "href": address})
    return found | {"links": links}


def matched(principal: Principal, layer: Layer, query: Query, rows: QuerySet[Feature]) -> int | None:
    """How many rows pass; None beyond ``COUNTED``."""
    found = counted(principal, layer, rows, query.narrowed, COUNTED + 1)
    return found if found <= COUNTED else None


def _rows(principal: Principal, layer: Layer, query: Query) -> tuple[Page, int | None]:
    """The page, and how many rows pass in all."""
    rows = query.rows(principal, layer)
    asked = _asked(layer, query.fields, query.crs, query.geometry)
    if not query.sort and {name for name, _value in query.narrowed} == {"bbox"}:
        # Boxes hardly ever recur: their rows are read once for the count and the page.
        found, number = counted_page(rows, query.offset, query.limit, COUNTED, **asked)
        if number <= COUNTED:
            return found, number
    found = _from(principal, layer, query, rows, asked)
    last = found.number < query.limit and (found.number > 0 or query.offset == 0)
    return found, query.offset + found.number if last else matched(principal, layer, query, rows)


def _from(principal: Principal, layer: Layer, query: Query, rows: QuerySet[Feature], asked: Mapping[str, Any]) -> Page:
    """The page at an offset: where it is known what the page before ended with, nothing is passed over again."""
    if query.sort:
        return features_page(rows[query.offset : query.offset + query.limit], **asked)
    ends = Ends(principal, layer, query.narrowed)
    before = ends.at(query.offset) if query.offset else None
    if before is None:
        found = features_page(rows[query.offset : query.offset + query.limit], **asked)
    else:
        found = features_page(rows.filter(pk__gt=before)[: query.limit], **asked)
    if found.number == query.limit:
        ends.keep(query.offset + found.number, found.last)
    return found


def _asked(layer: Layer, fields: Iterable[Described], crs: ServedCRS, geometry: bool = True) -> dict[str, Any]:
    return {
        "geom": layer.geom if geometry else None,
        "properties": {f.name: f.name for f in fields},
        "srid": crs.srid,
        "flip": crs.flip,
    }


def _links(
    layer: Layer, query: Query, params: QueryDict, address: str, matched: int | None, returned: int
) -> list[dict[str, str]]:
    asked = urlencode({name: value for name, value in params.items() if name not in ("f", "offset")})
    asked += "&" * bool(asked)

    def link(rel: str, kind: str, media: str, title: str, offset: int) -> dict[str, str]:
        start = f"offset={offset}&" if offset else ""
        return {"rel": rel, "type": media, "title": title, "href": f"{address}/items?{asked}{start}f={kind}"}

    found = [
        link("self", "json", GEOJSON, _("本页（GeoJSON）"), query.offset),
        link("alternate", "html", "text/html", _("本页（网页）"), query.offset),
        {"rel": "collection", "type": "application/json", "title": layer.title, "href": address},
    ]
    if query.offset:
        found.append(link("prev", "json", GEOJSON, _("上一页"), max(0, query.offset - query.limit)))
    end = query.offset + returned
    if returned == query.limit and (matched is None or end < matched):
        found.append(link("next", "json", GEOJSON, _("下一页"), end))
    return found
