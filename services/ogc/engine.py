"""pygeoapi inside the product: one API object a language, shown to each principal as far as their rights go."""

import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

import orjson
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from pygeoapi.api import API, APIRequest

from gis.crs import CRS84_URI, crs_uri, gauss_kruger_3
from gis.fields import STORAGE_SRID, WEB_SRID
from gis.models import Region
from services.access import gate
from services.access.errors import AccessError, Conflict, Invalid, NotFound
from services.access.principal import Principal
from services.catalog.layer import Layer, registry
from services.ogc.jobs import PROCESSES

CATALOGUE = "layers"
"""Id of the collection that lists the layers as records."""
MOST_ITEMS, DEFAULT_ITEMS = 10_000, 100


@dataclass(frozen=True)
class Asked:
    """Who asks, and under which address the API is reached."""

    principal: Principal
    base_url: str
    request: HttpRequest


_asked: ContextVar[Asked] = ContextVar("asked")


def asked() -> Asked:
    """The request that pygeoapi is answering, for the plug-ins that it calls."""
    return _asked.get()


@dataclass(frozen=True)
class Answer:
    """What pygeoapi answers: headers, status, and the decoded document (None where there is no body)."""

    headers: dict[str, str]
    status: int
    document: Any


class Engine(API):
    """pygeoapi's API object; an error becomes ours, so that one table maps all errors to HTTP."""

    def get_exception(self, status: int, headers: Any, format_: Any, code: str, description: str) -> NoReturn:
        """Raise what pygeoapi would have answered."""
        kinds: dict[int, type[AccessError]] = {404: NotFound, 409: Conflict, 400: Invalid}
        kind = kinds.get(int(status))
        if kind is None:
            raise RuntimeError(f"pygeoapi: {code}: {description}")
        raise kind(description)


class Question(APIRequest):
    """pygeoapi's request; the format and the language are decided before."""

    form = "json"

    def _get_format(self, headers: Any, extra_formats: Any = None) -> str:
        return self.form


def run(request: HttpRequest, function: Callable[..., Any], *args: Any, form: str = "json", **kwargs: Any) -> Answer:
    """Let pygeoapi answer by one of its functions, as far as the request's principal may see."""
    with answering(request) as (api, question):
        question.form = question._format = form
        headers, status, content = function(api, question, *args, **kwargs)
    document = orjson.loads(content) if content else None
    kept = {name: headers[name] for name in ("Location", "Preference-Applied", "Content-Crs") if name in headers}
    return Answer(kept, int(status), document)


@contextmanager
def answering(request: HttpRequest) -> Iterator[tuple[Engine, Question]]:
    """The API as the principal sees it, and the request as pygeoapi reads it."""
    principal: Principal = request.principal  # type: ignore[attr-defined]
    base_url = request.build_absolute_uri("/ogc")
    full = _engine(get_language() or settings.LANGUAGE_CODE, tuple(registry.by_key))
    api = copy.copy(full)
    seen = {layer.key for layer in gate.layers(principal)} | {CATALOGUE, *PROCESSES}
    resources = {k: v for k, v in full.config["resources"].items() if k in seen}
    api.base_url = base_url
    from services.ogc import coverages

    token = _asked.set(Asked(principal, base_url, request))
    try:
        # Surfaces are rows and not declarations: they may change while this process lives.
        api.config = full.config | {"resources": resources | coverages.resources(principal)}
        question = Question(request, api.locales)
        question._data = request.body if request.method in ("POST", "PUT", "PATCH") else b""
        yield api, question
    finally:
        _asked.reset(token)


def crs_uris() -> tuple[str, ...]:
    """The CRSs of every collection: CRS84 first, then WGS-84, CGCS2000, Web Mercator and the city's own 3° zone."""
    zones = (local_zone_srid(),) if local_zone_srid() else ()
    return (CRS84_URI, *(crs_uri(srid) for srid in (4326, STORAGE_SRID, WEB_SRID, *zones)))


def local_zone_srid() -> int | None:
    """The 3° Gauss–Krüger zone in which the city surveys; None before its boundary is loaded."""
    if settings.PRODUCT_REGION not in _zones:
        region = Region.objects.filter(code=settings.PRODUCT_REGION, geom__isnull=False).first()
        if region is None or region.geom is None:
            return None
        _zones[settings.PRODUCT_REGION] = gauss_kruger_3(region.geom.centroid.x)
    return _zones[settings.PRODUCT_REGION]


_zones: dict[str, int] = {}


@lru_cache(maxsize=8)
def _engine(language: str, keys: tuple[str, ...]) -> Engine:
    # Its warnings are about every request ("no offset given"), its errors come to us as exceptions.
    logging.getLogger("pygeoapi").setLevel(logging.ERROR)
    return Engine(_configuration(language), {})


def _configuration(language: str) -> dict[str, Any]:
    title, description = str(settings.PRODUCT), _("建设工程空间图层的 OGC API。")
    resources = {layer.key: _collection(layer) for layer in registry}
    resources[CATALOGUE] = {
        "type": "collection",
        "title": _("图层目录"),
        "description": _("每个图层一条记录：名称、说明、范围、字段主题与访问地址。"),
        "keywords": [],
        "extents": WORLD,
        "providers": [
            {"type": "record", "name": "services.ogc.providers.Records", "data": CATALOGUE, "id_field": "id"}
        ],
    }
    for name in PROCESSES:
        resources[name] = {"type": "process", "processor": {"name": "services.ogc.processes.Told", "process": name}}
    return {
        "server": {
            "url": "/ogc",
            "languages": [language.partition("-")[0]],
            "limits": {"default_items": DEFAULT_ITEMS, "max_items": MOST_ITEMS, "on_exceed": "throttle"},
            "manager": {"name": "services.ogc.processes.Manager"},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": title, "description": description, "keywords": [], "terms_of_service": "", "url": "/",
            },
            "license": {"name": "", "url": ""},
            "provider": {"name": title, "url": "/"},
            "contact": {},
        },
        "resources": resources,
    }  # fmt: skip


WORLD = {"spatial": {"bbox": [-180, -90, 180, 90], "crs": CRS84_URI}}


def _collection(layer: Layer) -> dict[str, Any]:
    """pygeoapi's description of a layer. It is told CRS84: the real CRS work is done in PostGIS."""
    return {
        "type": "collection",
        "title": layer.title,
        "description": layer.description,
        "keywords": [str(layer.group)] if layer.group else [],
        "extents": WORLD,
        "providers": [
            {
                "type": "feature",
                "name": "services.ogc.providers.Features",
                "data": layer.key,
                "id_field": "id",
                "editable": True,
                "crs": list(crs_uris()),
                "storage_crs": CRS84_URI,
            },
            {
                "type": "tile",
                "name": "services.ogc.providers.Tiles",
                "data": layer.key,
                "format": {"name": "mvt", "mimetype": "application/vnd.mapbox-vector-tile"},
                "options": {"zoom": {"min": 0, "max": 22}, "schemes": ["WebMercatorQuad"]},
            },
        ],
    }
