"""What pygeoapi describes, finished for the principal: extents by their rights, titles in their language, our links."""

from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from gis.crs import crs_uri
from gis.fields import STORAGE_SRID
from services.access.principal import Principal
from services.catalog.layer import registry
from services.ogc import edr, extents, observations

REL = "http://www.opengis.net/def/rel/ogc/1.0"
NOT_SERVED = ("application/ld+json", "text/csv")
CONFORMANCE = tuple(
    f"http://www.opengis.net/spec/{name}"
    for name in (
        "ogcapi-common-1/1.0/conf/core",
        "ogcapi-common-1/1.0/conf/landing-page",
        "ogcapi-common-1/1.0/conf/json",
        "ogcapi-common-1/1.0/conf/html",
        "ogcapi-common-1/1.0/conf/oas30",
        "ogcapi-common-2/1.0/conf/collections",
        "ogcapi-features-1/1.0/conf/core",
        "ogcapi-features-1/1.0/conf/oas30",
        "ogcapi-features-1/1.0/conf/html",
        "ogcapi-features-1/1.0/conf/geojson",
        "ogcapi-features-2/1.0/conf/crs",
        "ogcapi-features-3/1.0/conf/queryables",
        "ogcapi-features-3/1.0/conf/queryables-query-parameters",
        "ogcapi-features-3/1.0/conf/filter",
        "ogcapi-features-3/1.0/conf/features-filter",
        "ogcapi-features-4/1.0/conf/create-replace-delete",
        "ogcapi-features-4/1.0/conf/update",
        "ogcapi-features-4/1.0/conf/optimistic-locking-etags",
        "ogcapi-features-4/1.0/conf/features",
        "ogcapi-features-5/1.0/conf/schemas",
        "ogcapi-features-5/1.0/conf/core-roles-features",
        "ogcapi-features-5/1.0/conf/returnables-and-receivables",
        "cql2/1.0/conf/cql2-text",
        "cql2/1.0/conf/cql2-json",
        "cql2/1.0/conf/basic-cql2",
        "cql2/1.0/conf/advanced-comparison-operators",
        "cql2/1.0/conf/case-insensitive-comparison",
        "cql2/1.0/conf/accent-insensitive-comparison",
        "cql2/1.0/conf/basic-spatial-functions",
        "cql2/1.0/conf/basic-spatial-functions-plus",
        "cql2/1.0/conf/spatial-functions",
        "cql2/1.0/conf/temporal-functions",
        "cql2/1.0/conf/property-property",
        "cql2/1.0/conf/arithmetic",
        "ogcapi-coverages-1/1.0/conf/core",
        "ogcapi-coverages-1/1.0/conf/oas30",
        "ogcapi-coverages-1/1.0/conf/geodata-coverage",
        "ogcapi-coverages-1/1.0/conf/coverage-bbox",
        "ogcapi-coverages-1/1.0/conf/coverage-datetime",
        "ogcapi-edr-1/1.1/conf/core",
        "ogcapi-edr-1/1.1/conf/collections",
        "ogcapi-edr-1/1.1/conf/covjson",
        "ogcapi-edr-1/1.1/conf/geojson",
        "ogcapi-tiles-1/1.0/conf/core",
        "ogcapi-tiles-1/1.0/conf/tileset",
        "ogcapi-tiles-1/1.0/conf/tilesets-list",
        "ogcapi-tiles-1/1.0/conf/geodata-tilesets",
        "ogcapi-tiles-1/1.0/conf/mvt",
        "ogcapi-styles-1/1.0/conf/core",
        "ogcapi-styles-1/1.0/conf/mapbox-styles",
        "ogcapi-styles-1/1.0/conf/sld-11",
        "ogcapi-records-1/1.0/conf/record-core",
        "ogcapi-processes-1/1.0/conf/core",
        "ogcapi-processes-1/1.0/conf/ogc-process-description",
        "ogcapi-processes-1/1.0/conf/json",
        "ogcapi-processes-1/1.0/conf/job-list",
        "ogcapi-processes-1/1.0/conf/dismiss",
    )
)
"""Each is proved by a test of tests/ogc; what no test proves is not listed."""


def finished(document: Any) -> Any:
    """A document of pygeoapi without the formats that are not served, its links titled in the current language."""
    if isinstance(document, list):
        return [finished(each) for each in document]
    if not isinstance(document, dict):
        return document
    # pygeoapi sorts jobs by the text of a time that a waiting job does not have.
    found = {k: finished(value) for k, value in document.items() if not (value == "" and k in ("started", "finished"))}
    if isinstance(links := found.get("links"), list):
        # A coverage has no page of its own.
        links = [k for k in links if not (k.get("rel") == f"{REL}/coverage" and k.get("type") == "text/html")]
        served = [link for link in links if not str(link.get("type")).startswith(NOT_SERVED) and link["rel"] != "about"]
        found["links"] = [link | {"title": _titles().get(link["rel"], link.get("title", ""))} for link in served]
    return found


def landing(document: dict[str, Any], base_url: str) -> dict[str, Any]:
    """The landing page, with the doors that pygeoapi does not know."""
    found = finished(document)
    extra = [
        {"rel": f"{REL}/styles", "type": "application/json", "title": _("样式"), "href": f"{base_url}/styles"},
        {
            "rel": f"{REL}/ogc-catalog", "type": "application/json", "title": _("图层目录"),
            "href": f"{base_url}/collections/layers",
        },
    ]  # fmt: skip
    return found | {"links": found["links"] + extra}


def collection(principal: Principal, document: dict[str, Any]) -> dict[str, Any]:
    """A collection, with the extent of what the principal sees of it."""
    found = finished(document)
    layer = registry.get(found["id"])
    if layer is None:
        return found
    address = next(link["href"] for link in found["links"] if link["rel"] == "self").partition("?")[0]
    found.pop("extent")
    if (extent := extents.extent(principal, layer)) is not None:
        found["extent"] = extent
    found["storageCrs"] = crs_uri(STORAGE_SRID)
    if observations.measures(principal, layer):
        found |= edr.description(principal, layer, address)
        found["links"] += edr.links(address)
    found["links"].append(
        {"rel": f"{REL}/styles", "type": "application/json", "title": _("样式"), "href": f"{address}/styles"}
    )
    return found


def path(address: str) -> str:
    """The path of an absolute address: what an HTML page links to."""
    parts = urlsplit(address)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _titles() -> dict[str, str]:
    return {
        "self": _("本文档"),
        "alternate": _("本文档的其他格式"),
        "root": _("首页"),
        "service-desc": _("接口定义（OpenAPI）"),
        "service-doc": _("接口说明"),
        "conformance": _("所符合的标准"),
        "data": _("集合"),
        "items": pgettext("plural", "要素"),
        "collection": _("集合"),
        f"{REL}/coverage": _("覆盖"),
        f"{REL}/processes": pgettext("plural", "处理过程"),
        f"{REL}/job-list": pgettext("plural", "任务"),
        f"{REL}/execute": _("执行"),
        f"{REL}/results": pgettext("plural", "结果"),
        f"{REL}/tiling-schemes": _("瓦片网格"),
        f"{REL}/tilesets-vector": _("矢量瓦片"),
        f"{REL}/schema": _("结构"),
        f"{REL}/queryables": _("可筛选的属性"),
        f"{REL}/ogc-catalog": _("图层目录"),
    }
