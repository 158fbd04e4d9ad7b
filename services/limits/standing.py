"""What a limit asks about a feature: its class, the stage of its works over time, and the background around it."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from statistics import fmean
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from services.catalog.layer import Layer
from services.limits.rows import Limit, day_of
from services.telemetry.spans import Span

type Stages = list[tuple[date, str]]
"""Stages, each with its first day, in the order of time."""

OTHERS = 3
"""Features whose mean makes a background; fewer say little (own figure)."""
COUNTY = 6
"""Digits of a county's code: as far as a background reaches."""


class Standing(NamedTuple):
    """How limits look at a feature."""

    grade: str = ""
    stages: tuple[tuple[date, str], ...] = ()

    def stage(self, at: datetime) -> str:
        """The stage at a moment; empty where none is known."""
        day = day_of(at)
        return next((stage for since, stage in reversed(self.stages) if since <= day), "")


def standings(layer: Layer, features: Collection[UUID]) -> dict[UUID, Standing]:
    """How limits look at features of a layer, as its model declares it.

    ``limited_by`` of the model names the field that says which class of a standard holds; ``limit_stages(features)``
    gives the stages, as the rows of limits name them.
    """
    name, staged = getattr(layer.model, "limited_by", ""), getattr(layer.model, "limit_stages", None)
    grades = dict(layer.rows().filter(pk__in=features).values_list("pk", name)) if name else {}
    stages: dict[UUID, Stages] = staged(features) if staged else {}
    return {pk: Standing(str(grades.get(pk) or ""), tuple(stages.get(pk, ()))) for pk in features}


class Backgrounds:
    """The means of an hour around features, read once for each county and hour."""

    def __init__(self, layer: str) -> None:
        self.layer = layer
        self._read: dict[tuple[str, str, datetime], dict[UUID, float]] = {}

    def read(self, factor: str, regions: Iterable[str], hours: Collection[datetime]) -> None:
        """Read the hours of the counties of some regions at once, so that asking for them asks nobody."""
        counties = {region[:COUNTY] for region in regions}
        for county in counties:
            for hour in hours:
                self._read.setdefault((factor, county, hour), {})
        given: dict[str, Any] = {
            "layer": self.layer, "factor": factor, "hours": list(hours), "hour": int(Span.HOUR),
            "counties": [f"{county}%" for county in counties], "digits": COUNTY,
        }  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(_HOURS, given)
            for county, at, feature, mean in cursor.fetchall():
                self._read[factor, county, at][feature] = mean

    def around(self, feature: UUID, region: str, factor: str, at: datetime) -> float | None:
        """The mean of the valid hours of the other features of the county; None where there are too few."""
        hour = at.replace(minute=0, second=0, microsecond=0)
        key = (factor, region[:COUNTY], hour)
        if key not in self._read:
            given: dict[str, Any] = {
                "layer": self.layer, "factor": factor, "county": f"{region[:COUNTY]}%", "at": hour,
                "hour": int(Span.HOUR),
            }  # fmt: skip
            with connection.cursor() as cursor:
                cursor.execute(_HOUR, given)
                self._read[key] = dict(cursor.fetchall())
        others = [mean for pk, mean in self._read[key].items() if pk != feature]
        return fmean(others) if len(others) >= OTHERS else None

    def above(self, limit: Limit | None, feature: UUID | None, region: str, at: datetime, span: Span) -> Limit | None:
        """The limit with the background on top where it holds over one; None where that is not known.

        The background is that of the same hour, of shorter spans that of the last whole hour before.
        """
        if limit is None or not limit.over_background or limit.value is None:
            return limit
        when = at if span == Span.HOUR else at - timedelta(hours=1)
        around = self.around(feature, region, limit.factor, when) if feature is not None else None
        return None if around is None else replace(limit, value=limit.value + around)


def least(rows: Iterable[Limit]) -> float | None:
    """The lowest value of limits: what is not over it is over none."""
    return min((row.value for row in rows if row.value is not None), default=None)


_HOUR = """
select d.feature, avg(r.mean) from telemetry_rollup r
join telemetry_factor f on f.id = r.factor and f.code = %(factor)s
join telemetry_device d on d.id = r.device and d.state = 'active'
join catalog_featureindex i on i.id = d.feature and i.layer = %(layer)s and i.region_code like %(county)s
where r.span = %(hour)s and r.at = %(at)s and r.valid group by d.feature"""
_HOURS = """
select left(i.region_code, %(digits)s), r.at, d.feature, avg(r.mean) from telemetry_rollup r
join telemetry_factor f on f.id = r.factor and f.code = %(factor)s
join telemetry_device d on d.id = r.device and d.state = 'active'
join catalog_featureindex i on i.id = d.feature and i.layer = %(layer)s and i.region_code like any(%(counties)s)
where r.span = %(hour)s and r.at = any(%(hours)s) and r.valid group by 1, 2, 3"""
