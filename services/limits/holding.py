"""The limit that a value is held against at each place: what its province or city says, else the nation."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from services.catalog.layer import Layer
from services.limits.models import Limit as Row
from services.limits.rows import Limit, limit_at
from services.limits.standing import Backgrounds, standings
from services.telemetry.spans import Span

DAY = 1440
"""Minutes of the longest mean that a value or an hour is held against; limits of a year say nothing about it."""


class Holding:
    """The limits of a factor at features given with their region codes, read once.

    A limit of the region goes before that of the nation, and of the nation's the one over the shortest span. One that
    holds above the background has the background of the hour on top, and where that is not known the nation's holds.
    """

    def __init__(self, layer: Layer, code: str, regions: Mapping[UUID, str], grade: str = "") -> None:
        rows = [row.row for row in Row.objects.filter(factor=code, minutes__lte=DAY)]
        national = [row for row in rows if not row.region]
        shortest = min((row.minutes for row in national), default=0)
        self.national = [row for row in national if row.minutes == shortest]
        places = set(regions.values())
        self.local = [row for row in rows if row.region and any(place.startswith(row.region) for place in places)]
        self.code, self.regions, self.grade = code, regions, grade
        reach = tuple({row.region for row in self.local})
        inside = [pk for pk, region in regions.items() if region.startswith(reach)] if reach else []
        self._standing, self._around = standings(layer, inside), Backgrounds(layer.key)

    @property
    def least(self) -> float | None:
        """The lowest limit that may hold anywhere: what is not over it is over none; None where there is none."""
        values = [row.value for row in (*self.national, *self.local) if row.value is not None]
        return min(values, default=None)

    def at(self, feature: UUID, at: datetime, hour: datetime | None = None) -> Limit | None:
        """The limit in force at a moment; ``hour`` is the one whose background counts, else that of the moment."""
        region, found = self.regions[feature], None
        if feature in self._standing:
            stage = self._standing[feature].stage(at)
            found = limit_at(self.local, self.code, at, grade=self.grade, stage=stage, region=region)
            found = self._around.above(found, feature, region, hour or at, Span.HOUR)
        found = found or limit_at(self.national, self.code, at, grade=self.grade, region=region)
        return found if found is not None and found.value is not None else None


def holding(layer: Layer, code: str, regions: Mapping[UUID, str], at: datetime, grade: str = "") -> dict[UUID, Limit]:
    """Feature → the limit in force at a moment, its background that of the last whole hour; those without left out."""
    limits = Holding(layer, code, regions, grade)
    found = {pk: limits.at(pk, at, at - timedelta(hours=1)) for pk in regions}
    return {pk: limit for pk, limit in found.items() if limit is not None}
