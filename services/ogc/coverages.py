"""Surfaces as coverages (OGC API Coverages): a collection each, cut by box and time, as GeoTIFF or CoverageJSON."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Exists, OuterRef
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from pygeoapi.provider.base import BaseProvider

from gis import raster
from gis.bounds import Box, parse_bbox
from gis.crs import CRS84_URI, crs_uri, parse_crs
from gis.models import Region
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.ogc.engine import asked
from services.surfaces import download, layouts, scope, timeline
from services.surfaces.models import Run, Surface

PREFIX = "surface-"
GEOTIFF, COVERAGE_JSON = "GTiff", "json"
MEDIA = {GEOTIFF: "image/tiff; application=geotiff", COVERAGE_JSON: "application/prs.coverage+json"}
PARAMETERS = ("f", "lang", "bbox", "bbox-crs", "datetime", "properties", "region")
MOST_HOURS = 48
"""Hours of one answer."""


def resources(principal: Principal) -> dict[str, Any]:
    """What pygeoapi is told of the surfaces that a principal may see: their uppermost region's that have a run."""
    region = region_of(principal)
    if region is None:
        return {}
    done = Run.objects.filter(surface=OuterRef("pk"), region=region, standard=True, state=Run.State.DONE)
    west, south, east, north = region.geom.extent  # type: ignore[union-attr]
    extents = {"spatial": {"bbox": [west, south, east, north], "crs": CRS84_URI}}
    return {
        surface.collection: {
            "type": "collection",
            "title": _("空间分布：%s") % surface,
            "description": _("各站有效小时值按距离加权插值；%s。") % region.name,
            "keywords": [],
            "extents": extents,
            "providers": [
                {
                    "type": "coverage", "name": "services.ogc.coverages.Coverage", "data": surface.key,
                    "format": {"name": GEOTIFF, "mimetype": MEDIA[GEOTIFF]},
                }
            ],
        }
        for surface in Surface.objects.filter(Exists(done), active=True, kind=Surface.Kind.POLLUTION)
    }  # fmt: skip


def region_of(principal: Principal, code: str = "") -> Region | None:
    """The region with this code, else the uppermost of those for which the principal may see surfaces."""
    if code:
        return scope.region_for(principal, code)
    found = timeline.choices(principal)
    return scope.region_for(principal, found[0].code) if found else None


def checked(query: Mapping[str, str]) -> None:
    """Refuse what a coverage does not know, before pygeoapi stumbles over it."""
    if unknown := sorted(set(query) - set(PARAMETERS)):
        raise Invalid(
            _("没有名为“%s”的参数。") % unknown[0], {unknown[0]: [_("可用：%s。") % ", ".join(PARAMETERS)]}
        )  # fmt: skip
    box_of(query)
    times_of(query.get("datetime", ""))


def box_of(query: Mapping[str, str]) -> Box | None:
    """The box of a query in degrees; raises BoundsError, UnknownCRS."""
    if "bbox" not in query:
        return None
    crs = parse_crs(query.get("bbox-crs", CRS84_URI))
    return parse_bbox(query["bbox"], srid=crs.srid, flip=crs.flip)[0]


def times_of(text: str) -> tuple[datetime | None, datetime | None] | None:
    """Begin and end (included) of the hours asked for; None where none were. Raises Invalid."""
    if not text:
        return None
    parts = text.split("/")
    ends = [None if part in ("", "..") else parse_datetime(part) for part in parts]
    for part, end in zip(parts, ends, strict=True):
        if part not in ("", "..") and (end is None or end.tzinfo is None):
            raise Invalid(_("时间无效。"), {"datetime": ["2026-11-27T08:00:00Z, 2026-11-27T00:00:00Z/.."]})
    if len(parts) > 2 or (len(parts) == 1 and ends[0] is None):
        raise Invalid(_("时间无效。"), {"datetime": ["2026-11-27T08:00:00Z, 2026-11-27T00:00:00Z/.."]})
    if len(parts) == 1:
        assert ends[0] is not None
        hour = ends[0].replace(minute=0, second=0, microsecond=0)
        return hour, hour
    begin, end = ends
    return begin, end


class Coverage(BaseProvider):
    """One surface as its principal sees it."""

    def __init__(self, definition: dict[str, Any]) -> None:
        super().__init__(definition)
        now = asked()
        self.query_string = now.request.GET
        self.principal = now.principal
        self.surface = scope.surface_for(self.principal, self.data)
        region = region_of(self.principal, self.query_string.get("region", ""))
        if region is None:
            raise NotFound(_("没有这个空间分布。"))
        self.region = region
        described = {"title": str(self.surface), "type": "number", "x-ogc-unit": self.surface.unit}
        self._fields = {self.surface.key: described}
        self._coverage_properties = self._measures()

    def get_fields(self) -> dict[str, Any]:
        return self._fields

    def query(self, bbox: Any = (), datetime_: str | None = None, format_: str = COVERAGE_JSON, **rest: Any) -> Any:
        """The coverage as GeoTIFF bytes or as a CoverageJSON document; NotFound where there is none."""
        runs = self._runs(times_of(datetime_ or ""))
        box = box_of(self.query_string.dict())
        if format_ == GEOTIFF:
            self.filename = f"{self.surface.key}-{self.region.code}-{runs[-1].at:%Y%m%dT%H}Z.tif"
            return download.geotiff(runs, box)
        return self._document(runs, *download.cut(runs, box))

    def _runs(self, times: tuple[datetime | None, datetime | None] | None) -> list[Run]:
        rows = scope.runs(self.principal).filter(
            surface=self.surface, region=self.region, standard=True, state=Run.State.DONE
        )
        if times is None:
            rows = rows.order_by("-at", "-computed_at")[:1]
        else:
            begin, end = times
            if begin is not None:
                rows = rows.filter(at__gte=begin)
            if end is not None:
                rows = rows.filter(at__lte=end)
            rows = rows.order_by("-at", "-computed_at")
        found: dict[datetime, Run] = {}
        for run in rows.select_related("surface__factor", "layout").defer("earlier")[: 2 * MOST_HOURS]:
            if len(found) < MOST_HOURS:
                found.setdefault(run.at, run)
        if not found:
            raise NotFound(_("这段时间没有可用的分布。"))
        # All on the lattice of the last: a boundary that changed in between would not fit.
        last = found[max(found)]
        return [found[at] for at in sorted(found) if found[at].layout_id == last.layout_id]

    def _measures(self) -> dict[str, Any]:
        """What pygeoapi tells of the grid: its size, and the times there are."""
        run = timeline.latest(self.principal, self.surface, self.region)
        if run is None or run.layout is None:
            return {"width": 0, "height": 0, "resx": self.surface.cell_m, "resy": self.surface.cell_m}
        of = layouts.lattice(run.layout)
        first = run.at - timedelta(hours=MOST_HOURS - 1)
        return {
            "width": of.columns, "height": of.rows, "resx": of.cell, "resy": of.cell,
            "time_range": [_text(first), _text(run.at)], "restime": "PT1H",
        }  # fmt: skip

    def _document(self, runs: list[Run], of: raster.Lattice, bands: list[raster.Values]) -> dict[str, Any]:
        key = self.surface.key
        half = of.cell / 2
        stacked = np.stack(bands).astype(float)
        values = [None if np.isnan(v) else round(float(v), 3) for v in stacked.ravel()]
        return {
            "type": "Coverage",
            "domain": {
                "type": "Domain", "domainType": "Grid",
                "axes": {
                    "x": {"start": of.west + half, "stop": of.west + of.columns * of.cell - half, "num": of.columns},
                    "y": {"start": of.north - half, "stop": of.north - of.rows * of.cell + half, "num": of.rows},
                    "t": {"values": [_text(run.at) for run in runs]},
                },
                "referencing": [
                    {"coordinates": ["x", "y"], "system": {"type": "ProjectedCRS", "id": crs_uri(of.srid)}},
                    {"coordinates": ["t"], "system": {"type": "TemporalRS", "calendar": "Gregorian"}},
                ],
            },
            "parameters": {
                key: {
                    "type": "Parameter", "description": {"zh": str(self.surface)},
                    "unit": {"symbol": self.surface.unit},
                    "observedProperty": {"id": key, "label": {"zh": str(self.surface)}},
                }
            },
            "ranges": {
                key: {
                    "type": "NdArray", "dataType": "float", "axisNames": ["t", "y", "x"],
                    "shape": list(stacked.shape), "values": values,
                }
            },
        }  # fmt: skip


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
